package inbound

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ordinary are requests that are answered here.
var ordinary = []string{
	"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
	"GET /a/b;c=d,e:f@g&h+$~_-.?q=%zz&r=a?b HTTP/1.1\r\nHost: [::1]:8080\r\nAccept: */*\r\naccept: text/html\r\nX-Empty:\r\nX-Pad: \t a b \t\r\n\r\n",
	"GET /%41%2f!*()'?x HTTP/1.1\r\nHost: shop.example:80\r\nConnection: keep-alive\r\n\r\n",
	"GET //two//slashes/../up HTTP/1.1\r\nhost: SHOP.example\r\nConnection: close\r\n\r\n",
	"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
	"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello!", // and a byte too many
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\rxGE",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\n\r\n",
	"purge / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /\xc3\xa4#frag?\xff HTTP/1.1\r\nHost: a\r\nX: \xe4\xff\r\n\r\n",
	"DELETE /x HTTP/1.1\r\nHost: a\r\nTe: trailers\r\nX-Forwarded-For: 1\r\nX-Forwarded-For: 2\r\n\r\n",
}

// unusual are others.
var unusual = []string{
	"",
	"\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n",
	"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
	"GET / HTTP/1.1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n\n",
	"GET / HTTP/1.1\r\nHost: a\n\r\n\r\n",
	"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / x HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
	"CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n",
	"G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nNoColon\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nshort",
	"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 5\r\n\r\nhello",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Auth-Subject\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\n\r\n",
	"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", readBuffer) + "\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 20_000),
}

// FuzzParseHead wants that a head which is taken for ordinary is what
// http.ReadRequest takes it for.
func FuzzParseHead(f *testing.F) {
	for _, text := range slices.Concat(ordinary, unusual) {
		head, _, _ := strings.Cut(text, "\r\n\r\n")
		f.Add(head + "\r\n")
	}
	f.Fuzz(func(t *testing.T, head string) {
		if strings.Contains(head, "\r\n\r\n") || !strings.HasSuffix(head, "\r\n") { // not what is looked at
			return
		}
		got := &http.Request{URL: &url.URL{}}
		if !parseHead(got, head) {
			return
		}
		want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n" + strings.Repeat("x", int(min(got.ContentLength, 1000))))))
		if err != nil {
			t.Fatalf("got %v, want it refused: %v", got, err)
		}
		if len(want.Header["Host"]) != 0 || want.Host == "" {
			t.Errorf("got a host, want none")
		}
		want.Body, got.Body = nil, nil
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(http.Request{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("http.ReadRequest (-) and ours (+) differ:\n%s", diff)
		}
	})
}

func TestParseHead(t *testing.T) {
	for _, tt := range []struct {
		texts []string
		want  bool
	}{{ordinary, true}, {unusual[:len(unusual)-1], false}} {
		for _, text := range tt.texts {
			head, _, _ := strings.Cut(text, "\r\n\r\n")
			waits := strings.Contains(text, "short") || len(head) > readBuffer // that is not for the head to say
			if got := parseHead(&http.Request{URL: &url.URL{}}, head+"\r\n"); got != tt.want && !waits {
				t.Errorf("%.100q: got %t, want %t", text, got, tt.want)
			}
		}
	}
}

// report answers with what the handler has seen of a request.
func report(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.Header().Set("X-Method", r.Method)
	var b bytes.Buffer
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.TransferEncoding = nil
	_ = r.Header.Write(&b)
	b.WriteString(r.Method + " " + r.URL.String() + " " + r.Host + " " + r.RequestURI + "\n")
	b.Write(body)
	if err != nil {
		b.WriteString(err.Error())
	}
	_, _ = w.Write(b.Bytes())
}

// An exchanged is an answer as its caller gets it.
type exchanged struct {
	Status  int
	Header  http.Header
	Length  int64
	Coding  []string
	Body    string
	Broken  bool
	Trailer http.Header
}

// talk sends bytes, and returns all the answers that come, up to the end of the
// connection.
func talk(t *testing.T, address net.Addr, pieces ...string) []exchanged {
	t.Helper()
	c, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	for i, piece := range pieces {
		if i > 0 {
			time.Sleep(2 * time.Millisecond)
		}
		if _, err := io.WriteString(c, piece); err != nil {
			break // it has closed the connection
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	method := http.MethodGet
	if strings.HasPrefix(pieces[0], "HEAD ") {
		method = http.MethodHead
	}
	var all []exchanged
	for in := bufio.NewReader(c); ; method = http.MethodGet {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return all
		}
		body, err := io.ReadAll(res.Body)
		if res.Header["Date"] != nil {
			res.Header.Set("Date", "now")
		}
		all = append(all, exchanged{res.StatusCode, res.Header, res.ContentLength, res.TransferEncoding, string(body), err != nil, res.Trailer})
	}
}

// both starts net/http's server and ours, with the same handler.
func both(t testing.TB, h http.HandlerFunc) (theirs, ours net.Addr) {
	t.Helper()
	reference := httptest.NewUnstartedServer(h)
	reference.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	reference.Start()
	t.Cleanup(reference.Close)
	ours = listen(t, NewServer(&http.Server{Handler: h, ErrorLog: reference.Config.ErrorLog}))
	return reference.Listener.Addr(), ours
}

// TestRequests sends each request to both servers, in one piece and in several.
func TestRequests(t *testing.T) {
	theirs, ours := both(t, report)
	texts := slices.Concat(ordinary, unusual)
	for i, text := range texts {
		for name, pieces := range map[string][]string{
			"whole":    {text},
			"halves":   {text[:len(text)/2], text[len(text)/2:]},
			"at body":  cutAt(text, strings.Index(text, "\r\n\r\n")+4),
			"amid end": cutAt(text, strings.Index(text, "\r\n\r\n")+2),
			"behind":   {ordinary[0] + text},
			"before":   {text + ordinary[5] + ordinary[0]},
		} {
			want, got := talk(t, theirs, pieces...), talk(t, ours, pieces...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d, %s, %.200q: net/http (-) and ours (+) differ:\n%s", i, name, pieces, diff)
			}
		}
	}
}

func cutAt(text string, n int) []string {
	n = min(max(n, 0), len(text))
	return []string{text[:n], text[n:]}
}

// FuzzConnection sends anything to both servers: what they answer is the same.
func FuzzConnection(f *testing.F) {
	for _, text := range slices.Concat(ordinary, unusual) {
		f.Add([]byte(text))
		f.Add([]byte(text + ordinary[5] + text))
	}
	theirs, ours := both(f, report)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			// Of more, net/http leaves some unread when it closes the connection, and
			// the caller may be told of that before it has read the answer.
			return
		}
		want, got := talk(t, theirs, string(b)), talk(t, ours, string(b))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("net/http (-) and ours (+) differ:\n%s", diff)
		}
	})
}
