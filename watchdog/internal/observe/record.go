package observe

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/reply"
)

// A Record is what is known of a request. The outermost stage makes it, those
// inside fill it in, and it is written once. It is the request's context too.
type Record struct {
	context.Context

	CallID  string
	Address netip.Addr // of the caller
	Method  string
	Path    string
	Start   time.Time

	Decision auth.Decision // zero if the request never came to one
	Reason   string        // why; of the decision, or of a later stage that refused

	Status int
	Bytes  int64

	// Stream, if set, is told when the answer turns out to have no end of its
	// own.
	Stream Stream
}

// A Stream is an answer that may go on until somebody ends it.
type Stream interface {
	// Begins says that it does so, and whether it is a connection that was
	// upgraded.
	Begins(upgraded bool)
}

type recordKey struct{}

// Value implements [context.Context].
func (r *Record) Value(key any) any {
	if key == (recordKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// FromContext returns the record of a request; one that nobody reads if the
// request was not observed.
func FromContext(ctx context.Context) *Record {
	if r, ok := ctx.Value(recordKey{}).(*Record); ok {
		return r
	}
	return &Record{Context: ctx, Start: time.Now()}
}

// callIDHeader names the id by which a call is followed through OpenFaaS.
const callIDHeader = "X-Call-Id"

// statusClientGone is recorded when the caller left before the answer began.
const statusClientGone = 499

// longestCallID is the most of a caller's id that is believed.
const longestCallID = 128

// Stage returns the outermost stage: it sees all that follows, refusals and
// panics too.
func (o *Observer) Stage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header[callIDHeader]
		if len(id) != 1 || !isCallID(id[0]) {
			id = []string{newCallID()}
			r.Header[callIDHeader] = id
		}
		w.Header()[callIDHeader] = id // so that a caller can say which call it was
		// Not from a pool: a function in this process may hold on to its writer
		// for longer than it should, and would then write into another's answer.
		rec := &recorder{
			ResponseWriter: w, control: *http.NewResponseController(w), patience: o.WriteTimeout, shared: r.ProtoMajor > 1,
			record: Record{Context: r.Context(), CallID: id[0], Address: o.Address(r), Method: r.Method, Path: r.URL.Path, Start: time.Now()},
		}

		o.arrival.Store(rec.record.Start.UnixNano())
		o.inflight.Add(1)
		defer rec.end()
		defer func() {
			p := recover()
			o.inflight.Add(-1)
			now := time.Now()
			o.finish(r, rec, p, now)
			if p != nil && (errors.Is(asError(p), http.ErrAbortHandler) || rec.status != 0) {
				panic(http.ErrAbortHandler) // the caller sees that the answer is not whole
			}
			if p != nil {
				reply.Write(rec, http.StatusInternalServerError, 0)
			}
			if rec.status == 0 {
				rec.dropHopByHop()
			}
			// What is left of answer and body is flushed and read after us.
			rec.patient(now)
			if r.ContentLength != 0 {
				_ = rec.control.SetReadDeadline(now.Add(o.ReadTimeout))
			}
		}()
		next.ServeHTTP(rec, r.WithContext(&rec.record))
	})
}

func asError(p any) error {
	err, _ := p.(error)
	return err
}

// finish writes down what became of a request that has ended now. p is what its
// handler panicked with.
func (o *Observer) finish(r *http.Request, rec *recorder, p any, now time.Time) {
	record := &rec.record
	record.Status, record.Bytes = rec.status, rec.bytes
	switch {
	case p != nil && !errors.Is(asError(p), http.ErrAbortHandler):
		record.Status = http.StatusInternalServerError
		o.Log.Error("the function panicked", "call_id", record.CallID, "panic", p, "stack", string(debug.Stack()))
	case record.Status == 0 && (p != nil || r.Context().Err() != nil):
		record.Status = statusClientGone
	case record.Status == 0:
		record.Status = http.StatusOK
	}
	elapsed := now.Sub(record.Start)
	o.count(record, elapsed)
	o.Access.write(now, &access{
		method: short(record.Method), path: short(record.Path), status: record.Status, bytes: record.Bytes, elapsed: elapsed,
		callID: record.CallID, reason: record.Reason, subject: record.Decision.Identity.Subject, authMethod: record.Decision.Method,
	})
}

func isCallID(s string) bool {
	return s != "" && len(s) <= longestCallID && strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }) < 0
}

// newCallID makes a random UUID (RFC 9562 §5.4). It names a call and opens
// nothing, so it is random enough from where randomness is cheap.
func newCallID() string {
	var b [16]byte
	binary.NativeEndian.PutUint64(b[:8], rand.Uint64()) //nolint:gosec // no secret
	binary.NativeEndian.PutUint64(b[8:], rand.Uint64()) //nolint:gosec // no secret
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// recorder sees status and bytes of every answer, and gives up on a caller that
// accepts nothing.
type recorder struct {
	http.ResponseWriter
	record   Record
	control  http.ResponseController
	patience time.Duration
	shared   bool      // the connection has other requests too, as in HTTP/2
	waiting  time.Time // since when the present deadline runs
	status   int
	bytes    int64

	deadlines sync.Mutex // held to set one for others, and to end
	ended     bool
}

// end lets nobody set a deadline any more.
func (r *recorder) end() {
	r.deadlines.Lock()
	defer r.deadlines.Unlock()
	r.ended = true
}

var errEnded = errors.New("the request has ended")

// SetReadDeadline implements what http.ResponseController asks for. Whoever
// bounds the time of a request may do so at the moment in which it ends. The
// connection has another request then or, over HTTP/2, the server's writer would
// panic.
func (r *recorder) SetReadDeadline(t time.Time) error {
	r.deadlines.Lock()
	defer r.deadlines.Unlock()
	if r.ended {
		return errEnded
	}
	return r.control.SetReadDeadline(t)
}

// SetWriteDeadline is as SetReadDeadline.
func (r *recorder) SetWriteDeadline(t time.Time) error {
	r.deadlines.Lock()
	defer r.deadlines.Unlock()
	if r.ended {
		return errEnded
	}
	return r.control.SetWriteDeadline(t)
}

// dropHopByHop takes out of an answer what is about its connection, if that is
// not the answer's alone: RFC 9113 §8.2.2 forbids these, and "close" would end
// the requests of others.
func (r *recorder) dropHopByHop() {
	if !r.shared {
		return
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"} {
		delete(r.Header(), name)
	}
}

// Unwrap lets http.ResponseController find what else the writer can do.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// patient gives the caller its full time again to accept what is written.
func (r *recorder) patient(now time.Time) {
	if now.Sub(r.waiting) <= r.patience/8 {
		return
	}
	r.waiting = now
	_ = r.control.SetWriteDeadline(r.waiting.Add(r.patience))
}

func (r *recorder) WriteHeader(status int) {
	r.dropHopByHop()
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.begin(status)
	}
	r.ResponseWriter.WriteHeader(status)
}

// begin notes the status of the answer.
func (r *recorder) begin(status int) {
	r.status = status
	upgraded := status == http.StatusSwitchingProtocols
	if r.record.Stream != nil && (upgraded || isStream(r.Header())) {
		r.record.Stream.Begins(upgraded)
	}
}

// isStream reports whether an answer goes on until somebody ends it.
func isStream(h http.Header) bool {
	var t string
	if values := h["Content-Type"]; len(values) > 0 {
		t = values[0]
	}
	return strings.HasPrefix(t, "text/event-stream") || strings.HasPrefix(t, "application/x-ndjson")
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	r.patient(time.Now())
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// FlushError implements what http.ResponseController asks for.
func (r *recorder) FlushError() error {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	return r.control.Flush()
}

// Flush implements [http.Flusher] for handlers that assert it.
func (r *recorder) Flush() { _ = r.FlushError() }

// Hijack implements [http.Hijacker]. A connection that is handed over has no
// deadlines of ours.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	_ = r.control.SetWriteDeadline(time.Time{})
	c, rw, err := r.control.Hijack()
	if err != nil {
		r.waiting = time.Time{} // the answer has a deadline again
	}
	if err == nil && r.status == 0 {
		r.begin(http.StatusSwitchingProtocols)
	}
	return c, rw, err
}
