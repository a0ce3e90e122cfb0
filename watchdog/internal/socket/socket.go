// Package socket reads and writes connections at less cost than package net. A
// socket of Go's never waits in the kernel, yet with each call package net has
// the scheduler prepare for that: it gives the processor to another thread when
// the call takes 20 µs, as it does when the machine is busy, and watches every
// 20 µs whether one does.
package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// A Conn is a connection over a socket. It differs from its net.Conn in nothing
// that can be seen.
type Conn struct {
	net.Conn
	raw syscall.RawConn
}

// New returns nc as a *Conn if it has a socket, and nc itself if it has none.
func New(nc net.Conn) net.Conn {
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			return &Conn{nc, raw}
		}
	}
	return nc
}

// SyscallConn implements [syscall.Conn].
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// CloseWrite tells the other side that nothing more will come.
func (c *Conn) CloseWrite() error { return CloseWrite(c.Conn) }

// CloseWrite tells the other side of a connection that nothing more will come, if
// that can be said.
func CloseWrite(c net.Conn) error {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return c.Conn.Read(p)
	}
	o := newOperation(p)
	n, err := c.result("read", o, c.raw.Read(o.read))
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return c.Conn.Write(p)
	}
	o := newOperation(p)
	return c.result("write", o, c.raw.Write(o.write))
}

// result ends an operation. err is that of the raw connection.
func (c *Conn) result(op string, o *operation, err error) (int, error) {
	n, failure := o.n, o.err
	o.p, o.n, o.err = nil, 0, nil
	operations.Put(o)
	switch {
	case err != nil:
		return n, named(op, err)
	case failure != nil:
		return n, c.failed(op, failure)
	}
	return n, nil
}

// named has an error of the raw connection tell what was done.
func named(op string, err error) error {
	if o := (*net.OpError)(nil); errors.As(err, &o) {
		o.Op = op
	}
	return err
}

func (c *Conn) failed(op string, err error) error {
	return &net.OpError{
		Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, err),
	}
}

// An operation is a call to Read or Write.
type operation struct {
	p           []byte
	n           int
	err         error
	read, write func(fd uintptr) bool // these are made once
}

var operations = sync.Pool{New: func() any {
	o := &operation{}
	o.read = func(fd uintptr) bool {
		o.n, o.err = Read(fd, o.p)
		return !errors.Is(o.err, syscall.EAGAIN)
	}
	o.write = func(fd uintptr) bool {
		for o.n < len(o.p) {
			var n int
			n, o.err = Write(fd, o.p[o.n:])
			o.n += n
			if o.err != nil {
				return !errors.Is(o.err, syscall.EAGAIN)
			}
		}
		return true
	}
	return o
}}

func newOperation(p []byte) *operation {
	o := operations.Get().(*operation) //nolint:errcheck,forcetypeassert // there is nothing else in it
	o.p = p
	return o
}

// Read reads from the descriptor of a socket, once. It does not wait: its error is
// then EAGAIN.
func Read(fd uintptr, p []byte) (int, error) {
	n, errno := read(fd, p)
	for errno == syscall.EINTR {
		n, errno = read(fd, p)
	}
	return outcome(n, errno)
}

// Write is as Read. It may write less than all.
func Write(fd uintptr, p []byte) (int, error) {
	n, errno := write(fd, p)
	for errno == syscall.EINTR {
		n, errno = write(fd, p)
	}
	return outcome(n, errno)
}

func outcome(n int, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return n, nil
}
