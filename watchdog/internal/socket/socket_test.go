package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

var past = time.Unix(1, 0)

// pair returns both ends of a connection, of which ours is a *Conn.
func pair(t *testing.T, network string) (ours, theirs net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		folder, err := os.MkdirTemp("", "s") // paths of sockets are short
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(folder) })
		address = filepath.Join(folder, "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	theirs, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ours = New(nc)
	t.Cleanup(func() {
		ours.Close()
		theirs.Close()
	})
	if _, ok := ours.(*Conn); !ok {
		t.Fatalf("got a %T", ours)
	}
	return ours, theirs
}

// onBoth runs a test over TCP and over a unix socket.
func onBoth(t *testing.T, test func(t *testing.T, ours, theirs net.Conn)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			ours, theirs := pair(t, network)
			test(t, ours, theirs)
		})
	}
}

func TestReadAndWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, ours, theirs net.Conn) {
		text := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // more than sockets hold
		var all sync.WaitGroup
		all.Go(func() { io.Copy(theirs, theirs) }) // an echo
		all.Go(func() {
			if n, err := ours.Write(text); n != len(text) || err != nil {
				t.Errorf("got %d and %v, want all", n, err)
			}
			ours.(*Conn).CloseWrite()
		})
		got := make([]byte, len(text))
		if n, err := io.ReadFull(ours, got); err != nil || !bytes.Equal(got, text) {
			t.Errorf("got %d bytes and %v, want all as they were", n, err)
		}
		all.Wait()
	})
}

func TestEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, ours, theirs net.Conn) {
		io.WriteString(theirs, "x")
		theirs.Close()
		buf := make([]byte, 8)
		if n, err := ours.Read(buf); n != 1 || err != nil {
			t.Errorf("got %d and %v, want what was sent", n, err)
		}
		if n, err := ours.Read(buf); n != 0 || err != io.EOF { //nolint:errorlint // as io.Reader has it
			t.Errorf("got %d and %v, want the end", n, err)
		}
		var err error
		for range 100 { // the first ones may get through
			if _, err = ours.Write([]byte("x")); err != nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want that nobody is there", err)
		}
	})
}

func TestEmpty(t *testing.T) {
	onBoth(t, func(t *testing.T, ours, _ net.Conn) {
		if n, err := ours.Read(nil); n != 0 || err != nil {
			t.Errorf("Read: got %d and %v", n, err)
		}
		if n, err := ours.Write(nil); n != 0 || err != nil {
			t.Errorf("Write: got %d and %v", n, err)
		}
	})
}

// TestErrors: they are those of package net.
func TestErrors(t *testing.T) {
	full := bytes.Repeat([]byte("x"), 32<<20)
	for name, tt := range map[string]struct {
		prepare func(net.Conn)
		want    error
	}{
		"passed": {func(c net.Conn) { c.SetDeadline(past) }, os.ErrDeadlineExceeded},
		"passes": {func(c net.Conn) { c.SetDeadline(time.Now().Add(10 * time.Millisecond)) }, os.ErrDeadlineExceeded},
		"closed": {func(c net.Conn) { c.Close() }, net.ErrClosed},
		"closes": {func(c net.Conn) { time.AfterFunc(10*time.Millisecond, func() { c.Close() }) }, net.ErrClosed},
	} {
		for op, do := range map[string]func(net.Conn) (int, error){
			"read":  func(c net.Conn) (int, error) { return c.Read(make([]byte, 8)) },
			"write": func(c net.Conn) (int, error) { return c.Write(full) },
		} {
			t.Run(name+"/"+op, func(t *testing.T) {
				onBoth(t, func(t *testing.T, ours, _ net.Conn) {
					tt.prepare(ours)
					_, err := do(ours)
					var o *net.OpError
					if !errors.Is(err, tt.want) || !errors.As(err, &o) || o.Op != op || o.Timeout() != errors.Is(tt.want, os.ErrDeadlineExceeded) {
						t.Errorf("got %v, want %s and %v", err, op, tt.want)
					}
				})
			})
		}
	}
}

func TestReset(t *testing.T) {
	ours, theirs := pair(t, "tcp")
	theirs.(*net.TCPConn).SetLinger(0)
	theirs.Close()
	_, err := ours.Read(make([]byte, 8))
	var o *net.OpError
	if !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &o) || o.Op != "read" || o.Addr.String() != theirs.LocalAddr().String() {
		t.Errorf("got %v, want %v", err, syscall.ECONNRESET)
	}
}

// TestPartOfAWrite is counted.
func TestPartOfAWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, ours, theirs net.Conn) {
		text := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		ours.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := ours.Write(text)
		if n == 0 || n >= len(text) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %d and %v, want a part", n, err)
		}
		ours.Close()
		if got, err := io.ReadAll(theirs); err != nil || !bytes.Equal(got, text[:n]) {
			t.Errorf("got %d bytes and %v, want the %d that were counted", len(got), err, n)
		}
	})
}

// TestAtOnce has several write, and one reads and writes.
func TestAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, ours, theirs net.Conn) {
		const writers, each = 8, 1000
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for range each {
					if _, err := ours.Write([]byte("12345678")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Go(func() { io.CopyN(theirs, theirs, writers*each*8) })
		got := make([]byte, writers*each*8)
		if _, err := io.ReadFull(ours, got); err != nil || !bytes.Equal(got, bytes.Repeat([]byte("12345678"), writers*each)) {
			t.Errorf("got %v, want whole pieces", err)
		}
		all.Wait()
	})
}

func TestWithoutASocket(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if New(a) != a {
		t.Error("got another connection")
	}
}
