package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// settled waits until as many processes wait as should, or one has ended.
func (s *spares) settled() {
	for {
		s.mu.Lock()
		settled := len(s.waiting) == s.want || s.pause > 0
		s.mu.Unlock()
		if settled {
			return
		}
		time.Sleep(time.Millisecond) // nothing tells
	}
}

// pids are the processes that wait.
func (s *spares) pids() (list []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.waiting {
		list = append(list, p.pid)
	}
	return list
}

// gone waits until a process has ended.
func gone(pid int) {
	for !isZombie(pid) && syscall.Kill(pid, 0) == nil {
		time.Sleep(time.Millisecond) // nothing tells when a grandchild has ended
	}
}

// TestForkPrefork: with processes that wait, all is answered as without.
func TestForkPrefork(t *testing.T) {
	for _, tt := range forkCases() {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.CGI, tt.o.Prefork = false, 2
			tt.log = "" // those that wait write to it too
			tt.check(t, func(f *forked) { f.upstream.spares.settled() })
		})
	}
}

// body is the answer to a POST.
func (f *forked) body(t *testing.T, body string) string {
	t.Helper()
	res, err := f.Client().Post(f.URL, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPreforkTakesEachOnce: a request gets one that waits, with what that has
// written, and never one that another request had.
func TestPreforkTakesEachOnce(t *testing.T) {
	f := forks(t, "echo $$; cat", ForkOptions{Prefork: 2})
	spares, used := f.upstream.spares, map[int]bool{}
	for range 10 {
		spares.settled()
		waiting := spares.pids()
		first, rest, _ := strings.Cut(f.body(t, "hello"), "\n")
		pid, err := strconv.Atoi(first)
		if err != nil || rest != "hello" {
			t.Fatalf("got %q and %q, want an id and hello", first, rest)
		}
		if pid != waiting[0] || used[pid] {
			t.Errorf("got process %d of %v, want the first, and it was used: %v", pid, waiting, used[pid])
		}
		used[pid] = true
	}
}

// TestPreforkMoreRequestsThanWait: those for which none waits start their own.
func TestPreforkMoreRequestsThanWait(t *testing.T) {
	f := forks(t, "cat", ForkOptions{Prefork: 1, Serializing: true})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if got, want := f.body(t, fmt.Sprint(i)), fmt.Sprint(i); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	wg.Wait()
	f.upstream.spares.settled()
	if got := f.upstream.spares.pids(); len(got) != 1 {
		t.Errorf("got %v waiting, want one", got)
	}
}

// TestPreforkReplacesTheDead: one that ends before its request is replaced.
func TestPreforkReplacesTheDead(t *testing.T) {
	f := forks(t, "cat", ForkOptions{Prefork: 2})
	spares := f.upstream.spares
	spares.settled()
	before := spares.pids()
	_ = syscall.Kill(before[0], syscall.SIGKILL)
	for slices.Contains(spares.pids(), before[0]) || len(spares.pids()) < 2 {
		time.Sleep(time.Millisecond) // nothing tells
	}
	if got := f.body(t, "hello"); got != "hello" {
		t.Errorf("got %q, want hello", got)
	}
}

// twoSpares returns spares that have two processes, and start no others.
func twoSpares(t *testing.T) *spares {
	t.Helper()
	program := newProgram(Process{Command: sh("cat")}, false)
	s := newSpares(2, nil, nil, discard)
	for range 2 {
		p, err := program.start(nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			p.kill()
			p.wait()
			p.close()
		})
		s.waiting = append(s.waiting, &spare{task: p})
	}
	return s
}

// TestPreforkTakesNoneThatHasEnded, though nobody has noticed yet.
func TestPreforkTakesNoneThatHasEnded(t *testing.T) {
	s := twoSpares(t)
	dead, alive := s.waiting[0], s.waiting[1]
	dead.kill()
	gone(dead.pid)
	if got := s.take(1); got != alive.task {
		t.Errorf("got %v, want the one that is alive", got)
	}
	if got := s.take(1); got != nil {
		t.Errorf("got %v, want none", got)
	}
}

// TestPreforkStartsWhenQuiet: while requests come and end nothing is started,
// unless one has found none.
func TestPreforkStartsWhenQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := twoSpares(t)
		var first *spare
		for _, step := range []struct {
			name    string
			after   time.Duration
			do      func()
			missing int
			pause   time.Duration
		}{
			{"one is taken", time.Hour, func() { first = s.waiting[0]; s.take(1) }, 1, quiet},
			{"it ends", quiet / 2, func() { first.kill(); s.watch(first) }, 1, quiet},
			{"it gets quiet", quiet, func() {}, 1, 0},
			{"the last is taken", time.Hour, func() { s.take(1) }, 2, quiet},
			{"none is left, and many are under way", time.Hour, func() { s.take(2) }, 2, quiet},
			{"none is left", 0, func() { s.take(1) }, 2, 0},
		} {
			time.Sleep(step.after)
			step.do()
			if missing, pause := s.missing(); missing != step.missing || max(pause, 0) != step.pause {
				t.Errorf("%s: got %d missing for %v, want %d for %v", step.name, missing, pause, step.missing, step.pause)
			}
		}
	})
}

// TestPreforkPauses: a program that always ends is not started without a pause,
// and a request gets what it would without processes that wait.
func TestPreforkPauses(t *testing.T) {
	f := forks(t, "exit 3", ForkOptions{Prefork: 4})
	f.upstream.spares.settled()
	for range 3 {
		if got := f.status(t, "/", http.Header{}); got != http.StatusInternalServerError || f.reason() != "exit_status" {
			t.Errorf("got %d for %q, want 500 for exit_status", got, f.reason())
		}
	}

	s := newSpares(1, nil, nil, discard)
	var got []time.Duration
	for range 9 {
		s.failed(errEndedWell, 0)
		s.failed(errEndedWell, 0) // during the pause of the first
		got = append(got, s.pause)
		s.notBefore = time.Time{}
	}
	want := []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if s.failed(errEndedWell, time.Hour); s.pause != shortestPause {
		t.Errorf("after one that has lived long: got %v, want %v", s.pause, shortestPause)
	}
}

// TestPreforkNotStarted: a program that appears is started ahead too.
func TestPreforkNotStarted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	f := forks(t, "", ForkOptions{Prefork: 1, Process: Process{Command: []string{path}}})
	f.upstream.spares.settled()
	if got := f.status(t, "/", http.Header{}); got != http.StatusInternalServerError || f.reason() != "not_started" {
		t.Errorf("got %d for %q, want 500 for not_started", got, f.reason())
	}
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\ncat\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	for len(f.upstream.spares.pids()) == 0 {
		time.Sleep(time.Millisecond) // nothing tells
	}
	if got := f.body(t, "hello"); got != "hello" {
		t.Errorf("got %q, want hello", got)
	}
}

// TestPreforkRenews: none that was started before works after.
func TestPreforkRenews(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	f := forks(t, "s=$(cat "+secret+"); echo ready >&2; cat; echo $s", ForkOptions{Prefork: 3})
	for strings.Count(f.logged(), "ready") < 3 {
		time.Sleep(time.Millisecond) // nothing tells
	}
	before := f.upstream.spares.pids()
	write("new")
	f.upstream.Renew()
	for _, pid := range before {
		gone(pid)
	}
	for range 5 {
		if got := f.body(t, "hello "); got != "hello new\n" {
			t.Errorf("got %q, want the new secret", got)
		}
	}
}

// TestPreforkRunEnds: none is left when Run returns, nor what it has started,
// and none is started any more.
func TestPreforkRunEnds(t *testing.T) {
	folder := t.TempDir()
	u := NewFork(ForkOptions{
		Process: Process{Command: sh("sleep 1000 & echo $! > " + folder + "/$$.new; mv " + folder + "/$$.new " + folder + "/$$; cat"), Folder: folder},
		Lines:   func(*http.Request, string) *Lines { return NewLines(io.Discard, "", 1<<10) },
		Log:     discard, Prefork: 3,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	var paths []string
	for len(paths) < 3 {
		time.Sleep(time.Millisecond) // nothing tells
		paths, _ = filepath.Glob(folder + "/*[0-9]")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("got %v", err)
	}
	for _, path := range paths {
		pid, _ := strconv.Atoi(filepath.Base(path))
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d is left", pid)
		}
		child, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(child)))
		if err != nil {
			t.Fatal(err)
		}
		gone(pid)
	}
	u.(Renewer).Renew()
	if got := u.(*fork).spares.pids(); len(got) > 0 {
		t.Errorf("got %v, want none after the end", got)
	}
}

// TestPreforkErrors: what is written to stderr before a request goes to the
// log, and then to the request's.
func TestPreforkErrors(t *testing.T) {
	log := &diary{}
	u := NewFork(ForkOptions{
		Process: Process{Command: sh("echo ready >&2; cat >&2")}, Prefork: 1, Log: discard,
		Lines: func(r *http.Request, stream string) *Lines {
			if r == nil {
				return NewLines(log, "nobody", 1<<10)
			}
			return NewLines(log, stream+" of "+r.URL.Path, 1<<10)
		},
	})
	s := run(t, u, as)
	for !strings.Contains(log.String(), "ready") {
		time.Sleep(time.Millisecond) // nothing tells
	}
	r := httptest.NewRequest("POST", s.URL+"/one", strings.NewReader("hello\n"))
	r.RequestURI = ""
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	got := log.String()
	if !strings.Contains(got, "nobody: ready\n") || !strings.Contains(got, "stderr of /one: hello\n") {
		t.Errorf("got %q, want a line of each", got)
	}
}
