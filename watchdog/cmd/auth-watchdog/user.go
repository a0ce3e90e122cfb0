package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"auth-watchdog/watchdog/auth/basic"
	"auth-watchdog/watchdog/secret"
)

var userAddCommand = command{
	name: "user add", args: "NAME --file F [--scopes a,b] [--rotate]",
	meaning: "add a user with a password for a function with auth=basic",
	example: `  auth-watchdog user add alice --file users.txt
  faas-cli secret create users --from-file=users.txt      # and auth_basic_secret: users in stack.yml`,
	run: userAdd,
}

// shortestPassword is what NIST SP 800-63B asks for at least.
const shortestPassword = 8

func userAdd(p *program, fs *flag.FlagSet, args []string) error {
	file := fs.String("file", "", "the file to which the user is added")
	scopes := fs.String("scopes", "", "what the user may, with commas between")
	rotate := fs.Bool("rotate", false, "add a second password to a user who is there already")
	words, err := parse(fs, args, 1)
	switch {
	case err != nil:
		return err
	case len(words) == 0:
		return misused("user add: want a NAME; auth-watchdog user add --help shows how")
	case *file == "":
		return misused("user add: want --file, to which the user is added")
	}
	password, err := p.askPassword()
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(password) < shortestPassword {
		return misused("user add: want a password of at least %d characters", shortestPassword)
	}
	line, err := basic.NewLine(words[0], password, splitScopes(*scopes), time.Time{})
	if err != nil {
		return misused("user add: %w", err)
	}
	if err := mayAdd(*file, words[0], line, *rotate); err != nil {
		return err
	}
	if err := secret.AppendLine(*file, line); err != nil {
		return fmt.Errorf("user add: %w", err)
	}
	fmt.Fprintf(p.stdout, "%s was added to %s.\n", words[0], *file)
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

// askPassword asks twice on a terminal, and otherwise reads a line.
func (p *program) askPassword() (string, error) {
	fd := int(p.stdin.Fd())
	if !term.IsTerminal(fd) {
		line, err := bufio.NewReader(p.stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
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
		return "", misused("user add: the two passwords differ")
	}
	return first, nil
}
