package auth

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keeping admits everybody and has the browser keep a cookie.
type keeping struct{ wanted *bool }

func (keeping) Name() string                    { return "keeping" }
func (keeping) Headers() []string               { return nil }
func (keeping) Challenge(string, Reason) string { return "Keeping" }

func (k keeping) Authenticate(r *Request) (Identity, error) {
	r.SetCookieLater(&http.Cookie{Name: "kept", Value: "1"}, func() bool { return *k.wanted })
	return Identity{Subject: "someone", Method: "keeping"}, nil
}

func TestSetCookieLater(t *testing.T) {
	const public = "public, max-age=60"
	for _, tt := range []struct {
		name    string
		handler func(w http.ResponseWriter, unwanted func())
		cookie  bool
		cached  string
	}{
		{"an answer without a word", func(http.ResponseWriter, func()) {}, true, "no-store"},
		{"a body", func(w http.ResponseWriter, _ func()) { _, _ = io.WriteString(w, "x") }, true, "no-store"},
		{"for caches", func(w http.ResponseWriter, _ func()) {
			w.Header().Set("Cache-Control", public)
			w.Header().Set("CDN-Cache-Control", public)
			w.Header().Set("Surrogate-Control", public)
			w.WriteHeader(http.StatusOK)
		}, true, "no-store"},
		{"flushed", func(w http.ResponseWriter, _ func()) {
			w.Header().Set("Cache-Control", public)
			w.(http.Flusher).Flush() //nolint:forcetypeassert // a handler may
		}, true, "no-store"},
		{"after a hint", func(w http.ResponseWriter, unwanted func()) {
			w.WriteHeader(http.StatusEarlyHints)
			unwanted()
			w.WriteHeader(http.StatusOK)
		}, false, ""},
		{"no more wanted", func(w http.ResponseWriter, unwanted func()) {
			unwanted()
			w.Header().Set("Cache-Control", public)
			_, _ = io.WriteString(w, "x")
		}, false, public},
		{"no more wanted once it has begun", func(w http.ResponseWriter, unwanted func()) {
			_, _ = io.WriteString(w, "x")
			unwanted()
			_, _ = io.WriteString(w, "y")
		}, true, "no-store"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wanted := true
			policy, err := Compile(Rule{Match: "/", Accept: []Method{&keeping{&wanted}}})
			if err != nil {
				t.Fatal(err)
			}
			h := NewGate(policy, Options{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				tt.handler(w, func() { wanted = false })
			}))
			server := httptest.NewServer(h)
			defer server.Close()
			res, err := http.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got := len(res.Cookies()) == 1; got != tt.cookie {
				t.Errorf("cookies: got %v", res.Cookies())
			}
			got := map[string]string{}
			for _, name := range []string{"Cache-Control", "CDN-Cache-Control", "Surrogate-Control"} {
				if v := res.Header.Get(name); v != "" {
					got[name] = v
				}
			}
			want := map[string]string{}
			if tt.cached != "" {
				want["Cache-Control"] = tt.cached
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSetCookieLaterOnAnotherProtocol(t *testing.T) {
	wanted := true
	policy, err := Compile(Rule{Match: "/", Accept: []Method{&keeping{&wanted}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(NewGate(policy, Options{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		h := w.Header()
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "websocket")
		_, _ = io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\n")
		_ = h.Write(rw)
		_, _ = io.WriteString(rw, "\r\n")
		_ = rw.Flush()
	})))
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols || len(res.Cookies()) != 1 {
		t.Errorf("got %d and the cookies %v", res.StatusCode, res.Cookies())
	}
}
