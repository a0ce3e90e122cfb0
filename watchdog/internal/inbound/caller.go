package inbound

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"auth-watchdog/watchdog/internal/socket"
)

// What a connection is at.
const (
	stateNew  int32 = iota // no request has come yet
	stateBusy              // with a request
	stateIdle              // between requests
	stateClosed
)

// A caller is a connection with the goroutine that answers its requests.
type caller struct {
	server  *Server
	conn    *conn
	raw     syscall.RawConn // nil if the connection has no descriptor
	ctx     context.Context
	address string
	since   time.Time // when it came
	state   atomic.Int32

	fill     func(fd uintptr) bool // reads into buffer; made once
	atOnce   bool                  // fill does not wait
	buffer   *[readBuffer]byte     // nil while nothing is in it
	from, to int                   // what is in it
	failure  error                 // of the last reading
	posted   bool                  // the last request was a POST
}

// readBuffer is the most bytes of a request, with its body, that is answered
// here.
const readBuffer = 16 << 10

// readBuffers are shared: a connection has one while something is in it.
var readBuffers = sync.Pool{New: func() any { return new([readBuffer]byte) }}

func newCaller(ctx context.Context, s *Server, nc net.Conn) *caller {
	c := &caller{server: s, conn: newConn(nc), since: time.Now()}
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	if a := nc.RemoteAddr(); a != nil {
		c.address = a.String()
	}
	c.ctx = context.WithValue(ctx, http.LocalAddrContextKey, nc.LocalAddr())
	c.fill = func(fd uintptr) bool {
		if c.buffer == nil {
			c.buffer = readBuffers.Get().(*[readBuffer]byte) //nolint:errcheck,forcetypeassert // there is nothing else in it
			c.from, c.to = 0, 0
		}
		var n int
		n, c.failure = socket.Read(fd, c.buffer[c.to:])
		c.to += n
		if c.failure == syscall.EAGAIN && !c.atOnce { //nolint:errorlint // of a system call
			c.release()
			return false
		}
		return true
	}
	return c
}

// release gives the buffer back if nothing is in it.
func (c *caller) release() {
	if c.buffer != nil && c.from == c.to {
		readBuffers.Put(c.buffer)
		c.buffer = nil
	}
}

// read waits for more to come. It is false if nothing more does, or there is no
// room for it.
func (c *caller) read() bool {
	if c.buffer != nil && c.from > 0 {
		c.to = copy(c.buffer[:], c.buffer[c.from:c.to])
		c.from = 0
	}
	if c.to == readBuffer && c.buffer != nil {
		return false
	}
	before := c.to
	if c.buffer == nil {
		before = 0
	}
	if err := c.conn.readWith(c.raw, c.fill); err != nil {
		c.failure = err
		return false
	}
	return c.to > before
}

// unread is what has come and was not used yet.
func (c *caller) unread() []byte {
	if c.buffer == nil {
		return nil
	}
	return c.buffer[c.from:c.to]
}

// serve answers requests until there are no more, or one is for the other
// server.
func (c *caller) serve() {
	defer c.server.forget(c)
	handedOver := false
	defer func() {
		if !handedOver {
			_ = c.conn.Close()
			c.from = c.to
			c.release()
		}
	}()
	patience := c.server.headTimeout()
	for {
		c.bound(patience)
		x, ok := c.next()
		if !ok {
			return
		}
		if !c.state.CompareAndSwap(stateNew, stateBusy) && !c.state.CompareAndSwap(stateIdle, stateBusy) {
			return // the server has closed it
		}
		if x == nil {
			handedOver = true
			c.handOver()
			return
		}
		if !x.serve() {
			handedOver = x.answer.hijacked
			return
		}
		c.state.Store(stateIdle)
		if c.server.ending.Load() {
			return
		}
		patience = c.server.idleTimeout()
	}
}

// bound bounds how long a read may wait; 0 is no bound.
func (c *caller) bound(d time.Duration) {
	t := time.Time{}
	if d > 0 {
		t = time.Now().Add(d)
	}
	_ = c.conn.SetReadDeadline(t)
}

// next waits for a request, which is nil if it is for the other server. It is not
// ok if none comes.
func (c *caller) next() (x *exchange, ok bool) {
	skipped := 0
	for begun := c.state.Load() == stateNew; ; { // whose time runs since it was accepted
		// Up to two line ends that some old callers send behind a POST are dropped,
		// as net/http does.
		for c.posted && skipped < 4 && len(c.unread()) > 0 && (c.unread()[0] == '\r' || c.unread()[0] == '\n') {
			c.from++
			skipped++
		}
		if b := c.unread(); len(b) > 0 {
			if size := bytes.Index(b, headEnd); size >= 0 {
				return c.request(size + len(headEnd)), true
			}
			if !begun {
				begun = true
				c.bound(c.server.headTimeout())
			}
		}
		if !c.read() {
			// What there is of a request the other server answers. Between requests
			// net/http does not take less than four bytes for one.
			least := 4
			if c.state.Load() == stateNew {
				least = 1
			}
			isSome := len(c.unread()) > 0 && skipped+len(c.unread()) >= least
			return nil, isSome && !errors.Is(c.failure, os.ErrDeadlineExceeded)
		}
	}
}

var headEnd = []byte("\r\n\r\n")

// handOver gives the connection to the other server, with what was read of it.
func (c *caller) handOver() {
	_ = c.conn.SetReadDeadline(time.Time{})
	c.take()
	c.server.more.add(c.conn)
}

// take has the connection give what was read of it when it is read.
func (c *caller) take() {
	c.conn.early = bytes.Clone(c.unread())
	c.from = c.to
	c.release()
}

// An exchange is a request that is answered here.
type exchange struct {
	caller  *caller
	request *http.Request
	url     url.URL
	context requestContext
	answer  answer
}

// serve has the handler answer the request, and reports whether the connection
// can have another.
func (x *exchange) serve() (goesOn bool) {
	c := x.caller
	defer func() {
		p := recover()
		if p != nil && p != http.ErrAbortHandler { //nolint:errorlint // as net/http has it
			c.server.logf("http: panic serving %s: %v\n%s", c.address, p, debug.Stack())
		}
		if x.answer.hijacked {
			x.context.end()
			goesOn = false
			return
		}
		if p != nil {
			x.answer.abort()
			goesOn = false
		}
		x.context.end() // what it reads of the connection is part of the next request
	}()
	c.server.rest.Handler.ServeHTTP(&x.answer, x.request)
	if x.answer.hijacked {
		return false
	}
	return x.answer.finish()
}
