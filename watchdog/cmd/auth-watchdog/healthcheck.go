package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"auth-watchdog/watchdog"
)

var healthcheckCommand = command{
	name:    "healthcheck",
	meaning: "exit with 0 if a watchdog serves in this container, otherwise with 1",
	example: `  HEALTHCHECK --interval=5s CMD ["/usr/bin/fwatchdog", "healthcheck"]`,
	run:     healthcheck,
}

func healthcheck(p *program, fs *flag.FlagSet, args []string) error {
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := watchdog.Healthcheck(ctx, watchdog.Environ(p.environ)); err != nil {
		fmt.Fprintf(p.stderr, "%v.\n", err)
		return errSilent
	}
	return nil
}
