package inbound

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A starter serves h, and returns a function that connects.
type starter func(t *testing.T, s *http.Server, h http.HandlerFunc) (dial func() (*net.TCPConn, *bufio.Reader))

// A served is a [http.Server], or does as one.
type served interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// A listening is net/http's server with connections of ours.
type listening struct{ *http.Server }

func (s listening) Serve(l net.Listener) error { return s.Server.Serve(Listen(l)) }

// onBoth runs a test with net/http's server, and with ours.
func onBoth(t *testing.T, test func(t *testing.T, serve starter)) {
	for name, of := range map[string]func(*http.Server) served{
		"net/http": func(s *http.Server) served { return listening{s} },
		"ours":     func(s *http.Server) served { return NewServer(s) },
	} {
		t.Run(name, func(t *testing.T) {
			test(t, func(t *testing.T, s *http.Server, h http.HandlerFunc) func() (*net.TCPConn, *bufio.Reader) {
				t.Helper()
				s.Handler, s.ErrorLog = h, slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
				return start(t, of(s))
			})
		})
	}
}

// listen has a server serve, until the end of the test.
func listen(t testing.TB, s served) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	return l.Addr()
}

// start has a server serve, and returns a function that connects.
func start(t *testing.T, s served) (dial func() (*net.TCPConn, *bufio.Reader)) {
	t.Helper()
	address := listen(t, s)
	return func() (*net.TCPConn, *bufio.Reader) {
		c, err := net.Dial("tcp", address.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.(*net.TCPConn), bufio.NewReader(c)
	}
}

// readAnswer reads an answer.
func readAnswer(t *testing.T, in *bufio.Reader) (status int, body string) {
	t.Helper()
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprint(w, r.URL.Path, " ", string(body), " ", err)
}

func request(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

func TestKeepAlive(t *testing.T) { onBoth(t, testKeepAlive) }

func testKeepAlive(t *testing.T, serve starter) {
	c, in := serve(t, &http.Server{ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute}, echo)()
	for i := range 50 {
		path := fmt.Sprintf("/%d", i)
		io.WriteString(c, request(path, "hello"))
		if status, body := readAnswer(t, in); status != http.StatusOK || body != path+" hello <nil>" {
			t.Fatalf("%s: got %d and %q", path, status, body)
		}
	}
}

// TestPipelined has requests come while the server still has the one before.
func TestPipelined(t *testing.T) { onBoth(t, testPipelined) }

func testPipelined(t *testing.T, serve starter) {
	for name, wait := range map[string]time.Duration{"at once": 0, "slowly": 2 * readAhead} {
		t.Run(name, func(t *testing.T) {
			c, in := serve(t, &http.Server{}, func(w http.ResponseWriter, r *http.Request) {
				<-time.After(wait) // the server reads ahead
				if err := r.Context().Err(); err != nil {
					t.Errorf("got %v, want the caller there", err)
				}
				echo(w, r)
			})()
			io.WriteString(c, request("/1", "a")+request("/2", "b")+request("/3", "c"))
			for i, want := range []string{"/1 a <nil>", "/2 b <nil>", "/3 c <nil>"} {
				if status, body := readAnswer(t, in); status != http.StatusOK || body != want {
					t.Errorf("%d: got %d and %q, want %q", i, status, body, want)
				}
			}
		})
	}
}

func TestExpect(t *testing.T) { onBoth(t, testExpect) }

func testExpect(t *testing.T, serve starter) {
	c, in := serve(t, &http.Server{}, echo)()
	for range 2 {
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != http.StatusContinue {
			t.Fatalf("got %v and %v, want 100", res, err)
		}
		io.WriteString(c, "hello")
		if status, body := readAnswer(t, in); status != http.StatusOK || body != "/ hello <nil>" {
			t.Errorf("got %d and %q", status, body)
		}
	}
}

// TestHijack has the connection handed over before and after the server has
// read ahead, with and without bytes that it has read.
func TestHijack(t *testing.T) { onBoth(t, testHijack) }

func testHijack(t *testing.T, serve starter) {
	for _, wait := range []time.Duration{0, 2 * readAhead} {
		for _, early := range []string{"", "early "} {
			t.Run(fmt.Sprintf("%v %q", wait, early), func(t *testing.T) {
				c, in := serve(t, &http.Server{ReadHeaderTimeout: time.Minute}, func(w http.ResponseWriter, _ *http.Request) {
					<-time.After(wait)
					conn, rw, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					io.WriteString(conn, "ready\n")
					text, err := io.ReadAll(rw)
					if err != nil {
						t.Error(err)
					}
					conn.Write(text)
					conn.SetReadDeadline(past)
					if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("got %d and %v, want the end of the deadline", n, err)
					}
				})()
				io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"+early)
				if got, err := in.ReadString('\n'); got != "ready\n" || err != nil {
					t.Fatalf("got %q and %v, want ready", got, err)
				}
				io.WriteString(c, "late")
				c.CloseWrite()
				if got, err := io.ReadAll(in); string(got) != early+"late" || err != nil {
					t.Errorf("got %q and %v, want %q", got, err, early+"late")
				}
			})
		}
	}
}

// TestHijackAndLeave: what was taken over is as its owner wants it when the
// handler has returned, too.
func TestHijackAndLeave(t *testing.T) { onBoth(t, testHijackAndLeave) }

func testHijackAndLeave(t *testing.T, serve starter) {
	got := make(chan error, 1)
	c, _ := serve(t, &http.Server{}, func(w http.ResponseWriter, r *http.Request) {
		_ = r.Context().Done() // has the caller watched
		time.Sleep(2 * readAhead)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		go func() {
			<-r.Context().Done()
			_, err := conn.Read(make([]byte, 1))
			got <- err
		}()
	})()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	select {
	case err := <-got:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want %v", err, os.ErrDeadlineExceeded)
		}
	case <-time.After(5 * time.Second):
		t.Error("the deadline is gone")
	}
}

// TestTimeouts has callers that stay silent, of whom the server takes leave.
func TestTimeouts(t *testing.T) { onBoth(t, testTimeouts) }

func testTimeouts(t *testing.T, serve starter) {
	const patience = 500 * time.Millisecond
	for name, tt := range map[string]struct {
		server     *http.Server
		says, want string
	}{
		"before the head": {&http.Server{ReadHeaderTimeout: patience}, "", ""},
		"amid the head":   {&http.Server{ReadHeaderTimeout: patience}, "GET / HTTP/1.1\r\nHost:", ""},
		"between":         {&http.Server{IdleTimeout: patience}, request("/", "a"), "/ a <nil>"},
		"between, and the head had a time": {
			&http.Server{ReadHeaderTimeout: time.Hour, IdleTimeout: patience}, request("/", "a"), "/ a <nil>",
		},
		"between, and the head had less": {
			&http.Server{ReadHeaderTimeout: patience, IdleTimeout: 2 * patience}, request("/", "a"), "/ a <nil>",
		},
	} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			c, in := serve(t, tt.server, echo)()
			io.WriteString(c, tt.says)
			if tt.want != "" {
				if status, body := readAnswer(t, in); status != http.StatusOK || body != tt.want {
					t.Errorf("got %d and %q, want %q", status, body, tt.want)
				}
			}
			if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
				t.Errorf("got %q and %v, want the end", rest, err)
			}
			if d := max(tt.server.IdleTimeout, min(tt.server.ReadHeaderTimeout, patience)); time.Since(begun) < d {
				t.Errorf("the server left after %v, want %v at least", time.Since(begun), d)
			}
		})
	}
}

// TestSlowHead: its time is that of all of it, however it comes, and for the
// first one begins with the connection.
func TestSlowHead(t *testing.T) { onBoth(t, testSlowHead) }

func testSlowHead(t *testing.T, serve starter) {
	const patience, step = time.Second, 100 * time.Millisecond
	for name, before := range map[string]string{"first": "", "second": request("/", "a")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, in := serve(t, &http.Server{ReadHeaderTimeout: patience, IdleTimeout: time.Hour}, echo)()
			if io.WriteString(c, before); before != "" {
				readAnswer(t, in)
			}
			begun := time.Now()
			if before == "" {
				time.Sleep(patience / 2)
			}
			go func() {
				for _, piece := range strings.Split("GET / HTTP/1.1\r\nHost: shop.example\r\n", "") {
					if _, err := io.WriteString(c, piece); err != nil {
						return
					}
					time.Sleep(step)
				}
			}()
			io.ReadAll(in)
			if d := time.Since(begun); d > patience*7/5 { // net/http's begins with four bytes
				t.Errorf("the server left after %v, want %v", d, patience)
			}
		})
	}
}

// TestSlowBody has a body that takes longer than the head may, and one whose
// handler has set a time for it.
func TestSlowBody(t *testing.T) { onBoth(t, testSlowBody) }

func testSlowBody(t *testing.T, serve starter) {
	const patience = 500 * time.Millisecond
	t.Run("taken", func(t *testing.T) {
		c, in := serve(t, &http.Server{ReadHeaderTimeout: patience}, echo)()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\n")
		for _, piece := range strings.Split("hello", "") {
			<-time.After(patience / 3)
			io.WriteString(c, piece)
		}
		if status, body := readAnswer(t, in); status != http.StatusOK || body != "/ hello <nil>" {
			t.Errorf("got %d and %q, want the body", status, body)
		}
	})
	t.Run("refused", func(t *testing.T) {
		got := make(chan error, 1)
		c, _ := serve(t, &http.Server{}, func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := io.ReadAll(r.Body)
			got <- err
		})()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhel")
		if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want the end of the deadline", err)
		}
	})
}

// TestSlowAnswer takes longer than a caller may be silent between requests.
func TestSlowAnswer(t *testing.T) { onBoth(t, testSlowAnswer) }

func testSlowAnswer(t *testing.T, serve starter) {
	const patience = 50 * time.Millisecond
	c, in := serve(t, &http.Server{ReadHeaderTimeout: patience, IdleTimeout: patience}, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			t.Errorf("got %v, want the time to answer", r.Context().Err())
		case <-time.After(4 * patience):
		}
		echo(w, r)
	})()
	for _, path := range []string{"/1", "/2"} {
		io.WriteString(c, request(path, "hello"))
		if status, body := readAnswer(t, in); status != http.StatusOK || body != path+" hello <nil>" {
			t.Errorf("%s: got %d and %q", path, status, body)
		}
	}
}

// TestCallerLeaves ends the context of a request whose caller has gone.
func TestCallerLeaves(t *testing.T) { onBoth(t, testCallerLeaves) }

func testCallerLeaves(t *testing.T, serve starter) {
	for name, says := range map[string]string{"no body": "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n", "a body": request("/", "hello")} {
		t.Run(name, func(t *testing.T) {
			called, gone := make(chan struct{}), make(chan error, 1)
			c, _ := serve(t, &http.Server{}, func(_ http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				close(called)
				<-r.Context().Done()
				gone <- context.Cause(r.Context())
			})()
			io.WriteString(c, says)
			<-called
			c.Close()
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		})
	}
}

// A failing listener fails once before it accepts.
type failing struct {
	net.Listener
	failure error
}

func (l *failing) Accept() (net.Conn, error) {
	if err := l.failure; err != nil {
		l.failure = nil
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept", err)}
	}
	return l.Listener.Accept()
}

// TestAcceptFails: what passes is waited for and said, as net/http does.
func TestAcceptFails(t *testing.T) {
	for _, failure := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EBADF,
	} {
		t.Run(failure.Error(), func(t *testing.T) {
			var said strings.Builder
			s := NewServer(&http.Server{Handler: http.HandlerFunc(echo), ErrorLog: log.New(&said, "", 0)})
			tcp, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			c, err := net.Dial("tcp", tcp.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(&failing{tcp, failure}) }()
			if errors.Is(failure, syscall.EBADF) {
				if err := <-ended; !errors.Is(err, failure) {
					t.Errorf("got %v, want %v", err, failure)
				}
				return
			}
			io.WriteString(c, request("/", "a"))
			if status, body := readAnswer(t, bufio.NewReader(c)); status != http.StatusOK || body != "/ a <nil>" {
				t.Errorf("got %d and %q, want an answer", status, body)
			}
			_ = s.Close()
			<-ended
			if !strings.Contains(said.String(), failure.Error()) {
				t.Errorf("the log says %q, want %v", said.String(), failure)
			}
		})
	}
}

// TestWriteTimeout gives up a caller that takes nothing.
func TestWriteTimeout(t *testing.T) { onBoth(t, testWriteTimeout) }

func testWriteTimeout(t *testing.T, serve starter) {
	got := make(chan error, 1)
	c, _ := serve(t, &http.Server{}, func(w http.ResponseWriter, _ *http.Request) {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := w.Write(full)
		got <- err
	})()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the end of the deadline", err)
	}
}
