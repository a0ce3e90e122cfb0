// Package inbound serves callers over HTTP/1.1 at a part of what it costs with
// [http.Server] alone. A [Server] answers requests of the ordinary kind itself.
// With the first one that is not of that kind it hands the connection to an
// http.Server, for good: requests in other versions or with other lines than
// they should have, that upgrade or expect something, whose body comes in chunks
// or does not come along with the head. So what is hard about HTTP/1.1 is
// net/http's to judge, and what is judged here, it would judge alike.
package inbound

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Server is a [http.Server] in front of which ordinary requests are answered.
type Server struct {
	rest *http.Server // its fields are settings of both
	more *handedOver  // connections for it

	ending atomic.Bool // no more requests than those under way
	second atomic.Pointer[date]

	mu       sync.Mutex
	listener net.Listener
	callers  map[*caller]struct{}
}

// NewServer returns a Server with the handler and the settings of s: its times,
// but for ReadTimeout and WriteTimeout, its BaseContext and its ErrorLog.
func NewServer(s *http.Server) *Server {
	return &Server{rest: s, callers: map[*caller]struct{}{}, more: &handedOver{conns: make(chan net.Conn), closed: make(chan struct{})}}
}

// Serve answers the requests that come over the connections of l. It ends with
// an error, which is [http.ErrServerClosed] after Shutdown and Close.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	if s.ending.Load() {
		return http.ErrServerClosed
	}
	s.more.address = l.Addr()
	go func() { _ = s.rest.Serve(s.more) }() // until it is closed
	ctx := context.Background()
	if s.rest.BaseContext != nil {
		ctx = s.rest.BaseContext(l)
	}
	ctx = context.WithValue(ctx, http.ServerContextKey, s.rest)
	const shortest, longest = 5 * time.Millisecond, time.Second
	for pause := shortest; ; {
		nc, err := l.Accept()
		switch {
		case s.ending.Load():
			if err == nil {
				_ = nc.Close()
			}
			return http.ErrServerClosed
		case isShortage(err):
			s.logf("http: Accept error: %v; retrying in %v", err, pause)
			time.Sleep(pause)
			pause = min(2*pause, longest)
			continue
		case err != nil:
			return err
		}
		pause = shortest
		if c := s.greet(ctx, nc); c != nil {
			go c.serve()
		}
	}
}

// isShortage reports whether a connection could not be accepted for a reason
// that passes.
func isShortage(err error) bool {
	for _, passes := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET,
	} {
		if errors.Is(err, passes) {
			return true
		}
	}
	return false
}

// greet notes a new caller. It is nil if the other server has it, or nobody
// because the server has ended.
func (s *Server) greet(ctx context.Context, nc net.Conn) *caller {
	c := newCaller(ctx, s, nc)
	if c.raw == nil {
		s.more.add(c.conn)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending.Load() { // Shutdown and Close may have looked for callers already
		_ = nc.Close()
		return nil
	}
	s.callers[c] = struct{}{}
	return c
}

func (s *Server) forget(c *caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.callers, c)
}

// headTimeout is how long a caller may take for a head, 0 for as long as it wants.
func (s *Server) headTimeout() time.Duration {
	if s.rest.ReadHeaderTimeout != 0 {
		return s.rest.ReadHeaderTimeout
	}
	return s.rest.ReadTimeout
}

// idleTimeout is how long a caller may keep a connection without a request, 0 for
// as long as it wants.
func (s *Server) idleTimeout() time.Duration {
	if s.rest.IdleTimeout != 0 {
		return s.rest.IdleTimeout
	}
	return s.rest.ReadTimeout
}

func (s *Server) logf(format string, args ...any) {
	if s.rest.ErrorLog != nil {
		s.rest.ErrorLog.Printf(format, args...) //nolint:forbidigo // where the other server writes too
	}
}

// Shutdown is as that of [http.Server]: it accepts no more, closes connections on
// which nothing is under way, and waits for the others until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end()
	s.rest.SetKeepAlivesEnabled(false) // and not yet Shutdown, as some may still be handed over
	const glance = 5 * time.Millisecond
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for s.closeIdle() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return s.rest.Shutdown(ctx)
}

// Close is as that of [http.Server]: it closes all connections.
func (s *Server) Close() error {
	s.end()
	s.mu.Lock()
	for c := range s.callers {
		_ = c.conn.Close()
	}
	s.mu.Unlock()
	return s.rest.Close()
}

// end has Serve end.
func (s *Server) end() {
	s.ending.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		_ = s.listener.Close()
	}
}

// unspoken is how long a connection over which nothing has come may be on its
// way to a first request; net/http's.
const unspoken = 5 * time.Second

// closeIdle closes connections on which nothing is under way, and returns how
// many others there are.
func (s *Server) closeIdle() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.callers {
		if c.state.CompareAndSwap(stateIdle, stateClosed) ||
			time.Since(c.since) > unspoken && c.state.CompareAndSwap(stateNew, stateClosed) {
			_ = c.conn.Close()
			delete(s.callers, c)
		}
	}
	return len(s.callers)
}

// handedOver is what the other server listens on.
type handedOver struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	close   sync.Once
}

func (l *handedOver) add(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

// Accept implements [net.Listener].
func (l *handedOver) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *handedOver) Close() error {
	l.close.Do(func() { close(l.closed) })
	return nil
}

// Addr implements [net.Listener].
func (l *handedOver) Addr() net.Addr { return l.address }
