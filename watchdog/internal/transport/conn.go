package transport

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"syscall"
	"time"

	"auth-watchdog/watchdog/internal/socket"
)

// readBuffer is the size of what is read of a connection at once; an answer's
// head that fits is read without copies.
const readBuffer = 4 << 10

// A conn is a connection to the server. One exchange at a time has it.
type conn struct {
	net.Conn
	in     *bufio.Reader
	room   int64 // bytes that may still be read
	reused bool
	since  time.Time // when it was last used

	abort func() // closes the connection; made once for all exchanges

	// While nobody watches whether the exchange is still wanted, a read ends at
	// alarm at the latest, and has somebody watch.
	unwatched *exchange
	alarm     time.Time // of the connection's read deadline; zero if there is none

	// For isQuiet and ask.
	raw     syscall.RawConn // nil if the connection has no socket
	look    func(fd uintptr) bool
	quiet   bool
	start   func(fd uintptr) bool
	started bool
	text    []byte // what start has not written yet
	failure error  // of start
}

func newConn(nc net.Conn) *conn {
	c := &conn{Conn: socket.New(nc), room: math.MaxInt64}
	c.in = bufio.NewReaderSize((*limitedConn)(c), readBuffer)
	c.abort = c.close
	if s, ok := nc.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	c.look = func(fd uintptr) bool {
		c.listen(fd)
		return true
	}
	c.start = func(fd uintptr) bool {
		if c.started { // and something has come since
			return true
		}
		c.started = true
		if c.reused && !c.listen(fd) {
			return true
		}
		for len(c.text) > 0 && c.failure == nil {
			var n int
			n, c.failure = socket.Write(fd, c.text)
			c.text = c.text[n:]
		}
		return c.failure != nil
	}
	return c
}

func (c *conn) close() { _ = c.Close() }

// alarmAfter is how long an answer takes before its request's context is watched;
// half of it at least. Most have come by then.
const alarmAfter = 20 * time.Millisecond

// setAlarm makes the alarm one that will not pass soon. It is false if the
// connection can have none.
func (c *conn) setAlarm(now time.Time) bool {
	if c.alarm.Sub(now) > alarmAfter/2 {
		return true
	}
	c.alarm = now.Add(alarmAfter)
	return c.SetReadDeadline(c.alarm) == nil
}

// clearAlarm ends it.
func (c *conn) clearAlarm() {
	c.alarm = time.Time{}
	_ = c.SetReadDeadline(c.alarm)
}

// listen finds out whether a connection is open and nothing has come on it.
func (c *conn) listen(fd uintptr) bool {
	var b [1]byte
	_, err := socket.Read(fd, b[:])
	c.quiet = errors.Is(err, syscall.EAGAIN)
	return c.quiet
}

// isQuiet reports whether an idle connection is open and nothing has come on
// it.
func (c *conn) isQuiet() bool {
	if c.raw == nil {
		return true
	}
	c.quiet = false
	return c.raw.Read(c.look) == nil && c.quiet
}

// ask writes a request and waits for the beginning of the answer, or for the
// alarm, if an idle connection is quiet. What it does at once would otherwise take a
// look for an answer that cannot have come yet. It returns how much it has
// written.
func (c *conn) ask(text []byte) (n int, err error) {
	c.started, c.quiet, c.text, c.failure = false, true, text, nil
	err = c.raw.Read(c.start)
	n = len(text) - len(c.text)
	c.text = nil
	switch {
	case !c.quiet:
		return n, errNotQuiet
	case c.failure != nil && !errors.Is(c.failure, syscall.EAGAIN):
		return n, c.failure
	case c.started && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)): // of which the next read is told again
		return n, nil
	}
	return n, err
}

// errNotQuiet is why a connection is not used again: the server has closed it, or
// said something without being asked, which must not become somebody's answer.
var errNotQuiet = errors.New("the connection is not idle any more")

// A limitedConn reads no more than it may.
type limitedConn conn

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.room <= 0 {
		return 0, errHeadTooLarge
	}
	if int64(len(p)) > c.room {
		p = p[:c.room]
	}
	n, err := c.Conn.Read(p)
	if n == 0 && c.unwatched != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		c.unwatched.watch()
		n, err = c.Conn.Read(p)
	}
	c.room -= int64(n)
	return n, err
}

// upgraded is a connection on which both sides now speak another protocol.
type upgraded struct{ x *exchange }

func (u upgraded) Read(p []byte) (int, error)  { return u.x.conn.in.Read(p) }
func (u upgraded) Write(p []byte) (int, error) { return u.x.conn.Write(p) }

// CloseWrite tells the server that nothing more will come.
func (u upgraded) CloseWrite() error {
	if c, ok := u.x.conn.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return u.Close()
}

func (u upgraded) Close() error {
	u.x.abandon()
	return nil
}

var _ io.ReadWriteCloser = upgraded{}
