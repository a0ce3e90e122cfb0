package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/reply"
)

// A forwarding is a request on its way to the function and back.
type forwarding struct {
	*overHTTP
	start   time.Time
	writer  http.ResponseWriter
	control *http.ResponseController
	request *http.Request // the caller's, and then the function's
	path    string        // of the caller's
	body    *callersBody  // nil if none has to be waited for
}

// forward passes a request on and its answer back. The request is made into the
// one that the function gets: nobody looks at it afterwards.
func (u *overHTTP) forward(w http.ResponseWriter, r *http.Request) {
	f := forwarding{overHTTP: u, start: time.Now(), writer: w, control: http.NewResponseController(w), request: r, path: r.URL.Path}
	f.prepare()
	defer f.body.end(f.control)
	res, err := f.send()
	if err != nil {
		f.failed(err)
		return
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		f.upgrade(res)
		return
	}
	f.answer(res)
}

func (f *forwarding) send() (*http.Response, error) {
	if err := f.wait(f.request.Context()); err != nil {
		if f.request.Body != nil {
			_ = f.request.Body.Close() // as the transport does, whatever comes of a request
		}
		return nil, err
	}
	return f.transport.Send(f.request, f.informed)
}

// isHopByHop reports whether a header means the connection on which it comes
// (RFC 9110 §7.6.1).
func isHopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// keptHeaders are headers of the stages before. A caller that names one in Connection
// does not have it removed.
var keptHeaders = map[string]bool{
	auth.SubjectHeader: true, auth.MethodHeader: true, auth.ScopesHeader: true,
	"X-Call-Id": true, "X-Forwarded-For": true, "X-Forwarded-Host": true, "X-Forwarded-Port": true, "X-Forwarded-Prefix": true,
	"X-Forwarded-Proto": true, "X-Real-Ip": true,
}

// removeHopByHop removes what does not go further than one connection, except
// headers that are kept.
func removeHopByHop(h http.Header, kept map[string]bool) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = http.CanonicalHeaderKey(strings.Trim(name, " \t")); !kept[name] {
				delete(h, name)
			}
		}
	}
	for name := range h {
		if isHopByHop(name) {
			delete(h, name)
		}
	}
}

// hasToken reports whether a word is in a list that may go over several lines.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for word := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(word, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// upgradeOf is the protocol to which a message asks to switch, or does; empty
// if there is none.
func upgradeOf(h http.Header) string {
	if len(h["Upgrade"]) == 0 || !hasToken(h["Connection"], "upgrade") {
		return ""
	}
	return h["Upgrade"][0]
}

// prepare makes the caller's request the one that the function gets.
func (f *forwarding) prepare() {
	r := f.request
	r.Close, r.Trailer = false, nil
	r.URL = f.target(r.URL)
	if r.Host == "" { // HTTP/1.0 can do without
		r.Host = "function"
	}

	h := r.Header
	upgrade := upgradeOf(h)
	trailers := hasToken(h["Te"], "trailers")
	removeHopByHop(h, keptHeaders)
	if trailers {
		h["Te"] = []string{"trailers"}
	}
	switch _, inMemory := r.Body.(interface{ Len() int }); {
	case r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0:
		r.Body = nil
	case inMemory:
		delete(h, "Expect") // it has come already
	default:
		f.body = newCallersBody(r)
		r.Body = f.body
	}
	// With a body still on its way, two would read the caller's connection once
	// it is another protocol's. RFC 9110 §7.8 lets an upgrade be ignored.
	if upgrade != "" && r.Body == nil {
		h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{upgrade}
	}
}

// target is the URL that the function is asked for.
func (f *forwarding) target(in *url.URL) *url.URL {
	if in.RawPath == "" && in.Opaque == "" && f.Prefix == "" {
		return in
	}
	out := &url.URL{Path: in.Path, RawPath: escapeInvalid(in.RawPath), RawQuery: in.RawQuery, ForceQuery: in.ForceQuery}
	if f.Prefix != "" {
		escaped := f.Prefix + out.EscapedPath()
		if path, err := url.PathUnescape(escaped); err == nil {
			out.Path, out.RawPath = path, escaped
		}
	}
	return out
}

// escapeInvalid escapes what cannot stand in a path. With such a byte in it,
// package url would write the path anew, and an escaped slash as a slash.
func escapeInvalid(raw string) string {
	var b strings.Builder
	for i := range len(raw) {
		c := raw[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("%/-._~!$&'()*+,;=:@[]", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// informed passes on an answer before the answer (1xx).
func (f *forwarding) informed(status int, h http.Header) error {
	answer := f.writer.Header()
	before := maps.Clone(answer)
	addHeaders(answer, h)
	f.writer.WriteHeader(status)
	clear(answer)
	maps.Copy(answer, before)
	return nil
}

func addHeaders(to, from http.Header) {
	for name, values := range from {
		if before := to[name]; before != nil && name != "Cache-Control" { // of which the function knows better
			values = append(before[:len(before):len(before)], values...)
		}
		to[name] = values
	}
}

// answer passes the function's answer back.
func (f *forwarding) answer(res *http.Response) {
	removeHopByHop(res.Header, nil)
	h := f.writer.Header()
	if res.Header["Content-Type"] == nil {
		h["Content-Type"] = nil // or our server would guess one
	}
	addHeaders(h, res.Header)
	setDuration(h, f.start)
	announced := len(res.Trailer)
	for name := range res.Trailer {
		h.Add("Trailer", name)
	}
	f.body.overtaken(f.writer)
	f.writer.WriteHeader(res.StatusCode)
	if err := f.copy(res.Body); err != nil {
		panic(http.ErrAbortHandler) // the caller sees that the answer is not whole
	}
	if len(res.Trailer) == 0 {
		return
	}
	_ = f.control.Flush() // trailers come behind chunks only
	prefix := ""
	if len(res.Trailer) != announced {
		prefix = http.TrailerPrefix
	}
	for name, values := range res.Trailer {
		h[prefix+name] = values
	}
}

// copy passes the body of an answer on as it comes.
func (f *forwarding) copy(body io.Reader) error {
	if body == http.NoBody {
		return nil
	}
	buf := buffers.Get().(*[bufferSize]byte) //nolint:errcheck,forcetypeassert // there is nothing else in it
	defer buffers.Put(buf)
	for {
		// What there is goes out before more is waited for.
		if b, ok := body.(interface{ Buffered() bool }); !ok || !b.Buffered() {
			if err := f.control.Flush(); err != nil {
				return err
			}
		}
		n, err := body.Read(buf[:])
		if n > 0 {
			if _, err := f.writer.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF: //nolint:errorlint // what wraps it is no end
			return nil
		case err != nil:
			_ = f.control.Flush() // what has come is not lost
			return err
		}
	}
}

// failed answers a request that has got no answer from the function.
func (f *forwarding) failed(err error) {
	w, r := f.writer, f.request
	// Both before the body is given up, by which it breaks and the caller is
	// taken to have left.
	cause, broken := causeOf(r.Context()), f.body != nil && f.body.broken.Load()
	f.body.end(f.control)
	f.body.overtaken(w) // or our server would read what is left before it answers
	switch {
	case errors.Is(cause, ErrTimeout):
		f.Report.tell(r, "exec_timeout")
		f.Log.Warn("the function has not answered in time", "path", f.path, "seconds", time.Since(f.start).Seconds())
		reply.Write(w, http.StatusGatewayTimeout, 0)
	case errors.Is(err, errOpen):
		f.Report.tell(r, "open_upstream")
		reply.Write(w, http.StatusServiceUnavailable, time.Second)
	case errors.Is(cause, ErrDraining):
		f.Report.tell(r, "draining")
		reply.Write(w, http.StatusServiceUnavailable, time.Second)
	case cause != nil:
		f.Report.tell(r, "caller_left")
		// The caller has left, or the credential has expired: there is nobody
		// to answer.
		panic(http.ErrAbortHandler)
	case broken:
		f.Report.refuse(w, r, auth.BadBody)
	default:
		f.Report.tell(r, "unreachable")
		f.Log.Error("the function can't be reached", "path", f.path, "err", err)
		reply.Write(w, http.StatusBadGateway, 0)
	}
}

// upgrade joins the connections of caller and function, which speak another
// protocol now.
func (f *forwarding) upgrade(res *http.Response) {
	function, ok := res.Body.(io.ReadWriter)
	if asked := upgradeOf(f.request.Header); !ok || asked == "" || !strings.EqualFold(asked, upgradeOf(res.Header)) {
		_ = res.Body.Close() // or a body would be sent for as long as nobody reads it
		f.failed(errors.New("the function has switched to another protocol than it was asked to"))
		return
	}
	h := f.writer.Header()
	addHeaders(h, res.Header)
	setDuration(h, f.start)
	caller, buffered, err := f.control.Hijack()
	if err != nil {
		f.failed(fmt.Errorf("the caller's connection can't be taken over: %w", err))
		return
	}
	defer caller.Close()
	// Whichever side ends, and the request's context too, ends the other.
	defer context.AfterFunc(f.request.Context(), func() { _ = caller.Close() })()
	if writeSwitch(buffered, h) != nil {
		return
	}
	ended := make(chan error, 2)
	go func() { ended <- pour(function, buffered.Reader) }()
	go func() { ended <- pour(caller, function) }()
	for range 2 {
		if <-ended != nil {
			return
		}
	}
}

// framing says where a body ends, which an answer without one must not.
var framing = map[string]bool{"Content-Length": true, "Transfer-Encoding": true, "Trailer": true}

// writeSwitch writes the answer that switches to another protocol. It is a head
// alone, and http.Response.Write links 30 KB for bodies.
func writeSwitch(w *bufio.ReadWriter, h http.Header) error {
	_, _ = fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n", http.StatusSwitchingProtocols, http.StatusText(http.StatusSwitchingProtocols))
	_ = h.WriteSubset(w, framing)
	_, _ = w.WriteString("\r\n")
	return w.Flush() // and says what failed before
}

// pour copies until there is no more, and says so to whom it copies, if that
// can be told that nothing more will come but not that all is over.
func pour(to io.Writer, from io.Reader) error {
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return io.EOF
}
