// Package account knows the users of sign-in: it reads them from a secret and
// edits the file that becomes the secret.
package account

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/secret"
)

// A User is one who may sign in. It prints as its name.
type User struct {
	Name     string // canonical
	Password password.Hash
	Roles    []string
	TOTP     secret.Value        // the seed, in bytes; nothing without a second factor
	Recovery [][sha256.Size]byte // digests of the recovery codes that are left
	Expires  time.Time           // zero: does not expire
	Epoch    time.Time           // whoever signed in before has to do so again
	Disabled bool
}

// Version changes with the password, the roles, the seed, and when the user is
// disabled or enabled, so that what was sealed for another version is no longer
// good. It stays when recovery codes are used up or replaced.
func (u *User) Version() [16]byte {
	h := sha256.New()
	field := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	field([]byte(u.Name))
	field([]byte(u.Password.Text()))
	field(u.TOTP.Reveal())
	field(fmt.Appendf(nil, "%t", u.Disabled))
	roles := slices.Compact(slices.Sorted(slices.Values(u.Roles)))
	for _, role := range roles {
		field([]byte(role))
	}
	return [16]byte(h.Sum(nil))
}

// Format implements [fmt.Formatter] for every verb.
func (u User) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, u.String()) }

// String implements [fmt.Stringer].
func (u User) String() string { return fmt.Sprintf("user %q", u.Name) }

// MarshalText implements [encoding.TextMarshaler], for encoders and logs.
func (u User) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Users are the users of a secret. They do not change.
type Users struct {
	order  []*User
	byName map[string]*User
}

// Find returns the user of a name in any of its normalisation forms; nil if
// there is none.
func (u *Users) Find(name string) *User { return u.byName[password.CanonicalName(name)] }

// All returns the users in the order in which they stand.
func (u *Users) All() []*User { return slices.Clone(u.order) }

// Parse reads the users of a secret: a YAML list if it begins with "-" or "[",
// and otherwise lines of "name:hash [scopes=a,b] [expires=TIME]", whose scopes
// are the roles. It reports everything that is wrong, by line and user, and
// repeats nothing but names.
func Parse(file secret.Value) (*Users, error) {
	return parse(file, false)
}

// parse is Parse. A file that is edited may have what sign-in refuses: weak
// hashes, no user at all and, in lines, several passwords for a name.
func parse(file secret.Value, edited bool) (*Users, error) {
	r := &reader{edited: edited, users: &Users{byName: map[string]*User{}}, accounts: map[string]string{}}
	if FormOf(file.Reveal()) == YAML {
		r.yaml(file)
	} else {
		r.lines(file)
	}
	if len(r.users.order) == 0 && len(r.errs) == 0 && !edited {
		r.errs = append(r.errs, errors.New("has no user"))
	}
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return r.users, nil
}

// A reader collects the users of a file, and what is wrong with it.
type reader struct {
	edited   bool
	users    *Users
	accounts map[string]string // names, by how failures are counted
	errs     []error
}

func (r *reader) bad(line int, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("line %d: %w", line, fmt.Errorf(format, args...)))
}

// add takes a user that stands in a line, if nothing is wrong with its name and
// its hash.
func (r *reader) add(line int, u *User) {
	if err := u.checkFloor(); err != nil && !r.edited {
		r.bad(line, "%v: %w", u, err)
		return
	}
	account := password.Account(u.Name)
	switch other, taken := r.accounts[account]; {
	case !taken:
	case other == u.Name:
		r.bad(line, "%v: stands twice", u)
		return
	case !r.edited:
		r.bad(line, "%v: is the same name as %q to most people: want names that differ in more than case or spelling", u, other)
		return
	}
	r.accounts[account] = u.Name
	r.users.byName[u.Name] = u
	r.users.order = append(r.users.order, u)
}

func (u *User) checkFloor() error {
	err := u.Password.CheckFloor()
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; auth-watchdog user passwd %s --file F sets it anew", err, u.Name)
}

// canonicalName returns a name as it is compared. It is empty if it cannot be
// one that people sign in with.
func canonicalName(s string) string {
	name := password.CanonicalName(s)
	if hasSpace(name) {
		return ""
	}
	return name
}

const wantName = "want a name in UTF-8 without spaces, colons and control characters, and without # at its beginning"
