package hmac

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/secret"
)

// testReplays is what every [Replays] is held to. make returns an empty one.
func testReplays(t *testing.T, empty func() Replays) {
	t.Helper()
	claim := func(t *testing.T, r Replays, n byte, want error) {
		t.Helper()
		if err := r.Claim(context.Background(), Mark{n}); !errors.Is(err, want) {
			t.Errorf("Claim(%d): got %v, want %v", n, err, want)
		}
	}
	t.Run("claimed", func(t *testing.T) {
		r := empty()
		claim(t, r, 1, nil)
		claim(t, r, 1, ErrReplayed)
		claim(t, r, 2, nil)
	})
	t.Run("forgotten", func(t *testing.T) {
		r := empty()
		claim(t, r, 1, nil)
		r.Settle(Mark{1}, 0)
		claim(t, r, 1, nil)
	})
	t.Run("kept for as long as was said", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := empty()
			claim(t, r, 1, nil)
			claim(t, r, 2, nil)
			r.Settle(Mark{2}, time.Hour)
			r.Settle(Mark{1}, time.Minute)
			time.Sleep(time.Minute - time.Nanosecond)
			claim(t, r, 1, ErrReplayed)
			time.Sleep(time.Nanosecond)
			claim(t, r, 1, nil)
			claim(t, r, 2, ErrReplayed)
		})
	})
	t.Run("a claim does not end by itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := empty()
			claim(t, r, 1, nil)
			time.Sleep(1000 * time.Hour)
			claim(t, r, 1, ErrReplayed)
		})
	})
	t.Run("settling what is not claimed changes nothing", func(t *testing.T) {
		r := empty()
		r.Settle(Mark{1}, time.Hour)
		claim(t, r, 1, nil)
		r.Settle(Mark{1}, time.Hour)
		r.Settle(Mark{1}, 0)
		claim(t, r, 1, ErrReplayed)
	})
}

func TestMemory(t *testing.T) {
	testReplays(t, func() Replays { return NewMemory(10, false) })
	for _, evict := range []bool{false, true} {
		t.Run(fmt.Sprintf("full, evict=%v", evict), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewMemory(3, evict)
				for n := range byte(3) {
					if err := m.Claim(t.Context(), Mark{n}); err != nil {
						t.Fatal(err)
					}
				}
				if err := m.Claim(t.Context(), Mark{3}); !errors.Is(err, ErrReplaysFull) {
					t.Errorf("with claims alone: got %v, want ErrReplaysFull: what is in flight can't be forgotten", err)
				}
				m.Settle(Mark{0}, time.Hour)
				m.Settle(Mark{1}, time.Minute)
				want, first := ErrReplaysFull, ErrReplayed
				if evict {
					want, first = nil, nil
				}
				if err := m.Claim(t.Context(), Mark{4}); !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
				if evict {
					m.Settle(Mark{4}, 0)
				}
				if err := m.Claim(t.Context(), Mark{1}); !errors.Is(err, first) {
					t.Errorf("what is forgotten first: got %v, want %v", err, first)
				}
				if err := m.Claim(t.Context(), Mark{0}); !errors.Is(err, ErrReplayed) {
					t.Errorf("what is kept longer: got %v, want ErrReplayed", err)
				}
				time.Sleep(time.Hour)
				if got := m.Len(); got > 2 {
					t.Errorf("after an hour %d are left, want those in flight", got)
				}
			})
		})
	}
}

// TestReplay has requests come again, through a gate.
func TestReplay(t *testing.T) {
	const stripeKey = "whsec_test_secret_of_stripe_for_replays"
	signed := func(t *testing.T, preset, key, body string, at time.Time) *http.Request {
		t.Helper()
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		schemes := []Scheme{Default}
		if preset != "" {
			schemes = Presets()[preset].Schemes
		}
		if _, err := Sign(schemes, r, []byte(body), secret.New([]byte(key)), SignOptions{At: at}); err != nil {
			t.Fatal(err)
		}
		return r
	}
	again := func(r *http.Request, body string) *http.Request {
		c := httptest.NewRequest("POST", "/", strings.NewReader(body))
		c.Header = r.Header.Clone()
		return c
	}
	type site struct {
		http.Handler
		status int
		reason auth.Reason
	}
	open := func(t *testing.T, c Config, key string, memory Replays) *site {
		t.Helper()
		m, err := New("hook", c, secret.New([]byte(key)), Options{Replays: memory})
		if err != nil {
			t.Fatal(err)
		}
		p, err := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{m}})
		if err != nil {
			t.Fatal(err)
		}
		s := &site{status: 200}
		s.Handler = auth.NewGate(p, auth.Options{Report: func(_ *http.Request, d auth.Decision) { s.reason = d.Reason }}).Wrap(
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(s.status) }))
		return s
	}
	ask := func(s *site, r *http.Request) auth.Reason {
		s.ServeHTTP(httptest.NewRecorder(), r)
		return s.reason
	}
	check := func(t *testing.T, what string, got, want auth.Reason) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}

	t.Run("on for schemes with a time", func(t *testing.T) {
		s := open(t, Config{Preset: "stripe"}, stripeKey, nil)
		r := signed(t, "stripe", stripeKey, "b", time.Now())
		check(t, "first", ask(s, again(r, "b")), auth.Admitted)
		check(t, "again", ask(s, again(r, "b")), auth.Replayed)
		check(t, "another", ask(s, signed(t, "stripe", stripeKey, "c", time.Now())), auth.Admitted)
	})
	t.Run("after a failure it may come again", func(t *testing.T) {
		s := open(t, Config{Preset: "stripe"}, stripeKey, nil)
		r := signed(t, "stripe", stripeKey, "b", time.Now())
		s.status = 503
		check(t, "fails", ask(s, again(r, "b")), auth.Admitted)
		s.status = 200
		check(t, "the retry", ask(s, again(r, "b")), auth.Admitted)
		check(t, "again", ask(s, again(r, "b")), auth.Replayed)
	})
	t.Run("a twin in flight", func(t *testing.T) {
		r := signed(t, "stripe", stripeKey, "b", time.Now())
		var twin auth.Reason
		m, err := New("hook", Config{Preset: "stripe"}, secret.New([]byte(stripeKey)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, _ := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{m}})
		var last auth.Reason
		g := auth.NewGate(p, auth.Options{Report: func(_ *http.Request, d auth.Decision) { last = d.Reason }})
		var h http.Handler
		h = g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if twin == "" {
				twin = "asked"
				h.ServeHTTP(httptest.NewRecorder(), again(r, "b"))
				twin = last
			}
		}))
		h.ServeHTTP(httptest.NewRecorder(), again(r, "b"))
		check(t, "the twin", twin, auth.Replayed)
	})
	t.Run("off for schemes without one, and on if it is asked for", func(t *testing.T) {
		r := signed(t, "", key, "b", time.Now())
		s := open(t, Config{}, key, nil)
		check(t, "off", ask(s, again(r, "b")), auth.Admitted)
		check(t, "off, again", ask(s, again(r, "b")), auth.Admitted)
		s = open(t, Config{Replay: Replay{Keep: time.Hour}}, key, nil)
		check(t, "on", ask(s, again(r, "b")), auth.Admitted)
		upper := again(r, "b")
		upper.Header.Set("X-Hub-Signature-256", "sha256="+strings.ToUpper(r.Header.Get("X-Hub-Signature-256")[7:]))
		check(t, "again, in capitals", ask(s, upper), auth.Replayed)
	})
	t.Run("off if it is asked for", func(t *testing.T) {
		s := open(t, Config{Preset: "stripe", Replay: Replay{Off: true}}, stripeKey, nil)
		r := signed(t, "stripe", stripeKey, "b", time.Now())
		check(t, "first", ask(s, again(r, "b")), auth.Admitted)
		check(t, "again", ask(s, again(r, "b")), auth.Admitted)
	})
	t.Run("one of two signatures", func(t *testing.T) {
		const other = "whsec_another_secret_of_stripe_for_replays"
		s := open(t, Config{Preset: "stripe"}, stripeKey+"\n"+other, nil)
		now := time.Now()
		a, b := signed(t, "stripe", stripeKey, "b", now).Header.Get("Stripe-Signature"), signed(t, "stripe", other, "b", now).Header.Get("Stripe-Signature")
		_, second, _ := strings.Cut(b, ",")
		both := again(&http.Request{Header: http.Header{"Stripe-Signature": {a + "," + second}}}, "b")
		check(t, "both", ask(s, both), auth.Admitted)
		check(t, "the first alone", ask(s, again(&http.Request{Header: http.Header{"Stripe-Signature": {a}}}, "b")), auth.Replayed)
		check(t, "the second alone", ask(s, again(&http.Request{Header: http.Header{"Stripe-Signature": {b}}}, "b")), auth.Replayed)
	})
	t.Run("under another header", func(t *testing.T) {
		s := open(t, Config{Preset: "gitea", Replay: Replay{Keep: time.Hour}}, key, nil)
		mac := signature(key, "b")[7:]
		check(t, "first", ask(s, post("b", "X-Gitea-Signature: "+mac)), auth.Admitted)
		for _, header := range []string{"X-Gitea-Signature: ", "X-Hub-Signature-256: sha256=", "X-Forgejo-Signature: ", "X-Gogs-Signature: "} {
			check(t, header, ask(s, post("b", header+mac)), auth.Replayed)
		}
	})
	t.Run("the other algorithm's signature", func(t *testing.T) {
		private := ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", 32)))
		public := "whpk_" + base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey)) //nolint:forcetypeassert // it is its own
		shared := "whsec_" + base64.StdEncoding.EncodeToString([]byte(key))
		r := signed(t, "standard-webhooks", shared, "b", time.Now())
		at, id, mac := r.Header.Get("Webhook-Timestamp"), r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Signature")
		other := "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(id+"."+at+".b")))
		s := open(t, Config{Preset: "standard-webhooks"}, shared+"\n"+public, nil)
		for i, value := range []string{mac + " " + other, mac, other} {
			r.Header.Set("Webhook-Signature", value)
			check(t, value, ask(s, again(r, "b")), []auth.Reason{auth.Admitted, auth.Replayed, auth.Replayed}[i])
		}
	})
	t.Run("by a key that was not known then", func(t *testing.T) {
		const other = "whsec_another_secret_of_stripe_for_replays"
		memory, now := NewMemory(10, false), time.Now()
		a, b := signed(t, "stripe", stripeKey, "b", now), signed(t, "stripe", other, "b", now)
		check(t, "first", ask(open(t, Config{Preset: "stripe"}, stripeKey, memory), again(a, "b")), auth.Admitted)
		check(t, "later", ask(open(t, Config{Preset: "stripe"}, stripeKey+"\n"+other, memory), again(b, "b")), auth.Replayed)
	})
	t.Run("survives new keys", func(t *testing.T) {
		memory := NewMemory(10, false)
		r := signed(t, "stripe", stripeKey, "b", time.Now())
		check(t, "first", ask(open(t, Config{Preset: "stripe"}, stripeKey, memory), again(r, "b")), auth.Admitted)
		check(t, "after a new line", ask(open(t, Config{Preset: "stripe"}, "whsec_new_one_that_stands_before_it_now\n"+stripeKey, memory), again(r, "b")), auth.Replayed)
	})
	t.Run("full", func(t *testing.T) {
		s := open(t, Config{Preset: "stripe", ReplayMax: 1}, stripeKey, nil)
		check(t, "first", ask(s, signed(t, "stripe", stripeKey, "a", time.Now())), auth.Admitted)
		check(t, "second", ask(s, signed(t, "stripe", stripeKey, "b", time.Now())), auth.ReplaysFull)
		s = open(t, Config{Preset: "stripe", ReplayMax: 1, ReplayEvict: true}, stripeKey, nil)
		check(t, "first", ask(s, signed(t, "stripe", stripeKey, "a", time.Now())), auth.Admitted)
		check(t, "second, of those that forget", ask(s, signed(t, "stripe", stripeKey, "b", time.Now())), auth.Admitted)
	})
	t.Run("two elements that are the same", func(t *testing.T) {
		c := Config{Preset: "adyen-payments", Replay: Replay{Keep: time.Hour}}
		hexKey := strings.Repeat("ab", 32)
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Content-Type", "application/json")
		const item = `{"NotificationRequestItem":{"pspReference":"1"}}`
		body, err := Sign(Presets()["adyen-payments"].Schemes, r, []byte(`{"notificationItems":[`+item+`,`+item+`]}`), secret.New([]byte(hexKey)), SignOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, c, hexKey, nil)
		check(t, "first", ask(s, again(r, string(body))), auth.Admitted)
		check(t, "again", ask(s, again(r, string(body))), auth.Replayed)
	})
	t.Run("the other signature of ECDSA", func(t *testing.T) {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		at := fmt.Sprint(time.Now().Unix())
		sum := sha256.Sum256([]byte(at + "b"))
		der, err := ecdsa.SignASN1(rand.Reader, private, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		var pair struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der, &pair); err != nil {
			t.Fatal(err)
		}
		pair.S.Sub(elliptic.P256().Params().N, pair.S)
		twin, err := asn1.Marshal(pair)
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, Config{Preset: "sendgrid"}, base64.StdEncoding.EncodeToString(spki), nil)
		with := func(signature []byte) *http.Request {
			r := post("b", "X-Twilio-Email-Event-Webhook-Timestamp: "+at)
			r.Header.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(signature))
			return r
		}
		check(t, "first", ask(s, with(der)), auth.Admitted)
		check(t, "as another signature", ask(s, with(twin)), auth.Replayed)
	})
}

func BenchmarkMemory(b *testing.B) {
	m := NewMemory(DefaultReplays, true)
	var mark Mark
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		mark[0], mark[1], mark[2], mark[3] = byte(i), byte(i>>8), byte(i>>16), byte(i>>24)
		_ = m.Claim(b.Context(), mark)
		m.Settle(mark, time.Hour)
	}
}
