package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	fine  = ok + "Content-Length: 2\r\n\r\nok"
	isOK  = `200 2 "ok" reused`
	large = 4 << 20 // bytes, more than sockets hold
)

// sends makes requests with a body.
func sends(method string, b func() io.ReadCloser, length int64, header ...string) func(context.Context) *http.Request {
	return func(ctx context.Context) *http.Request { return ask(ctx, method, b(), length, header...) }
}

func inMem(text string) func() io.ReadCloser {
	return func() io.ReadCloser { return memory(text) }
}

func streamed(text string) func() io.ReadCloser {
	return func() io.ReadCloser { return stream(text) }
}

// failing is a body that breaks behind text.
func failing(text string, err error) func() io.ReadCloser {
	return func() io.ReadCloser {
		return newBody(io.MultiReader(strings.NewReader(text), iotest.ErrReader(err)))
	}
}

func noBody() io.ReadCloser { return http.NoBody }

// TestRequest wants that the server sees the same.
func TestRequest(t *testing.T) {
	cases := []conformance{
		{name: "known length", request: sends("POST", streamed("hello"), 5)},
		{name: "unknown length", request: sends("POST", streamed("hello"), -1)},
		{name: "length 0 and a body", request: sends("POST", streamed("hello"), 0)},
		{name: "empty of unknown length", request: sends("POST", streamed(""), -1)},
		{name: "small in memory", request: sends("POST", inMem("hello"), 5)},
		{name: "large in memory", request: sends("POST", inMem(strings.Repeat("a", large)), large)},
		{name: "as large as goes with the head", request: sends("POST", inMem(strings.Repeat("a", smallBody)), smallBody)},
		{name: "larger than goes with the head", request: sends("POST", inMem(strings.Repeat("a", smallBody+1)), smallBody+1)},
		{name: "large of known length", request: sends("PUT", streamed(strings.Repeat("a", large)), large)},
		{name: "large of unknown length", request: sends("PUT", streamed(strings.Repeat("a", large)), -1)},
		{name: "in memory of unknown length", request: sends("PUT", inMem("hello"), -1)},
		{name: "byte by byte", request: sends("PUT", func() io.ReadCloser { return newBody(iotest.OneByteReader(strings.NewReader("hello"))) }, -1)},
		{name: "end with the last byte", request: sends("PUT", func() io.ReadCloser { return newBody(iotest.DataErrReader(strings.NewReader("hello"))) }, 5)},
		{name: "end with the last chunk", request: sends("PUT", func() io.ReadCloser { return newBody(iotest.DataErrReader(strings.NewReader("hello"))) }, -1)},
		{name: "a GET with a body", request: sends("GET", streamed("hello"), 5)},
		{name: "a GET with a body of unknown length", request: sends("GET", streamed("hello"), -1)},
		{
			name: "a GET with an empty body of unknown length", request: sends("GET", streamed(""), -1),
			theirs: isOK, why: "net/http looks whether there is a body before it says so; here none is waited for",
		},
		{name: "headers", request: func(ctx context.Context) *http.Request {
			return ask(ctx, "GET", nil, 0, "A", "1", "A", "2", "B", "", "C", "  spaces \t", "D", "\xe4\xff", "Cookie", "a=1; b=2", "X_y", "1")
		}},
		{name: "a header of its own spelling", request: func(ctx context.Context) *http.Request { return ask(ctx, "GET", nil, 0, "x-odd", "1") }},
		{name: "framing in headers", request: func(ctx context.Context) *http.Request {
			return ask(ctx, "POST", stream("hello"), 5, "Content-Length", "7", "Transfer-Encoding", "chunked", "Host", "other", "Trailer", "X")
		}},
		{name: "a host", request: func(ctx context.Context) *http.Request {
			r := ask(ctx, "GET", nil, 0)
			r.Host = "shop.example:8080"
			return r
		}},
		{name: "close", request: func(ctx context.Context) *http.Request {
			r := ask(ctx, "GET", nil, 0)
			r.Close = true
			return r
		}, want: `200 2 "ok"`},
		{name: "a target", request: func(ctx context.Context) *http.Request {
			r := ask(ctx, "GET", nil, 0)
			r.URL.Path, r.URL.RawPath, r.URL.RawQuery = "/a/b c", "/a%2Fb%20c", "x=%zz;&y="
			return r
		}},
		{name: "no path", request: func(ctx context.Context) *http.Request {
			r := ask(ctx, "GET", nil, 0)
			r.URL.Path, r.URL.RawQuery = "", ""
			return r
		}},
		{name: "OPTIONS of the server", request: func(ctx context.Context) *http.Request {
			r := ask(ctx, "OPTIONS", nil, 0)
			r.URL.Path, r.URL.RawQuery = "*", ""
			return r
		}},
		{name: "CONNECT to an authority", request: func(ctx context.Context) *http.Request {
			r := ask(ctx, "CONNECT", nil, 0)
			r.URL.Path, r.URL.RawQuery, r.Host = "", "", "shop.example:443"
			return r
		}},
		{
			name: "trailers", request: func(ctx context.Context) *http.Request {
				r := ask(ctx, "POST", stream("hello"), -1)
				r.Trailer = http.Header{"X-End": {"1"}}
				return r
			},
			theirs: isOK, why: "nobody here has trailers of a request",
		},
	}
	for _, m := range []string{"", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH"} {
		c := conformance{name: "no body/" + m, request: sends(m, func() io.ReadCloser { return nil }, 0)}
		n := conformance{name: "NoBody/" + m, request: sends(m, noBody, 0)}
		if m == "HEAD" {
			c.want, n.want = `200 2 "" reused`, `200 2 "" reused`
			c.text, n.text = ok+"Content-Length: 2\r\n\r\n", ok+"Content-Length: 2\r\n\r\n"
		}
		cases = append(cases, c, n)
	}
	for i := range cases {
		if cases[i].want == "" {
			cases[i].want = isOK
		}
		if cases[i].text == "" {
			cases[i].text = fine
		}
	}
	runAll(t, cases)
}

// TestBodyBreaks wants that no server takes for whole what is not.
func TestBodyBreaks(t *testing.T) {
	deaf := func(p *peer) {
		p.request()
		_, _ = io.Copy(io.Discard, p.in) // until the connection ends
	}
	broken := errors.New("broken")
	var cases []conformance
	for _, c := range []struct {
		name   string
		body   func() io.ReadCloser
		length int64
	}{
		{"at once", failing("", broken), 10},
		{"at once, chunked", failing("", broken), -1},
		{"amid", failing("hello", broken), 10},
		{"amid, chunked", failing("hello", broken), -1},
		{"late", failing(strings.Repeat("a", large), broken), large + 1},
		{"late, chunked", failing(strings.Repeat("a", large), broken), -1},
		{"with what was read of something else", failing("hello", fmt.Errorf("reading the head: %w", io.EOF)), 10},
		{"with what was read of something else, chunked", failing("hello", fmt.Errorf("reading the head: %w", io.EOF)), -1},
		{"cut", failing("hello", io.ErrUnexpectedEOF), -1},
		{"shorter than announced", streamed("hello"), 10},
		{"longer than announced", streamed("hello world"), 5},
		{"in memory, shorter than announced", inMem("hello"), 10},
		{"in memory, longer than announced", inMem("hello world"), 5},
	} {
		cases = append(cases, conformance{name: c.name, request: sends("POST", c.body, c.length), script: deaf, want: "error"})
	}
	runAll(t, cases)
}

// TestBodyBreaksWhy: whoever asks is told of the body, not of the connection
// that was closed for it.
func TestBodyBreaksWhy(t *testing.T) {
	for range 50 {
		broken := errors.New("broken")
		srv := scripted(t, func(p *peer) { _, _ = io.Copy(io.Discard, p) })
		s := newSide(true, time.Hour, srv.dial)
		if _, err := s.RoundTrip(ask(t.Context(), "POST", failing("hello", broken)(), -1)); !errors.Is(err, broken) { //nolint:bodyclose // there is none
			t.Fatalf("got %v, want %v", err, broken)
		}
		s.end()
	}
}

func TestContinue(t *testing.T) {
	expecting := sends("POST", streamed("hello"), 5, "Expect", "100-continue")
	told := func(first string) func(*peer) {
		return func(p *peer) {
			if r := p.head(); r != nil {
				p.say(first)
				p.notes.add(describe(r))
				p.say(fine)
				p.again()
			}
		}
	}
	instead := func(answer string) func(*peer) {
		return func(p *peer) {
			if r := p.head(); r != nil {
				p.say(answer)
				p.notes.add(describe(r))
				p.again()
			}
		}
	}
	runAll(t, []conformance{
		{name: "told to go on", request: expecting, script: told("HTTP/1.1 100 Continue\r\n\r\n"), want: isOK},
		{name: "told twice", request: expecting, script: told(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 2)), want: isOK},
		{name: "hints before", request: expecting, script: told("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"), want: isOK},
		{name: "of unknown length", request: sends("POST", streamed("hello"), -1, "Expect", "100-Continue"), script: told("HTTP/1.1 100 Continue\r\n\r\n"), want: isOK},
		{name: "in memory", request: sends("POST", inMem("hello"), 5, "Expect", "100-continue"), script: told("HTTP/1.1 100 Continue\r\n\r\n"), want: isOK},
		{name: "told nothing", request: expecting, text: fine, patience: time.Millisecond, want: isOK},
		{name: "another expectation", request: sends("POST", streamed("hello"), 5, "Expect", "200-ok"), text: fine, want: isOK},
		{name: "nothing to send", request: sends("POST", noBody, 0, "Expect", "100-continue"), text: fine, want: isOK},
		{
			name: "refused", request: expecting, script: instead("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"), want: `417 0 ""`,
			theirs: `417 0 "" reused`, why: "net/http sends the body after all, to keep the connection; here nobody reads it for that",
		},
		{
			name: "refused with a body", request: expecting, script: instead("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 5\r\n\r\nhello"), want: `417 5 "hello"`,
			theirs: "any", why: "as above, if it has sent the body when the answer ends",
		},
		{name: "refused for good", request: expecting, script: instead("HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), want: `417 0 ""`},
		{name: "gone", request: expecting, script: func(p *peer) { p.head() }, want: "error"},
	})
}

// TestEarlyAnswer has servers that answer before they have read the request.
func TestEarlyAnswer(t *testing.T) {
	runAll(t, []conformance{
		{
			name: "and close amid the body", request: sends("POST", streamed(strings.Repeat("a", large)), large),
			script: func(p *peer) {
				p.head()
				p.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nhello")
			},
			want: `413 5 "hello"`, theirs: "any", why: "net/http may see first that it can't send",
		},
		{
			name: "and close amid the chunks", request: sends("POST", streamed(strings.Repeat("a", large)), -1),
			script: func(p *peer) {
				p.head()
				p.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nhello")
			},
			want: `413 5 "hello"`, theirs: "any", why: "net/http may see first that it can't send",
		},
		{
			name: "and close amid the head",
			request: func(ctx context.Context) *http.Request {
				return ask(ctx, "GET", nil, 0, "X", strings.Repeat("x", large))
			},
			script: func(p *peer) {
				_, _ = p.in.Peek(1)
				p.say("HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 5\r\n\r\nhello")
			},
			want: `431 5 "hello"`, theirs: "any", why: "net/http may see first that it can't send",
		},
	})
}

// TestAnswerEndsBeforeBody has a body that goes on when the answer has ended.
func TestAnswerEndsBeforeBody(t *testing.T) {
	for name, length := range map[string]int64{"known": 5, "unknown": -1} {
		for kind, text := range map[string]string{
			"length": fine, "none": "HTTP/1.1 204 No Content\r\n\r\n", "chunks": ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				srv := scripted(t, func(p *peer) {
					p.head()
					p.say(text)
					_, _ = io.Copy(io.Discard, p.in)
				})
				s := newSide(true, time.Hour, srv.dial)
				reader, writer := io.Pipe()
				r := ask(t.Context(), "POST", newBody(reader), length)
				res, err := s.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(res.Body); (string(got) != "ok") != (kind == "none") || err != nil {
					t.Errorf("got %q and %v, want the whole answer", got, err)
				}
				res.Body.Close()
				for s.open.Load() > 0 { // what is not sent to its end is not used again
					runtime.Gosched()
				}
				writer.Close()
				awaitBody(r)
				noGoroutines()
			})
		}
	}
}

// TestRefused wants that nothing is sent of what would be another request.
func TestRefused(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = []string{value} }
	}
	for name, change := range map[string]func(*http.Request){
		"value with a line's end":  header("X", "a\r\nB: c"),
		"value with a line feed":   header("X", "a\nB: c"),
		"value with a return":      header("X", "a\rb"),
		"value with a zero byte":   header("X", "a\x00b"),
		"name with a space":        header("X Y", "a"),
		"name with a colon":        header("X:", "a"),
		"name with a line's end":   header("X\r\nY", "a"),
		"empty name":               header("", "a"),
		"name above ASCII":         header("\xe4", "a"),
		"length in other letters":  header("content-length", "7"),
		"coding in other letters":  header("transfer-ENCODING", "chunked"),
		"host in other letters":    header("host", "other"),
		"trailer in other letters": header("TRAILER", "X"),
		"method with a space":      func(r *http.Request) { r.Method = "GET /" },
		"method with a line's end": func(r *http.Request) { r.Method = "GET\r\n" },
		"target with a space":      func(r *http.Request) { r.URL.RawQuery = "a b" },
		"target with a line's end": func(r *http.Request) { r.URL.RawQuery = "a\r\nX: y" },
		"opaque target":            func(r *http.Request) { r.URL.Opaque = "/a b" },
		"host with a line's end":   func(r *http.Request) { r.Host = "a\r\nX: y" },
		"host with a space":        func(r *http.Request) { r.Host = "a b" },
		"no host":                  func(r *http.Request) { r.Host, r.URL.Host = "", "" },
	} {
		t.Run(name, func(t *testing.T) {
			srv := scripted(t, (*peer).again)
			s := newSide(true, time.Hour, srv.dial)
			r := ask(t.Context(), "POST", stream("hello"), 5)
			change(r)
			if res, err := s.RoundTrip(r); err == nil {
				res.Body.Close()
				t.Error("got an answer, want an error")
			}
			if s.dials.Load() > 0 {
				t.Error("it has dialed, want it refused before")
			}
			awaitBody(r)
		})
	}
}

func TestInformed(t *testing.T) {
	type told struct {
		Status int
		Header textproto.MIMEHeader
	}
	want := []told{{103, textproto.MIMEHeader{"Link": {"</a>"}}}, {102, textproto.MIMEHeader{}}}
	answers := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
	for _, ours := range []bool{true, false} {
		for name, fails := range map[string]error{"heard": nil, "refused": errors.New("enough")} {
			t.Run(fmt.Sprint(ours, name), func(t *testing.T) {
				srv := scripted(t, func(p *peer) {
					p.request()
					p.say(answers + fine)
					p.again()
				})
				s := newSide(ours, time.Hour, srv.dial)
				var got []told
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
					got = append(got, told{status, h})
					return fails
				}})
				o := s.exchange(t, srv, ask(ctx, "GET", nil, 0))
				if fails != nil {
					want := want[:1]
					if diff := cmp.Diff(want, got); diff != "" || !o.Err {
						t.Errorf("got %v, want an error after the first (-want +got):\n%s", o, diff)
					}
					return
				}
				if diff := cmp.Diff(want, got); diff != "" || o.String() != isOK {
					t.Errorf("got %v (-want +got):\n%s", o, diff)
				}
			})
		}
	}
}
