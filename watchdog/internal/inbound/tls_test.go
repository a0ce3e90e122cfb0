package inbound

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// certificate makes one that signs itself.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveTLS is as serve, with TLS over connections of ours. dial has not shaken
// hands when it returns.
func serveTLS(t *testing.T, s *http.Server, h http.HandlerFunc) (dial func(protocol string) *tls.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Handler, s.ErrorLog = h, slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.ServeTLS(Listen(l), "", "")
	}()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return func(protocol string) *tls.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
	}
}

func TestTLSKeepAlive(t *testing.T) {
	c := serveTLS(t, &http.Server{ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute}, echo)("http/1.1")
	in := bufio.NewReader(c)
	body := strings.Repeat("x", 100_000) // of several records
	for i := range 50 {
		path := fmt.Sprintf("/%d", i)
		io.WriteString(c, request(path, body))
		if status, got := readAnswer(t, in); status != http.StatusOK || got != path+" "+body+" <nil>" {
			t.Fatalf("%s: got %d and %d bytes", path, status, len(got))
		}
	}
}

// TestTLSPipelined has requests of one record come while the server still has
// the one before, for which it reads ahead.
func TestTLSPipelined(t *testing.T) {
	c := serveTLS(t, &http.Server{}, func(w http.ResponseWriter, r *http.Request) {
		<-time.After(2 * readAhead)
		if err := r.Context().Err(); err != nil {
			t.Errorf("got %v, want the caller there", err)
		}
		echo(w, r)
	})("http/1.1")
	in := bufio.NewReader(c)
	io.WriteString(c, request("/1", "a")+request("/2", "b")+request("/3", "c"))
	for i, want := range []string{"/1 a <nil>", "/2 b <nil>", "/3 c <nil>"} {
		if status, body := readAnswer(t, in); status != http.StatusOK || body != want {
			t.Errorf("%d: got %d and %q, want %q", i, status, body, want)
		}
	}
}

// TestTLSTimeouts has callers that stay silent, of whom the server takes leave.
func TestTLSTimeouts(t *testing.T) {
	t.Parallel()
	const patience = 500 * time.Millisecond
	for name, tt := range map[string]struct {
		server     *http.Server
		protocol   string
		shakes     bool
		says, want string
	}{
		"before the handshake":  {&http.Server{ReadHeaderTimeout: patience}, "http/1.1", false, "", ""},
		"after the handshake":   {&http.Server{ReadHeaderTimeout: patience}, "http/1.1", true, "", ""},
		"amid the head":         {&http.Server{ReadHeaderTimeout: patience}, "http/1.1", true, "GET / HTTP/1.1\r\nHost:", ""},
		"between":               {&http.Server{ReadHeaderTimeout: time.Hour, IdleTimeout: patience}, "http/1.1", true, request("/", "a"), "/ a <nil>"},
		"without a request, h2": {&http.Server{ReadHeaderTimeout: time.Hour, IdleTimeout: patience}, "h2", true, preface, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			c := serveTLS(t, tt.server, echo)(tt.protocol)
			if !tt.shakes {
				if rest, err := io.ReadAll(c.NetConn()); len(rest) > 0 || err != nil {
					t.Errorf("got %q and %v, want the end", rest, err)
				}
			} else {
				in := bufio.NewReader(c)
				io.WriteString(c, tt.says)
				if tt.want != "" {
					if status, body := readAnswer(t, in); status != http.StatusOK || body != tt.want {
						t.Errorf("got %d and %q, want %q", status, body, tt.want)
					}
				}
				if rest, err := io.ReadAll(in); tt.protocol != "h2" && len(rest) > 0 || err != nil {
					t.Errorf("got %q and %v, want the end", rest, err)
				}
			}
			if took := time.Since(begun); took < patience {
				t.Errorf("the server left after %v, want %v at least", took, patience)
			}
		})
	}
}

// preface begins a connection of HTTP/2, with no settings.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"

func TestTLSSlowBody(t *testing.T) {
	const patience = 500 * time.Millisecond
	t.Run("taken", func(t *testing.T) {
		c := serveTLS(t, &http.Server{ReadHeaderTimeout: patience}, echo)("http/1.1")
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\n")
		for _, piece := range strings.Split("hello", "") {
			<-time.After(patience / 3)
			io.WriteString(c, piece)
		}
		if status, body := readAnswer(t, bufio.NewReader(c)); status != http.StatusOK || body != "/ hello <nil>" {
			t.Errorf("got %d and %q, want the body", status, body)
		}
	})
	t.Run("refused, and the answer arrives", func(t *testing.T) {
		got := make(chan error, 1)
		c := serveTLS(t, &http.Server{}, func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := io.ReadAll(r.Body)
			got <- err
			w.WriteHeader(http.StatusRequestTimeout)
		})("http/1.1")
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhel")
		if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want the end of the deadline", err)
		}
		if status, _ := readAnswer(t, bufio.NewReader(c)); status != http.StatusRequestTimeout {
			t.Errorf("got %d, want %d", status, http.StatusRequestTimeout)
		}
	})
}

func TestTLSCallerLeaves(t *testing.T) {
	called, gone := make(chan struct{}), make(chan error, 1)
	c := serveTLS(t, &http.Server{}, func(_ http.ResponseWriter, r *http.Request) {
		close(called)
		<-r.Context().Done()
		gone <- context.Cause(r.Context())
	})("http/1.1")
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	<-called
	c.NetConn().Close()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// TestTLSHijack has the connection handed over after the server has read ahead.
func TestTLSHijack(t *testing.T) {
	c := serveTLS(t, &http.Server{ReadHeaderTimeout: time.Minute}, func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(2 * readAhead)
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
	})("http/1.1")
	in := bufio.NewReader(c)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\nearly ")
	if got, err := in.ReadString('\n'); got != "ready\n" || err != nil {
		t.Fatalf("got %q and %v, want ready", got, err)
	}
	io.WriteString(c, "late")
	c.CloseWrite()
	if got, err := io.ReadAll(in); string(got) != "early late" || err != nil {
		t.Errorf("got %q and %v", got, err)
	}
}

// TestTLSWriteTimeout gives up a caller that takes nothing.
func TestTLSWriteTimeout(t *testing.T) {
	t.Parallel()
	got := make(chan error, 1)
	c := serveTLS(t, &http.Server{}, func(w http.ResponseWriter, _ *http.Request) {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := w.Write(full)
		got <- err
	})("http/1.1")
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the end of the deadline", err)
	}
}

// TestTLSByteTimeout gives up a caller of HTTP/2 that takes nothing from its
// connection. A deadline of the request alone would have nowhere to go.
func TestTLSByteTimeout(t *testing.T) {
	t.Parallel()
	got := make(chan error, 1)
	c := serveTLS(t, &http.Server{HTTP2: &http.HTTP2Config{WriteByteTimeout: 100 * time.Millisecond}}, func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(full)
		got <- err
	})("h2")
	// As much as the settings (INITIAL_WINDOW_SIZE) and a WINDOW_UPDATE allow may
	// come at once.
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+
		"\x00\x00\x06\x04\x00\x00\x00\x00\x00"+"\x00\x04\x7f\xff\xff\xff"+
		"\x00\x00\x04\x08\x00\x00\x00\x00\x00"+"\x7f\x00\x00\x00"+
		"\x00\x00\x03\x01\x05\x00\x00\x00\x01"+"\x82\x87\x84") // GET https /
	if err := <-got; err == nil {
		t.Error("got all of it written, want an error")
	}
}
