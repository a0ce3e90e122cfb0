package inbound

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// begun starts a server whose requests for /slow wait.
func begun(t *testing.T) (s *Server, dial func() (*net.TCPConn, *bufio.Reader), arrived <-chan string, goOn chan<- struct{}, ended <-chan error) {
	t.Helper()
	arrivals, waits, served := make(chan string, 10), make(chan struct{}), make(chan error, 1)
	s = NewServer(&http.Server{
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			arrivals <- r.URL.Path
			if r.URL.Path == "/slow" {
				<-waits
			}
			_, _ = io.WriteString(w, r.URL.Path)
		}),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return s, func() (*net.TCPConn, *bufio.Reader) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c.(*net.TCPConn), bufio.NewReader(c)
	}, arrivals, waits, served
}

func ask(c net.Conn, path, more string) {
	_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: a\r\n"+more+"\r\n")
}

// unusualHeader has a request be one for net/http.
const unusualHeader = "Pragma: x\r\n"

// TestShutdown: connections between requests end at once, requests under way are
// answered, on connections of either server.
func TestShutdown(t *testing.T) {
	for name, header := range map[string]string{"ours": "", "handed over": unusualHeader} {
		t.Run(name, func(t *testing.T) {
			s, dial, arrived, goOn, ended := begun(t)
			idle, idleIn := dial()
			ask(idle, "/", header)
			if status, _ := readAnswer(t, idleIn); status != 200 {
				t.Fatalf("got %d", status)
			}
			<-arrived
			slow, slowIn := dial()
			ask(slow, "/slow", header)
			<-arrived
			down := make(chan error, 1)
			go func() { down <- s.Shutdown(context.Background()) }()
			if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("Serve: got %v, want %v", err, http.ErrServerClosed)
			}
			if rest, err := io.ReadAll(idleIn); len(rest) > 0 || err != nil {
				t.Errorf("got %q and %v, want the idle connection to end", rest, err)
			}
			select {
			case err := <-down:
				t.Fatalf("got %v while a request is under way", err)
			default:
			}
			close(goOn)
			res, err := http.ReadResponse(slowIn, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(res.Body); string(body) != "/slow" || err != nil || !res.Close {
				t.Errorf("got %q, %v and closing: %t, want the answer and the end", body, err, res.Close)
			}
			if err := <-down; err != nil {
				t.Errorf("got %v, want nil", err)
			}
		})
	}
}

// TestShutdownInVain: the end of the context ends the wait.
func TestShutdownInVain(t *testing.T) {
	for name, header := range map[string]string{"ours": "", "handed over": unusualHeader} {
		t.Run(name, func(t *testing.T) {
			s, dial, arrived, goOn, _ := begun(t)
			c, in := dial()
			ask(c, "/slow", header)
			<-arrived
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
			}
			_ = s.Close()
			if rest, _ := io.ReadAll(in); len(rest) > 0 {
				t.Errorf("got %q, want the connection cut", rest)
			}
			close(goOn)
		})
	}
}

// TestShutdownForgetsHijacked connections, and so does Close.
func TestShutdownForgetsHijacked(t *testing.T) {
	for name, header := range map[string]string{"ours": "", "handed over": unusualHeader} {
		t.Run(name, func(t *testing.T) {
			taken, goOn := make(chan struct{}), make(chan struct{})
			s := NewServer(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				close(taken)
				<-goOn
				_, _ = io.WriteString(conn, "still there")
			})})
			c, in := start(t, s)()
			ask(c, "/", header)
			<-taken
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Errorf("got %v, want nil", err)
			}
			_ = s.Close()
			close(goOn)
			if text, err := io.ReadAll(in); string(text) != "still there" || err != nil {
				t.Errorf("got %q and %v, want the connection left alone", text, err)
			}
		})
	}
}

// TestShutdownAwaitsTheFirstRequest of a connection that was accepted just now.
func TestShutdownAwaitsTheFirstRequest(t *testing.T) {
	s, dial, arrived, _, _ := begun(t)
	c, in := dial()
	for known := 0; known == 0; { // it was accepted
		s.mu.Lock()
		known = len(s.callers)
		s.mu.Unlock()
	}
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	for !s.ending.Load() {
		time.Sleep(time.Millisecond)
	}
	ask(c, "/first", "")
	<-arrived
	if status, body := readAnswer(t, in); status != 200 || body != "/first" {
		t.Errorf("got %d and %q", status, body)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// accept returns both ends of a connection.
func accept(t *testing.T) (accepted net.Conn, caller *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return nc, c.(*net.TCPConn)
}

// TestShutdownDuringHandOver: a request on its way to the other server is under
// way.
func TestShutdownDuringHandOver(t *testing.T) {
	s := NewServer(&http.Server{Handler: http.HandlerFunc(echo)})
	defer s.Close()
	nc, c := accept(t)
	in := bufio.NewReader(c)
	go s.greet(t.Context(), nc).serve()
	ask(c, "/1", "")
	readAnswer(t, in)
	ask(c, "/2", unusualHeader)
	time.Sleep(20 * time.Millisecond) // until it waits for the other server
	if n := s.closeIdle(); n != 1 {
		t.Errorf("got %d connections with something under way, want 1", n)
	}
	go s.rest.Serve(s.more)
	if status, body := readAnswer(t, in); status != 200 || body != "/2  <nil>" {
		t.Errorf("got %d and %q", status, body)
	}
}

// TestLastConnection is accepted at the moment in which the server ends.
func TestLastConnection(t *testing.T) {
	s := NewServer(&http.Server{})
	nc, c := accept(t)
	_ = s.Close()
	if got := s.greet(t.Context(), nc); got != nil {
		t.Fatal("got a caller, whom nobody would close")
	}
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		t.Errorf("got %q and %v, want the end", rest, err)
	}
}

func TestServeAfterClose(t *testing.T) {
	s := NewServer(&http.Server{})
	_ = s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("got %v, want %v", err, http.ErrServerClosed)
	}
	if c, err := l.Accept(); c != nil || err == nil {
		t.Errorf("got %v, want the listener closed", c)
	}
}

// TestBaseContext ends requests of both servers.
func TestBaseContext(t *testing.T) {
	for name, header := range map[string]string{"ours": "", "handed over": unusualHeader} {
		t.Run(name, func(t *testing.T) {
			base, end := context.WithCancelCause(t.Context())
			why := errors.New("the end")
			came, got := make(chan struct{}), make(chan error, 1)
			dial := start(t, NewServer(&http.Server{
				BaseContext: func(net.Listener) context.Context { return base },
				Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					close(came)
					<-r.Context().Done()
					got <- context.Cause(r.Context())
				}),
			}))
			c, _ := dial()
			ask(c, "/", header)
			<-came
			end(why)
			if err := <-got; !errors.Is(err, why) {
				t.Errorf("got %v, want %v", err, why)
			}
		})
	}
}

// TestCallerSendsMore: what comes while a request is answered is the next one, and
// the caller is not taken to have left.
func TestCallerSendsMore(t *testing.T) {
	asked, goOn := make(chan context.Context), make(chan struct{})
	dial := start(t, NewServer(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/1" {
			_ = r.Context().Done() // has the caller watched
			asked <- r.Context()
			<-goOn
		}
		_, _ = io.WriteString(w, r.URL.Path)
	})}))
	c, in := dial()
	ask(c, "/1", "")
	ctx := <-asked
	time.Sleep(2 * readAhead)
	ask(c, "/2", "")
	time.Sleep(2 * readAhead)
	if err := ctx.Err(); err != nil {
		t.Errorf("got %v, want the request to go on", err)
	}
	close(goOn)
	for _, want := range []string{"/1", "/2"} {
		if status, body := readAnswer(t, in); status != 200 || body != want {
			t.Errorf("got %d and %q, want %q", status, body, want)
		}
	}
	if ctx.Err() == nil {
		t.Error("got nil, want the context of an answered request ended")
	}
}
