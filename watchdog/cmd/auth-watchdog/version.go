package main

import (
	"flag"
	"fmt"
	"runtime"
)

var versionCommand = command{
	name:    "version",
	meaning: "print the version",
	example: "  auth-watchdog version",
	run: func(p *program, fs *flag.FlagSet, args []string) error {
		if _, err := parse(fs, args, 0); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "auth-watchdog %s (%s, %s %s/%s)\n", version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	},
}
