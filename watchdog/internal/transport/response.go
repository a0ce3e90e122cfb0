package transport

import (
	"bytes"
	"io"
	"net/http"
	"strings"

	"auth-watchdog/watchdog/internal/http1"
)

// parseHead reads the head of a plain answer into res: an HTTP/1.1 status from
// 200 on, headers that are written as they should be, and a body of known length
// or none. It returns the length of the head, 0 for every other answer: that is
// for [http.ReadResponse] to read, as which it reads its own.
func parseHead(res *http.Response, b []byte, method string) (size int) {
	const version = "HTTP/1.1 "
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < len(version)+3 || string(b[:len(version)]) != version {
		return 0
	}
	// One string for all: names and values are parts of it.
	head := string(b[:end+2])
	line, rest, _ := strings.Cut(head[len(version):], "\r\n")
	status, ok := parseStatus(line)
	if !ok || !http1.IsValue(line) {
		return 0
	}
	*res = http.Response{
		Status: line, StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: -1,
	}
	lines := strings.Count(rest, "\n")
	res.Header = make(http.Header, lines)
	values := make([]string, lines)
	for i := range lines {
		name, value, after, ok := http1.CutField(rest)
		if !ok {
			return 0
		}
		rest = after
		switch name {
		case "Content-Length":
			if res.ContentLength, ok = http1.ParseLength(value); !ok {
				return 0
			}
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return 0
			}
		case "Transfer-Encoding", "Trailer", "Pragma":
			return 0
		}
		values[i] = value
		if res.Header[name] = values[i : i+1 : i+1]; len(res.Header) == i {
			return 0 // a name that has come before
		}
	}
	switch {
	case (status == http.StatusNoContent || status == http.StatusNotModified) && method != http.MethodHead:
		res.ContentLength = 0
	case res.ContentLength < 0:
		return 0
	}
	return end + 4
}

// parseStatus reads "200 OK", and "200" without words.
func parseStatus(s string) (status int, ok bool) {
	if len(s) < 3 || len(s) > 3 && s[3] != ' ' {
		return 0, false
	}
	for i := range 3 {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		status = status*10 + int(s[i]-'0')
	}
	return status, status >= http.StatusOK
}

// hasBody reports whether an answer that parseHead has read has a body.
func hasBody(res *http.Response, method string) bool {
	return res.ContentLength > 0 && method != http.MethodHead
}

// A plainBody is a body of known length.
type plainBody struct {
	x    *exchange
	left int64
}

// Buffered reports whether Read has something to give at once.
func (b *plainBody) Buffered() bool { return b.left == 0 || b.x.conn.in.Buffered() > 0 }

func (b *plainBody) Read(p []byte) (int, error) {
	if b.x.ended {
		return 0, b.x.err
	}
	n := 0
	if b.left > 0 {
		var err error
		n, err = b.x.conn.in.Read(p[:min(int64(len(p)), b.left)])
		b.left -= int64(n)
		if err != nil && b.left > 0 {
			return n, b.x.broken(err)
		}
		if b.left > 0 || !b.x.hasUploaded() { // what has come does not wait for what is still sent
			return n, nil
		}
	}
	return n, b.x.finish(true)
}

func (b *plainBody) Close() error { return b.x.close() }

// A streamedBody is one that http.ReadResponse has found.
type streamedBody struct {
	x    *exchange
	body io.Reader
	last bool // nothing follows on the connection
}

func (b *streamedBody) Read(p []byte) (int, error) {
	if b.x.ended {
		return 0, b.x.err
	}
	n, err := b.body.Read(p)
	switch {
	case isEnd(err):
		if n > 0 && !b.x.hasUploaded() {
			return n, nil
		}
		err = b.x.finish(!b.last)
	case err != nil:
		err = b.x.broken(err)
	}
	return n, err
}

func (b *streamedBody) Close() error { return b.x.close() }
