package basic

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"auth-watchdog/watchdog/internal/keyline"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/secret"
)

// A user is who may sign in: a name with the passwords that are good for it,
// several while one is being replaced.
type user struct {
	keyline.Options
	name   string
	hashes []password.Hash
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
func Pair(name, pass string) (*Users, error) {
	u := newUsers(PairPassword)
	name, p := password.CanonicalName(name), password.Canonical(pass)
	if name == "" || len(p) == 0 {
		return nil, errors.New("want a name without : and control characters, and a password in UTF-8 that is not empty")
	}
	return u, u.put(&user{name: name, hashes: []password.Hash{newPlain(p)}})
}

// Passwords returns how many passwords are good for a name.
func (u *Users) Passwords(name string) int {
	if entry := u.byName[password.CanonicalName(name)]; entry != nil {
		return len(entry.hashes)
	}
	return 0
}

// NewLine makes the line of a new user, with an argon2id hash of the password.
func NewLine(name, pass string, scopes []string, expires time.Time) (string, error) {
	canonical := password.CanonicalName(name)
	if canonical == "" || strings.ContainsFunc(canonical, unicode.IsSpace) {
		return "", errors.New("name: want one in UTF-8 without spaces, colons and control characters, and without # at its beginning")
	}
	if err := keyline.CheckScopes(scopes); err != nil {
		return "", err
	}
	stored, err := password.New(pass)
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
	if name = password.CanonicalName(name); !found || name == "" {
		return errors.New("want name:hash, and a name in UTF-8 without spaces and control characters")
	}
	h, err := password.Parse(stored)
	if err != nil {
		return err
	}
	return u.put(&user{Options: options, name: name, hashes: []password.Hash{h}})
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
		u.accounts[password.Account(entry.name)] = true
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
