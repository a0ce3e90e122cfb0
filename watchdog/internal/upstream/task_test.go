package upstream

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestProgramMoves: a program is looked for again when it is not where it was.
func TestProgramMoves(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	t.Setenv("PATH", first+":"+second+":"+os.Getenv("PATH"))
	f := forks(t, "", ForkOptions{Process: Process{Command: []string{"upstream-test"}}})
	put := func(folder string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, "upstream-test"), []byte("#!/bin/sh\necho "+filepath.Base(folder)+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	take := func(folder string) {
		t.Helper()
		if err := os.Remove(filepath.Join(folder, "upstream-test")); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name   string
		do     func()
		status int
	}{
		{"missing", func() {}, 500},
		{"there", func() { put(second) }, 200},
		{"gone", func() { take(second) }, 500},
		{"elsewhere", func() { put(first) }, 200},
		{"moved", func() { put(second); take(first) }, 200},
	} {
		step.do()
		if got := f.status(t, "/", http.Header{}); got != step.status {
			t.Errorf("%s: got %d, want %d", step.name, got, step.status)
		}
	}
}

// TestProgramEnvironment: of variables with the same name a process gets one.
func TestProgramEnvironment(t *testing.T) {
	p := newProgram(Process{Command: sh(""), Env: []string{"A=1", "Http_Method=base", "B=2", "A=3"}}, false)
	if got, want := p.environ(nil), []string{"Http_Method=base", "B=2", "A=3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := p.environ([]string{"Http_Method=GET"}), []string{"B=2", "A=3", "Http_Method=GET"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	p = newProgram(Process{Command: sh(""), Env: []string{"A=1"}}, false)
	one, other := p.environ([]string{"Http_Path=/1"}), p.environ([]string{"Http_Path=/2"})
	if one[1] != "Http_Path=/1" || other[1] != "Http_Path=/2" {
		t.Errorf("got %q and %q, want one of each", one, other)
	}
}

// TestForkPassesOnBeforeTheEnd: what a process has written is with the caller
// though the process goes on, whether it keeps its output open or not.
func TestForkPassesOnBeforeTheEnd(t *testing.T) {
	for name, script := range map[string]string{
		"output stays open": "echo begun; cat",
		"output is closed":  "echo begun; exec 1>&-; cat > /dev/null",
		"errors too":        "echo begun; exec 1>&- 2>&-; cat > /dev/null",
	} {
		t.Run(name, func(t *testing.T) {
			f := forks(t, script, ForkOptions{})
			body, w := io.Pipe()
			r, err := http.NewRequest("POST", f.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := f.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			got := make([]byte, len("begun\n"))
			if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != "begun\n" {
				t.Errorf("got %q and %v, want what it wrote", got, err)
			}
			_ = w.Close()
			if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
				t.Errorf("got %q and %v, want the end", rest, err)
			}
		})
	}
}

// TestForkErrorsOfAnOrphan: what is written to stderr is logged as it comes, and
// who holds it open after the end holds up no answer.
func TestForkErrorsOfAnOrphan(t *testing.T) {
	f := forks(t, "sleep 3 1>&- & echo one >&2", ForkOptions{})
	if got := f.status(t, "/", http.Header{}); got != http.StatusOK {
		t.Errorf("got %d, want 200", got)
	}
	f.status(t, "/", http.Header{})
	if got := strings.Count(f.logged(), "stderr: one\n"); got != 2 {
		t.Errorf("got %q, want the line of each process", f.logged())
	}
}
