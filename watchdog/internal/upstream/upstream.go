// Package upstream gets an answer from the function.
package upstream

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"auth-watchdog/watchdog/auth"
)

// An Upstream answers requests that have been let through. There is one for
// each mode.
type Upstream interface {
	http.Handler

	// Run keeps the upstream going until ctx ends, and returns early, with the
	// reason, if the upstream does. Nothing of it is left running when Run
	// returns.
	Run(ctx context.Context) error

	// Ready reports whether a request sent now would be answered; nil if so.
	Ready(ctx context.Context) error
}

// A Renewer is an Upstream that holds on to something made of the secrets as
// they were.
type Renewer interface {
	// Renew has it made again, of the secrets as they are.
	Renew()
}

// Causes with which the context of a request ends, so that its end can be told
// from the caller's having left.
var (
	ErrTimeout  = errors.New("exec_timeout has passed")
	ErrDraining = errors.New("the process is shutting down")
)

// buffers are those through which bodies pass.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

const bufferSize = 32 << 10

// A Causer is a context that knows why it has ended. It is the value of CauseKey
// of a request's context, if there is one: package context does not ask contexts
// that are not its own.
type Causer interface{ Cause() error }

type causeKey struct{}

// CauseKey is the key of a [Causer].
var CauseKey = causeKey{}

// causeOf is why a request's context has ended; nil if it has not.
func causeOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	if c, ok := ctx.Value(CauseKey).(Causer); ok && cause != nil {
		return cmp.Or(c.Cause(), cause)
	}
	return cause
}

// A Report is told why a request got no answer of the function's. Nil tells
// nobody.
type Report func(r *http.Request, reason string)

func (f Report) tell(r *http.Request, reason string) {
	if f != nil {
		f(r, reason)
	}
}

// refuse refuses a request that the function must not get.
func (f Report) refuse(w http.ResponseWriter, r *http.Request, why auth.Reason) {
	f.tell(r, string(why))
	auth.Refuse(w, &auth.Denied{Reason: why})
}

// setDuration says how long the function has taken, as of-watchdog does: in
// seconds with six digits behind the point.
func setDuration(h http.Header, start time.Time) {
	micros := time.Since(start).Microseconds()
	var text [32]byte
	b := strconv.AppendInt(text[:0], micros/1e6, 10)
	b = append(b, '.')
	for unit := int64(1e5); unit > 0; unit /= 10 {
		b = append(b, '0'+byte(micros/unit%10)) //nolint:gosec // a digit
	}
	h["X-Duration-Seconds"] = []string{string(b)}
}

// A callersBody notices when the caller's body has ended, and when it was the
// caller's end that broke.
type callersBody struct {
	io.ReadCloser
	left          int64 // bytes, -1 if that is not known
	ended, broken atomic.Bool
	closed        chan struct{} // once nobody reads it any more
	close         sync.Once
}

func newCallersBody(r *http.Request) *callersBody {
	b := &callersBody{ReadCloser: r.Body, left: r.ContentLength, closed: make(chan struct{})}
	b.ended.Store(r.Body == nil || r.ContentLength == 0)
	return b
}

// Read ends with the last byte that was announced. A further look for the end
// could come when the server has closed the body, and find an error there.
func (b *callersBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.ReadCloser.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
		if b.left == 0 && err == nil {
			err = io.EOF
		}
	}
	switch {
	case err == io.EOF: //nolint:errorlint // what wraps it is no end
		b.ended.Store(true)
	case err != nil:
		b.broken.Store(true)
	}
	return n, err
}

// Close says that nobody reads the body any more. It is for the server to close
// what is behind it, once the handler has returned.
func (b *callersBody) Close() error {
	b.close.Do(func() { close(b.closed) })
	return nil
}

// lateBody is how long what is left of a body may take to come when the
// function has answered; later the connection is given up.
const lateBody = 50 * time.Millisecond

// end returns once nobody reads the body any more, which is to be closed by
// whoever does: the answer is there, and nobody waits for the rest.
func (b *callersBody) end(caller *http.ResponseController) {
	if b == nil {
		return
	}
	select {
	case <-b.closed:
		return
	default:
	}
	late := time.NewTimer(lateBody)
	defer late.Stop()
	select {
	case <-b.closed:
	case <-late.C:
		_ = caller.SetReadDeadline(time.Unix(1, 0))
		<-b.closed
	}
}

// overtaken prepares for an answer that begins, if it does so before the
// caller's body has ended. The server would otherwise read the rest first; and
// as it would then take what is left of the body for the next request, there is
// none on this connection.
func (b *callersBody) overtaken(w http.ResponseWriter) {
	if b != nil && !b.ended.Load() && http.NewResponseController(w).EnableFullDuplex() == nil {
		w.Header().Set("Connection", "close")
	}
}
