package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// session is the cookie of the session.
func (b *tab) session() *network.Cookie {
	b.t.Helper()
	var found *network.Cookie
	for _, c := range b.cookies() {
		if strings.HasPrefix(c.Name, "__Host-Http-aw-") && !strings.Contains(c.Name, ".") {
			if found != nil {
				b.t.Fatalf("got two sessions, %s and %s", found.Name, c.Name)
			}
			found = c
		}
	}
	if found == nil {
		b.t.Fatalf("got no session among %d cookies", len(b.cookies()))
	}
	return found
}

func TestCookie(t *testing.T) {
	s := newSite(t, nil)
	b := open(t)
	b.signIn(s, s.alice, "/report")
	for _, c := range b.cookies() {
		if !strings.HasPrefix(c.Name, "__Host-Http-") || !c.Secure || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || c.Domain != host {
			t.Errorf("got %+v", c)
		}
		if c.Size > 4096 {
			t.Errorf("%s has %d bytes", c.Name, c.Size)
		}
	}
	name := b.session().Name
	value := b.session().Value

	// Scripts of the function can neither read nor write it.
	if got := get[string](b, "document.cookie"); got != "" {
		t.Errorf("scripts can read %q", got)
	}
	for _, cookie := range []string{name + "=x; path=/; secure", name + "=; path=/; secure; max-age=0", name + "=x; path=" + prefix + "; secure", "__Host-Http-aw-other=x; path=/; secure"} {
		get[string](b, fmt.Sprintf("document.cookie = %q", cookie))
	}
	if got := b.session().Value; got != value || len(b.cookies()) != len(names(b.cookies())) {
		t.Error("scripts can write the session's cookie")
	}

	// Nor can a sibling put another beside it.
	s.handle("evil.example.test/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Set-Cookie", name+"=x; Domain=example.test; Path=/; Secure; HttpOnly")
		w.Header().Add("Set-Cookie", "plain=x; Domain=example.test; Path=/; Secure")
		document("<script>document.cookie = "+fmt.Sprintf("%q", name+"=x; domain=example.test; path=/; secure")+"</script>").ServeHTTP(w, nil)
	}))
	b.visit(s.https("evil.example.test", "/"))
	b.wantSignedIn(s, "alice")
	if !names(b.cookies())["plain"] {
		t.Error("the sibling could set no cookie at all, so this has shown nothing")
	}
	if got := b.session().Value; got != value {
		t.Error("a sibling can write the session's cookie")
	}
}

func names(cookies []*network.Cookie) map[string]bool {
	all := map[string]bool{}
	for _, c := range cookies {
		all[c.Name] = true
	}
	return all
}

// TestFormsOfOthers has other sites send forms to ours.
func TestFormsOfOthers(t *testing.T) {
	s := newSite(t, nil)
	form := func(path, fields string) http.Handler {
		return document(fmt.Sprintf(`<form method="post" action="%s">%s<button>Go</button></form>`, s.url(path), fields))
	}
	alice := `<input name="username" value="alice"><input name="password" value="` + s.alice.password + `">`
	for name, url := range map[string]func(host, path string) string{"evil.test": s.https, "evil.example.test": s.https, "plain.test": s.http} {
		s.handle(name+"/in", form("/_/auth/sign-in", alice))
		s.handle(name+"/out", form("/_/auth/sign-out", ""))
		s.handle(name+"/act", form("/act", ""))
		t.Run(name, func(t *testing.T) {
			press := func(b *tab, path string) (status int) {
				b.visit(url(name, path))
				return b.load(chromedp.Click("button", chromedp.ByQuery))
			}
			stranger := open(t)
			if status := press(stranger, "/in"); status != 403 {
				t.Errorf("sign-in: got %d, want 403", status)
			}
			stranger.wantSignedIn(s, "")

			b := open(t)
			b.signIn(s, s.alice, "/report")
			if status := press(b, "/out"); status != 403 {
				t.Errorf("sign-out: got %d, want 403", status)
			}
			b.wantSignedIn(s, "alice")
			press(b, "/act")
			for _, got := range s.requests() {
				if strings.HasPrefix(got, "POST") {
					t.Errorf("the function has got %s", got)
				}
			}
			b.wantSignedIn(s, "alice")
		})
	}
}

// TestFormOverPlainHTTP has our own host, without TLS, send a form, as somebody
// on the wire can have it. Once a page of sign-in was opened over TLS, the
// browser opens nothing of the host without.
func TestFormOverPlainHTTP(t *testing.T) {
	s := newSite(t, nil)
	s.handle(host+"/other", document(fmt.Sprintf(`<form method="post" action="%s"><input name="username" value="alice"><input name="password" value="%s"><button>Go</button></form>`,
		s.url("/_/auth/sign-in"), s.alice.password)))
	b := open(t)
	b.visit(s.http(host, "/other"))
	if status := b.load(chromedp.Click("button", chromedp.ByQuery)); status != 403 {
		t.Errorf("got %d, want 403", status)
	}
	b.wantSignedIn(s, "")
	if err := chromedp.Run(b.ctx, chromedp.Navigate(s.http(host, "/other"))); err == nil || !strings.Contains(err.Error(), "ERR_SSL_PROTOCOL_ERROR") {
		t.Errorf("got %v, want an attempt at TLS, for which this port is none", err)
	}
}

// TestLinksOfOthers wants people who come from a mail or a chat to be signed in
// already, and no link to change anything.
func TestLinksOfOthers(t *testing.T) {
	s := newSite(t, nil)
	b := open(t)
	b.signIn(s, s.alice, "/report")
	s.handle("chat.test/", document(fmt.Sprintf(`<a id="out" href="%[1]s">out</a> <a id="report" href="%[2]s">report</a> <img src="%[1]s">`,
		s.url("/_/auth/sign-out"), s.url("/report?from=chat"))))
	b.visit(s.https("chat.test", "/"))
	b.load(chromedp.Click("#out", chromedp.ByQuery))
	b.wantText("You are signed in as alice")
	b.visit(s.https("chat.test", "/"))
	b.load(chromedp.Click("#report", chromedp.ByQuery))
	b.wantText("hook for alice")
	b.wantText("/report?from=chat")
}

// TestFrames wants the pages of sign-in in no frame, of whatever page.
func TestFrames(t *testing.T) {
	s := newSite(t, nil)
	frame := func(url string) http.Handler { return document(fmt.Sprintf(`<iframe src="%s"></iframe>`, url)) }
	s.handle("evil.test/harmless", document("harmless"))
	s.handle("evil.test/control", frame(s.https("evil.test", "/harmless")))
	s.handle(host+"/other", frame(s.url("/_/auth/sign-in")))
	for _, path := range []string{"sign-in", "sign-out", "second-factor", "nothing"} {
		s.handle("evil.test/"+path, frame(s.url("/_/auth/"+path)))
	}
	refused := func(url string) bool {
		b := open(t)
		b.visit(url)
		return strings.Contains(strings.Join(b.complaints(), "\n"), "frame-ancestors")
	}
	if refused(s.https("evil.test", "/control")) {
		t.Error("frames are refused that should not be, so this shows nothing")
	}
	for _, path := range []string{"sign-in", "sign-out", "second-factor", "nothing"} {
		if !refused(s.https("evil.test", "/"+path)) {
			t.Errorf("%s shows itself in a frame", path)
		}
	}
	if !refused(s.https(host, "/other")) {
		t.Error("sign-in shows itself in a frame of its own origin")
	}
}

// TestPlainHTTP opens a function without TLS.
func TestPlainHTTP(t *testing.T) {
	for _, hops := range []string{"0", "1"} {
		t.Run("trusted proxies "+hops, func(t *testing.T) {
			s := newSite(t, map[string]string{"trusted_proxy_hops": hops})
			b := open(t)
			b.visit(s.http(host, prefix+"/report?year=2026"))
			b.wantText("This page needs https")
			if text := b.text(); strings.Contains(text, s.address) {
				t.Errorf("the page shows an address that only the gateway knows:\n%s", text)
			}
			if !get[bool](b, "getComputedStyle(document.querySelector('main')).borderRadius !== '0px'") {
				t.Error("the stylesheet is not in force")
			}
			b.load(chromedp.Click("a", chromedp.ByQuery))
			b.wantPage(s.origin(), pages+"sign-in")
			b.give("alice", s.alice.password)
			b.wantPage(s.origin(), prefix+"/report")
			b.wantText("/report?year=2026")
		})
	}
}

// TestLocalhost signs in over plain http on this very machine, as people do who
// try it out.
func TestLocalhost(t *testing.T) {
	f, alice := newFront(t), newPerson(t, "alice")
	for _, name := range []string{"localhost", "127.0.0.1"} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "hook", f.http(name, ""), secretFiles(alice), nil, alice)
			f.pass(name, "", p.address)
			b := open(t)
			b.visit(f.http(name, "/report"))
			b.wantPage(f.http(name, ""), "/_/auth/sign-in")
			b.give("alice", alice.password)
			b.wantPage(f.http(name, ""), "/report")
			b.wantText("hook for alice")
			b.visit(f.http(name, "/_/auth/sign-out"))
			b.wantFocus("Sign out")
			b.load(enter)
			b.visit(f.http(name, "/report"))
			b.wantPage(f.http(name, ""), "/_/auth/sign-in")
		})
	}
}

// TestOtherAddress opens a function under another address than public_url, where
// no form can be told from those of others.
func TestOtherAddress(t *testing.T) {
	s := newSite(t, nil)
	s.pass("alias.example.test", prefix, s.address)
	b := open(t)
	b.visit(s.https("alias.example.test", prefix+"/report"))
	if status := b.give("alice", s.alice.password); status != 403 {
		t.Errorf("got %d, want 403", status)
	}
	b.wantText("https://alias.example.test:" + s.secure)
	b.load(chromedp.Click("a", chromedp.ByQuery))
	b.wantPage(s.origin(), pages+"sign-in")
}

// TestSignInAgain wants one session in a browser, that of the last who signed
// in.
func TestSignInAgain(t *testing.T) {
	s := newSite(t, nil)
	b := open(t)
	b.signIn(s, s.alice, "/report")
	first := b.session().Value
	b.visit(s.url("/_/auth/sign-in"))
	b.wantText("You are signed in as alice")
	b.wantFocus("password")
	b.run(chromedp.SetValue("#username", "bob", chromedp.ByQuery), keys(s.bob.password))
	b.load(enter)
	b.wantPage(s.origin(), pages+"second-factor")
	b.wantSignedIn(s, "alice") // as long as the second step has not been made
	b.visit(s.url("/_/auth/second-factor"))
	b.wantFocus("code")
	b.run(keys(s.bob.recovery))
	b.load(enter)
	b.wantSignedIn(s, "bob")
	if b.session().Value == first {
		t.Error("the cookie has stayed the same")
	}
}
