// Command auth-watchdog runs in a function's container, in front of the
// function, and lets nothing unauthenticated reach it.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"auth-watchdog/watchdog"
)

// Stamped at the build: -ldflags "-X main.version=1.2.3 -X main.commit=abc".
var (
	version = "dev"
	commit  = ""
)

// revision is that of the sources: the stamp or, without one, what Go has noted
// of them.
func revision() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "unknown"
}

func main() {
	p := &program{stdin: os.Stdin, lines: bufio.NewReader(os.Stdin), stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ()}
	os.Exit(p.run(os.Args[1:]))
}

// A program is the process as commands see it.
type program struct {
	stdin          *os.File
	lines          *bufio.Reader // of stdin
	stdout, stderr io.Writer
	environ        []string
}

// A command is what the first argument names.
type command struct {
	name    string // of one or two words
	args    string
	meaning string // one line
	example string
	run     func(p *program, fs *flag.FlagSet, args []string) error
}

// commands are all there are; without one the program serves.
func commands() []command {
	return []command{
		checkCommand, explainCommand, signCommand, keyNewCommand, keyRingCommand,
		userAddCommand, userPasswdCommand, userTOTPCommand, userRecoveryCommand, userDisableCommand, userEnableCommand, userSignOutCommand, userListCommand,
		devCommand, healthcheckCommand, versionCommand,
	}
}

// Exit statuses.
const (
	exitFailed = 1 // refused, or failed
	exitUsage  = 2 // wrong usage or configuration
)

// A usageError is the caller's mistake.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func misused(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errSilent is a failure of which everything has been said.
var errSilent = errors.New("failed")

func (p *program) run(args []string) int {
	err := p.dispatch(args)
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage):
		p.complain(err)
		return exitUsage
	case !errors.Is(err, errSilent):
		p.complain(err)
	}
	return exitFailed
}

// complain writes each line of an error with the name of the program.
func (p *program) complain(err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(p.stderr, "auth-watchdog: %s\n", line)
	}
}

func (p *program) dispatch(args []string) error {
	if len(args) == 0 {
		return p.serve()
	}
	switch args[0] {
	case "--version", "-version":
		fmt.Fprintf(p.stdout, "Version: %s\tSHA: %s\n", version, revision()) // of-watchdog's words
		return nil
	case "--run-healthcheck", "-run-healthcheck":
		return p.dispatch([]string{healthcheckCommand.name})
	case "help", "--help", "-help", "-h":
		p.help()
		return nil
	}
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) < len(words) || strings.Join(args[:len(words)], " ") != c.name {
			continue
		}
		fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		fs.Usage = func() {}
		err := c.run(p, fs, args[len(words):])
		if errors.Is(err, flag.ErrHelp) {
			p.usage(c, fs)
		}
		return err
	}
	if group := commandsOf(args[0]); len(group) > 0 && (len(args) == 1 || len(args) == 2 && isHelp(args[1])) {
		p.list(group)
		return nil
	}
	return misused("there is no command %q; auth-watchdog help lists them", strings.Join(args, " "))
}

// commandsOf are the commands of two words that begin with this one.
func commandsOf(first string) []command {
	return slices.DeleteFunc(commands(), func(c command) bool { return !strings.HasPrefix(c.name, first+" ") })
}

func isHelp(arg string) bool { return slices.Contains([]string{"--help", "-help", "-h"}, arg) }

// parse reads flags that may stand before, between and behind the arguments.
func parse(fs *flag.FlagSet, args []string, want int) ([]string, error) {
	var words []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, misused("%s: %w; auth-watchdog %s --help shows how", fs.Name(), err, fs.Name())
		}
		if fs.NArg() == 0 {
			break
		}
		words, args = append(words, fs.Arg(0)), fs.Args()[1:]
	}
	if len(words) > want {
		return nil, misused("%s: %q is one argument too many; auth-watchdog %s --help shows how", fs.Name(), words[want], fs.Name())
	}
	return words, nil
}

func (p *program) help() {
	fmt.Fprint(p.stdout, `auth-watchdog lets nothing unauthenticated reach a function.

Without a command it serves, as the environment says:
  auth=bearer mode=http upstream_url=unix:///tmp/function.sock fprocess=./handler auth-watchdog

Commands:
`)
	p.list(commands())
}

// list shows commands in a table.
func (p *program) list(commands []command) {
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, c := range commands {
		fmt.Fprintf(t, "  %s %s\t%s\n", c.name, c.args, c.meaning)
	}
	_ = t.Flush()
	fmt.Fprint(p.stdout, "\nauth-watchdog COMMAND --help shows an example of each.\n")
}

func (p *program) usage(c command, fs *flag.FlagSet) {
	fmt.Fprintf(p.stdout, "auth-watchdog %s %s\n\n%s\n\nExample:\n%s\n", c.name, c.args, c.meaning, c.example)
	fs.SetOutput(p.stdout)
	hasFlags := false
	fs.VisitAll(func(*flag.Flag) { hasFlags = true })
	if hasFlags {
		fmt.Fprint(p.stdout, "\nFlags:\n")
		fs.PrintDefaults()
	}
}

const tuneAfter = 50 * time.Millisecond

// serve is what the program does in a container.
func (p *program) serve() error {
	watchdog.ShareProcessors(p.environ)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	w, err := watchdog.New(watchdog.Options{
		Settings: watchdog.Environ(p.environ), Stdout: p.stdout, Stderr: p.stderr,
		Environ: p.environ, Version: version, Reap: os.Getpid() == 1,
	})
	if err != nil {
		return usageError{err}
	}
	// Later, as it stops all that runs for a moment, and the first callers wait.
	time.AfterFunc(tuneAfter, func() { w.Tune(p.environ) })
	ctx, end := context.WithCancel(context.Background())
	defer end()
	go func() {
		<-signals
		end()
		<-signals // somebody does not want to wait
		w.Hurry()
	}()
	return w.Run(ctx)
}

// untilSignal returns a context that ends with the first SIGTERM or SIGINT; a
// second one ends the process at once.
func untilSignal() (context.Context, func()) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
