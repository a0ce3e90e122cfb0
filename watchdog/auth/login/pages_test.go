package login

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"auth-watchdog/watchdog/auth"
)

// origins are what a browser, or a program, says of where a request comes from,
// and whether it is a page of ours.
var origins = []struct {
	name         string
	origin, site []string
	ours         bool
}{
	{"a page of ours", []string{ourOrigin}, []string{"same-origin"}, true},
	{"an old browser on a page of ours", []string{ourOrigin}, nil, true},
	{"a page of ours, without Origin", nil, []string{"same-origin"}, true},
	{"another site", []string{"https://evil.example"}, []string{"cross-site"}, false},
	{"another site, without Origin", nil, []string{"cross-site"}, false},
	{"another site, in an old browser", []string{"https://evil.example"}, nil, false},
	{"a sibling", []string{"https://other.example.com"}, []string{"same-site"}, false},
	{"a sibling, without Origin", nil, []string{"same-site"}, false},
	{"a sibling, in an old browser", []string{"https://other.example.com"}, nil, false},
	{"another port", []string{ourOrigin + ":8443"}, []string{"same-site"}, false},
	{"another port, in an old browser", []string{ourOrigin + ":8443"}, nil, false},
	{"plain http", []string{"http://tools.example.com"}, []string{"cross-site"}, false},
	{"plain http, in an old browser", []string{"http://tools.example.com"}, nil, false},
	{"a sandboxed frame", []string{"null"}, []string{"cross-site"}, false},
	{"a sandboxed frame of ours", []string{"null"}, []string{"same-origin"}, false},
	{"a sandboxed frame, in an old browser", []string{"null"}, nil, false},
	{"a lie in Sec-Fetch-Site", []string{"https://evil.example"}, []string{"same-origin"}, false},
	{"a lie in Origin", []string{ourOrigin}, []string{"cross-site"}, false},
	{"a lie in Origin of a sibling", []string{ourOrigin}, []string{"same-site"}, false},
	{"the origin with a slash", []string{ourOrigin + "/"}, nil, false},
	{"the origin with a dot", []string{ourOrigin + "."}, nil, false},
	{"the origin with its port", []string{ourOrigin + ":443"}, nil, false},
	{"the origin in capitals", []string{"HTTPS://TOOLS.EXAMPLE.COM"}, nil, false},
	{"two origins in a line", []string{ourOrigin + " https://evil.example"}, nil, false},
	{"two origins", []string{ourOrigin, "https://evil.example"}, nil, false},
	{"the origin twice", []string{ourOrigin, ourOrigin}, []string{"same-origin"}, false},
	{"an empty Origin", []string{""}, nil, false},
	{"an empty Origin of ours", []string{""}, []string{"same-origin"}, false},
	{"an empty Sec-Fetch-Site", nil, []string{""}, false},
	{"Sec-Fetch-Site twice", nil, []string{"same-origin", "same-origin"}, false},
	{"Sec-Fetch-Site that is none", nil, []string{"Same-Origin"}, false},
	{"nothing of it", nil, nil, false},
}

// from says in r where it comes from.
func from(r *http.Request, origin, site []string) {
	delete(r.Header, "Origin")
	delete(r.Header, "Sec-Fetch-Site")
	if origin != nil {
		r.Header["Origin"] = origin
	}
	if site != nil {
		r.Header["Sec-Fetch-Site"] = site
	}
}

// C10, W9: a session counts with a request that changes something only if a
// page of ours has made it, whatever the headers of proxies say.
func TestC10RequestsToTheFunction(t *testing.T) {
	s := newShop(t, nil)
	b := s.in()
	for _, o := range origins {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "BREW", "post", "get"} {
			for _, host := range []string{"tools.example.com", "evil.example", "internal:8080"} {
				r := request(method, "/", strings.NewReader("x"))
				from(r, o.origin, o.site)
				r.Host = host
				r.Header.Set("X-Forwarded-Host", "evil.example")
				r.Header.Set("X-Forwarded-Proto", "https")
				before := s.reached()
				w := b.do(r)
				want := http.StatusForbidden
				if o.ours {
					want = http.StatusOK
				}
				if w.Code != want || (s.reached() > before) != o.ours {
					t.Errorf("%s by %s at %s: got %d, and the function was reached: %t", method, o.name, host, w.Code, s.reached() > before)
				}
				if !o.ours && s.decisions[len(s.decisions)-1].Reason != auth.CrossOrigin {
					t.Errorf("%s by %s: refused as %q", method, o.name, s.decisions[len(s.decisions)-1].Reason)
				}
			}
		}
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} { // these change nothing
			r := request(method, "/", nil)
			from(r, o.origin, o.site)
			if w := b.do(r); w.Code != http.StatusOK {
				t.Errorf("%s by %s: got %d", method, o.name, w.Code)
			}
		}
		// A WebSocket is not bound by the same-origin policy, so the browser must
		// say where it comes from.
		r := request(http.MethodGet, "/", nil)
		from(r, o.origin, o.site)
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		want := o.ours && o.origin != nil
		if w := b.do(r); (w.Code == http.StatusOK) != want {
			t.Errorf("a WebSocket by %s: got %d", o.name, w.Code)
		}
	}
	if b.cookies[sessionName] == "" {
		t.Error("another site has signed the browser out")
	}
}

// C10, C12, W9: nobody else's page signs anybody in, on or out.
func TestC12W9FormsOfOthers(t *testing.T) {
	for _, o := range origins {
		s := newShop(t, nil)
		for path, fill := range map[string]url.Values{
			"sign-in": {"username": {"bob"}, "password": {bobWord}}, "second-factor": {"code": {maryRecovery}}, "sign-out": {},
		} {
			b := s.in()
			m := s.browser()
			m.signIn("mary", maryWord)
			b.cookies[sessionName+".step"] = m.cookies[sessionName+".step"]
			value := b.cookies[sessionName]
			s.told()
			hashed := s.hashed.Load()
			r := formOf("/_/auth/"+path, fill)
			from(r, o.origin, o.site)
			w := b.do(r)
			if o.ours {
				if w.Code != http.StatusSeeOther || b.cookies[sessionName] == value {
					t.Errorf("%s by %s: got %d", path, o.name, w.Code)
				}
				if path == "second-factor" { // the code is used up
					s.options.Memory = NewMemory(s.options.Memory.hasher)
					s.reload(alice(), bob(), mary())
				}
				continue
			}
			if w.Code != http.StatusForbidden || len(b.set) > 0 || b.cookies[sessionName] != value || s.hashed.Load() != hashed || !s.with(sessionName, value).admits() {
				t.Errorf("%s by %s: got %d, %d cookies, and it did something", path, o.name, w.Code, len(b.set))
			}
			if got := names(s.told()); got != "malicious_csrf" {
				t.Errorf("%s by %s: reported %q", path, o.name, got)
			}
			// Programs have no cookies, and nobody can make them send a form.
			s := newShop(t, nil)
			r = formOf("/_/auth/"+path, fill)
			from(r, o.origin, o.site)
			w = s.browser().do(r)
			program := o.origin == nil && o.site == nil
			if (w.Code != http.StatusForbidden) != program || !program && (len(w.Result().Cookies()) > 0 || s.hashed.Load() > 0) {
				t.Errorf("%s by %s without a cookie: got %d", path, o.name, w.Code)
			}
		}
	}
}

// C11: what only asks changes nothing.
func TestC11SafeMethodsChangeNothing(t *testing.T) {
	s := newShop(t, nil)
	b := s.in()
	m := s.browser()
	m.signIn("mary", maryWord)
	b.cookies[sessionName+".step"] = m.cookies[sessionName+".step"]
	s.told()
	hashed := s.hashed.Load()
	form := "username=bob&password=" + bobWord + "&code=" + maryRecovery + "&return_to=/x"
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "CONNECT", "BREW", "post", "get"} {
		for _, path := range []string{"sign-in", "second-factor", "sign-out", "style.css", "logo"} {
			r := request(method, "/_/auth/"+path+"?"+form, strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", ourOrigin)
			for _, h := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
				r.Header.Set(h, "POST")
			}
			w := b.do(r)
			if got := w.Code == http.StatusMethodNotAllowed; got == (method == "GET" || method == "HEAD") {
				t.Errorf("%s %s: got %d", method, path, w.Code)
			}
			if w.Code == http.StatusMethodNotAllowed && !strings.HasPrefix(w.Header().Get("Allow"), "GET, HEAD") {
				t.Errorf("%s %s: Allow: %q", method, path, w.Header().Get("Allow"))
			}
			if len(b.set) > 0 || s.hashed.Load() != hashed {
				t.Errorf("%s %s: %d cookies, %d hashes", method, path, len(b.set), s.hashed.Load()-hashed)
			}
		}
	}
	if got := names(s.told()); got != "" {
		t.Errorf("reported %q", got)
	}
	if !b.admits() {
		t.Error("signed out")
	}
	if got := m.post("/_/auth/second-factor", url.Values{"code": {maryRecovery}}).Code; got != http.StatusSeeOther {
		t.Errorf("the code is used up: got %d", got)
	}
	if got := b.post("/_/auth/style.css", nil).Code; got != http.StatusMethodNotAllowed {
		t.Errorf("POST style.css: got %d", got)
	}
}

// C14, W10: every answer has what keeps a browser from doing harm with it.
func TestC14W10Headers(t *testing.T) {
	for _, tt := range []struct {
		publicURL, hsts string
		proxied         bool
	}{
		{ourOrigin, "max-age=31536000", false}, {ourOrigin, "max-age=31536000", true}, {"http://localhost:8080", "", false},
	} {
		s := newShop(t, func(s *shop) { s.options.PublicURL, s.options.Proxied = tt.publicURL, tt.proxied })
		seen := map[int]bool{}
		check := func(what string, w *httptest.ResponseRecorder) {
			t.Helper()
			seen[w.Code] = true
			for name, want := range map[string]string{
				"Content-Security-Policy":      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
				"Cross-Origin-Opener-Policy":   "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin",
				"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
				"Referrer-Policy":              "same-origin",
				"X-Content-Type-Options":       "nosniff",
				"X-Frame-Options":              "DENY",
				"Strict-Transport-Security":    tt.hsts,
				"Access-Control-Allow-Origin":  "",
			} {
				if got := strings.Join(w.Header()[name], "|"); got != want {
					t.Errorf("%s at %s: %s: got %q, want %q", what, tt.publicURL, name, got, want)
				}
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" && what != "the stylesheet" && what != "the stylesheet with its digest" {
				t.Errorf("%s: Cache-Control: %q", what, got)
			}
			if strings.Contains(w.Body.String(), "<script") || strings.Contains(w.Body.String(), "style=") || strings.Contains(w.Body.String(), "<style") {
				t.Errorf("%s: has a script or a style inside", what)
			}
		}
		send := func(path string, form url.Values) *http.Request {
			r := formOf(path, form)
			r.Header.Set("Origin", s.origin)
			return r
		}
		right := url.Values{"username": {"alice"}, "password": {aliceWord}}
		b := s.browser()
		check("the form", b.open("/_/auth/sign-in"))
		check("HEAD", b.do(request(http.MethodHead, "/_/auth/sign-in", nil)))
		check("the stylesheet", b.open("/_/auth/style.css"))
		check("the stylesheet with its digest", b.open("/_/auth/"+strings.TrimPrefix(between(b.open("/_/auth/sign-in").Body.String(), `href="/_/auth/`, `"`), "/_/auth/")))
		check("no logo", b.open("/_/auth/logo"))
		check("no page", b.open("/_/auth/nothing"))
		check("the folder", b.open("/_/auth/"))
		check("the folder without a slash", b.open("/_/auth"))
		check("a method", b.do(request(http.MethodDelete, "/_/auth/sign-in", nil)))
		check("no first step", b.open("/_/auth/second-factor"))
		check("no first step, POST", b.do(send("/_/auth/second-factor", nil)))
		check("signed out", b.open("/_/auth/sign-out"))
		r := send("/_/auth/sign-in", right)
		r.Header.Set("Content-Type", "application/json")
		check("JSON", b.do(r))
		check("large", b.do(send("/_/auth/sign-in", url.Values{"username": {strings.Repeat("x", maxForm)}})))
		check("twice", b.do(send("/_/auth/sign-in?", url.Values{"username": {"a", "b"}})))
		r = send("/_/auth/sign-in", right)
		r.Header.Set("Origin", "https://evil.example")
		check("of another", b.do(r))
		r = send("/_/auth/sign-in", right)
		r.Header.Set("Origin", "http://tools.example.com")
		r.Header.Del("Sec-Fetch-Site")
		check("over plain http", b.do(r))
		r = request(http.MethodGet, "/_/auth/sign-in", nil)
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Del("Sec-Fetch-Mode")
		check("an old browser", b.do(r))
		for range 10 {
			check("a wrong password", b.do(send("/_/auth/sign-in", url.Values{"username": {"bob"}, "password": {"no"}})))
		}
		check("signed in", b.do(send("/_/auth/sign-in", right)))
		check("signed in, the form", b.open("/_/auth/sign-in"))
		check("signed in, the way out", b.open("/_/auth/sign-out"))
		check("signed in, no second factor", b.open("/_/auth/second-factor"))
		check("sign-out", b.do(send("/_/auth/sign-out", nil)))
		check("the first step", b.do(send("/_/auth/sign-in", url.Values{"username": {"mary"}, "password": {maryWord}})))
		check("the second step", b.open("/_/auth/second-factor"))
		check("a wrong code", b.do(send("/_/auth/second-factor", url.Values{"code": {"000000x"}})))
		for _, status := range []int{200, 303, 400, 401, 403, 404, 405, 413, 415, 429} {
			if !seen[status] {
				t.Errorf("no answer had %d", status)
			}
		}
	}
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

// Over plain http, as a proxy says, the browser is not told to keep to https:
// it would not believe it, and others might.
func TestPlainHTTP(t *testing.T) {
	s := newShop(t, func(s *shop) { s.options.Proxied = true })
	r := request(http.MethodGet, "/_/auth/sign-in?return_to=/a%3Fb", nil)
	r.Header.Set("X-Forwarded-Proto", "http")
	w := s.browser().do(r)
	if w.Code != http.StatusBadRequest || w.Header().Get("Strict-Transport-Security") != "" || !strings.Contains(w.Body.String(), ourOrigin+"/_/auth/sign-in?return_to=%2fa%3Fb") &&
		!strings.Contains(w.Body.String(), ourOrigin+"/_/auth/sign-in?return_to=%2Fa%3Fb") {
		t.Errorf("got %d %v\n%s", w.Code, w.Header(), w.Body)
	}
	s = newShop(t, nil) // no proxy that is trusted: the header is anybody's
	if w := s.browser().do(r); w.Code != http.StatusOK {
		t.Errorf("by a header of the caller's own: got %d", w.Code)
	}
}

// A browser that keeps no cookies is sent back to sign in after each sign-in that
// went well, and told why.
func TestBrowsersThatKeepNoCookies(t *testing.T) {
	s := newShop(t, nil)
	signedIn := s.in()
	signedIn.do(formOf("/_/auth/sign-out", nil))
	for _, tt := range []struct {
		name, from string
		by         *browser
		want       bool
	}{
		{"straight from a sign-in", ourOrigin + "/_/auth/sign-in?return_to=%2Fx", s.browser(), true},
		{"from a page", ourOrigin + "/x", s.browser(), false},
		{"from nowhere", "", s.browser(), false},
		{"from elsewhere", "https://evil.example/_/auth/sign-in", s.browser(), false},
		{"with cookies of before", ourOrigin + "/_/auth/sign-in", signedIn, false},
	} {
		r := request(http.MethodGet, "/_/auth/sign-in", nil)
		r.Header.Set("Referer", tt.from)
		if w := tt.by.do(r); strings.Contains(w.Body.String(), "did not keep the cookie") != tt.want || w.Code != http.StatusOK {
			t.Errorf("%s: got %d, want %t to be told\n%s", tt.name, w.Code, tt.want, w.Body)
		}
	}
}

// A form of another site, for sign-in, has its reader sign in here.
func TestFormsOfOthersAreTold(t *testing.T) {
	s := newShop(t, nil)
	r := formOf("/_/auth/sign-in", url.Values{"username": {"alice"}, "password": {aliceWord}})
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := s.browser().do(r)
	if body := w.Body.String(); w.Code != http.StatusForbidden || !strings.Contains(body, "another site") || !strings.Contains(body, `name="password"`) || len(w.Result().Cookies()) > 0 {
		t.Errorf("got %d %v\n%s", w.Code, w.Header(), body)
	}
}

// C15: of the paths below the folder only those of the pages answer, and as
// they are written.
func TestC15Paths(t *testing.T) {
	s := newShop(t, nil)
	b := s.in()
	for _, page := range []string{"sign-in", "second-factor", "sign-out", "style.css"} {
		for _, target := range []string{
			"/_/auth/" + strings.ToUpper(page), "/_/auth/" + page + "/", "/_/auth/" + page + ".", "/_/auth/" + page + "%20", "/_/auth/" + page + "%00", "/_/auth/" + page + ";x=y", "/_/auth/" + page + "%3bx",
			"/_/auth//" + page, "/_/auth/./" + page, "/_/auth/x/../" + page, "/_/auth/%2e/" + page, "/_/auth%2f" + page, "/_%2fauth/" + page, "/%5f/auth/" + page, "/_/%61uth/" + page,
			"/_/auth/" + strings.Replace(page, "s", "%73", 1), "/_/auth/" + page + "%3f", "/_/auth/" + page + "%23", "/_/auth/\\" + page, "/_/auth/" + page + "x",
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				r := request(method, "/", nil)
				if method == http.MethodPost {
					r = formOf("/", url.Values{"username": {"alice"}, "password": {aliceWord}})
				}
				u, err := url.ParseRequestURI(target)
				if err != nil {
					continue // nor does our server
				}
				r.URL, r.RequestURI = u, target
				before := s.reached()
				w := b.do(r)
				if w.Code != http.StatusNotFound || s.reached() != before || len(b.set) > 0 {
					t.Errorf("%s %s: got %d, and the function was reached: %t", method, target, w.Code, s.reached() > before)
				}
			}
		}
	}
	if !b.admits() {
		t.Error("signed out")
	}
}

// Forms that are none.
func TestForms(t *testing.T) {
	good := "username=alice&password=" + aliceWord
	for _, tt := range []struct {
		name, contentType, body string
		want                    int
	}{
		{"a form", "application/x-www-form-urlencoded", good, 303},
		{"a form with a charset", "application/x-www-form-urlencoded; charset=UTF-8", good, 303},
		{"in capitals", "Application/X-WWW-Form-Urlencoded", good, 303},
		{"fields that are not known", "application/x-www-form-urlencoded", good + "&x=y", 303},
		{"the name twice", "application/x-www-form-urlencoded", good + "&username=bob", 400},
		{"the password twice", "application/x-www-form-urlencoded", "password=x&" + good, 400},
		{"return_to twice", "application/x-www-form-urlencoded", good + "&return_to=/&return_to=/", 400},
		{"a field that is not known, twice", "application/x-www-form-urlencoded", good + "&x=y&x=z", 400},
		{"a semicolon", "application/x-www-form-urlencoded", "username=alice;password=x", 400},
		{"a broken escape", "application/x-www-form-urlencoded", good + "&return_to=%zz", 400},
		{"nothing", "application/x-www-form-urlencoded", "", 401},
		{"no type", "", good, 415},
		{"text", "text/plain", good, 415},
		{"JSON", "application/json", `{"username":"alice"}`, 415},
		{"several parts", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nalice\r\n--x--\r\n", 415},
		{"a type that is none", "application/x-www-form-urlencoded;;;", good, 415},
		{"two types in a line", "text/plain, application/x-www-form-urlencoded", good, 415},
		{"as large as may be", "application/x-www-form-urlencoded", good + "&x=" + strings.Repeat("x", maxForm-len(good)-3), 303},
		{"larger", "application/x-www-form-urlencoded", good + "&x=" + strings.Repeat("x", maxForm-len(good)-2), 413},
	} {
		for _, chunked := range []bool{false, true} {
			s := newShop(t, nil)
			var body io.Reader = strings.NewReader(tt.body)
			if chunked {
				body = struct{ io.Reader }{body}
			}
			r := request(http.MethodPost, "/_/auth/sign-in?username=bob&return_to=//evil.example", body)
			r.Header.Set("Origin", ourOrigin)
			if tt.contentType != "" {
				r.Header.Set("Content-Type", tt.contentType)
			}
			w := s.browser().do(r)
			if w.Code != tt.want {
				t.Errorf("%s, chunked %t: got %d, want %d", tt.name, chunked, w.Code, tt.want)
			}
			if (len(w.Result().Cookies()) > 0) != (tt.want == 303) {
				t.Errorf("%s, chunked %t: got %d cookies", tt.name, chunked, len(w.Result().Cookies()))
			}
			if got := w.Header().Get("Location"); got != "" && got != "/" {
				t.Errorf("%s: the query leads to %q", tt.name, got)
			}
		}
	}
}

// broken is a body that ends before its end.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func TestFormsThatDoNotArrive(t *testing.T) {
	s := newShop(t, nil)
	r := request(http.MethodPost, "/_/auth/sign-in", broken{errors.New("connection lost")})
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", ourOrigin)
	if w := s.browser().do(r); w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "lost") {
		t.Errorf("got %d\n%s", w.Code, w.Body)
	}
	if s.hashed.Load() > 0 {
		t.Error("a password was compared that did not come")
	}
}

// W11: what anybody has typed is text on the pages.
func TestW11Escaping(t *testing.T) {
	const attack = `"><img src=x onerror=alert(1)>'{{.}}<!--`
	s := newShop(t, func(s *shop) { s.config.Title = attack })
	b := s.browser()
	for name, w := range map[string]*httptest.ResponseRecorder{
		"a name":           b.signIn(attack, "x"),
		"an address":       b.open("/_/auth/sign-in?return_to=" + url.QueryEscape("/"+attack)),
		"one that is kept": b.open("/_/auth/sign-in?return_to=" + url.QueryEscape("/?'onfocus=alert(1)//")),
		"no page":          b.open("/_/auth/" + url.PathEscape(attack)),
		"an origin": func() *httptest.ResponseRecorder {
			r := formOf("/_/auth/sign-in", nil)
			r.Header.Set("Origin", "https://x/"+attack)
			r.Header.Del("Sec-Fetch-Site")
			return b.do(r)
		}(),
		"a host": func() *httptest.ResponseRecorder {
			r := request(http.MethodGet, "/_/auth/sign-in", nil)
			r.Host = attack
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Del("Sec-Fetch-Mode")
			return b.do(r)
		}(),
	} {
		body := w.Body.String()
		if strings.Contains(body, "<img") || strings.Contains(body, "<!--") || strings.Contains(body, `'onfocus`) {
			t.Errorf("%s is more than text:\n%s", name, body)
		}
		if ct := w.Header().Get("Content-Type"); ct != "text/html; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", name, ct)
		}
	}
}

// C33: what went wrong inside is for the log; the caller gets the call's id.
func TestC33Errors(t *testing.T) {
	s := newShop(t, nil)
	for _, path := range []string{"nothing", "../x", "sign-in/%00"} {
		w := s.browser().open("/_/auth/" + path)
		if !strings.Contains(w.Body.String(), "call-1") || strings.Contains(w.Body.String(), "runtime") {
			t.Errorf("%s: got\n%s", path, w.Body)
		}
	}
	r := formOf("/_/auth/sign-in", nil)
	r.Body = io.NopCloser(broken{errors.New("CANARY: internal")})
	r.ContentLength = 10
	if w := s.browser().do(r); strings.Contains(w.Body.String(), "CANARY") || !strings.Contains(w.Body.String(), "call-1") {
		t.Errorf("got\n%s", w.Body)
	}
}

// Anybody can send forms, slowly and many at a time: what they take together is
// bounded.
func TestR1FormsOnTheirWayAreBoundedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		s.options.Memory.forms = auth.NewBuffers(maxForm, 2*(maxForm+1))
		send := func(body io.Reader) *httptest.ResponseRecorder {
			r := request(http.MethodPost, "/_/auth/sign-in", body)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", ourOrigin)
			r.ContentLength = -1
			return s.browser().do(r)
		}
		var slow sync.WaitGroup
		var ends []io.Closer
		for range 2 {
			body, end := io.Pipe()
			ends = append(ends, end)
			slow.Go(func() { send(body) })
			_, _ = end.Write([]byte("x=" + strings.Repeat("x", maxForm/2)))
		}
		form := url.Values{"username": {"alice"}, "password": {aliceWord}}.Encode()
		w := send(strings.NewReader(form))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("got %d and %v, want 503", w.Code, w.Header())
		}
		if got := names(s.told()); got != "excess_rate_limit_exceeded" {
			t.Errorf("got the events %s", got)
		}
		for _, end := range ends {
			_ = end.Close()
		}
		slow.Wait()
		if w := send(strings.NewReader(form)); w.Code != http.StatusSeeOther {
			t.Errorf("once there is room: got %d", w.Code)
		}
	})
}
