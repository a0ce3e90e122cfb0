package test

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// TestPortal has an admin and somebody else use the tool of golang-auth-portal
// with a browser.
func TestPortal(t *testing.T) {
	folder := desk(t)
	const password = "CANARY-of-both-users"
	hash, err := bcrypt.GenerateFromPassword([]byte(password), 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.Mkdir(filepath.Join(folder, ".secrets"), 0o700),
		os.WriteFile(filepath.Join(folder, ".secrets", "users"), []byte("alice:"+string(hash)+" scopes=admin\nbob:"+string(hash)+"\n"), 0o600),
		os.WriteFile(filepath.Join(folder, "stack.yml"), []byte(`functions:
  tools:
    lang: golang-auth-portal
    handler: ./template/golang-auth-portal/function
    secrets: [users, session-keys]
    environment:
      public_url: https://tools.example.com
`), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, folder)
	d.curls()
	own, cookies := d.url(""), map[string]string{}
	for _, name := range []string{"alice", "bob"} {
		cookies[name], _ = d.signIn("/_/auth/sign-in", url.Values{"username": {name}, "password": {password}})
	}

	// Each finds what those before have left.
	for _, tt := range []struct {
		who, request string
		origin       string
		form         string
		status       int
		location     string
		has, hasNot  string
	}{
		{who: "nobody", request: "GET /", status: 302, location: "/_/auth/sign-in"},
		{who: "nobody", request: "GET /admin/", status: 302, location: "/_/auth/sign-in?return_to=%2Fadmin%2F"},
		{who: "nobody", request: "POST /", origin: own, form: "text=hello", status: 401},
		{who: "bob", request: "GET /", status: 200, has: "<h1>Hello bob</h1>", hasNot: "/admin/"},
		{who: "bob", request: "GET /admin/", status: 403},
		{who: "bob", request: "GET /admin", status: 403},
		{who: "bob", request: "POST /", origin: own, form: "text=from+bob", status: 303, location: "/"},
		{who: "bob", request: "POST /", origin: "https://tools.example.com", form: "text=CANARY", status: 403},
		{who: "bob", request: "POST /", origin: "null", form: "text=CANARY", status: 403},
		{who: "bob", request: "POST /", form: "text=CANARY", status: 403},
		{who: "bob", request: "POST /admin/", origin: own, form: "id=1", status: 403},
		{who: "alice", request: "GET /", status: 200, has: "from bob</p>", hasNot: "CANARY"},
		{who: "alice", request: "GET /admin/", status: 200, has: "Take down"},
		{who: "alice", request: "GET /admin", status: 303, location: "/admin/"},
		{who: "alice", request: "POST /admin/", origin: "https://evil.example", form: "id=1", status: 403},
		{who: "bob", request: "GET /", status: 200, has: "from bob</p>"},
		{who: "alice", request: "POST /admin/", origin: own, form: "id=1", status: 303, location: "/admin/"},
		{who: "bob", request: "GET /", status: 200, hasNot: "from bob</p>", has: `action="/_/auth/sign-out"`},
		{who: "bob", request: "POST /_/auth/sign-out", origin: own, status: 303, location: "/_/auth/sign-out"},
		{who: "bob", request: "GET /", status: 302, location: "/_/auth/sign-in"},
		{who: "alice", request: "GET /", status: 200},
	} {
		method, path, _ := strings.Cut(tt.request, " ")
		r, err := http.NewRequest(method, d.url(path), strings.NewReader(tt.form))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		if tt.form != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if cookies[tt.who] != "" {
			r.Header.Set("Cookie", cookies[tt.who])
		}
		res, body := d.send(r)
		if got := res.Header.Get("Location"); res.StatusCode != tt.status || got != tt.location {
			t.Errorf("%s, %s, of %q: got %d to %q, want %d to %q\n%s", tt.who, tt.request, tt.origin, res.StatusCode, got, tt.status, tt.location, body)
		}
		if !strings.Contains(body, tt.has) || tt.hasNot != "" && strings.Contains(body, tt.hasNot) {
			t.Errorf("%s, %s: want %q and not %q in\n%s", tt.who, tt.request, tt.has, tt.hasNot, body)
		}
		if res.StatusCode == 200 && res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s, %s: Cache-Control is %q: what was shown stays in the browser", tt.who, tt.request, res.Header.Get("Cache-Control"))
		}
	}
	if strings.Contains(d.log.String(), "CANARY") {
		t.Errorf("the log has a password, or a form\n%s", d.log)
	}
}
