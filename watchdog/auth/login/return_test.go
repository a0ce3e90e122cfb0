package login

import (
	"html"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"auth-watchdog/watchdog/auth"
)

// resolve is where a browser goes from a page at base, by the rules of the URL
// standard that net/url does not have: control characters and spaces at the ends
// and tabs and line ends anywhere count for nothing, a backslash is a slash, and
// any number of slashes begins a host.
func resolve(t testing.TB, base, location string) *url.URL {
	t.Helper()
	s := strings.TrimFunc(location, func(r rune) bool { return r <= ' ' })
	s = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(s)
	end := strings.IndexAny(s, "?#")
	if end < 0 {
		end = len(s)
	}
	s = strings.ReplaceAll(s[:end], `\`, "/") + s[end:]
	if strings.HasPrefix(s, "//") {
		s = "//" + strings.TrimLeft(s, "/")
	}
	b, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u, err := b.Parse(s)
	if err != nil {
		t.Errorf("%q does not parse: %v", location, err)
		return b
	}
	return u
}

// isOwn fails if a browser that is sent to location would leave the origin, or
// come to one of the pages of sign-in in whatever spelling.
func isOwn(t testing.TB, prefix, given, location string) {
	t.Helper()
	for _, page := range []string{"sign-in", "second-factor"} {
		u := resolve(t, ourOrigin+prefix+folder+page, location)
		if u.Scheme != "https" || u.Host != "tools.example.com" || u.User != nil || u.Opaque != "" {
			t.Errorf("%q leads to %q, which is %s", given, location, u)
		}
		if p := path.Clean(u.Path); IsPage(strings.TrimPrefix(p, prefix)) {
			t.Errorf("%q leads to %q, which is a page of sign-in", given, location)
		}
	}
	if strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) || !strings.HasPrefix(location, "/") {
		t.Errorf("%q leads to %q, which browsers may read in another way", given, location)
	}
}

func foreignReturns() []string {
	var list []string
	for _, before := range []string{
		"//", "///", "////", "/\\", "\\\\", "\\/", "/\\/", "/\t/", "\t//", "/\n/", "/\r/", "/\r\n/", " //", "\x00//", "/\x00/", "\x1f//", "/%09/", "/%0a/",
		"/%5c", "/%2f", "/%2F%2F", "%2f%2f", "/%00/", "https:", "https:/", "https://", "https:///", "http:\\\\", "HTTPS://", "https:\\/", "ftp://", "ws://",
		"javascript://", "data:text/html,", "//user@", "//user:pass@", "//tools.example.com@", "/..//", "/.//", "/../..//", "/%2e%2e//", "/.%2e//", "/a//",
		"/a/..//", "/a/%2e%2e//", "/;//", "//;@", "/\u2028/", "/\u00a0/", "\u3000//", "/\ufeff/", "\u200b//", "//\uff0e", "/\uff0f", "@", "/@/..//", "?//", "#//", ".", "..//",
		"/./\\", "/;\\", "/_/auth/", "/_/auth/sign-in?", "/_/%61uth/", "/_%2fauth/", "/%5f/auth/sign-out#", "/a/../_/auth/", "/./_/auth/", "/_/./auth/", "/_/auth",
	} {
		for _, host := range []string{"", "evil.example", "evil.example/%2f..", "evil.example:443", "tools.example.com.evil.example/", "tools.example.com@evil.example", "evil.example?tools.example.com", "evil.example#@tools.example.com/", "[::1]"} {
			list = append(list, before+host)
		}
	}
	return append(list, "", "evil.example", strings.Repeat("/", 5000), "/"+strings.Repeat("a", 2048), "/\xff\xfe", "/%", "/%zz", "/a\"b", "/<script>", "/a b", "mailto:x", "//")
}

// C13, B15: wherever the caller asks to be sent, it is a page of ours.
func TestC13B15ReturnTo(t *testing.T) {
	hidden := regexp.MustCompile(`name="return_to" value="([^"]*)"`)
	list := foreignReturns()
	if len(list) < 300 {
		t.Fatalf("there are %d only", len(list))
	}
	for _, prefix := range []string{"", "/function/hook"} {
		s := newShop(t, func(s *shop) { s.options.PublicURL = ourOrigin + prefix })
		for _, to := range list {
			w := s.browser().post("/_/auth/sign-in", url.Values{"username": {"alice"}, "password": {aliceWord}, "return_to": {to}})
			if w.Code != http.StatusSeeOther {
				t.Fatalf("%q: got %d", to, w.Code)
			}
			isOwn(t, prefix, to, w.Header().Get("Location"))

			w = s.browser().open("/_/auth/sign-in?return_to=" + url.QueryEscape(to))
			if m := hidden.FindStringSubmatch(w.Body.String()); m == nil {
				t.Errorf("%q: the form does not say where it leads", to)
			} else {
				isOwn(t, prefix, to, html.UnescapeString(m[1]))
			}
		}
		// Through the second step.
		m := s.browser()
		m.signIn("mary", maryWord)
		w := m.post("/_/auth/second-factor", url.Values{"code": {maryRecovery}, "return_to": {"//evil.example"}})
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != prefix+"/" {
			t.Errorf("the second step: got %d to %q", w.Code, got)
		}
		// An address that was asked for without a session.
		for _, target := range []string{"//evil.example/", "/%2f/evil.example", "/.%2e/x", "/a//b", "/\\evil.example", "/%5cevil.example", "/" + strings.Repeat("a", 4096)} {
			r := request(http.MethodGet, "/", nil)
			r.URL = &url.URL{Path: target}
			r.RequestURI = target
			if location := s.Invite(r, auth.Decision{Reason: auth.NoCredential}); location != "" {
				q, err := url.ParseQuery(strings.TrimPrefix(location, prefix+SignInPath+"?"))
				if err != nil {
					t.Error(err)
				}
				isOwn(t, prefix, target, s.returnTo(q.Get("return_to")))
			}
		}
	}
}

// What browsers and proxies may take for another path, or can't hold, is not
// taken at all.
func TestReturnToIsPlain(t *testing.T) {
	s := newShop(t, nil)
	for _, to := range []string{"/a/../b", "/a/%2e%2E/b", "/.", "/./a", "/a/.%2e", "/a/..?b", "/a//b", "/" + strings.Repeat("a", longestReturn), "/a?" + strings.Repeat("a", longestReturn)} {
		if got := s.returnTo(to); got != "/" {
			t.Errorf("%.40q: leads to %.40q", to, got)
		}
	}
	if to := "/" + strings.Repeat("a", longestReturn-1); s.returnTo(to) != to {
		t.Error("one that is as long as may be is not kept")
	}
}

// What is ours is kept to the letter.
func TestReturnToKeepsPages(t *testing.T) {
	s := newShop(t, nil)
	for _, to := range []string{
		"/", "/a", "/a/", "/a?b=c", "/a?b=//x&c=http://y/", "/a#b", "/a#b//c", "/%41", "/a;b=c", "/a%20b?c=%2F%2F", "/...", "/a..b", "/?", "/_", "/_/", "/_/authx", "/_/health", "/_/AUTH/sign-in",
		"/a:b", "/a@b", "/a/_/auth/", "/%252f%252f", "/a?b=%0d%0a", "/a?/_/auth/",
	} {
		w := s.browser().post("/_/auth/sign-in", url.Values{"username": {"alice"}, "password": {aliceWord}, "return_to": {to}})
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != to {
			t.Errorf("%q: got %d to %q", to, w.Code, got)
		}
	}
	// From the page that was asked for, by way of both steps, and back to it.
	b := s.browser()
	at, w := b.follow("/report?year=2027&q=a%26b")
	if want := "/_/auth/sign-in?return_to=%2Freport%3Fyear%3D2027%26q%3Da%2526b"; at != want || w.Code != http.StatusOK {
		t.Fatalf("got %d at %s, want %s", w.Code, at, want)
	}
	back := regexp.MustCompile(`name="return_to" value="([^"]*)"`).FindStringSubmatch(w.Body.String())[1]
	w = b.post("/_/auth/sign-in", url.Values{"username": {"mary"}, "password": {maryWord}, "return_to": {html.UnescapeString(back)}})
	w = b.open(w.Header().Get("Location"))
	back = regexp.MustCompile(`name="return_to" value="([^"]*)"`).FindStringSubmatch(w.Body.String())[1]
	w = b.post("/_/auth/second-factor", url.Values{"code": {maryRecovery}, "return_to": {html.UnescapeString(back)}})
	if got := w.Header().Get("Location"); got != "/report?year=2027&q=a%26b" {
		t.Errorf("got back to %q with %d", got, w.Code)
	}
}

// FuzzReturnTo finds nothing that leads to another origin, or around in the
// pages of sign-in.
func FuzzReturnTo(f *testing.F) {
	for i, to := range foreignReturns() {
		if i%9 == 0 || strings.HasSuffix(to, "/") { // all of them are a test above
			f.Add(to, i%2 == 0)
		}
	}
	plain, err := newSite("", "hook", ourOrigin)
	if err != nil {
		f.Fatal(err)
	}
	below, err := newSite("", "hook", ourOrigin+"/function/hook")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, to string, prefixed bool) {
		s := plain
		if prefixed {
			s = below
		}
		isOwn(t, s.prefix, to, s.returnTo(to))
	})
}
