package auth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// seen is what a handler behind a gate got.
type seen struct {
	called bool
	r      *http.Request
	body   string
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	s.called, s.r, s.body = true, r, string(b)
	w.WriteHeader(http.StatusNoContent)
}

func through(g *Gate, r *http.Request) (*httptest.ResponseRecorder, *seen) {
	s, w := &seen{}, httptest.NewRecorder()
	g.Wrap(s).ServeHTTP(w, r)
	return w, s
}

func TestGateAnswers(t *testing.T) {
	denied := func(why Reason, wait time.Duration) Method {
		return &stub{name: "m", err: &Denied{Reason: why, RetryAfter: wait, Err: errors.New("a detail")}}
	}
	for _, tt := range []struct {
		name    string
		method  Method
		request string
		status  int
		body    string
		headers map[string][]string // nil for one that must not be there
	}{
		{
			"nothing presented", &stub{name: "m", err: ErrNoCredential}, "GET", 401, "Unauthorized\n",
			map[string][]string{"Www-Authenticate": {`Stub realm="r"`}, "X-Openfaas-Internal": nil, "Retry-After": nil},
		},
		{
			"wrong", denied(Unknown, 0), "GET", 401, "Unauthorized\n",
			map[string][]string{"Www-Authenticate": {`Stub realm="r", error="m"`}, "X-Openfaas-Internal": nil},
		},
		{"may not", &stub{name: "m", id: Identity{Subject: "x"}}, "GET", 403, "Forbidden\n", map[string][]string{"Www-Authenticate": nil, "X-Openfaas-Internal": nil}},
		{"two credentials", denied(TwoCredentials, 0), "GET", 400, "Bad Request\n", map[string][]string{"Www-Authenticate": nil, "X-Openfaas-Internal": nil}},
		{"too large", denied(BodyTooLarge, 0), "POST", 413, "Request Entity Too Large\n", map[string][]string{"Connection": {"close"}, "X-Openfaas-Internal": nil}},
		{"too slow", denied(BodyTimeout, 0), "POST", 408, "Request Timeout\n", map[string][]string{"Connection": {"close"}}},
		{"a bound", denied(Throttled, 1500*time.Millisecond), "GET", 429, "Too Many Requests\n", map[string][]string{"Retry-After": {"2"}, "X-Openfaas-Internal": {"auth-watchdog"}}},
		{"no room", denied(BuffersFull, 0), "POST", 503, "Service Unavailable\n", map[string][]string{"Retry-After": {"1"}, "X-Openfaas-Internal": {"auth-watchdog"}}},
		{"could not tell", &stub{name: "m", err: errors.New("secret detail")}, "GET", 503, "Service Unavailable\n", map[string][]string{"Retry-After": {"1"}}},
		{"TRACE", admits("m"), "TRACE", 405, "Method Not Allowed\n", map[string][]string{"Allow": {"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := mustCompile(t, Rule{Match: "/", Accept: []Method{tt.method}, Require: Requirement{Subjects: []string{"someone"}}})
			w, s := through(NewGate(p, Options{Realm: "r"}), httptest.NewRequest(tt.request, "/", nil))
			if s.called {
				t.Error("the handler was called")
			}
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control: got %q, want no-store", got)
			}
			for name, want := range tt.headers {
				if got := w.Header()[name]; !reflect.DeepEqual(got, want) {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestGateChallenges(t *testing.T) {
	a, b := denies("a", Unknown), &stub{name: "b", err: ErrNoCredential}
	same := &stub{name: "c", err: ErrNoCredential}
	p := mustCompile(t, Rule{Match: "/", Accept: []Method{a, b, same}})
	w, _ := through(NewGate(p, Options{}), httptest.NewRequest("GET", "/", nil))
	want := []string{`Stub realm="function", error="a"`, `Stub realm="function"`}
	if got := w.Header()["Www-Authenticate"]; !slices.Equal(got, want) {
		t.Errorf("got %q, want a line for each wording, %q", got, want)
	}
}

func TestGateHeaders(t *testing.T) {
	m := &stub{name: "m", headers: []string{"X-Auth-Token"}, id: Identity{Subject: "alice", Scopes: []string{"a", "b"}}, strips: "X-Auth-Token"}
	rules := []Rule{{Match: "/", Accept: []Method{m}}, {Match: "GET /public/", Public: true}}
	spoofed := map[string]string{
		"X-Auth-Subject": "admin", "X_Auth_Subject": "admin", "x-auth.subject": "admin", "X-AUTH-METHOD": "x", "X-Auth-User": "admin",
		"Remote_User": "admin", "X-Forwarded-User": "admin", "Ssl-Client-Subject-Dn": "CN=admin", "X-SSL-Client-Verify": "SUCCESS",
		"Client-Cert": ":x:", "X-Forwarded-Client-Cert": "x", "X-Original-URL": "/admin", "X-HTTP-Method-Override": "DELETE",
	}
	harmless := map[string]string{"X-Author": "x", "X-Authority": "x", "Remote-Addr-Hint": "x", "X-Custom": "x", "Authorization": "Basic eDp5"}
	request := func(path string) *http.Request {
		r := httptest.NewRequest("GET", path, nil)
		for name, value := range spoofed {
			r.Header[name] = []string{value}
		}
		for name, value := range harmless {
			r.Header.Set(name, value)
		}
		r.Header.Set("X-Auth-Token", "credential")
		return r
	}
	t.Run("admitted", func(t *testing.T) {
		w, s := through(NewGate(mustCompile(t, rules...), Options{}), request("/"))
		want := http.Header{SubjectHeader: {"alice"}, MethodHeader: {"m"}, ScopesHeader: {"a,b"}}
		for name, value := range harmless {
			want.Set(name, value)
		}
		if !s.called || !reflect.DeepEqual(s.r.Header, want) {
			t.Errorf("got %d and %v, want %v", w.Code, s.r.Header, want)
		}
		if id, ok := FromContext(s.r.Context()); !ok || id.Subject != "alice" {
			t.Errorf("got %+v in the context", id)
		}
		if got := w.Header().Get("Vary"); got != "X-Auth-Token" {
			t.Errorf("Vary: got %q, want the header that was read", got)
		}
	})
	t.Run("public", func(t *testing.T) {
		w, s := through(NewGate(mustCompile(t, rules...), Options{}), request("/public/x"))
		want := http.Header{"X-Auth-Token": {"credential"}} // it is the function's business there
		for name, value := range harmless {
			want.Set(name, value)
		}
		if !s.called || !reflect.DeepEqual(s.r.Header, want) {
			t.Errorf("got %v, want %v", s.r.Header, want)
		}
		if _, ok := FromContext(s.r.Context()); ok || w.Header().Get("Vary") != "" {
			t.Error("somebody is known on a public rule")
		}
	})
	t.Run("kept credential", func(t *testing.T) {
		_, s := through(NewGate(mustCompile(t, rules...), Options{ForwardCredentials: true}), request("/"))
		if got := s.r.Header.Get("X-Auth-Token"); got != "credential" {
			t.Errorf("got %q, want it kept", got)
		}
	})
	t.Run("overrides stay where nothing depends on them", func(t *testing.T) {
		_, s := through(NewGate(mustCompile(t, rules[0]), Options{}), request("/"))
		for _, name := range []string{"X-Original-URL", "X-HTTP-Method-Override"} {
			if s.r.Header[name] == nil {
				t.Errorf("%s has gone from %v", name, s.r.Header)
			}
		}
	})
}

func TestGateBody(t *testing.T) {
	const body = "a body\r\nof two lines"
	for _, reads := range []bool{true, false} {
		for _, chunked := range []bool{true, false} {
			t.Run("read "+strconv.FormatBool(reads)+" chunked "+strconv.FormatBool(chunked), func(t *testing.T) {
				m := admits("m")
				m.body = reads
				r := httptest.NewRequest("POST", "/", strings.NewReader(body))
				if chunked {
					r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
				}
				r.Trailer = http.Header{"X-Auth-Subject": nil}
				g := NewGate(mustCompile(t, Rule{Match: "/", Accept: []Method{m}}), Options{})
				_, s := through(g, r)
				if s.body != body {
					t.Errorf("got %q, want %q", s.body, body)
				}
				if s.r.Trailer != nil {
					t.Errorf("got the trailer %v", s.r.Trailer)
				}
				wantLength := int64(len(body))
				if chunked && !reads {
					wantLength = -1
				}
				if s.r.ContentLength != wantLength {
					t.Errorf("got a length of %d, want %d", s.r.ContentLength, wantLength)
				}
				if reads && (s.r.TransferEncoding != nil || chunked && s.r.Header.Get("Content-Length") != strconv.Itoa(len(body))) {
					t.Errorf("got %v and %v, want the exact length", s.r.TransferEncoding, s.r.Header)
				}
			})
		}
	}
}

// TestGateReadsABodyOnce has two methods that both want it.
func TestGateReadsABodyOnce(t *testing.T) {
	a, b := denies("a", BadSignature), admits("b")
	a.body, b.body = true, true
	g := NewGate(mustCompile(t, Rule{Match: "/", Accept: []Method{a, b}}), Options{})
	_, s := through(g, httptest.NewRequest("POST", "/", strings.NewReader("once")))
	if s.body != "once" {
		t.Errorf("got %q", s.body)
	}
}

func TestGateEndsWithTheCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &stub{name: "m", id: Identity{Subject: "x", Expires: time.Now().Add(time.Minute)}}
		g := NewGate(mustCompile(t, Rule{Match: "/", Accept: []Method{m}}), Options{})
		start := time.Now()
		g.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			if got := context.Cause(r.Context()); !errors.Is(got, ErrExpired) {
				t.Errorf("got %v, want %v", got, ErrExpired)
			}
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		if got := time.Since(start); got != time.Minute {
			t.Errorf("the request lasted %v, want %v", got, time.Minute)
		}
	})
}

// after is a Throttle that lets one failure pass.
type after struct{ told int }

func (a *after) Wait(*http.Request) time.Duration {
	if a.told > 0 {
		return 90 * time.Second
	}
	return 0
}

func (a *after) Fail(r *http.Request) time.Duration {
	defer func() { a.told++ }()
	return a.Wait(r)
}

// asks is a method that wants to know how long the sender has to wait.
type asks struct {
	*stub
	waits []time.Duration
}

func (a *asks) Authenticate(r *Request) (Identity, error) {
	a.waits = append(a.waits, r.Wait())
	return a.stub.Authenticate(r)
}

func TestRequestWait(t *testing.T) {
	m := &asks{stub: denies("m", Unknown)}
	g := NewGate(mustCompile(t, Rule{Match: "/", Accept: []Method{m}}), Options{Throttle: &after{}})
	for range 3 {
		through(g, httptest.NewRequest("GET", "/", nil))
	}
	if want := []time.Duration{0, 90 * time.Second, 90 * time.Second}; !slices.Equal(m.waits, want) {
		t.Errorf("got %v, want %v", m.waits, want)
	}
	if got := NewRequest(httptest.NewRequest("GET", "/", nil), nil).Wait(); got != 0 {
		t.Errorf("without a Throttle: got %v, want 0", got)
	}
}

func TestGateThrottle(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method *stub
		want   []int
		told   int
	}{
		{"wrong", denies("m", Unknown), []int{401, 429, 429}, 3},
		{"missing", &stub{name: "m", err: ErrNoCredential}, []int{401, 401, 401}, 0},
		{"right", admits("m"), []int{204, 204, 204}, 0},
		{"two of them", denies("m", TwoCredentials), []int{400, 400}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var reasons []Reason
			throttle := &after{}
			g := NewGate(mustCompile(t, Rule{Match: "/", Accept: []Method{tt.method}}), Options{
				Throttle: throttle,
				Report:   func(_ *http.Request, d Decision) { reasons = append(reasons, d.Reason) },
			})
			for i, want := range tt.want {
				w, _ := through(g, httptest.NewRequest("GET", "/", nil))
				if w.Code != want {
					t.Errorf("request %d: got %d, want %d", i+1, w.Code, want)
				}
				if want == 429 && (w.Header().Get("Retry-After") != "90" || reasons[i] != Throttled) {
					t.Errorf("request %d: got Retry-After %q and reason %q", i+1, w.Header().Get("Retry-After"), reasons[i])
				}
			}
			if throttle.told != tt.told {
				t.Errorf("Throttle was told %d times, want %d", throttle.told, tt.told)
			}
		})
	}
}

func TestGateWithoutAPolicyRefuses(t *testing.T) {
	for name, g := range map[string]*Gate{"zero": {}, "nil policy": NewGate(nil, Options{}), "empty policy": NewGate(&Policy{}, Options{})} {
		w, s := through(g, httptest.NewRequest("GET", "/", nil))
		if s.called || w.Code != http.StatusForbidden {
			t.Errorf("%s: got %d, called %v", name, w.Code, s.called)
		}
	}
}

func TestGateSwap(t *testing.T) {
	open := mustCompile(t, Rule{Match: "/", Accept: []Method{admits("m")}})
	shut := mustCompile(t, Rule{Match: "/", Accept: []Method{denies("m", Unknown)}})
	g := NewGate(open, Options{})
	entered, leave := make(chan struct{}), make(chan struct{})
	h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-leave }))
	var wg sync.WaitGroup
	first := httptest.NewRecorder()
	wg.Go(func() { h.ServeHTTP(first, httptest.NewRequest("GET", "/", nil)) })
	<-entered
	g.Swap(shut)
	w, s := through(g, httptest.NewRequest("GET", "/", nil))
	if s.called || w.Code != http.StatusUnauthorized {
		t.Errorf("after the swap: got %d, want 401", w.Code)
	}
	close(leave)
	wg.Wait()
	if first.Code != http.StatusOK {
		t.Errorf("the request that had begun: got %d, want 200", first.Code)
	}
}

// TestGateMethodPanics: what goes wrong in a method admits nobody.
func TestGateMethodPanics(t *testing.T) {
	m := &panicking{stub{name: "m"}}
	g := NewGate(mustCompile(t, Rule{Match: "/", Accept: []Method{m}}), Options{})
	s := &seen{}
	func() {
		defer func() { _ = recover() }()
		g.Wrap(s).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	if s.called {
		t.Error("the handler was called")
	}
}

type panicking struct{ stub }

func (*panicking) Authenticate(*Request) (Identity, error) { panic("no") }
