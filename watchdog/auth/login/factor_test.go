package login

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"auth-watchdog/watchdog/internal/limit"
	"auth-watchdog/watchdog/internal/totp"
)

// half is a browser in which mary has given the password, and no code yet.
func (s *shop) half() *browser {
	s.t.Helper()
	b := s.browser()
	w := b.signIn("mary", maryWord)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/_/auth/second-factor" || b.cookies[sessionName] != "" {
		s.t.Fatalf("the first step: got %d to %q", w.Code, w.Header().Get("Location"))
	}
	return b
}

// now is the code of the app, some steps from now.
func now(steps int) string {
	return totp.Code(marySeed(), time.Now().Add(time.Duration(steps)*30*time.Second))
}

// C22: a code is good around its time, and once.
func TestC22Codes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		try := func(what, code string, ok bool) {
			t.Helper()
			b := s.half()
			w := b.code(code)
			if ok != (w.Code == http.StatusSeeOther) || ok != b.admits() || !ok && w.Code != http.StatusUnauthorized {
				t.Errorf("%s: got %d", what, w.Code)
			}
			if !ok && b.cookies[sessionName] != "" {
				t.Errorf("%s: there is a session", what)
			}
		}
		try("two steps before", now(-2), false)
		try("two steps after", now(2), false)
		try("the step before", now(-1), true)
		try("the step before, again", now(-1), false)
		try("this step", now(0), true)
		try("this step, again", now(0), false)
		try("the step before this, after it", now(-1), false)
		try("the next step", now(1), true)
		try("this step, after the next", now(0), false)
		time.Sleep(time.Hour)
		for _, code := range []string{"", "0", now(0)[:5], now(0) + "0", "x" + now(0), "-" + now(0)[1:], "+" + now(0)[1:]} {
			try(fmt.Sprintf("%q", code), code, false)
			time.Sleep(time.Hour)
		}
		try("in groups", " "+now(0)[:3]+" "+now(0)[3:]+" ", true)
		// A reload does not bring codes back.
		s.reload(mary())
		try("after a reload", now(0), false)
	})
}

// C22: of many who bring a code at once, one gets in.
func TestC22Race(t *testing.T) {
	for name, code := range map[string]string{"a code of the app": now(0), "a recovery code": maryRecovery} {
		s := newShop(t, nil)
		s.Memory.codes = freeOfPenalties()
		const racers = 40
		var browsers []*browser
		for range racers {
			browsers = append(browsers, s.half())
		}
		var in atomic.Int64
		var wg sync.WaitGroup
		for _, b := range browsers {
			wg.Go(func() {
				r := formOf("/_/auth/second-factor", url.Values{"code": {code}})
				r.Header.Set("Cookie", sessionName+".step="+b.cookies[sessionName+".step"])
				w := httptest.NewRecorder()
				if s.serve(w, r); w.Code == http.StatusSeeOther {
					in.Add(1)
				}
			})
		}
		wg.Wait()
		if got := in.Load(); got != 1 {
			t.Errorf("%s: %d got in, want one", name, got)
		}
	}
}

// C22: the first step is good once, for a while, and for the user as it was.
func TestC22FirstStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		used := s.half()
		step := used.cookies[sessionName+".step"]
		if w := used.code(now(0)); w.Code != http.StatusSeeOther || used.cookies[sessionName+".step"] != "" {
			t.Fatalf("got %d", w.Code)
		}
		time.Sleep(time.Minute)
		refused := func(what, step string) {
			t.Helper()
			b := s.with(sessionName+".step", step)
			w := b.code(now(0))
			if w.Code != http.StatusUnauthorized || b.cookies[sessionName] != "" || b.cookies[sessionName+".step"] != "" || !strings.Contains(w.Body.String(), "took too long") {
				t.Errorf("%s: got %d with %v", what, w.Code, b.cookies)
			}
		}
		refused("used", step)
		refused("none", "x")
		late := s.half().cookies[sessionName+".step"]
		time.Sleep(stepLife - time.Second)
		if w := s.with(sessionName+".step", late).open("/_/auth/second-factor"); w.Code != http.StatusOK {
			t.Errorf("in time: got %d", w.Code)
		}
		time.Sleep(time.Second)
		refused("late", late)
		for what, change := range map[string]func(p *person){
			"disabled": func(p *person) { p.disabled = true }, "another password": func(p *person) { p.word = "new" },
			"another seed": func(p *person) { p.seed = []byte("another-seed-of-mary") }, "no seed": func(p *person) { p.seed, p.recovery = nil, nil }, "another name": func(p *person) { p.name = "nobody" },
		} {
			s.reload(mary())
			step := s.half().cookies[sessionName+".step"]
			changed := mary()
			change(&changed)
			s.reload(changed)
			refused(what, step)
		}
		s.reload(mary())
		out := s.half()
		out.post("/_/auth/sign-out", nil)
		if out.cookies[sessionName+".step"] != "" {
			t.Error("signing out leaves the first step")
		}
	})
}

// C22: codes are guessed at no more than passwords, and who guesses does not
// keep the owner out of a browser that is known.
func TestC22Guessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		owner := s.half()
		if owner.code(maryRecovery).Code != http.StatusSeeOther {
			t.Fatal("the owner can't sign in")
		}
		for i := range freeFailures {
			if got := s.half().code("00000" + fmt.Sprint(i)).Code; got != http.StatusUnauthorized {
				t.Fatalf("%d: got %d", i, got)
			}
		}
		w := s.half().code(now(0))
		if w.Code != http.StatusTooManyRequests || retryAfter(t, w) != time.Second {
			t.Errorf("the right code after too many: got %d", w.Code)
		}
		owner.signIn("mary", maryWord)
		if got := owner.code(now(0)).Code; got != http.StatusSeeOther {
			t.Errorf("the owner: got %d", got)
		}
	})
}

// C23: a recovery code is good once, is kept as a digest, and leaves a trace.
func TestC23RecoveryCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		s.told()
		if w := s.half().code(strings.ToLower(strings.ReplaceAll(maryRecovery, "-", " "))); w.Code != http.StatusSeeOther {
			t.Fatalf("in small letters: got %d", w.Code)
		}
		if got := names(s.told()); got != "authn_recovery_code_used authn_login_success session_created" {
			t.Errorf("reported %q", got)
		}
		s.reload(mary())
		b := s.half()
		if w := b.code(maryRecovery); w.Code != http.StatusUnauthorized || b.cookies[sessionName] != "" {
			t.Errorf("for the second time: got %d", w.Code)
		}
		if got := names(s.told()); got != "authn_token_reuse" {
			t.Errorf("reported %q", got)
		}
		for _, wrong := range []string{"", "-", " ", strings.Repeat("x", 10_000), maryRecovery[1:], maryRecovery + "0", "0000-0000-0000-0000-0000-0000"} {
			if w := s.half().code(wrong); w.Code == http.StatusSeeOther {
				t.Errorf("%.40q: got %d", wrong, w.Code)
			}
			time.Sleep(20 * time.Minute)
		}
		// One of somebody else's.
		other := mary()
		other.name, other.recovery = "kate", []string{"CANA-RY00-9999-2222-3333-4444"}
		s.reload(mary(), other)
		if w := s.half().code(other.recovery[0]); w.Code != http.StatusUnauthorized {
			t.Errorf("somebody else's: got %d", w.Code)
		}
	})
}

// A second factor without a memory that lasts is refused, unless that is
// accepted, and nobody with one can be remembered for longer.
func TestSecondFactorsNeedMemory(t *testing.T) {
	s := newShop(t, func(s *shop) { s.config.Remember = 48 * time.Hour })
	o := s.options
	o.AllowDegraded = false
	if _, err := New("people", s.config, o); err == nil || !strings.Contains(err.Error(), "allow_degraded=true") || !strings.Contains(err.Error(), `"mary"`) {
		t.Errorf("got %v", err)
	}
	o.Users = usersOf(t, s.hash, alice())
	if _, err := New("people", s.config, o); err != nil {
		t.Errorf("without a second factor: %v", err)
	}
	b := s.browser()
	b.post("/_/auth/sign-in", url.Values{"username": {"mary"}, "password": {maryWord}, "remember": {"on"}})
	b.post("/_/auth/second-factor", url.Values{"code": {now(0)}, "remember": {"on"}})
	r := request(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", sessionName+"="+b.cookies[sessionName])
	x, _, err := s.open(s.Keys, kindSession, r)
	if err != nil || x.Remembered || !x.SecondFactor || x.Ends.Sub(x.SignedIn) != 12*time.Hour {
		t.Errorf("got %+v and %v", x, err)
	}
	// Whoever asks to be remembered where that is not offered is not.
	s = newShop(t, nil)
	b = s.browser()
	b.post("/_/auth/sign-in", url.Values{"username": {"alice"}, "password": {aliceWord}, "remember": {"on"}})
	r.Header.Set("Cookie", sessionName+"="+b.cookies[sessionName])
	if x, _, err := s.open(s.Keys, kindSession, r); err != nil || x.Remembered || x.SecondFactor {
		t.Errorf("got %+v and %v", x, err)
	}
}

// freeOfPenalties is for tests in which nobody shall wait.
func freeOfPenalties() *limit.Penalties {
	return limit.NewPenalties(1_000_000, time.Second, time.Second, 1000)
}
