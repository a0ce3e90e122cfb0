package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBench runs the whole for a moment.
func TestBench(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts programs")
	}
	if !hasProc() {
		t.Skip(errNoProc)
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var out strings.Builder
	err := run(t.Context(), []string{"--load=own", "--duration=200ms", "--pairs=1", "--only=http.*bearer", "--markdown"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`processors \(.*own generator, 16 connections`,
		`(?m)^\| http-unix bearer \| [1-9]\d* \| [1-9]\d* \| [1-9]\d* \| \d+\.\d \| 0\.0 \| [1-9]\d*\.\d \| [1-9]\d*\.\d \| [1-9]\d* \|$`,
		`(?m)^\| http-tcp bearer \|`,
		`of-watchdog: not given; --peer of-watchdog=PATH compares with it`,
		`nginx: not given; --nginx compares with it`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("has not printed %s:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "streaming") {
		t.Errorf("has printed a row that was not asked for:\n%s", &out)
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) > 0 {
		t.Errorf("has left %q", left)
	}
	if left := childrenOf(os.Getpid()); len(left) > 0 {
		t.Errorf("has left processes %v", left)
	}
}

// TestInterrupted ends while programs run, and expects none to be left.
func TestInterrupted(t *testing.T) {
	if testing.Short() || !hasProc() {
		t.Skip("builds and starts programs, and reads /proc")
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := newSite(ctx, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !s.knows(ctx, "mode") || s.knows(ctx, "no_such_setting") {
		t.Error("does not tell settings from what is none")
	}
	begun := interruptedLoad{cancel}
	b := &bench{site: s, load: begun, duration: 1, connections: 1, pairs: 1, only: regexp.MustCompile("http-unix none"), out: new(strings.Builder)}
	if err := b.run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if left := childrenOf(os.Getpid()); len(left) > 0 {
		t.Errorf("has left processes %v", left)
	}
}

// An interruptedLoad is a load during which somebody ends the measurement.
type interruptedLoad struct{ interrupt func() }

func (l interruptedLoad) run(ctx context.Context, address string, r request, connections int, d time.Duration) (figures, error) {
	l.interrupt()
	return ownLoad{}.run(ctx, address, r, connections, d)
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--load=ab"},
		{"--only=("},
		{"--duration=0s"},
		{"--connections=0"},
		{"--pairs=-1"},
		{"--prefork=-1"},
		{"--peer=nginx=/bin/true"},
		{"--peer=of-watchdog"},
		{"--peer=of-watchdog=/does/not/exist"},
		{"--nothing"},
		{"word"},
	} {
		var wrong usageError
		if err := run(t.Context(), args, new(strings.Builder)); !errors.As(err, &wrong) {
			t.Errorf("%q: got %v, want a usage error", args, err)
		}
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"--help"}, &out); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v, want %v", err, flag.ErrHelp)
	}
	for _, want := range []string{"Examples:\n  go run ./test/bench", "-connections", "-streams"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help has no %q:\n%s", want, &out)
		}
	}
}

// TestEndOfGroup expects nothing to be left of a program that died before what
// it had started.
func TestEndOfGroup(t *testing.T) {
	p, err := begin(t.TempDir(), []string{"/bin/sh", "-c", "sleep 1000 & echo $!"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-p.done
	p.end()
	// A signal that was sent takes effect a moment later; without one this waits
	// for as long as the test may take.
	for !errors.Is(syscall.Kill(-p.pid(), 0), syscall.ESRCH) && !onlyZombies(t, p) {
		runtime.Gosched()
	}
}

// onlyZombies reports whether what a program has left has been killed, and
// waits for nothing but the process that adopted it.
func onlyZombies(t *testing.T, p *process) bool {
	t.Helper()
	child, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(child)) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}
