// Package upstreamtest holds what every [upstream.Upstream] is held to.
package upstreamtest

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"auth-watchdog/watchdog/internal/upstream"
)

// A Case is a way to put an upstream in front of a function.
type Case struct {
	// New returns an upstream with function behind it. What that takes is to
	// be gone once t has ended.
	New func(t *testing.T, function http.Handler) upstream.Upstream

	// Remote says that a connection lies between upstream and function, so
	// that headers are all that tells the function who called.
	Remote bool
}

// Test holds an upstream to the contract of [upstream.Upstream], and to what
// callers and functions may expect of whatever is between them.
func Test(t *testing.T, c Case) {
	t.Helper()
	for _, part := range []struct {
		name string
		test func(*testing.T, Case)
	}{
		{"run", testRun},
		{"nothing left running", testNothingLeft},
		{"ready", testReady},

		{"request/target", testTarget},
		{"request/method", testMethod},
		{"request/headers", testRequestHeaders},
		{"request/identity", testIdentity},
		{"request/body", testRequestBody},
		{"request/body streams", testRequestStreams},
		{"request/expects to continue", testContinue},
		{"request/caller leaves", testCallerLeaves},
		{"request/caller leaves amid the body", testBodyCut},

		{"answer/status", testStatus},
		{"answer/headers", testAnswerHeaders},
		{"answer/headers of stages before", testStageHeaders},
		{"answer/body", testAnswerBody},
		{"answer/to HEAD", testHead},
		{"answer/streams", testAnswerStreams},
		{"answer/before the body ends", testAnswerAmidBody},
		{"answer/without the body", testAnswerWithoutBody},
		{"answer/trailers", testTrailers},
		{"answer/early hints", testEarlyHints},
		{"answer/panic", testPanic},
		{"answer/at once", testAtOnce},

		{"upgrade", testUpgrade},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, c) })
	}
}

// A site is an upstream at work, with a server in front of it.
type site struct {
	*httptest.Server
	upstream upstream.Upstream
	callers  *http.Transport
	close    func() // once t has ended at the latest
}

// open puts an upstream in front of function and serves it.
func (c Case) open(t *testing.T, function http.HandlerFunc) *site {
	t.Helper()
	u := c.New(t, function)
	return serve(t, u, u)
}

// serve runs u and serves h, which is u or a stage before it.
func serve(t *testing.T, u upstream.Upstream, h http.Handler) *site {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()

	s := &site{
		Server:   httptest.NewUnstartedServer(h),
		upstream: u,
		// Compression is between caller and function, and what the client
		// undoes by itself can't be compared.
		callers: &http.Transport{DisableCompression: true},
	}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	s.close = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
		s.callers.CloseIdleConnections()
		// A test that has failed leaves functions that wait for it; without
		// their callers they give up, and Close does not wait for ever.
		s.CloseClientConnections()
		s.Close()
	})
	t.Cleanup(func() { s.close() })
	return s
}

// request returns a request to the site.
func (s *site) request(t *testing.T, method string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A reply is an answer of which the head has come. Its body is closed once the
// test has ended.
type reply struct{ *http.Response }

// begin sends a request and returns once the head of the answer is there.
func (s *site) begin(t *testing.T, r *http.Request) reply {
	t.Helper()
	res, err := s.callers.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return reply{res}
}

// An answer is one that was read whole.
type answer struct {
	status          int
	header, trailer http.Header
	length          int64 // as it was announced, -1 if it was not
	body            string
}

// send sends a request and reads the answer.
func (s *site) send(t *testing.T, r *http.Request) answer {
	t.Helper()
	return s.begin(t, r).whole(t)
}

// whole reads the rest.
func (r reply) whole(t *testing.T) answer {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return answer{r.StatusCode, r.Header, r.Trailer, r.ContentLength, string(b)}
}

// A caller is a connection on which a test writes what no client of Go's would.
type caller struct {
	net.Conn
	r *bufio.Reader
}

func (s *site) dial(t *testing.T) *caller {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{conn, bufio.NewReader(conn)}
}

func (c *caller) write(t *testing.T, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

// head reads an answer up to its body.
func (c *caller) head(t *testing.T) reply {
	t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return reply{res}
}

// ask sends a request as it is written and reads the answer.
func (s *site) ask(t *testing.T, request string) answer {
	t.Helper()
	c := s.dial(t)
	c.write(t, request)
	return c.head(t).whole(t)
}

// seen is a request as the function got it.
type seen struct {
	*http.Request
	body string
	err  error // of reading the body
}

// witness is a function that keeps what it gets.
type witness chan seen

func newWitness() witness { return make(witness, 64) }

func (w witness) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w <- seen{r, string(body), err}
}

// saw returns what the function got. The answer must have come already.
func (w witness) saw(t *testing.T, a answer) seen {
	t.Helper()
	select {
	case s := <-w:
		return s
	default:
		t.Fatalf("got %d without the function, want its answer", a.status)
		return seen{}
	}
}

// write writes a piece of an answer. That the caller may be gone is no
// function's business.
func write(w io.Writer, s string) { _, _ = io.WriteString(w, s) }

// flush sends what was written of an answer.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// wait waits for the test, or for the caller to leave.
func wait(r *http.Request, c <-chan struct{}) {
	select {
	case <-c:
	case <-r.Context().Done():
	}
}
