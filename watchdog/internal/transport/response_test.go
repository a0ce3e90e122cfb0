package transport

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

func method(m string) func(context.Context) *http.Request {
	return func(ctx context.Context) *http.Request { return ask(ctx, m, nil, 0) }
}

// finished is a server that answers and closes.
func finished(text string) func(*peer) {
	return func(p *peer) {
		if p.request() != nil {
			p.say(text)
		}
	}
}

const ok = "HTTP/1.1 200 OK\r\n"

// TestAnswer has a server that says exactly this.
func TestAnswer(t *testing.T) {
	long := strings.Repeat("a", 100_000)
	runAll(t, []conformance{
		{name: "length", text: ok + "Content-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "length 0", text: ok + "Content-Length: 0\r\n\r\n", want: `200 0 "" reused`},
		{name: "large", text: ok + "Content-Length: 100000\r\n\r\n" + long, want: `200 100000 100000 bytes reused`},
		{name: "length with zeros", text: ok + "Content-Length: 0000000000000000000000005\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "many headers", text: ok + "Content-Length: 5\r\nA: 1\r\nB: 2\r\na: 3\r\nSet-Cookie: a\r\nSET-COOKIE: b\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "head larger than the buffer", text: ok + "X: " + strings.Repeat("x", 10_000) + "\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "head as large as the buffer", text: ok + "X: " + strings.Repeat("x", readBuffer-len(ok)-len("X: \r\nContent-Length: 5\r\n\r\n")) + "\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "keep-alive said", text: ok + "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "empty value", text: ok + "X:\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "bytes above ASCII", text: ok + "X: \xe4\xff\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},

		{name: "to HEAD", request: method("HEAD"), text: ok + "Content-Length: 5\r\n\r\n", want: `200 5 "" reused`},
		{name: "to HEAD without length", request: method("HEAD"), text: ok + "\r\n", want: `200 -1 "" reused`},
		{name: "to HEAD chunked", request: method("HEAD"), text: ok + "Transfer-Encoding: chunked\r\n\r\n", want: `200 -1 "" reused`},
		{name: "204", text: "HTTP/1.1 204 No Content\r\n\r\n", want: `204 0 "" reused`},
		{name: "204 with a length", text: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", want: `204 0 "" reused`},
		{name: "304", text: "HTTP/1.1 304 Not Modified\r\nEtag: \"1\"\r\n\r\n", want: `304 0 "" reused`},
		{name: "304 with a length", text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", want: `304 0 "" reused`},
		{name: "204 to HEAD", request: method("HEAD"), text: "HTTP/1.1 204 No Content\r\n\r\n", want: `204 -1 "" reused`},
		{name: "304 to HEAD with a length", request: method("HEAD"), text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", want: `304 5 "" reused`},
		{name: "205 with a body", text: "HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nhi", want: `205 2 "hi" reused`},

		{name: "chunked", text: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", want: `200 -1 "hello" reused`},
		{name: "chunked with extensions", text: ok + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n", want: `200 -1 "hello" reused`},
		{name: "chunked and empty", text: ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: `200 -1 "" reused`},
		{name: "trailers announced", text: ok + "Transfer-Encoding: chunked\r\nTrailer: X-End, X-Not\r\n\r\n5\r\nhello\r\n0\r\nX-End: 1\r\n\r\n", want: `200 -1 "hello" map[X-End:[1] X-Not:[]] reused`},
		{name: "trailers not announced", text: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-End: 1\r\nX-End: 2\r\n\r\n", want: `200 -1 "hello" map[X-End:[1 2]] reused`},
		{name: "trailer of framing announced", text: ok + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\nContent-Length: 7\r\n\r\n", want: "error"},
		{name: "trailers announced without chunks", text: ok + "Content-Length: 5\r\nTrailer: X-End\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "chunked in capitals", text: ok + "Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n", want: `200 -1 "hello" reused`},
		{name: "chunked twice", text: ok + "Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", want: "error"},
		{name: "chunked in two lines", text: ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", want: "error"},
		{name: "another coding", text: ok + "Transfer-Encoding: gzip\r\n\r\nhello", want: "error"},
		{name: "length and chunked", text: ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", want: `200 -1 "hello" reused`},
		{name: "length twice, the same", text: ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "length twice in a line", text: ok + "Content-Length: 5, 5\r\n\r\nhello", want: "error"},
		{name: "length twice, not the same", text: ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", want: "error"},
		{name: "length of text", text: ok + "Content-Length: five\r\n\r\nhello", want: "error"},
		{name: "length with a sign", text: ok + "Content-Length: +5\r\n\r\nhello", want: "error"},
		{name: "length below 0", text: ok + "Content-Length: -1\r\n\r\nhello", want: "error"},
		{name: "length empty", text: ok + "Content-Length:\r\n\r\nhello", want: "error"},
		{name: "length beyond all", text: ok + "Content-Length: 99999999999999999999\r\n\r\nhello", want: "error"},
		{name: "length cut", script: finished(ok + "Content-Length: 10\r\n\r\nhello"), want: `200 10 "hello" broken`},
		{name: "chunks cut", script: finished(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), want: `200 -1 "hello" broken`},
		{name: "chunks cut before the last line", script: finished(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"), want: `200 -1 "hello" broken`},
		{name: "malformed chunk", text: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nfive\r\nhello\r\n0\r\n\r\n", want: `200 -1 "hello" broken`},
		{name: "chunk longer than it says", text: ok + "Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", want: `200 -1 "hell" broken`},

		{name: "until the connection ends", script: finished(ok + "\r\nhello"), want: `200 -1 "hello"`},
		{name: "empty until the connection ends", script: finished(ok + "\r\n"), want: `200 -1 ""`},
		{name: "said to end with the connection", script: finished(ok + "Connection: close\r\n\r\nhello"), want: `200 -1 "hello"`},
		{name: "length and close", script: finished(ok + "Connection: close\r\nContent-Length: 5\r\n\r\nhello"), want: `200 5 "hello"`},
		{name: "length and close, and open", text: ok + "Connection: close\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello"`},
		{name: "close among others", text: ok + "Connection: x, Close\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello"`},
		{name: "another word in Connection", text: ok + "Connection: x\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "chunked and close", text: ok + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", want: `200 -1 "hello"`},
		{name: "204 and close", text: "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", want: `204 0 ""`},
		{name: "HTTP/1.0", script: finished("HTTP/1.0 200 OK\r\n\r\nhello"), want: `200 -1 "hello"`},
		{name: "HTTP/1.0 with a length", text: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello"`},
		{name: "HTTP/1.0 keep-alive", text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "HTTP/1.0 chunked", script: finished("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), want: `200 -1 "5\r\nhello\r\n0\r\n\r\n"`},
		{name: "HTTP/1.2", text: "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "HTTP/2.0", text: "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},

		{name: "no reason", text: "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "empty reason", text: "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "reason of its own", text: "HTTP/1.1 200 Fine with \xe4\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "two spaces before the status", text: "HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "two spaces behind the status", text: "HTTP/1.1 200  OK\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "status of two digits", text: "HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello", want: "error"},
		{name: "status of four digits", text: "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello", want: "error"},
		{name: "status of text", text: "HTTP/1.1 two OK\r\nContent-Length: 5\r\n\r\nhello", want: "error"},
		{name: "status 999", text: "HTTP/1.1 999 OK\r\nContent-Length: 5\r\n\r\nhello", want: `999 5 "hello" reused`},
		{name: "status 600", text: "HTTP/1.1 600\r\nContent-Length: 5\r\n\r\nhello", want: `600 5 "hello" reused`},
		{
			name: "status below 100", text: "HTTP/1.1 099 Low\r\nContent-Length: 5\r\n\r\nhello", want: "error",
			theirs: `99 5 "hello"`, why: "a server would not pass such a status on, but panic",
		},
		{name: "no status", text: "HTTP/1.1\r\n\r\n", want: "error"},
		{name: "no HTTP", text: "hello\r\n\r\n", want: "error"},
		{name: "another protocol", text: "SIP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", want: "error"},
		{name: "nothing", script: finished(""), want: "error"},
		{name: "an empty line before", text: "\r\n" + ok + "Content-Length: 5\r\n\r\nhello", want: "error"},
		{name: "amid the head", script: finished(ok + "Content-Length: 5\r\n"), want: "error"},
		{name: "amid the status", script: finished("HTTP/1."), want: "error"},
		{name: "folded", text: ok + "X: a\r\n  b\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "folded first line", text: ok + " X: a\r\nContent-Length: 5\r\n\r\nhello", want: "error"},
		{name: "bare line feeds", text: "HTTP/1.1 200 OK\nX: 1\nContent-Length: 5\n\nhello", want: `200 5 "hello" reused`},
		{name: "some bare line feeds", text: ok + "X: 1\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "bare line feed ends the head", text: ok + "Content-Length: 9\r\n\nhello\r\n\r\n", want: `200 9 "hello\r\n\r\n" reused`},
		{name: "bare carriage return", text: ok + "X: a\rb\r\nContent-Length: 5\r\n\r\nhello", want: "error"},
		{name: "bare carriage return in the reason", text: "HTTP/1.1 200 O\rK\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "space before the colon", text: ok + "X : a\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "spaces around the value", text: ok + "X: \t a b \t \r\nContent-Length:5  \r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "no colon", text: ok + "hello\r\nContent-Length: 5\r\n\r\nhello", want: "error"},
		{name: "no name", text: ok + ": a\r\nContent-Length: 5\r\n\r\nhello", want: "error"},
		{name: "name with a space", text: ok + "X Y: a\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "name above ASCII", text: ok + "X\xe4: a\r\nContent-Length: 5\r\n\r\nhello", want: "error"},
		{name: "zero byte", text: ok + "X: a\x00b\r\nContent-Length: 5\r\n\r\nhello", want: "error"},
		{name: "Pragma", text: ok + "Pragma: no-cache\r\nContent-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "head too large", script: finished(ok + "X: " + strings.Repeat("x", maxHead) + "\r\nContent-Length: 5\r\n\r\nhello"), want: "error"},
		{name: "many lines too large", script: finished(ok + strings.Repeat("X: y\r\n", maxHead/6+1) + "Content-Length: 5\r\n\r\nhello"), want: "error"},
		{name: "large head, and a body beyond", text: ok + "X: " + strings.Repeat("x", maxHead-10_000) + "\r\nContent-Length: 100000\r\n\r\n" + long, want: `200 100000 100000 bytes reused`},

		{name: "100 unasked", text: "HTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "103s", text: strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 3) + ok + "Content-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "102 with a length", text: "HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", want: `200 5 "hello" reused`},
		{name: "too many", script: finished(strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("x", 1000)+"\r\n\r\n", 1100) + ok + "Content-Length: 5\r\n\r\nhello"), want: "error"},
		{name: "103 and nothing", script: finished("HTTP/1.1 103 Early Hints\r\n\r\n"), want: "error"},
		{
			name: "101 to no protocol", script: finished("HTTP/1.1 101 Switching Protocols\r\n\r\nhello"), want: `101 0 "hello"`,
			theirs: `101 0 ""`, why: "what a 101 means is for the caller, who finds no protocol in it",
		},
		{name: "101 unasked", script: finished("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello"), want: `101 0 "hello"`},

		{
			name: "surplus with the answer", text: ok + "Content-Length: 5\r\n\r\nhello" + ok + "Content-Length: 5\r\n\r\nother", want: `200 5 "hello"`,
			theirs: "any", why: "net/http notices it in another goroutine, which may be too late",
		},
		{
			name: "surplus behind chunks", text: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nother", want: `200 -1 "hello"`,
			theirs: "any", why: "net/http notices it in another goroutine, which may be too late",
		},
		{
			name: "surplus behind no body", text: "HTTP/1.1 204 No Content\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nother", want: `204 0 ""`,
			theirs: "any", why: "net/http notices it in another goroutine, which may be too late",
		},
		{
			name: "a body behind the answer to HEAD", request: method("HEAD"), text: ok + "Content-Length: 5\r\n\r\nhello", want: `200 5 ""`,
			theirs: "any", why: "net/http notices it in another goroutine, which may be too late",
		},
	})
}

// TestHandler has net/http's server answer.
func TestHandler(t *testing.T) {
	answer := func(h http.HandlerFunc) func(*notes) http.HandlerFunc {
		return func(*notes) http.HandlerFunc { return h }
	}
	runAll(t, []conformance{
		{name: "nothing", handler: answer(func(http.ResponseWriter, *http.Request) {}), want: `200 0 "" reused`},
		{name: "text", handler: answer(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }), want: `200 5 "hello" reused`},
		{name: "to HEAD", request: method("HEAD"), handler: answer(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }), want: `200 5 "" reused`},
		{name: "large", handler: answer(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("a", 1<<20)) }), want: `200 -1 1048576 bytes reused`},
		{name: "pieces", handler: answer(func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				io.WriteString(w, "hello ")
				http.NewResponseController(w).Flush()
			}
		}), want: `200 -1 "hello hello hello " reused`},
		{name: "trailers", handler: answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-End")
			io.WriteString(w, "hello")
			w.Header().Set("X-End", "1")
			w.Header().Set(http.TrailerPrefix+"X-More", "2")
		}), want: `200 -1 "hello" map[X-End:[1] X-More:[2]] reused`},
		{name: "hints", handler: answer(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			io.WriteString(w, "hello")
		}), want: `200 5 "hello" reused`},
		{name: "panics", handler: answer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), want: "error"},
		{name: "panics amid the body", handler: answer(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "hello")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}), want: `200 -1 "hello" broken`},
		{name: "closes", handler: answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			io.WriteString(w, "hello")
		}), want: `200 5 "hello"`},
	})
}
