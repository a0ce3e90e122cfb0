package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// to returns the upstream of whatever listens on path.
func to(path string) HTTPOptions {
	return HTTPOptions{Network: "unix", Address: path, Log: discard}
}

// heard returns an upstream with a server in front, and the requests that the
// function behind it got.
func heard(t *testing.T, o HTTPOptions) (*httptest.Server, <-chan *http.Request) {
	t.Helper()
	got := make(chan *http.Request, 8)
	serveUnix(t, o.Address, func(_ http.ResponseWriter, r *http.Request) { got <- r })
	return run(t, NewHTTP(o), as), got
}

// canned listens on path as a function that says what no server of Go's would,
// and ends the connection.
func canned(t *testing.T, path, text string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				io.WriteString(c, text)
			}
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
}

// ours fails if a is not an answer of the watchdog's own, or says more than
// its status.
func ours(t *testing.T, a answer, status int) {
	t.Helper()
	if a.status != status {
		t.Errorf("got %d, want %d", a.status, status)
	}
	if got, want := a.body, http.StatusText(status)+"\n"; got != want {
		t.Errorf("got the body %q, want %q", got, want)
	}
	for name, want := range map[string]string{
		"X-Openfaas-Internal": "auth-watchdog",
		"Cache-Control":       "no-store",
		"Content-Type":        "text/plain; charset=utf-8",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
}

func TestHopByHopRequest(t *testing.T) {
	for _, tt := range []struct {
		name, lines string
		want        http.Header
	}{
		{"listed in Connection", "Connection: X-Hop, X-Other\r\nX-Hop: 1\r\nX-Other: 2\r\nX-End: 3\r\n", http.Header{"X-End": {"3"}}},
		{"listed in other letters", "Connection: x-hOP ,x-other\r\nX-Hop: 1\r\nX-Other: 2\r\n", http.Header{}},
		{"listed in several lines", "Connection: keep-alive\r\nX-Hop: 1\r\nConnection: X-Hop\r\n", http.Header{}},
		{"many of one listed", "X-Hop: 1\r\nX-Hop: 2\r\nConnection: X-Hop\r\n", http.Header{}},
		{"Keep-Alive", "Keep-Alive: timeout=5\r\n", http.Header{}},
		{"Proxy-Authorization", "Proxy-Authorization: Basic eDp5\r\n", http.Header{}},
		{"Proxy-Connection", "Proxy-Connection: keep-alive\r\n", http.Header{}},
		{"TE", "TE: gzip\r\nConnection: TE\r\n", http.Header{}},
		{"TE trailers", "TE: trailers\r\nConnection: TE\r\n", http.Header{"Te": {"trailers"}}},
		{"TE trailers among others", "TE: gzip;q=0.5, trailers\r\nConnection: TE\r\n", http.Header{"Te": {"trailers"}}},
		{"Upgrade without Connection", "Upgrade: websocket\r\n", http.Header{}},
		{"Upgrade with another Connection", "Upgrade: websocket\r\nConnection: keep-alive\r\n", http.Header{}},
		{"Connection without Upgrade", "Connection: Upgrade\r\n", http.Header{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, heard := heard(t, to(socket(t)))
			ask(t, s, "GET / HTTP/1.1\r\nHost: shop.example\r\n"+tt.lines+"\r\n")
			if got := (<-heard).Header; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestHopByHopAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, lines string
		want        http.Header
	}{
		{"none", "X-End: 3\r\n", http.Header{"X-End": {"3"}}},
		{"listed in Connection", "Connection: X-Hop, x-other\r\nX-Hop: 1\r\nX-Other: 2\r\nX-End: 3\r\n", http.Header{"X-End": {"3"}}},
		{"Keep-Alive", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", http.Header{}},
		{"Proxy-Authenticate", "Proxy-Authenticate: Basic\r\n", http.Header{}},
		{"Upgrade without Connection", "Upgrade: h3\r\n", http.Header{}},
		{"close", "Connection: close\r\n", http.Header{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := socket(t)
			canned(t, path, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"+tt.lines+"\r\nhello")
			got := ask(t, run(t, NewHTTP(to(path)), as), get)
			if got.status != http.StatusOK || got.body != "hello" {
				t.Errorf("got %d and %q, want 200 and %q", got.status, got.body, "hello")
			}
			for _, name := range []string{"Content-Type", "Content-Length", "Date", "X-Duration-Seconds"} {
				got.header.Del(name)
			}
			if !reflect.DeepEqual(got.header, tt.want) {
				t.Errorf("got %v, want %v", got.header, tt.want)
			}
		})
	}
}

// TestOrigin wants that what the watchdog says of where a request comes from
// arrives as it says it. httputil takes away some of it, and callers name
// anything in Connection.
func TestOrigin(t *testing.T) {
	for _, tt := range []struct {
		name, lines string
		want        http.Header
	}{
		{"nothing", "", http.Header{}},
		{
			"all", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: shop.example\r\nX-Forwarded-Proto: https\r\nX-Call-Id: 1\r\nX-Real-Ip: 192.0.2.1\r\n",
			http.Header{"X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Host": {"shop.example"}, "X-Forwarded-Proto": {"https"}, "X-Call-Id": {"1"}, "X-Real-Ip": {"192.0.2.1"}},
		},
		{
			"all of them named in Connection",
			"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: shop.example\r\nX-Forwarded-Proto: https\r\nX-Call-Id: 1\r\nX-Real-Ip: 192.0.2.1\r\n" +
				"Connection: X-Forwarded-For, x-forwarded-host, X-FORWARDED-PROTO\r\nConnection: X-Call-Id,X-Real-Ip\r\n",
			http.Header{"X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Host": {"shop.example"}, "X-Forwarded-Proto": {"https"}, "X-Call-Id": {"1"}, "X-Real-Ip": {"192.0.2.1"}},
		},
		{"several lines", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2, 192.0.2.3\r\n", http.Header{"X-Forwarded-For": {"192.0.2.1", "192.0.2.2, 192.0.2.3"}}},
		{"named in Connection and not there", "Connection: X-Forwarded-For\r\n", http.Header{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, heard := heard(t, to(socket(t)))
			ask(t, s, "GET / HTTP/1.1\r\nHost: shop.example\r\n"+tt.lines+"\r\n")
			if got := (<-heard).Header; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestClimbs(t *testing.T) {
	for path, want := range map[string]bool{
		"/": false, "/a/b": false, "/a..b/..c/c..": false, "/./a": false, "/...": false,
		"/..": true, "/../admin": true, "/a/../../b": true, "/a/..;x/b": true, `/a\..\b`: true, `\..`: true,
	} {
		if got := climbs(path); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

func TestPrefix(t *testing.T) {
	for _, tt := range []struct{ prefix, target, want string }{
		{"/base", "/", "/base/"},
		{"/base", "/a/b", "/base/a/b"},
		{"/base", "/a%2Fb", "/base/a%2Fb"},
		{"/base", "/%41", "/base/%41"},
		{"/base", "//x", "/base//x"},
		{"/base", "/../x", ""}, // refused
		{"/base", "/a;b?c=d;e", "/base/a;b?c=d;e"},
		{"/base", "/?a=%zz", "/base/?a=%zz"},
		{"/base", "/?", "/base/?"},
		{"/base", "/base/x", "/base/base/x"},
		{"/a%2Fb", "/c", "/a%2Fb/c"},
		{"/a%2Fb", "/c%2Fd", "/a%2Fb/c%2Fd"},
		{"/a/b", "/%C3%A4", "/a/b/%C3%A4"},
	} {
		t.Run(tt.prefix+" "+tt.target, func(t *testing.T) {
			o := to(socket(t))
			o.Prefix = tt.prefix
			s, heard := heard(t, o)
			a := ask(t, s, "GET "+tt.target+" HTTP/1.1\r\nHost: shop.example\r\n\r\n")
			if tt.want == "" {
				if a.status != http.StatusBadRequest || len(heard) > 0 {
					t.Errorf("got %d, want 400 and the function not called", a.status)
				}
				return
			}
			if got := (<-heard).RequestURI; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	path := socket(t)
	serveUnix(t, path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Duration-Seconds", "the function's own")
	})
	got := ask(t, run(t, NewHTTP(to(path)), as), get).header["X-Duration-Seconds"]
	if len(got) != 1 {
		t.Fatalf("got X-Duration-Seconds %q, want one", got)
	}
	if d, err := strconv.ParseFloat(got[0], 64); err != nil || d < 0 {
		t.Errorf("got X-Duration-Seconds %q, want a number of seconds", got[0])
	}
}

func TestFunctionGone(t *testing.T) {
	var log diary
	path := socket(t)
	o := to(path)
	o.Log = log.logger()
	stop := serveUnix(t, path, func(http.ResponseWriter, *http.Request) {})
	s := run(t, NewHTTP(o), as)
	if got := ask(t, s, get).status; got != http.StatusOK {
		t.Fatalf("got %d while it listens, want 200", got)
	}
	stop()
	for _, method := range []string{"GET", "POST"} {
		ours(t, ask(t, s, method+" /there HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n"), http.StatusBadGateway)
	}
	if text := log.String(); strings.Count(text, "level=ERROR") != 2 || !strings.Contains(text, "path=/there") {
		t.Errorf("got the log %q, want an error for each request, with its path", text)
	}
}

func TestMalformedAnswer(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":          "",
		"no HTTP":          "hello\r\n\r\n",
		"no status":        "HTTP/1.1\r\n\r\n",
		"a status of text": "HTTP/1.1 fine\r\n\r\n",
		"no end of head":   "HTTP/1.1 200 OK\r\nX-Secret: text\r\n",
		"a header without colon": "HTTP/1.1 200 OK\r\n" +
			"hello\r\n\r\n",
		"a length of text":               "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
		"two lengths":                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"another transfer encoding":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
		"another protocol than asked of": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := socket(t)
			canned(t, path, text)
			ours(t, ask(t, run(t, NewHTTP(to(path)), as), get), http.StatusBadGateway)
		})
	}
}

// TestAnswerCut wants that no caller takes half an answer for a whole one.
func TestAnswerCut(t *testing.T) {
	for name, text := range map[string]string{
		"of known length":       "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
		"chunked":               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"chunked, then nothing": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := socket(t)
			canned(t, path, text)
			got, err := try(t, run(t, NewHTTP(to(path)), as), get)
			if got.status != http.StatusOK || got.body != "hello" || err == nil {
				t.Errorf("got %d, %q and %v, want 200, %q and an error", got.status, got.body, err, "hello")
			}
		})
	}
}

var errOther = errors.New("something else")

func TestContextEnds(t *testing.T) {
	for _, tt := range []struct {
		cause  error
		status int // 0 for none
	}{
		{ErrTimeout, http.StatusGatewayTimeout},
		{ErrDraining, http.StatusServiceUnavailable},
		{errOther, 0},
		{context.Canceled, 0},
	} {
		// ended returns what stands in front of an upstream and ends the
		// context of requests.
		ended := func(when <-chan struct{}) func(http.Handler) http.Handler {
			return func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ctx, cancel := context.WithCancelCause(r.Context())
					defer cancel(nil)
					go func() {
						<-when
						cancel(tt.cause)
					}()
					next.ServeHTTP(w, r.WithContext(ctx))
				})
			}
		}
		check := func(t *testing.T, s *httptest.Server) {
			t.Helper()
			got, err := try(t, s, get)
			switch {
			case tt.status == 0 && err == nil:
				t.Errorf("got %d, want no answer", got.status)
			case tt.status != 0 && err != nil:
				t.Errorf("got %v, want %d", err, tt.status)
			case tt.status != 0:
				ours(t, got, tt.status)
			}
		}
		t.Run(tt.cause.Error()+"/before the function listens", func(t *testing.T) {
			now := make(chan struct{})
			close(now)
			check(t, run(t, NewHTTP(to(socket(t))), ended(now)))
		})
		t.Run(tt.cause.Error()+"/before the answer", func(t *testing.T) {
			path, called, left := socket(t), make(chan struct{}), make(chan struct{})
			serveUnix(t, path, func(_ http.ResponseWriter, r *http.Request) {
				close(called)
				<-r.Context().Done()
				close(left)
			})
			check(t, run(t, NewHTTP(to(path)), ended(called)))
			<-left
		})
		t.Run(tt.cause.Error()+"/amid the answer", func(t *testing.T) {
			path, begun, left := socket(t), make(chan struct{}), make(chan struct{})
			serveUnix(t, path, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "hello")
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
				close(left)
			})
			s := run(t, NewHTTP(to(path)), ended(begun))
			c := dial(t, s)
			io.WriteString(c, get)
			res, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.ReadFull(res.Body, make([]byte, len("hello")))
			close(begun)
			if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err == nil {
				t.Errorf("after the end: got %q and %v, want an error", rest, err)
			}
			<-left
		})
		t.Run(tt.cause.Error()+"/upgraded", func(t *testing.T) {
			path, begun, left := socket(t), make(chan struct{}), make(chan struct{})
			serveUnix(t, path, func(w http.ResponseWriter, _ *http.Request) {
				defer close(left)
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				defer conn.Close()
				io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				io.Copy(io.Discard, conn)
			})
			s := run(t, NewHTTP(to(path)), ended(begun))
			c := dial(t, s)
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			if res, err := http.ReadResponse(c.r, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("got %v and %v, want 101", res, err)
			}
			close(begun)
			if rest, err := io.ReadAll(c.r); len(rest) > 0 || err != nil {
				t.Errorf("after the end: got %q and %v, want nothing", rest, err)
			}
			<-left
		})
	}
}

func TestUpgradeRefused(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusForbidden, http.StatusUpgradeRequired} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			path, heard := socket(t), make(chan http.Header, 1)
			serveUnix(t, path, func(w http.ResponseWriter, r *http.Request) {
				heard <- r.Header
				w.WriteHeader(status)
				io.WriteString(w, "not here")
			})
			got := ask(t, run(t, NewHTTP(to(path)), as), "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			if got.status != status || got.body != "not here" {
				t.Errorf("got %d and %q, want %d and %q", got.status, got.body, status, "not here")
			}
			if got, want := <-heard, (http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}); !reflect.DeepEqual(got, want) {
				t.Errorf("the function got %v, want %v", got, want)
			}
		})
	}
}

// TestEarlyRequest has requests come before the function listens.
func TestEarlyRequest(t *testing.T) {
	const callers = 3
	path, came := socket(t), make(chan struct{}, callers)
	s := run(t, NewHTTP(to(path)), func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			came <- struct{}{}
			next.ServeHTTP(w, r)
		})
	})
	var lines []*line
	for range callers {
		c := dial(t, s)
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\n\r\nbody")
		lines = append(lines, c)
	}
	for range callers {
		<-came
	}
	serveUnix(t, path, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	for _, c := range lines {
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || string(body) != "body" || err != nil {
			t.Errorf("got %s, %q and %v, want 200 and %q", res.Status, body, err, "body")
		}
	}
}

// forAMinute returns a context that ends as exec_timeout does.
func forAMinute(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, ErrTimeout)
	t.Cleanup(cancel)
	return ctx
}

// TestEndsBeforeItListens: who waits for a function that will never listen is
// told so.
func TestEndsBeforeItListens(t *testing.T) {
	h := newHold(t)
	o := to(socket(t))
	o.Process = h.command(t)
	why := make(chan string, 1)
	o.Report = func(_ *http.Request, reason string) { why <- reason }
	u := NewHTTP(o)
	ended := make(chan error, 1)
	go func() { ended <- u.Run(t.Context()) }()
	function, _ := h.next(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.WriteString(function, "exit\n"); err != nil {
			t.Error(err)
		}
		u.ServeHTTP(w, r)
	}))
	defer s.Close()
	got := ask(t, s, get)
	if got.status != http.StatusBadGateway {
		t.Errorf("got %d, want 502", got.status)
	}
	if got := <-why; got != "unreachable" {
		t.Errorf("got the reason %q, want unreachable", got)
	}
	if err := <-ended; !errors.Is(err, ErrEnded) {
		t.Errorf("got %v, want %v", err, ErrEnded)
	}
}

func TestNeverListens(t *testing.T) {
	for name, body := range map[string]io.Reader{
		"no body":                  nil,
		"a body":                   strings.NewReader("body"),
		"a body of unknown length": struct{ io.Reader }{strings.NewReader("body")},
	} {
		t.Run(name, func(t *testing.T) {
			path := socket(t)
			synctest.Test(t, func(t *testing.T) {
				u, w, begun := NewHTTP(to(path)), httptest.NewRecorder(), time.Now()
				u.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", body).WithContext(forAMinute(t)))
				ours(t, answer{w.Code, w.Header(), w.Body.String()}, http.StatusGatewayTimeout)
				if got := time.Since(begun); got != time.Minute {
					t.Errorf("got it after %v, want %v", got, time.Minute)
				}
			})
		})
	}
}

// silent is a function that takes requests and answers none.
func silent(context.Context) (net.Conn, error) {
	ours, its := net.Pipe()
	go io.Copy(io.Discard, its)
	return ours, nil
}

func TestNeverAnswers(t *testing.T) {
	for name, lines := range map[string]http.Header{
		"a request":  {},
		"an upgrade": {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := NewHTTP(HTTPOptions{Log: discard}).(*overHTTP)
				close(u.listening)
				u.transport.Dial = silent
				w, begun := httptest.NewRecorder(), time.Now()
				r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(forAMinute(t))
				r.Header = lines
				u.ServeHTTP(w, r)
				ours(t, answer{w.Code, w.Header(), w.Body.String()}, http.StatusGatewayTimeout)
				if got := time.Since(begun); got != time.Minute {
					t.Errorf("got it after %v, want %v", got, time.Minute)
				}
			})
		})
	}
}

// TestReadyBeforeRun has a function that listens already. Nobody has looked
// yet where else it does, so that requests would wait.
func TestReadyBeforeRun(t *testing.T) {
	path := socket(t)
	serveUnix(t, path, func(http.ResponseWriter, *http.Request) {})
	if err := NewHTTP(to(path)).Ready(t.Context()); err == nil {
		t.Error("got nil, want an error")
	}
}

func TestReady(t *testing.T) {
	path := socket(t)
	u := NewHTTP(to(path))
	s := run(t, u, as)
	if err := u.Ready(t.Context()); err == nil {
		t.Error("before the function listens: got nil, want an error")
	}
	stop := serveUnix(t, path, func(http.ResponseWriter, *http.Request) {})
	ask(t, s, get) // waits until the upstream knows that it listens
	if err := u.Ready(t.Context()); err != nil {
		t.Errorf("while the function listens: got %v, want nil", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := u.Ready(ended); err == nil {
		t.Error("for somebody who has left: got nil, want an error")
	}
	stop()
	if err := u.Ready(t.Context()); err == nil {
		t.Error("after the function has stopped to listen: got nil, want an error")
	}
	serveUnix(t, path, func(http.ResponseWriter, *http.Request) {})
	if err := u.Ready(t.Context()); err != nil {
		t.Errorf("when the function listens again: got %v, want nil", err)
	}
}

// counted is a connection that tells when it is closed.
type counted struct {
	net.Conn
	open *atomic.Int32
}

func (c counted) Close() error {
	err := c.Conn.Close()
	if err == nil {
		c.open.Add(-1)
	}
	return err
}

// TestRunClosesConnections looks at the moment in which Run has returned:
// left alone, connections that wait for requests close themselves in time.
func TestRunClosesConnections(t *testing.T) {
	path := socket(t)
	serveUnix(t, path, func(http.ResponseWriter, *http.Request) {})
	u := NewHTTP(to(path)).(*overHTTP)
	var open, all atomic.Int32
	u.transport.Dial = func(ctx context.Context) (net.Conn, error) {
		c, err := u.dial(ctx)
		if err == nil {
			open.Add(1)
			all.Add(1)
		}
		return counted{c, &open}, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	for range 3 {
		w := httptest.NewRecorder()
		u.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != http.StatusOK {
			t.Fatalf("got %d, want 200", w.Code)
		}
	}
	if got := []int32{open.Load(), all.Load()}; !slices.Equal(got, []int32{1, 1}) {
		t.Errorf("before: got %d connections open of %d, want one that is kept", got[0], got[1])
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
	if got := open.Load(); got != 0 {
		t.Errorf("after: got %d connections open, want 0", got)
	}
}

// TestBytesThatDoNotBelongInAPath: with one of them in it, package url would
// write an escaped slash as a slash.
func TestBytesThatDoNotBelongInAPath(t *testing.T) {
	for target, want := range map[string]string{
		`/a%2Fb"c`: "/a%2Fb%22c", `/a%2Fb|c`: "/a%2Fb%7Cc", "/a%2fb\xc3\xa4": "/a%2fb%C3%A4", "/a%2Fb<c>": "/a%2Fb%3Cc%3E", `/a"b`: "/a%22b", "/a%2F[b]": "/a%2F[b]",
	} {
		for prefix, path := range map[string]string{"": want, "/base": "/base" + want} {
			o := to(socket(t))
			o.Prefix = prefix
			s, heard := heard(t, o)
			ask(t, s, "GET "+target+" HTTP/1.1\r\nHost: shop.example\r\n\r\n")
			if got := (<-heard).RequestURI; got != path {
				t.Errorf("%s with the prefix %q: got %q, want %q", target, prefix, got, path)
			}
		}
	}
}

// TestOursOutlast1xx: an answer before the answer takes away nothing that the
// stages in front have set.
func TestOursOutlast1xx(t *testing.T) {
	path := socket(t)
	serveUnix(t, path, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Vary", "Accept")
		w.WriteHeader(http.StatusOK)
	})
	s := run(t, NewHTTP(to(path)), func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Authorization")
			h.ServeHTTP(w, r)
		})
	})
	c := dial(t, s)
	if _, err := io.WriteString(c, get); err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{http.StatusEarlyHints, http.StatusOK} {
		res, err := http.ReadResponse(c.r, nil)
		if err != nil || res.StatusCode != status {
			t.Fatalf("got %v and %v, want %d", res, err, status)
		}
		if got := res.Header["Vary"]; status == http.StatusOK && !slices.Equal(got, []string{"Authorization", "Accept"}) {
			t.Errorf("got Vary %q, want that of the stage and that of the function", got)
		}
	}
}

func TestNoContentTypeIsGuessed(t *testing.T) {
	path := socket(t)
	canned(t, path, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>")
	if got := ask(t, run(t, NewHTTP(to(path)), as), get).header["Content-Type"]; got != nil {
		t.Errorf("got Content-Type %q, want none, as the function has it", got)
	}
}

// TestCallersBodyBreaks: what the caller sends wrong is not the function's
// fault, and nobody is asked to try it again.
func TestCallersBodyBreaks(t *testing.T) {
	path := socket(t)
	serveUnix(t, path, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	var log diary
	o := to(path)
	o.Log = log.logger()
	a := ask(t, run(t, NewHTTP(o), as), "POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno chunk\r\n")
	if a.status != http.StatusBadRequest || a.header.Get("X-OpenFaaS-Internal") != "" || strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("got %d with %v and the log %q, want 400 and no error of the function's", a.status, a.header, &log)
	}
}

// TestOtherProtocol: a function that switches to what it was not asked to has
// its connection closed.
func TestOtherProtocol(t *testing.T) {
	path := socket(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	closed := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil || r.Header.Get("Upgrade") == "" {
				c.Close() // whoever looks whether it listens
				continue
			}
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
			_, err = io.Copy(io.Discard, c) // ends with the connection
			closed <- err
		}
	}()
	s := run(t, NewHTTP(to(path)), as)
	ours(t, ask(t, s, "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), http.StatusBadGateway)
	if err := <-closed; err != nil {
		t.Errorf("got %v, want the end of the connection", err)
	}
}

// TestOtherProtocolAmidBody: nor is the rest of a body sent that such a function
// does not read.
func TestOtherProtocolAmidBody(t *testing.T) {
	path := socket(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
			}
		}
	}()
	s := run(t, NewHTTP(to(path)), as)
	const most = 8 << 20 // more than there is room for on the way
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n%s", most, make([]byte, most))
	}()
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusBadGateway {
		t.Errorf("got %v and %v, want 502", res, err)
	}
}

// TestFunctionEndsAmidBody: a function that has gone is not the fault of a
// caller who had not sent the body yet.
func TestFunctionEndsAmidBody(t *testing.T) {
	for _, sent := range []string{"", "hello"} {
		t.Run(sent, func(t *testing.T) {
			path := socket(t)
			canned(t, path, "")
			a := ask(t, run(t, NewHTTP(to(path)), as), "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100000\r\n\r\n"+sent)
			ours(t, a, http.StatusBadGateway)
		})
	}
}

// TestUpgradeWithBody: both would be read from the same connection.
func TestUpgradeWithBody(t *testing.T) {
	s, got := heard(t, to(socket(t)))
	a := ask(t, s, "POST / HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello")
	if r := <-got; a.status != http.StatusOK || r.Header["Upgrade"] != nil || r.Header["Connection"] != nil {
		t.Errorf("got %d, and the function %v, want 200 and no upgrade", a.status, r.Header)
	}
}

// TestBodyFailsAmidTheAnswer: an error that wraps io.EOF is not the end of the
// answer.
func TestBodyFailsAmidTheAnswer(t *testing.T) {
	path, begun := socket(t), make(chan struct{})
	serveUnix(t, path, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "hello")
		control.Flush()
		io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	s := run(t, NewHTTP(to(path)), func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = &failingBody{begun: begun}
			next.ServeHTTP(w, r)
		})
	})
	c := dial(t, s)
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello")
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, len("hello"))); err != nil {
		t.Fatal(err)
	}
	close(begun)
	if rest, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("got %q as the end of a whole answer, want an error", rest)
	}
}

// A failingBody fails once the answer has begun to come.
type failingBody struct{ begun <-chan struct{} }

func (b *failingBody) Read([]byte) (int, error) {
	<-b.begun
	return 0, fmt.Errorf("reading what was kept: %w", io.EOF)
}

func (*failingBody) Close() error { return nil }

// TestWriteSwitch wants what http.Response.Write would send.
func TestWriteSwitch(t *testing.T) {
	for name, h := range map[string]http.Header{
		"as usual":     {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {"yes"}},
		"two lines":    {"Connection": {"Upgrade"}, "Upgrade": {"x"}, "Set-Cookie": {"a=b", "c=d"}},
		"framing":      {"Upgrade": {"x"}, "Content-Length": {"5"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"X"}},
		"a line break": {"Upgrade": {"x"}, "X-A": {"b\r\nX-C: d"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got, want bytes.Buffer
			w := bufio.NewReadWriter(nil, bufio.NewWriter(&got))
			if err := writeSwitch(w, h); err != nil {
				t.Fatal(err)
			}
			res := &http.Response{StatusCode: http.StatusSwitchingProtocols, ProtoMajor: 1, ProtoMinor: 1, Header: h}
			if err := res.Write(&want); err != nil {
				t.Fatal(err)
			}
			if got.String() != want.String() {
				t.Errorf("got %q, want %q", &got, &want)
			}
		})
	}
}
