package watchdog

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auth-watchdog/watchdog/internal/session"
	"auth-watchdog/watchdog/internal/totp"
)

// C15, W1: without a session nothing answers but the pages under their very
// names, and the probes.
func TestC15W1NothingElseIsOpen(t *testing.T) {
	s := newSite(t, "methods: {people: {type: login, group: tools}}\nrules: [{match: /, accept: people}]\n", nil, nil)
	many := newSite(t, peoplePolicy, nil, nil)
	own := map[string]bool{"/_/health": true, "/_/ready": true}
	for _, page := range []string{"sign-in", "second-factor", "sign-out", "style.css", "logo"} {
		own["/_/auth/"+page] = true
	}
	targets := []string{
		"/", "/_", "/_/", "/_/authx", "/_/authx/sign-in", "/_/auth-report", "/_/auth.html", "/_auth/sign-in", "/_/AUTH/sign-in", "/_/Auth/Sign-In", "/_/healthx", "/_/health/", "/_/ready/x", "/_/metrics", "/metrics",
		"/static-report", "/static/../x", "/front-desk-admin", "/assets-list", "/login", "/logout", "/auth", "/favicon.ico", "/robots.txt", "/.well-known/x", "/style.css", "/sign-in", "/x/_/auth/sign-in", "/x/../_/auth/sign-in",
		"//_/auth/sign-in", "/_//auth/sign-in", "/./_/auth/sign-in", "/_/./auth/sign-in", "/_/x/../auth/sign-in", "/_/auth/../x", "/_/auth/../../x", "/_/auth/%2e%2e/%2e%2e/x", "/_/auth/..%2f..%2fx", "/_/auth%2f..%2f..%2fx", "/_/auth/..;/x", "/_/auth;/x",
		"/_/auth", "/_/auth/", "/_/auth//", "/_/auth/x", "/_/auth/sign-in/", "/_/auth/sign-in.", "/_/auth/sign-in;x", "/_/auth/sign-in/x", "/_/auth/sign-in%00", "/_/auth/sign-in%20", "/_/auth/sign-in%2fx", "/_/auth/SIGN-IN", "/_/auth/sign-in/..", "/_/auth/sign-in/../../../x",
		"/%5f/auth/sign-in", "/_%2fauth%2fsign-in", "/_/%61uth/sign-in", "/%2f_/auth/sign-in", "/_\\auth\\sign-in", "/_/auth\\..\\..\\x", "/?/_/auth/sign-in", "/x?path=/_/auth/sign-in", "/x#/_/auth/sign-in", "/x%23/_/auth/sign-in", "/x%3f/_/auth/sign-in", "/\uff3f/auth/sign-in", "/_/auth/\u2024\u2024/x",
		"http://tools.example.com/", "http://tools.example.com/x", "https://evil/_/authx", "http://x@tools.example.com/x", "*",
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "BREW", "PROPFIND"} {
		for _, target := range targets {
			for _, headers := range [][]string{
				nil,
				{"X-HTTP-Method-Override: GET", "X-Original-URL: /_/auth/sign-in", "X-Rewrite-URL: /_/auth/sign-in", "X-Forwarded-Uri: /_/auth/sign-in", "X-Forwarded-Prefix: /_/auth"},
				{"User-Agent: kube-probe/1.30", "Sec-Fetch-Mode: cors"},
			} {
				for _, at := range []*site{s, many} {
					u, err := url.ParseRequestURI(target)
					if target == "*" {
						u, err = &url.URL{Path: "*"}, nil
					}
					if err != nil {
						continue // nor does our server take it
					}
					r := httptest.NewRequest(method, "/", nil)
					r.URL, r.RequestURI, r.Host = u, target, "tools.example.com"
					r.Header.Set("Accept", "text/html")
					r.Header.Set("Sec-Fetch-Mode", "navigate")
					for _, h := range headers {
						name, value, _ := strings.Cut(h, ": ")
						r.Header.Set(name, value)
					}
					w := httptest.NewRecorder()
					at.handler.ServeHTTP(w, r)
					if n, last := at.reached(); n > 0 {
						t.Fatalf("%s %s has reached the function as %s", method, target, last.RequestURI)
					}
					switch {
					case w.Code < 300 && own[target]:
					case w.Code < 300:
						t.Errorf("%s %s with %v: got %d\n%.100s", method, target, headers, w.Code, w.Body)
					case w.Code < 400 && !strings.HasPrefix(w.Header().Get("Location"), "/_/auth/sign-in"):
						t.Errorf("%s %s with %v: sent to %q", method, target, headers, w.Header().Get("Location"))
					}
					for _, c := range w.Result().Cookies() {
						t.Errorf("%s %s: got a cookie %s", method, target, c.Name)
					}
				}
			}
		}
	}
}

// FuzzC15 finds no path by which anybody without a session gets to the function.
func FuzzC15(f *testing.F) {
	for _, p := range []string{"/_/auth/sign-in", "/_/authx", "/_/auth/../x", "//_/auth/", "/_/auth/%2e%2e/x", "/_/health", "/"} {
		f.Add("GET", p, "")
		f.Add("POST", p, sessionOf+"=v1.x")
	}
	folder := f.TempDir()
	for name, text := range map[string]string{"users": usersFile(), "session-keys": session.NewKey()} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	reached := false
	w, err := New(Options{
		Settings: Settings{"auth": "login", "public_url": publicURL, "allow_degraded": "true", "secret_mount_path": folder, "suppress_lock": "true"},
		Handler:  http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }), Stderr: io.Discard,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, cookie string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: tools.example.com\r\n\r\n")))
		if err != nil {
			return
		}
		if cookie != "" {
			r.Header["Cookie"] = []string{cookie}
		}
		r.RemoteAddr = "192.0.2.1:1"
		r.Body = http.NoBody
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if reached {
			t.Fatalf("%q %q has reached the function", method, target)
		}
		if rec.Code < 300 && !slices.Contains([]string{"/_/auth/sign-in", "/_/auth/sign-out", "/_/auth/style.css", "/_/health", "/_/ready"}, r.URL.Path) {
			t.Fatalf("%q %q: got %d", method, target, rec.Code)
		}
	})
}

// C16: what the caller says of who it is does not reach the function beside
// what we say.
func TestC16IdentityHeaders(t *testing.T) {
	s := newSite(t, peoplePolicy, nil, nil)
	v := s.as("bob")
	fold := regexp.MustCompile(`[^a-z0-9]`)
	for _, name := range []string{
		"X-Auth-Subject", "x-auth-subject", "X_Auth_Subject", "X.Auth.Subject", "X-Auth_Subject", "X-AUTH-SUBJECT", "X-Auth-Method", "X-Auth-Scopes", "x_auth_scopes", "X-Auth-User", "X-Auth-Groups",
		"Remote-User", "remote_user", "X-Forwarded-User", "X-Forwarded-Email", "X-Remote-User", "X-Forwarded-Groups", "Remote-Groups", "X-Auth-Request-User",
	} {
		for _, target := range []string{"/", "/people/", "/public"} {
			w := v.open(target, name+": admin", "Connection: X-Auth-Subject, X-Auth-Method, X-Auth-Scopes, Cookie, close")
			if w.Code != 200 {
				t.Fatalf("%s: got %d", name, w.Code)
			}
			_, last := s.reached()
			found := map[string][]string{}
			for n, values := range last.Header {
				n = fold.ReplaceAllString(strings.ToLower(n), "-")
				if strings.HasPrefix(n, "x-auth-") || strings.Contains(n, "user") && n != "user-agent" || strings.Contains(n, "group") || strings.Contains(n, "email") {
					found[n] = append(found[n], values...)
				}
			}
			want := "map[x-auth-method:[people] x-auth-subject:[bob]]"
			if target == "/public" {
				want = "map[]"
			}
			if got := fmt.Sprint(found); got != want {
				t.Errorf("%s at %s: the function was told %s, want %s", name, target, got, want)
			}
		}
	}
	// In trailers.
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
	r.Trailer = http.Header{"X-Auth-Subject": {"admin"}}
	r.Header.Set("Cookie", sessionOf+"="+v.cookies[sessionOf])
	r.Header.Set("Origin", publicURL)
	s.handler.ServeHTTP(httptest.NewRecorder(), r)
	if _, last := s.reached(); len(last.Trailer) > 0 || last.Header.Get("X-Auth-Subject") != "bob" {
		t.Errorf("the function got %v and the trailers %v", last.Header, last.Trailer)
	}
}

// C7, W6: who is taken out of the secret is out with the next request after the
// reload, and the others are not asked again.
func TestC7W6UserRemovedWhileSignedIn(t *testing.T) {
	s := newSite(t, peoplePolicy, nil, nil)
	alice, bob := s.as("alice"), s.as("bob")
	was := alice.cookies[sessionOf]
	check := func(when string, wantAlice, wantBob int) {
		t.Helper()
		if a, b := alice.open("/x").Code, bob.open("/x").Code; a != wantAlice || b != wantBob {
			t.Errorf("%s: got %d for alice and %d for bob, want %d and %d", when, a, b, wantAlice, wantBob)
		}
	}
	check("at first", 200, 200)
	s.write("users", fmt.Sprintf("- {name: bob, password: %q}", storedWord()))
	check("alice removed", 302, 200)
	if _, kept := alice.cookies[sessionOf]; kept {
		t.Error("the browser keeps the cookie")
	}
	s.write("users", usersFile())
	alice.cookies[sessionOf] = was
	check("alice back as she was", 200, 200)
	s.write("users", strings.Replace(usersFile(), "roles: [admin]", "roles: [admin, root]", 1))
	check("alice with another role", 302, 200)
	s.write("users", strings.Replace(usersFile(), "name: bob,", "name: bob, disabled: true,", 1))
	alice.cookies[sessionOf] = was
	check("bob disabled", 200, 302)
}

// C36: secrets that are broken change nothing, and that is seen.
func TestC36BrokenSecrets(t *testing.T) {
	key := session.NewKey()
	s := newSite(t, strings.Replace(peoplePolicy, "group: tools", "group: tools, epoch: epoch", 1),
		map[string]string{"session-keys": key, "epoch": "2020-01-01T00:00:00Z"}, nil)
	v := s.as("alice")
	for _, tt := range []struct{ name, text string }{
		{"users", ""},
		{"users", "\n"},
		{"users", "# nobody\n"},
		{"users", "[]"},
		{"users", "- {name: alice, password: CANARY-plain}"},
		{"users", usersFile()[:len(usersFile())/2]},
		{"users", "- name: &x alice\n  password: " + storedWord()},
		{"users", strings.Replace(usersFile(), "m=19456", "m=64", 1)},
		{"users", usersFile() + "- {name: alice, password: x}\n"},
		{"users", strings.Replace(usersFile(), "name: bob", "name: ALICE", 1)},
		{"users", "alice:" + storedWord() + "\nalice:" + storedWord()},
		{"session-keys", ""},
		{"session-keys", "\n\n"},
		{"session-keys", key[:20]},
		{"session-keys", key + "\nCANARY"},
		{"session-keys", key + "\n" + key},
		{"session-keys", "correct horse battery staple"},
		{"epoch", ""},
		{"epoch", "yesterday"},
		{"epoch", "2020-01-01"},
		{"epoch", "2999-01-01T00:00:00Z"},
	} {
		before := strings.Count(s.log.String(), "the last good ones stay in force")
		s.write(tt.name, tt.text)
		s.poll()
		if got := strings.Count(s.log.String(), "the last good ones stay in force"); got != before+1 {
			t.Errorf("%s %.30q: logged %d times", tt.name, tt.text, got-before)
		}
		if got := v.open("/x").Code; got != 200 {
			t.Errorf("%s %.30q: got %d", tt.name, tt.text, got)
		}
		if got := s.visitor().open("/x").Code; got != 302 {
			t.Errorf("%s %.30q: a stranger got %d", tt.name, tt.text, got)
		}
		good := map[string]string{"users": usersFile(), "session-keys": key, "epoch": "2020-01-01T00:00:00Z"}[tt.name]
		s.write(tt.name, good)
	}
	path := filepath.Join(s.secrets, "users")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.poll()
	s.poll()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	s.poll()
	s.poll()
	if got := v.open("/x").Code; got != 200 {
		t.Errorf("a folder in place of the secret: got %d", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	// Behind links, as Kubernetes does it, and with line ends that were added.
	target := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(target, []byte(strings.ReplaceAll(usersFile(), "name: alice", "name: alina")+"\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	s.poll()
	s.poll()
	if got := v.open("/x").Code; got != 302 {
		t.Errorf("alice, who is gone: got %d", got)
	}
	s.as("alina")
	if strings.Contains(s.log.String(), "CANARY") {
		t.Error("what stands in a secret is in the log")
	}
}

// C36: a start with secrets that are broken, or settings that can't work, is
// none.
func TestLoginStarts(t *testing.T) {
	key, users := session.NewKey(), usersFile()
	plain := fmt.Sprintf("- {name: alice, password: %q}", storedWord())
	for _, tt := range []struct {
		name     string
		files    map[string]string
		settings Settings
		policy   string
		want     string // empty if it starts
	}{
		{name: "all there"},
		{name: "lines", files: map[string]string{"users": "alice:" + storedWord() + " scopes=admin"}},
		{name: "no users", files: map[string]string{"users": "-"}, want: `secret "users":`},
		{name: "empty users", files: map[string]string{"users": ""}, want: `secret "users"`},
		{name: "plain text", files: map[string]string{"users": "alice:CANARY"}, want: "want an argon2id or bcrypt hash"},
		{name: "a weak hash", files: map[string]string{"users": strings.Replace(plain, "m=19456", "m=64", 1)}, want: "auth-watchdog user passwd alice"},
		{name: "a key that is text", files: map[string]string{"session-keys": "CANARY-CANARY-CANARY-CANARY-CANA"}, want: "auth-watchdog key ring"},
		{name: "no keys", files: map[string]string{"session-keys": "# none"}, want: `secret "session-keys"`},
		{name: "no public_url", settings: Settings{"public_url": ""}, want: "public_url"},
		{name: "plain http", settings: Settings{"public_url": "http://tools.example.com"}, want: "https"},
		{name: "plain http on this machine", settings: Settings{"public_url": "http://localhost:8080"}},
		{name: "plain http on this machine, by address", settings: Settings{"public_url": "http://127.0.0.1:8080"}},
		{name: "plain http in the network", settings: Settings{"public_url": "http://10.0.0.1"}, want: "https"},
		{name: "plain http on what looks like this machine", settings: Settings{"public_url": "http://localhost.example.com"}, want: "https"},
		{name: "plain http on another one", settings: Settings{"public_url": "http://127.0.0.1.example.com"}, want: "https"},
		{name: "a host name that browsers send in another way", settings: Settings{"public_url": "https://b\u00fccher.example"}, want: "xn--"},
		{name: "a user in the URL", settings: Settings{"public_url": "https://a:b@tools.example.com"}, want: "public_url"},
		{name: "a query", settings: Settings{"public_url": "https://tools.example.com/?x"}, want: "public_url"},
		{name: "a second factor and no memory", files: map[string]string{"users": users}, settings: Settings{"allow_degraded": "false"}, want: "allow_degraded=true"},
		{name: "no second factor and no memory", files: map[string]string{"users": plain}, settings: Settings{"allow_degraded": "false"}},
		{name: "all with login", policy: "methods: {people: {type: login}, ci: {type: bearer, secret: ci-keys}}\nrules: [{match: /, all: [people, ci]}]\n", want: "is for accept"},
		{name: "all with login alone", policy: "methods: {people: {type: login}}\nrules: [{match: /, all: [people]}]\n", want: "is for accept"},
		{name: "two of them", policy: "methods: {a: {type: login}, b: {type: login, group: x}}\nrules: [{match: /, accept: [a]}, {match: /b, accept: [b]}]\n", want: "second method of the type login"},
		{name: "two of them on one rule", policy: "methods: {a: {type: login}, b: {type: login}}\nrules: [{match: /, accept: [a, b]}]\n", want: "second method of the type login"},
		{name: "a second factor of programs", policy: "methods: {ci: {type: bearer, secret: ci-keys}}\nrules: [{match: /, accept: [ci], require: {second_factor: true}}]\n", want: "only people who sign in can have"},
		{name: "a sign-in of programs", policy: "methods: {ci: {type: bearer, secret: ci-keys}, people: {type: login}}\nrules: [{match: /, accept: [people]}, {match: /x, accept: [ci], require: {max_age: 15m}}]\n", want: "rule 2: requires second_factor or max_age"},
		{name: "a group with a dot", policy: "methods: {a: {type: login, group: tools.step}}\nrules: [{match: /, accept: [a]}]\n", want: "group"},
		{name: "a group with a semicolon", policy: "methods: {a: {type: login, group: 'x; Domain=y'}}\nrules: [{match: /, accept: [a]}]\n", want: "group"},
		{name: "idle above absolute", policy: "methods: {a: {type: login, idle: 13h}}\nrules: [{match: /, accept: [a]}]\n", want: "idle"},
		{name: "remember for too long", policy: "methods: {a: {type: login, remember: 337h}}\nrules: [{match: /, accept: [a]}]\n", want: "336h"},
		{name: "remember below absolute", policy: "methods: {a: {type: login, remember: 1h}}\nrules: [{match: /, accept: [a]}]\n", want: "remember"},
		{name: "a colour with more in it", policy: "methods: {a: {type: login, color: 'red;}body{'}}\nrules: [{match: /, accept: [a]}]\n", want: "color"},
		{name: "an epoch that is none", policy: "methods: {a: {type: login, epoch: epoch}}\nrules: [{match: /, accept: [a]}]\n", files: map[string]string{"epoch": "CANARY"}, want: "want a time"},
		{name: "an epoch to come", policy: "methods: {a: {type: login, epoch: epoch}}\nrules: [{match: /, accept: [a]}]\n", files: map[string]string{"epoch": "2999-01-01T00:00:00Z"}, want: "want a time that has passed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "auth.yml")
			policy := tt.policy
			if policy == "" {
				policy = peoplePolicy
			}
			if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
				t.Fatal(err)
			}
			files := map[string]string{"users": users, "session-keys": key, "ci-keys": peopleKey}
			maps.Copy(files, tt.files)
			settings := Settings{"auth_config": path, "public_url": publicURL, "allow_degraded": "true"}
			maps.Copy(settings, tt.settings)
			_, err := New(Options{Settings: secrets(t, files, settings), Handler: http.HandlerFunc(ok), Stderr: io.Discard})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "CANARY") {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

// C4: two replicas with one ring know each other's sessions, while it is
// rotated and after.
func TestC4TwoReplicas(t *testing.T) {
	first, second := session.NewKey(), session.NewKey()
	users := usersFile()
	begin := func() *site {
		return newSite(t, peoplePolicy, map[string]string{"users": users, "session-keys": first}, nil)
	}
	a, b := begin(), begin()
	v := a.as("alice")
	move := func(to *site) *visitor { return &visitor{to, v.cookies} }
	check := func(when string, at *site, want int) {
		t.Helper()
		if got := move(at).open("/x").Code; got != want {
			t.Errorf("%s: got %d, want %d", when, got, want)
		}
	}
	check("the other replica", b, 200)
	both := second + "\n" + first
	b.write("session-keys", both)
	a.write("session-keys", both)
	old := v.cookies[sessionOf]
	check("a new key", b, 200)
	if v.cookies[sessionOf] == old {
		t.Error("it is not sealed with the new key")
	}
	check("the first replica", a, 200)
	a.write("session-keys", second)
	b.write("session-keys", second)
	check("the old key is gone", a, 200)
	check("the old key is gone, at the other", b, 200)
	v.cookies[sessionOf] = old
	check("what was sealed with it", b, 302)
	// What is signed out at one is known to that one alone; the README says so.
	v.signIn("alice", "/")
	copied := v.cookies[sessionOf]
	v.do("POST", "/_/auth/sign-out", url.Values{})
	v.cookies[sessionOf] = copied
	check("signed out here", a, 302)
	v.cookies[sessionOf] = copied
	check("signed out there", b, 200)
	// Another function under the same host, with the same keys and users, and a
	// group of its own.
	other := newSite(t, strings.ReplaceAll(peoplePolicy, "group: tools", "group: others"), map[string]string{"users": users, "session-keys": second}, nil)
	v.cookies["__Host-Http-aw-others"] = copied
	check("a function of another group", other, 302)
}

// The epoch ends all sessions in all replicas.
func TestEpochAtReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, strings.Replace(peoplePolicy, "group: tools", "group: tools, epoch: epoch", 1), map[string]string{"epoch": "1999-01-01T00:00:00Z"}, nil)
		v := s.as("alice")
		time.Sleep(time.Minute)
		if got := v.open("/x").Code; got != 200 {
			t.Fatalf("got %d", got)
		}
		s.write("epoch", time.Now().UTC().Format(time.RFC3339)+"\n")
		if got := v.open("/x").Code; got != 302 {
			t.Errorf("after it: got %d", got)
		}
		v.signIn("alice", "/")
		if got := v.open("/x").Code; got != 200 {
			t.Errorf("signed in after it: got %d", got)
		}
	})
}

// C34: a whole visit leaves in logs, metrics and audit events what an operator
// needs, on lines that parse, and no secret.
func TestC34WhatIsWrittenDown(t *testing.T) {
	audit := filepath.Join(t.TempDir(), "audit.log")
	s := newSite(t, peoplePolicy, nil, Settings{"audit_log": audit, "OPENFAAS_NAME": "tool"})
	v := s.visitor()
	const odd = "x\r\n{\"event\":\"forged\"}\x1b[31m"
	v.open("/CANARY-not-really?token=CANARY-in-the-query")
	v.do("POST", "/_/auth/sign-in?password=CANARY-in-the-query", url.Values{"username": {odd}, "password": {"CANARY-wrong"}})
	v.do("POST", "/_/auth/sign-in", url.Values{"username": {"mary"}, "password": {"CANARY-wrong"}}, "User-Agent: Mozilla/5.0 \x1b[31m")
	v.signIn("mary", "/")
	code := totp.Code(seed(), time.Now())
	cookie := v.cookies[sessionOf]
	v.open("/x")
	v.open("/x", "Cookie: "+sessionOf+"="+cookie[:len(cookie)-4]+"AAAA")
	v.cookies[sessionOf] = cookie
	v.do("POST", "/x", url.Values{}, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site")
	v.do("POST", "/_/auth/sign-out", url.Values{}, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site")
	v.do("POST", "/_/auth/sign-out", url.Values{})
	v.cookies[sessionOf] = cookie
	v.open("/x", "Sec-Fetch-Mode: cors")
	s.observer.Access.Close(time.Minute)

	text := readFile(t, audit)
	var got []string
	for line := range strings.Lines(text) {
		e := map[string]any{}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		for _, name := range []string{"datetime", "level", "event", "appid", "call_id", "request_method", "request_path", "useragent", "source_ip"} {
			if _, there := e[name]; !there {
				t.Errorf("no %s in %s", name, line)
			}
		}
		got = append(got, fmt.Sprint(e["event"], " ", e["userid"]))
	}
	want := []string{
		"authn_login_fail <nil>", "authn_login_fail mary", "authn_login_success mary", "session_created mary",
		"crypt_decrypt_fail <nil>", "malicious_csrf mary", "malicious_csrf <nil>", "session_logout mary", "session_use_after_expire mary",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	all := text + s.log.String() + scrape(s.Watchdog)
	for _, secret := range []string{"CANARY-in", "CANARY-wrong", word, cookie, cookie[:40], v.cookies[sessionOf+".device"], totp.EncodeSeed(seed()), string(seed()), storedWord(), "\x1b", "forged\"}"} {
		if strings.Contains(all, secret) {
			t.Errorf("%.20q is written down", secret)
		}
	}
	if strings.Contains(text, code) {
		t.Error("the code is written down")
	}
}

// R3: a form that does not arrive is waited for no longer than read_timeout.
func TestSlowForms(t *testing.T) {
	s := newSite(t, peoplePolicy, nil, Settings{"read_timeout": "100ms"})
	server := httptest.NewServer(s.handler)
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "POST /_/auth/sign-in HTTP/1.1\r\nHost: tools.example.com\r\nOrigin: "+publicURL+"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nusername=al")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestTimeout {
		t.Errorf("got %d", res.StatusCode)
	}
	if res.Header.Get("Content-Security-Policy") == "" || len(res.Cookies()) > 0 {
		t.Errorf("got %v", res.Header)
	}
}

// TestLoginRuns serves over a connection, as it is.
func TestLoginRuns(t *testing.T) {
	s := newSite(t, peoplePolicy, nil, nil)
	server := httptest.NewServer(s.handler)
	defer server.Close()
	send := func(method, target, cookie string, body io.Reader) *http.Response {
		r, err := http.NewRequestWithContext(context.Background(), method, server.URL+target, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "tools.example.com"
		r.Header.Set("Origin", publicURL)
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		if body != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		res, err := (&http.Transport{}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	res := send("POST", "/_/auth/sign-in", "", strings.NewReader(url.Values{"username": {"bob"}, "password": {word}, "return_to": {"/a?b"}}.Encode()))
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/a?b" {
		t.Fatalf("got %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	cookie := res.Cookies()[0].Name + "=" + res.Cookies()[0].Value
	if res := send("GET", "/a?b", cookie, nil); res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
	if res := send("GET", "/a?b", "", nil); res.StatusCode != 302 {
		t.Errorf("without it: got %d", res.StatusCode)
	}
}
