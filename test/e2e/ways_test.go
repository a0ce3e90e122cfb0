//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// A way is how callers come into a fresh function of a template, and what that
// needs. What it keeps secret has CANARY in it, and is found nowhere.
type way interface {
	// secrets are what the mounted files hold, by name.
	secrets() map[string]string
	// environment is what the stack file says of a function at a URL.
	environment(url string) map[string]string
	// enter returns what callers of a function at a URL bring.
	enter(t *testing.T, url string) credential
	// wrong are what others bring, to the function of that name.
	wrong(function string) map[string]credential
	// change changes the secrets, so that what callers brought is good no more.
	change(t *testing.T)
	// none are the settings that leave open who may come in.
	none() map[string]string
}

func (tmpl template) newWay(t *testing.T) way {
	t.Helper()
	var w way = &keyWay{}
	if _, err := os.Stat(filepath.Join(tmpl.folder, tmpl.HandlerFolder, "static", "auth.yml")); err == nil {
		w = &sessionWay{}
	}
	w.change(t)
	return w
}

func secretNames(w way) []string { return slices.Sorted(maps.Keys(w.secrets())) }

// keyWay is that of callers with a key.
type keyWay struct{ key string }

func (w *keyWay) secrets() map[string]string {
	return map[string]string{"api-key": "me " + w.key + "\n"}
}
func (*keyWay) environment(string) map[string]string  { return nil }
func (w *keyWay) enter(*testing.T, string) credential { return bearer(w.key) }
func (w *keyWay) change(*testing.T)                   { w.key = "CANARY" + rand.Text() }
func (*keyWay) none() map[string]string               { return map[string]string{"auth": ""} }
func (*keyWay) wrong(string) map[string]credential {
	return map[string]credential{"nobody": nothing, "a wrong key": bearer("CANARY" + rand.Text()), "an empty one": bearer("")}
}

// sessionWay is that of people, who sign in: alice is an admin, bob is not.
type sessionWay struct{ password, hash, ring string }

func (w *sessionWay) secrets() map[string]string {
	return map[string]string{"users": "alice:" + w.hash + " scopes=admin\nbob:" + w.hash + "\n", "session-keys": w.ring + "\n"}
}

func (*sessionWay) environment(url string) map[string]string {
	return map[string]string{"public_url": url}
}

func (w *sessionWay) enter(t *testing.T, url string) credential {
	t.Helper()
	return w.signIn(t, url, "alice")
}

func (w *sessionWay) signIn(t *testing.T, at, name string) credential {
	t.Helper()
	form := url.Values{"username": {name}, "password": {w.password}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+"/_/auth/sign-in", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a := exchange(t, r)
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%s can't sign in: %s", name, a.Status)
	}
	var cookies []string
	for _, c := range a.Cookies() {
		if c.MaxAge >= 0 {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
	}
	return opens(strings.Join(cookies, "; "))
}

// opens opens a page with cookies.
func opens(cookies string) credential {
	return func(r *http.Request, _ string) {
		r.Method, r.Body, r.ContentLength = http.MethodGet, nil, 0
		r.Header.Set("Cookie", cookies)
	}
}

// exchange follows no redirection, and reads no body.
func exchange(t *testing.T, r *http.Request) *http.Response {
	t.Helper()
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	return a
}

func (*sessionWay) wrong(function string) map[string]credential {
	cookie := "__Host-Http-aw-" + function + "="
	return map[string]credential{"nobody": nothing, "a wrong session": opens(cookie + "v1.CANARY" + rand.Text()), "an empty one": opens(cookie)}
}

func (w *sessionWay) change(t *testing.T) {
	t.Helper()
	w.password = "CANARY" + rand.Text()
	hash, err := bcrypt.GenerateFromPassword([]byte(w.password), 10)
	if err != nil {
		t.Fatal(err)
	}
	w.hash = string(hash)
	if w.ring == "" {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // it never fails
		w.ring = "CANARY" + base64.StdEncoding.EncodeToString(key)[6:]
	}
}

func (*sessionWay) none() map[string]string { return map[string]string{"auth_config": ""} }
