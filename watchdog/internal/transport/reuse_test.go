package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// get asks for something and reads the answer.
func (s side) get(t *testing.T) string {
	t.Helper()
	res, err := s.RoundTrip(ask(t.Context(), http.MethodGet, nil, 0))
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

// retries are requests on a connection that turns out to have been closed.
var retries = []struct {
	name     string
	request  func(context.Context) *http.Request
	sent     bool // tried again if the server may have heard of it
	unsent   bool // tried again if it can't have
	whyOther string
}{
	{"GET", method("GET"), true, true, ""},
	{"no method", method(""), true, true, ""},
	{"HEAD", method("HEAD"), true, true, ""},
	{"OPTIONS", method("OPTIONS"), true, true, ""},
	{"TRACE", method("TRACE"), true, true, ""},
	{"DELETE", method("DELETE"), false, true, ""},
	{"POST without a body", method("POST"), false, true, ""},
	{"POST with a key", func(ctx context.Context) *http.Request {
		return ask(ctx, "POST", nil, 0, "Idempotency-Key", "1")
	}, true, true, ""},
	{"POST with an unregistered key", func(ctx context.Context) *http.Request {
		return ask(ctx, "POST", nil, 0, "X-Idempotency-Key", "1")
	}, true, true, ""},
	{"POST with a key and a body", sends("POST", streamed("hello"), 5, "Idempotency-Key", "1"), false, true, "net/http has no second copy of the body; ours has not touched it"},
	{"POST with a body", sends("POST", streamed("hello"), 5), false, true, "as above"},
	{"POST with a body in memory", sends("POST", inMem("hello"), 5), false, true, "as above; ours has it with the head"},
	{"GET with a body", sends("GET", streamed("hello"), 5), false, true, "as above"},
}

// TestStale has a server that closes a connection when the next request comes
// on it.
func TestStale(t *testing.T) {
	for _, ours := range []bool{true, false} {
		for _, tt := range retries {
			for _, partly := range []bool{false, true} {
				t.Run(fmt.Sprint(tt.name, "/", partly, "/", ours), func(t *testing.T) {
					srv := scripted(t, func(p *peer) {
						p.head()
						p.say(fine)
						if r := p.head(); r != nil {
							_, _ = io.Copy(io.Discard, r.Body)
						}
						if partly {
							p.say("HTTP/1.1 2")
						}
					})
					s := newSide(ours, time.Hour, srv.dial)
					s.get(t)
					r := tt.request(t.Context())
					res, err := s.RoundTrip(r)
					if err == nil {
						res.Body.Close()
					}
					if got, want := err == nil, tt.sent && !partly; got != want || (s.dials.Load() == 2) != want {
						t.Errorf("got %v over %d connections, want it tried again: %v", err, s.dials.Load(), want)
					}
					awaitBody(r)
					s.end()
				})
			}
		}
	}
}

// brittle is a connection that takes nothing after a while.
type brittle struct {
	*net.UnixConn
	writes atomic.Int32 // that are left
}

func (b *brittle) Write(p []byte) (int, error) {
	if b.writes.Add(-1) < 0 {
		return 0, syscall.EPIPE
	}
	return b.UnixConn.Write(p)
}

// TestUnsent has a connection of which nothing can be sent.
func TestUnsent(t *testing.T) {
	for _, ours := range []bool{true, false} {
		for _, tt := range retries {
			t.Run(fmt.Sprint(tt.name, "/", ours), func(t *testing.T) {
				srv := scripted(t, (*peer).again)
				first := true
				s := newSide(ours, time.Hour, nil)
				dial := func(ctx context.Context) (net.Conn, error) {
					nc, err := srv.dial(ctx)
					if c, ok := nc.(*net.UnixConn); ok && first {
						first = false
						b := &brittle{UnixConn: c}
						b.writes.Store(1)
						return b, err
					}
					return nc, err
				}
				switch rt := s.RoundTripper.(type) {
				case *Transport:
					rt.Dial = dial
				case *http.Transport:
					rt.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
				}
				s.get(t)
				r := tt.request(t.Context())
				res, err := s.RoundTrip(r)
				if err == nil {
					res.Body.Close()
				}
				if want := tt.unsent && (ours || tt.whyOther == ""); (err == nil) != want {
					t.Errorf("got %v, want it tried again: %v", err, want)
				}
				awaitBody(r)
				s.end()
			})
		}
	}
}

// TestUnsolicited: what a server says without being asked is nobody's answer.
func TestUnsolicited(t *testing.T) {
	for name, surplus := range map[string]string{"an answer": ok + "Content-Length: 5\r\n\r\nother", "a byte": "x", "the end": ""} {
		t.Run(name, func(t *testing.T) {
			said, next := make(chan struct{}), make(chan struct{})
			srv := scripted(t, func(p *peer) {
				p.head()
				p.say(fine)
				<-next
				p.say(surplus)
				if surplus == "" {
					p.Close()
				}
				close(said)
				p.again()
			})
			s := newSide(true, time.Hour, srv.dial)
			if got := s.get(t); got != "ok" {
				t.Errorf("got %q, want ok", got)
			}
			close(next)
			<-said
			if got := s.get(t); got != "again" || s.dials.Load() != 2 {
				t.Errorf("got %q over %d connections, want an answer over another", got, s.dials.Load())
			}
			s.end()
		})
	}
}

// TestNotRead closes answers before their end.
func TestNotRead(t *testing.T) {
	for name, text := range map[string]string{
		"length": ok + "Content-Length: 5\r\n\r\nhello", "chunks": ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	} {
		for size := range 3 {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				srv := scripted(t, func(p *peer) {
					p.head()
					p.say(text)
					p.again()
				})
				s := newSide(true, time.Hour, srv.dial)
				res, err := s.RoundTrip(ask(t.Context(), "GET", nil, 0))
				if err != nil {
					t.Fatal(err)
				}
				if n, err := io.ReadFull(res.Body, make([]byte, size)); n != size || err != nil {
					t.Errorf("got %d bytes and %v, want %d", n, err, size)
				}
				for range 2 {
					if err := res.Body.Close(); err != nil {
						t.Errorf("Close: got %v", err)
					}
				}
				if n, err := res.Body.Read(make([]byte, 9)); n > 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
					t.Errorf("after Close: got %d bytes and %v, want %v", n, err, http.ErrBodyReadAfterClose)
				}
				if open := s.open.Load(); open > 0 {
					t.Errorf("got %d connections open, want none", open)
				}
			})
		}
	}
}

func TestIdle(t *testing.T) {
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		max     int
	}{{"expires", time.Millisecond, 2}, {"no time", 0, 2}, {"no room", time.Hour, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			closed := make(chan struct{})
			srv := scripted(t, func(p *peer) {
				p.again()
				close(closed)
			})
			s := newSide(true, time.Hour, srv.dial)
			s.RoundTripper.(*Transport).IdleTimeout, s.RoundTripper.(*Transport).MaxIdle = tt.timeout, tt.max
			s.get(t)
			<-closed
			if got := s.get(t); got != "again" {
				t.Errorf("got %q, want an answer over another connection", got)
			}
			s.end()
		})
	}
}

// TestIdleOlder: a connection that is used now and then does not keep the
// others open.
func TestIdleOlder(t *testing.T) {
	const together = 3
	srv := scripted(t, (*peer).again)
	s := newSide(true, time.Hour, srv.dial)
	rt := s.RoundTripper.(*Transport)
	rt.IdleTimeout = 20 * time.Millisecond
	var answers []*http.Response
	for range together {
		res, err := s.RoundTrip(ask(t.Context(), "GET", nil, 0))
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, res)
	}
	for _, res := range answers {
		_, _ = io.Copy(io.Discard, res.Body)
	}
	for s.open.Load() > 1 {
		s.get(t)
	}
	s.end()
}

func TestMaxIdle(t *testing.T) {
	const together, kept = 4, 2
	srv := scripted(t, (*peer).again)
	s := newSide(true, time.Hour, srv.dial)
	rt := s.RoundTripper.(*Transport)
	rt.MaxIdle, rt.IdleTimeout = kept, time.Hour
	var answers []*http.Response
	for range together {
		res, err := s.RoundTrip(ask(t.Context(), "GET", nil, 0))
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, res)
	}
	for _, res := range answers {
		_, _ = io.Copy(io.Discard, res.Body)
	}
	if got := s.open.Load(); got != kept {
		t.Errorf("got %d connections kept, want %d", got, kept)
	}
	s.end()
}

var errLeft = errors.New("left")

// TestCancelled ends the context of a request at every stage.
func TestCancelled(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string // what the server says before the context ends
		read int    // bytes of the body that are read before
	}{
		{"before the head", "", -1},
		{"amid the head", ok + "Content-Length", -1},
		{"between answers", "HTTP/1.1 103 Early Hints\r\n\r\n", -1},
		{"amid the body", ok + "Content-Length: 10\r\n\r\nhello", 5},
		{"amid chunks", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 5},
		{"amid a body that ends with the connection", ok + "\r\nhello", 5},
		{"of an upgraded connection", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello", 5},
	} {
		for kind, request := range map[string]func(context.Context) *http.Request{
			"GET": method("GET"), "small": sends("POST", inMem("hello"), 5), "large": sends("POST", streamed(strings.Repeat("a", large)), -1),
			"expects": sends("POST", streamed("hello"), 5, "Expect", "100-continue"),
		} {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				said, gone := make(chan struct{}), make(chan struct{})
				srv := scripted(t, func(p *peer) {
					p.head()
					p.say(tt.text)
					close(said)
					_, _ = io.Copy(io.Discard, p.in)
					close(gone)
				})
				s := newSide(true, time.Hour, srv.dial)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				r := request(ctx)
				if tt.read < 0 {
					go func() {
						<-said
						cancel(errLeft)
					}()
				}
				res, err := s.RoundTrip(r)
				if tt.read >= 0 {
					if err != nil {
						t.Fatal(err)
					}
					defer res.Body.Close()
					if _, err := io.ReadFull(res.Body, make([]byte, tt.read)); err != nil {
						t.Fatal(err)
					}
					cancel(errLeft)
					var n int
					if n, err = res.Body.Read(make([]byte, 9)); n > 0 {
						t.Errorf("got %d more bytes, want none", n)
					}
				}
				if res != nil && res.StatusCode == http.StatusSwitchingProtocols {
					if err == nil {
						t.Error("got no error, want the end of the connection")
					}
				} else if !errors.Is(err, errLeft) {
					t.Errorf("got %v, want %v", err, errLeft)
				}
				<-gone
				awaitBody(r)
				s.end()
				noGoroutines()
			})
		}
	}
}

// TestCancelledBefore has a connection that could be used.
func TestCancelledBefore(t *testing.T) {
	srv := scripted(t, func(p *peer) {
		for r := p.head(); r != nil; r = p.head() {
			p.notes.add(r.Method)
			p.say(fine)
		}
	})
	s := newSide(true, time.Hour, srv.dial)
	const tries = 50
	for range tries {
		s.get(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errLeft)
		r := ask(ctx, "POST", stream("hello"), 5)
		if res, err := s.RoundTrip(r); !errors.Is(err, errLeft) {
			t.Errorf("got %v and %v, want %v", res, err, errLeft)
		}
		awaitBody(r)
	}
	s.end()
	srv.wait()
	if got := len(srv.notes.text); got != tries || s.dials.Load() != 1 {
		t.Errorf("the server got %d requests over %d connections, want %d over one", got, s.dials.Load(), tries)
	}
}

func TestDialing(t *testing.T) {
	for name, want := range map[string]error{"cancelled": errLeft, "fails": syscall.ECONNREFUSED} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			s := newSide(true, time.Hour, func(ctx context.Context) (net.Conn, error) {
				if errors.Is(want, errLeft) {
					cancel(errLeft)
					<-ctx.Done()
					return nil, context.Cause(ctx)
				}
				return nil, want
			})
			defer cancel(nil)
			r := ask(ctx, "POST", stream("hello"), 5)
			if res, err := s.RoundTrip(r); !errors.Is(err, want) {
				t.Errorf("got %v and %v, want %v", res, err, want)
			}
			awaitBody(r)
		})
	}
}

// tardy is a connection whose caller is kept from it until its deadline has passed,
// as happens to a process without processor time.
type tardy struct{ *net.UnixConn }

func (c tardy) SetReadDeadline(t time.Time) error {
	err := c.UnixConn.SetReadDeadline(t)
	if !t.IsZero() {
		time.Sleep(time.Until(t) + time.Millisecond)
	}
	return err
}

// TestLate: a request that comes to be sent late is sent.
func TestLate(t *testing.T) {
	const late = 2 * alarmAfter
	srv := scripted(t, (*peer).again)
	for name, dial := range map[string]func(context.Context) (net.Conn, error){
		"dialing": func(ctx context.Context) (net.Conn, error) {
			time.Sleep(late)
			return srv.dial(ctx)
		},
		"sending": func(ctx context.Context) (net.Conn, error) {
			nc, err := srv.dial(ctx)
			if c, ok := nc.(*net.UnixConn); ok {
				nc = tardy{c}
			}
			return nc, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var dials atomic.Int32
			tr := New(Options{IdleTimeout: time.Hour, MaxIdle: 1, MaxHead: maxHead, Dial: func(ctx context.Context) (net.Conn, error) {
				dials.Add(1)
				return dial(ctx)
			}})
			s := side{tr, &dials, new(atomic.Int32)}
			for range 3 {
				if got := s.get(t); got != "again" {
					t.Errorf("got %q, want an answer", got)
				}
				time.Sleep(late) // until the last alarm has passed
			}
			if dials.Load() != 1 {
				t.Errorf("got %d connections, want 1", dials.Load())
			}
			s.end()
		})
	}
}

func TestDeadline(t *testing.T) {
	srv := scripted(t, func(p *peer) { _, _ = io.Copy(io.Discard, p.in) })
	s := newSide(true, time.Hour, srv.dial)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if res, err := s.RoundTrip(ask(ctx, "GET", nil, 0)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v and %v, want %v", res, err, context.DeadlineExceeded)
	}
	s.end()
}

func TestUpgrade(t *testing.T) {
	const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
	for _, ours := range []bool{true, false} {
		for name, first := range map[string]string{"alone": "", "with bytes": "hello\n", "with many": strings.Repeat("a", 10_000) + "\n"} {
			t.Run(fmt.Sprint(name, "/", ours), func(t *testing.T) {
				srv := scripted(t, func(p *peer) {
					p.head()
					p.say(switching + first)
					text, _ := io.ReadAll(p.in) // until the client says that it has no more
					p.say(string(text))
				})
				s := newSide(ours, time.Hour, srv.dial)
				res, err := s.RoundTrip(ask(t.Context(), "GET", nil, 0, "Connection", "Upgrade", "Upgrade", "x"))
				if err != nil {
					t.Fatal(err)
				}
				conn, ok := res.Body.(io.ReadWriteCloser)
				if !ok {
					t.Fatalf("got a body of %T, want a connection", res.Body)
				}
				in := bufio.NewReader(conn)
				if first != "" {
					if got, err := in.ReadString('\n'); got != first || err != nil {
						t.Errorf("got %q and %v, want %q", got, err, first)
					}
				}
				if _, err := io.WriteString(conn, "echo"); err != nil {
					t.Error(err)
				}
				if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Error(err)
				}
				if got, err := io.ReadAll(in); string(got) != "echo" || err != nil {
					t.Errorf("got %q and %v, want the echo and the end", got, err)
				}
				conn.Close()
				for s.open.Load() > 0 {
					runtime.Gosched()
				}
			})
		}
	}
}
