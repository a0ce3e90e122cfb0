package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A side is one of the two that are held to the same: ours and net/http's.
type side struct {
	http.RoundTripper
	dials, open *atomic.Int32 // connections made, and those that are not closed
}

const (
	maxHead   = 1 << 20
	bothSides = 2
)

// newSide returns a transport over connections that dial makes. Whatever waits
// for a 100 does so for patience.
func newSide(ours bool, patience time.Duration, dial func(context.Context) (net.Conn, error)) side {
	s := side{dials: new(atomic.Int32), open: new(atomic.Int32)}
	counting := func(ctx context.Context) (net.Conn, error) {
		nc, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		s.dials.Add(1)
		s.open.Add(1)
		closed := sync.OnceFunc(func() { s.open.Add(-1) })
		if c, ok := nc.(*net.UnixConn); ok {
			return countedUnix{c, closed}, nil
		}
		return counted{nc, closed}, nil
	}
	if ours {
		s.RoundTripper = New(Options{
			Dial: counting, IdleTimeout: time.Second, MaxIdle: 16, ContinueTimeout: patience, MaxHead: maxHead,
		})
	} else {
		s.RoundTripper = &http.Transport{
			DisableCompression:  true,
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return counting(ctx) },
			IdleConnTimeout:     time.Second,
			MaxIdleConnsPerHost: 16, ExpectContinueTimeout: patience, MaxResponseHeaderBytes: maxHead,
		}
	}
	return s
}

type counted struct {
	net.Conn
	closed func()
}

func (c counted) Close() error {
	c.closed()
	return c.Conn.Close()
}

// countedUnix has all that a unix socket has.
type countedUnix struct {
	*net.UnixConn
	closed func()
}

func (c countedUnix) Close() error {
	c.closed()
	return c.UnixConn.Close()
}

// end closes what is idle and waits for everything else to be closed.
func (s side) end() {
	s.RoundTripper.(interface{ CloseIdleConnections() }).CloseIdleConnections()
	for s.open.Load() > 0 {
		runtime.Gosched()
	}
}

// noGoroutines waits until nobody runs any more whom a transport of ours has
// started.
func noGoroutines() {
	for buf := make([]byte, 1<<20); ; runtime.Gosched() {
		if !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "transport.(*exchange)") {
			return
		}
	}
}

// unixSocket returns a path for a unix socket. It is not in t.TempDir, whose names
// are longer than a socket's may be.
func unixSocket(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "transport")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return filepath.Join(folder, "s")
}

// A peer is the server's end of a connection.
type peer struct {
	*net.UnixConn
	in     *bufio.Reader
	number int // of the connection, from 1
	notes  *notes
}

// notes are what a server has seen.
type notes struct {
	mu   sync.Mutex
	text []string
}

func (n *notes) add(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text = append(n.text, s)
}

// head reads a request up to its body, and nothing of that.
func (p *peer) head() *http.Request {
	r, err := http.ReadRequest(p.in)
	if err != nil {
		return nil
	}
	return r
}

// request reads a request and notes what it was.
func (p *peer) request() *http.Request {
	r, err := http.ReadRequest(p.in)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			p.notes.add("no request")
		}
		return nil
	}
	p.notes.add(describe(r))
	return r
}

// say writes text; who is gone does not hear it.
func (p *peer) say(text string) { _, _ = io.WriteString(p, text) }

// again serves what comes on a connection as a server does that knows one
// answer.
func (p *peer) again() {
	for p.head() != nil {
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Connection: " + strconv.Itoa(p.number) + "\r\n\r\nagain")
	}
}

// describe reads a request to its end and says what it was. User-Agent is left
// out: ours has none of its own.
func describe(r *http.Request) string {
	var lines []string
	for name, values := range r.Header {
		if name != "User-Agent" {
			lines = append(lines, fmt.Sprintf("%s=%q", name, values))
		}
	}
	slices.Sort(lines)
	body, err := io.ReadAll(r.Body)
	size := strconv.Quote(string(body))
	if len(body) > 64 {
		size = fmt.Sprintf("%d bytes", len(body))
	}
	end := "whole"
	if err != nil {
		end = "broken"
		if len(body) > 64 {
			size = "many bytes" // how many has to do with buffers
		}
	}
	return fmt.Sprintf("%s %s %s host %s %v length %d %v %s %s",
		r.Method, r.RequestURI, r.Proto, r.Host, lines, r.ContentLength, r.TransferEncoding, size, end)
}

// A server is a scripted one, or one of net/http.
type server struct {
	path  string
	notes notes
	wait  func()
}

// scripted serves the first connection as script says, and all others with one
// answer. It has seen everything when wait returns.
func scripted(t *testing.T, script func(*peer)) *server {
	t.Helper()
	s := &server{path: unixSocket(t)}
	l, err := net.Listen("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var peers []*peer
	all.Go(func() {
		for number := 1; ; number++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p := &peer{c.(*net.UnixConn), bufio.NewReader(c), number, &s.notes}
			mu.Lock()
			peers = append(peers, p)
			mu.Unlock()
			all.Go(func() {
				defer p.Close()
				if number == 1 {
					script(p)
				} else {
					p.again()
				}
			})
		}
	})
	s.wait = sync.OnceFunc(func() {
		l.Close()
		all.Wait()
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, p := range peers {
			p.Close()
		}
		mu.Unlock()
		s.wait()
	})
	return s
}

type connectionKey struct{}

// served serves h with net/http's server.
func served(t *testing.T, h http.HandlerFunc) *server {
	t.Helper()
	s := &server{path: unixSocket(t)}
	l, err := net.Listen("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int32
	hs := &http.Server{
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, int(connections.Add(1)))
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Date"] = nil
			if r.URL.Path == "/again" {
				w.Header().Set("X-Connection", strconv.Itoa(r.Context().Value(connectionKey{}).(int)))
				io.WriteString(w, "again")
				return
			}
			h(w, r)
		}),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		hs.Serve(l)
	}()
	s.wait = sync.OnceFunc(func() {
		hs.Shutdown(context.Background())
		<-ended
	})
	t.Cleanup(func() {
		hs.Close()
		<-ended
	})
	return s
}

// noting notes each request before h answers it.
func (s *server) dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", s.path)
}

// An outcome is what came of a request.
type outcome struct {
	Err     bool // there was no answer
	Status  int
	Reason  string
	Proto   string
	Header  http.Header
	Length  int64
	Body    string
	Broken  bool // the body did not come whole
	Trailer http.Header
	Coding  []string
	Close   bool
	Reused  bool     // the next request came on the same connection
	Seen    []string // what the server got
}

func (o outcome) String() string {
	if o.Err {
		return "error"
	}
	body := strconv.Quote(o.Body)
	if len(o.Body) > 64 {
		body = fmt.Sprintf("%d bytes", len(o.Body))
	}
	text := fmt.Sprintf("%d %d %s", o.Status, o.Length, body)
	if o.Broken {
		text += " broken"
	}
	if len(o.Trailer) > 0 {
		text += fmt.Sprintf(" %v", o.Trailer)
	}
	if o.Reused {
		text += " reused"
	}
	return text
}

// A body is that of a request. It tells when it is closed.
type body struct {
	io.Reader
	closed chan struct{}
	once   *sync.Once
}

func newBody(r io.Reader) body { return body{r, make(chan struct{}), new(sync.Once)} }

func (b body) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// inMemory is one whose length can be asked for.
type inMemory struct {
	body
	len func() int
}

func (b inMemory) Len() int { return b.len() }

func memory(text string) inMemory {
	r := strings.NewReader(text)
	return inMemory{newBody(r), r.Len}
}

// stream is one of which nothing is known.
func stream(text string) body { return newBody(struct{ io.Reader }{strings.NewReader(text)}) }

// ask returns a request for the first exchange of a case.
func ask(ctx context.Context, method string, b io.ReadCloser, length int64, header ...string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, method, "http://server.example/path?q=1", nil)
	if err != nil {
		panic(err)
	}
	r.Body, r.ContentLength = b, length
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	return r
}

// awaitBody waits until the body of a request has been closed.
func awaitBody(r *http.Request) {
	switch b := r.Body.(type) {
	case body:
		<-b.closed
	case inMemory:
		<-b.closed
	}
}

// exchange sends r and reads the answer, then asks again.
func (s side) exchange(t *testing.T, srv *server, r *http.Request) (o outcome) {
	t.Helper()
	res, err := s.RoundTrip(r)
	if err != nil {
		o.Err = true
	} else {
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		o.Status, o.Reason, o.Proto, o.Header, o.Length = res.StatusCode, res.Status, res.Proto, res.Header, res.ContentLength
		o.Body, o.Broken, o.Trailer, o.Coding, o.Close = string(text), err != nil, res.Trailer, res.TransferEncoding, res.Close
		if res.Request != r {
			t.Error("the answer is to another request")
		}
	}
	awaitBody(r)
	next := ask(t.Context(), http.MethodGet, nil, 0)
	next.URL.Path = "/again"
	res, err = s.RoundTrip(next)
	if err != nil {
		t.Fatalf("the next request: %v", err)
	}
	text, err := io.ReadAll(res.Body)
	res.Body.Close()
	if string(text) != "again" || err != nil {
		t.Fatalf("the next request: got %q and %v, want its own answer", text, err)
	}
	o.Reused = res.Header.Get("X-Connection") == "1"
	s.end()
	srv.wait()
	o.Seen = srv.notes.text
	return o
}

// A conformance is a case that both sides go through.
type conformance struct {
	name    string
	request func(context.Context) *http.Request // nil for a plain GET
	text    string                              // what the server says to the first request
	script  func(*peer)                         // what it does instead
	handler func(*notes) http.HandlerFunc       // in net/http's server

	want   string // see outcome.String
	theirs string // of net/http, if it is not the same; "any" if that is a matter of chance
	why    string // it differs
	ignore func(*outcome)

	patience time.Duration
}

func (c conformance) server(t *testing.T) *server {
	t.Helper()
	if c.handler != nil {
		var s *server
		s = served(t, func(w http.ResponseWriter, r *http.Request) { c.handler(&s.notes)(w, r) })
		return s
	}
	if c.script != nil {
		return scripted(t, c.script)
	}
	return scripted(t, func(p *peer) {
		if p.request() != nil {
			p.say(c.text)
			p.again()
		}
	})
}

func (c conformance) run(t *testing.T) {
	if (c.theirs != "") != (c.why != "") {
		t.Fatal("who differs says why")
	}
	patience := c.patience
	if patience == 0 {
		patience = time.Hour
	}
	var got [bothSides]outcome
	for i := range got {
		if i > 0 && c.theirs == "any" {
			return
		}
		srv := c.server(t)
		s := newSide(i == 0, patience, srv.dial)
		r := ask(t.Context(), http.MethodGet, nil, 0)
		if c.request != nil {
			r = c.request(t.Context())
		}
		got[i] = s.exchange(t, srv, r)
		if i == 0 {
			noGoroutines()
			if got := got[0].String(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		}
	}
	if c.theirs != "" {
		if got := got[1].String(); got != c.theirs {
			t.Errorf("net/http: got  %s\nwant %s", got, c.theirs)
		}
		return
	}
	if c.ignore != nil {
		c.ignore(&got[0])
		c.ignore(&got[1])
	}
	if diff := cmp.Diff(got[1], got[0]); diff != "" {
		t.Errorf("net/http (-) and ours (+) differ:\n%s", diff)
	}
}

func runAll(t *testing.T, cases []conformance) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}
