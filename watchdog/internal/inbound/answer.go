package inbound

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	"auth-watchdog/watchdog/internal/http1"
)

// An answer is the [http.ResponseWriter] of an exchange. What it makes of what a
// handler does is what net/http makes of it, but for the order of headers.
type answer struct {
	exchange *exchange
	conn     *conn
	isHead   bool // the request's method is HEAD
	closes   bool // the connection ends with this answer
	header   http.Header

	status     int      // 0 before WriteHeader
	length     int64    // of the body in bytes, -1 if it is not known
	written    int64    // bytes of the body that the handler has written
	guesses    bool     // the handler has not said of what type the body is
	dated      bool     // it has said what the date is
	connection []string // what it has said of the connection
	framed     bool     // the head is complete
	chunked    bool
	trailers   []string // the headers that were announced as trailers
	late       bool     // there are trailers
	coded      bool     // the handler has said how the body is sent
	identity   bool     // the body ends with the connection

	buffers *writeBuffers
	out     []byte // what is to be sent
	pending []byte // what of the body is not in out yet, because its length or its chunk's is not known

	err      error // of the connection
	over     bool  // the handler has returned
	hijacked bool
}

const (
	// smallAnswer is the most bytes of a body whose handler does not say how many it
	// has that are sent with their length and not in chunks; net/http's.
	smallAnswer = 2048
	outBuffer   = 4096
)

type writeBuffers struct {
	out     [outBuffer]byte
	pending [smallAnswer]byte
}

var answerBuffers = sync.Pool{New: func() any { return new(writeBuffers) }}

func (a *answer) begin(x *exchange) {
	a.exchange, a.conn, a.length = x, x.caller.conn, -1
	a.isHead, a.closes = x.request.Method == http.MethodHead, x.request.Close
}

// Header implements [http.ResponseWriter].
func (a *answer) Header() http.Header {
	if a.header == nil {
		a.header = make(http.Header, 8)
	}
	return a.header
}

// hasBody reports whether an answer of this status may have a body.
func hasBody(status int) bool {
	return status >= http.StatusOK && status != http.StatusNoContent && status != http.StatusNotModified
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	switch {
	case a.hijacked:
		a.logf("http: WriteHeader on a connection that was taken over")
		return
	case a.status != 0 || a.over:
		a.logf("http: superfluous WriteHeader")
		return
	case status < 100 || status > 999:
		panic("invalid WriteHeader code " + strconv.Itoa(status))
	}
	if a.buffers == nil {
		a.buffers = answerBuffers.Get().(*writeBuffers) //nolint:errcheck,forcetypeassert // there is nothing else in it
		a.out, a.pending = a.buffers.out[:0], a.buffers.pending[:0]
	}
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		a.inform(status)
		return
	}
	a.status = status
	a.out = appendStatus(a.out, status)
	a.guesses = hasBody(status)
	for name, values := range a.header {
		switch name {
		case "Content-Length":
			a.announce(values)
			continue
		case "Connection":
			a.closes = a.closes || len(values) > 0 && values[0] == "close"
			a.connection = values
			continue
		case "Transfer-Encoding":
			a.coded = len(values) > 0 && values[0] != ""
			a.identity = a.coded && values[0] == "identity"
			continue
		case "Content-Type":
			a.guesses = false
			if status == http.StatusNotModified {
				continue
			}
		case "Content-Encoding":
			a.guesses = a.guesses && (len(values) == 0 || values[0] == "")
		case "Date":
			a.dated = true
		case "Trailer":
			a.promise(values)
		default:
			if strings.HasPrefix(name, http.TrailerPrefix) {
				a.late = true
				continue
			}
		}
		a.out = appendField(a.out, name, values)
	}
	if !hasBody(status) || a.length >= 0 && !a.guesses {
		a.frame(nil)
	}
}

func (a *answer) server() *Server { return a.exchange.caller.server }

func (a *answer) logf(text string) { a.server().logf("%s", text) }

// inform sends an answer before the answer (1xx).
func (a *answer) inform(status int) {
	a.out = appendStatus(a.out, status)
	for name, values := range a.header {
		if name != "Content-Length" && name != "Transfer-Encoding" {
			a.out = appendField(a.out, name, values)
		}
	}
	a.out = append(a.out, "\r\n"...)
	a.send(nil)
}

// announce notes the length that the handler says the body has.
func (a *answer) announce(values []string) {
	if len(values) == 0 || values[0] == "" {
		return
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || n < 0 {
		a.logf("http: invalid Content-Length")
		return
	}
	a.length = n
}

// promise notes which headers the handler sets behind the body.
func (a *answer) promise(values []string) {
	a.late = true
	for _, line := range values {
		for name := range strings.SplitSeq(line, ",") {
			name = textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name))
			if isTrailer(name) {
				a.trailers = append(a.trailers, name)
			}
		}
	}
}

// isTrailer reports whether a header may come behind a body (RFC 9110 §6.5.1).
func isTrailer(name string) bool {
	switch name {
	case "Authorization", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type",
		"Expect", "Host", "Keep-Alive", "Max-Forwards", "Pragma", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
		"Range", "Realm", "Te", "Trailer", "Transfer-Encoding", "Www-Authenticate":
		return false
	}
	return !strings.HasPrefix(name, "If-") && http1.IsToken(name)
}

// frame completes the head. first is the beginning of the body.
func (a *answer) frame(first []byte) {
	a.framed = true
	if a.guesses && !a.coded && len(first) > 0 {
		a.out = appendField(a.out, "Content-Type", []string{http.DetectContentType(first)})
	}
	if !a.dated {
		a.out = append(a.out, "Date: "...)
		a.out = append(a.out, a.server().date(time.Now())...)
		a.out = append(a.out, "\r\n"...)
	}
	switch {
	case !hasBody(a.status):
	case a.length >= 0:
		a.out = append(a.out, "Content-Length: "...)
		a.out = strconv.AppendInt(a.out, a.length, 10)
		a.out = append(a.out, "\r\n"...)
	case a.isHead:
	case a.identity:
		a.closes = true
	default:
		a.chunked = true
		a.out = append(a.out, "Transfer-Encoding: chunked\r\n"...)
	}
	a.closes = a.closes || a.server().ending.Load()
	switch {
	case a.status == http.StatusSwitchingProtocols:
		a.out = appendField(a.out, "Connection", a.connection)
	case a.closes:
		a.out = append(a.out, "Connection: close\r\n"...)
	default:
		a.out = appendField(a.out, "Connection", a.connection)
	}
	a.out = append(a.out, "\r\n"...)
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	switch {
	case a.hijacked:
		return 0, http.ErrHijacked
	case a.over:
		return 0, errOver
	case a.status == 0:
		a.WriteHeader(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !hasBody(a.status):
		return 0, http.ErrBodyNotAllowed
	}
	a.written += int64(len(p))
	if a.length >= 0 && a.written > a.length {
		return 0, http.ErrContentLength
	}
	n := len(p)
	if !a.framed && len(a.pending)+n > smallAnswer {
		first := p[:smallAnswer-len(a.pending)]
		a.pending, p = append(a.pending, first...), p[len(first):]
		a.frame(a.pending)
		a.pass()
	}
	switch {
	case !a.framed, a.chunked && len(a.pending)+len(p) <= smallAnswer:
		a.pending = append(a.pending, p...)
	case a.chunked:
		a.pass()
		a.addChunk(p)
	case !a.isHead:
		a.add(p)
	}
	return n, a.err
}

// errOver is for what a handler writes after it has returned.
var errOver = errors.New("the request has been answered")

// pass adds what is pending, as what it has turned out to be.
func (a *answer) pass() {
	switch {
	case a.chunked:
		a.addChunk(a.pending)
	case !a.isHead:
		a.add(a.pending)
	}
	a.pending = a.pending[:0]
}

// addChunk adds a chunk with this content.
func (a *answer) addChunk(p []byte) {
	if len(p) == 0 {
		return
	}
	a.out = strconv.AppendInt(a.out, int64(len(p)), 16)
	a.out = append(a.out, "\r\n"...)
	a.add(p)
	a.out = append(a.out, "\r\n"...)
}

// add adds bytes to what is sent, and sends what does not fit.
func (a *answer) add(p []byte) {
	if len(a.out)+len(p) <= outBuffer {
		a.out = append(a.out, p...)
		return
	}
	if n := outBuffer - len(a.out); n > 0 { // as much as there is room for goes out at once
		a.out = append(a.out, p[:n]...)
		p = p[n:]
	}
	a.send(nil)
	if len(p) < outBuffer {
		a.out = append(a.out, p...)
		return
	}
	a.send(p)
}

// send sends what is in out or, if that is not nil, p.
func (a *answer) send(p []byte) {
	if p == nil {
		p = a.out
		a.out = a.out[:0]
	}
	if a.err == nil && len(p) > 0 {
		_, a.err = a.conn.Write(p)
	}
}

// FlushError implements what [http.ResponseController] asks for.
func (a *answer) FlushError() error {
	switch {
	case a.hijacked:
		return http.ErrHijacked
	case a.over:
		return errOver
	case a.status == 0:
		a.WriteHeader(http.StatusOK)
	}
	if !a.framed {
		a.frame(a.pending)
	}
	a.pass()
	a.send(nil)
	return a.err
}

// Flush implements [http.Flusher].
func (a *answer) Flush() { _ = a.FlushError() }

// finish sends what is left when the handler has returned, and reports whether
// the connection can have another request.
func (a *answer) finish() (goesOn bool) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.over = true
	if !a.framed {
		if a.length < 0 && !a.late && !a.coded && (!a.isHead || len(a.pending) > 0) {
			a.length = int64(len(a.pending))
		}
		a.frame(a.pending)
	}
	a.pass()
	if a.chunked {
		a.out = append(a.out, "0\r\n"...)
		a.appendTrailers()
		a.out = append(a.out, "\r\n"...)
	}
	a.send(nil)
	a.drop()
	_ = a.conn.SetWriteDeadline(time.Time{})
	return a.err == nil && !a.closes && (a.length < 0 || a.isWhole())
}

// isWhole reports whether nothing is left to write of an answer whose head says
// where it ends.
func (a *answer) isWhole() bool { return a.isHead || !hasBody(a.status) || a.length == a.written }

// abort sends what there is of an answer that will not be whole, unless its
// caller would take it for whole.
func (a *answer) abort() {
	a.over = true
	if a.framed && !a.isWhole() {
		a.send(nil)
	}
	a.drop()
}

// drop gives the buffers back.
func (a *answer) drop() {
	if a.buffers != nil {
		answerBuffers.Put(a.buffers)
	}
	a.buffers, a.out, a.pending = nil, nil, nil
}

func (a *answer) appendTrailers() {
	for _, name := range a.trailers {
		a.out = appendField(a.out, name, a.header[name])
	}
	for name, values := range a.header {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			a.out = appendField(a.out, name, values)
		}
	}
}

// Hijack implements [http.Hijacker].
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if a.over {
		panic("inbound: Hijack called after ServeHTTP finished")
	}
	if a.hijacked {
		return nil, nil, http.ErrHijacked
	}
	if a.status != 0 {
		if err := a.FlushError(); err != nil {
			return nil, nil, err
		}
	}
	a.exchange.context.leaveCaller()
	a.hijacked = true
	a.drop()
	a.exchange.caller.take()
	a.server().forget(a.exchange.caller)
	_ = a.conn.SetDeadline(time.Time{})
	return a.conn, bufio.NewReadWriter(bufio.NewReader(a.conn), bufio.NewWriter(a.conn)), nil
}

// SetReadDeadline implements what [http.ResponseController] asks for. Bodies have
// come when their request is answered here.
func (a *answer) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is as SetReadDeadline, for the answer.
func (a *answer) SetWriteDeadline(t time.Time) error { return a.conn.SetWriteDeadline(t) }

// EnableFullDuplex is as SetReadDeadline.
func (a *answer) EnableFullDuplex() error { return nil }

func appendStatus(b []byte, status int) []byte {
	if status == http.StatusOK {
		return append(b, "HTTP/1.1 200 OK\r\n"...)
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	if text := http.StatusText(status); text != "" {
		b = append(b, text...)
	} else {
		b = append(b, "status code "...)
		b = strconv.AppendInt(b, int64(status), 10)
	}
	return append(b, "\r\n"...)
}

// appendField writes a header. A line's end in a value is written as a space, and
// what is no name not at all.
func appendField(b []byte, name string, values []string) []byte {
	if !http1.IsToken(name) {
		return b
	}
	for _, value := range values {
		if !http1.IsValue(value) {
			value = lineEnds.Replace(value)
		}
		b = append(b, name...)
		b = append(b, ": "...)
		b = append(b, textproto.TrimString(value)...)
		b = append(b, "\r\n"...)
	}
	return b
}

var lineEnds = strings.NewReplacer("\n", " ", "\r", " ")

// A date is a second, as the header Date has it.
type date struct {
	unix int64
	text string
}

// date is a time as the header Date has it. The last one is kept.
func (s *Server) date(t time.Time) string {
	if d := s.second.Load(); d != nil && d.unix == t.Unix() {
		return d.text
	}
	d := &date{t.Unix(), t.UTC().Format(http.TimeFormat)}
	s.second.Store(d)
	return d.text
}
