package main

import (
	"flag"
	"fmt"
	"time"

	"auth-watchdog/watchdog/internal/account"
)

var userDisableCommand = command{
	name: "user disable", args: "NAME --file F [--format yaml]",
	meaning: "keep a user from signing in",
	example: `  auth-watchdog user disable alice --file users.yaml
  faas-cli secret update users --from-file=users.yaml     # ends what alice has open`,
	run: func(p *program, fs *flag.FlagSet, args []string) error {
		return userState(p, fs, args, true, "disabled", (*account.File).Disable)
	},
}

var userEnableCommand = command{
	name: "user enable", args: "NAME --file F",
	meaning: "let a user sign in again",
	example: `  auth-watchdog user enable alice --file users.yaml
  faas-cli secret update users --from-file=users.yaml`,
	run: func(p *program, fs *flag.FlagSet, args []string) error {
		return userState(p, fs, args, false, "enabled", func(f *account.File, name string) error { return f.Enable(name, time.Now()) })
	},
}

var userSignOutCommand = command{
	name: "user sign-out", args: "NAME --file F [--format yaml]",
	meaning: "end the sessions of a user, everywhere",
	example: `  auth-watchdog user sign-out alice --file users.yaml
  faas-cli secret update users --from-file=users.yaml     # ends what alice has open`,
	run: func(p *program, fs *flag.FlagSet, args []string) error {
		return userState(p, fs, args, true, "signed out", func(f *account.File, name string) error { return f.SignOut(name, time.Now()) })
	},
}

// userState changes whether a user may sign in, or is signed in.
func userState(p *program, fs *flag.FlagSet, args []string, converts bool, state string, change func(f *account.File, name string) error) error {
	format := ""
	if converts {
		fs.StringVar(&format, "format", "", "yaml makes YAML of a file of lines")
	}
	e, err := userArgs(fs, args)
	if err != nil {
		return err
	}
	if err := e.load(); err != nil {
		return err
	}
	if err := e.toYAML(format); err != nil {
		return err
	}
	if err := e.save(change(e.file, e.name)); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s is %s in %s.\n", e.name, state, e.path)
	return nil
}
