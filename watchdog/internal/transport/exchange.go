package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"sync"
	"time"
)

// An exchange is a request and its answer on a connection.
type exchange struct {
	transport *Transport
	conn      *conn
	request   *http.Request
	informed  Informed

	stop     func() bool   // ends the watch over the request's context; nil if there is none yet
	uploaded chan struct{} // closed once the body has been sent or given up; nil if nobody sends it in the background
	failure  error         // of sending, once uploaded is closed
	sent     bool          // something of the request may have reached the server
	heard    bool          // something of the answer has come

	ended bool  // the answer is over
	err   error // what reading it says from then on

	response http.Response // of a plain answer
	plain    plainBody
}

// lateUpload is how long what is left of a request's body may take once the
// answer has come, for the connection to be kept.
const lateUpload = 50 * time.Millisecond

// do sends the request and reads the answer up to its body.
func (x *exchange) do(out outgoing, now time.Time) (*http.Response, error) {
	c, r := x.conn, x.request
	c.unwatched = x
	n, err := 0, error(nil)
	if out.isBrief() && c.raw != nil && c.setAlarm(now) {
		n, err = c.ask(out.text)
		if !c.started && errors.Is(err, os.ErrDeadlineExceeded) { // dialing, or to come here, took longer
			x.watch()
			n, err = c.ask(out.text)
		}
	}
	if err == nil && n < len(out.text) {
		x.watch() // to write may take long
		var more int
		more, err = c.Write(out.text[n:])
		n += more
	}
	x.sent = n > 0
	switch {
	case err != nil && !x.sent:
		return nil, fmt.Errorf("sending the request: %w", err)
	case err != nil: // it may have answered before it closed the connection
		x.failure = writeError{err}
		closeBody(r)
		return x.answer(false, 0)
	case out.rest == 0:
		closeBody(r)
	case !out.waits:
		x.upload(out.rest)
	}
	return x.answer(out.waits, out.rest)
}

// watch has the connection close when the request's context ends. Until then,
// for as long as most requests take, nobody does: it is dear.
func (x *exchange) watch() {
	if x.stop != nil {
		return
	}
	x.conn.unwatched = nil
	x.conn.clearAlarm()
	x.stop = afterFunc(x.request.Context(), x.conn.abort)
}

// unwatch ends that. It is false if the connection is being closed.
func (x *exchange) unwatch() bool {
	if x.stop == nil {
		x.conn.unwatched = nil
		return true
	}
	return x.stop()
}

// afterFunc is [context.AfterFunc], at less cost where the context has its own.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if a, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		return a.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}

// buffers are those through which bodies are sent.
var buffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// upload sends the request's body in the background.
func (x *exchange) upload(length int64) {
	x.uploaded = make(chan struct{})
	c, body := x.conn, x.request.Body
	go func() {
		buf := buffers.Get().(*[copyBuffer]byte) //nolint:errcheck,forcetypeassert // there is nothing else in it
		err := upload(c, body, length, buf[:])
		buffers.Put(buf)
		x.failure = err
		close(x.uploaded) // whoever finds the connection closed asks why
		if w := (writeError{}); err != nil && !errors.As(err, &w) {
			c.abort() // or the server would take for whole what is not
		}
		_ = body.Close()
	}()
}

// hasUploaded reports whether nothing of the request's body is left to send.
func (x *exchange) hasUploaded() bool {
	if x.uploaded == nil {
		return true
	}
	select {
	case <-x.uploaded:
		return true
	default:
		return false
	}
}

// answer reads the answer up to its body. waits says that the request's body is
// still to be sent.
func (x *exchange) answer(waits bool, length int64) (*http.Response, error) {
	c, r := x.conn, x.request
	c.room = x.transport.MaxHead
	for {
		if waits {
			_ = c.SetReadDeadline(time.Now().Add(x.transport.ContinueTimeout))
		}
		_, err := c.in.Peek(1)
		if waits {
			_ = c.SetReadDeadline(time.Time{})
			if errors.Is(err, os.ErrDeadlineExceeded) { // it does not know the header
				waits = false
				x.upload(length)
				continue
			}
		}
		if err != nil {
			return nil, x.cause(err)
		}
		x.heard = true

		buffered, _ := c.in.Peek(c.in.Buffered())
		if size := parseHead(&x.response, buffered, r.Method); size > 0 {
			_, _ = c.in.Discard(size)
			return x.simple(waits), nil
		}
		res, err := http.ReadResponse(c.in, r)
		if err != nil {
			return nil, x.cause(err)
		}
		switch {
		case res.StatusCode < http.StatusContinue:
			return nil, fmt.Errorf("the answer has the status %03d", res.StatusCode)
		case res.StatusCode == http.StatusContinue:
			if waits {
				waits = false
				x.upload(length)
			}
		case res.StatusCode == http.StatusSwitchingProtocols || res.StatusCode >= http.StatusOK:
			return x.other(res, waits), nil
		case x.informed != nil:
			if err := x.informed(res.StatusCode, res.Header); err != nil {
				return nil, err
			}
		}
	}
}

// cause is why there is no answer: err, or what has led to it.
func (x *exchange) cause(err error) error {
	if x.hasUploaded() && x.failure != nil {
		if w := (writeError{}); !errors.As(x.failure, &w) {
			return x.failure
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading the answer: %w", err)
}

// simple makes an answer of what parseHead has read. unsent says that the
// request's body was announced and will not be sent.
func (x *exchange) simple(unsent bool) *http.Response {
	res := &x.response
	res.Request = x.request
	x.conn.room = math.MaxInt64
	if unsent {
		x.leaveBody()
	}
	if hasBody(res, x.request.Method) {
		x.plain = plainBody{x, res.ContentLength}
		res.Body = &x.plain
	} else {
		_ = x.finish(true)
		res.Body = http.NoBody
	}
	return res
}

// other makes an answer of what http.ReadResponse has read.
func (x *exchange) other(res *http.Response, unsent bool) *http.Response {
	x.conn.room = math.MaxInt64
	if unsent {
		x.leaveBody()
	}
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		x.watch()
		res.Body = upgraded{x}
	case res.Body == http.NoBody:
		_ = x.finish(!res.Close)
	default:
		res.Body = &streamedBody{x, res.Body, res.Close}
	}
	return res
}

// leaveBody gives up a body that the server has not waited for. It was
// announced, so the server would take the next request for it.
func (x *exchange) leaveBody() {
	x.failure = errBodyLength
	x.uploaded = make(chan struct{})
	close(x.uploaded)
	closeBody(x.request)
}

// finish ends an answer that has come whole, and returns io.EOF.
func (x *exchange) finish(reusable bool) error {
	x.ended, x.err = true, io.EOF
	c := x.conn
	wanted := x.unwatch()
	if reusable && wanted && c.in.Buffered() == 0 && !x.request.Close && x.wasUploaded() {
		x.transport.keep(c)
	} else {
		c.close()
	}
	return io.EOF
}

// wasUploaded waits for a moment for what is left of the request's body to be
// sent, and reports whether all of it has been.
func (x *exchange) wasUploaded() bool {
	if x.uploaded != nil && !x.hasUploaded() {
		late := time.NewTimer(lateUpload)
		defer late.Stop()
		select {
		case <-x.uploaded:
		case <-late.C:
			return false
		}
	}
	return x.failure == nil
}

// broken ends an answer that has not come whole.
func (x *exchange) broken(err error) error {
	x.abandon()
	if cause := context.Cause(x.request.Context()); cause != nil {
		err = cause
	} else {
		err = x.cause(err)
	}
	x.err = err
	return err
}

// abandon gives up the connection.
func (x *exchange) abandon() {
	x.ended = true
	if x.err == nil {
		x.err = http.ErrBodyReadAfterClose
	}
	x.unwatch()
	x.conn.close()
}

// close is for a caller that wants no more of the answer.
func (x *exchange) close() error {
	if !x.ended {
		x.abandon()
	}
	x.err = http.ErrBodyReadAfterClose
	return nil
}

// mayRepeat reports whether the request can be sent again on another
// connection: the server had closed this one, and has either not heard of the
// request or may be told of it twice.
func (x *exchange) mayRepeat() bool {
	if !x.conn.reused || x.heard || x.uploaded != nil {
		return false
	}
	return !x.sent || isReplayable(x.request)
}

// isReplayable reports whether it does not matter how often a request comes
// (RFC 9110 §9.2.2), as far as can be told without knowing the function.
func isReplayable(r *http.Request) bool {
	if r.Body != nil && r.Body != http.NoBody {
		return false
	}
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil
}
