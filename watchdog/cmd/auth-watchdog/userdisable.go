package main

import (
	"flag"
	"fmt"
)

var userDisableCommand = command{
	name: "user disable", args: "NAME --file F [--format yaml]",
	meaning: "keep a user from signing in",
	example: `  auth-watchdog user disable alice --file users.yaml
  faas-cli secret update users --from-file=users.yaml     # ends what alice has open`,
	run: func(p *program, fs *flag.FlagSet, args []string) error { return userSetDisabled(p, fs, args, true) },
}

var userEnableCommand = command{
	name: "user enable", args: "NAME --file F",
	meaning: "let a user sign in again",
	example: `  auth-watchdog user enable alice --file users.yaml
  faas-cli secret update users --from-file=users.yaml`,
	run: func(p *program, fs *flag.FlagSet, args []string) error { return userSetDisabled(p, fs, args, false) },
}

func userSetDisabled(p *program, fs *flag.FlagSet, args []string, disabled bool) error {
	format, state := "", "enabled"
	if disabled {
		fs.StringVar(&format, "format", "", "yaml makes YAML of a file of lines")
		state = "disabled"
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
	if err := e.save(e.file.SetDisabled(e.name, disabled)); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s is %s in %s.\n", e.name, state, e.path)
	if !disabled {
		fmt.Fprintf(p.stdout, "Sessions from before that have not reached their end are good again. To end them: auth-watchdog user passwd %s --file %s\n", e.name, e.path)
	}
	return nil
}
