package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Request is what a [Method] sees of a request. Methods read its body with
// [Request.ReadBody] and never with Body.
type Request struct {
	*http.Request

	// At is as of when the request is judged; now if zero.
	At time.Time

	writer   http.ResponseWriter // to bound how long the body takes
	buffers  *Buffers
	timeout  time.Duration
	throttle Throttle

	read    bool // the body was asked for
	body    body
	bodyErr error
	settled []func(used bool)
	cookies []laterCookie

	asked    http.Request // what the mux of the rules is asked
	askedURL url.URL
}

// NewRequest returns what the methods of a policy see of r when nothing but
// the decision is wanted, as in a test or an offline check. Bodies are bounded
// by buffers.
func NewRequest(r *http.Request, buffers *Buffers) *Request {
	return &Request{Request: r, buffers: buffers}
}

// Now is as of when the request is judged.
func (r *Request) Now() time.Time {
	if r.At.IsZero() {
		return time.Now()
	}
	return r.At
}

// Credentials returns what stands behind the scheme in Authorization (RFC 9110
// §11.4), of which case does not matter. It is false if there is no
// Authorization, or one of another scheme.
func (r *Request) Credentials(scheme string) (string, bool) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", false
	}
	found, rest, _ := strings.Cut(values[0], " ")
	return strings.Trim(rest, " "), strings.EqualFold(found, scheme)
}

// Parameter returns the value of a query parameter that may come once. Its
// error, for one that comes more often or a query that parsers read in
// different ways, is a *[Denied].
func (r *Request) Parameter(name string) (value string, found bool, err error) {
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		n, v, _ := strings.Cut(pair, "=")
		n, errName := url.QueryUnescape(n)
		v, errValue := url.QueryUnescape(v)
		switch {
		case errName != nil, errValue != nil, strings.Contains(pair, ";"):
			return "", false, errQuery
		case n != name:
			continue
		case found:
			return "", false, errParameterTwice
		}
		value, found = v, true
	}
	return value, found, nil
}

var (
	errQuery          = &Denied{Reason: TwoReadings, Err: errors.New("a query that does not parse")}
	errParameterTwice = &Denied{Reason: TwoCredentials, Err: errors.New("twice in the query")}
)

// StripParameter takes a parameter out of the query of r, for a [Stripper]. It
// leaves what r.URL points to as it is.
func StripParameter(r *http.Request, name string) {
	if r.URL.RawQuery == "" {
		return
	}
	var kept []string
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		escaped, _, _ := strings.Cut(pair, "=")
		if n, err := url.QueryUnescape(escaped); err != nil || n != name {
			kept = append(kept, pair)
		}
	}
	u := *r.URL
	u.RawQuery = strings.Join(kept, "&")
	r.URL = &u
	r.RequestURI = u.RequestURI()
}

// Wait returns how long the sender of r has to wait because of wrong
// credentials that it has brought before; 0 if it need not. A method to which
// judging is dear may refuse it as Throttled when others wait for their turn.
func (r *Request) Wait() time.Duration {
	if r.throttle == nil {
		return 0
	}
	return r.throttle.Wait(r.Request)
}

// ReadBody returns the body of the request, whole. Read only what is needed: a
// method asks for it after it has found a credential of its kind in the
// headers. All methods of a request share one reading.
//
// A method returns the error as it is.
func (r *Request) ReadBody() ([]byte, error) {
	if !r.read {
		r.read = true
		r.body, r.bodyErr = r.buffers.read(r.writer, r.Request, r.timeout)
	}
	return r.body.bytes, r.bodyErr
}

// handOn gives the body that was read to the request that the function will
// see: the very bytes that were judged, with their exact length.
func (r *Request) handOn(to *http.Request) {
	if r.read {
		r.body.handOn(to)
	}
}
