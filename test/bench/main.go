// Command bench measures what auth-watchdog costs a request: by itself, for
// each mode and method, and beside other programs that do the same.
//
//	go run ./test/bench
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const usage = `go run ./test/bench measures what auth-watchdog costs a request.

It builds the watchdog and a function that says hello, starts them on loopback,
and sends requests as fast as they are answered. It asserts nothing: it prints.

Examples:
  go run ./test/bench
  go run ./test/bench --only 'http.*bearer' --duration 1s
  go run ./test/bench --peer of-watchdog=/usr/bin/fwatchdog --nginx --streams --markdown

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:], os.Stdout)
	if ctx.Err() != nil {
		err = errors.New("interrupted: what it had started has been ended")
	}
	stop()
	var wrong usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &wrong):
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A usageError is the caller's mistake.
type usageError struct{ error }

func misused(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func run(ctx context.Context, args []string, out io.Writer) error {
	b := &bench{out: out}
	peers := peers{}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	generator := fs.String("load", "", "what sends the requests: own, or wrk; wrk if it is on the path")
	only := fs.String("only", "", "a regular expression: only rows and comparisons whose names it finds")
	nginx := fs.Bool("nginx", false, "compare with the nginx that is on the path")
	fs.DurationVar(&b.duration, "duration", 5*time.Second, "of each load; times in /proc count in 10ms")
	fs.IntVar(&b.connections, "connections", 16, "how many requests are under way at a time")
	fs.IntVar(&b.pairs, "pairs", 5, "how many times ours and theirs take turns")
	fs.IntVar(&b.prefork, "prefork", 0, "rows with prefork=`N` too, in mode streaming")
	fs.BoolVar(&b.streams, "streams", false, "send large bodies through, and show the memory they take")
	fs.BoolVar(&b.markdown, "markdown", false, "print markdown")
	fs.Var(peers, "peer", "`NAME=PATH` of a program to compare with: of-watchdog or classic-watchdog; may come twice")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage)
			fs.SetOutput(out)
			fs.PrintDefaults()
			return err
		}
		return misused("%w; --help shows how", err)
	}
	if err := b.settle(fs, *only); err != nil {
		return err
	}
	if *nginx {
		path, err := exec.LookPath(webProxy)
		if err != nil {
			return misused("--nginx: %w", err)
		}
		peers[webProxy] = path
	}
	folder, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if b.load, err = newLoad(*generator, folder); err != nil {
		return err
	}
	if b.site, err = newSite(ctx, folder, peers); err != nil {
		return err
	}
	if b.prefork > 0 && !b.site.knows(ctx, "prefork") {
		return misused("--prefork: this auth-watchdog has no such setting")
	}
	return b.run(ctx)
}

// settle judges the flags.
func (b *bench) settle(fs *flag.FlagSet, only string) (err error) {
	switch {
	case !hasProc():
		return usageError{errNoProc}
	case fs.NArg() > 0:
		return misused("%q is an argument too many; --help shows how", fs.Arg(0))
	case b.duration <= 0, b.connections <= 0, b.pairs <= 0, b.prefork < 0:
		return misused("want --duration, --connections and --pairs over 0, and --prefork not below")
	}
	if b.only, err = regexp.Compile(only); err != nil {
		return misused("--only: %w", err)
	}
	return nil
}

// newLoad returns the load of a name; without one wrk if it is there.
func newLoad(name, folder string) (load, error) {
	path, err := exec.LookPath("wrk")
	switch {
	case name == "own", name == "" && err != nil:
		return ownLoad{}, nil
	case name != "" && name != "wrk":
		return nil, misused("--load=%q: want own or wrk", name)
	case err != nil:
		return nil, misused("--load=wrk: %w", err)
	}
	return wrkLoad{path, folder}, nil
}

// peers are paths of programs by their names.
type peers map[string]string

func (p peers) String() string { return "" }

func (p peers) Set(text string) error {
	name, path, ok := strings.Cut(text, "=")
	if !ok || name != ofPeer && name != classic {
		return fmt.Errorf("want %s=PATH or %s=PATH", ofPeer, classic)
	}
	whole, err := filepath.Abs(path) // it is started in another folder
	if err != nil {
		return err
	}
	if _, err := exec.LookPath(whole); err != nil {
		return err
	}
	p[name] = whole
	return nil
}
