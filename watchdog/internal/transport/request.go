package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"auth-watchdog/watchdog/internal/http1"
)

// appendHead appends the head of a request to b.
func appendHead(b []byte, r *http.Request) ([]byte, error) {
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	target := r.URL.RequestURI()
	if method == http.MethodConnect && r.URL.Path == "" { // RFC 9112 §3.2.3
		target = host
	}
	switch {
	case !http1.IsToken(method):
		return b, fmt.Errorf("invalid method %q", method)
	case !http1.IsTarget(target):
		return b, fmt.Errorf("invalid request target %q", target)
	case host == "" || !http1.IsTarget(host):
		return b, fmt.Errorf("invalid host %q", host)
	}
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\n"...)
	for name, values := range r.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer": // said by the request's fields
			continue
		}
		if !http1.IsToken(name) || isFraming(name) {
			return b, fmt.Errorf("invalid header name %q", name)
		}
		for _, value := range values {
			if !http1.IsValue(value) {
				return b, fmt.Errorf("invalid value of the header %s", name)
			}
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, value...)
			b = append(b, "\r\n"...)
		}
	}
	switch length := bodyLength(r); {
	case length > 0, length == 0 && (method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch):
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, length, 10)
		b = append(b, "\r\n"...)
	case length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if r.Close {
		b = append(b, "Connection: close\r\n"...)
	}
	return append(b, "\r\n"...), nil
}

// isFraming reports whether a name is one of those that say where a request
// ends and whom it is for. In other letters than ours it would be a second one.
func isFraming(name string) bool {
	switch len(name) {
	case len("Host"):
		return strings.EqualFold(name, "Host")
	case len("Trailer"):
		return strings.EqualFold(name, "Trailer")
	case len("Content-Length"):
		return strings.EqualFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}

// bodyLength is the length of a request's body in bytes, -1 if it is not known.
func bodyLength(r *http.Request) int64 {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return 0
	case r.ContentLength > 0:
		return r.ContentLength
	}
	return -1
}

// expectsContinue reports whether the sender of a body waits to be told to go
// on.
func expectsContinue(r *http.Request) bool {
	for _, value := range r.Header["Expect"] {
		if strings.EqualFold(strings.TrimSpace(value), "100-continue") {
			return true
		}
	}
	return false
}

// errBodyLength is a body of another length than was announced.
var errBodyLength = errors.New("the body has another length than was announced")

// smallBody is the most of a body that goes out with the head: a server that
// does not read it does not hold it up.
const smallBody = 16 << 10

// An outgoing is a request as it is sent.
type outgoing struct {
	text  []byte // its head, and all of a small body
	rest  int64  // of the body in bytes, -1 if it is not known
	waits bool   // the body is not sent before the server wants it
}

// isBrief reports whether all of a request is there and takes no time to send.
func (o *outgoing) isBrief() bool { return o.rest == 0 && len(o.text) <= largestText }

// newOutgoing writes a request behind b.
func newOutgoing(b []byte, r *http.Request) (outgoing, error) {
	o := outgoing{rest: bodyLength(r)}
	var err error
	if o.text, err = appendHead(b, r); err != nil || o.rest == 0 {
		return o, err
	}
	if o.waits = expectsContinue(r); o.waits {
		return o, nil
	}
	memory, ok := r.Body.(interface{ Len() int })
	if !ok || o.rest > smallBody || int64(memory.Len()) != o.rest {
		return o, nil
	}
	head := len(o.text)
	o.text = slices.Grow(o.text, int(o.rest))[:head+int(o.rest)]
	_, err = io.ReadFull(r.Body, o.text[head:])
	o.rest = 0
	return o, err
}

// Of a chunk: its length in at most 16 hexadecimal digits and a line's end come
// before it, a line's end after it.
const (
	chunkHead = 18
	chunkTail = 2
	lastChunk = "0\r\n\r\n"
)

const copyBuffer = 32 << 10

// upload sends a body as it comes.
func upload(w io.Writer, body io.Reader, length int64, buf []byte) error {
	if length < 0 {
		return uploadChunks(w, body, buf)
	}
	for left := length; left > 0; {
		n, err := body.Read(buf[:min(int64(len(buf)), left)])
		left -= int64(n)
		if _, err := w.Write(buf[:n]); err != nil {
			return writeError{err}
		}
		switch {
		case isEnd(err) && left > 0:
			return errBodyLength
		case err != nil && !isEnd(err):
			return err
		}
	}
	// More than was announced would be the next request.
	switch n, err := body.Read(buf[:1]); {
	case n > 0:
		return errBodyLength
	case err != nil && !isEnd(err):
		return err
	}
	return nil
}

// isEnd reports whether a reader has said that there is no more. An error that
// only wraps that is one.
func isEnd(err error) bool { return err == io.EOF } //nolint:errorlint // as io.Reader has it

func uploadChunks(w io.Writer, body io.Reader, buf []byte) error {
	for {
		n, err := body.Read(buf[chunkHead : len(buf)-chunkTail])
		if n > 0 {
			size := strconv.AppendInt(buf[:0], int64(n), 16)
			digits := len(size)
			start := chunkHead - digits - 2
			copy(buf[start:], size)
			copy(buf[start+digits:], "\r\n")
			copy(buf[chunkHead+n:], "\r\n")
			if _, err := w.Write(buf[start : chunkHead+n+chunkTail]); err != nil {
				return writeError{err}
			}
		}
		switch {
		case isEnd(err):
			if _, err := io.WriteString(w, lastChunk); err != nil {
				return writeError{err}
			}
			return nil
		case err != nil:
			return err
		}
	}
}

// A writeError is the server's: it takes nothing more. It may have answered
// before.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }
