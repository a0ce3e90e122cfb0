package inbound

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// past is a time that has passed, as net/http has it.
var past = time.Unix(1, 0)

// pair returns a connection of ours and the other end of it.
func pair(t *testing.T) (ours net.Conn, caller *net.TCPConn) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(tcp)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ours.Close()
		c.Close()
	})
	return ours, c.(*net.TCPConn)
}

// A result is what a call has returned.
type result struct {
	n   int
	err error
}

// waiting returns once a call to c is under way, or is over already.
func waiting(d *deadline, got <-chan result) {
	for len(got) == 0 {
		d.mu.Lock()
		calls := d.calls
		d.mu.Unlock()
		if calls > 0 {
			return
		}
		runtime.Gosched()
	}
}

// timedOut fails if a call has not returned for a deadline, with n bytes.
func timedOut(t *testing.T, got result, n int) {
	t.Helper()
	var timeout net.Error
	if got.n != n || !errors.Is(got.err, os.ErrDeadlineExceeded) || !errors.As(got.err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %d and %v, want %d and the end of the deadline", got.n, got.err, n)
	}
}

// sizes are those of reads; the server reads single bytes to notice when the
// caller leaves.
var sizes = map[string]int{"a byte": 1, "many": 4096}

func TestReadDeadline(t *testing.T) {
	for name, size := range sizes {
		buf := make([]byte, size)
		read := func(c net.Conn) result {
			n, err := c.Read(buf)
			return result{n, err}
		}
		begin := func(c net.Conn) <-chan result {
			got := make(chan result, 1)
			go func() { got <- read(c) }()
			waiting(&c.(*conn).reads, got)
			return got
		}
		t.Run(name+"/passed before", func(t *testing.T) {
			c, caller := pair(t)
			caller.Write([]byte("x"))
			c.SetReadDeadline(past)
			timedOut(t, read(c), 0)
			timedOut(t, read(c), 0)
		})
		t.Run(name+"/passed and then cleared", func(t *testing.T) {
			c, caller := pair(t)
			c.SetReadDeadline(past)
			timedOut(t, read(c), 0)
			c.SetReadDeadline(time.Time{})
			got := begin(c)
			caller.Write([]byte("x"))
			if got := <-got; got != (result{1, nil}) {
				t.Errorf("got %v, want a byte", got)
			}
		})
		t.Run(name+"/passed and then later", func(t *testing.T) {
			c, caller := pair(t)
			c.SetReadDeadline(past)
			timedOut(t, read(c), 0)
			c.SetReadDeadline(time.Now().Add(time.Hour))
			caller.Write([]byte("x"))
			if got := read(c); got != (result{1, nil}) {
				t.Errorf("got %v, want a byte", got)
			}
		})
		t.Run(name+"/passes", func(t *testing.T) {
			c, _ := pair(t)
			at := time.Now().Add(20 * time.Millisecond)
			c.SetReadDeadline(at)
			timedOut(t, read(c), 0)
			if now := time.Now(); now.Before(at) {
				t.Errorf("it ended %v too early", at.Sub(now))
			}
		})
		t.Run(name+"/set while it waits", func(t *testing.T) {
			c, _ := pair(t)
			got := begin(c)
			c.SetReadDeadline(past)
			timedOut(t, <-got, 0)
		})
		t.Run(name+"/shortened while it waits", func(t *testing.T) {
			c, _ := pair(t)
			c.SetReadDeadline(time.Now().Add(time.Hour))
			got := begin(c)
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			timedOut(t, <-got, 0)
		})
		t.Run(name+"/extended while it waits", func(t *testing.T) {
			c, caller := pair(t)
			c.SetReadDeadline(time.Now().Add(time.Second))
			got := begin(c)
			at := time.Now().Add(1100 * time.Millisecond)
			c.SetReadDeadline(at)
			timedOut(t, <-got, 0)
			if now := time.Now(); now.Before(at) {
				t.Errorf("it ended %v too early", at.Sub(now))
			}
			c.SetReadDeadline(time.Time{})
			caller.Write([]byte("x"))
			if got := read(c); got != (result{1, nil}) {
				t.Errorf("got %v, want a byte", got)
			}
		})
		t.Run(name+"/cleared while it waits", func(t *testing.T) {
			c, caller := pair(t)
			at := time.Now().Add(time.Second)
			c.SetReadDeadline(at)
			got := begin(c)
			c.SetReadDeadline(time.Time{})
			<-time.After(time.Until(at))
			caller.Write([]byte("x"))
			if got := <-got; got != (result{1, nil}) {
				t.Errorf("got %v, want a byte", got)
			}
		})
		t.Run(name+"/closed while it waits", func(t *testing.T) {
			c, _ := pair(t)
			got := begin(c)
			c.Close()
			if got := <-got; !errors.Is(got.err, net.ErrClosed) {
				t.Errorf("got %v, want %v", got.err, net.ErrClosed)
			}
		})
		t.Run(name+"/the caller leaves", func(t *testing.T) {
			c, caller := pair(t)
			caller.Close()
			if got := read(c); got != (result{0, io.EOF}) {
				t.Errorf("got %v, want the end", got)
			}
		})
		t.Run(name+"/the other deadline", func(t *testing.T) {
			c, caller := pair(t)
			c.SetWriteDeadline(past)
			caller.Write([]byte("x"))
			if got := read(c); got != (result{1, nil}) {
				t.Errorf("got %v, want a byte", got)
			}
		})
	}
}

// TestPause: a single byte is read a little later, and no later.
func TestPause(t *testing.T) {
	begin := func(c net.Conn) <-chan result {
		got := make(chan result, 1)
		go func() {
			n, err := c.Read(make([]byte, 1))
			got <- result{n, err}
		}()
		for p := &c.(*conn).ahead; len(got) == 0; runtime.Gosched() {
			p.mu.Lock()
			begun := p.paused || p.timer != nil
			p.mu.Unlock()
			if begun {
				break
			}
		}
		return got
	}
	t.Run("gets what has come", func(t *testing.T) {
		c, caller := pair(t)
		caller.Write([]byte("xyz"))
		for range 3 {
			if got := <-begin(c); got != (result{1, nil}) {
				t.Errorf("got %v, want a byte", got)
			}
		}
	})
	t.Run("ends with the deadline", func(t *testing.T) {
		c, _ := pair(t)
		for range 100 {
			got := begin(c)
			c.SetReadDeadline(past)
			timedOut(t, <-got, 0)
			c.SetReadDeadline(time.Time{})
		}
	})
	t.Run("ends with the connection", func(t *testing.T) {
		c, _ := pair(t)
		got := begin(c)
		c.Close()
		if got := <-got; !errors.Is(got.err, net.ErrClosed) {
			t.Errorf("got %v, want %v", got.err, net.ErrClosed)
		}
	})
	t.Run("not once the connection is handed over", func(t *testing.T) {
		c, caller := pair(t)
		c.SetDeadline(time.Time{})
		caller.Write([]byte("x"))
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("got %d and %v, want a byte", n, err)
		}
		if c.(*conn).ahead.timer != nil {
			t.Error("it has paused")
		}
	})
	t.Run("two at once", func(t *testing.T) {
		c, caller := pair(t)
		first := begin(c)
		second := make(chan result, 1)
		go func() {
			n, err := c.Read(make([]byte, 1))
			second <- result{n, err}
		}()
		caller.Write([]byte("xy"))
		for _, got := range []<-chan result{first, second} {
			if got := <-got; got != (result{1, nil}) {
				t.Errorf("got %v, want a byte", got)
			}
		}
	})
}

// TestRaceOfDeadline ends reads that are about to begin, as the server does for
// every request.
func TestRaceOfDeadline(t *testing.T) {
	for name, size := range sizes {
		t.Run(name, func(t *testing.T) {
			c, caller := pair(t)
			for range 2000 {
				got := make(chan result, 1)
				go func() {
					n, err := c.Read(make([]byte, size))
					got <- result{n, err}
				}()
				c.SetReadDeadline(past)
				timedOut(t, <-got, 0)
				c.SetReadDeadline(time.Time{})
			}
			caller.Write([]byte("x"))
			if n, err := c.Read(make([]byte, size)); n != 1 || err != nil {
				t.Errorf("got %d and %v, want a byte", n, err)
			}
		})
	}
}

// TestManyDeadlines changes deadlines from several goroutines while bytes go
// both ways.
func TestManyDeadlines(t *testing.T) {
	c, caller := pair(t)
	const size = 8 << 20
	var all sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				at := time.Now().Add(time.Hour)
				if i%2 == 0 {
					at = time.Time{}
				}
				c.SetReadDeadline(at)
				c.SetWriteDeadline(at)
			}
		})
	}
	all.Go(func() {
		io.Copy(caller, io.LimitReader(caller, size)) // an echo
	})
	all.Go(func() {
		if n, err := c.Write(make([]byte, size)); n != size || err != nil {
			t.Errorf("Write: got %d and %v, want all", n, err)
		}
	})
	if n, err := io.CopyN(io.Discard, c, size); err != nil {
		t.Errorf("got %d and %v, want all", n, err)
	}
	close(done)
	all.Wait()
}

// full is more than the sockets hold.
var full = bytes.Repeat([]byte("0123456789abcdef"), 1<<20)

func TestWriteDeadline(t *testing.T) {
	begin := func(c net.Conn) <-chan result {
		got := make(chan result, 1)
		go func() {
			n, err := c.Write(full)
			got <- result{n, err}
		}()
		waiting(&c.(*conn).writes, got)
		return got
	}
	// partly wants that what has been written is what the caller gets.
	partly := func(t *testing.T, c net.Conn, caller *net.TCPConn, got result) {
		t.Helper()
		if got.n >= len(full) || !errors.Is(got.err, os.ErrDeadlineExceeded) {
			t.Errorf("got %d and %v, want a part and the end of the deadline", got.n, got.err)
		}
		c.Close()
		text, err := io.ReadAll(caller)
		if err != nil || !bytes.Equal(text, full[:got.n]) {
			t.Errorf("the caller got %d bytes and %v, want the %d that were counted", len(text), err, got.n)
		}
	}
	t.Run("passed before", func(t *testing.T) {
		c, _ := pair(t)
		c.SetWriteDeadline(past)
		n, err := c.Write([]byte("x"))
		timedOut(t, result{n, err}, 0)
	})
	t.Run("passed and then cleared", func(t *testing.T) {
		c, _ := pair(t)
		c.SetWriteDeadline(past)
		n, err := c.Write([]byte("x"))
		timedOut(t, result{n, err}, 0)
		c.SetWriteDeadline(time.Time{})
		if n, err := c.Write([]byte("x")); n != 1 || err != nil {
			t.Errorf("got %d and %v, want a byte", n, err)
		}
	})
	t.Run("passes", func(t *testing.T) {
		c, caller := pair(t)
		c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		partly(t, c, caller, <-begin(c))
	})
	t.Run("set while it waits", func(t *testing.T) {
		c, caller := pair(t)
		got := begin(c)
		c.SetWriteDeadline(past)
		partly(t, c, caller, <-got)
	})
	t.Run("begins again", func(t *testing.T) {
		c, caller := pair(t)
		at := time.Now().Add(time.Second)
		c.SetWriteDeadline(at)
		got := begin(c)
		c.SetWriteDeadline(time.Now().Add(time.Hour))
		<-time.After(time.Until(at)) // the connection's own has passed
		text := make([]byte, len(full))
		if n, err := io.ReadFull(caller, text); err != nil || !bytes.Equal(text, full) {
			t.Errorf("the caller got %d bytes and %v, want all as they were", n, err)
		}
		if got := <-got; got != (result{len(full), nil}) {
			t.Errorf("got %d and %v, want all", got.n, got.err)
		}
	})
	t.Run("the caller leaves", func(t *testing.T) {
		c, caller := pair(t)
		got := begin(c)
		caller.SetLinger(0)
		caller.Close()
		if got := <-got; got.err == nil || errors.Is(got.err, os.ErrDeadlineExceeded) {
			t.Errorf("got %d and %v, want the end of the connection", got.n, got.err)
		}
	})
}

func TestCloseWrite(t *testing.T) {
	c, caller := pair(t)
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(caller); len(rest) > 0 || err != nil {
		t.Errorf("got %q and %v, want the end", rest, err)
	}
	caller.Write([]byte("x"))
	if n, err := c.Read(make([]byte, 8)); n != 1 || err != nil {
		t.Errorf("got %d and %v, want what the caller still says", n, err)
	}
	ours, its := net.Pipe()
	defer its.Close()
	defer ours.Close()
	if err := (&conn{Conn: ours}).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v, want %v", err, errors.ErrUnsupported)
	}
}

func TestListenerClosed(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(tcp)
	l.Close()
	if c, err := l.Accept(); c != nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v and %v, want no connection and %v", c, err, net.ErrClosed)
	}
}

// TestEarly: what was read before comes first, and is not kept.
func TestEarly(t *testing.T) {
	ours, caller := pair(t)
	c := ours.(*conn)
	c.early = []byte("early ")
	io.WriteString(caller, "late")
	caller.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "early late" || err != nil {
		t.Errorf("got %q and %v, want all in its order", got, err)
	}
	if c.early != nil {
		t.Error("got a buffer that is kept for as long as the connection")
	}
}
