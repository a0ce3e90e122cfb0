package main

import (
	"errors"
	"flag"
	"os"

	"auth-watchdog/watchdog/internal/dev"
	"auth-watchdog/watchdog/internal/setting"
)

var devCommand = command{
	name: "dev", args: "[stack.yml] [--function NAME] [--port 8080]",
	meaning: "build and run functions on this machine, without a container, and print a curl for each way in",
	example: "  auth-watchdog dev",
	run:     runDev,
}

func runDev(p *program, fs *flag.FlagSet, args []string) error {
	name := fs.String("function", "", "the only function of the stack file to run; all if not set")
	port := fs.Int("port", 8080, "the port on 127.0.0.1; of several functions that of the first, before the others")
	words, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	stack := "stack.yml"
	if _, err := os.Stat("stack.yaml"); err == nil {
		stack = "stack.yaml" // faas-cli new writes this one
	}
	if len(words) == 1 {
		stack = words[0]
	}
	ctx, stop := untilSignal()
	defer stop()
	err = dev.Run(ctx, dev.Options{
		Stack: stack, Function: *name, Port: *port, Environ: p.environ, Stdout: p.stdout, Stderr: p.stderr,
	})
	if wrong := setting.Problems(nil); errors.As(err, &wrong) {
		return usageError{err}
	}
	return err
}
