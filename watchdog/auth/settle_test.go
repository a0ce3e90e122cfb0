package auth

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// claims is a method that admits and notes what it is told.
type claims struct {
	stub
	told []bool
}

func (c *claims) Authenticate(r *Request) (Identity, error) {
	r.OnSettled(func(used bool) { c.told = append(c.told, used) })
	return c.id, c.err
}

func TestSettle(t *testing.T) {
	admits := func() *claims { return &claims{stub: stub{name: "m", id: Identity{Subject: "s", Method: "m"}}} }
	status := func(codes ...int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for _, c := range codes {
				w.WriteHeader(c)
			}
		}
	}
	for name, tt := range map[string]struct {
		function http.HandlerFunc
		want     bool
	}{
		"nothing written":       {status(), true},
		"200":                   {status(200), true},
		"a body alone":          {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, true},
		"404":                   {status(404), true},
		"500":                   {status(500), false},
		"503":                   {status(503), false},
		"429 asks to come back": {status(429), false},
		"408 asks to come back": {status(408), false},
		"early hints, 200":      {status(103, 200), true},
		"early hints, 500":      {status(103, 500), false},
		"panics":                {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false},
		"panics amid the answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(200)
			panic(http.ErrAbortHandler)
		}, true},
		"fails amid the answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			panic(http.ErrAbortHandler)
		}, false},
		"flushes": {func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, true},
		"hijacks": {func(w http.ResponseWriter, _ *http.Request) { _, _, _ = http.NewResponseController(w).Hijack() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := admits()
			func() {
				defer func() { _ = recover() }()
				gate(t, m).Wrap(tt.function).ServeHTTP(&hijackable{httptest.NewRecorder()}, httptest.NewRequest("POST", "/", nil))
			}()
			if len(m.told) != 1 || m.told[0] != tt.want {
				t.Errorf("told %v, want %v once", m.told, tt.want)
			}
		})
	}

	t.Run("refused by another method", func(t *testing.T) {
		m := admits()
		p, err := Compile(Rule{Match: "/", All: []Method{m, &stub{name: "n", err: ErrNoCredential}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, s := through(NewGate(p, Options{}), httptest.NewRequest("POST", "/", nil)); s.called || len(m.told) != 1 || m.told[0] {
			t.Errorf("told %v and called %v, want false once and no call", m.told, s.called)
		}
	})
	t.Run("refused by require", func(t *testing.T) {
		m := admits()
		p, err := Compile(Rule{Match: "/", Accept: []Method{m}, Require: Requirement{Scopes: []string{"x"}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, s := through(NewGate(p, Options{}), httptest.NewRequest("POST", "/", nil)); s.called || len(m.told) != 1 || m.told[0] {
			t.Errorf("told %v and called %v, want false once and no call", m.told, s.called)
		}
	})
}

type hijackable struct{ *httptest.ResponseRecorder }

func (*hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }

func gate(t *testing.T, methods ...Method) *Gate {
	t.Helper()
	p, err := Compile(Rule{Match: "/", Accept: methods})
	if err != nil {
		t.Fatal(err)
	}
	return NewGate(p, Options{})
}

func TestHandshake(t *testing.T) {
	asked := func(verified bool) Method {
		return &stub{name: "hook", err: &Handshake{Kind: "k", Verified: verified, Body: "challenge", Header: http.Header{"X-Hook-Secret": {"s"}}}}
	}
	admits, none := &stub{name: "ci", id: Identity{Subject: "s", Method: "ci"}}, &stub{name: "ci", err: ErrNoCredential}
	wrong := &stub{name: "ci", err: &Denied{Reason: Unknown}}
	final := &stub{name: "ci", err: &Denied{Reason: BodyTooLarge}}
	away := &stub{name: "ci", err: errors.New("away")}
	for name, tt := range map[string]struct {
		rule   Rule
		want   int
		called bool
	}{
		"alone":                          {Rule{Accept: []Method{asked(false)}}, 200, false},
		"nothing else came":              {Rule{Accept: []Method{none, asked(false)}}, 200, false},
		"another method admits":          {Rule{Accept: []Method{asked(false), admits}}, 204, true},
		"another admits, it is verified": {Rule{Accept: []Method{asked(true), admits}}, 200, false},
		"another method is final":        {Rule{Accept: []Method{asked(false), final}}, 413, false},
		"another was wrong":              {Rule{Accept: []Method{wrong, asked(false)}}, 401, false},
		"wrong, behind it":               {Rule{Accept: []Method{asked(false), wrong}}, 401, false},
		"all, and the other admits":      {Rule{All: []Method{asked(false), admits}}, 200, false},
		"all, and the other does not":    {Rule{All: []Method{asked(true), none}}, 401, false},
		"all, the other first":           {Rule{All: []Method{wrong, asked(true)}}, 401, false},
		"all, the other could not tell":  {Rule{All: []Method{asked(true), away}}, 503, false},
		"require is not content":         {Rule{Accept: []Method{asked(true)}, Require: Requirement{Scopes: []string{"x"}}}, 403, false},
		"require is content":             {Rule{Accept: []Method{asked(true)}, Require: Requirement{Subjects: []string{"hook"}}}, 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			tt.rule.Match = "/"
			p, err := Compile(tt.rule)
			if err != nil {
				t.Fatal(err)
			}
			var reported Decision
			w, s := through(NewGate(p, Options{Report: func(_ *http.Request, d Decision) { reported = d }}), httptest.NewRequest("POST", "/", nil))
			if w.Code != tt.want || s.called != tt.called {
				t.Fatalf("got %d and called %v, want %d and %v", w.Code, s.called, tt.want, tt.called)
			}
			if tt.want != 200 {
				return
			}
			if reported.Reason != Answered || reported.Method != "hook" || reported.Allowed() {
				t.Errorf("reported %+v, want a handshake of hook that is not admitted", reported)
			}
			h := w.Header()
			if w.Body.String() != "challenge" || h.Get("X-Hook-Secret") != "s" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("got %q with %v", w.Body, h)
			}
		})
	}
}
