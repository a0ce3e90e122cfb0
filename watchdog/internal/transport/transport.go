// Package transport sends HTTP/1.1 requests to one server, over connections
// that it keeps. It differs from [http.Transport] in what a request costs: the
// goroutine that asks also writes the request and reads the answer. What comes
// of a request is the same; the tests hold both to it.
package transport

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"sync"
	"time"
)

// Options of a [Transport].
type Options struct {
	// Dial connects to the server. It is given the context of a request.
	Dial func(ctx context.Context) (net.Conn, error)

	// IdleTimeout is how long a connection is kept that is not used; MaxIdle is
	// how many of them are. With 0 of either, none is kept.
	IdleTimeout time.Duration
	MaxIdle     int

	// ContinueTimeout is how long to wait for a 100 before a body is sent whose
	// sender has asked for one (Expect: 100-continue).
	ContinueTimeout time.Duration

	// MaxHead is the most bytes before an answer's body, those of answers
	// before the answer (1xx) included.
	MaxHead int64
}

// A Transport is an [http.RoundTripper] for one server: it takes no notice of
// the host in a request's URL. It does not follow redirections, adds no header
// of its own, and sends no trailers.
type Transport struct {
	Options

	mu       sync.Mutex
	idle     []*conn     // the one used last is at the end
	cleaning *time.Timer // nil before the first connection was kept
}

// New returns a Transport that has no connection yet.
func New(o Options) *Transport { return &Transport{Options: o} }

// An Informed is told of answers before the answer (1xx), but for 100 and 101.
// An error ends the request.
type Informed func(status int, h http.Header) error

// RoundTrip implements [http.RoundTripper]. It tells Got1xxResponse of an
// [httptrace.ClientTrace].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var informed Informed
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.Got1xxResponse != nil {
		informed = func(status int, h http.Header) error { return trace.Got1xxResponse(status, textproto.MIMEHeader(h)) }
	}
	return t.Send(r, informed)
}

// Send is RoundTrip for those who want to be told otherwise, or not at all.
//
// The body of r has been closed, or will be soon, when Send returns: another
// goroutine may still be reading it, until it ends or the body of the answer has
// been closed and a read returns.
func (t *Transport) Send(r *http.Request, informed Informed) (*http.Response, error) {
	if cause := context.Cause(r.Context()); cause != nil {
		closeBody(r)
		return nil, cause
	}
	text, _ := texts.Get().(*[]byte)
	if text == nil {
		text = new([]byte)
	}
	defer func() {
		if cap(*text) <= largestText {
			texts.Put(text)
		}
	}()
	out, err := newOutgoing((*text)[:0], r)
	*text = out.text
	if err != nil {
		closeBody(r)
		return nil, err
	}
	for {
		now := time.Now()
		c, err := t.connection(r.Context(), now, out.isBrief())
		if err != nil {
			closeBody(r)
			return nil, err
		}
		x := &exchange{transport: t, conn: c, request: r, informed: informed}
		res, err := x.do(out, now)
		if err == nil {
			return res, nil
		}
		x.abandon()
		cause := context.Cause(r.Context())
		if cause == nil && x.mayRepeat() {
			continue
		}
		if x.uploaded == nil { // or whoever uploads it closes it
			closeBody(r)
		}
		return nil, cmp.Or(cause, err)
	}
}

// texts are what requests are written in. One larger than largestText bytes is
// not kept.
var texts sync.Pool

const largestText = smallBody + readBuffer

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// connection returns one that nobody uses, or a new one. If it is to be asked at
// once, that will tell whether it is quiet.
func (t *Transport) connection(ctx context.Context, now time.Time, atOnce bool) (*conn, error) {
	for c := t.take(); c != nil; c = t.take() {
		if now.Sub(c.since) < t.IdleTimeout && c.setAlarm(now) && (atOnce || c.isQuiet()) {
			c.reused = true
			return c, nil
		}
		c.close()
	}
	nc, err := t.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return newConn(nc), nil
}

func (t *Transport) take() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := len(t.idle) - 1
	if last < 0 {
		return nil
	}
	c := t.idle[last]
	t.idle[last] = nil
	t.idle = t.idle[:last]
	return c
}

// keep keeps a connection on which nothing is under way.
func (t *Transport) keep(c *conn) {
	c.since = time.Now()
	t.mu.Lock()
	full := len(t.idle) >= t.MaxIdle
	if !full {
		t.idle = append(t.idle, c)
		if len(t.idle) == 1 {
			t.clean(t.IdleTimeout)
		}
	}
	t.mu.Unlock()
	if full {
		c.close()
	}
}

// clean has the connections that nobody has used for long closed after d.
func (t *Transport) clean(d time.Duration) {
	if t.cleaning == nil {
		t.cleaning = time.AfterFunc(d, t.closeOld)
		return
	}
	t.cleaning.Reset(d)
}

func (t *Transport) closeOld() {
	t.mu.Lock()
	oldest := time.Now().Add(-t.IdleTimeout)
	old := 0
	for old < len(t.idle) && !t.idle[old].since.After(oldest) {
		old++
	}
	closing := slices.Clone(t.idle[:old])
	t.idle = slices.Delete(t.idle, 0, old)
	if len(t.idle) > 0 {
		t.clean(t.idle[0].since.Sub(oldest))
	}
	t.mu.Unlock()
	for _, c := range closing {
		c.close()
	}
}

// CloseIdleConnections closes the connections that nobody uses.
func (t *Transport) CloseIdleConnections() {
	for c := t.take(); c != nil; c = t.take() {
		c.close()
	}
}

// errHeadTooLarge is a server's answer that has too much before its body.
var errHeadTooLarge = errors.New("the head of the answer is too large")
