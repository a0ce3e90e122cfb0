package upstreamtest

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"auth-watchdog/watchdog/auth"
)

// sized returns n bytes of all kinds. Their period divides no buffer's size,
// so that a piece that is lost or comes twice is noticed.
func sized(n int) string {
	const period = "\x00\x01 0123456789\r\n\t%abcdef\x7f\x80\xfe\xff\xc3\xa4"
	return strings.Repeat(period, n/len(period)+1)[:n]
}

func testTarget(t *testing.T, c Case) {
	for _, target := range []string{
		"/", "/a/b", "/a/", "/a%2Fb", "/a%2fb", "/%41", "//x", "//x//y", "/a;b", "/a;b=c/d", "/a/../b", "/a/./b", "/%2e%2e/b",
		"/a+b%20c", "/%C3%A4", "/%FF", "/a%00b", "/a%25b", "/a:b@c", "/a,b!$&'()*=~",
		"/?", "/a?", "/?c=d;e", "/?a=%zz", "/?a=%", "/?b=1&a=2&b=3", "/?a+b", "/?=&&", "/?x=/y?z", "/?a=%2F%C3%A4", "/a%2Fb?c=d;e&a=%zz",
	} {
		t.Run(target, func(t *testing.T) {
			w := newWitness()
			s := c.open(t, w.ServeHTTP)
			a := s.ask(t, "GET "+target+" HTTP/1.1\r\nHost: Shop.example:8080\r\n\r\n")
			got := w.saw(t, a)
			if got.RequestURI != target {
				t.Errorf("got the target %q, want %q", got.RequestURI, target)
			}
			if want := "Shop.example:8080"; got.Host != want {
				t.Errorf("got the host %q, want %q", got.Host, want)
			}
		})
	}
}

func testMethod(t *testing.T, c Case) {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get"} {
		t.Run(method, func(t *testing.T) {
			w := newWitness()
			s := c.open(t, w.ServeHTTP)
			a := s.send(t, s.request(t, method, nil))
			if got := w.saw(t, a).Method; got != method {
				t.Errorf("got %q, want %q", got, method)
			}
		})
	}
}

func testRequestHeaders(t *testing.T, c Case) {
	for _, tt := range []struct {
		name, lines string
		want        http.Header
	}{
		{"none", "", http.Header{}}, // no User-Agent and no Accept-Encoding of somebody else's
		{
			name: "some",
			lines: "Accept: text/html\r\nAccept-Encoding: br\r\nAuthorization: Bearer x\r\nCookie: a=b; c=d\r\n" +
				"User-Agent: mine/1.0\r\nx-small: 1\r\nX_Under_Score: 2\r\nX-Empty:\r\n",
			want: http.Header{
				"Accept": {"text/html"}, "Accept-Encoding": {"br"}, "Authorization": {"Bearer x"}, "Cookie": {"a=b; c=d"},
				"User-Agent": {"mine/1.0"}, "X-Small": {"1"}, "X_under_score": {"2"}, "X-Empty": {""},
			},
		},
		{"lines of one name", "X-Many: 2\r\nX-Other: 0\r\nX-Many: 1, 3\r\n", http.Header{"X-Many": {"2", "1, 3"}, "X-Other": {"0"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWitness()
			s := c.open(t, w.ServeHTTP)
			a := s.ask(t, "GET / HTTP/1.1\r\nHost: shop.example\r\n"+tt.lines+"\r\n")
			if got := w.saw(t, a).Header; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// testIdentity wants that the function learns who called from whoever has let
// the request through, and that no caller has a say in it.
func testIdentity(t *testing.T, c Case) {
	id := auth.Identity{Subject: "ci", Method: "bearer", Scopes: []string{"read", "write"}, Secret: "s", Entry: "k"}
	told := map[string][]string{auth.SubjectHeader: {"ci"}, auth.MethodHeader: {"bearer"}, auth.ScopesHeader: {"read,write"}}
	for _, tt := range []struct {
		name, lines string
		id          *auth.Identity
		want        map[string][]string // as headers of the function's request
	}{
		{"nobody", "", nil, map[string][]string{}},
		{"public", "", &auth.Identity{}, map[string][]string{}},
		{"somebody", "", &id, told},
		{"somebody without scopes", "", &auth.Identity{Subject: "ci", Method: "basic"}, map[string][]string{auth.SubjectHeader: {"ci"}, auth.MethodHeader: {"basic"}}},
		{"named in Connection", "Connection: X-Auth-Subject, x-auth-method\r\nConnection: X-AUTH-SCOPES\r\n", &id, told},
		{"said by the caller", "X-Auth-Subject: root\r\nX-Auth-Subject: admin\r\nX-Auth-Method: none\r\nX-Auth-Scopes: all\r\n", &id, told},
		{"said by the caller and named in Connection", "X-Auth-Subject: root\r\nConnection: X-Auth-Subject\r\n", &id, told},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWitness()
			u := c.New(t, w)
			s := serve(t, u, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.id != nil { // as the gate does
					r = r.WithContext(auth.NewContext(r.Context(), *tt.id))
					tt.id.SetHeaders(r.Header)
				}
				u.ServeHTTP(w, r)
			}))
			a := s.ask(t, "GET / HTTP/1.1\r\nHost: shop.example\r\n"+tt.lines+"\r\n")
			r := w.saw(t, a)
			if !c.Remote {
				got, ok := auth.FromContext(r.Context())
				if ok != (tt.id != nil) || ok && !reflect.DeepEqual(got, *tt.id) {
					t.Errorf("got %v and %v, want %v", got, ok, tt.id)
				}
				return
			}
			got := map[string][]string{}
			for _, name := range []string{auth.SubjectHeader, auth.MethodHeader, auth.ScopesHeader} {
				if values, ok := r.Header[name]; ok {
					got[name] = values
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func testRequestBody(t *testing.T, c Case) {
	for _, tt := range []struct {
		name string
		size int
	}{
		{"empty", 0}, {"a byte", 1}, {"a buffer", 32 << 10}, {"a MiB", 1 << 20},
	} {
		body := sized(tt.size)
		for _, known := range []bool{true, false} {
			name, length := tt.name+" of known length", int64(tt.size)
			if !known {
				name, length = tt.name+" chunked", -1
			}
			t.Run(name, func(t *testing.T) {
				w := newWitness()
				s := c.open(t, w.ServeHTTP)
				// A type of its own keeps the client from finding out how
				// long it is.
				r := s.request(t, http.MethodPost, struct{ io.Reader }{strings.NewReader(body)})
				r.ContentLength = length
				if known && tt.size == 0 {
					r.Body = http.NoBody
				}
				a := s.send(t, r)
				got := w.saw(t, a)
				if got.body != body || got.err != nil {
					t.Errorf("got %d bytes and %v, want the %d that were sent", len(got.body), got.err, len(body))
				}
				if got.ContentLength != length {
					t.Errorf("got the length %d, want %d", got.ContentLength, length)
				}
			})
		}
	}
}

func testRequestStreams(t *testing.T, c Case) {
	for _, tt := range []struct{ name, begin, rest string }{
		{"of known length", "Content-Length: 10\r\n\r\nhello", "world"},
		{"chunked", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "5\r\nworld\r\n0\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begun := make(chan string, 1)
			s := c.open(t, func(w http.ResponseWriter, r *http.Request) {
				first := make([]byte, len("hello"))
				n, _ := io.ReadFull(r.Body, first)
				begun <- string(first[:n])
				_, _ = io.Copy(w, r.Body)
			})
			conn := s.dial(t)
			conn.write(t, "POST / HTTP/1.1\r\nHost: shop.example\r\n"+tt.begin)
			if got, want := <-begun, "hello"; got != want {
				t.Fatalf("before the rest was sent: got %q, want %q", got, want)
			}
			conn.write(t, tt.rest)
			if got, want := conn.head(t).whole(t).body, "world"; got != want {
				t.Errorf("the rest: got %q, want %q", got, want)
			}
		})
	}
}

// testContinue wants that a caller that asks before it sends a body is told to
// go on, by 100 once or more, if the function reads it and only then.
func testContinue(t *testing.T, c Case) {
	for _, tt := range []struct {
		name   string
		status int
		want   string
	}{
		{"yes", http.StatusOK, "hello"},
		{"no", http.StatusRequestEntityTooLarge, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := c.open(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.status != http.StatusOK {
					w.WriteHeader(tt.status)
					return
				}
				_, _ = io.Copy(w, r.Body)
			})
			conn := s.dial(t)
			conn.write(t, "POST / HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
			res := conn.head(t)
			if told := res.StatusCode == http.StatusContinue; told != (tt.want != "") {
				t.Fatalf("got %s first, want 100: %v", res.Status, !told)
			} else if told {
				conn.write(t, tt.want)
			}
			for res.StatusCode == http.StatusContinue {
				res = conn.head(t)
			}
			if got := res.whole(t); got.status != tt.status || got.body != tt.want {
				t.Errorf("got %d and %q, want %d and %q", got.status, got.body, tt.status, tt.want)
			}
		})
	}
}
