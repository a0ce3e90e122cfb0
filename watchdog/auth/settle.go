package auth

import (
	"bufio"
	"net"
	"net/http"
)

// OnSettled has a method told what became of a request that it has admitted:
// used is true if the function has done with it what was asked, and false if
// whoever sent it has reason to send it again. It is told once.
func (r *Request) OnSettled(told func(used bool)) { r.settled = append(r.settled, told) }

// Settle tells the methods what became of the request. A [Gate] does it for the
// requests that it handles; those who make a Request of their own do it
// themselves, once they have their decision.
func (r *Request) Settle(used bool) {
	for _, told := range r.settled {
		told(used)
	}
	r.settled = nil
}

// settling serves a request and then tells the methods what became of it.
func settling(req *Request, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &statusWriter{ResponseWriter: w}
		returned := false
		// Once the answer has begun the function has done its part, whether the
		// caller has waited for the rest or not. Without one, the caller has left
		// or the function has failed, and the sender will try again.
		defer func() { req.Settle(s.used() && (returned || s.status != 0)) }()
		next.ServeHTTP(s, r)
		returned = true
	})
}

// statusWriter sees with which status a request is answered.
type statusWriter struct {
	http.ResponseWriter
	status int // 0 if there is none yet
}

// used reports whether the answer is one after which nobody asks again: not a
// failure, and not of those that ask to come later.
func (s *statusWriter) used() bool {
	switch s.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return s.status < http.StatusInternalServerError
}

func (s *statusWriter) WriteHeader(status int) {
	if s.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find what else the writer can do.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Flush implements [http.Flusher] for handlers that assert it.
func (s *statusWriter) Flush() {
	if http.NewResponseController(s.ResponseWriter).Flush() == nil && s.status == 0 {
		s.status = http.StatusOK
	}
}

// Hijack implements [http.Hijacker].
func (s *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(s.ResponseWriter).Hijack()
	if err == nil && s.status == 0 {
		s.status = http.StatusSwitchingProtocols
	}
	return c, rw, err
}
