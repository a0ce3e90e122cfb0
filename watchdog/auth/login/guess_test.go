package login

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"auth-watchdog/watchdog/internal/account"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/session"
	"auth-watchdog/watchdog/secret"
)

// retryAfter is how long an answer says to wait.
func retryAfter(t *testing.T, w *httptest.ResponseRecorder) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(w.Header().Get("Retry-After"))
	if err != nil || n < 1 {
		t.Fatalf("Retry-After: %q with %d", w.Header().Get("Retry-After"), w.Code)
	}
	return time.Duration(n) * time.Second
}

// C17, W5: a name that fails has to wait ever longer, and the owner gets in
// meanwhile with a browser that is known.
func TestC17W5WrongPasswords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		owner, stranger, mallory := s.in(), s.browser(), s.browser()
		owner.post("/_/auth/sign-out", nil)
		mallory.signIn("bob", bobWord) // has an account, and with it a cookie of a device
		var waits []time.Duration
		refused, judged := 0, 0
		begun := time.Now()
		for i := 0; judged < 25; i++ {
			w := stranger.signIn("alice", fmt.Sprint("wrong ", i))
			if w.Code == http.StatusUnauthorized {
				judged++
				continue
			}
			if w.Code != http.StatusTooManyRequests {
				t.Fatalf("attempt %d: got %d", i, w.Code)
			}
			refused++
			before := s.hashed.Load()
			if mallory.signIn("alice", "x").Code != http.StatusTooManyRequests {
				t.Fatal("the cookie of another account's device is a way round")
			}
			if s.hashed.Load() != before {
				t.Fatal("a password was compared although the name has to wait")
			}
			wait := retryAfter(t, w)
			waits = append(waits, wait)
			time.Sleep(wait)
		}
		if judged > 0 && (len(waits) != 20 || waits[0] != time.Second || waits[1] != 2*time.Second || waits[19] != 15*time.Minute) {
			t.Errorf("waits %v", waits)
		}
		for i := range waits[1:] {
			if waits[i+1] < waits[i] || waits[i+1] > 15*time.Minute {
				t.Errorf("waits %v", waits)
			}
		}
		if time.Since(begun) < 2*time.Hour {
			t.Errorf("25 guesses took %s only", time.Since(begun))
		}

		// 200 at once, with the owner beside them.
		for i := range 200 {
			if got := stranger.signIn("alice", fmt.Sprint("wrong ", i)).Code; got == http.StatusSeeOther {
				t.Fatal("guessed")
			}
		}
		if got := s.browser().signIn("alice", aliceWord).Code; got != http.StatusTooManyRequests {
			t.Errorf("the right password from a browser that is not known: got %d", got)
		}
		if got := owner.signIn("alice", aliceWord).Code; got != http.StatusSeeOther {
			t.Errorf("the owner: got %d", got)
		}
		if got := s.browser().signIn("bob", bobWord).Code; got != http.StatusSeeOther {
			t.Errorf("another user: got %d", got)
		}
		// A reload of the secrets forgives nothing.
		s.reload(alice(), bob())
		if got := stranger.signIn("alice", "x").Code; got != http.StatusTooManyRequests {
			t.Errorf("after a reload: got %d", got)
		}
		// No lock: who waits is judged again.
		time.Sleep(15 * time.Minute)
		if got := s.browser().signIn("alice", aliceWord).Code; got != http.StatusSeeOther {
			t.Errorf("the right password after the wait: got %d", got)
		}
	})
}

// C17: a browser that is known has attempts of its own, and no more than others.
func TestC17KnownDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		thief := s.in()
		device := thief.cookies[sessionName+".device"]
		for i := range 5 {
			if got := thief.signIn("alice", "wrong").Code; got != http.StatusUnauthorized {
				t.Fatalf("%d: got %d", i, got)
			}
		}
		if got := thief.signIn("alice", aliceWord).Code; got != http.StatusTooManyRequests {
			t.Errorf("a stolen cookie of a device is good for ever: got %d", got)
		}
		if got := s.with(sessionName+".device", device).signIn("ALICE", "x").Code; got != http.StatusTooManyRequests {
			t.Errorf("in another spelling: got %d", got)
		}
		if got := s.browser().signIn("alice", "x").Code; got != http.StatusUnauthorized {
			t.Errorf("others: got %d", got)
		}
		time.Sleep(91 * 24 * time.Hour)
		r := request(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", sessionName+".device="+device)
		if _, known := s.device(r, "alice"); known {
			t.Error("a device is known for ever")
		}
	})
}

// C17: all spellings of a name share a counter.
func TestC17SpellingsShareACounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, spellings := range map[string][]string{
			"alice": {"Alice", "ALICE", "alice ", " alice", "\uff21\uff4c\uff49\uff43\uff45", "\u00a0alice", "ali\uff43e"},
			"josé":  {"Jose\u0301", "JOSE\u0301", "jos\u00e9", "JOS\u00c9 "},
		} {
			s := newShop(t, nil, alice(), person{name: "josé", word: aliceWord})
			for i := range 5 {
				s.browser().signIn(spellings[i%len(spellings)], "wrong")
			}
			for _, given := range append(spellings, name) {
				if got := s.browser().signIn(given, aliceWord).Code; got != http.StatusTooManyRequests {
					t.Errorf("%q: got %d", given, got)
				}
			}
		}
	})
}

// C17: names that nobody has are counted as those that somebody has, or it could
// be found out which are which.
func TestC17NamesCountAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, flood := range []int{0, 1000, maxAccounts + 10} {
			var got [2][]int
			for i, name := range []string{"alice", "nobody"} {
				s := newShop(t, nil)
				for range 5 {
					s.browser().signIn(name, "wrong")
				}
				for i := range flood {
					s.Memory.accounts.Begin(fmt.Sprint(i))
				}
				for range 8 {
					got[i] = append(got[i], s.browser().signIn(name, "wrong").Code)
				}
			}
			if diff := cmp.Diff(got[0], got[1]); diff != "" {
				t.Errorf("after %d other names: %s", flood, diff)
			}
		}
	})
}

// C17: an address that fails with many names has to wait too, if it is known.
func TestC17Addresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, func(s *shop) {
			s.options.Address = func(r *http.Request) string { return r.Header.Get("X-Test-Address") }
		})
		at := func(address, name, word string) int {
			r := formOf("/_/auth/sign-in", url.Values{"username": {name}, "password": {word}})
			r.Header.Set("X-Test-Address", address)
			return s.browser().do(r).Code
		}
		known := s.in()
		for range 2 * addressFailures { // an office on its Monday morning
			if got := at("a", "bob", bobWord); got != http.StatusSeeOther {
				t.Fatalf("who fails in nothing has to wait: got %d", got)
			}
		}
		for i := range addressFailures {
			if got := at("a", fmt.Sprint("name ", i), "x"); got != http.StatusUnauthorized {
				t.Fatalf("%d: got %d", i, got)
			}
		}
		if got := at("a", "alice", aliceWord); got != http.StatusTooManyRequests {
			t.Errorf("got %d", got)
		}
		if got := at("b", "alice", aliceWord); got != http.StatusSeeOther {
			t.Errorf("another address: got %d", got)
		}
		r := formOf("/_/auth/sign-in", url.Values{"username": {"alice"}, "password": {aliceWord}})
		r.Header.Set("X-Test-Address", "a")
		if got := known.do(r).Code; got != http.StatusSeeOther {
			t.Errorf("a known browser at that address: got %d", got)
		}
		// Whoever has an account can't free the address with it.
		time.Sleep(time.Second)
		if got := at("a", "bob", bobWord); got != http.StatusSeeOther {
			t.Fatalf("got %d", got)
		}
		at("a", "name", "x")
		if got := at("a", "other name", "x"); got != http.StatusTooManyRequests {
			t.Errorf("freed by an account: got %d", got)
		}
		// What the address has to wait for is not held against the name.
		if f, _ := s.Memory.accounts.Failures(s.Memory.digest("account", "other name")); f != 0 {
			t.Errorf("the name has %d failures", f)
		}
	})
}

// C17: what the people of an office mistype over weeks does not add up.
func TestC17AddressOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, func(s *shop) { s.options.Address = func(*http.Request) string { return "a" } })
		for i := range 10 * addressFailures {
			if got := s.browser().signIn("bob", "x").Code; got != http.StatusUnauthorized {
				t.Fatalf("%d: got %d", i, got)
			}
			time.Sleep(4 * time.Minute)
			if got := s.browser().signIn("bob", bobWord).Code; got != http.StatusSeeOther {
				t.Fatalf("%d: got %d", i, got)
			}
			time.Sleep(4 * time.Minute)
		}
	})
}

// C17: somebody who goes on guessing at one name after the other waits the
// longer for it, and for minutes in the end.
func TestC17AddressThatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, func(s *shop) { s.options.Address = func(*http.Request) string { return "a" } })
		guesses := 0
		for begun := time.Now(); time.Since(begun) < 24*time.Hour; time.Sleep(10 * time.Second) {
			if s.browser().signIn(fmt.Sprint("name ", guesses), "x").Code == http.StatusUnauthorized {
				guesses++
			}
		}
		if most := addressFailures + 24*60/4 + 20; guesses > most {
			t.Errorf("%d guesses in a day, want at most %d", guesses, most)
		}
	})
}

// All who are not known together: a flood of names is held up, and those who
// are known are not.
func TestC17OfAllTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		known := s.in()
		held := 0
		for i := range overallBurst + 10 {
			if w := s.browser().signIn(fmt.Sprint("name ", i), "x"); w.Code == http.StatusTooManyRequests {
				held++
				retryAfter(t, w)
			}
		}
		if held != 10 {
			t.Errorf("%d were held up, want 10", held)
		}
		if got := known.signIn("alice", aliceWord).Code; got != http.StatusSeeOther {
			t.Errorf("who is known: got %d", got)
		}
		time.Sleep(time.Second)
		if got := s.browser().signIn("bob", bobWord).Code; got != http.StatusSeeOther {
			t.Errorf("a moment later: got %d", got)
		}
	})
}

// C18: what an answer says of a name that exists it says of one that does not,
// and both cost one comparison.
func TestC18UnknownAndKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil, alice(), mary(), person{name: "gone1", word: aliceWord, disabled: true}, person{name: "late1", word: aliceWord, expires: time.Now().Add(-time.Hour)})
		type seen struct {
			status     int
			head, body string
			hashed     int64
			cookies    string
		}
		try := func(name, word string) seen {
			before := s.hashed.Load()
			w := s.browser().signIn(name, word)
			var head strings.Builder
			_ = w.Header().Write(&head)
			return seen{
				status: w.Code, head: head.String(), hashed: s.hashed.Load() - before,
				body: strings.ReplaceAll(w.Body.String(), `value="`+name+`"`, `value=""`), cookies: w.Header().Get("Set-Cookie"),
			}
		}
		for i := range 20 { // far into the waits
			want := try("alice", "wrong")
			if i < 5 && (want.status != http.StatusUnauthorized || want.hashed != 1) || i >= 5 && want.status != http.StatusTooManyRequests {
				t.Fatalf("attempt %d: got %d and %d comparisons", i, want.status, want.hashed)
			}
			for name, word := range map[string]string{
				"alicf": "wrong", "mary1": "wrong", "gone1": aliceWord, "late1": aliceWord, "nobod": "",
			} {
				if got := try(name, word); got.status != want.status || got.body != want.body || got.hashed != want.hashed || len(got.head) != len(want.head) ||
					i < 5 && got.head != want.head || got.cookies != "" {
					t.Errorf("attempt %d: %q: got %d, %d comparisons\n%s\n%s\nwant %d, %d comparisons\n%s\n%s",
						i, name, got.status, got.hashed, got.head, got.body, want.status, want.hashed, want.head, want.body)
				}
			}
		}
	})
}

// C18: a decoy costs what a password of somebody costs.
func TestC18Decoys(t *testing.T) {
	s := newShop(t, nil)
	// Those that can be nobody's have one counter together, which tells nothing.
	for _, name := range []string{"nobody", "nobody else", "", "\x00", "\x1b[31m", "a:b", "#x", strings.Repeat("x", 2000), "\xff"} {
		before := s.hashed.Load()
		if user, good, busy := s.judge(request(http.MethodPost, "/", nil), name, ""); user != nil || good || busy || s.hashed.Load() != before+1 {
			t.Errorf("%q: got %v, %t, %t after %d comparisons", name, user, good, busy, s.hashed.Load()-before)
		}
	}
	if got, again := s.Memory.pick("nobody", 7), s.Memory.pick("nobody", 7); got != again {
		t.Error("a name has one decoy, then another: their costs would tell that it is none")
	}
}

// C20, W4: what is no good hash, or too cheap a one, is not read at all.
func TestC20W4WeakHashes(t *testing.T) {
	const salt, sum = "c2FsdHNhbHRzYWx0c2FsdA", "aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
	argon := func(parameters string) string { return "$argon2id$v=19$" + parameters + "$" + salt + "$" + sum }
	bcrypt := strings.Repeat("a", 53)
	for stored, ok := range map[string]bool{
		argon("m=19456,t=2,p=1"): true, argon("m=47104,t=1,p=1"): true, argon("m=12288,t=3,p=1"): true, argon("m=7168,t=5,p=1"): true, argon("m=65536,t=3,p=4"): true,
		argon("m=19455,t=2,p=1"): false, argon("m=19456,t=1,p=1"): false, argon("m=7167,t=32,p=1"): false, argon("m=65536,t=0,p=1"): false, argon("m=64,t=1,p=1"): false,
		strings.Replace(argon("m=19456,t=2,p=1"), "argon2id", "argon2i", 1): false,
		strings.Replace(argon("m=19456,t=2,p=1"), "v=19", "v=16", 1):        false,
		"$2b$10$" + bcrypt: true, "$2a$12$" + bcrypt: true, "$2b$09$" + bcrypt: false, "$2b$04$" + bcrypt: false,
		"CANARY-plain-text": false, "5f4dcc3b5aa765d61d8327deb882cf99": false, "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=": false, "$apr1$x$y": false, "$6$x$y": false, "$1$x$y": false, "": false, "x": false,
	} {
		for form, file := range map[string]string{"YAML": fmt.Sprintf("- {name: alice, password: %q}", stored), "lines": "alice:" + stored} {
			_, err := account.Parse(secret.New([]byte(file)))
			if (err == nil) != ok {
				t.Errorf("%s: %q: got %v", form, stored, err)
			}
			if err != nil && len(stored) > 1 && strings.Contains(err.Error(), stored) {
				t.Errorf("%s: the error repeats %q", form, stored)
			}
		}
	}
}

// C21: however many sign in at a time, the memory of hashing is bounded, and who
// finds no room is told to come back.
func TestC21ManyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		go_on := make(chan struct{})
		s := newShop(t, func(s *shop) {
			s.options.Memory = NewMemory(password.NewHasherFor(2))
			s.hash.memory = password.HashingMemory / 2
			s.hash.during = func() {
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
				<-go_on
				now.Add(-1)
			}
		})
		const many = 200
		var statuses [600]atomic.Int64
		var wg sync.WaitGroup
		for i := range many {
			wg.Go(func() {
				w := httptest.NewRecorder()
				s.serve(w, formOf("/_/auth/sign-in", url.Values{"username": {fmt.Sprint("name ", i)}, "password": {"x"}}))
				statuses[w.Code].Add(1)
				if w.Code == http.StatusTooManyRequests && (w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "Many people are signing in")) {
					t.Errorf("got Retry-After %q\n%s", w.Header().Get("Retry-After"), w.Body)
				}
			})
		}
		synctest.Wait()
		if got := statuses[http.StatusTooManyRequests].Load(); got != many-2-password.MaxWaiting {
			t.Errorf("%d were told to come back at once, want all but 2 and %d who wait", got, password.MaxWaiting)
		}
		time.Sleep(2 * password.HashingWait)
		if got := statuses[http.StatusTooManyRequests].Load(); got != many-2 {
			t.Errorf("%d were told to come back in the end, want all but 2", got)
		}
		close(go_on)
		wg.Wait()
		if most.Load() != 2 || statuses[http.StatusUnauthorized].Load() != 2 {
			t.Errorf("%d at a time, %d judged; want 2 and 2", most.Load(), statuses[http.StatusUnauthorized].Load())
		}
		// What was not judged is no failure.
		failed := 0
		for i := range many {
			n, _ := s.Memory.accounts.Failures(s.Memory.digest("account", fmt.Sprint("name ", i)))
			failed += n
		}
		if failed != 2 {
			t.Errorf("%d failures were counted, want 2", failed)
		}
	})
}

// C17: many attempts at once are no way round the counting.
func TestC17AtOnce(t *testing.T) {
	s := newShop(t, nil)
	var judged atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			w := httptest.NewRecorder()
			s.serve(w, formOf("/_/auth/sign-in", url.Values{"username": {"alice"}, "password": {fmt.Sprint(i)}}))
			if w.Code == http.StatusUnauthorized {
				judged.Add(1)
			}
		})
	}
	wg.Wait()
	if got := judged.Load(); got != freeFailures {
		t.Errorf("%d passwords were judged at once, want %d", got, freeFailures)
	}
}

// The memory of who has signed out is bounded.
func TestSignedOutIsBounded(t *testing.T) {
	m := NewMemory(password.NewHasher())
	now := time.Now()
	last := session.NewID()
	for range maxSignedOut {
		m.signOut(session.NewID(), now.Add(-time.Second), now)
	}
	m.signOut(last, now.Add(time.Hour), now)
	if n := len(m.signedOut); n > maxSignedOut {
		t.Errorf("remembers %d", n)
	}
	if !m.isSignedOut(last) {
		t.Error("the last one was forgotten")
	}
}
