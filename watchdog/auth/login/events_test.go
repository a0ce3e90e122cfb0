package login

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/session"
)

// String is an event in a line, without the ids of sessions, which are drawn.
func (e event) String() string {
	line := e.name + " " + e.user
	for _, name := range slices.Sorted(maps.Keys(e.attrs)) {
		value := e.attrs[name]
		if name == "session" {
			value = fmt.Sprintf("%d hex digits", len(value))
			if strings.Trim(e.attrs[name], "0123456789abcdef") != "" {
				value = "no hash"
			}
		}
		line += fmt.Sprintf(" %s=%q", name, value)
	}
	return line
}

// C34: what happens is reported once, by its name, with whom it is about.
func TestC34Events(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, func(s *shop) { s.config.Remember = 48 * time.Hour }, alice(), bob(), mary(), person{name: "former", word: "x", disabled: true})
		expect := func(when string, want ...string) {
			t.Helper()
			var got []string
			for _, e := range s.told() {
				got = append(got, e.String())
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: got\n\t%s\nwant\n\t%s", when, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		}
		const hash = ` session="16 hex digits"`
		b := s.browser()
		b.open("/_/auth/sign-in")
		b.open("/")
		expect("opening pages")
		b.signIn("bob", "wrong")
		expect("a wrong password", `authn_login_fail bob description="wrong password"`)
		b.signIn("bob", bobWord)
		expect("after a failure", `authn_login_successafterfail bob failures="1"`+hash, `session_created bob second_factor="false"`+hash)
		b.signIn("alice", aliceWord)
		expect("at once", `authn_login_success alice`+hash, `session_created alice second_factor="false"`+hash)
		b.open("/")
		expect("a request")
		time.Sleep(10 * time.Minute)
		b.open("/")
		expect("a request later", `session_renewed alice`+hash)
		b.post("/_/auth/sign-out", nil)
		expect("sign-out", `session_logout alice`+hash)
		b.post("/_/auth/sign-out", nil)
		expect("sign-out again")
		s.browser().signIn("nobody", "x")
		expect("nobody", `authn_login_fail  description="unknown user"`)
		s.browser().signIn("former", "x")
		expect("disabled", `authn_login_fail former description="disabled or expired user, or wrong password"`)

		m := s.browser()
		m.signIn("mary", maryWord)
		expect("the first step")
		m.code("000000x")
		expect("a wrong recovery code", `authn_login_fail mary description="wrong recovery code"`)
		m.code("000000")
		expect("a wrong code", `authn_login_fail mary description="wrong code"`)
		code := now(0)
		m.code(code)
		expect("the second step", `authn_login_successafterfail mary failures="2"`+hash, `session_created mary second_factor="true"`+hash)
		s.half().code(code)
		expect("the code again", `authn_token_reuse mary description="a code that was used already"`)

		for i := range 4 {
			s.browser().signIn("alice", "wrong")
			expect(fmt.Sprint("failure ", i), `authn_login_fail alice description="wrong password"`)
		}
		s.browser().signIn("alice", "wrong")
		expect("the fifth", `authn_login_fail alice description="wrong password"`, `authn_login_fail_max alice description="the next attempt has to wait 1s"`)
		s.browser().signIn("alice", aliceWord)
		expect("too soon", `excess_rate_limit_exceeded alice description="too many failed sign-ins of this account"`)
		s.browser().signIn("Alice", aliceWord)
		expect("too soon, in another spelling", `excess_rate_limit_exceeded  description="too many failed sign-ins of this account"`)

		r := formOf("/_/auth/sign-in", url.Values{"username": {"bob"}, "password": {bobWord}})
		r.Header.Set("Origin", "https://evil.example")
		s.browser().do(r)
		expect("another site", `malicious_csrf  description="the form was sent by a page of \"https://evil.example\", and public_url is of https://tools.example.com"`)
	})
}

// C34: what a stranger sends is text in what is reported, on one line, and no
// secret is in it.
func TestC34NothingOfTheCallersInEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		b := s.in()
		b.signIn("mary", maryWord)
		code := now(0)
		b.code(code)
		kept := slices.Collect(maps.Values(b.cookies))
		for _, bad := range []string{"x\r\n{\"event\":\"authn_login_success\"}", "\x1b[2J\x1b[31m", `","userid":"admin`, "alice\nbob", "\u2028\u2029", "%s%n", "\x00"} {
			b.signIn(bad, bad)
			b.code(bad)
			r := formOf("/_/auth/sign-in", url.Values{"username": {bad}, "password": {bad}, "return_to": {bad}})
			r.Header["Origin"] = []string{"https://" + bad}
			b.do(r)
			r = formOf("/", nil)
			r.Header["Origin"] = []string{bad}
			r.Header["User-Agent"] = []string{bad}
			b.do(r)
			r = formOf("/", nil)
			delete(r.Header, "Origin")
			r.Header["Sec-Fetch-Site"] = []string{bad}
			b.do(r)
			s.with(sessionName, bad).open("/")
			time.Sleep(time.Hour)
		}
		b.open("/") // idle for too long by now
		var all strings.Builder
		for _, e := range s.told() {
			if strings.ContainsFunc(e.name+e.user, func(r rune) bool { return r < ' ' }) || e.user != "" && s.Users.Find(e.user) == nil {
				t.Errorf("reported %q of %q", e.name, e.user)
			}
			for _, v := range e.attrs {
				if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' }) {
					t.Errorf("%s: %q", e.name, v)
				}
				all.WriteString(v + "\n")
			}
		}
		for _, d := range s.decisions {
			if err := d.Err(); err != nil {
				all.WriteString(err.Error() + "\n")
				if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == '\u2028' }) {
					t.Errorf("a decision says %q", err)
				}
			}
		}
		fmt.Fprintf(&all, "%v %+v %v %v", s.Method, s.Users.All(), s.Credentials(), s.Warnings())
		for _, canary := range append(kept, "CANARY", "CANA-RY", code, s.key) {
			if strings.Contains(all.String(), canary) {
				t.Errorf("%.12q is in what is reported:\n%s", canary, all.String())
			}
		}
	})
}

// C34: a session that is refused is reported by the gate, with its reason and
// whose it was.
func TestC34Decisions(t *testing.T) {
	s := newShop(t, nil)
	for _, tt := range []struct {
		name    string
		change  func(x *session.Session)
		want    auth.Reason
		subject string
	}{
		{"idle", func(x *session.Session) { x.Seen = x.Seen.Add(-2 * time.Hour) }, auth.SessionExpired, "alice"},
		{"changed", func(x *session.Session) { x.User[0]++ }, auth.SessionRevoked, "alice"},
		{"gone", func(x *session.Session) { x.Subject = "gone" }, auth.SessionRevoked, ""},
	} {
		var id string
		sealed := s.mint(func(x *session.Session) { tt.change(x); id = x.ID.Hash() })
		s.with(sessionName, sealed).open("/")
		d := s.decisions[len(s.decisions)-1]
		if d.Reason != tt.want || d.Subject != tt.subject || !strings.Contains(fmt.Sprint(d.Err()), "session "+id) {
			t.Errorf("%s: got %q of %q: %v", tt.name, d.Reason, d.Subject, d.Err())
		}
		if d.Reason.Status() != http.StatusUnauthorized {
			t.Errorf("%s: answered %d", tt.name, d.Reason.Status())
		}
	}
}
