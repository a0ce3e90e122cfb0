package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"auth-watchdog/watchdog/auth/basic"
	"auth-watchdog/watchdog/internal/account"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/secret"
)

var userAddCommand = command{
	name: "user add", args: "NAME --file F [--scopes a,b] [--rotate] [--roles a,b] [--second-factor]",
	meaning: "add a user with a password for a function with auth=basic, or for sign-in",
	example: `  auth-watchdog user add alice --file users.txt
  faas-cli secret create users --from-file=users.txt      # and auth_basic_secret: users in stack.yml

  auth-watchdog user add alice --file users.yaml --roles admin --second-factor
  faas-cli secret create users --from-file=users.yaml     # for sign-in with auth: login`,
	run: userAdd,
}

// A newUser is what the arguments of user add say.
type newUser struct {
	name, path     string
	scopes, roles  string
	format, issuer string
	rotate         bool
	secondFactor   bool
}

func userAdd(p *program, fs *flag.FlagSet, args []string) error {
	var u newUser
	fs.StringVar(&u.path, "file", "", "the file to which the user is added")
	fs.StringVar(&u.scopes, "scopes", "", "what the user may, with commas between")
	fs.StringVar(&u.roles, "roles", "", "the same, of a user who signs in")
	fs.BoolVar(&u.rotate, "rotate", false, "add a second password to a user who is there already, in a file of lines")
	fs.BoolVar(&u.secondFactor, "second-factor", false, "make a seed for an authenticator app, and show its QR code")
	fs.StringVar(&u.issuer, "issuer", defaultIssuer, "what the app says that its codes are for")
	fs.StringVar(&u.format, "format", "", "the form of the file: lines, or yaml for roles and second factors, which is that of a new file named .yml or .yaml; lines become YAML with it")
	words, err := parse(fs, args, 1)
	switch {
	case err != nil:
		return err
	case len(words) == 0:
		return misused("user add: want a NAME; auth-watchdog user add --help shows how")
	case u.path == "":
		return misused("user add: want --file, to which the user is added")
	}
	u.name = words[0]
	isYAML, err := u.isYAML()
	if err != nil {
		return err
	}
	if isYAML {
		return p.addToYAML(u)
	}
	return p.addToLines(u)
}

// isYAML reports whether the user goes into a YAML list. A file of lines
// becomes one only if --format says so.
func (u newUser) isYAML() (bool, error) {
	if err := checkFormat("user add", u.format); err != nil {
		return false, err
	}
	text, err := os.ReadFile(u.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	form, wantsYAML := account.FormOf(text), u.roles != "" || u.secondFactor
	// A new file is what its name says, so that the first user is held to the
	// same as the others.
	named := strings.HasSuffix(u.path, ".yaml") || strings.HasSuffix(u.path, ".yml")
	switch {
	case u.scopes != "" && u.roles != "":
		return false, misused("user add: want --roles or --scopes, which are the same of a user who signs in")
	case u.format == string(account.Lines) && form == account.YAML:
		return false, misused("user add: %s is YAML and can't become lines", u.path)
	case u.format == string(account.Lines) && wantsYAML:
		return false, misused("user add: --roles and --second-factor want --format yaml; lines have --scopes")
	case u.format == "" && form == account.Lines && wantsYAML:
		return false, misused("user add: %s is a file of lines, name:hash, in which users have --scopes and no second factor; "+
			"--format yaml makes YAML of it, which auth=basic does not read", u.path)
	}
	return u.format == string(account.YAML) || form == account.YAML || u.format == "" && form == account.Empty && (wantsYAML || named), nil
}

func (p *program) addToYAML(u newUser) error {
	e := &userEdit{command: "user add", name: u.name, path: u.path}
	if u.rotate {
		return misused("user add: in YAML a user has one password, which auth-watchdog user passwd %s --file %s sets", u.name, u.path)
	}
	var err error
	if _, err = os.Stat(u.path); errors.Is(err, fs.ErrNotExist) {
		e.file = account.NewFile(u.path)
	} else if e.file, err = loadUsers(e.command, u.path); err != nil {
		return err
	}
	if err := e.file.ToYAML(); err != nil {
		return misused("user add: %s: %w", u.path, err)
	}
	roles := splitScopes(u.roles + u.scopes)
	if err := e.file.MayAdd(u.name, roles); err != nil {
		return misused("user add: %w", err)
	}
	text, err := p.askSignInPassword(e.command, u.name, u.secondFactor)
	if err != nil {
		return err
	}
	stored, err := password.New(text)
	if err != nil {
		return misused("user add: %w", err)
	}
	var seed []byte
	if u.secondFactor {
		if seed, err = p.newSeed(e.command, u.name, u.issuer); err != nil {
			return err
		}
	}
	if err := e.save(e.file.Add(u.name, stored, roles, seed)); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s was added to %s.\n", u.name, u.path)
	if u.secondFactor {
		p.sayRecovery(u.name, u.path)
	}
	return nil
}

func (p *program) addToLines(u newUser) error {
	text, err := p.askPassword("user add")
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(text) < shortestPassword {
		return misused("user add: want a password of at least %d characters", shortestPassword)
	}
	line, err := basic.NewLine(u.name, text, splitScopes(u.scopes), time.Time{})
	if err != nil {
		return misused("user add: %w", err)
	}
	if err := mayAdd(u.path, u.name, line, u.rotate); err != nil {
		return err
	}
	if err := secret.AppendLine(u.path, line); err != nil {
		return fmt.Errorf("user add: %w", err)
	}
	fmt.Fprintf(p.stdout, "%s was added to %s.\n", u.name, u.path)
	return nil
}

// mayAdd reports why a line can't be added to a file: what would then stand
// there has to be good.
func mayAdd(file, name, line string, rotate bool) error {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	whole := line
	if len(text) > 0 {
		whole = strings.TrimSuffix(string(text), "\n") + "\n" + line
	}
	users, err := basic.ParseUsers(file, secret.New([]byte(whole)))
	if err != nil {
		return fmt.Errorf("user add: %s, with the new line at its end: %w", file, err)
	}
	if users.Passwords(name) > 1 && !rotate {
		return misused("user add: %s is in %s already; --rotate adds a second password, until the first line is removed", name, file)
	}
	return nil
}
