package upstreamtest

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// testRun leaves to [site] that Run returns nil when its context ends.
func testRun(t *testing.T, c Case) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.New(t, newWitness()).Run(ctx); err != nil {
		t.Errorf("Run with a context that has ended: got %v, want nil", err)
	}
}

func testReady(t *testing.T, c Case) {
	s := c.open(t, func(http.ResponseWriter, *http.Request) {})
	if got := s.send(t, s.request(t, http.MethodGet, nil)).status; got != http.StatusOK {
		t.Fatalf("got %d, want 200", got)
	}
	if err := s.upstream.Ready(t.Context()); err != nil {
		t.Errorf("Ready of an upstream that answers: got %v, want nil", err)
	}
}

// testNothingLeft ends an upstream with a connection that waits for the next
// request, an answer that has no end, and one that its caller did not wait for.
func testNothingLeft(t *testing.T, c Case) {
	left := make(chan struct{}, 1)
	u := c.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPut:
			flush(w)
			<-r.Context().Done()
		case http.MethodPost:
			flush(w)
			<-r.Context().Done()
			left <- struct{}{}
		}
	}))
	before := runtime.NumGoroutine()
	s := serve(t, u, u)
	endless := s.begin(t, s.request(t, http.MethodPut, nil))
	leaves := s.begin(t, s.request(t, http.MethodPost, nil))
	_ = leaves.Body.Close()
	<-left
	s.send(t, s.request(t, http.MethodGet, nil))

	s.close()
	_ = endless.Body.Close()
	var now int
	for range 2000 {
		if now = runtime.NumGoroutine(); now <= before {
			return
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond) // nothing tells when a goroutine has ended
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("got %d goroutines, want %d as before\n%s", now, before, stacks[:runtime.Stack(stacks, true)])
}

func testCallerLeaves(t *testing.T, c Case) {
	for _, tt := range []struct {
		name  string
		begun bool
	}{
		{"before the answer", false},
		{"amid the answer", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			called, ended := make(chan struct{}), make(chan struct{})
			s := c.open(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.begun {
					flush(w)
				}
				close(called)
				<-r.Context().Done()
				close(ended)
			})
			conn := s.dial(t)
			conn.write(t, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
			<-called
			if tt.begun {
				conn.head(t)
			}
			_ = conn.Close()
			<-ended
		})
	}
}

// testBodyCut wants that a body that did not come whole is not taken for one
// that did.
func testBodyCut(t *testing.T, c Case) {
	for _, tt := range []struct{ name, request string }{
		{"of known length", "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 10\r\n\r\nhello"},
		{"chunked", "POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begun, ended := make(chan error, 1), make(chan error, 1)
			s := c.open(t, func(_ http.ResponseWriter, r *http.Request) {
				_, err := io.ReadFull(r.Body, make([]byte, len("hello")))
				begun <- err
				_, err = io.Copy(io.Discard, r.Body)
				ended <- err
			})
			conn := s.dial(t)
			conn.write(t, tt.request)
			if err := <-begun; err != nil {
				t.Fatalf("the beginning of the body: got %v, want nil", err)
			}
			_ = conn.Close()
			if err := <-ended; err == nil {
				t.Error("the end of the body: got nil, want an error")
			}
		})
	}
}
