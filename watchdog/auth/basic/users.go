package basic

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"auth-watchdog/watchdog/internal/keyline"
	"auth-watchdog/watchdog/secret"
)

// longest is the most bytes of a name or a password.
const longest = 1024

// A user is who may sign in: a name with the passwords that are good for it,
// several while one is being replaced.
type user struct {
	keyline.Options
	name   string
	hashes []hash
}

// Users are the users of a secret file.
type Users struct {
	secret   string
	byName   map[string]*user
	accounts map[string]bool
	order    []*user
	rounds   int // the most hashes of any user: everybody pays for as many
}

// ParseUsers reads lines of "name:hash [scopes=a,b] [expires=RFC3339]"; blank
// ones and those that begin with # are passed over. It reports every line that
// is wrong, by its number and never by what it says. secretName is for lists
// and metrics.
func ParseUsers(secretName string, file secret.Value) (*Users, error) {
	u := newUsers(secretName)
	var errs []error
	for n, line := range file.Lines() {
		if err := u.add(string(line.Reveal())); err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
		}
	}
	if len(u.order) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("has no user, only comments"))
	}
	return u, errors.Join(errs...)
}

// Pair returns the one user of OpenFaaS' own pair of secrets, basic-auth-user
// and basic-auth-password.
func Pair(name, password string) (*Users, error) {
	u := newUsers(PairPassword)
	name, p := canonicalName(name), canonicalPassword(password)
	if name == "" || len(p) == 0 {
		return nil, errors.New("want a name without : and control characters, and a password in UTF-8 that is not empty")
	}
	return u, u.put(&user{name: name, hashes: []hash{newPlain(p)}})
}

// Passwords returns how many passwords are good for a name.
func (u *Users) Passwords(name string) int {
	if entry := u.byName[canonicalName(name)]; entry != nil {
		return len(entry.hashes)
	}
	return 0
}

// NewLine makes the line of a new user, with an argon2id hash of the password.
func NewLine(name, password string, scopes []string, expires time.Time) (string, error) {
	canonical := canonicalName(name)
	if canonical == "" || strings.ContainsFunc(canonical, unicode.IsSpace) {
		return "", errors.New("name: want one in UTF-8 without spaces, colons and control characters, and without # at its beginning")
	}
	if err := keyline.CheckScopes(scopes); err != nil {
		return "", err
	}
	stored, err := newHash(password)
	if err != nil {
		return "", err
	}
	line := canonical + ":" + stored + keyline.Options{Scopes: scopes, Expires: expires}.String()
	return line, newUsers("").add(line)
}

func newUsers(secretName string) *Users {
	return &Users{secret: secretName, byName: map[string]*user{}, accounts: map[string]bool{}}
}

func (u *Users) add(line string) error {
	words, options, err := keyline.Split(line)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return errors.New("want name:hash " + keyline.Usage)
	}
	name, stored, found := strings.Cut(words[0], ":")
	if name = canonicalName(name); !found || name == "" {
		return errors.New("want name:hash, and a name in UTF-8 without spaces and control characters")
	}
	h, err := parseHash(stored)
	if err != nil {
		return err
	}
	return u.put(&user{Options: options, name: name, hashes: []hash{h}})
}

// put adds a user, or a further password to one.
func (u *Users) put(entry *user) error {
	if known := u.byName[entry.name]; known != nil {
		if known.String() != entry.String() {
			return errors.New("has other scopes or another expiry than the line before it with the same name")
		}
		known.hashes = append(known.hashes, entry.hashes...)
		entry = known
	} else {
		u.byName[entry.name] = entry
		u.accounts[account(entry.name)] = true
		u.order = append(u.order, entry)
	}
	u.rounds = max(u.rounds, len(entry.hashes))
	if u.rounds > maxRounds {
		return fmt.Errorf("is the name's password number %d, and %d is the most", u.rounds, maxRounds)
	}
	return nil
}

// maxRounds is the most passwords that one name may have at a time.
const maxRounds = 4

// canonicalName returns a user name as it is compared: UTF-8 in the
// normalisation form C, case preserved (RFC 7617 §2.1, RFC 8265 §3.4). It is
// empty if s cannot be a name.
func canonicalName(s string) string {
	if len(s) > longest || !printable(s) || strings.Contains(s, ":") || strings.HasPrefix(s, "#") {
		return ""
	}
	return norm.NFC.String(s)
}

// canonicalPassword returns a password as it is hashed: UTF-8 in the
// normalisation form C, every kind of space as U+0020 (RFC 8265 §4.2). It is
// nil if s cannot be a password.
func canonicalPassword(s string) []byte {
	if len(s) > longest || !printable(s) {
		return nil
	}
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, s)
	return norm.NFC.Bytes([]byte(s))
}

// printable reports whether s is UTF-8 without control characters, which
// RFC 7617 §2 does not allow.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// account is the name under which failures are counted: however it is spelled,
// a name has one counter.
func account(name string) string {
	return strings.ToLower(strings.TrimSpace(norm.NFKC.String(name)))
}
