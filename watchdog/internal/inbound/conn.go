package inbound

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"auth-watchdog/watchdog/internal/socket"
)

// Listen returns l with connections that are cheap for a [http.Server]. For each
// request it sets half a dozen deadlines, of which hardly one ever passes, and
// reads ahead in another goroutine to notice when the caller leaves. Here a
// deadline costs next to nothing before it is needed, and reading ahead begins
// when a request takes longer than most.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept implements [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(nc), nil
}

// A conn differs from its net.Conn in nothing that can be seen, but for the
// time that it takes to read a single byte.
type conn struct {
	net.Conn
	reads, writes deadline
	ahead         pause
	taken         atomic.Bool // no server has it any more
	early         []byte      // what a server has read before it handed the connection to another
}

func newConn(nc net.Conn) *conn {
	return &conn{
		Conn:   socket.New(nc),
		reads:  deadline{set: nc.SetReadDeadline},
		writes: deadline{set: nc.SetWriteDeadline},
	}
}

// Read implements [net.Conn].
func (c *conn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil // or it would be kept for as long as the connection
		}
		return n, nil
	}
	if len(p) == 1 && !c.taken.Load() && !c.ahead.wait(&c.reads) { // the server reads ahead
		return 0, os.ErrDeadlineExceeded
	}
	for {
		c.reads.begin()
		n, err := c.Conn.Read(p)
		if again := c.reads.end(err); n > 0 || !again {
			return n, err
		}
	}
}

// readWith has f read from the descriptor, now and whenever there may be something
// to read, until it returns true.
func (c *conn) readWith(raw syscall.RawConn, f func(fd uintptr) bool) error {
	for {
		c.reads.begin()
		err := raw.Read(f)
		if again := c.reads.end(err); !again {
			return err
		}
	}
}

// Write implements [net.Conn].
func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		c.writes.begin()
		n, err := c.Conn.Write(p[written:])
		written += n
		if again := c.writes.end(err); !again {
			return written, err
		}
	}
}

// SetReadDeadline implements [net.Conn].
func (c *conn) SetReadDeadline(t time.Time) error {
	err := c.reads.to(t)
	if c.reads.hasPassed() {
		c.ahead.end()
	}
	return err
}

// SetWriteDeadline implements [net.Conn].
func (c *conn) SetWriteDeadline(t time.Time) error { return c.writes.to(t) }

// SetDeadline implements [net.Conn]. The server calls it when it hands the
// connection over, and never before.
func (c *conn) SetDeadline(t time.Time) error {
	c.taken.Store(true)
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite tells the caller that nothing more will come.
func (c *conn) CloseWrite() error { return socket.CloseWrite(c.Conn) }

// Close implements [net.Conn].
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.ahead.end()
	return err
}

// A deadline is one of a connection's two. The connection itself is only told
// of one while a call may wait, and of none that is later than what it was told
// before: when that passes too early, the call begins again.
type deadline struct {
	set func(time.Time) error // of the connection

	mu    sync.Mutex
	at    time.Time // zero if there is none
	told  time.Time // what the connection has; zero if nothing
	calls int       // that may wait
}

// to changes the deadline.
func (d *deadline) to(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	if d.calls > 0 {
		return d.tell()
	}
	return nil
}

// tell makes sure that no call waits beyond the deadline. d.mu is held.
func (d *deadline) tell() error {
	if d.at.IsZero() || !d.told.IsZero() && !d.told.After(d.at) {
		return nil
	}
	d.told = d.at
	return d.set(d.told)
}

// begin is called before a call that may wait.
func (d *deadline) begin() {
	d.mu.Lock()
	d.calls++
	_ = d.tell() // the call has the same error
	d.mu.Unlock()
}

// end is called after it, with its error. It reports whether the call has to
// begin again, because what has passed was not the deadline.
func (d *deadline) end(err error) (again bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls--
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || d.passed() {
		return false
	}
	d.told = d.at
	return d.set(d.told) == nil
}

func (d *deadline) hasPassed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed()
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// readAhead is how long a request takes before its caller is watched.
const readAhead = 5 * time.Millisecond

// A pause keeps a reader waiting that is in no hurry.
type pause struct {
	mu     sync.Mutex
	paused bool
	over   chan struct{} // an element for each pause that has ended
	timer  *time.Timer
}

// wait returns true after readAhead or when end is called, and false if the
// deadline has passed.
func (p *pause) wait(d *deadline) bool {
	p.mu.Lock()
	if d.hasPassed() {
		p.mu.Unlock()
		return false
	}
	if p.paused { // by another reader, who is the one that is woken
		p.mu.Unlock()
		return true
	}
	p.paused = true
	if p.timer == nil {
		p.over = make(chan struct{}, 1)
		p.timer = time.AfterFunc(readAhead, p.end)
	} else {
		p.timer.Reset(readAhead)
	}
	p.mu.Unlock()
	<-p.over
	return !d.hasPassed()
}

// end ends a pause, if there is one.
func (p *pause) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused {
		p.paused = false
		p.timer.Stop()
		p.over <- struct{}{}
	}
}
