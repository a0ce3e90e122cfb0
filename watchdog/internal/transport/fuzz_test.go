package transport

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// heads are answers to begin with.
var heads = []string{
	ok + "Content-Length: 5\r\n\r\nhello",
	ok + "Content-Length: 5\r\n\r\nhello" + ok,
	ok + "content-length:\t5 \r\nX: \r\nx: y\r\nConnection: Keep-Alive\r\n\r\nhello",
	"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
	"HTTP/1.1 304\r\n\r\n",
	"HTTP/1.1 200  \r\nContent-Length: 0\r\n\r\n",
	ok + "Content-Length: 5\r\n\nhello\r\n\r\n",
	ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
	ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-End: 1\r\n\r\n",
	ok + "Trailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-End: 1\r\n\r\nx",
	ok + "X: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
	ok + "X : a\r\nPragma: no-cache\r\nContent-Length: 5\r\n\r\nhello",
	ok + "Connection: close\r\n\r\nhello",
	"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello",
	"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello",
	"HTTP/1.1 099 Low\r\n\r\n",
	ok + "Content-Length: 10\r\n\r\nhello",
}

func addHeads(f *testing.F) {
	for _, head := range heads {
		f.Add([]byte(head), false)
		f.Add([]byte(head), true)
	}
}

func methodOf(head bool) string {
	if head {
		return http.MethodHead
	}
	return http.MethodGet
}

// FuzzParseHead wants that an answer which parseHead takes is what
// http.ReadResponse takes it for.
func FuzzParseHead(f *testing.F) {
	addHeads(f)
	f.Fuzz(func(t *testing.T, b []byte, head bool) {
		var got http.Response
		size := parseHead(&got, b, methodOf(head))
		if size == 0 {
			return
		}
		r := &http.Request{Method: methodOf(head)}
		in := bytes.NewReader(b)
		buffered := bufio.NewReaderSize(in, max(16, len(b)))
		want, err := http.ReadResponse(buffered, r)
		if err != nil {
			t.Fatalf("got %v, want it refused: %v", got, err)
		}
		if rest := buffered.Buffered() + in.Len(); rest != len(b)-size {
			t.Errorf("got a head of %d bytes, want %d", size, len(b)-rest)
		}
		if hasBody(&got, r.Method) != (want.Body != http.NoBody) {
			t.Errorf("got a body: %v, want the opposite", hasBody(&got, r.Method))
		}
		want.Body, want.Request = nil, nil
		if diff := cmp.Diff(want, &got); diff != "" {
			t.Errorf("http.ReadResponse (-) and ours (+) differ:\n%s", diff)
		}
	})
}

// reference reads all answers of a stream until the last as http.ReadResponse
// does.
func reference(b []byte, r *http.Request) (o outcome, rest int) {
	in := bufio.NewReaderSize(bytes.NewReader(b), readBuffer)
	for {
		res, err := http.ReadResponse(in, r)
		switch {
		case err != nil, res.StatusCode < http.StatusContinue:
			return outcome{Err: true}, 0
		case res.StatusCode == http.StatusSwitchingProtocols:
			res.Body = io.NopCloser(in)
		case res.StatusCode < http.StatusOK:
			continue
		}
		o = read(res)
		return o, in.Buffered()
	}
}

func read(res *http.Response) outcome {
	text, err := io.ReadAll(res.Body)
	return outcome{
		Status: res.StatusCode, Reason: res.Status, Proto: res.Proto, Header: res.Header, Length: res.ContentLength,
		Body: string(text), Broken: err != nil, Trailer: res.Trailer, Coding: res.TransferEncoding, Close: res.Close,
	}
}

// FuzzAnswer has a server that says anything, and ends.
func FuzzAnswer(f *testing.F) {
	addHeads(f)
	f.Fuzz(func(t *testing.T, b []byte, head bool) {
		if len(b) > readBuffer { // what lies beyond could not be seen yet
			return
		}
		ended := make(chan struct{})
		rt := New(Options{IdleTimeout: time.Hour, MaxIdle: 1, ContinueTimeout: time.Hour, MaxHead: maxHead, Dial: func(context.Context) (net.Conn, error) {
			ours, its := net.Pipe()
			go func() {
				defer close(ended)
				defer its.Close()
				if _, err := http.ReadRequest(bufio.NewReader(its)); err == nil {
					_, _ = its.Write(b)
				}
			}()
			return ours, nil
		}})
		r := ask(t.Context(), methodOf(head), nil, 0)
		want, rest := reference(b, r)
		got := outcome{Err: true}
		if res, err := rt.RoundTrip(r); err == nil {
			got = read(res)
			got.Reused = len(rt.idle) == 1
			res.Body.Close()
		}
		want.Reused = !want.Err && !want.Broken && !want.Close && want.Status != http.StatusSwitchingProtocols && rest == 0
		rt.CloseIdleConnections()
		<-ended
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("http.ReadResponse (-) and ours (+) differ:\n%s", diff)
		}
	})
}

// FuzzRequestHead wants that whoever reads a request finds it as it was made,
// and nothing behind it.
func FuzzRequestHead(f *testing.F) {
	f.Add("GET", "/", "", "", "shop.example", "X", "a", int64(0))
	f.Add("POST", "/a b", "/a%20b", "q=1", "shop.example:80", "Content-Length", "7", int64(5))
	f.Add("PUT", "/\r\n", "", "a\r\nX: y", "a\r\nX: y", "X\r\nY", "a\r\nZ: b", int64(-1))
	f.Add("CONNECT", "//x", "", "a b", "", "transfer-encoding", "chunked", int64(-1))
	f.Add("", "/\xff#?", "", "#", "[::1]:80", "Pragma", "no-cache", int64(0))
	f.Add("M-SEARCH", "/", "/%2f", "%", "\xff", "Cookie", " a ", int64(1<<40))
	f.Fuzz(func(t *testing.T, method, path, raw, query, host, name, value string, length int64) {
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		r := &http.Request{
			Method: method, URL: &url.URL{Path: path, RawPath: raw, RawQuery: query}, Host: host,
			Header: http.Header{name: {value, "second"}}, ContentLength: length,
		}
		if length != 0 {
			r.Body = io.NopCloser(strings.NewReader(""))
		}
		text, err := appendHead(nil, r)
		if err != nil {
			return
		}
		in := bufio.NewReaderSize(bytes.NewReader(text), max(16, len(text)))
		got, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("wrote %q, which can't be read: %v", text, err)
		}
		if in.Buffered() > 0 {
			t.Errorf("wrote %q, with something behind the request", text)
		}
		if method == "" {
			method = http.MethodGet
		}
		header := http.Header{}
		switch canonical := textproto.CanonicalMIMEHeaderKey(name); canonical {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		default:
			header[canonical] = []string{textproto.TrimString(value), "second"}
			if canonical == "Pragma" && header[canonical][0] == "no-cache" { // as package http reads it
				header["Cache-Control"] = []string{"no-cache"}
			}
		}
		switch {
		case length < 0:
			length = -1
		case length > 0 || method == "POST" || method == "PUT" || method == "PATCH":
			if got := got.Header["Content-Length"]; len(got) != 1 {
				t.Errorf("got %d lengths, want one", len(got))
			}
		}
		delete(got.Header, "Content-Length")
		type fields struct {
			Method, Target, Host string
			Header               http.Header
			Length               int64
		}
		if diff := cmp.Diff(
			fields{method, r.URL.RequestURI(), host, header, length},
			fields{got.Method, got.RequestURI, got.Host, got.Header, got.ContentLength},
		); diff != "" {
			t.Errorf("wrote %q (-want +got):\n%s", text, diff)
		}
	})
}
