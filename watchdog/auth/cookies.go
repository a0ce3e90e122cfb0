package auth

import (
	"bufio"
	"net"
	"net/http"
)

// A laterCookie is one that the caller's browser keeps if that is still wanted
// when the answer begins.
type laterCookie struct {
	cookie *http.Cookie
	wanted func() bool
}

// SetCookie has the caller's browser keep a cookie, whatever becomes of the
// request.
func (r *Request) SetCookie(c *http.Cookie) {
	if r.writer != nil {
		http.SetCookie(r.writer, c)
	}
}

// SetCookieLater is SetCookie for what may be out of date by the time at which
// the handler answers: it is set then, if wanted says so. No cache keeps such an
// answer, or it would hand out the cookie to others.
func (r *Request) SetCookieLater(c *http.Cookie, wanted func() bool) {
	r.cookies = append(r.cookies, laterCookie{c, wanted})
}

// setCookies sets those that are still wanted, and reports whether there are any.
func setCookies(w http.ResponseWriter, cookies []laterCookie) (some bool) {
	for _, later := range cookies {
		if later.wanted() {
			http.SetCookie(w, later.cookie)
			some = true
		}
	}
	return some
}

// withCookies serves a request whose answer sets cookies.
func withCookies(cookies []laterCookie, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &cookieWriter{ResponseWriter: w, cookies: cookies}
		next.ServeHTTP(c, r)
		c.begin(http.StatusOK) // of an answer without a word
	})
}

// cookieWriter sets cookies when an answer begins.
type cookieWriter struct {
	http.ResponseWriter
	cookies []laterCookie // nil once it has begun
}

func (c *cookieWriter) begin(status int) {
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		return
	}
	if setCookies(c.ResponseWriter, c.cookies) {
		h := c.Header()
		h["Cache-Control"] = noStore
		delete(h, "Cdn-Cache-Control") // RFC 9213: it would count instead
		delete(h, "Surrogate-Control")
	}
	c.cookies = nil
}

func (c *cookieWriter) WriteHeader(status int) {
	c.begin(status)
	c.ResponseWriter.WriteHeader(status)
}

func (c *cookieWriter) Write(b []byte) (int, error) {
	c.begin(http.StatusOK)
	return c.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find what else the writer can do.
func (c *cookieWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// FlushError implements what http.ResponseController asks for.
func (c *cookieWriter) FlushError() error {
	c.begin(http.StatusOK)
	return http.NewResponseController(c.ResponseWriter).Flush()
}

// Flush implements [http.Flusher] for handlers that assert it.
func (c *cookieWriter) Flush() { _ = c.FlushError() }

// Hijack implements [http.Hijacker].
func (c *cookieWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c.begin(http.StatusSwitchingProtocols)
	return http.NewResponseController(c.ResponseWriter).Hijack()
}
