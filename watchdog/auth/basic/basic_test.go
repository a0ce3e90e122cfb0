package basic

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/auth/authtest"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

const canary = "canary-secret-password" //nolint:gosec // of tests

// cheap is a hash that is quick to compute.
func cheap(password string) string {
	salt := []byte("salt-of-16-bytes")
	sum := argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=64,t=1,p=1$%s$%s", b64.EncodeToString(salt), b64.EncodeToString(sum))
}

func cheapBcrypt(t testing.TB, password string) string {
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func newMemory() *Memory { return NewMemory(password.NewHasher()) }

func mustNew(t testing.TB, memory *Memory, lines ...string) *Method {
	t.Helper()
	users, err := ParseUsers("users", secret.New([]byte(strings.Join(lines, "\n"))))
	if err != nil {
		t.Fatal(err)
	}
	return New("admins", Config{Secret: "users"}, users, memory)
}

func request(name, password string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth(name, password)
	return r
}

// counted is a hash that counts how often it is computed.
type counted struct {
	password.Hash
	n *atomic.Int64
}

func (c counted) Matches(p []byte) bool {
	c.n.Add(1)
	return c.Hash.Matches(p)
}
func (c counted) Decoy() password.Hash { return counted{c.Hash.Decoy(), c.n} }

// counting makes the method count its hashing.
func counting(m *Method) *atomic.Int64 {
	var n atomic.Int64
	for _, u := range m.users.order {
		for i, h := range u.hashes {
			u.hashes[i] = counted{h, &n}
		}
	}
	for _, d := range m.decoys {
		for i, h := range d {
			d[i] = counted{h, &n}
		}
	}
	return &n
}

func TestContract(t *testing.T) {
	admit := func(body string) *http.Request {
		r := httptest.NewRequest("POST", "/path?a=%32", strings.NewReader(body))
		r.SetBasicAuth("alice", canary)
		return r
	}
	deny := map[string]func() *http.Request{
		"wrong password": func() *http.Request { return request("alice", "wrong") },
		"unknown user":   func() *http.Request { return request("bob", canary) },
		"malformed": func() *http.Request {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Basic !")
			return r
		},
	}
	pair, err := Pair("alice", canary)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{canary, base64.StdEncoding.EncodeToString([]byte("alice:" + canary))}
	for name, m := range map[string]*Method{
		"argon2id": mustNew(t, newMemory(), "alice:"+cheap(canary)),
		"bcrypt":   mustNew(t, newMemory(), "alice:"+cheapBcrypt(t, canary)),
		"pair":     New("admins", Config{}, pair, newMemory()),
	} {
		t.Run(name, func(t *testing.T) {
			authtest.Test(t, authtest.Case{Method: m, Admit: admit, Deny: deny, Secrets: secrets})
		})
	}
}

func TestCredentials(t *testing.T) {
	// The vectors of RFC 7617 §2 and §2.1, and what is like them.
	m := mustNew(t, newMemory(),
		"Aladdin:"+cheap("open sesame"), "test:"+cheap("123£"), "colon:"+cheap("a:b:c"),
		"Jose\u0301:"+cheap("caf\u00e9"), "bcrypt:"+cheapBcrypt(t, strings.Repeat("x", 72)))
	raw := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, tt := range []struct {
		name, value string
		want        auth.Reason
		subject     string
	}{
		{"RFC 7617 §2", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", auth.Admitted, "Aladdin"},
		{"RFC 7617 §2.1", "Basic dGVzdDoxMjPCow==", auth.Admitted, "test"},
		{"small letters", "basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", auth.Admitted, "Aladdin"},
		{"several spaces", "Basic   QWxhZGRpbjpvcGVuIHNlc2FtZQ==", auth.Admitted, "Aladdin"},
		{"colons in the password", "Basic " + raw("colon:a:b:c"), auth.Admitted, "colon"},
		{"another normal form", "Basic " + raw("Jos\u00e9:cafe\u0301"), auth.Admitted, "Jos\u00e9"},
		{"72 bytes", "Basic " + raw("bcrypt:"+strings.Repeat("x", 72)), auth.Admitted, "bcrypt"},
		{"73 bytes that begin alike", "Basic " + raw("bcrypt:"+strings.Repeat("x", 73)), auth.Unknown, ""},
		{"wrong", "Basic " + raw("Aladdin:open sesame "), auth.Unknown, ""},
		{"another case", "Basic " + raw("aladdin:open sesame"), auth.Unknown, ""},
		{"unknown", "Basic " + raw("Jafar:open sesame"), auth.Unknown, ""},
		{"another user's password", "Basic " + raw("test:open sesame"), auth.Unknown, ""},
		{"no padding", "Basic " + strings.TrimRight(raw("Aladdin:open sesame"), "="), auth.Malformed, ""},
		{"bits in the padding", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==", auth.Malformed, ""},
		{"alphabet of URLs", "Basic " + base64.URLEncoding.EncodeToString([]byte("a:???>>>")), auth.Malformed, ""},
		{"a line end inside", "Basic QWxhZGRpbjpv\ncGVuIHNlc2FtZQ==", auth.Malformed, ""},
		{"no colon", "Basic " + raw("Aladdin"), auth.Malformed, ""},
		{"only a colon", "Basic Og==", auth.Malformed, ""},
		{"no name", "Basic " + raw(":open sesame"), auth.Malformed, ""},
		{"no password", "Basic " + raw("Aladdin:"), auth.Malformed, ""},
		{"NUL", "Basic " + raw("Aladdin:open sesame\x00"), auth.Malformed, ""},
		{"control character in the name", "Basic " + raw("Alad\rdin:open sesame"), auth.Malformed, ""},
		{"not UTF-8", "Basic " + raw("test:123\xa3"), auth.Malformed, ""},
		{"very long", "Basic " + raw("Aladdin:"+strings.Repeat("x", password.Longest+1)), auth.Malformed, ""},
		{"empty", "Basic ", auth.Malformed, ""},
		{"scheme only", "Basic", auth.Malformed, ""},
		{"another scheme", "Bearer x", auth.NoCredential, ""},
		{"none", "", auth.NoCredential, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			if tt.value != "" {
				r.Header["Authorization"] = []string{tt.value}
			}
			if id, got := authtest.Ask(m, r); got != tt.want || id.Subject != tt.subject {
				t.Errorf("got %q as %q, want %q as %q", got, id.Subject, tt.want, tt.subject)
			}
		})
	}
}

func TestUsersFile(t *testing.T) {
	m := mustNew(t, newMemory(), "# comment", "", "alice:"+cheap("old password")+" scopes=admin,read",
		"alice:"+cheap("new password")+" scopes=admin,read", "bob:"+cheap(canary)+" expires=2020-01-01T00:00:00Z\r")
	for _, tt := range []struct {
		name, password string
		want           auth.Reason
	}{
		{"alice", "old password", auth.Admitted},
		{"alice", "new password", auth.Admitted},
		{"alice", "other password", auth.Unknown},
		{"bob", canary, auth.Expired},
		{"bob", "wrong", auth.Unknown},
		{"comment", "", auth.Malformed},
	} {
		id, got := authtest.Ask(m, request(tt.name, tt.password))
		if got != tt.want {
			t.Errorf("%s with %q: got %q, want %q", tt.name, tt.password, got, tt.want)
		}
		if got == auth.Admitted && (!slices.Equal(id.Scopes, []string{"admin", "read"}) || id.Secret != "users" || id.Entry != "alice") {
			t.Errorf("%s: got %+v", tt.name, id)
		}
	}
	if got := m.Credentials(); len(got) != 2 || got[0].Entry != "alice" || got[1].Entry != "bob" {
		t.Errorf("got %+v", got)
	}
}

func TestUsersFilesThatAreRefused(t *testing.T) {
	good := cheap(canary)
	for _, tt := range []struct{ name, file, want string }{
		{"empty", "", "has no user"},
		{"comments", "# x", "has no user"},
		{"plain text", "alice:canary", "line 1: want an argon2id or bcrypt hash"},
		{"MD5", "alice:$apr1$canary$5jaoCPXw6Gz0SJaEhJm7q.", "line 1: want an argon2id or bcrypt hash"},
		{"SHA-1", "alice:{SHA}canary=", "line 1:"},
		{"SHA-512 crypt", "alice:$6$canary$aaaa", "line 1: want an argon2id or bcrypt hash"},
		{"argon2i", "alice:" + strings.Replace(good, "argon2id", "argon2i", 1), "line 1: want an argon2id"},
		{"no colon", "canary", "line 1: want name:hash"},
		{"no name", ":" + good, "line 1: want name:hash"},
		{"three words", "alice:" + good + " canary", "line 1: want name:hash"},
		{"unknown option", "alice:" + good + " role=canary", "line 1: has an option"},
		{"other scopes for one name", "alice:" + good + "\nalice:" + good + " scopes=canary", "line 2: has other scopes"},
		{"too many for one name", strings.Repeat("alice:"+good+"\n", maxRounds+1), "line 5: is the name's password number 5"},
		{"too much memory", "alice:$argon2id$v=19$m=65537,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", "line 1: argon2id: want m of at most 65536"},
		{"too many passes", "alice:$argon2id$v=19$m=64,t=33,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", "line 1: argon2id: want"},
		{"no passes", "alice:$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", "line 1: argon2id: m is below"},
		{"too little memory", "alice:$argon2id$v=19$m=7,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", "line 1: argon2id: m is below"},
		{"another version", "alice:" + strings.Replace(good, "v=19", "v=16", 1), "line 1: want $argon2id$v=19"},
		{"parameters in another order", "alice:$argon2id$v=19$t=1,m=64,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", "line 1: want $argon2id$v=19"},
		{"leading zero", "alice:$argon2id$v=19$m=064,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", "line 1: want $argon2id$v=19"},
		{"short salt", "alice:$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaGhhc2hoYXNoaGFzaA", "line 1: argon2id: salt and hash"},
		{"short hash", "alice:$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaA", "line 1: argon2id: salt and hash"},
		{"bcrypt cut short", "alice:$2a$10$canary", "line 1: bcrypt: want 60 characters"},
		{"bcrypt too slow", "alice:$2a$15$" + strings.Repeat("a", 53), "line 1: bcrypt: want a cost of at most 14"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseUsers("users", secret.New([]byte(tt.file)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats the line: %v", err)
			}
		})
	}
}

func TestPair(t *testing.T) {
	for _, bad := range [][2]string{{"", canary}, {"admin", ""}, {"ad:min", canary}, {"ad\nmin", canary}, {"admin", "a\x00b"}} {
		if _, err := Pair(bad[0], bad[1]); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: got %v, want an error without the password", bad, err)
		}
	}
	users, err := Pair("admin", canary)
	if err != nil {
		t.Fatal(err)
	}
	m := New("basic", Config{}, users, newMemory())
	for name, want := range map[string]auth.Reason{"admin": auth.Admitted, "Admin": auth.Unknown} {
		if _, got := authtest.Ask(m, request(name, canary)); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestDecoys: what an unknown name is held against is a real hash of the cost
// of a known one, never an empty text that could match.
func TestDecoys(t *testing.T) {
	lines := []string{"a:" + cheap("x"), "b:" + cheapBcrypt(t, "x"), "c:" + cheap("x"), "c:" + cheap("y")}
	m := mustNew(t, newMemory(), lines...)
	if len(m.decoys) != 3 {
		t.Fatalf("got decoys for %d users, want 3", len(m.decoys))
	}
	for i, d := range m.decoys {
		if len(d) != 2 {
			t.Errorf("user %d: got %d decoys, want as many as the most passwords of a name, 2", i, len(d))
		}
		for k, h := range d {
			like := m.users.order[i].hashes[min(k, len(m.users.order[i].hashes)-1)]
			if reflect.TypeOf(h) != reflect.TypeOf(like) || h.Memory() != like.Memory() || h.Weakness() != like.Weakness() {
				t.Errorf("user %d: got a %T that takes %d bytes, want a %T of %d", i, h, h.Memory(), like, like.Memory())
			}
			if h.Matches([]byte("x")) || h.Matches([]byte("y")) || h.Matches(nil) {
				t.Errorf("user %d: a password matches", i)
			}
		}
	}
	if first, again := m.decoysOf("nobody"), m.decoysOf("nobody"); &first[0] != &again[0] {
		t.Error("a name has other decoys the second time")
	}
}

// TestWork: whoever asks, as many hashes are computed.
func TestWork(t *testing.T) {
	m := mustNew(t, newMemory(), "alice:"+cheap("x"), "carol:"+cheap("x"), "carol:"+cheap("y"))
	n := counting(m)
	for _, name := range []string{"alice", "carol", "nobody", "somebody"} {
		before := n.Load()
		if _, got := authtest.Ask(m, request(name, "wrong")); got != auth.Unknown {
			t.Errorf("%s: got %q", name, got)
		}
		if got := n.Load() - before; got != 2 {
			t.Errorf("%s: computed %d hashes, want 2", name, got)
		}
	}
}

func TestMemoryIsOneHashPerCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustNew(t, newMemory(), "alice:"+cheap(canary))
		n := counting(m)
		for range 100 {
			if _, got := authtest.Ask(m, request("alice", canary)); got != auth.Admitted {
				t.Fatalf("got %q", got)
			}
			time.Sleep(2 * time.Second)
		}
		if n.Load() != 1 {
			t.Errorf("computed %d hashes in 200 s, want 1", n.Load())
		}
		time.Sleep(fresh)
		if _, got := authtest.Ask(m, request("alice", canary)); got != auth.Admitted || n.Load() != 2 {
			t.Errorf("after %v: got %q and %d hashes, want it computed again", fresh, got, n.Load())
		}
		for range 3 {
			if _, got := authtest.Ask(m, request("alice", "wrong")); got != auth.Unknown {
				t.Errorf("got %q", got)
			}
		}
		if n.Load() != 5 {
			t.Errorf("computed %d hashes, want one for each wrong password", n.Load())
		}
	})
}

// TestMemoryAtOnce has many callers with one password at the same moment.
func TestMemoryAtOnce(t *testing.T) {
	m := mustNew(t, newMemory(), "alice:"+cheap(canary))
	n := counting(m)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, got := authtest.Ask(m, request("alice", canary)); got != auth.Admitted {
				t.Errorf("got %q", got)
			}
		})
	}
	wg.Wait()
	if n.Load() != 1 {
		t.Errorf("computed %d hashes, want 1", n.Load())
	}
}

// TestMemoryKeepsFieldsApart: a verdict on one user, password and hash stands
// for no other, however the fields are cut.
func TestMemoryKeepsFieldsApart(t *testing.T) {
	memory := newMemory()
	stored := cheap(canary)
	m := mustNew(t, memory, "alice:"+stored, "root:"+cheap("another"))
	if _, got := authtest.Ask(m, request("alice", canary)); got != auth.Admitted {
		t.Fatalf("got %q", got)
	}
	for _, r := range []*http.Request{
		request("alic", "e"+canary), request("alice", canary+stored), request("alice"+canary, stored),
		request("root", canary), request("root", canary+stored), request("Alice", canary), request("alice ", canary),
	} {
		if id, got := authtest.Ask(m, r); got == auth.Admitted {
			t.Errorf("%q was admitted as %q", r.Header, id.Subject)
		}
	}
	t.Run("another method over the same memory", func(t *testing.T) {
		other := mustNew(t, memory, "alice:"+cheap("something else"))
		if _, got := authtest.Ask(other, request("alice", canary)); got != auth.Unknown {
			t.Errorf("got %q, want the verdict of the other file not to count", got)
		}
	})
}

// TestMemoryOutlivesAPolicy: after a reload a verified password is still
// verified if its hash is the same, and not if it is another or gone.
func TestMemoryOutlivesAPolicy(t *testing.T) {
	memory := newMemory()
	stored := cheap(canary)
	if _, got := authtest.Ask(mustNew(t, memory, "alice:"+stored), request("alice", canary)); got != auth.Admitted {
		t.Fatalf("got %q", got)
	}
	for _, tt := range []struct {
		name   string
		lines  []string
		want   auth.Reason
		hashes int64
	}{
		{"same hash", []string{"# new", "bob:" + cheap("x"), "alice:" + stored + " scopes=read"}, auth.Admitted, 0},
		{"same password, new hash", []string{"alice:" + cheapBcrypt(t, canary)}, auth.Admitted, 1},
		{"another password", []string{"alice:" + cheap("new password")}, auth.Unknown, 1},
		{"gone", []string{"bob:" + cheap("x")}, auth.Unknown, 1},
		{"expired", []string{"alice:" + stored + " expires=2020-01-01T00:00:00Z"}, auth.Expired, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mustNew(t, memory, tt.lines...)
			n := counting(m)
			if _, got := authtest.Ask(m, request("alice", canary)); got != tt.want || n.Load() != tt.hashes {
				t.Errorf("got %q with %d hashes, want %q with %d", got, n.Load(), tt.want, tt.hashes)
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory()
	for i := range maxVerified + 100 {
		m.remember(m.digest([]byte{byte(i), byte(i >> 8)}))
	}
	if len(m.verified) != maxVerified || m.order.Len() != maxVerified {
		t.Errorf("got %d and %d, want %d", len(m.verified), m.order.Len(), maxVerified)
	}
	if before, _ := m.remembers(m.digest([]byte{0, 0})); before {
		t.Error("the first is still there, want it forgotten first")
	}
}

// slow is a hash that takes as long as the test wants.
type slow struct {
	password.Hash
	begun, end chan struct{}
}

func (s slow) Matches(p []byte) bool {
	s.begun <- struct{}{}
	<-s.end
	return s.Hash.Matches(p)
}
func (s slow) Memory() int64 { return password.HashingMemory / 2 }

func (slow) Decoy() password.Hash { return newPlain([]byte("never")) }

// TestHashingIsBounded: no more is hashed at a time than the memory allows, so
// many wait, and the others are told to come back.
func TestHashingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := NewMemory(password.NewHasherFor(2))
		m := mustNew(t, memory, "alice:"+cheap(canary))
		s := slow{m.users.byName["alice"].hashes[0], make(chan struct{}), make(chan struct{})}
		m.users.byName["alice"].hashes[0] = s

		const callers = 200
		var busy, denied atomic.Int64
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				_, err := m.Authenticate(auth.NewRequest(request("alice", fmt.Sprint("wrong ", i)), nil))
				d := (*auth.Denied)(nil)
				switch {
				case !errors.As(err, &d):
					t.Errorf("got %v", err)
				case d.Reason == auth.Throttled && d.RetryAfter > 0:
					busy.Add(1)
				case d.Reason == auth.Unknown:
					denied.Add(1)
				default:
					t.Errorf("got %+v", d)
				}
			})
		}
		<-s.begun
		<-s.begun
		synctest.Wait()
		select {
		case <-s.begun:
			t.Error("a third hash has begun, and two are as much as fits")
		default:
		}
		if got := busy.Load(); got != callers-2-password.MaxWaiting {
			t.Errorf("%d were turned away at once, want %d", got, callers-2-password.MaxWaiting)
		}
		time.Sleep(password.HashingWait)
		synctest.Wait()
		if got := busy.Load(); got != callers-2 {
			t.Errorf("%d were turned away after %v, want all that waited", got, password.HashingWait)
		}
		close(s.end)
		wg.Wait()
		if denied.Load() != 2 {
			t.Errorf("%d were denied, want 2", denied.Load())
		}
	})
}

// TestAccounts: a name that fails too often is held up, however it is spelled,
// and known or not; who was admitted before with the password is not.
func TestAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustNew(t, newMemory(), "alice:"+cheap(canary), "alice:"+cheap("never used"))
		if _, got := authtest.Ask(m, request("alice", canary)); got != auth.Admitted {
			t.Fatalf("got %q", got)
		}
		spellings := []string{"alice", "ALICE", " alice", "alice ", "\uff21\uff4c\uff49\uff43\uff45"}
		for i := range accountBurst {
			if _, got := authtest.Ask(m, request(spellings[i%len(spellings)], fmt.Sprint("wrong ", i))); got != auth.Unknown {
				t.Fatalf("failure %d: got %q", i+1, got)
			}
		}
		for _, name := range spellings {
			if _, got := authtest.Ask(m, request(name, "one more")); got != auth.Throttled {
				t.Errorf("%q: got %q, want %q", name, got, auth.Throttled)
			}
		}
		if _, got := authtest.Ask(m, request("alice", "never used")); got != auth.Throttled {
			t.Errorf("a password that was never used: got %q, want %q", got, auth.Throttled)
		}
		if _, got := authtest.Ask(m, request("bob", "x")); got != auth.Unknown {
			t.Errorf("another name: got %q", got)
		}
		time.Sleep(fresh) // even when the verdict is no longer fresh
		for i := range accountBurst {
			authtest.Ask(m, request("alice", fmt.Sprint("again ", i)))
		}
		if _, got := authtest.Ask(m, request("alice", "one more")); got != auth.Throttled {
			t.Fatalf("got %q, want the name to be held up again", got)
		}
		if _, got := authtest.Ask(m, request("alice", canary)); got != auth.Admitted {
			t.Errorf("the owner: got %q, want %q", got, auth.Admitted)
		}
		for i := range accountBurst + 1 {
			_, got := authtest.Ask(m, request("nobody", fmt.Sprint(i)))
			if want := []auth.Reason{auth.Unknown, auth.Throttled}[i/accountBurst]; got != want {
				t.Fatalf("unknown name, failure %d: got %q, want %q", i+1, got, want)
			}
		}
	})
}

// TestAccountsOfUsersStay: no number of other names makes the failures under a
// user's name forgotten.
func TestAccountsOfUsersStay(t *testing.T) {
	m := mustNew(t, newMemory(), "alice:"+cheap(canary))
	m.users.byName["alice"].hashes[0] = newPlain([]byte(canary))
	for i := range accountBurst {
		authtest.Ask(m, request("alice", fmt.Sprint("wrong ", i)))
	}
	for i := range maxAccounts + 1 {
		counters, counter := m.memory.failures(m.users, fmt.Sprint("nobody ", i))
		counters.Take(counter)
	}
	if _, got := authtest.Ask(m, request("alice", canary)); got != auth.Throttled {
		t.Errorf("got %q, want %q as before", got, auth.Throttled)
	}
}

// TestAccountsTakeLittleRoom: in its normalisation form KC a name can be many
// times as long as it came.
func TestAccountsTakeLittleRoom(t *testing.T) {
	_, counter := newMemory().failures(newUsers(""), strings.Repeat("\ufdfa", password.Longest/3))
	if len(counter) > sha256.Size {
		t.Errorf("a name takes %d bytes, want %d", len(counter), sha256.Size)
	}
}

// owed is an auth.Throttle that has everybody wait.
type owed time.Duration

func (o owed) Wait(*http.Request) time.Duration { return time.Duration(o) }
func (o owed) Fail(*http.Request) time.Duration { return time.Duration(o) }

// TestHashingIsNotForThoseWhoHaveToWait: while others wait for their turn to
// hash, nobody takes it who has brought too many wrong passwords.
func TestHashingIsNotForThoseWhoHaveToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := NewMemory(password.NewHasherFor(1))
		m := mustNew(t, memory, "alice:"+cheap(canary))
		s := slow{m.users.byName["alice"].hashes[0], make(chan struct{}), make(chan struct{})}
		m.users.byName["alice"].hashes[0] = s
		policy, err := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{m}})
		if err != nil {
			t.Fatal(err)
		}
		var asked atomic.Int64
		g := auth.NewGate(policy, auth.Options{Throttle: owed(time.Minute), Report: func(_ *http.Request, d auth.Decision) {
			asked.Add(1)
			if d.Reason != auth.Throttled || d.RetryAfter != time.Minute {
				t.Errorf("got %q and %v, want %q and a minute", d.Reason, d.RetryAfter, auth.Throttled)
			}
		}})
		h := g.Wrap(http.NotFoundHandler())
		try := func(i int) { h.ServeHTTP(httptest.NewRecorder(), request("alice", fmt.Sprint("wrong ", i))) }
		go try(1) // nobody waits, so it is judged
		<-s.begun
		go authtest.Ask(m, request("alice", "waits"))
		synctest.Wait()
		try(2)
		if asked.Load() != 1 {
			t.Error("it waits for its turn, want it turned away")
		}
		go func() { <-s.begun }()
		close(s.end)
		synctest.Wait()
	})
}

func TestVerifyEndsWithTheCaller(t *testing.T) {
	memory := newMemory()
	end := make(chan struct{})
	begun := make(chan struct{})
	d := memory.digest([]byte("x"))
	go memory.verify(context.Background(), d, 0, func() bool { close(begun); <-end; return true })
	<-begun
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if got := memory.verify(gone, d, 0, func() bool { return true }); got.good || !got.busy {
		t.Errorf("got %+v, want a caller who has left not to wait", got)
	}
	close(end)
}

func TestNewHashes(t *testing.T) {
	stored, err := password.New("caf\u00e9 au\u00a0lait")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("got %q", stored)
	}
	m := mustNew(t, newMemory(), "alice:"+stored)
	if _, got := authtest.Ask(m, request("alice", "cafe\u0301 au lait")); got != auth.Admitted {
		t.Errorf("got %q, want another spelling of the same text to be the password", got)
	}
	if w := m.Warnings(); len(w) != 0 {
		t.Errorf("got the warnings %q", w)
	}
}

func TestNewLine(t *testing.T) {
	line, err := NewLine("alice", canary, []string{"read", "write"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	id, got := authtest.Ask(mustNew(t, newMemory(), line), request("alice", canary))
	if got != auth.Admitted || !slices.Equal(id.Scopes, []string{"read", "write"}) {
		t.Errorf("got %q and %+v", got, id)
	}
	for _, bad := range [][]string{{""}, {"a b"}, {"a:b"}, {"#a"}, {"alice", "a b"}, {"alice", "a", "", "b"}} {
		if _, err := NewLine(bad[0], canary, bad[1:], time.Time{}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestWarnings(t *testing.T) {
	m := mustNew(t, newMemory(), "weak:"+cheap(canary), "weaker:"+cheapBcrypt(t, canary)+" expires=2020-01-01T00:00:00Z")
	got := strings.Join(m.Warnings(), "\n")
	for _, want := range []string{`"weak": its argon2id parameters`, `"weaker": its bcrypt cost is 4`, `"weaker": expired on 2020`} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	var c Config
	setting.Defaults(c.Fields())
	if got := c.Secrets(); !slices.Equal(got, []string{"basic-auth-user", "basic-auth-password"}) {
		t.Errorf("got %q, want OpenFaaS' pair", got)
	}
	c.Secret = "users"
	if got := c.Secrets(); !slices.Equal(got, []string{"users"}) {
		t.Errorf("got %q", got)
	}
	users, err := Pair("a", canary)
	if err != nil {
		t.Fatal(err)
	}
	for realm, want := range map[string]string{"": `Basic realm="fn", charset="UTF-8"`, `my "realm"`: `Basic realm="my \"realm\"", charset="UTF-8"`} {
		if got := New("b", Config{Realm: realm}, users, newMemory()).Challenge("fn", auth.NoCredential); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPresent(t *testing.T) {
	for _, c := range []Config{{}, {Secret: "users"}} {
		r := httptest.NewRequest("GET", "/", nil)
		_, err := c.Present(r, setting.Presentation{Show: func(name string) string {
			return map[string]string{"basic-auth-user": "u", "basic-auth-password": "p:w", "users": "u:p:w"}[name]
		}})
		if name, pass, ok := r.BasicAuth(); err != nil || !ok || name != "u" || pass != "p:w" {
			t.Errorf("got %q and %q, %v", name, pass, err)
		}
	}
}

// TestNewSecret wants that what is made up for a try-out is good.
func TestNewSecret(t *testing.T) {
	pair := Config{}
	name, _, err := pair.NewSecret(PairUser, "dev", nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	pass, credential, err := pair.NewSecret(PairPassword, "dev", nil, time.Time{})
	if err != nil || name != "dev" || credential != "" {
		t.Fatalf("got %q, %q and %v", name, credential, err)
	}
	if _, err := Pair(name, pass); err != nil {
		t.Error(err)
	}
	file, credential, err := (&Config{Secret: "users"}).NewSecret("users", "dev", nil, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	name, pass, _ = strings.Cut(credential, ":")
	if id, got := authtest.Ask(mustNew(t, newMemory(), file), request(name, pass)); got != auth.Admitted || id.Subject != "dev" || id.Expires.IsZero() {
		t.Errorf("got %q as %+v", got, id)
	}
}

// FuzzParse holds that what is taken for credentials is their only spelling.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Og==", "dGVzdDoxMjPCow==", "YTpi", "YTpi\n", "YTpj"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, pass, ok := parse(s)
		if !ok {
			return
		}
		if name == "" || len(pass) == 0 || strings.ContainsAny(name, ":\x00\r\n") || strings.ContainsAny(string(pass), "\x00\r\n") {
			t.Errorf("%q gave %q and %q", s, name, pass)
		}
		decoded, err := base64.StdEncoding.DecodeString(s)
		if err != nil || base64.StdEncoding.EncodeToString(decoded) != s {
			t.Errorf("%q is not the only spelling of what it decodes to", s)
		}
	})
}

// BenchmarkWrongPassword compares a known and an unknown user: the figures
// must not tell which is which.
func BenchmarkWrongPassword(b *testing.B) {
	stored, err := password.New(canary)
	if err != nil {
		b.Fatal(err)
	}
	memory := newMemory()
	m := mustNew(b, memory, "alice:"+stored)
	for _, name := range []string{"alice", "nobody"} {
		b.Run("user="+name, func(b *testing.B) {
			i := 0
			times := make([]time.Duration, 0, 200)
			for b.Loop() {
				i++
				// A name of its own each time, or its failures would hold it up.
				memory.known, memory.unknown = newMemory().known, newMemory().unknown
				start := time.Now()
				if _, got := authtest.Ask(m, request(name, fmt.Sprint("wrong ", i))); got != auth.Unknown {
					b.Fatal(got)
				}
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "median-µs")
		})
	}
}

// BenchmarkVerified is a request whose password was verified before.
func BenchmarkVerified(b *testing.B) {
	m := mustNew(b, newMemory(), "alice:"+cheap(canary))
	r := request("alice", canary)
	b.ReportAllocs()
	for b.Loop() {
		if _, got := authtest.Ask(m, r); got != auth.Admitted {
			b.Fatal(got)
		}
	}
}
