// Package authtest holds what every [auth.Method] is held to.
package authtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"

	"auth-watchdog/watchdog/auth"
)

// A Case is a method with what it takes.
type Case struct {
	Method auth.Method

	// Admit makes requests that the method admits, each with the body given.
	Admit func(body string) *http.Request

	// Deny makes requests that bring something of the method's kind that is
	// wrong, by names.
	Deny map[string]func() *http.Request

	// Secrets are texts that nothing of the method may print.
	Secrets []string
}

// Test holds a method to the contract of [auth.Method].
func Test(t *testing.T, c Case) {
	t.Helper()
	ask := func(r *http.Request) (auth.Identity, error) {
		asked := auth.NewRequest(r, auth.NewBuffers(1<<20, 4<<20))
		defer asked.Settle(false)
		return c.Method.Authenticate(asked)
	}

	t.Run("nothing presented", func(t *testing.T) {
		body := &watched{r: strings.NewReader("body")}
		r := httptest.NewRequest(http.MethodPost, "/", body)
		if _, err := ask(r); !errors.Is(err, auth.ErrNoCredential) {
			t.Errorf("got %v, want ErrNoCredential", err)
		}
		if body.read {
			t.Error("the body was read")
		}
	})

	t.Run("admits", func(t *testing.T) {
		for _, body := range []string{"", "x", strings.Repeat("0123456789", 10_000)} {
			r := c.Admit(body)
			before := r.Header.Clone()
			id, err := ask(r)
			if err != nil {
				t.Fatalf("with a body of %d bytes: %v", len(body), err)
			}
			if id.Subject == "" || id.Method != c.Method.Name() {
				t.Errorf("got subject %q and method %q, want some and %q", id.Subject, id.Method, c.Method.Name())
			}
			if !reflect.DeepEqual(before, r.Header) {
				t.Errorf("the headers have changed from %v to %v", before, r.Header)
			}
		}
	})

	t.Run("behind a gate", func(t *testing.T) { testGate(t, c) })

	for name, deny := range c.Deny {
		t.Run("denies/"+name, func(t *testing.T) {
			id, err := ask(deny())
			denied := (*auth.Denied)(nil)
			if !errors.As(err, &denied) {
				t.Fatalf("got %v and %v, want a *Denied", id, err)
			}
			if s := denied.Reason.Status(); s < 400 || s >= 500 {
				t.Errorf("the reason %q has status %d, want one of 400", denied.Reason, s)
			}
			if !reflect.DeepEqual(id, auth.Identity{}) {
				t.Errorf("got an identity, %v", id)
			}
			c.silent(t, fmt.Sprintf("%v %+v %#v %s", err, err, denied, errors.Unwrap(err)))
		})
	}

	t.Run("duplicates", func(t *testing.T) {
		policy, err := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{c.Method}})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range c.Method.Headers() {
			if name != http.CanonicalHeaderKey(name) {
				t.Errorf("the header %q is not canonical", name)
			}
			r := c.Admit("body")
			r.Header[name] = append(r.Header[name], "one", "more")
			if d := policy.Decide(auth.NewRequest(r, auth.NewBuffers(1<<20, 4<<20))); d.Reason != auth.TwoCredentials {
				t.Errorf("two lines of %s: got %q, want %q", name, d.Reason, auth.TwoCredentials)
			}
		}
	})

	t.Run("challenges", func(t *testing.T) {
		for _, why := range auth.Reasons() {
			if got := c.Method.Challenge("the realm", why); !strings.Contains(got, `realm="`) || strings.ContainsAny(got, "\r\n") {
				t.Errorf("%s: got %q, want a scheme and a realm", why, got)
			}
		}
	})

	t.Run("prints no secret", func(t *testing.T) {
		c.silent(t, fmt.Sprintf("%v %+v %#v %s", c.Method, c.Method, c.Method, c.Method))
		if k, ok := c.Method.(auth.Keeper); ok {
			c.silent(t, fmt.Sprint(k.Credentials()))
		}
		if w, ok := c.Method.(auth.Warner); ok {
			c.silent(t, fmt.Sprint(w.Warnings()))
		}
	})

	t.Run("at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					if _, err := ask(c.Admit("body")); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// Ask asks a method as a gate does, and says what became of it. The function is
// taken not to have done with the request what was asked.
func Ask(m auth.Method, r *http.Request) (auth.Identity, auth.Reason) {
	asked := auth.NewRequest(r, auth.NewBuffers(2<<20, 4<<20))
	defer asked.Settle(false)
	id, err := m.Authenticate(asked)
	return id, auth.ReasonOf(err)
}

// testGate sees to it that what the method has judged is what a handler gets.
func testGate(t *testing.T, c Case) {
	policy, err := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{c.Method}})
	if err != nil {
		t.Fatal(err)
	}
	const body = "the body, as it was sent\r\n"
	called := false
	h := auth.NewGate(policy, auth.Options{}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		called = true
		if got, err := io.ReadAll(r.Body); string(got) != body || err != nil {
			t.Errorf("the handler got the body %q and %v, want %q", got, err, body)
		}
		id, ok := auth.FromContext(r.Context())
		if !ok || r.Header.Get(auth.SubjectHeader) != id.Subject || r.Header.Get(auth.MethodHeader) != c.Method.Name() {
			t.Errorf("the handler got %v and %v", id, r.Header)
		}
		for name, values := range r.Header {
			if _, strips := c.Method.(auth.Stripper); strips {
				c.silent(t, name+": "+strings.Join(values, ", "))
			}
		}
		if _, strips := c.Method.(auth.Stripper); strips {
			c.silent(t, r.URL.String()+" "+r.RequestURI)
		}
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, c.Admit(body))
	if !called || w.Code != http.StatusOK {
		t.Errorf("got %d, want the handler to be called", w.Code)
	}
	for name, deny := range c.Deny {
		called = false
		w := httptest.NewRecorder()
		h.ServeHTTP(w, deny())
		if called || w.Code < 400 {
			t.Errorf("%s: got %d, and the handler was called: %v", name, w.Code, called)
		}
		if w.Code == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: 401 without a challenge", name)
		}
	}
}

// silent fails if text has a secret.
func (c Case) silent(t *testing.T, text string) {
	t.Helper()
	for _, s := range c.Secrets {
		if strings.Contains(text, s) || bytes.Contains([]byte(text), fmt.Appendf(nil, "%x", s)) {
			t.Errorf("a secret, %.8q…, stands in %.200q", s, text)
		}
	}
}

// watched notices when it is read.
type watched struct {
	r    io.Reader
	read bool
}

func (w *watched) Read(p []byte) (int, error) {
	w.read = true
	return w.r.Read(p)
}
