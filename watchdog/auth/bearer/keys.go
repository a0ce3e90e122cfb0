package bearer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog/internal/keyline"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

// shortest is the length under which a key draws a warning: 16 characters of
// base64 are 96 bits.
const shortest = 16

// longest is the most that a caller may present as a key. It keeps the work of
// a refusal small.
const longest = 4096

// prefix begins the keys that [NewKey] makes, so that people and scanners for
// leaked secrets can tell them.
const prefix = "awk_"

// A key is a line of a key file.
type key struct {
	keyline.Options
	name   string // empty if the line has none
	line   int
	digest [sha256.Size]byte
	short  bool
}

// label is how metrics and lists call the key.
func (k *key) label() string {
	if k.name != "" {
		return k.name
	}
	return fmt.Sprintf("line-%d", k.line)
}

// NewKey makes a key of 256 random bits.
func NewKey() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// A Line is a line of a key file, for those who write one.
type Line struct {
	Name    string
	Key     string // as the caller presents it
	Scopes  []string
	Expires time.Time
}

// Digested returns the line as it is best kept: with the SHA-256 of the key
// and not the key, so that whoever reads the file can't call.
func (l Line) Digested() (string, error) {
	if l.Name != "" && (!setting.ValidName(l.Name) || looksLikeKey(l.Name)) {
		return "", errors.New("name: want at most 64 letters, digits and . _ : - @")
	}
	if err := keyline.CheckScopes(l.Scopes); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(l.Key))
	text := digestPrefix + hex.EncodeToString(sum[:])
	if l.Name != "" {
		text = l.Name + " " + text
	}
	text += keyline.Options{Scopes: l.Scopes, Expires: l.Expires}.String()
	_, err := parseLine(text, isVisible)
	return text, err
}

const digestPrefix = "sha256:"

// parseKeys reads a key file. It reports every line that is wrong, by its
// number and never by what it says.
func parseKeys(file secret.Value, valid func(string) bool) ([]key, error) {
	var (
		keys []key
		errs []error
		seen = map[[sha256.Size]byte]int{}
	)
	for n, line := range file.Lines() {
		k, err := parseLine(string(line.Reveal()), valid)
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		if first, ok := seen[k.digest]; ok {
			errs = append(errs, fmt.Errorf("line %d: has the key of line %d", n, first))
			continue
		}
		seen[k.digest] = n
		k.line = n
		keys = append(keys, k)
	}
	if len(keys) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("has no key, only comments"))
	}
	return keys, errors.Join(errs...)
}

// parseLine reads "[name] credential [scopes=a,b] [expires=RFC3339]". What it
// says of a line that is wrong never repeats what stands in it: it could be
// the key.
func parseLine(text string, valid func(string) bool) (key, error) {
	words, options, err := keyline.Split(text)
	if err != nil {
		return key{}, err
	}
	k := key{Options: options}
	switch len(words) {
	case 1:
	case 2:
		k.name = words[0]
		if !setting.ValidName(k.name) || looksLikeKey(k.name) {
			return key{}, errors.New("the name comes first, of at most 64 letters, digits and . _ : - @, and then the credential")
		}
	default:
		return key{}, errors.New("want [name] credential " + keyline.Usage)
	}
	credential := words[len(words)-1]
	if digest, ok := strings.CutPrefix(credential, digestPrefix); ok {
		b, err := hex.DecodeString(digest)
		if err != nil || len(b) != sha256.Size {
			return key{}, fmt.Errorf("want %d hex digits after %s", 2*sha256.Size, digestPrefix)
		}
		k.digest = [sha256.Size]byte(b)
		if k.digest == sha256.Sum256(nil) {
			return key{}, errors.New("is the digest of an empty credential")
		}
		return k, nil
	}
	if looksLikeHash(credential) {
		return key{}, errors.New("the credential is a hash of another kind, and would itself be the key: want the key, or " + digestPrefix + " and its SHA-256 in hex")
	}
	if len(credential) > longest || !valid(credential) {
		return key{}, errors.New("the credential has characters that can't be sent, or too many of them")
	}
	k.digest = sha256.Sum256([]byte(credential))
	k.short = len(credential) < shortest
	return k, nil
}

// looksLikeHash reports whether a credential is what some other program stores
// of one: "SHA256:…", "sha512:…", "$argon2id$…", "user:$2y$…".
func looksLikeHash(credential string) bool {
	scheme, rest, found := strings.Cut(strings.ToLower(credential), ":")
	scheme = strings.ReplaceAll(scheme, "-", "")
	return strings.HasPrefix(credential, "$") ||
		found && (strings.HasPrefix(rest, "$") || slices.Contains([]string{"md5", "sha", "sha1", "sha224", "sha256", "sha384", "sha512"}, scheme))
}

// looksLikeKey reports whether a name is rather a key in the name's place,
// which would be shown in logs: in random text letters, capitals and digits
// stand side by side far more often than in a name.
func looksLikeKey(name string) bool {
	if strings.HasPrefix(name, prefix) || strings.HasPrefix(name, digestPrefix) {
		return true
	}
	changes := 0
	for i := 1; i < len(name); i++ {
		if isAlphanumeric(name[i]) && isAlphanumeric(name[i-1]) && class(name[i]) != class(name[i-1]) {
			changes++
		}
	}
	return len(name) >= 20 && changes*5 >= len(name)
}

func class(c byte) int {
	switch {
	case c <= '9':
		return 0
	case c <= 'Z':
		return 1
	}
	return 2
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// isVisible reports whether s has only characters that a header's value can
// have anywhere.
func isVisible(s string) bool {
	return s != "" && all(s, func(c byte) bool { return '!' <= c && c <= '~' })
}

// isB64Token reports whether s is written as RFC 6750 §2.1 has it.
func isB64Token(s string) bool {
	body := strings.TrimRight(s, "=")
	return body != "" && all(body, func(c byte) bool { return isAlphanumeric(c) || strings.IndexByte("-._~+/", c) >= 0 })
}

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}
