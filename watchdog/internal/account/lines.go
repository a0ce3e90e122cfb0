package account

import (
	"errors"
	"strings"
	"unicode"

	"auth-watchdog/watchdog/internal/keyline"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/secret"
)

func hasSpace(s string) bool { return strings.ContainsFunc(s, unicode.IsSpace) }

// lines reads a file as auth=basic has them.
func (r *reader) lines(file secret.Value) {
	for n, line := range file.Lines() {
		u, err := readLine(string(line.Reveal()))
		switch {
		case err != nil && u != nil:
			r.bad(n, "%v: %w", u, err)
		case err != nil:
			r.bad(n, "%w", err)
		case r.users.byName[u.Name] != nil && r.edited: // a second password
		default:
			r.add(n, u)
		}
	}
}

// readLine reads "name:hash [scopes=a,b] [expires=TIME]". With an error the
// user has at most a name.
func readLine(line string) (*User, error) {
	words, options, err := keyline.Split(line)
	if err != nil {
		return nil, err
	}
	if len(words) != 1 {
		return nil, errors.New("want name:hash " + keyline.Usage)
	}
	name, stored, found := strings.Cut(words[0], ":")
	if name = canonicalName(name); !found || name == "" {
		return nil, errors.New("want name:hash, and a name in UTF-8 without spaces and control characters")
	}
	hash, err := password.Parse(stored)
	if err != nil {
		return &User{Name: name}, err
	}
	return &User{Name: name, Password: hash, Roles: options.Scopes, Expires: options.Expires}, nil
}
