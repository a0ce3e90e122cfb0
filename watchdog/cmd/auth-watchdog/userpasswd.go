package main

import (
	"flag"
	"fmt"
	"unicode/utf8"

	"auth-watchdog/watchdog/internal/account"
	"auth-watchdog/watchdog/internal/password"
)

var userPasswdCommand = command{
	name: "user passwd", args: "NAME --file F",
	meaning: "give a user another password",
	example: `  auth-watchdog user passwd alice --file users.yaml
  faas-cli secret update users --from-file=users.yaml     # ends what alice has open`,
	run: userPasswd,
}

func userPasswd(p *program, fs *flag.FlagSet, args []string) error {
	e, err := userArgs(fs, args)
	if err != nil {
		return err
	}
	if err := e.load(); err != nil {
		return err
	}
	text, err := p.askNewPassword(e)
	if err != nil {
		return err
	}
	stored, err := password.New(text)
	if err != nil {
		return misused("user passwd: %w", err)
	}
	if err := e.save(e.file.SetPassword(e.name, stored)); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "The password of %s in %s is another now.\n", e.name, e.path)
	return nil
}

func (p *program) askNewPassword(e *userEdit) (string, error) {
	if e.file.Form() == account.YAML {
		return p.askSignInPassword(e.command, e.name, !e.user.TOTP.IsZero())
	}
	text, err := p.askPassword(e.command)
	if err == nil && utf8.RuneCountInString(text) < shortestPassword {
		err = misused("user passwd: want a password of at least %d characters", shortestPassword)
	}
	return text, err
}
