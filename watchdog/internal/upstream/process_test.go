package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runs runs the function p until it ends or ctx does.
func runs(t *testing.T, ctx context.Context, p Process) error {
	t.Helper()
	o := to(socket(t))
	o.Process = p
	return NewHTTP(o).Run(ctx)
}

func sh(script string) []string { return []string{"sh", "-c", script} }

func TestProcessEnds(t *testing.T) {
	for _, tt := range []struct{ name, script, want string }{
		{"well", "exit 0", "exit status 0"},
		{"badly", "exit 3", "exit status 3"},
		{"by a signal", "kill -KILL $$", "signal: killed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := runs(t, t.Context(), Process{Command: sh(tt.script)})
			if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %v with %q", err, ErrEnded, tt.want)
			}
		})
	}
}

func TestProcessNotStarted(t *testing.T) {
	for _, tt := range []struct {
		name string
		p    Process
		want string
	}{
		{"no such program", Process{Command: []string{"no-such-program"}}, "no-such-program"},
		{"no program", Process{Command: []string{os.DevNull}}, os.DevNull},
		{"no such folder", Process{Command: sh("exit 0"), Folder: "/no/such/folder"}, "no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := runs(t, t.Context(), tt.p)
			if err == nil || errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "fprocess") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that says fprocess and %s", err, tt.want)
			}
		})
	}
}

// A told process writes to a pipe that has an end when none is left that could
// write to it.
type told struct {
	t *testing.T
	r *bufio.Reader
	w *os.File
}

func newTold(t *testing.T) *told {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return &told{t, bufio.NewReader(r), w}
}

// line waits for the process to say a line.
func (o *told) line(want string) {
	o.t.Helper()
	if got, err := o.r.ReadString('\n'); got != want+"\n" || err != nil {
		o.t.Fatalf("got %q and %v, want %q", got, err, want)
	}
}

// rest waits until nobody is left.
func (o *told) rest(want string) {
	o.t.Helper()
	o.w.Close()
	if got, err := io.ReadAll(o.r); string(got) != want || err != nil {
		o.t.Errorf("got %q and %v, want %q", got, err, want)
	}
}

func TestProcessIsEnded(t *testing.T) {
	for _, tt := range []struct {
		name, script, last string
		slow               bool
	}{
		{name: "at once", script: `echo ready; exec sleep 1000`},
		{name: "in its own time", script: `trap 'echo bye; exit 0' TERM; echo ready; sleep 1000 & wait`, last: "bye\n"},
		{name: "with its children", script: `sleep 1000 & (sleep 1000 & sleep 1000) & echo ready; wait`},
		{name: "against its will", script: `trap '' TERM; echo ready; while :; do sleep 1000; done`, slow: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.slow && testing.Short() {
				t.Skipf("takes %v", grace)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out, ended := newTold(t), make(chan error, 1)
			p := Process{Command: sh(tt.script), Stdout: out.w}
			go func() { ended <- runs(t, ctx, p) }()
			out.line("ready")
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("got %v, want nil", err)
			}
			out.rest(tt.last)
		})
	}
}

// TestProcessLeavesBehind wants that a function that has ended leaves nothing
// that goes on in its place.
func TestProcessLeavesBehind(t *testing.T) {
	for name, script := range map[string]string{
		"a child":                        `sleep 1000 & echo ready`,
		"a child that does not want to":  `(trap '' TERM; exec sleep 1000) & echo ready`,
		"the child of one that is ended": `(sleep 1000 & exit) & wait; echo ready`,
	} {
		t.Run(name, func(t *testing.T) {
			out := newTold(t)
			if err := runs(t, t.Context(), Process{Command: sh(script), Stdout: out.w}); !errors.Is(err, ErrEnded) {
				t.Errorf("got %v, want %v", err, ErrEnded)
			}
			out.line("ready")
			out.rest("")
		})
	}
}

func TestProcessSurroundings(t *testing.T) {
	t.Setenv("UPSTREAM_TEST", "of the watchdog")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	there, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const script = `echo "${UPSTREAM_TEST-unset}"; echo "${OTHER-unset}"; pwd`
	for _, tt := range []struct {
		name string
		p    Process
		want string
	}{
		{"the watchdog's", Process{}, "of the watchdog\nunset\n" + here + "\n"},
		{"its own environment", Process{Env: []string{"OTHER=its own"}}, "unset\nits own\n" + here + "\n"},
		{"its own folder", Process{Folder: there}, "of the watchdog\nunset\n" + there + "\n"},
		{"its own", Process{Env: []string{"OTHER=its own"}, Folder: there}, "unset\nits own\n" + there + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs strings.Builder
			tt.p.Command, tt.p.Stdout, tt.p.Stderr = sh(script+"; echo wrong >&2"), &out, &errs
			if err := runs(t, t.Context(), tt.p); !errors.Is(err, ErrEnded) {
				t.Fatalf("got %v, want %v", err, ErrEnded)
			}
			if got := out.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got, want := errs.String(), "wrong\n"; got != want {
				t.Errorf("got the errors %q, want %q", got, want)
			}
		})
	}
}

// TestProcessLastLine wants that what a function says last is out when it is
// known to have ended.
func TestProcessLastLine(t *testing.T) {
	var out, errs strings.Builder
	err := runs(t, t.Context(), Process{
		Command: sh(`printf 'one\ntwo'; printf three >&2`),
		Stdout:  linesTo(&out, "stdout", 64), Stderr: linesTo(&errs, "stderr", 64),
	})
	if !errors.Is(err, ErrEnded) {
		t.Fatalf("got %v, want %v", err, ErrEnded)
	}
	const stdout = "2026/01/31 12:00:00 stdout: "
	if got, want := out.String(), stdout+"one\n"+stdout+"two\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := errs.String(), begin+"three\n"; got != want {
		t.Errorf("got the errors %q, want %q", got, want)
	}
}

// TestFunctionEnds has a function that answers, and then ends by itself.
func TestFunctionEnds(t *testing.T) {
	h, path := newHold(t), socket(t)
	o := to(path)
	o.Process = h.command(t, "serve", path)
	u := NewHTTP(o)
	ended := make(chan error, 1)
	go func() { ended <- u.Run(t.Context()) }()
	s := httptest.NewServer(u)
	t.Cleanup(s.Close)
	function, _ := h.next(t)
	if got := ask(t, s, get); got.status != http.StatusOK || got.body != "hello" {
		t.Errorf("got %d and %q, want 200 and %q", got.status, got.body, "hello")
	}
	if err := u.Ready(t.Context()); err != nil {
		t.Errorf("Ready while it answers: got %v, want nil", err)
	}

	io.WriteString(function, "exit\n")
	if err := <-ended; !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("Run: got %v, want %v with %q", err, ErrEnded, "exit status 3")
	}
	if err := u.Ready(t.Context()); err == nil {
		t.Error("Ready after its end: got nil, want an error")
	}
	ours(t, ask(t, s, get), http.StatusBadGateway)
}
