package watchdog

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/session"
	"auth-watchdog/watchdog/internal/totp"
)

const (
	publicURL = "https://tools.example.com"
	sessionOf = "__Host-Http-aw-tools" // its cookie
	peopleKey = "awk_CANARY-key-beside-people"
	word      = "CANARY-word-of-everybody"
)

// storedWord is the word as it stands in the secret.
var storedWord = sync.OnceValue(func() string {
	h, err := password.New(word)
	if err != nil {
		panic(err)
	}
	return h
})

func seed() []byte { return []byte("CANARY-seed-of-mary!") }

// usersFile is a secret with alice, who is an admin, bob, and mary, who has an
// authenticator app.
func usersFile() string {
	return fmt.Sprintf(`
- {name: alice, password: %[1]q, roles: [admin]}
- {name: bob, password: %[1]q}
- {name: mary, password: %[1]q, totp: %[2]q, roles: [admin]}
`, storedWord(), totp.EncodeSeed(seed()))
}

const peoplePolicy = `
methods:
  people: {type: login, group: tools}
  ci:     {type: bearer, secret: ci-keys}
rules:
  - {match: "/", accept: [people, ci]}
  - {match: "/people/", accept: [people]}
  - {match: "/machine", accept: [ci]}
  - {match: "/public", public: true}
  - {match: "/admin/", accept: [people, ci], require: {scopes: [admin]}}
  - {match: "/second/", accept: [people, ci], require: {second_factor: true}}
  - {match: "/fresh/", accept: [people, ci], require: {max_age: 15m}}
  - {match: "/strict/", accept: [people], require: {second_factor: true, max_age: 15m}}
`

// A site is a watchdog at which people sign in.
type site struct {
	*Watchdog
	t       *testing.T
	log     *logs
	secrets string // the folder

	mu  sync.Mutex
	got []*http.Request // by the function
}

// newSite starts one. The files are its secrets, besides the usual ones.
func newSite(t *testing.T, policy string, files map[string]string, settings Settings) *site {
	t.Helper()
	path := filepath.Join(t.TempDir(), "auth.yml")
	if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"users": usersFile(), "session-keys": session.NewKey(), "ci-keys": "ci " + peopleKey + " scopes=admin"}
	for name, text := range files {
		all[name] = text
	}
	given := Settings{"auth_config": path, "public_url": publicURL, "allow_degraded": "true"}
	for name, value := range settings {
		given[name] = value
	}
	s := &site{t: t}
	given = secrets(t, all, given)
	s.secrets = given["secret_mount_path"]
	s.Watchdog, s.log = serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, r)
		_, _ = io.WriteString(w, "the function")
	}), given)
	return s
}

// write changes a secret, and has the watchdog see it.
func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.secrets, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.poll()
	s.poll()
}

// reached returns how many requests the function has got, and the last.
func (s *site) reached() (n int, last *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = len(s.got); n > 0 {
		last = s.got[n-1]
	}
	return n, last
}

// A visitor is a browser.
type visitor struct {
	s       *site
	cookies map[string]string
}

func (s *site) visitor() *visitor { return &visitor{s, map[string]string{}} }

// do sends a request with what browsers say of it, unless the headers say
// otherwise: "Name: value", or "Name" for one that is not sent.
func (v *visitor) do(method, target string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	v.s.t.Helper()
	r := httptest.NewRequest(method, target, nil)
	if form != nil {
		r = httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Host = "tools.example.com"
	for name, value := range map[string]string{
		"User-Agent": "Mozilla/5.0", "Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate",
	} {
		r.Header.Set(name, value)
	}
	if method != http.MethodGet && method != http.MethodHead {
		r.Header.Set("Origin", publicURL)
	}
	var pairs []string
	for name, value := range v.cookies {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	if len(pairs) > 0 {
		r.Header.Set("Cookie", strings.Join(pairs, "; "))
	}
	for _, h := range headers {
		name, value, found := strings.Cut(h, ": ")
		delete(r.Header, name)
		if found {
			r.Header[name] = []string{value}
		}
	}
	w := httptest.NewRecorder()
	v.s.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = c.Value
		}
	}
	return w
}

func (v *visitor) open(target string, headers ...string) *httptest.ResponseRecorder {
	v.s.t.Helper()
	return v.do(http.MethodGet, target, nil, headers...)
}

// follow opens a page and goes where it is sent. It returns where that ends.
func (v *visitor) follow(target string) (string, *httptest.ResponseRecorder) {
	v.s.t.Helper()
	for range 5 {
		w := v.open(target)
		if w.Code < 300 || w.Code >= 400 {
			return target, w
		}
		target = w.Header().Get("Location")
	}
	v.s.t.Errorf("a loop that goes on at %s", target)
	return target, httptest.NewRecorder()
}

// signIn fills in the form, and the second one if it comes to that, and returns
// where it leads.
func (v *visitor) signIn(name, returnTo string) string {
	v.s.t.Helper()
	w := v.do(http.MethodPost, "/_/auth/sign-in", url.Values{"username": {name}, "password": {word}, "return_to": {returnTo}})
	if strings.HasPrefix(w.Header().Get("Location"), "/_/auth/second-factor") {
		w = v.do(http.MethodPost, "/_/auth/second-factor", url.Values{"code": {totp.Code(seed(), time.Now())}, "return_to": {returnTo}})
	}
	if w.Code != http.StatusSeeOther {
		v.s.t.Fatalf("%s can't sign in: %d", name, w.Code)
	}
	return w.Header().Get("Location")
}

// as is a browser in which somebody has signed in.
func (s *site) as(name string) *visitor {
	s.t.Helper()
	v := s.visitor()
	v.signIn(name, "/")
	return v
}

const toSignIn = "/_/auth/sign-in"

// TestPeopleAndPrograms: of what a request brings, what no browser sends by
// itself counts alone, and who opens a page is led to sign in.
func TestPeopleAndPrograms(t *testing.T) {
	s := newSite(t, peoplePolicy, nil, nil)
	in := s.as("bob").cookies[sessionOf]
	const (
		good  = "Authorization: Bearer " + peopleKey
		wrong = "Authorization: Bearer wrong"
		basic = "Authorization: Basic Ym9iOng="
	)
	session := "Cookie: " + sessionOf + "=" + in
	forged := "Cookie: " + sessionOf + "=v1.x"
	navigation := []string(nil)
	fetch := []string{"Sec-Fetch-Mode: cors", "Accept: */*"}
	curl := []string{"Sec-Fetch-Mode", "Sec-Fetch-Site", "Accept: */*", "User-Agent: curl/8"}
	html := []string{"Sec-Fetch-Mode", "Sec-Fetch-Site", "Accept: text/html", "User-Agent: curl/8"}
	ajax := []string{"Sec-Fetch-Mode", "Sec-Fetch-Site", "Accept: text/html", "X-Requested-With: XMLHttpRequest"}
	for _, tt := range []struct {
		name    string
		by      []string
		headers []string
		method  string
		status  int
		subject string
	}{
		{"a session", navigation, []string{session}, "GET", 200, "bob"},
		{"a session, by fetch", fetch, []string{session}, "GET", 200, "bob"},
		{"a session, by curl", curl, []string{session}, "GET", 200, "bob"},
		{"a session that posts", navigation, []string{session}, "POST", 200, "bob"},
		{"a session and a key", navigation, []string{session, good}, "GET", 200, "ci"},
		{"a session and a key, posting", navigation, []string{session, good}, "POST", 200, "ci"},
		{"a session and a key, from elsewhere", navigation, []string{session, good, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, "POST", 200, "ci"},
		{"a session and a wrong key", navigation, []string{session, wrong}, "GET", 401, ""},
		{"a session and a wrong key, by fetch", fetch, []string{session, wrong}, "GET", 401, ""},
		{"a session and a wrong key, posting", navigation, []string{session, wrong}, "POST", 401, ""},
		{"a session and what no method reads", navigation, []string{session, basic}, "GET", 401, ""},
		{"a session and an empty Authorization", navigation, []string{session, "Authorization: "}, "GET", 401, ""},
		{"a session and a scheme", fetch, []string{session, "Authorization: Bearer"}, "GET", 401, ""},
		{"a key", navigation, []string{good}, "GET", 200, "ci"},
		{"a key, by curl", curl, []string{good}, "POST", 200, "ci"},
		{"a wrong key", navigation, []string{wrong}, "GET", 401, ""},
		{"a wrong key, by curl", curl, []string{wrong}, "GET", 401, ""},
		{"a forged session and a key", navigation, []string{forged, good}, "GET", 200, "ci"},
		{"a forged session", navigation, []string{forged}, "GET", 302, ""},
		{"a forged session, by fetch", fetch, []string{forged}, "GET", 401, ""},
		{"nothing", navigation, nil, "GET", 302, ""},
		{"nothing, HEAD", navigation, nil, "HEAD", 302, ""},
		{"nothing, posting a form", navigation, nil, "POST", 302, ""},
		{"nothing, posting by fetch", fetch, nil, "POST", 401, ""},
		{"nothing, posting by curl", curl, nil, "POST", 401, ""},
		{"nothing, by fetch", fetch, nil, "GET", 401, ""},
		{"nothing, by fetch that wants HTML", fetch, []string{"Accept: text/html"}, "GET", 401, ""},
		{"nothing, by curl", curl, nil, "GET", 401, ""},
		{"nothing, HEAD by curl", curl, nil, "HEAD", 401, ""},
		{"nothing, who only says to want HTML", html, nil, "GET", 302, ""},
		{"nothing, by old scripts", ajax, nil, "GET", 401, ""},
		{"a WebSocket without anything", navigation, []string{"Upgrade: websocket", "Origin: " + publicURL}, "GET", 401, ""},
		{"a WebSocket", navigation, []string{session, "Connection: Upgrade", "Upgrade: websocket", "Origin: " + publicURL}, "GET", 200, "bob"},
		{"a WebSocket from elsewhere", navigation, []string{session, "Connection: Upgrade", "Upgrade: websocket", "Origin: https://evil.example"}, "GET", 403, ""},
		{"a WebSocket from nowhere", navigation, []string{session, "Connection: Upgrade", "Upgrade: websocket"}, "GET", 403, ""},
		{"a WebSocket with a key", navigation, []string{good, "Connection: Upgrade", "Upgrade: websocket"}, "GET", 200, "ci"},
		{"asynchronous", navigation, []string{session, "X-Callback-Url: http://x/"}, "POST", 403, ""},
		{"asynchronous, GET", navigation, []string{session, "X-Callback-Url: http://x/"}, "GET", 403, ""},
		{"asynchronous with a key", navigation, []string{good, "X-Callback-Url: http://x/"}, "POST", 200, "ci"},
		{"asynchronous with both", navigation, []string{session, good, "X-Callback-Url: http://x/"}, "POST", 200, "ci"},
		{"a session from elsewhere", navigation, []string{session, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, "POST", 403, ""},
		{"nothing of where it comes from", curl, []string{session, "Origin"}, "POST", 403, ""},
	} {
		before, _ := s.reached()
		w := s.visitor().do(tt.method, "/x?y=z", nil, append(slices.Clone(tt.by), tt.headers...)...)
		after, last := s.reached()
		if w.Code != tt.status || (after > before) != (tt.status == 200) {
			t.Errorf("%s: got %d, and %d requests at the function; want %d", tt.name, w.Code, after-before, tt.status)
			continue
		}
		switch tt.status {
		case 200:
			if got := last.Header.Get(auth.SubjectHeader); got != tt.subject {
				t.Errorf("%s: the function was told %q", tt.name, got)
			}
			if strings.Contains(fmt.Sprint(last.Header), in) || strings.Contains(fmt.Sprint(last.Header), peopleKey) {
				t.Errorf("%s: the function got the credential", tt.name)
			}
			wantStore := ""
			if tt.subject == "bob" {
				wantStore = "no-store"
			}
			if got := w.Header().Get("Cache-Control"); got != wantStore || w.Header().Get("Vary") == "" {
				t.Errorf("%s: Cache-Control %q, Vary %q", tt.name, got, w.Header().Get("Vary"))
			}
		case 302:
			want := toSignIn + "?return_to=%2Fx%3Fy%3Dz"
			if tt.method == "POST" { // what a form does may be no page
				want = toSignIn
			}
			if got := w.Header().Get("Location"); got != want || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: to %q with %q", tt.name, got, w.Header().Get("Cache-Control"))
			}
		case 401:
			if got := strings.Join(w.Header()["Www-Authenticate"], ", "); !strings.Contains(got, "Session ") || !strings.Contains(got, "Bearer ") {
				t.Errorf("%s: challenged with %q", tt.name, got)
			}
		}
	}
	// Where no program may come, a key changes nothing, and is no way to forge.
	if w := s.visitor().open("/people/", session, good); w.Code != 401 {
		t.Errorf("a key where there is none to bring: got %d", w.Code)
	}
}

// TestCookiesOfOthers: the function gets its own cookies as they were, and ours
// on no rule.
func TestCookiesOfOthers(t *testing.T) {
	s := newSite(t, peoplePolicy, nil, nil)
	v := s.as("bob")
	our := sessionOf + "=" + v.cookies[sessionOf]
	device := sessionOf + ".device=" + v.cookies[sessionOf+".device"]
	for _, tt := range []struct{ cookie, want string }{
		{our, ""},
		{our + "; " + device, ""},
		{"a=1; " + our + "; b=2; " + device + "; c=3", "a=1; b=2; c=3"},
		{our + "; z=1; a=2; z=3", "z=1; a=2; z=3"},
		{"a=\"x y\"; b==; " + our + "; c; =d; e=%3B,", "a=\"x y\"; b==; c; =d; e=%3B,"},
		{"__Host-Http-aw-other=x; a=1; " + our, "a=1"},
		{"__Host-other=x; x__Host-Http-aw-tools=y; " + our, "__Host-other=x; x__Host-Http-aw-tools=y"},
	} {
		for target, header := range map[string]string{
			"/": "X: y", "/people/": "X: y", "/public": "X: y", "/machine": "Authorization: Bearer " + peopleKey, "/x": "Authorization: Bearer " + peopleKey,
		} {
			before, _ := s.reached()
			w := s.visitor().open(target, "Cookie: "+tt.cookie, header)
			after, last := s.reached()
			if w.Code != 200 || after == before {
				t.Fatalf("%s with %q: got %d", target, tt.cookie, w.Code)
			}
			if got := strings.Join(last.Header["Cookie"], "|"); got != tt.want {
				t.Errorf("%s: of %q the function got %q, want %q", target, tt.cookie, got, tt.want)
			}
		}
	}
	// Cookies of others only are not touched at all.
	const odd = "a=1;b=2;  c = 3 ;;d"
	if s.visitor().open("/public", "Cookie: "+odd); true {
		if _, last := s.reached(); last.Header.Get("Cookie") != odd {
			t.Errorf("the function got %q", last.Header.Get("Cookie"))
		}
	}
}

// TestCookiesWithoutSignIn: a function at which nobody signs in gets no session
// of another one under the same host; nor does one that gets credentials.
func TestCookiesWithoutSignIn(t *testing.T) {
	machines := "methods: {ci: {type: bearer, secret: ci-keys}}\nrules: [{match: /, accept: ci}, {match: /public, public: true}]\n"
	for name, s := range map[string]*site{
		"no sign-in":          newSite(t, machines, nil, nil),
		"forward_credentials": newSite(t, peoplePolicy, nil, Settings{"forward_credentials": "true"}),
	} {
		for _, target := range []string{"/", "/public"} {
			w := s.visitor().open(target, "Authorization: Bearer "+peopleKey, "Cookie: a=1; "+sessionOf+"=v1.x; "+sessionOf+".device=v1.y; __Host-Http-aw-other=z; b=2")
			_, last := s.reached()
			if w.Code != 200 || last.Header.Get("Cookie") != "a=1; b=2" {
				t.Errorf("%s: %s: got %d, and the function got %q", name, target, w.Code, last.Header.Get("Cookie"))
			}
		}
	}
}

// TestStepUp: a rule that wants more sends the browser to do what is missing,
// and nowhere else.
func TestStepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, peoplePolicy, nil, nil)
		bob, mary := s.as("bob"), s.as("mary")
		end := func(v *visitor, who, target, wantAt string, wantStatus int) {
			t.Helper()
			at, w := v.follow(target)
			if at, _, _ := strings.Cut(at, "?"); at != wantAt || w.Code != wantStatus {
				t.Errorf("%s at %s: ends at %s with %d, want %s with %d", who, target, at, w.Code, wantAt, wantStatus)
			}
		}
		const second = "/_/auth/second-factor"
		end(bob, "bob", "/fresh/", "/fresh/", 200)
		end(bob, "bob", "/second/x", second, 403)
		end(bob, "bob", "/strict/x", second, 403)
		end(mary, "mary", "/fresh/", "/fresh/", 200)
		end(mary, "mary", "/second/x", "/second/x", 200)
		end(mary, "mary", "/strict/x", "/strict/x", 200)
		end(s.visitor(), "a stranger", "/strict/x", toSignIn, 200)
		time.Sleep(14 * time.Minute)
		end(bob, "bob, later", "/fresh/", "/fresh/", 200)
		time.Sleep(2 * time.Minute)
		end(bob, "bob, too late", "/fresh/x?y=z", toSignIn, 200)
		end(bob, "bob, too late", "/strict/x", second, 403)
		end(bob, "bob, too late", "/", "/", 200)
		end(mary, "mary, too late", "/fresh/", toSignIn, 200)
		end(mary, "mary, too late", "/second/x", "/second/x", 200)
		end(mary, "mary, too late", "/strict/x", toSignIn, 200)
		if w := bob.open("/fresh/", "Sec-Fetch-Mode: cors"); w.Code != 401 {
			t.Errorf("a script too late: got %d", w.Code)
		}
		for from, want := range map[string]string{
			"": toSignIn + "?again=1", publicURL + "/fresh/form?x=y": toSignIn + "?again=1&return_to=%2Ffresh%2Fform%3Fx%3Dy",
			"https://evil.example/": toSignIn + "?again=1", publicURL + ".evil.example/": toSignIn + "?again=1", publicURL + "@evil.example/": toSignIn + "?again=1",
		} {
			if w := bob.do("POST", "/fresh/", url.Values{}, "Referer: "+from); w.Code != 302 || w.Header().Get("Location") != want {
				t.Errorf("a form too late, of %s: got %d and %s, want %s", from, w.Code, w.Header().Get("Location"), want)
			}
		}
		for _, target := range []string{"/second/", "/fresh/"} {
			if w := s.visitor().open(target, "Authorization: Bearer "+peopleKey); w.Code != 403 {
				t.Errorf("a key at %s: got %d, for a key is no person", target, w.Code)
			}
		}
		// Signing in again leads back, and is enough.
		_, w := bob.follow("/fresh/x?y=z")
		if !strings.Contains(w.Body.String(), `value="/fresh/x?y=z"`) {
			t.Errorf("the form does not lead back:\n%s", w.Body)
		}
		end(bob, "bob again", bob.signIn("bob", "/fresh/x?y=z"), "/fresh/x", 200)
		end(mary, "mary again", mary.signIn("mary", "/strict/x"), "/strict/x", 200)
	})
}

// TestC30W13Roles: rules by role hold for pages, forms, scripts and streams alike,
// and the function learns who calls (W13).
func TestC30W13Roles(t *testing.T) {
	s := newSite(t, peoplePolicy, nil, nil)
	alice, bob := s.as("alice"), s.as("bob")
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
		for _, target := range []string{"/admin/", "/admin", "/admin/x", "/admin/x/y?z=1"} {
			for _, headers := range [][]string{nil, {"Sec-Fetch-Mode: cors", "Accept: application/json"}, {"Accept: text/event-stream", "Sec-Fetch-Mode: cors"}} {
				before, _ := s.reached()
				if w := bob.do(method, target, nil, headers...); w.Code != 403 || w.Header().Get("Location") != "" {
					t.Errorf("bob: %s %s: got %d", method, target, w.Code)
				}
				if after, _ := s.reached(); after != before {
					t.Errorf("bob has reached %s %s", method, target)
				}
				if w := alice.do(method, target, nil, headers...); w.Code != 200 {
					t.Errorf("alice: %s %s: got %d", method, target, w.Code)
				}
				if _, last := s.reached(); last.Header.Get("X-Auth-Subject") != "alice" || last.Header.Get("X-Auth-Scopes") != "admin" || last.Header.Get("X-Auth-Method") != "people" {
					t.Errorf("the function was told %v", last.Header)
				}
			}
		}
	}
	bob.open("/")
	if _, last := s.reached(); last.Header.Get("X-Auth-Subject") != "bob" || last.Header["X-Auth-Scopes"] != nil {
		t.Errorf("the function was told %v", last.Header)
	}
}

// TestSessionsEndStreams: what the function does for somebody who has signed in
// ends with the session.
func TestSessionsEndStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, peoplePolicy, nil, Settings{"exec_timeout": "0"})
		v := s.as("bob")
		left := func() time.Duration {
			v.open("/x")
			_, last := s.reached()
			at, bounded := last.Context().Deadline()
			if !bounded {
				t.Fatal("it has no end")
			}
			return time.Until(at)
		}
		if got := left(); got != time.Hour {
			t.Errorf("at first: ends in %s", got)
		}
		for range 23 {
			time.Sleep(30 * time.Minute)
			left()
		}
		if got := left(); got != 30*time.Minute {
			t.Errorf("half an hour before the end of the session: ends in %s", got)
		}
	})
}

// TestTryOutOfSignIn: what is made for a try-out is good here.
func TestTryOutOfSignIn(t *testing.T) {
	given := Settings{"auth": "login", "public_url": "http://localhost:8080", "mode": "inproc"}
	try, err := NewTryOut(given)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range try.Secrets() {
		content, credential, err := try.NewSecret(name, "dev", time.Now())
		if err != nil || name == "users" && !strings.HasPrefix(credential, "dev:") || name != "users" && credential != "" {
			t.Fatalf("%s: got %q and %v", name, credential, err)
		}
		files[name] = content
	}
	given = secrets(t, files, given)
	w, _ := serving(t, http.HandlerFunc(ok), given)
	try, err = NewTryOut(given)
	if err != nil {
		t.Fatal(err)
	}
	list, err := try.Examples("http://localhost:8080", func(string) string { return "" })
	if err != nil || len(list) == 0 {
		t.Fatalf("got %d and %v", len(list), err)
	}
	for _, e := range list {
		e.Request.Body = io.NopCloser(strings.NewReader(e.Body))
		rec := httptest.NewRecorder()
		if w.handler.ServeHTTP(rec, e.Request); rec.Code != 200 {
			t.Errorf("%s %s: got %d", e.Request.Method, e.Request.URL, rec.Code)
		}
	}
}
