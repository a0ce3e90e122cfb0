// Package keyline reads the options that stand after a credential in the line
// of a secret file: "… [scopes=a,b] [expires=RFC3339]".
package keyline

import (
	"errors"
	"strings"
	"time"

	"auth-watchdog/watchdog/internal/setting"
)

// Options are what a line says of its credential.
type Options struct {
	Scopes  []string
	Expires time.Time // zero: does not expire
}

// Usage is how the options are written, for error messages.
const Usage = "[scopes=a,b] [expires=2027-01-31T00:00:00Z]"

// Split takes the fields of a line apart: the words that are not options, and
// the options. A field is an option, known or not, if it is letters, "=", and
// something that is not the padding of base64; and so is what only looks like
// one of ours, or a slip of the pen would make it the credential. The error
// never repeats what stands in the line.
func Split(line string) (words []string, o Options, err error) {
	for _, field := range strings.Fields(line) {
		name, value, hasValue := strings.Cut(field, "=")
		switch {
		case name == "scopes" && hasValue && o.Scopes == nil:
			o.Scopes = strings.Split(value, ",")
			if err := CheckScopes(o.Scopes); err != nil {
				return nil, Options{}, err
			}
		case name == "expires" && hasValue && o.Expires.IsZero():
			if o.Expires, err = time.Parse(time.RFC3339, value); err != nil || o.Expires.IsZero() {
				return nil, Options{}, errors.New("expires: want a time such as 2027-01-31T00:00:00Z")
			}
		case isLetters(name) && strings.Trim(value, "=") != "", resemblesOption(field):
			return nil, Options{}, errors.New("has an option that is not one, or one twice: want " + Usage +
				", and a key with = in the middle as sha256: and its SHA-256 in hex")
		default:
			words = append(words, field)
		}
	}
	return words, o, nil
}

// CheckScopes says what is wrong with scopes.
func CheckScopes(scopes []string) error {
	for _, s := range scopes {
		if !setting.ValidName(s) {
			return errors.New("scopes: want words of at most 64 letters, digits and . _ : - @, with commas between")
		}
	}
	return nil
}

func isLetters(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz_") == ""
}

// resemblesOption reports whether a field begins with the name of an option, in
// whatever case, and a sign behind it.
func resemblesOption(field string) bool {
	i := strings.IndexAny(field, "=:")
	if i < 0 {
		return false
	}
	switch strings.ToLower(field[:i]) {
	case "scope", "scopes", "expire", "expires", "expiry":
		return true
	}
	return false
}

// String returns the options as they are written, with a space before each.
func (o Options) String() string {
	var s string
	if len(o.Scopes) > 0 {
		s += " scopes=" + strings.Join(o.Scopes, ",")
	}
	if !o.Expires.IsZero() {
		s += " expires=" + o.Expires.UTC().Format(time.RFC3339)
	}
	return s
}
