package auth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"auth-watchdog/watchdog/internal/limit"
)

// Defaults of [NewBuffers].
const (
	DefaultMaxBody     = 25 << 20 // bytes; GitHub's own limit for a webhook
	DefaultMaxBuffered = 64 << 20
)

// firstChunk is what a body is first given room for; room then grows eightfold
// as it fills, so that a caller has to send an eighth of what it holds.
const firstChunk = 1 << 10

// Buffers bounds the memory that bodies take which must be read before they
// are judged: of each request, and of all together.
//
// The zero value has no room at all.
type Buffers struct {
	perBody int64
	room    *limit.Weighted
}

// maxWaiting is how many requests may wait for room at once.
const maxWaiting = 1024

// NewBuffers returns Buffers that hold at most perBody bytes of one body and
// total bytes of all.
func NewBuffers(perBody, total int64) *Buffers {
	return &Buffers{perBody: perBody, room: limit.NewWeighted(total, time.Second, maxWaiting)}
}

// A body is a request's that was read whole.
type body struct {
	bytes   []byte
	held    int64
	buffers *Buffers
}

// release gives back the room. Nothing may use the bytes afterwards.
func (b body) release() {
	if b.held > 0 {
		b.buffers.room.Release(b.held)
	}
}

// readAll reads a body of the given length, -1 if it is not known. Its error
// is a *[Denied]: BodyTooLarge, BuffersFull if there was no room for a second,
// BodyTimeout, or BadBody.
func (b *Buffers) readAll(ctx context.Context, r io.Reader, length int64) (body, error) {
	if length > b.perBody {
		return body{}, errTooLarge
	}
	// One byte more than is expected, so that reading it finds the end.
	most := b.perBody + 1
	if length >= 0 {
		most = length + 1
	}
	whole := body{buffers: b}
	for {
		if int64(len(whole.bytes)) == int64(cap(whole.bytes)) {
			if err := whole.grow(ctx, most); err != nil {
				whole.release()
				return body{}, err
			}
		}
		n, err := r.Read(whole.bytes[len(whole.bytes):cap(whole.bytes)])
		whole.bytes = whole.bytes[:len(whole.bytes)+n]
		switch {
		case int64(len(whole.bytes)) > b.perBody:
			whole.release()
			return body{}, errTooLarge
		case errors.Is(err, io.EOF):
			return whole, nil
		case err != nil:
			whole.release()
			return body{}, &Denied{Reason: bodyReason(err), Err: err}
		}
	}
}

// read reads the body of r, within timeout if that is not 0.
func (b *Buffers) read(w http.ResponseWriter, r *http.Request, timeout time.Duration) (body, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return body{}, nil
	}
	if w != nil && timeout > 0 {
		// A writer without deadlines, as in tests, has no slow callers.
		control := http.NewResponseController(w)
		if control.SetReadDeadline(time.Now().Add(timeout)) == nil {
			defer func() { _ = control.SetReadDeadline(time.Time{}) }()
		}
	}
	return b.readAll(r.Context(), r.Body, r.ContentLength)
}

// Buffer reads the body of r and puts it in the place of the stream, unless a
// gate has done so already. Call release when r has been served. The error is
// a *[Denied].
func (b *Buffers) Buffer(w http.ResponseWriter, r *http.Request, timeout time.Duration) (release func(), err error) {
	if _, done := r.Body.(bufferedBody); done {
		return func() {}, nil
	}
	whole, err := b.read(w, r, timeout)
	if err != nil {
		return nil, err
	}
	whole.handOn(r)
	return whole.release, nil
}

// bufferedBody is a request body that was read whole.
type bufferedBody struct{ *bytes.Reader }

func (bufferedBody) Close() error { return nil }

// handOn gives the body to a request, with its exact length.
func (b body) handOn(to *http.Request) {
	if to.ContentLength < 0 { // in chunks, or over HTTP/2 without a length
		to.TransferEncoding = nil
		to.Header.Set("Content-Length", strconv.Itoa(len(b.bytes)))
	}
	to.Body = bufferedBody{bytes.NewReader(b.bytes)}
	to.ContentLength = int64(len(b.bytes))
}

var errTooLarge = &Denied{Reason: BodyTooLarge}

func bodyReason(err error) Reason {
	var timeout net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return BodyTimeout
	}
	return BadBody
}

func (b *body) grow(ctx context.Context, most int64) error {
	size := min(max(int64(cap(b.bytes))*8, firstChunk), most)
	if b.buffers.room == nil || !b.buffers.room.Acquire(ctx, size-b.held) {
		return &Denied{Reason: BuffersFull, RetryAfter: time.Second}
	}
	bigger := make([]byte, len(b.bytes), size)
	copy(bigger, b.bytes)
	b.bytes, b.held = bigger, size
	return nil
}
