package upstreamtest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// testStatus has redirections too: they are the caller's to follow.
func testStatus(t *testing.T, c Case) {
	for _, status := range []int{200, 201, 202, 203, 204, 205, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 409, 413, 429, 500, 502, 503, 504, 299, 599} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			w := newWitness()
			s := c.open(t, func(rw http.ResponseWriter, r *http.Request) {
				w.ServeHTTP(rw, r)
				rw.Header().Set("Location", "/elsewhere?x=%2F")
				rw.Header().Set("Etag", `"1"`)
				rw.WriteHeader(status)
				if status != http.StatusNoContent && status != http.StatusNotModified {
					write(rw, "the body")
				}
			})
			got := s.send(t, s.request(t, http.MethodGet, nil))
			w.saw(t, got)
			want := "the body"
			if status == http.StatusNoContent || status == http.StatusNotModified {
				want = ""
			}
			if got.status != status || got.body != want {
				t.Errorf("got %d and %q, want %d and %q", got.status, got.body, status, want)
			}
			for name, want := range map[string]string{"Location": "/elsewhere?x=%2F", "Etag": `"1"`} {
				if got := got.header.Get(name); got != want {
					t.Errorf("got %s %q, want %q", name, got, want)
				}
			}
			if len(w) > 0 {
				t.Error("the function was called again, want once")
			}
		})
	}
}

func testAnswerHeaders(t *testing.T, c Case) {
	want := http.Header{
		"Cache-Control":    {"max-age=60, private"},
		"Content-Encoding": {"gzip"},
		"Content-Length":   {"5"},
		"Content-Type":     {"application/octet-stream"},
		"Date":             {"Thu, 01 Jan 2026 00:00:00 GMT"},
		"Set-Cookie":       {"b=1; Path=/", "a=2"},
		"Vary":             {"Accept", "Origin"},
		"Www-Authenticate": {`Basic realm="the function's own"`},
		"X-Empty":          {""},
	}
	s := c.open(t, func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range want {
			w.Header()[name] = values
		}
		write(w, "hello")
	})
	got := s.send(t, s.request(t, http.MethodGet, nil))
	if got.body != "hello" {
		t.Errorf("got the body %q, want it as it was written", got.body)
	}
	got.header.Del("X-Duration-Seconds")
	if !reflect.DeepEqual(got.header, want) {
		t.Errorf("got %v, want %v", got.header, want)
	}
}

// testStageHeaders wants that the function adds to what the stages before it
// say to the caller, and takes none of it away.
func testStageHeaders(t *testing.T, c Case) {
	u := c.New(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Vary", "Accept")
	}))
	s := serve(t, u, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Vary"] = []string{"Authorization"}
		w.Header()["X-Call-Id"] = []string{"1"}
		u.ServeHTTP(w, r)
	}))
	got := s.send(t, s.request(t, http.MethodGet, nil)).header
	for name, want := range map[string][]string{"Vary": {"Authorization", "Accept"}, "X-Call-Id": {"1"}} {
		if !slices.Equal(got[name], want) {
			t.Errorf("got %s %q, want %q", name, got[name], want)
		}
	}
}

func testAnswerBody(t *testing.T, c Case) {
	for _, tt := range []struct {
		name  string
		size  int
		known bool
	}{
		{"empty", 0, true},
		{"a byte", 1, true},
		{"a byte of unknown length", 1, false},
		{"a buffer", 32 << 10, true},
		{"a MiB", 1 << 20, true},
		{"a MiB of unknown length", 1 << 20, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, length := sized(tt.size), int64(-1)
			if tt.known {
				length = int64(tt.size)
			}
			s := c.open(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.known {
					w.Header().Set("Content-Length", strconv.Itoa(tt.size))
				} else {
					flush(w)
				}
				write(w, want)
			})
			got := s.send(t, s.request(t, http.MethodGet, nil))
			if got.body != want {
				t.Errorf("got %d bytes, want the %d that were written", len(got.body), len(want))
			}
			if got.length != length {
				t.Errorf("got the length %d, want %d", got.length, length)
			}
		})
	}
}

func testHead(t *testing.T, c Case) {
	s := c.open(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		write(w, "hello")
	})
	for range 2 { // the connection is as good as before
		got := s.send(t, s.request(t, http.MethodHead, nil))
		if got.status != http.StatusOK || got.length != 5 || got.body != "" {
			t.Errorf("got %d, the length %d and the body %q, want 200, 5 and none", got.status, got.length, got.body)
		}
	}
}

// testAnswerStreams has a function that writes the next piece of its answer
// only when the caller has got the one before.
func testAnswerStreams(t *testing.T, c Case) {
	for _, tt := range []struct {
		name, contentType, length string
		pieces                    []string
	}{
		{"events", "text/event-stream", "", []string{"data: 1\n\n", "data: 2\n\n", ": end\n\n"}},
		{"chunks", "application/octet-stream", "", []string{"a", strings.Repeat("b", 100_000), "c"}},
		{"a known length", "text/plain", "10", []string{"hello", "world"}},
		{"the head alone", "text/plain", "", []string{"", "hello"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next := make(chan struct{}, 1)
			s := c.open(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				if tt.length != "" {
					w.Header().Set("Content-Length", tt.length)
				}
				for _, piece := range tt.pieces {
					write(w, piece)
					flush(w)
					wait(r, next)
				}
			})
			res := s.begin(t, s.request(t, http.MethodGet, nil))
			for i, want := range tt.pieces {
				got := make([]byte, len(want))
				if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != want {
					t.Fatalf("piece %d: got %.40q and %v, want %.40q", i, got, err, want)
				}
				next <- struct{}{}
			}
			if rest := res.whole(t).body; rest != "" {
				t.Errorf("after the last piece: got %q, want nothing", rest)
			}
		})
	}
}

// testAnswerAmidBody wants a function that answers piece by piece what it gets
// piece by piece to be heard before the caller has sent everything.
func testAnswerAmidBody(t *testing.T, c Case) {
	for _, tt := range []struct{ name, begin, rest string }{
		{"of known length", "Content-Length: 10\r\n\r\nhello", "world"},
		{"chunked", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "5\r\nworld\r\n0\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := c.open(t, func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).EnableFullDuplex()
				piece := make([]byte, len("hello"))
				for range 2 {
					n, _ := io.ReadFull(r.Body, piece)
					write(w, string(piece[:n]))
					flush(w)
				}
			})
			conn := s.dial(t)
			conn.write(t, "POST / HTTP/1.1\r\nHost: shop.example\r\n"+tt.begin)
			res := conn.head(t)
			got := make([]byte, len("hello"))
			if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != "hello" {
				t.Fatalf("before the rest was sent: got %q and %v, want %q", got, err, "hello")
			}
			conn.write(t, tt.rest)
			if got, want := res.whole(t).body, "world"; got != want {
				t.Errorf("the rest: got %q, want %q", got, want)
			}
		})
	}
}

// testAnswerWithoutBody wants that the rest of a body for which the function did
// not wait is not taken for the next request.
func testAnswerWithoutBody(t *testing.T, c Case) {
	const next = "GET /next HTTP/1.1\r\nHost: shop.example\r\n\r\n"
	called := make(chan string, 2)
	s := c.open(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		write(w, "hello")
		flush(w)
		called <- r.URL.Path
	})
	conn := s.dial(t)
	conn.write(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n", len(next)))
	<-called
	if got := conn.head(t); got.StatusCode != http.StatusOK {
		t.Fatalf("got %s, want 200", got.Status)
	}
	_, _ = io.WriteString(conn, next) // the connection may have ended
	_ = conn.Conn.(*net.TCPConn).CloseWrite()
	rest, _ := io.ReadAll(conn.r)
	if strings.Contains(string(rest), "HTTP/1.1") || len(called) > 0 {
		t.Errorf("got %q, and the function %d calls more: want one answer", rest, len(called))
	}
}

func testTrailers(t *testing.T, c Case) {
	for _, tt := range []struct {
		name, announced, body string
		set, want             http.Header
	}{
		{
			name: "announced", announced: "X-Sum, X-Count", body: "body",
			set:  http.Header{"X-Sum": {"1"}, "X-Count": {"2", "3"}},
			want: http.Header{"X-Sum": {"1"}, "X-Count": {"2", "3"}},
		},
		{
			name: "of an empty body", announced: "X-Sum",
			set:  http.Header{"X-Sum": {"1"}},
			want: http.Header{"X-Sum": {"1"}},
		},
		{
			name: "unannounced", body: "body",
			set:  http.Header{http.TrailerPrefix + "X-Sum": {"1"}},
			want: http.Header{"X-Sum": {"1"}},
		},
		{
			name: "some announced", announced: "X-Sum", body: "body",
			set:  http.Header{"X-Sum": {"1"}, http.TrailerPrefix + "X-Late": {"2"}},
			want: http.Header{"X-Sum": {"1"}, "X-Late": {"2"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := c.open(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.announced != "" {
					w.Header().Set("Trailer", tt.announced)
				}
				write(w, tt.body)
				flush(w)
				for name, values := range tt.set {
					w.Header()[name] = values
				}
			})
			got := s.send(t, s.request(t, http.MethodGet, nil))
			if got.body != tt.body {
				t.Errorf("got the body %q, want %q", got.body, tt.body)
			}
			if !reflect.DeepEqual(got.trailer, tt.want) {
				t.Errorf("got %v, want %v", got.trailer, tt.want)
			}
		})
	}
}

func testEarlyHints(t *testing.T, c Case) {
	hints := []string{"</style.css>; rel=preload", "</script.js>; rel=preload"}
	seen := make(chan struct{}, 1)
	s := c.open(t, func(w http.ResponseWriter, r *http.Request) {
		for _, hint := range hints {
			w.Header().Set("Link", hint)
			w.WriteHeader(http.StatusEarlyHints)
			wait(r, seen)
		}
		w.Header().Del("Link")
		write(w, "body")
	})
	var got []string
	r := s.request(t, http.MethodGet, nil)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			got = append(got, fmt.Sprint(code, " ", header.Get("Link")))
			seen <- struct{}{}
			return nil
		},
	}))
	last := s.send(t, r)
	if want := []string{"103 " + hints[0], "103 " + hints[1]}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if last.status != http.StatusOK || last.body != "body" {
		t.Errorf("after them: got %d and %q, want 200 and %q", last.status, last.body, "body")
	}
	if link, ok := last.header["Link"]; ok {
		t.Errorf("after them: got Link %q, want none", link)
	}
}

// testPanic wants that no caller takes for an answer what the function did not
// finish, and that the next one is served.
func testPanic(t *testing.T, c Case) {
	for _, tt := range []struct {
		name  string
		begun bool
		value any
	}{
		{"before the answer", false, "oh"},
		{"before the answer, to abort it", false, http.ErrAbortHandler},
		{"amid the answer", true, "oh"},
		{"amid the answer, to abort it", true, http.ErrAbortHandler},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := c.open(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					return
				}
				if tt.begun {
					write(w, "hello")
					flush(w)
				}
				panic(tt.value)
			})
			res, err := s.callers.RoundTrip(s.request(t, http.MethodPost, strings.NewReader("body")))
			switch {
			case tt.begun && err != nil:
				t.Errorf("got %v, want the answer's head", err)
			case tt.begun:
				body, err := io.ReadAll(res.Body)
				if string(body) != "hello" || err == nil {
					t.Errorf("got %q and %v, want %q and an error", body, err, "hello")
				}
			case c.Remote && err != nil:
				t.Errorf("got %v, want 502", err)
			case c.Remote:
				if got := res.Header.Get("X-Openfaas-Internal"); res.StatusCode != http.StatusBadGateway || got != "auth-watchdog" {
					t.Errorf("got %s of %q, want 502 of %q", res.Status, got, "auth-watchdog")
				}
			case err == nil:
				t.Errorf("got %s, want none", res.Status)
			}
			if err == nil {
				_ = res.Body.Close()
			}
			if got := s.send(t, s.request(t, http.MethodGet, nil)).status; got != http.StatusOK {
				t.Errorf("the next request: got %d, want 200", got)
			}
		})
	}
}

func testAtOnce(t *testing.T, c Case) {
	s := c.open(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	var wg sync.WaitGroup
	for caller := range 8 {
		wg.Go(func() {
			for i := range 20 {
				want := strings.Repeat(fmt.Sprintf("%d/%d ", caller, i), 5000)
				res, err := s.callers.RoundTrip(s.request(t, http.MethodPost, strings.NewReader(want)))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if string(got) != want || err != nil {
					t.Errorf("got %.20q… of %d bytes and %v, want %.20q… of %d", got, len(got), err, want, len(want))
					return
				}
			}
		})
	}
	wg.Wait()
}
