package auth

import (
	"net/http"
	"net/url"
	"time"
)

// A Request is what a [Method] sees of a request. Methods read its body with
// [Request.ReadBody] and never with Body.
type Request struct {
	*http.Request

	writer  http.ResponseWriter // to bound how long the body takes
	buffers *Buffers
	timeout time.Duration

	read    bool // the body was asked for
	body    Body
	bodyErr error

	asked    http.Request // what the mux of the rules is asked
	askedURL url.URL
}

// NewRequest returns what the methods of a policy see of r when nothing but
// the decision is wanted, as in a test or an offline check. Bodies are bounded
// by buffers.
func NewRequest(r *http.Request, buffers *Buffers) *Request {
	return &Request{Request: r, buffers: buffers}
}

// ReadBody returns the body of the request, whole. Read only what is needed: a
// method asks for it after it has found a credential of its kind in the
// headers. All methods of a request share one reading.
//
// A method returns the error as it is.
func (r *Request) ReadBody() ([]byte, error) {
	if !r.read {
		r.read = true
		r.body, r.bodyErr = r.readBody()
	}
	return r.body.Bytes, r.bodyErr
}

func (r *Request) readBody() (Body, error) {
	return r.buffers.read(r.writer, r.Request, r.timeout)
}

// handOn gives the body that was read to the request that the function will
// see: the very bytes that were judged, with their exact length.
func (r *Request) handOn(to *http.Request) {
	if r.read {
		r.body.handOn(to)
	}
}
