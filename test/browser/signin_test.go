package browser

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const (
	host   = "gw.example.test"
	prefix = "/function/hook"
	pages  = prefix + "/_/auth/"
)

// A site is a function behind a gateway, and two people who may use it.
type site struct {
	*front
	*program

	alice, bob *person // bob has a second factor
}

func newSite(t *testing.T, settings map[string]string) *site {
	t.Helper()
	s := &site{front: newFront(t), alice: newPerson(t, "alice"), bob: newPerson(t, "bob").withApp()}
	s.program = start(t, "hook", s.https(host, prefix), secretFiles(s.alice, s.bob), settings, s.alice, s.bob)
	s.pass(host, prefix, s.address)
	return s
}

func (s *site) url(path string) string { return s.https(host, prefix+path) }
func (s *site) origin() string         { return s.https(host, "") }

// give types a name and a password into the page, with the keyboard alone.
func (b *tab) give(name, password string) (status int) {
	b.t.Helper()
	b.wantFocus("username")
	b.run(keys(name), tabKey, keys(password))
	return b.load(enter)
}

// signIn opens a page of the function, is asked to sign in, and does so.
func (b *tab) signIn(s *site, p *person, path string) {
	b.t.Helper()
	b.visit(s.url(path))
	b.wantPage(s.origin(), pages+"sign-in")
	b.give(p.name, p.password)
	if p.seed != nil {
		b.wantPage(s.origin(), pages+"second-factor")
		b.wantFocus("code")
		b.run(keys(p.code(time.Now())))
		b.load(enter)
	}
	b.wantText("hook for " + p.name)
}

// wantSignedIn wants the function to know who it is; nobody if name is empty.
func (b *tab) wantSignedIn(s *site, name string) {
	b.t.Helper()
	b.visit(s.url("/report"))
	if name == "" {
		b.wantPage(s.origin(), pages+"sign-in")
		return
	}
	b.wantPage(s.origin(), prefix+"/report")
	b.wantText("hook for " + name)
}

// TestSignIn goes the whole way with nothing but the keyboard.
func TestSignIn(t *testing.T) {
	for name, how := range map[string][]chromedp.Action{
		"desktop": {desktop}, "phone": {phone}, "without scripts": {desktop, noScript}, "phone without scripts": {phone, noScript},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			b := open(t, how...)
			b.visit(s.url("/report?year=2026&page=2"))
			b.wantPage(s.origin(), pages+"sign-in")
			if n := len(s.requests()); n != 0 {
				t.Fatalf("the function has heard of %d requests before the sign-in", n)
			}

			if status := b.give("alice", "wrong"); status != 401 {
				t.Errorf("got %d for a wrong password, want 401", status)
			}
			b.wantText("The user name or the password is wrong.")
			b.wantFocus("password")
			b.run(keys(s.alice.password))
			b.load(enter)
			b.wantPage(s.origin(), prefix+"/report")
			b.wantText("hook for alice")
			b.wantText("/report?year=2026&page=2")

			// A form of the function's own.
			if status := b.load(chromedp.Click("button", chromedp.ByQuery)); status != 200 {
				t.Errorf("got %d for the function's own form", status)
			}
			b.wantText("hook for alice")

			b.visit(s.url("/_/auth/sign-out"))
			b.wantFocus("Sign out")
			b.load(enter)
			b.wantText("You are signed out")
			b.wantSignedIn(s, "")
			if got := b.complaints(); len(got) > 0 {
				t.Errorf("got complaints of the browser:\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

func TestSecondFactor(t *testing.T) {
	for name, how := range map[string][]chromedp.Action{"desktop": {desktop}, "phone without scripts": {phone, noScript}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			b := open(t, how...)
			b.visit(s.url("/report?year=2026"))
			b.give("bob", s.bob.password)
			b.wantPage(s.origin(), pages+"second-factor")
			b.wantSignedIn(s, "") // half-way is not in
			b.back()
			b.wantPage(s.origin(), pages+"second-factor")

			b.wantFocus("code")
			b.run(keys("abcdef"))
			if status := b.load(enter); status != 401 {
				t.Errorf("got %d for a wrong code, want 401", status)
			}
			// What is no six digits is taken for a recovery code.
			b.wantText("This recovery code is wrong")
			b.wantFocus("code")
			b.visit(s.url("/_/auth/second-factor?return_to=" + url.QueryEscape(prefix+"/report?year=2026")))
			b.wantFocus("code")
			code := s.bob.code(time.Now())
			b.run(keys(code[:3] + " " + code[3:])) // as apps show it
			b.load(enter)
			b.wantPage(s.origin(), prefix+"/report")
			b.wantText("hook for bob")
			b.wantText("/report?year=2026")

			// The same code another time.
			b.visit(s.url("/_/auth/sign-out"))
			b.wantFocus("Sign out")
			b.load(enter)
			b.visit(s.url("/report"))
			b.give("bob", s.bob.password)
			b.wantFocus("code")
			b.run(keys(code))
			b.load(enter)
			b.wantText("This code has been used.")
			b.wantSignedIn(s, "")
		})
	}
}

func TestRecoveryCode(t *testing.T) {
	s := newSite(t, nil)
	b := open(t, phone)
	use := func() (status int) {
		t.Helper()
		b.visit(s.url("/report"))
		b.give("bob", s.bob.password)
		b.wantPage(s.origin(), pages+"second-factor")
		b.wantFocus("code")
		b.tabTo("Use a recovery code instead")
		b.run(enter, tabKey)
		if got := get[string](b, "document.activeElement.id"); got != "recovery" {
			t.Fatalf("got to %q, want the field of the recovery code", got)
		}
		b.run(keys(strings.ToLower(s.bob.recovery)))
		return b.load(enter)
	}
	use()
	b.wantText("hook for bob")

	b.visit(s.url("/_/auth/sign-out"))
	b.wantFocus("Sign out")
	b.load(enter)
	if status := use(); status != 401 {
		t.Errorf("got %d for a recovery code that was used, want 401", status)
	}
	b.wantText("This recovery code is wrong, or it has been used.")
	if got := get[string](b, "document.activeElement.id"); got != "recovery" {
		b.eventually("the focus on the field of the recovery code", func() bool { return get[string](b, "document.activeElement.id") == "recovery" })
	}
	b.wantSignedIn(s, "")
}

// TestStepUp has rules that want more than a session.
func TestStepUp(t *testing.T) {
	s := newSite(t, map[string]string{"auth_config": `
methods:
  people: {type: login}
rules:
  - {match: /admin/, accept: [people], require: {second_factor: true}}
  - {match: /pay/, accept: [people], require: {max_age: 5s}}
  - {match: /, accept: [people]}
`})
	b := open(t)
	b.signIn(s, s.alice, "/report")
	b.visit(s.url("/admin/users"))
	b.wantText("You need a second factor")
	b.wantText("alice has none yet.")

	// Somebody else, who has one, from there.
	b.load(chromedp.Click("a", chromedp.ByQuery))
	b.wantPage(s.origin(), pages+"sign-in")
	b.eventually("the focus on a field", func() bool { return b.focus() != "" })
	b.run(chromedp.SetValue("#username", "bob", chromedp.ByQuery), chromedp.Focus("#password", chromedp.ByQuery), keys(s.bob.password))
	b.load(enter)
	b.wantPage(s.origin(), pages+"second-factor")
	b.wantFocus("code")
	b.run(keys(s.bob.code(time.Now())))
	b.load(enter)
	b.wantPage(s.origin(), prefix+"/admin/users")
	b.wantText("hook for bob")

	// A sign-in gets old by itself.
	b = open(t)
	b.signIn(s, s.alice, "/report")
	b.eventually("the sign-in to be too old", func() bool {
		b.visit(s.url("/pay/now?sum=5"))
		return b.at().Path == pages+"sign-in"
	})
	b.wantText("Sign in again")
	b.wantFocus("password")
	b.run(keys(s.alice.password))
	b.load(enter)
	b.wantPage(s.origin(), prefix+"/pay/now")
	b.wantText("/pay/now?sum=5")
}

// TestRemember wants a cookie that outlives the browser only where that was
// chosen.
func TestRemember(t *testing.T) {
	s := newSite(t, map[string]string{"auth_login_remember": "336h"})
	for _, chosen := range []bool{false, true} {
		b := open(t)
		b.visit(s.url("/report"))
		b.wantText("Stay signed in on this device for 14\u00a0days")
		b.wantFocus("username")
		b.run(keys("alice"), tabKey, keys(s.alice.password), tabKey)
		if got := b.focus(); got != "remember" {
			t.Fatalf("got to %q, want remember", got)
		}
		if chosen {
			b.run(keys(" "))
		}
		b.run(tabKey)
		b.load(enter)
		b.wantText("hook for alice")
		c := b.session()
		if c.Session == chosen {
			t.Errorf("chosen: %t: got a cookie that goes with the browser: %t", chosen, c.Session)
		}
		if left := time.Until(time.Unix(int64(c.Expires), 0)); chosen && (left < 13*24*time.Hour || left > 14*24*time.Hour) {
			t.Errorf("got a cookie for %s, want 14 days", left)
		}
	}
}

// TestTwoFunctionsOneSignIn has two functions of one group behind a gateway.
func TestTwoFunctionsOneSignIn(t *testing.T) {
	f, alice := newFront(t), newPerson(t, "alice")
	files := secretFiles(alice)
	for name, group := range map[string]string{"one": "tools", "two": "tools", "three": ""} {
		settings := map[string]string{}
		if group != "" {
			settings["auth_login_group"] = group
		}
		p := start(t, name, f.https(host, "/function/"+name), files, settings, alice)
		f.pass(host, "/function/"+name, p.address)
	}
	b := open(t)
	at := func(name string) string { return f.https(host, "/function/"+name+"/report") }
	b.visit(at("one"))
	b.wantPage(f.https(host, ""), "/function/one/_/auth/sign-in")
	b.give("alice", alice.password)
	b.wantText("one for alice")
	b.visit(at("two"))
	b.wantText("two for alice")
	b.visit(at("three"))
	b.wantPage(f.https(host, ""), "/function/three/_/auth/sign-in")

	b.visit(f.https(host, "/function/two/_/auth/sign-out"))
	b.wantFocus("Sign out")
	b.load(enter)
	b.visit(at("one"))
	b.wantPage(f.https(host, ""), "/function/one/_/auth/sign-in")
}

// TestBackAfterSignOut wants nothing of the function in sight after a sign-out,
// though it says nothing of caches.
func TestBackAfterSignOut(t *testing.T) {
	s := newSite(t, nil)
	b := open(t)
	b.signIn(s, s.alice, "/report")
	b.visit(s.url("/_/auth/sign-out"))
	b.wantFocus("Sign out")
	b.load(enter)
	b.wantText("You are signed out")
	for range 2 { // to the question, and to the function's page
		b.back()
		if text := b.text(); strings.Contains(text, "for alice") || strings.Contains(text, "as alice") {
			t.Errorf("going back led to %s with %q", b.at(), text)
		}
	}
}

// TestTooMany goes on guessing until it has to wait.
func TestTooMany(t *testing.T) {
	s := newSite(t, nil)
	b := open(t)
	b.visit(s.url("/report"))
	b.wantFocus("username")
	b.run(keys("alice"), tabKey, keys("wrong"))
	for range 12 {
		if status := b.load(enter); status == 429 {
			b.wantText("There were too many failed attempts. Try again in ")
			b.wantFocus("password")
			return
		}
		b.wantFocus("password")
		b.run(keys("wrong"))
	}
	t.Fatalf("got no end of attempts\n%s", b.text())
}

// TestReturnTo asks the browser itself where an address leads after a sign-in.
func TestReturnTo(t *testing.T) {
	s := newSite(t, nil)
	s.handle("evil.test/", document("elsewhere"))
	elsewhere := "evil.test:" + s.secure
	b := open(t)
	for _, asked := range []string{
		"https://" + elsewhere + "/", "//" + elsewhere, `/\` + elsewhere, `\\` + elsewhere, "/\t/" + elsewhere, "/\n/" + elsewhere, "/%09/" + elsewhere,
		"/%2f" + elsewhere, "/./" + "/" + elsewhere, "/../" + "/" + elsewhere, "///" + elsewhere, "https:" + elsewhere, "https:/" + elsewhere,
		"/.%2e//" + elsewhere, " //" + elsewhere, "javascript:alert(1)", "data:text/html,x", "@" + elsewhere, ".evil.test", ";//" + elsewhere,
		"/function/hook/_/auth/sign-out", prefix + "/report?next=//" + elsewhere + "#x",
	} {
		b.visit(s.url("/_/auth/sign-in?return_to=" + url.QueryEscape(asked)))
		b.wantText("Sign in")
		var field string
		b.eventually("the focus on a field", func() bool { field = b.focus(); return field == "username" || field == "password" })
		if field == "username" {
			b.run(keys(s.alice.name), tabKey)
		}
		b.run(keys(s.alice.password))
		b.load(enter)
		if u := b.at(); u.Scheme+"://"+u.Host != s.origin() {
			t.Errorf("%q led to %s", asked, u)
		}
		b.visit(s.url("/_/auth/sign-out"))
		b.wantFocus("Sign out")
		b.load(enter)
		b.wantText("You are signed out")
	}
}
