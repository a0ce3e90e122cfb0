// Package interop holds our reading of webhook signatures against that of the
// senders' own SDKs. It is a module of its own, so that the product needs none
// of them.
package interop

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/auth/authtest"
	"auth-watchdog/watchdog/auth/hmac"
	"auth-watchdog/watchdog/secret"
)

// publicURL is what senders call.
const publicURL = "https://hooks.example.com"

// errRefused is the verdict of an SDK that says no more than false.
var errRefused = errors.New("refused")

func verdict(good bool) error {
	if good {
		return nil
	}
	return errRefused
}

// A sent is a request as it comes over the wire.
type sent struct {
	method string
	target string
	header http.Header
	body   []byte
}

func (s sent) request() *http.Request {
	r := httptest.NewRequest(s.method, s.target, bytes.NewReader(s.body))
	r.Header = s.header.Clone()
	return r
}

// with returns the request with another body.
func (s sent) with(body []byte) sent {
	s.body = body
	return s
}

// A sender is a preset of ours beside what its SDK does.
type sender struct {
	sdk    string
	preset string
	secret string // as it stands in the secret's file
	key    string // what the sender signs with, if that is another

	form   bool   // the body is a form
	method string // POST if empty
	target string // "/" if empty
	body   string

	// covered finds, by its first group, what of the body is signed; all of it
	// if nil.
	covered *regexp.Regexp

	// judgesTime says that the SDK does so, with the same tolerance as we do.
	judgesTime bool

	verify func(r *http.Request, body []byte) error

	// sign is how the SDK signs, nil if it can't.
	sign func(t *testing.T, h http.Header, body []byte, at time.Time) []byte
}

func (s sender) new(t *testing.T) *hmac.Method {
	t.Helper()
	m, err := hmac.New("hook", hmac.Config{Preset: s.preset}, secret.New([]byte(s.secret)), hmac.Options{PublicURL: publicURL})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (s sender) unsigned() sent {
	r := sent{method: http.MethodPost, target: "/", header: http.Header{}, body: []byte(s.body)}
	if s.method != "" {
		r.method = s.method
	}
	if s.target != "" {
		r.target = s.target
	}
	if len(s.body) > 0 {
		r.header.Set("Content-Type", "application/json")
		if s.form {
			r.header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	return r
}

// signed is the request as our Sign makes it.
func (s sender) signed(t *testing.T, at time.Time) sent {
	t.Helper()
	key := s.key
	if key == "" {
		key = s.secret
	}
	u := s.unsigned()
	r := u.request()
	body, err := hmac.Sign(hmac.Presets()[s.preset].Schemes, r, u.body, secret.New([]byte(key)), hmac.SignOptions{PublicURL: publicURL, At: at})
	if err != nil {
		t.Fatal(err)
	}
	return sent{u.method, r.URL.RequestURI(), r.Header, body}
}

// signedBySDK is the request as the SDK makes it.
func (s sender) signedBySDK(t *testing.T, at time.Time) sent {
	t.Helper()
	u := s.unsigned()
	return u.with(s.sign(t, u.header, u.body, at))
}

// ask returns what the SDK says of a request.
func (s sender) ask(q sent) error { return s.verify(q.request(), q.body) }

// damaged calls f with the request after each byte of it that is signed was
// changed.
func (s sender) damaged(t *testing.T, q sent, f func(i int, q sent)) {
	t.Helper()
	var covered [][2]int
	if s.covered == nil {
		covered = [][2]int{{0, len(q.body)}}
	} else {
		for _, m := range s.covered.FindAllSubmatchIndex(q.body, -1) {
			covered = append(covered, [2]int{m[2], m[3]})
		}
		if len(covered) == 0 {
			t.Fatalf("nothing of %s is signed", q.body)
		}
	}
	for _, c := range covered {
		for i := c[0]; i < c[1]; i++ {
			body := bytes.Clone(q.body)
			body[i] ^= 1
			f(i, q.with(body))
		}
	}
}

// tolerance is how far from now the preset takes the time of signing; 0 if none
// is signed.
func (s sender) tolerance() time.Duration { return hmac.Presets()[s.preset].Schemes[0].Time.Tolerance }

// leeway is more than a test takes between signing and asking.
const leeway = 20 * time.Second

// TestTheirsIsOurs has the SDKs sign: the method admits that, and neither what
// was changed nor what is stale.
func TestTheirsIsOurs(t *testing.T) {
	for _, s := range senders(t) {
		if s.sign == nil {
			continue
		}
		t.Run(s.sdk+"/"+s.preset, func(t *testing.T) {
			m := s.new(t)
			q := s.signedBySDK(t, time.Now())
			if _, got := authtest.Ask(m, q.request()); got != auth.Admitted {
				t.Fatalf("got %q for what the SDK signed", got)
			}
			s.damaged(t, q, func(i int, q sent) {
				if _, got := authtest.Ask(m, q.request()); got == auth.Admitted {
					t.Errorf("admitted with byte %d changed", i)
				}
			})
			if s.tolerance() == 0 {
				return
			}
			for _, tt := range []struct {
				by   time.Duration
				want auth.Reason
			}{
				{-s.tolerance() + leeway, auth.Admitted},
				{s.tolerance() - leeway, auth.Admitted},
				{-s.tolerance() - leeway, auth.Stale},
				{s.tolerance() + leeway, auth.Stale},
			} {
				if _, got := authtest.Ask(m, s.signedBySDK(t, time.Now().Add(tt.by)).request()); got != tt.want {
					t.Errorf("signed %s from now: got %q, want %q", tt.by, got, tt.want)
				}
			}
		})
	}
}

// TestOursIsTheirs has Sign sign: the SDKs and the method admit that, and both
// refuse what was changed.
func TestOursIsTheirs(t *testing.T) {
	for _, s := range senders(t) {
		t.Run(s.sdk+"/"+s.preset, func(t *testing.T) {
			m := s.new(t)
			q := s.signed(t, time.Now())
			if err := s.ask(q); err != nil {
				t.Fatalf("the SDK says of what Sign made: %v\n%v\n%s", err, q.header, q.body)
			}
			if _, got := authtest.Ask(m, q.request()); got != auth.Admitted {
				t.Fatalf("got %q for what Sign made", got)
			}
			s.damaged(t, q, func(i int, q sent) {
				err := s.ask(q)
				_, got := authtest.Ask(m, q.request())
				if err == nil || got == auth.Admitted {
					t.Errorf("with byte %d changed the SDK says %v and the method %q", i, err, got)
				}
			})
			if s.tolerance() == 0 {
				return
			}
			stale := s.signed(t, time.Now().Add(-s.tolerance()-leeway))
			if _, got := authtest.Ask(m, stale.request()); got != auth.Stale {
				t.Errorf("got %q for what was signed too long ago", got)
			}
			if err := s.ask(stale); s.judgesTime && err == nil {
				t.Error("the SDK admits what was signed too long ago")
			}
			old := s.signed(t, time.Now().Add(-s.tolerance()+leeway))
			if err := s.ask(old); err != nil {
				t.Errorf("the SDK says of what is old, and not too old: %v", err)
			}
			if _, got := authtest.Ask(m, old.request()); got != auth.Admitted {
				t.Errorf("got %q for what is old, and not too old", got)
			}
		})
	}
}
