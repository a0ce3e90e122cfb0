package main

import (
	"flag"
	"fmt"

	"auth-watchdog/watchdog"
)

var checkCommand = command{
	name: "check", args: "[--no-secrets]",
	meaning: "show what the settings in the environment mean, and everything that is wrong with them",
	example: "  auth=bearer mode=http upstream_url=unix:///tmp/function.sock auth-watchdog check",
	run:     check,
}

func check(p *program, fs *flag.FlagSet, args []string) error {
	noSecrets := fs.Bool("no-secrets", false, "read no secret, as at the build of an image")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	report, err := watchdog.Check(watchdog.Options{Settings: watchdog.Environ(p.environ)}, *noSecrets)
	if report != nil {
		fmt.Fprint(p.stdout, report)
	}
	if err == nil {
		fmt.Fprintln(p.stdout, "ok")
	}
	return err
}
