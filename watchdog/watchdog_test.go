package watchdog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/upstream"
)

const key = "awk_CANARY-key-of-the-watchdog-tests"

// secrets makes a folder of secret files and returns settings that name it.
func secrets(t *testing.T, files map[string]string, settings Settings) Settings {
	t.Helper()
	s := Settings{"secret_mount_path": t.TempDir(), "suppress_lock": "true", "port": "0", "metrics_port": "0", "bind_address": "127.0.0.1"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s["secret_mount_path"], name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range settings {
		s[name] = value
	}
	return s
}

func withKey(t *testing.T, settings Settings) Settings {
	t.Helper()
	if settings["auth"] == "" && settings["auth_config"] == "" {
		settings["auth"] = "bearer"
	}
	return secrets(t, map[string]string{"api-key": "me " + key}, settings)
}

// logs is a log that a test can read while it is written.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serving returns a watchdog around h that serves, and its log.
func serving(t *testing.T, h http.Handler, s Settings) (*Watchdog, *logs) {
	t.Helper()
	var l logs
	w, err := New(Options{Settings: s, Handler: h, Stderr: &l})
	if err != nil {
		t.Fatal(err)
	}
	w.serving.Store(true)
	return w, &l
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

func call(w *Watchdog, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

const withKeyHeader = "Authorization: Bearer " + key

// TestStages shows in review when a stage moves.
func TestStages(t *testing.T) {
	w, _ := serving(t, http.HandlerFunc(ok), withKey(t, Settings{}))
	var names []string
	for _, s := range w.stages() {
		names = append(names, s.name)
	}
	want := []string{"probes", "observe", "origin", "sign-in", "gate", "rate", "slots", "buffer", "deadline"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

// TestTwoWatchdogs has two in one process that share nothing.
func TestTwoWatchdogs(t *testing.T) {
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	type one struct {
		addr string
		end  context.CancelFunc
		done chan error
	}
	begin := func(text, key string) one {
		var l logs
		w, err := New(Options{
			Settings: secrets(t, map[string]string{"api-key": key}, Settings{"auth": "bearer", "healthcheck_interval": "0"}),
			Handler:  say(text), Stderr: &l,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		o := one{end: end, done: make(chan error, 1)}
		go func() { o.done <- w.Run(ctx) }()
		re := regexp.MustCompile(`msg=listening address=(\S+)`)
		for o.addr == "" {
			if m := re.FindStringSubmatch(l.String()); m != nil {
				o.addr = m[1]
			}
			time.Sleep(time.Millisecond)
		}
		return o
	}
	get := func(addr, key string) (int, string) {
		r, _ := http.NewRequest("GET", "http://"+addr+"/", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	a, b := begin("a", "key-of-a-0123456789"), begin("b", "key-of-b-0123456789")
	for _, tt := range []struct {
		addr, key string
		status    int
		body      string
	}{
		{a.addr, "key-of-a-0123456789", 200, "a"},
		{b.addr, "key-of-b-0123456789", 200, "b"},
		{a.addr, "key-of-b-0123456789", 401, "Unauthorized\n"},
		{b.addr, "key-of-a-0123456789", 401, "Unauthorized\n"},
	} {
		if status, body := get(tt.addr, tt.key); status != tt.status || body != tt.body {
			t.Errorf("%s with %s: got %d %q, want %d %q", tt.addr, tt.key, status, body, tt.status, tt.body)
		}
	}
	a.end()
	if err := <-a.done; err != nil {
		t.Errorf("the first: %v", err)
	}
	if status, body := get(b.addr, "key-of-b-0123456789"); status != 200 {
		t.Errorf("the second, after the first has ended: got %d %s", status, body)
	}
	b.end()
	if err := <-b.done; err != nil {
		t.Errorf("the second: %v", err)
	}
}

// TestReload has the secrets of a policy change while it is in force.
func TestReload(t *testing.T) {
	s := withKey(t, Settings{})
	path := filepath.Join(s["secret_mount_path"], "api-key")
	w, l := serving(t, http.HandlerFunc(ok), s)
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const second = "awk_CANARY-second-key-of-the-tests"
	expect := func(when string, first, next int) {
		t.Helper()
		for k, want := range map[string]int{key: first, second: next} {
			if got := call(w, "/", "Authorization: Bearer "+k).Code; got != want {
				t.Errorf("%s: %.16s…: got %d, want %d", when, k, got, want)
			}
		}
	}
	expect("at first", 200, 401)
	w.poll()
	expect("nothing has changed", 200, 401)
	write("me " + key + "\nme " + second)
	w.poll()
	expect("seen once", 200, 401)
	w.poll()
	expect("both", 200, 200)
	write("")
	w.poll()
	w.poll()
	expect("empty", 200, 200)
	write("a b c d")
	w.poll()
	w.poll()
	w.poll()
	expect("broken", 200, 200)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.poll()
	w.poll()
	expect("gone", 200, 200)
	write("me " + second)
	w.poll()
	w.poll()
	expect("only the second", 401, 200)

	metrics := scrape(w)
	for _, want := range []string{
		`auth_secret_reloads_total{result="success"} 2`, `auth_secret_reloads_total{result="error"} 3`,
		`auth_secret_last_used_timestamp_seconds{name="me",secret="api-key"}`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if strings.Contains(l.String()+metrics, "CANARY") {
		t.Error("a key stands in log or metrics")
	}
	if n := strings.Count(l.String(), "the last good ones stay in force"); n != 3 {
		t.Errorf("%d errors were logged, want one for each state of the files", n)
	}
}

func scrape(w *Watchdog) string {
	rec := httptest.NewRecorder()
	w.newMetricsServer().Handler.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	return rec.Body.String()
}

// TestReloadThatMeetsAnotherChange: the pair of basic is read by the platform's
// own reader, after the look that found the change. If the files have moved on
// by then, a later look takes them.
func TestReloadThatMeetsAnotherChange(t *testing.T) {
	s := secrets(t, map[string]string{"basic-auth-user": "admin", "basic-auth-password": "old"}, Settings{"auth": "basic"})
	w, _ := serving(t, http.HandlerFunc(ok), s)
	path := filepath.Join(s["secret_mount_path"], "basic-auth-password")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("new")
	w.poll()
	set, err := w.secrets.Poll() // as poll does
	if err != nil || set == nil {
		t.Fatalf("got %v and %v, want the new set", set, err)
	}
	write("")
	w.renew(set, nil)
	write("new")
	w.poll()
	w.poll()
	for password, want := range map[string]int{"old": 401, "new": 200} {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("admin", password)
		rec := httptest.NewRecorder()
		if w.handler.ServeHTTP(rec, r); rec.Code != want {
			t.Errorf("%s: got %d, want %d", password, rec.Code, want)
		}
	}
}

// TestReloadKeepsWhatWasLearned: a reload neither forgives failures nor
// forgets verified passwords.
func TestReloadKeepsWhatWasLearned(t *testing.T) {
	s := withKey(t, Settings{})
	w, _ := serving(t, http.HandlerFunc(ok), s)
	reload := func(i int) {
		if err := os.WriteFile(filepath.Join(s["secret_mount_path"], "api-key"), fmt.Appendf(nil, "me %s\nn%d key-%d-0123456789", key, i, i), 0o600); err != nil {
			t.Fatal(err)
		}
		w.poll()
		w.poll()
	}
	for i := range addressBurst {
		if i%100 == 0 {
			reload(i)
		}
		if got := call(w, "/", "Authorization: Bearer wrong").Code; got != 401 {
			t.Fatalf("failure %d: got %d", i+1, got)
		}
	}
	reload(addressBurst)
	if got := call(w, "/", "Authorization: Bearer wrong"); got.Code != 429 || got.Header().Get("Retry-After") == "" {
		t.Errorf("after %d failures and a reload: got %d", addressBurst, got.Code)
	}
	if got := call(w, "/", withKeyHeader).Code; got != 200 {
		t.Errorf("the right key: got %d", got)
	}

	// Who was verified before is not held up by failures under the name; who
	// was not, or is no longer known to have been, is.
	s = secrets(t, map[string]string{"basic-auth-user": "me", "basic-auth-password": "right"}, Settings{"auth": "basic,bearer"})
	if err := os.WriteFile(filepath.Join(s["secret_mount_path"], "api-key"), []byte("me "+key), 0o600); err != nil {
		t.Fatal(err)
	}
	w, _ = serving(t, http.HandlerFunc(ok), s)
	login := func(password string) int {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("me", password)
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		return rec.Code
	}
	if got := login("right"); got != 200 {
		t.Fatalf("got %d", got)
	}
	for range 300 { // more than a name may have
		login("wrong")
	}
	reload(0)
	if got := login("wrong"); got != 429 {
		t.Errorf("failures under a name, after a reload: got %d, want 429", got)
	}
	if got := login("right"); got != 200 {
		t.Errorf("who was verified before the reload: got %d, want 200", got)
	}
}

func TestLastUsed(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "auth.yml")
	if err := os.WriteFile(policy, []byte("methods: {a: {type: bearer}, b: {type: bearer, secret: second, header: X-Key}}\nrules: [{match: /, all: [a, b]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := secrets(t, map[string]string{"api-key": "used " + key + "\nunused another-key-0123456789", "second": "too " + key}, Settings{"auth_config": policy})
	w, _ := serving(t, http.HandlerFunc(ok), s)
	if got := call(w, "/", withKeyHeader, "X-Key: "+key).Code; got != 200 {
		t.Fatalf("got %d", got)
	}
	metrics := scrape(w)
	for entry, used := range map[string]bool{`name="used",secret="api-key"`: true, `name="unused",secret="api-key"`: false, `name="too",secret="second"`: true} {
		m := regexp.MustCompile(regexp.QuoteMeta("auth_secret_last_used_timestamp_seconds{"+entry+"} ") + `(\S+)`).FindStringSubmatch(metrics)
		if m == nil {
			t.Errorf("no series of %s", entry)
			continue
		}
		if at, err := strconv.ParseFloat(m[1], 64); err != nil || (at > 0) != used || used && time.Since(time.Unix(int64(at), 0)) > time.Minute {
			t.Errorf("%s: got %s, want it now: %v", entry, m[1], used)
		}
	}
}

func TestProbes(t *testing.T) {
	var asked *http.Request
	answer := 200
	function := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r
		w.Header().Set("X-Function", "secret")
		w.WriteHeader(answer)
		_, _ = io.WriteString(w, "the function's own words")
	})
	synctest.Test(t, func(t *testing.T) {
		w, _ := serving(t, function, withKey(t, Settings{"ready_path": "/ready?x=1", "max_inflight": "1"}))
		for _, tt := range []struct {
			method, path string
			status       int
			body         string
		}{
			{"GET", "/_/health", 200, "OK"},
			{"HEAD", "/_/health", 200, ""},
			{"POST", "/_/health", 405, ""},
			{"GET", "/_/ready", 200, "OK"},
			{"HEAD", "/_/ready", 200, ""},
			{"DELETE", "/_/ready", 405, ""},
			{"GET", "/_/health?x=y", 200, "OK"},
			{"GET", "/_/health/", 401, "Unauthorized\n"},
			{"GET", "/_/other", 401, "Unauthorized\n"},
		} {
			asked = nil
			rec := httptest.NewRecorder()
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader("body"))
			r.Header.Set("X-Caller", "x")
			w.handler.ServeHTTP(rec, r)
			if rec.Code != tt.status || tt.method != "HEAD" && rec.Body.String() != tt.body {
				t.Errorf("%s %s: got %d %q, want %d %q", tt.method, tt.path, rec.Code, rec.Body, tt.status, tt.body)
			}
			if rec.Header().Get("X-Function") != "" {
				t.Errorf("%s %s: the function's headers got out", tt.method, tt.path)
			}
			if asked != nil && (asked.Header.Get("X-Caller") != "" || asked.URL.String() != "/ready?x=1" || asked.Method != "GET" || asked.ContentLength != 0) {
				t.Errorf("%s %s: the function was asked %s %s with %v", tt.method, tt.path, asked.Method, asked.URL, asked.Header)
			}
		}
		ready := func(want int, when string) {
			t.Helper()
			if got := call(w, "/_/ready").Code; got != want {
				t.Errorf("%s: got %d, want %d", when, got, want)
			}
		}
		answer = 500
		ready(200, "within a second, the function is not asked again")
		time.Sleep(time.Second)
		ready(503, "the function says no")
		answer = 302
		time.Sleep(time.Second)
		ready(200, "a redirection is an answer")
		w.limits.Take()
		ready(429, "no slot is left")
		w.limits.Free()
		w.serving.Store(false)
		ready(503, "it drains")
		if got := call(w, "/_/health").Code; got != 503 {
			t.Errorf("health while it drains: got %d", got)
		}
	})
}

func TestLock(t *testing.T) {
	s := withKey(t, Settings{"suppress_lock": "false", "TMPDIR": t.TempDir()})
	w, _ := serving(t, http.HandlerFunc(ok), s)
	health := func(want int, when string) {
		t.Helper()
		if got := call(w, "/_/health").Code; got != want {
			t.Errorf("%s: got %d, want %d", when, got, want)
		}
		err := Healthcheck(t.Context(), s)
		if (err == nil) != (want == 200) {
			t.Errorf("%s: Healthcheck says %v", when, err)
		}
	}
	health(503, "without a lock file")
	if err := w.lock(); err != nil {
		t.Fatal(err)
	}
	health(200, "with it")
	w.unlock()
	health(503, "after it is gone")

	if err := os.Symlink(filepath.Join(t.TempDir(), "target"), filepath.Join(s["TMPDIR"], ".lock")); err != nil {
		t.Fatal(err)
	}
	if err := w.lock(); err == nil {
		t.Error("a link is followed to make the lock file")
	}
	if err := errors.Join(os.Remove(lockPath(s["TMPDIR"])), syscall.Mkfifo(lockPath(s["TMPDIR"]), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := w.lock(); err == nil {
		t.Error("a named pipe is taken for the lock file")
	}
	w.config.LockFolder = "/nowhere"
	if err := w.lock(); err == nil || !strings.Contains(err.Error(), "suppress_lock=true") {
		t.Errorf("got %v, want what to do", err)
	}
}

// TestSlots: a slot is free again however a request ends.
func TestSlots(t *testing.T) {
	var do func(w http.ResponseWriter, r *http.Request)
	w, _ := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { do(w, r) }), withKey(t, Settings{"max_inflight": "1"}))
	serve := func() *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		defer func() { _ = recover() }()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		w.handler.ServeHTTP(rec, r)
		return rec
	}
	for name, f := range map[string]func(http.ResponseWriter, *http.Request){
		"returns":          ok,
		"panics":           func(http.ResponseWriter, *http.Request) { panic("no") },
		"aborts":           func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"panics half-way":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "half"); panic("no") },
		"panics with nil?": func(http.ResponseWriter, *http.Request) { panic(error(nil)) },
	} {
		do = f
		serve()
		do = ok
		if got := serve().Code; got != 200 {
			t.Errorf("after a function that %s: got %d", name, got)
		}
	}
	t.Run("full", func(t *testing.T) {
		do = func(http.ResponseWriter, *http.Request) {
			rec := serve()
			want := "Concurrent request limit exceeded. Max concurrent requests: 1\n"
			if rec.Code != 429 || rec.Body.String() != want || rec.Header().Get("Retry-After") == "" || rec.Header().Get("X-OpenFaaS-Internal") != "auth-watchdog" {
				t.Errorf("got %d %q %v", rec.Code, rec.Body, rec.Header())
			}
			if got := call(w, "/").Code; got != 401 {
				t.Errorf("a stranger while all slots are taken: got %d, want 401", got)
			}
		}
		serve()
	})
	if metrics := scrape(w); !strings.Contains(metrics, "http_requests_in_flight 0") {
		t.Error("a request is still counted as in flight")
	}
}

// TestNothingOfOthersIsServed: what some import registers with package http's
// own mux is no way into the process.
func TestNothingOfOthersIsServed(t *testing.T) {
	const path = "/of-somebody-else"
	if _, pattern := http.DefaultServeMux.Handler(httptest.NewRequest("GET", path, nil)); pattern == "" {
		http.HandleFunc(path, ok)
	}
	w, _ := serving(t, http.NotFoundHandler(), withKey(t, Settings{}))
	for _, h := range []http.Handler{w.handler, w.newMetricsServer().Handler} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+key)
		rec := httptest.NewRecorder()
		if h.ServeHTTP(rec, r); rec.Code != http.StatusNotFound {
			t.Errorf("got %d, want 404", rec.Code)
		}
	}
}

func TestPanics(t *testing.T) {
	w, l := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			_, _ = io.WriteString(w, "half")
		}
		panic("the function's own words")
	}), withKey(t, Settings{}))
	if rec := call(w, "/", withKeyHeader); rec.Code != 500 || rec.Body.String() != "Internal Server Error\n" {
		t.Errorf("got %d %q", rec.Code, rec.Body)
	}
	func() {
		defer func() {
			if got, ok := recover().(error); !ok || !errors.Is(got, http.ErrAbortHandler) {
				t.Errorf("after the answer began: got %v, want the connection to be cut", got)
			}
		}()
		call(w, "/late", withKeyHeader)
	}()
	if n := strings.Count(l.String(), `msg="the function panicked"`); n != 2 {
		t.Errorf("%d panics were logged, want 2", n)
	}
}

func TestTimeout(t *testing.T) {
	for _, tt := range []struct {
		setting, header string
		want            time.Duration
	}{
		{"30s", "", 30 * time.Second},
		{"30s", "5s", 5 * time.Second},
		{"30s", "30s", 30 * time.Second},
		{"30s", "31s", 30 * time.Second},
		{"30s", "0s", 30 * time.Second},
		{"30s", "-1s", 30 * time.Second},
		{"30s", "5", 30 * time.Second},
		{"30s", "soon", 30 * time.Second},
		{"0", "", 0},
		{"0", "5s", 5 * time.Second},
		{"0", "0s", 0},
	} {
		w, _ := serving(t, http.HandlerFunc(ok), withKey(t, Settings{"exec_timeout": tt.setting}))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Timeout", tt.header)
		if got := w.timeoutOf(r); got != tt.want {
			t.Errorf("exec_timeout=%s, X-Timeout: %s: got %v, want %v", tt.setting, tt.header, got, tt.want)
		}
	}
}

func TestDeadline(t *testing.T) {
	upgrade := []string{"Connection: keep-alive, Upgrade", "Upgrade: websocket"}
	synctest.Test(t, func(t *testing.T) {
		var lasted time.Duration
		var cause, err error
		w, _ := serving(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			begun := time.Now()
			if r.URL.Path == "/stream" {
				rw.Header().Set("Content-Type", "text/event-stream")
				rw.(http.Flusher).Flush()
			}
			if r.URL.Path == "/upgrade" {
				rw.WriteHeader(http.StatusSwitchingProtocols)
			}
			<-r.Context().Done()
			lasted, cause, err = time.Since(begun), r.Context().Value(upstream.CauseKey).(upstream.Causer).Cause(), r.Context().Err()
		}), withKey(t, Settings{"exec_timeout": "30s"}))
		for _, tt := range []struct {
			name, path string
			headers    []string
			drainAfter time.Duration
			want       time.Duration
			cause      string
		}{
			{"a request", "/", nil, 0, 30 * time.Second, "exec_timeout has passed"},
			{"with X-Timeout", "/", []string{"X-Timeout: 2s"}, 0, 2 * time.Second, "exec_timeout has passed"},
			{"a stream", "/stream", nil, 0, 30 * time.Second, "exec_timeout has passed"},
			{"a request while it drains", "/", nil, time.Second, 30 * time.Second, "exec_timeout has passed"},
			{"a stream while it drains", "/stream", nil, time.Second, time.Second, "the process is shutting down"},
			{"a WebSocket", "/upgrade", upgrade, time.Hour, time.Hour, "the process is shutting down"},
			{"one that only claims to be a WebSocket", "/", upgrade, time.Hour, 30 * time.Second, "exec_timeout has passed"},
		} {
			draining, end := context.WithCancelCause(context.Background())
			w.draining = draining
			if tt.drainAfter > 0 {
				time.AfterFunc(tt.drainAfter, func() { end(errors.New("draining")) })
			}
			call(w, tt.path, append(tt.headers, withKeyHeader)...)
			if lasted != tt.want || cause.Error() != tt.cause {
				t.Errorf("%s: lasted %v until %v, want %v until %q", tt.name, lasted, cause, tt.want, tt.cause)
			}
			want := context.Canceled
			if errors.Is(cause, upstream.ErrTimeout) {
				want = context.DeadlineExceeded
			}
			if err != want { //nolint:errorlint // as [context.Context] has it
				t.Errorf("%s: the context's error is %v, want %v", tt.name, err, want)
			}
			end(nil)
		}
	})
}

// TestStreamsAreForgotten: what waits for the process to drain ends with the
// stream that it would have ended.
func TestStreamsAreForgotten(t *testing.T) {
	w, _ := serving(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(rw, "data: x\n\n")
	}), withKey(t, Settings{}))
	counting := &counted{Context: w.draining}
	w.draining = counting
	for range 10 {
		call(w, "/", withKeyHeader)
	}
	eventually := func() bool { return counting.waiting.Load() == 0 }
	for !eventually() {
		runtime.Gosched()
	}
	if counting.asked.Load() == 0 {
		t.Error("no stream has waited at all")
	}
}

// counted is a context that knows how many functions wait for its end.
type counted struct {
	context.Context
	waiting, asked atomic.Int64
}

// Value hides the Context inside, which package context would ask otherwise.
func (*counted) Value(any) any { return nil }

// AfterFunc is what package context looks for.
func (c *counted) AfterFunc(f func()) func() bool {
	c.waiting.Add(1)
	c.asked.Add(1)
	stop := context.AfterFunc(c.Context, f)
	return func() bool { c.waiting.Add(-1); return stop() }
}

func TestBuffer(t *testing.T) {
	var length int64
	w, _ := serving(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { length = r.ContentLength }),
		withKey(t, Settings{"http_buffer_req_body": "true", "max_body": "10", "max_buffered": "30"}))
	post := func(body string) int {
		length = -2
		r := httptest.NewRequest("POST", "/", struct{ io.Reader }{strings.NewReader(body)})
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
		r.Header.Set("Authorization", "Bearer "+key)
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		return rec.Code
	}
	if got := post("12345"); got != 200 || length != 5 {
		t.Errorf("got %d and the length %d", got, length)
	}
	if got := post("12345678901"); got != 413 || length != -2 {
		t.Errorf("too large: got %d, and the function got the length %d", got, length)
	}
	for range 20 { // what was held is given back
		if got := post("1234567890"); got != 200 {
			t.Errorf("got %d", got)
		}
	}
}

func TestCallID(t *testing.T) {
	var seen string
	w, l := serving(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Get("X-Call-Id") }), withKey(t, Settings{}))
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for _, tt := range []struct {
		given []string
		kept  bool
	}{
		{nil, false},
		{[]string{"X-Call-Id: given-by-the-gateway"}, true},
		{[]string{"X-Call-Id: "}, false},
		{[]string{"X-Call-Id: a", "X-Call-Id: b"}, false},
		{[]string{"X-Call-Id: with space"}, false},
		{[]string{"X-Call-Id: " + strings.Repeat("x", 129)}, false},
	} {
		call(w, "/", append(tt.given, withKeyHeader)...)
		if tt.kept && seen != "given-by-the-gateway" || !tt.kept && !uuid.MatchString(seen) {
			t.Errorf("%q: the function got %q", tt.given, seen)
		}
		w.observer.Access.Close(time.Minute)
		if !strings.Contains(l.String(), "call_id="+seen) {
			t.Errorf("%q: the log has no %q", tt.given, seen)
		}
	}
}

// TestSeen has what an operator sees of each request.
func TestSeen(t *testing.T) {
	audit := filepath.Join(t.TempDir(), "audit.log")
	policy := filepath.Join(t.TempDir(), "auth.yml")
	if err := os.WriteFile(policy, []byte("methods: {ci: {type: bearer}}\nrules: [{match: /admin, accept: ci, require: {scopes: admin}}, {match: /, accept: ci}, {match: /public, public: true}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := withKey(t, Settings{"auth_config": policy, "audit_log": audit})
	delete(s, "auth")
	w, l := serving(t, http.HandlerFunc(ok), s)
	call(w, "/x?token=CANARY-in-the-query", withKeyHeader)
	call(w, "/admin", withKeyHeader)
	call(w, "/x", "Authorization: Bearer CANARY-wrong-key")
	call(w, "/public")
	call(w, "/_/health")
	w.observer.Access.Close(time.Minute)

	log := l.String()
	for _, want := range []string{
		"msg=request method=GET path=/x status=200 bytes=2 seconds=", "reason=admitted subject=me auth_method=ci",
		"path=/admin status=403", "reason=forbidden subject=me", "path=/x status=401", "reason=unknown", "path=/public status=200", "reason=public",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
	if n := strings.Count(log, "msg=request"); n != 4 {
		t.Errorf("%d requests were logged, want 4, without the probe", n)
	}
	events, err := os.ReadFile(audit)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"event":"authz_fail","appid":"auth-watchdog","function":"function","reason":"forbidden","status":403`, `"userid":"me"`, `"rule":"/admin"`,
		`"event":"authn_login_fail","appid":"auth-watchdog","function":"function","reason":"unknown","status":401`, `"source_ip":"192.0.2.1"`,
	} {
		if !strings.Contains(string(events), want) {
			t.Errorf("the audit log has no %s:\n%s", want, events)
		}
	}
	if strings.Count(string(events), `"userid"`) != 1 {
		t.Errorf("want a userid of whom is known, and no other:\n%s", events)
	}
	if n := strings.Count(string(events), "\n"); n != 2 {
		t.Errorf("%d audit events, want 2", n)
	}
	metrics := scrape(w)
	for _, want := range []string{
		`http_requests_total{code="200",method="get"} 2`, `http_requests_total{code="401",method="get"} 1`, `http_requests_total{code="403",method="get"} 1`,
		`http_request_duration_seconds_bucket{code="200",method="get",le="0.005"}`, "http_requests_in_flight 0",
		`auth_decisions_total{method="ci",reason="admitted",result="admitted"} 1`, `auth_decisions_total{method="ci",reason="forbidden",result="refused"} 1`,
		`auth_decisions_total{method="ci",reason="unknown",result="refused"} 1`, `auth_decisions_total{method="none",reason="public",result="admitted"} 1`,
		"auth_decision_duration_seconds_count 4", `auth_secret_reloads_total{result="success"} 0`,
		"go_goroutines", "process_resident_memory_bytes", "promhttp_metric_handler_requests_total",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if strings.Contains(log+string(events)+metrics, "CANARY") {
		t.Error("a credential stands in what is seen")
	}
}

// TestLabelsAreBounded: no caller makes a series.
func TestLabelsAreBounded(t *testing.T) {
	w, _ := serving(t, http.HandlerFunc(ok), withKey(t, Settings{}))
	for i := range 50 {
		r := httptest.NewRequest(fmt.Sprintf("BREW%d", i), fmt.Sprintf("/%d", i), nil)
		r.Header.Set("Authorization", fmt.Sprintf("Bearer wrong-%d", i))
		w.handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	if metrics := scrape(w); strings.Count(metrics, "\nhttp_requests_total{") != 1 || strings.Count(metrics, "\nauth_decisions_total{") != 1 ||
		!strings.Contains(metrics, `method="unknown"`) {
		t.Errorf("got more than a series:\n%s", metrics)
	}
}

func TestNewSaysEverything(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "auth.yml")
	if err := os.WriteFile(policy, []byte(`methods:
  ci:    {type: bearer, secret: ci-keys}
  users: {type: basic, secret: users}
  hook:  {type: hmac, preset: github, header: X-Sig}
rules:
  - {match: "/a", accept: [ci, users, hook]}
  - {match: "/a", accept: [ci]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := secrets(t, map[string]string{"ci-keys": "a b c", "users": "alice:plain"}, Settings{"auth_config": policy, "max_inflight": "ten", "prot": "80"})
	delete(s, "suppress_lock")
	_, err := New(Options{Settings: s, Handler: http.HandlerFunc(ok)})
	if err == nil {
		t.Fatal("it starts")
	}
	for _, want := range []string{
		`max_inflight="ten": want a number from 0 to 1048576`, "prot: there is no such setting; did you mean port?",
		`secret "webhook-secret":`, "faas-cli secret create webhook-secret", policy + ":4: methods.hook.preset: says how the sender signs",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got\n%v\nwant %q in it", err, want)
		}
	}
	if err := os.WriteFile(filepath.Join(s["secret_mount_path"], "webhook-secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(policy, []byte(strings.Replace(readFile(t, policy), ", header: X-Sig", "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = New(Options{Settings: s, Handler: http.HandlerFunc(ok)})
	for _, want := range []string{
		policy + `:2: methods.ci: secret "ci-keys": line 1: want [name] credential`, policy + `:3: methods.users: secret "users": line 1: want an argon2id or bcrypt hash`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got\n%v\nwant %q in it", err, want)
		}
	}
	for name, text := range map[string]string{"ci-keys": key, "users": "alice:$2a$04$abcdefghijklmnopqrstuu" + strings.Repeat("a", 31)} {
		if err := os.WriteFile(filepath.Join(s["secret_mount_path"], name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = New(Options{Settings: s, Handler: http.HandlerFunc(ok)}); err == nil || !strings.Contains(err.Error(), policy+":7: rule 2") {
		t.Errorf("got\n%v\nwant the line of the second rule", err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMode(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler http.Handler
		mode    string
		want    string
	}{
		{"a handler and http", http.HandlerFunc(ok), "http", "the function is part of this program"},
		{"inproc without a handler", nil, "inproc", "inproc is for Go programs"},
		{"a handler and inproc", http.HandlerFunc(ok), "inproc", ""},
		{"a handler", http.HandlerFunc(ok), "", ""},
	} {
		s := withKey(t, Settings{"mode": tt.mode, "upstream_url": "http://127.0.0.1:1"})
		_, err := New(Options{Settings: s, Handler: tt.handler, Stderr: io.Discard})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	h, err := Wrap(t.Context(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := auth.FromContext(r.Context())
		_, _ = io.WriteString(w, id.Subject)
	}), withKey(t, Settings{}))
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{withKeyHeader: "me", "X: y": "Unauthorized\n"} {
		name, value, _ := strings.Cut(header, ": ")
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(name, value)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if got := rec.Body.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if _, err := Wrap(t.Context(), http.HandlerFunc(ok), Settings{}); err == nil {
		t.Error("without auth it is open")
	}
}

func TestRunFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	for name, tt := range map[string]struct {
		s    Settings
		want string
	}{
		"port":    {withKey(t, Settings{"port": taken}), "port=" + taken},
		"metrics": {withKey(t, Settings{"metrics_port": taken}), "metrics_port=" + taken},
		"lock":    {withKey(t, Settings{"suppress_lock": "false", "TMPDIR": "/nowhere"}), "lock file"},
		"auth":    {secrets(t, nil, Settings{}), "auth: is not set"},
	} {
		if err := Run(t.Context(), http.HandlerFunc(ok), tt.s); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func TestEnviron(t *testing.T) {
	got := Environ([]string{"auth=bearer", "PATH=/bin", "auth_bearer_secret=x", "auth_typo=y", "http_upstream_url=z", "noequals", "max_inflight=", "AUTH=q", "OPENFAAS_NAME=fn"})
	want := Settings{"auth": "bearer", "auth_bearer_secret": "x", "auth_typo": "y", "http_upstream_url": "z", "max_inflight": "", "OPENFAAS_NAME": "fn"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCheck(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "auth.yml")
	if err := os.WriteFile(policy, []byte(`methods:
  ci:   {type: bearer}
  hook: {type: hmac, preset: github}
  idle: {type: bearer, secret: idle-key}
rules:
  - {match: "/", accept: [ci]}
  - {match: "/both", all: [ci, hook]}
  - {match: "/admin", accept: [ci], require: {scopes: [admin], subjects: [me]}}
  - {match: "GET /open", public: true}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := secrets(t, map[string]string{
		"api-key": "me " + key + " expires=2099-01-01T00:00:00Z\nshort 0123", "webhook-secret": "0123456789abcdef", "idle-key": key,
	}, Settings{"auth_config": policy})
	report, err := Check(Options{Settings: s, Handler: http.HandlerFunc(ok)}, false)
	if err != nil {
		t.Fatal(err)
	}
	text := report.String()
	for _, want := range []string{
		`(?m)^/ +ci \(bearer\) +api-key +me +– +2099-01-01T00:00:00Z$`, `(?m)^/ +ci \(bearer\) +api-key +short +– +never$`,
		`(?m)^/both +and hook \(hmac\) +webhook-secret +line-1 `, `(?m)^GET /open +everybody `, `(?m)^/admin +requires subject me, requires scopes admin`,
		`warning: method "ci": secret "api-key", short: is shorter than 16`, `warning: method "idle" is in no rule`, `warning: rule "GET /open" is public`,
		`warning: rule "/admin" requires the scopes admin, and no credential of "ci" has them`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("got\n%s\nwant %s", text, want)
		}
	}
	if strings.Contains(text, "CANARY") {
		t.Error("a key stands in the report")
	}

	s["secret_mount_path"] = "/nowhere"
	report, err = Check(Options{Settings: s, Handler: http.HandlerFunc(ok)}, false)
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want a line for each secret", err)
	}
	if text := report.String(); !strings.Contains(text, "not read") || !strings.Contains(text, `rule "GET /open" is public`) {
		t.Errorf("beside the problems: got\n%s\nwant the rules and the warnings", text)
	}
	report, err = Check(Options{Settings: s, Handler: http.HandlerFunc(ok)}, true)
	if err != nil {
		t.Fatal(err)
	}
	if text := report.String(); !strings.Contains(text, "api-key") || !strings.Contains(text, "not read") {
		t.Errorf("without secrets: got\n%s", text)
	}
}

func TestExamples(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "auth.yml")
	if err := os.WriteFile(policy, []byte(`methods:
  ci:   {type: bearer}
  hook: {type: hmac, preset: github}
rules:
  - {match: "GET /users/{id}", accept: [ci]}
  - {match: "/hook", accept: [hook]}
  - {match: "/both", all: [ci, hook]}
  - {match: "/", public: true}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := secrets(t, map[string]string{"api-key": key, "webhook-secret": "0123456789abcdef"}, Settings{"auth_config": policy, "mode": "inproc"})
	try, err := NewTryOut(s)
	if err != nil {
		t.Fatal(err)
	}
	list, err := try.Examples("http://127.0.0.1:8080", func(string) string { return key })
	if err != nil {
		t.Fatal(err)
	}
	w, _ := serving(t, http.HandlerFunc(ok), s)
	var got []string
	for _, e := range list {
		got = append(got, fmt.Sprintf("%s %s by %s", e.Request.Method, e.Request.URL.Path, strings.Join(e.Methods, "+")))
		e.Request.Body = io.NopCloser(strings.NewReader(e.Body))
		e.Request.ContentLength = int64(len(e.Body))
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, e.Request)
		if rec.Code != 200 {
			t.Errorf("%s: got %d", got[len(got)-1], rec.Code)
		}
	}
	if want := "[GET /users/x by ci POST /hook by hook POST /both by ci+hook]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if got := fmt.Sprint(try.Secrets()); got != "[api-key webhook-secret]" {
		t.Errorf("got %s", got)
	}
	for name, wantCredential := range map[string]bool{"api-key": true, "webhook-secret": false} {
		if content, credential, err := try.NewSecret(name, "dev", time.Now()); err != nil || content == "" || (credential != "") != wantCredential {
			t.Errorf("%s: got %q, %q and %v", name, content, credential, err)
		}
	}
	if _, _, err := try.NewSecret("other", "dev", time.Now()); err == nil {
		t.Error("a secret was made that nobody needs")
	}
}

// TestCheckWithoutSecretsSeesWhatTheStartRefuses: it is what images are built
// with.
func TestCheckWithoutSecretsSeesWhatTheStartRefuses(t *testing.T) {
	both := filepath.Join(t.TempDir(), "auth.yml")
	if err := os.WriteFile(both, []byte("methods: {a: {type: bearer}, b: {type: basic}}\nrules: [{match: /, all: [a, b]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	people := filepath.Join(t.TempDir(), "people.yml")
	if err := os.WriteFile(people, []byte("methods: {a: {type: login}, b: {type: bearer}}\nrules: [{match: /, all: [a, b]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Settings{
		"people and more at once":     {"auth_config": people, "public_url": publicURL},
		"people over plain http":      {"auth": "login", "public_url": "http://tools.example.com"},
		"our header":                  {"auth": "hmac", "auth_hmac_header": "X-Auth-Subject"},
		"our header, for keys":        {"auth": "bearer", "auth_bearer_header": "x_auth_subject"},
		"two that read Authorization": {"auth_config": both},
		"a broken scheme":             {"auth": "hmac", "auth_hmac_alg": "hmac-sha256"},
	} {
		_, err := Check(Options{Settings: s, Handler: http.HandlerFunc(ok)}, true)
		if err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
	s := Settings{"auth": "hmac", "auth_hmac_alg": "hmac-sha256", "auth_hmac_time_header": "X-Time"}
	_, err := Check(Options{Settings: s, Handler: http.HandlerFunc(ok)}, true)
	for _, want := range []string{"auth_hmac_sig: want exactly one of header, json and query", "auth_hmac_time: is not covered by the signature"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestProbesThatNobodyReads end their connection.
func TestProbesThatNobodyReads(t *testing.T) {
	w, _ := serving(t, http.HandlerFunc(ok), Settings{"auth": "none", "write_timeout": "50ms"})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := w.newServer()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	defer func() {
		_ = server.Close()
		<-ended
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	probes := []byte(strings.Repeat("GET /_/health HTTP/1.1\r\nHost: a\r\n\r\n", 1000))
	_ = c.SetWriteDeadline(time.Now().Add(time.Minute))
	for err == nil {
		_, err = c.Write(probes)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection goes on")
	}
}
