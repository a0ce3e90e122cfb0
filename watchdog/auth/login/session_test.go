package login

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/auth/authtest"
	"auth-watchdog/watchdog/internal/session"
)

func TestContract(t *testing.T) {
	var epoch time.Time
	s := newShop(t, func(s *shop) {
		epoch = time.Now().Add(-20 * time.Hour)
		s.options.Epoch = epoch
		s.config.Remember = 48 * time.Hour
	}, alice(), person{name: "former", word: "x", disabled: true}, person{name: "late", word: "x", expires: time.Now().Add(-time.Hour)}, person{name: "jos\u00e9", word: "x"})
	other := func(change func(s *shop)) *shop {
		return newShop(t, func(o *shop) {
			o.key, o.options.Keys = s.key, s.options.Keys
			change(o)
		}, alice())
	}
	ask := func(value string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/path?a=%32", strings.NewReader("body"))
		r.Header.Set("Cookie", "a=b; "+sessionName+"="+value)
		r.Header.Set("Origin", ourOrigin)
		return r
	}
	good := s.mint(nil)
	deny := map[string]func() *http.Request{}
	value := func(name, v string) { deny[name] = func() *http.Request { return ask(v) } }
	minted := func(name string, change func(x *session.Session)) { value(name, s.mint(change)) }

	value("empty", "")
	value("garbage", "garbage")
	value("tampered", good[:len(good)-2]+"AA")
	value("cut short", good[:len(good)/2])
	value("more behind it", good+"A")
	value("another group", other(func(o *shop) { o.config.Group = "other" }).mint(nil))
	value("another origin", other(func(o *shop) { o.options.PublicURL = "https://tools.example.org" }).mint(nil))
	value("another port", other(func(o *shop) { o.options.PublicURL = ourOrigin + ":8443" }).mint(nil))
	value("another key", other(func(o *shop) { o.options.Keys = ringOf(t, session.NewKey()) }).mint(nil))
	minted("idle", func(x *session.Session) { x.Seen = x.Seen.Add(-time.Hour - time.Minute) })
	minted("at its end", func(x *session.Session) { x.Ends = time.Now() })
	minted("remembered, at its end", func(x *session.Session) { x.Ends, x.Remembered = time.Now(), true })
	minted("of the future", func(x *session.Session) { x.Seen = x.Seen.Add(2 * time.Minute) })
	minted("signed in in the future", func(x *session.Session) { x.SignedIn = x.SignedIn.Add(2 * time.Minute) })
	minted("before the epoch", func(x *session.Session) { x.SignedIn = epoch.Add(-time.Second) })
	minted("of nobody", func(x *session.Session) { x.Subject = "" })
	minted("of a user who is gone", func(x *session.Session) { x.Subject = "gone" })
	minted("in another case", func(x *session.Session) { x.Subject = "Alice" })
	minted("in another normalisation form", func(x *session.Session) {
		x.Subject, x.User = "jose\u0301", s.Users.Find("jos\u00e9").Version()
	})
	minted("of a user who has changed", func(x *session.Session) { x.User[0]++ })
	for _, name := range []string{"former", "late"} {
		minted(name, func(x *session.Session) { x.Subject, x.User = name, s.Users.Find(name).Version() })
	}
	out := session.NewID()
	s.Memory.signOut(out, time.Now().Add(time.Hour), time.Now())
	minted("signed out", func(x *session.Session) { x.ID = out })
	for name, k := range map[string]kind{"step": kindStep, "device": kindDevice} {
		now := time.Now()
		sealed, err := s.seal(s.Keys, k, &session.Session{Subject: "alice", User: s.Users.Find("alice").Version(), SignedIn: now, Seen: now, Ends: now.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		value("a cookie of another kind: "+name, sealed)
	}
	headers := func(name string, change func(h http.Header)) {
		deny[name] = func() *http.Request {
			r := ask(good)
			change(r.Header)
			return r
		}
	}
	headers("twice in a line", func(h http.Header) { h.Set("Cookie", h.Get("Cookie")+"; "+sessionName+"="+good) })
	headers("from another page", func(h http.Header) { h.Set("Origin", "https://evil.example") })
	headers("asynchronous", func(h http.Header) { h.Set("X-Callback-Url", "http://x/") })
	headers("asynchronous, with nothing in it", func(h http.Header) { h["X-Callback-Url"] = []string{""} })

	authtest.Test(t, authtest.Case{
		Method: s.Method, Deny: deny, Secrets: []string{good, s.key, aliceWord},
		Admit: func(body string) *http.Request {
			r := httptest.NewRequest(http.MethodPost, "/path?a=%32", strings.NewReader(body))
			r.Header.Set("Cookie", sessionName+"="+good)
			r.Header.Set("Origin", ourOrigin)
			return r
		},
	})
}

// C1, W8: the cookies, to the letter.
func TestC1W8SetCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, func(s *shop) { s.config.Remember = 48 * time.Hour })
		check := func(when string, h http.Header, want ...string) {
			t.Helper()
			var got []string
			for _, line := range h["Set-Cookie"] {
				name, rest, _ := strings.Cut(line, "=")
				value, attributes, _ := strings.Cut(rest, ";")
				if len(name)+len(value) > 4096 {
					t.Errorf("%s: %s has %d bytes", when, name, len(name)+len(value))
				}
				if value != "" && !strings.HasPrefix(value, "v1.") {
					t.Errorf("%s: %s is not sealed: %q", when, name, value)
				}
				got = append(got, fmt.Sprintf("%s %t%s", name, value != "", attributes))
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s: got\n%s\nwant\n%s", when, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		const gone, kept, ours = " false Path=/; Max-Age=0", " true Path=/", "; HttpOnly; Secure; SameSite=Lax"
		device := sessionName + ".device" + kept + "; Max-Age=7776000" + ours
		b := s.browser()
		check("a session", b.signIn("alice", aliceWord).Header(),
			sessionName+kept+ours, sessionName+".step"+gone+ours, device)
		form := map[string][]string{"username": {"alice"}, "password": {aliceWord}, "remember": {"on"}}
		check("one that is remembered", s.browser().post("/_/auth/sign-in", form).Header(),
			sessionName+kept+"; Max-Age=172800"+ours, sessionName+".step"+gone+ours, device)
		time.Sleep(30 * time.Minute)
		check("one that goes on", b.open("/").Header(), sessionName+kept+ours)
		check("sign-out", b.post("/_/auth/sign-out", nil).Header(), sessionName+gone+ours, sessionName+".step"+gone+ours)
		check("the first step", s.browser().signIn("mary", maryWord).Header(), sessionName+".step"+kept+"; Max-Age=600"+ours)
		check("one that is no good", s.with(sessionName, "x").open("/").Header(), sessionName+gone+ours)

		long := newShop(t, nil, person{name: strings.Repeat("x", 1024), word: aliceWord})
		check("a long name", long.browser().signIn(strings.Repeat("x", 1024), aliceWord).Header(),
			sessionName+kept+ours, sessionName+".step"+gone+ours, device)
	})
}

// C3: no bit of a cookie can be another, and what is none is taken from the
// browser.
func TestC3NoBitOfACookieCanChange(t *testing.T) {
	s := newShop(t, nil)
	good := s.mint(nil)
	if !s.with(sessionName, good).admits() {
		t.Fatal("the cookie itself is refused")
	}
	for i := range len(good) {
		for bit := range 8 {
			b := []byte(good)
			b[i] ^= 1 << bit
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Cookie"] = []string{sessionName + "=" + string(b)}
			w := httptest.NewRecorder()
			s.serve(w, r)
			if set := w.Header().Get("Set-Cookie"); w.Code != http.StatusUnauthorized || !strings.HasPrefix(set, sessionName+"=; ") || !strings.Contains(set, "Max-Age=0") {
				t.Fatalf("bit %d of byte %d: got %d and Set-Cookie %q", bit, i, w.Code, set)
			}
		}
	}
	if n := s.reached(); n != 1 {
		t.Errorf("%d forged cookies have reached the function", n-1)
	}
}

// C3: each cookie is good for what it was made for.
func TestC3CookiesAreNotForEachOther(t *testing.T) {
	s := newShop(t, nil)
	b := s.in()
	m := s.browser()
	m.signIn("mary", maryWord)
	values := map[string]string{
		"session": b.cookies[sessionName], "device": b.cookies[sessionName+".device"], "step": m.cookies[sessionName+".step"],
	}
	for from, value := range values {
		if value == "" {
			t.Fatalf("there is no cookie %s", from)
		}
		if got := s.with(sessionName, value).admits(); got != (from == "session") {
			t.Errorf("the cookie %s as a session: admitted %t", from, got)
		}
		step := s.with(sessionName+".step", value)
		if got := step.open("/_/auth/second-factor").Code == http.StatusOK; got != (from == "step") {
			t.Errorf("the cookie %s as a first step: taken %t", from, got)
		}
		device := request(http.MethodGet, "/", nil)
		device.Header.Set("Cookie", sessionName+".device="+value)
		if _, got := s.device(device, "alice"); got != (from == "device") {
			t.Errorf("the cookie %s as one of a device: taken %t", from, got)
		}
		for _, name := range []string{"__Host-Http-aw-hoo", "__Host-Http-aw-hook2", "__host-http-aw-hook", "__Host-aw-hook", "session", sessionName + "." + from, sessionName + ".session"} {
			if s.with(name, value).admits() {
				t.Errorf("the cookie %s under the name %s is admitted", from, name)
			}
		}
	}
}

// C4: a new key changes nothing for those who are signed in, and one that is
// gone ends its sessions. Two replicas with one ring are one.
func TestC4KeyRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := session.NewKey(), session.NewKey()
		replica := func(keys ...string) *shop {
			return newShop(t, func(s *shop) { s.options.Keys = ringOf(t, keys...) })
		}
		a, b := replica(first), replica(first)
		in := a.in()
		old := in.cookies[sessionName]
		if !b.with(sessionName, old).admits() {
			t.Error("the other replica does not know the session")
		}
		rotated := replica(second, first)
		moved := rotated.with(sessionName, old)
		if !moved.admits() {
			t.Fatal("signed out by a new key")
		}
		sealed := moved.cookies[sessionName]
		if sealed == old {
			t.Error("it was not sealed anew")
		}
		if len(moved.set) != 1 {
			t.Errorf("got %d cookies", len(moved.set))
		}
		if !moved.admits() || len(moved.set) != 0 {
			t.Error("it is sealed anew again, or refused")
		}
		only := replica(second)
		if only.with(sessionName, old).admits() {
			t.Error("a key that is gone still opens")
		}
		if !only.with(sessionName, sealed).admits() {
			t.Error("what was sealed with the new key is refused")
		}
		if replica(first, second).with(sessionName, sealed).admits() != true {
			t.Error("the order of the keys decides what is opened")
		}
	})
}

// C5, W7: sessions end when nobody uses them, and at the latest after absolute,
// however much they are used.
func TestC5W7Lifetimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, func(s *shop) { s.config.Remember = 48 * time.Hour })
		begun := time.Now()
		used, idle, stolen := s.in(), s.in(), s.in()
		kept := s.browser()
		kept.post("/_/auth/sign-in", map[string][]string{"username": {"alice"}, "password": {aliceWord}, "remember": {"on"}})
		copied := stolen.cookies[sessionName]
		written := 0
		for time.Since(begun) < 12*time.Hour-time.Minute {
			time.Sleep(time.Minute)
			if !used.admits() {
				t.Fatalf("ended after %s although it is used", time.Since(begun))
			}
			if n := len(used.set); n > 0 {
				written++
			}
			if time.Since(begun) == time.Hour+time.Minute {
				if idle.admits() {
					t.Error("good after more than an hour of nothing")
				}
				if idle.cookies[sessionName] != "" {
					t.Error("the browser keeps what has ended")
				}
			}
		}
		if most := 12 * 60 / 5; written > most || written < most/2 {
			t.Errorf("the cookie was written %d times in 12 hours, want about every 5 minutes", written)
		}
		time.Sleep(time.Minute)
		if used.admits() {
			t.Error("use has put off the end")
		}
		if s.with(sessionName, copied).admits() {
			t.Error("a copy from the beginning is still good")
		}
		if !kept.admits() {
			t.Error("what is remembered has ended with the others")
		}
		time.Sleep(36*time.Hour - time.Second)
		if !kept.admits() {
			t.Error("what is remembered has ended before its time")
		}
		time.Sleep(time.Second)
		if kept.admits() {
			t.Error("what is remembered does not end")
		}
	})
}

// C5: an idle time that is short is not outrun by the five minutes in which a
// cookie stays as it is.
func TestC5ShortIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, func(s *shop) { s.config.Idle = time.Minute })
		b := s.in()
		for range 100 {
			time.Sleep(30 * time.Second)
			if !b.admits() {
				t.Fatal("ended although it is used twice as often as it must")
			}
		}
		time.Sleep(time.Minute + time.Second)
		if b.admits() {
			t.Error("does not end")
		}
	})
}

// C5: settings are those of the function that is asked, whichever of a group has
// begun the session, and whatever they were then.
func TestC5SettingsOfTheFunctionThatIsAsked(t *testing.T) {
	const hour = time.Hour
	for _, tt := range []struct {
		name                     string
		idle, absolute, remember time.Duration
		used, age                time.Duration // ago
		remembered               bool
		want                     bool
	}{
		{"as it was begun", hour, 12 * hour, 48 * hour, 0, 11 * hour, false, true},
		{"longer than it was begun for", 24 * hour, 24 * hour, 48 * hour, 0, 13 * hour, false, false},
		{"within a shorter absolute", hour, 2 * hour, 0, 0, 2*hour - time.Second, false, true},
		{"after a shorter absolute", hour, 2 * hour, 0, 0, 2 * hour, false, false},
		{"remembered", hour, 12 * hour, 48 * hour, 20 * hour, 40 * hour, true, true},
		{"remembered for less", hour, 12 * hour, 24 * hour, 20 * hour, 24 * hour, true, false},
		{"remembered, which is no more, and idle", hour, 12 * hour, 0, 2 * hour, 3 * hour, true, false},
		{"remembered, which is no more, and used", hour, 12 * hour, 0, time.Minute, 3 * hour, true, true},
		{"remembered, which is no more, and old", hour, 12 * hour, 0, time.Minute, 12 * hour, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Now()
			s := newShop(t, func(s *shop) {
				s.config.Idle, s.config.Absolute, s.config.Remember = tt.idle, tt.absolute, tt.remember
				s.options.Now = func() time.Time { return now }
			})
			sealed := s.mint(func(x *session.Session) {
				x.SignedIn, x.Seen, x.Remembered = now.Add(-tt.age), now.Add(-tt.used), tt.remembered
				x.Ends = x.SignedIn.Add(12 * hour)
				if x.Remembered {
					x.Ends = x.SignedIn.Add(48 * hour)
				}
			})
			if got := s.with(sessionName, sealed).admits(); got != tt.want {
				t.Errorf("admitted %t, want %t", got, tt.want)
			}
		})
	}
}

// C5: replicas whose clocks are up to a minute apart.
func TestC5Skew(t *testing.T) {
	now := time.Now()
	for skew, want := range map[time.Duration]bool{
		0: true, -59 * time.Second: true, 59 * time.Second: true, -61 * time.Second: false, 59 * time.Minute: true, 61 * time.Minute: false,
	} {
		s := newShop(t, func(s *shop) { s.options.Now = func() time.Time { return now.Add(skew) } })
		sealed := s.mint(func(x *session.Session) { x.SignedIn, x.Seen, x.Ends = now, now, now.Add(12*time.Hour) })
		if got := s.with(sessionName, sealed).admits(); got != want {
			t.Errorf("a clock that is %s ahead: admitted %t", skew, got)
		}
	}
}

// C7, W6: what becomes of the user is in force with the next request.
func TestC7UsersThatChange(t *testing.T) {
	aged := func(p person, f func(p *person)) person { f(&p); return p }
	for _, tt := range []struct {
		name   string
		people []person
		want   auth.Reason
	}{
		{"nothing has changed", []person{alice(), bob()}, auth.Admitted},
		{"another user has", []person{alice(), aged(bob(), func(p *person) { p.word = "new" })}, auth.Admitted},
		{"removed", []person{bob()}, auth.SessionRevoked},
		{"disabled", []person{aged(alice(), func(p *person) { p.disabled = true })}, auth.SessionRevoked},
		{"expired", []person{aged(alice(), func(p *person) { p.expires = time.Now().Add(-time.Second) })}, auth.SessionExpired},
		{"another password", []person{aged(alice(), func(p *person) { p.word = "new" })}, auth.SessionRevoked},
		{"a role less", []person{aged(alice(), func(p *person) { p.roles = nil })}, auth.SessionRevoked},
		{"a role more", []person{aged(alice(), func(p *person) { p.roles = []string{"admin", "root"} })}, auth.SessionRevoked},
		{"a second factor", []person{aged(alice(), func(p *person) { p.seed = marySeed() })}, auth.SessionRevoked},
		{"signed out by the one who keeps the file", []person{aged(alice(), func(p *person) { p.epoch = time.Now().Add(time.Second) })}, auth.SessionRevoked},
		{"signed out before", []person{aged(alice(), func(p *person) { p.epoch = time.Now().Add(-time.Minute) })}, auth.Admitted},
		{"another spelling", []person{aged(alice(), func(p *person) { p.name = "Alice" })}, auth.SessionRevoked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t, nil, alice(), bob())
			in, other := s.in(), s.browser()
			other.signIn("bob", bobWord)
			s.reload(tt.people...)
			before := s.reached()
			in.open("/")
			if d := s.decisions[len(s.decisions)-1]; d.Reason != tt.want {
				t.Errorf("got %q, want %q", d.Reason, tt.want)
			}
			if (s.reached() > before) != (tt.want == auth.Admitted) {
				t.Error("the function was reached, or not, against the decision")
			}
			if (in.cookies[sessionName] != "") != (tt.want == auth.Admitted) {
				t.Error("the cookie stays, or is taken, against the decision")
			}
			if tt.name == "disabled" {
				// Enabled again: what was ended does not come back in this browser.
				s.reload(alice())
				if in.admits() {
					t.Error("signed in again by itself")
				}
			}
		})
	}
}

// The epoch ends what began before it.
func TestEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		old := s.in()
		time.Sleep(time.Minute)
		s.options.Epoch = time.Now()
		s.reload(alice())
		if old.admits() {
			t.Error("a session from before the epoch")
		}
		step := s.browser()
		s.options.Epoch = time.Time{}
		s.reload(mary())
		step.signIn("mary", maryWord)
		time.Sleep(time.Second)
		s.options.Epoch = time.Now()
		s.reload(mary())
		if got := step.open("/_/auth/second-factor").Code; got != http.StatusSeeOther {
			t.Errorf("a first step from before the epoch: got %d", got)
		}
		s.reload(alice())
		if !s.in().admits() {
			t.Error("nobody can sign in after the epoch")
		}
	})
}

// C9, B12: what a browser had before it signs in is no part of what it has
// after.
func TestC9B12Fixation(t *testing.T) {
	s := newShop(t, nil)
	b := s.in()
	planted := b.cookies[sessionName]
	if w := b.signIn("bob", bobWord); w.Code != http.StatusSeeOther {
		t.Fatalf("got %d", w.Code)
	}
	if b.cookies[sessionName] == planted || !b.admits() {
		t.Error("the second sign-in has not begun a session")
	}
	if id, _ := auth.FromContext(s.got[len(s.got)-1].Context()); id.Subject != "bob" {
		t.Errorf("the function was told %q", id.Subject)
	}
	if s.with(sessionName, planted).admits() {
		t.Error("the session of before is still good")
	}
	ids := map[session.ID]bool{}
	for range 20 {
		w := s.in()
		r := request(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", sessionName+"="+w.cookies[sessionName])
		x, _, err := s.open(s.Keys, kindSession, r)
		if err != nil || ids[x.ID] {
			t.Fatalf("%v, or an id for the second time", err)
		}
		ids[x.ID] = true
	}
	if w := s.with(sessionName, "garbage").open("/_/auth/sign-in"); !strings.HasPrefix(w.Header().Get("Set-Cookie"), sessionName+"=; ") {
		t.Error("the page of sign-in leaves a cookie that is good for nothing")
	}
	// A second factor does not begin with what the first step left.
	m := s.browser()
	m.signIn("mary", maryWord)
	if m.cookies[sessionName] != "" || m.admits() {
		t.Error("a password alone has begun a session of one with a second factor")
	}
}

// B14, W6: signing out ends the session for whoever has a copy, in this process.
func TestC6B14SignOut(t *testing.T) {
	s := newShop(t, nil)
	b := s.in()
	value, device := b.cookies[sessionName], b.cookies[sessionName+".device"]
	w := b.post("/_/auth/sign-out", nil)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/_/auth/sign-out" || w.Header().Get("Clear-Site-Data") != `"cache"` {
		t.Errorf("got %d and %v", w.Code, w.Header())
	}
	if s.with(sessionName, value).admits() {
		t.Error("a copy of the cookie is still good")
	}
	if b.cookies[sessionName] != "" || b.cookies[sessionName+".device"] != device {
		t.Errorf("the browser keeps %v", b.cookies)
	}
	if w := b.open("/_/auth/sign-out"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "signed out") {
		t.Errorf("the page after it: %d", w.Code)
	}
	s.reload(alice(), bob(), mary())
	if s.with(sessionName, value).admits() {
		t.Error("a reload has forgotten it")
	}
	if w := b.post("/_/auth/sign-out", nil); w.Code != http.StatusSeeOther {
		t.Errorf("signing out twice: %d", w.Code)
	}
}

// BenchmarkSession is what a session costs each request.
func BenchmarkSession(b *testing.B) {
	s := newShop(b, nil)
	r := request(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "theme=dark; "+sessionName+"="+s.mint(nil)+"; lang=en")
	asked := auth.NewRequest(r, auth.NewBuffers(1<<20, 4<<20))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(asked); err != nil {
			b.Fatal(err)
		}
	}
	if s.hashed.Load() > 0 {
		b.Error("a password was compared")
	}
}

// An answer that begins after a sign-out does not bring the session back into
// the browser.
func TestB14SignOutWhileAnAnswerIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		b := s.in()
		time.Sleep(30 * time.Minute) // so that the cookie is due
		r := httptest.NewRequest(http.MethodGet, "/slow", nil)
		r.Header.Set("Cookie", sessionName+"="+b.cookies[sessionName])
		w := httptest.NewRecorder()
		s.gate.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			b.post("/_/auth/sign-out", nil)
			w.WriteHeader(http.StatusOK)
		})).ServeHTTP(w, r)
		if w.Code != http.StatusOK || b.cookies[sessionName] != "" {
			t.Fatalf("got %d, and the cookie %q", w.Code, b.cookies[sessionName])
		}
		if got := w.Result().Cookies(); len(got) != 0 {
			t.Errorf("the browser gets %v", got)
		}
	})
}
