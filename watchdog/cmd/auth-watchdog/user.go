package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"auth-watchdog/watchdog/internal/account"
	"auth-watchdog/watchdog/internal/password"
)

// What NIST SP 800-63B asks for at least: of a password alone, and of one with
// something else beside it.
const (
	shortestAlone    = 15
	shortestPassword = 8
)

// A userEdit is what all commands have that change a user in a file.
type userEdit struct {
	command    string
	name, path string
	file       *account.File
	user       *account.User
}

// userArgs reads the NAME and the --file of a command.
func userArgs(fs *flag.FlagSet, args []string) (*userEdit, error) {
	path := fs.String("file", "", "the file with the users")
	words, err := parse(fs, args, 1)
	switch {
	case err != nil:
		return nil, err
	case len(words) == 0:
		return nil, misused("%s: want a NAME; auth-watchdog %s --help shows how", fs.Name(), fs.Name())
	case *path == "":
		return nil, misused("%s: want --file, in which the user is", fs.Name())
	}
	return &userEdit{command: fs.Name(), name: words[0], path: *path}, nil
}

// load reads the file and finds the user in it.
func (e *userEdit) load() (err error) {
	if e.file, err = loadUsers(e.command, e.path); err != nil {
		return err
	}
	if e.user = e.file.Users().Find(e.name); e.user == nil {
		return misused("%s: there is no user %s in %s; auth-watchdog user list --file %s shows who is there", e.command, e.name, e.path, e.path)
	}
	return nil
}

// loadUsers reads a file of users and says in each line of an error for which
// command.
func loadUsers(command, path string) (*account.File, error) {
	f, err := account.Load(path)
	if pathError := (*fs.PathError)(nil); errors.As(err, &pathError) {
		return nil, fmt.Errorf("%s: %s: %w", command, path, pathError.Err)
	}
	if err != nil {
		return nil, errors.New(command + ": " + strings.ReplaceAll(err.Error(), "\n", "\n"+command+": "))
	}
	return f, nil
}

// toYAML makes YAML of the file if --format says so.
func (e *userEdit) toYAML(format string) error {
	if err := checkFormat(e.command, format); err != nil {
		return err
	}
	if format != string(account.YAML) {
		return nil
	}
	if err := e.file.ToYAML(); err != nil {
		return misused("%s: %s: %w", e.command, e.path, err)
	}
	return nil
}

func checkFormat(command, format string) error {
	if format != "" && format != string(account.Lines) && format != string(account.YAML) {
		return misused("%s: --format=%q: want lines or yaml", command, format)
	}
	return nil
}

// save writes the file if the edit was good.
func (e *userEdit) save(err error) error {
	switch {
	case errors.Is(err, account.ErrLines):
		return misused("%s: %s %w; auth-watchdog user totp and user disable make YAML of it with --format yaml, which auth=basic does not read",
			e.command, e.path, err)
	case errors.Is(err, account.ErrNoSecondFactor):
		return misused("%s: %s %w; auth-watchdog user totp %s --file %s makes one", e.command, e.name, err, e.name, e.path)
	case err != nil:
		return fmt.Errorf("%s: %w", e.command, err)
	}
	if err := e.file.Save(); err != nil {
		return fmt.Errorf("%s: %w", e.command, err)
	}
	return nil
}

// askSignInPassword asks for the password of a user of a YAML file.
func (p *program) askSignInPassword(command, name string, secondFactor bool) (string, error) {
	text, err := p.askPassword(command)
	if err != nil {
		return "", err
	}
	length := utf8.RuneCountInString(text)
	switch {
	case secondFactor && length < shortestPassword:
		return "", misused("%s: want a password of at least %d characters", command, shortestPassword)
	case !secondFactor && length < shortestAlone:
		return "", misused("%s: want a password of at least %d characters, or %d with a second factor", command, shortestAlone, shortestPassword)
	}
	if password.Canonical(text) == nil { // New says what is wrong
		return text, nil
	}
	if err := password.CheckGuess(text, name); err != nil {
		return "", misused("%s: the password %w; several words that have nothing to do with each other are good", command, err)
	}
	return text, nil
}

// askPassword asks twice on a terminal, and otherwise reads a line.
func (p *program) askPassword(command string) (string, error) {
	fd := int(p.stdin.Fd())
	if !term.IsTerminal(fd) {
		line, _, err := p.line()
		return line, err
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(p.stderr, prompt)
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(p.stderr)
		return string(b), err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	second, err := ask("Once more: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", misused("%s: the two passwords differ", command)
	}
	return first, nil
}

// line reads a line of standard input, and reports whether there was one.
func (p *program) line() (text string, ok bool, err error) {
	line, err := p.lines.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", false, err
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), line != "", nil
}
