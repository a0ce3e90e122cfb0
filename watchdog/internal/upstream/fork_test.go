package upstream

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"auth-watchdog/watchdog/auth"
)

// forked is an upstream of processes, with what they have logged and why they
// did not answer.
type forked struct {
	*httptest.Server
	upstream *fork

	mu      sync.Mutex
	log     strings.Builder
	reasons []string
}

func (f *forked) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(p)
}

func (f *forked) logged() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.String()
}

func (f *forked) reason() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.reasons) == 0 {
		return ""
	}
	return f.reasons[len(f.reasons)-1]
}

// status is that of the answer to a GET.
func (f *forked) status(t *testing.T, path string, h http.Header) int {
	t.Helper()
	r, err := http.NewRequest("GET", f.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h
	res, err := f.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// forks serves a shell script, a process for each request.
func forks(t *testing.T, script string, o ForkOptions, stages ...func(http.Handler) http.Handler) *forked {
	t.Helper()
	f := &forked{}
	if o.Process.Command == nil {
		o.Process.Command = []string{"sh", "-c", script}
	}
	o.Log = (&diary{}).logger()
	o.Lines = func(_ *http.Request, stream string) *Lines { return NewLines(f, stream, 1<<10) }
	o.Report = func(_ *http.Request, reason string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.reasons = append(f.reasons, reason)
	}
	u := NewFork(o)
	f.upstream = u.(*fork)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	var h http.Handler = u
	for _, s := range stages {
		h = s(h)
	}
	f.Server = httptest.NewServer(h)
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v", err)
		}
		f.Close()
	})
	return f
}

// within has a stage end requests after a while, as exec_timeout does.
func within(d time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeoutCause(r.Context(), d, ErrTimeout)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// A forkCase is what a process does with a request, and what is answered.
type forkCase struct {
	name, script string
	o            ForkOptions
	timeout      time.Duration
	method, body string
	status       int
	want         string // the body
	cut          bool   // it does not come whole
	reason, log  string
}

func forkCases() []forkCase {
	streaming, serializing, classic := ForkOptions{CGI: true, ContentType: "text/x"}, ForkOptions{CGI: true, ContentType: "text/x", Serializing: true}, ForkOptions{CGI: true, CombineOutput: true, Classic: true}
	return []forkCase{
		{name: "answer", script: "cat", o: streaming, body: "hello", status: 200, want: "hello"},
		{name: "answer, serializing", script: "cat", o: serializing, body: "hello", status: 200, want: "hello"},
		{name: "answer, classic", script: "cat", o: classic, body: "hello", status: 200, want: "hello"},
		{name: "no answer, and well", script: "true", o: streaming, status: 200},
		{name: "failure without output", script: "exit 3", o: streaming, status: 500, want: "Internal Server Error\n", reason: "exit_status"},
		{name: "failure with output", script: "echo begun; exit 3", o: streaming, status: 200, want: "begun\n", cut: true, reason: "exit_status"},
		{name: "failure with output, serializing", script: "echo begun; exit 3", o: serializing, status: 500, want: "Internal Server Error\n", reason: "exit_status"},
		{name: "failure with output, classic", script: "echo begun; exit 3", o: classic, status: 500, want: "exit status 3\nbegun\n", reason: "exit_status"},
		{name: "killed by a signal", script: "kill -9 $$", o: streaming, status: 500, want: "Internal Server Error\n", reason: "exit_status"},
		{name: "no such program", o: ForkOptions{Process: Process{Command: []string{"/no/such/program"}}}, status: 500, want: "Internal Server Error\n", reason: "not_started"},
		{name: "no such program, serializing", o: ForkOptions{Process: Process{Command: []string{"/no/such/program"}}, Serializing: true}, status: 500, want: "Internal Server Error\n", reason: "not_started"},
		{name: "too slow", script: "sleep 60", o: streaming, timeout: 50 * time.Millisecond, status: 504, want: "Gateway Timeout\n", reason: "exec_timeout"},
		{name: "too slow, serializing", script: "echo begun; sleep 60", o: serializing, timeout: 50 * time.Millisecond, status: 504, want: "Gateway Timeout\n", reason: "exec_timeout"},
		{name: "too slow, classic", script: "sleep 60", o: classic, timeout: 50 * time.Millisecond, status: 408, want: "Killed process.\n", reason: "exec_timeout"},
		{name: "too slow to end", script: "echo begun; sleep 60", o: streaming, timeout: 300 * time.Millisecond, status: 200, want: "begun\n", cut: true, reason: "exec_timeout"},
		{name: "its children too", script: "sleep 60 & sleep 60 & wait", o: streaming, timeout: 50 * time.Millisecond, status: 504, want: "Gateway Timeout\n", reason: "exec_timeout"},
		{name: "input that is not read", script: "exec 0<&-; echo no", o: streaming, body: strings.Repeat("x", 1<<20), status: 200, want: "no\n"},
		{name: "input that is read late", script: "sleep 0.1; wc -c", o: streaming, body: strings.Repeat("x", 1<<20), status: 200, want: "1048576\n"},
		{name: "output before the input is read", script: "head -c 300000 /dev/zero; wc -c", o: streaming, body: strings.Repeat("x", 300000), status: 200, want: strings.Repeat("\x00", 300000) + "300000\n"},
		{name: "output that is closed early", script: "echo yes; exec 1>&-; true", o: streaming, status: 200, want: "yes\n"},
		{name: "standard error is logged", script: "echo out; echo first >&2; printf last >&2", o: streaming, status: 200, want: "out\n", log: "stderr: first\n2026 stderr: last\n"},
		{name: "standard error is part of it", script: "echo out; echo err >&2", o: ForkOptions{CombineOutput: true}, status: 200, want: "out\nerr\n"},
		{name: "the answer is logged", script: "echo out", o: ForkOptions{WriteDebug: true}, status: 200, want: "out\n", log: "stdout: out\n"},
		{name: "no variables", script: "env | grep -c Http_; true", o: ForkOptions{}, status: 200, want: "0\n"},
		{name: "HEAD", script: "echo body", o: streaming, method: "HEAD", status: 200},
		{name: "HEAD, classic", script: "echo body", o: classic, method: "HEAD", status: 405},
		{name: "OPTIONS, classic", script: "echo body", o: classic, method: "OPTIONS", status: 405},
		{name: "a line of 10 MiB", script: "head -c 10485760 /dev/zero >&2; echo done", o: ForkOptions{}, status: 200, want: "done\n"},
	}
}

func TestFork(t *testing.T) {
	for _, tt := range forkCases() {
		t.Run(tt.name, func(t *testing.T) { tt.check(t, func(*forked) {}) })
	}
}

// check sends the request once the upstream is ready.
func (tt forkCase) check(t *testing.T, ready func(*forked)) {
	t.Helper()
	stages := []func(http.Handler) http.Handler{}
	if tt.timeout > 0 {
		stages = append(stages, within(tt.timeout))
	}
	f := forks(t, tt.script, tt.o, stages...)
	ready(f)
	if tt.method == "" {
		tt.method = "POST"
	}
	r, err := http.NewRequest(tt.method, f.URL, strings.NewReader(tt.body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if res.StatusCode != tt.status || string(body) != tt.want || (err != nil) != tt.cut {
		t.Errorf("got %d, %.60q of %d bytes and %v, want %d, %.60q and that it is cut: %v", res.StatusCode, body, len(body), err, tt.status, tt.want, tt.cut)
	}
	if got := f.reason(); got != tt.reason {
		t.Errorf("got the reason %q, want %q", got, tt.reason)
	}
	if tt.log != "" && !strings.HasSuffix(noTimes(f.logged()), tt.log) {
		t.Errorf("got the log %q, want %q at its end", f.logged(), tt.log)
	}
}

// noTimes takes day and time off each line but the year.
func noTimes(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if len(line) > 20 {
			line = line[:4] + " " + line[20:]
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestForkHeaders(t *testing.T) {
	for _, tt := range []struct {
		name        string
		o           ForkOptions
		contentType string
		duration    bool
	}{
		{"streaming", ForkOptions{ContentType: "text/x"}, "text/x", false},
		{"serializing", ForkOptions{ContentType: "text/x", Serializing: true}, "text/x", true},
		{"classic", ForkOptions{Classic: true}, "application/y", true},
		{"classic with a type", ForkOptions{Classic: true, ContentType: "text/x"}, "text/x", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := forks(t, "cat", tt.o)
			res, err := f.Client().Post(f.URL, "application/y", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got := res.Header.Get("Content-Type"); got != tt.contentType {
				t.Errorf("got %q, want %q", got, tt.contentType)
			}
			d, err := strconv.ParseFloat(res.Header.Get("X-Duration-Seconds"), 64)
			if (err == nil && d >= 0) != tt.duration {
				t.Errorf("got X-Duration-Seconds %q, want one: %v", res.Header.Get("X-Duration-Seconds"), tt.duration)
			}
		})
	}
}

func TestForkMarshalRequest(t *testing.T) {
	f := forks(t, "cat", ForkOptions{MarshalRequest: true})
	r, err := http.NewRequest("POST", f.URL, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"X-One": {"1", "2"}, "User-Agent": {"me"}, "Accept-Encoding": {"identity"}}
	res, err := f.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	want := `{"header":{"Accept-Encoding":["identity"],"Content-Length":["5"],"User-Agent":["me"],"X-One":["1","2"]},"body":{"raw":"` +
		base64.StdEncoding.EncodeToString([]byte("hello")) + `"}}`
	if string(body) != want || err != nil {
		t.Errorf("got %s and %v, want %s", body, err, want)
	}
}

func TestForkDebugHeaders(t *testing.T) {
	f := forks(t, "cat", ForkOptions{DebugHeaders: true, ContentType: "text/x"})
	r, err := http.NewRequest("POST", f.URL, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer CANARY")
	r.Header.Set("X-One", "1")
	res, err := f.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	f.Close()
	log := f.logged()
	for _, want := range []string{"[in] X-One=[1]\n", "[in] Authorization=[…]\n", "[out] Content-Type=[text/x]\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("got %q, want %q in it", log, want)
		}
	}
	if strings.Contains(log, "CANARY") {
		t.Error("a credential was logged")
	}
}

// TestForkStreams: each piece of the answer comes before the next is asked for,
// while the request still comes.
func TestForkStreams(t *testing.T) {
	f := forks(t, "cat", ForkOptions{})
	body, w := io.Pipe()
	r, err := http.NewRequest("POST", f.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(w, "one\n") }()
	res, err := f.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for i, piece := range []string{"one\n", "two\n", "three\n"} {
		if i > 0 {
			if _, err := io.WriteString(w, piece); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, len(piece))
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != piece {
			t.Fatalf("got %q and %v, want %q", got, err, piece)
		}
	}
	_ = w.Close()
	if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
		t.Errorf("got %q and %v, want the end", rest, err)
	}
}

// TestForkAnswersBeforeTheBodyCame: a process that needs no body does not wait
// for one that stalls.
func TestForkAnswersBeforeTheBodyCame(t *testing.T) {
	for name, head := range map[string]string{"with a length": "Content-Length: 100", "chunked": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			f := forks(t, "echo done", ForkOptions{})
			c := dial(t, f.Server)
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: f\r\n%s\r\n\r\n", head)
			res, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(res.Body); string(body) != "done\n" || err != nil {
				t.Errorf("got %q and %v, want the answer", body, err)
			}
		})
	}
}

// TestForkBodyBreaks: no process takes for whole what is not.
func TestForkBodyBreaks(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "whole")
	f := forks(t, "cat > /dev/null; touch "+marker, ForkOptions{})
	c := dial(t, f.Server)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
	res, err := http.ReadResponse(c.r, nil)
	if err != nil || res.StatusCode != http.StatusBadRequest {
		t.Errorf("got %v and %v, want 400", res, err)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("the process went on with half a body")
	}
}

// TestForkCallerLeaves: who leaves takes the process along, and all that it
// has started.
func TestForkCallerLeaves(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	f := forks(t, "sleep 60 & echo $! $$ > "+pids+".new; mv "+pids+".new "+pids+"; echo begun; wait", ForkOptions{})
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", f.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	leave()
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		for !isZombie(pid) && syscall.Kill(pid, 0) == nil {
			time.Sleep(time.Millisecond) // nothing tells when a grandchild has ended
		}
	}
	for f.reason() == "" {
		time.Sleep(time.Millisecond)
	}
	if got := f.reason(); got != "caller_left" {
		t.Errorf("got the reason %q, want caller_left", got)
	}
}

// TestForkRunEnds: nothing is left running when Run returns, and nothing begins
// any more.
func TestForkRunEnds(t *testing.T) {
	u := NewFork(ForkOptions{
		Process: Process{Command: []string{"sleep", "60"}}, Log: (&diary{}).logger(),
		Lines: func(*http.Request, string) *Lines { return NewLines(io.Discard, "", 1<<10) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	began := make(chan struct{})
	answered := make(chan int, 1)
	go func() {
		rec := httptest.NewRecorder()
		close(began)
		u.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
		answered <- rec.Code
	}()
	<-began
	cancel()
	if err := u.Run(ctx); err != nil {
		t.Errorf("got %v", err)
	}
	if got := <-answered; got != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503", got)
	}
	rec := httptest.NewRecorder()
	u.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.Code != http.StatusServiceUnavailable || u.Ready(t.Context()) == nil {
		t.Errorf("after Run: got %d and ready, want 503 and not", rec.Code)
	}
}

func TestCGI(t *testing.T) {
	for _, tt := range []struct {
		name    string
		set     func(*http.Request)
		classic bool
		want    []string
	}{
		{"nothing", func(*http.Request) {}, false, []string{"Http_ContentLength=0", "Http_Host=shop", "Http_Method=GET", "Http_Path=/"}},
		{"classic", func(*http.Request) {}, true, []string{"Http_ContentLength=0", "Http_Content_Length=0", "Http_Host=shop", "Http_Method=GET", "Http_Path=/"}},
		{
			"path and query", func(r *http.Request) { r.URL.Path, r.URL.RawPath, r.URL.RawQuery = "/a b", "/a%20b", "x=%20" }, false,
			[]string{"Http_ContentLength=0", "Http_Host=shop", "Http_Method=GET", "Http_Path=/a b", "Http_Query=x=%20"},
		},
		{
			"headers", func(r *http.Request) {
				r.Header = http.Header{"X-One-Two": {"1", "2"}, "X_under": {"3"}}
				auth.Identity{Subject: "ci", Method: "bearer", Scopes: []string{"a", "b"}}.SetHeaders(r.Header)
			}, false,
			[]string{
				"Http_ContentLength=0", "Http_Host=shop", "Http_Method=GET", "Http_Path=/",
				"Http_X_Auth_Method=bearer", "Http_X_Auth_Scopes=a,b", "Http_X_Auth_Subject=ci", "Http_X_One_Two=1", "Http_X_under=3",
			},
		},
		{
			"names that are taken", func(r *http.Request) {
				for _, name := range []string{"Query", "Path", "Method", "METHOD", "Host", "Transfer-Encoding", "Transfer_Encoding", "ContentLength", "Contentlength", "Content-Length", "Content_Length", "Proxy", "PROXY"} {
					r.Header[name] = []string{"evil"}
				}
			}, false,
			[]string{"Http_ContentLength=0", "Http_Content_Length=0", "Http_Host=shop", "Http_Method=GET", "Http_Path=/"},
		},
		{
			"chunked", func(r *http.Request) { r.ContentLength, r.TransferEncoding = -1, []string{"chunked"} }, true,
			[]string{"Http_ContentLength=-1", "Http_Content_Length=-1", "Http_Host=shop", "Http_Method=GET", "Http_Path=/", "Http_Transfer_Encoding=chunked"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://shop/", nil)
			tt.set(r)
			if got := cgi(r, tt.classic); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestForkCallerWhoDoesNotRead: a caller that takes no answer has no longer than
// the process may.
func TestForkCallerWhoDoesNotRead(t *testing.T) {
	done := make(chan struct{})
	f := forks(t, "yes", ForkOptions{}, within(100*time.Millisecond), func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(done)
			next.ServeHTTP(w, r)
		})
	})
	c := dial(t, f.Server)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: f\r\n\r\n")
	<-done
	if got := f.reason(); got != "exec_timeout" {
		t.Errorf("got the reason %q, want exec_timeout", got)
	}
}

// TestForkLeavesItsGroup: a process can't get away from its own time.
func TestForkLeavesItsGroup(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	f := forks(t, "", ForkOptions{Process: Process{Command: []string{"python3", "-c", "import os,time; os.setpgid(0, os.getpgid(os.getppid())); os.close(1); os.close(2); time.sleep(60)"}}}, within(300*time.Millisecond))
	if got := f.status(t, "/", http.Header{}); got != http.StatusGatewayTimeout {
		t.Errorf("got %d, want 504", got)
	}
}

func TestForkNULInThePath(t *testing.T) {
	f := forks(t, "true", ForkOptions{CGI: true})
	if got := f.status(t, "/a%00b", http.Header{}); got != http.StatusBadRequest {
		t.Errorf("got %d, want 400", got)
	}
}

// TestForkTooManyHeaders: what does not fit into an environment is the caller's
// doing.
func TestForkTooManyHeaders(t *testing.T) {
	f := forks(t, "true", ForkOptions{CGI: true})
	got := f.status(t, "/", http.Header{"X-Long": {strings.Repeat("x", 200<<10)}})
	if got != http.StatusRequestHeaderFieldsTooLarge || f.reason() != "headers_too_large" {
		t.Errorf("got %d for %q, want 431", got, f.reason())
	}
}
