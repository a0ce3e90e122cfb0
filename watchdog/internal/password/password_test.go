package password

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

const canary = "canary-secret-password"

// cheap is a hash that is quick to compute.
func cheap(password string) string {
	salt := []byte("salt-of-16-bytes")
	sum := argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=64,t=1,p=1$%s$%s", b64.EncodeToString(salt), b64.EncodeToString(sum))
}

func cheapBcrypt(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func mustParse(t testing.TB, stored string) Hash {
	t.Helper()
	h, err := Parse(stored)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		name, stored, password string
		want                   bool
	}{
		{"argon2id", cheap("open sesame"), "open sesame", true},
		{"another", cheap("open sesame"), "open sesame ", false},
		{"nothing", cheap("open sesame"), "", false},
		{"bcrypt", cheapBcrypt(t, "open sesame"), "open sesame", true},
		{"another for bcrypt", cheapBcrypt(t, "open sesame"), "open sesamf", false},
		{"72 bytes for bcrypt", cheapBcrypt(t, strings.Repeat("x", 72)), strings.Repeat("x", 72), true},
		{"73 bytes that begin alike", cheapBcrypt(t, strings.Repeat("x", 72)), strings.Repeat("x", 73), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustParse(t, tt.stored).Matches([]byte(tt.password)); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// TestDecoys: a decoy is a real hash of the same cost, never an empty text that
// could match.
func TestDecoys(t *testing.T) {
	a, ok := mustParse(t, cheap("x")).Decoy().(argon2id)
	if !ok || len(a.sum.Reveal()) != 32 || len(a.salt.Reveal()) != 16 || a.m != 64 || a.t != 1 || a.p != 1 {
		t.Errorf("got %+v, want what %s is", a, cheap("x"))
	}
	b, ok := mustParse(t, cheapBcrypt(t, "x")).Decoy().(bcryptHash)
	if cost, err := bcrypt.Cost(b.stored.Reveal()); !ok || err != nil || cost != bcrypt.MinCost || len(b.stored.Reveal()) != 60 {
		t.Errorf("got cost %d and %v", cost, err)
	}
	if err := bcrypt.CompareHashAndPassword(b.stored.Reveal(), []byte("x")); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		t.Errorf("got %v, want the hash to be computed and to differ", err)
	}
	for _, h := range []Hash{a, b} {
		if h.Matches([]byte("x")) || h.Matches(nil) {
			t.Errorf("%T: a password matches", h)
		}
	}
}

func TestNew(t *testing.T) {
	stored, err := New("caf\u00e9 au\u00a0lait")
	if err != nil {
		t.Fatal(err)
	}
	h := mustParse(t, stored)
	if !h.Matches(Canonical("cafe\u0301 au lait")) {
		t.Error("another spelling of the same text is not the password")
	}
	if err := h.CheckFloor(); err != nil || h.Weakness() != "" || h.Text() != stored {
		t.Errorf("got %v and %q for %q, want a hash that is good", err, h.Weakness(), h.Text())
	}
	for _, bad := range []string{"a\x00b", "a\nb", "\xff", strings.Repeat("x", Longest+1)} {
		if _, err := New(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestCheckFloor(t *testing.T) {
	argon := func(m, t int) string {
		return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", m, t)
	}
	bcryptOf := func(cost int) string { return fmt.Sprintf("$2b$%02d$%s", cost, strings.Repeat("a", 53)) }
	for stored, good := range map[string]bool{
		argon(47104, 1): true, argon(47103, 1): false,
		argon(19456, 2): true, argon(19455, 2): false, argon(19456, 1): false,
		argon(12288, 3): true, argon(12287, 3): false,
		argon(9216, 4): true, argon(9215, 4): false,
		argon(7168, 5): true, argon(7167, 5): false, argon(7167, 32): false,
		argon(65536, 1): true, argon(65536, 32): true, argon(64, 1): false,
		bcryptOf(10): true, bcryptOf(14): true, bcryptOf(9): false, bcryptOf(4): false,
	} {
		if err := mustParse(t, stored).CheckFloor(); (err == nil) != good {
			t.Errorf("%s: got %v, want it taken: %t", stored, err, good)
		} else if err != nil && strings.Contains(err.Error(), "aaaa") {
			t.Errorf("the error repeats the hash: %v", err)
		}
	}
}

// TestHashesDoNotPrint: whoever logs what holds one gives nothing away.
func TestHashesDoNotPrint(t *testing.T) {
	for _, stored := range []string{cheap(canary), cheapBcrypt(t, canary)} {
		h := mustParse(t, stored)
		for _, v := range []any{h, struct{ h Hash }{h}, []Hash{h}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				text := fmt.Sprintf(verb, v)
				tail := stored[len(stored)-20:]
				for _, part := range []string{tail, fmt.Sprintf("%x", tail), decimal(tail), "115 97 108 116"} {
					if strings.Contains(text, part) {
						t.Errorf("%s: got %q of the hash", verb, part)
					}
				}
			}
		}
	}
}

func TestCanonicalNames(t *testing.T) {
	for in, want := range map[string]string{
		"alice": "alice", "Alice": "Alice", "Jose\u0301": "Jos\u00e9", "a b": "a b",
		"": "", "a:b": "", "#a": "", "a\nb": "", "\xff": "", strings.Repeat("x", Longest+1): "",
	} {
		if got := CanonicalName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	for _, spelling := range []string{"alice", "ALICE", " alice", "alice ", "\uff21\uff4c\uff49\uff43\uff45"} {
		if got := Account(spelling); got != "alice" {
			t.Errorf("%q: got %q, want alice", spelling, got)
		}
	}
}

// TestHasherShare: however little memory a hash takes, no more run than half of
// the processors can do.
func TestHasherShare(t *testing.T) {
	if got, want := HashingMemory/NewHasher().share, int64(max(1, runtime.GOMAXPROCS(0)/2)); got != want {
		t.Errorf("got %d at a time, want %d", got, want)
	}
}

func TestHasher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasherFor(2)
		begun, end := make(chan struct{}), make(chan struct{})
		check := func() bool { begun <- struct{}{}; <-end; return true }
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if good, busy := h.Run(context.Background(), 1, check); !good || busy {
					t.Errorf("got %t, %t, want the verdict", good, busy)
				}
			})
			<-begun
		}
		if good, _ := h.Run(context.Background(), 0, func() bool { return true }); !good {
			t.Error("what takes no memory has to wait")
		}
		if h.Busy() {
			t.Error("busy before anybody waits")
		}
		go func() {
			synctest.Wait()
			if !h.Busy() {
				t.Error("not busy while one waits")
			}
		}()
		start := time.Now()
		if good, busy := h.Run(context.Background(), 1, check); good || !busy || time.Since(start) != HashingWait {
			t.Errorf("got %t, %t after %v, want no verdict after %v", good, busy, time.Since(start), HashingWait)
		}
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		if good, busy := h.Run(gone, 1, check); good || !busy {
			t.Errorf("got %t, %t, want one who has left not to wait", good, busy)
		}
		close(end)
		wg.Wait()
		if good, busy := h.Run(context.Background(), HashingMemory+1, check); good || !busy {
			t.Errorf("got %t, %t for more than there is", good, busy)
		}
	})
}

// FuzzParse: what is taken is a hash that can be computed, and an error repeats
// nothing.
func FuzzParse(f *testing.F) {
	f.Add(cheap("x"))
	f.Add(cheapBcrypt(f, "x"))
	f.Add("$argon2id$v=19$m=65536,t=32,p=16$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA")
	f.Add("$2a$31$" + strings.Repeat("/", 53))
	f.Fuzz(func(t *testing.T, s string) {
		h, err := Parse(s)
		if err != nil {
			return
		}
		if h.Text() != s || h.Memory() <= 0 || h.Memory() > HashingMemory {
			t.Errorf("%q: got %q, which takes %d bytes", s, h.Text(), h.Memory())
		}
		if h.Decoy().Memory() != h.Memory() || h.Decoy().Text() == s {
			t.Errorf("%q: its decoy is another thing, or the same", s)
		}
	})
}

// decimal is s as fmt prints a slice of bytes.
func decimal(s string) string { return strings.Trim(fmt.Sprintf("%v", []byte(s)), "[]") }
