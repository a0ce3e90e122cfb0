package test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"auth-watchdog/watchdog/auth/hmac"
	"auth-watchdog/watchdog/secret"
)

// keysOf makes what the sender of a preset signs with, and what goes in the
// secret.
func keysOf(t *testing.T, s hmac.Scheme) (private, public string) {
	t.Helper()
	var pair crypto.Signer
	var err error
	switch s.Alg {
	case hmac.Ed25519:
		_, pair, err = ed25519.GenerateKey(rand.Reader)
	case hmac.ECDSA:
		pair, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case hmac.RSA:
		pair, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		key := []byte("CANARY-key-of-a-sender-012345678")
		switch s.Key.Encoding {
		case hmac.KeyHex:
			private = hex.EncodeToString(key)
		case hmac.KeyBase64:
			private = base64.StdEncoding.EncodeToString(key)
		default:
			private = string(key)
		}
		private = s.Key.StripPrefix + private
		return private, private
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(pair.Public())
	if err != nil {
		t.Fatal(err)
	}
	switch s.Key.Encoding {
	case hmac.KeyPEM:
		public = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
	case hmac.KeyHex:
		public = hex.EncodeToString(spki)
	default:
		public = s.Key.StripPrefix + base64.StdEncoding.EncodeToString(spki)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), public
}

// TestSenders has every sender known by name call one watchdog: signed well,
// with another body, with a wrong signature, with none, and twice.
func TestSenders(t *testing.T) {
	const publicURL = "https://gw.example.com/function/hooks"
	secrets, privates := map[string]string{}, map[string]string{}
	var policy strings.Builder
	policy.WriteString("methods:\n")
	names := slices.Sorted(maps.Keys(hmac.Presets()))
	for _, n := range names {
		privates[n], secrets[n] = keysOf(t, hmac.Presets()[n].Schemes[0])
		fmt.Fprintf(&policy, "  %s: {type: hmac, preset: %s, secret: %s}\n", n, n, n)
	}
	policy.WriteString("rules:\n")
	for _, n := range names {
		fmt.Fprintf(&policy, "  - {match: /%s, accept: [%s]}\n", n, n)
	}
	d := start(t, setup{env: map[string]string{"public_url": publicURL}, secrets: secrets, policy: policy.String()})
	for _, n := range names {
		t.Run(n, func(t *testing.T) {
			s := hmac.Presets()[n].Schemes[0]
			body, contentType := `{"hello":"world"}`, "application/json"
			switch {
			case s.Items != "":
				body = fmt.Sprintf(`{%q:[{"NotificationRequestItem":{"pspReference":"1"}}]}`, s.Items)
			case n == "mandrill":
				body, contentType = "hello=world", "application/x-www-form-urlencoded"
			}
			r, err := http.NewRequest(http.MethodPost, publicURL+"/"+n+"?a=b", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", contentType)
			signed, err := hmac.Sign(hmac.Presets()[n].Schemes, r, []byte(body), secret.New([]byte(privates[n])),
				hmac.SignOptions{PublicURL: "https://gw.example.com", At: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			var headers []string
			for name := range r.Header {
				headers = append(headers, name+": "+r.Header.Get(name))
			}
			path := strings.TrimPrefix(r.URL.RequestURI(), "/function/hooks")
			ask := func(body []byte, headers ...string) int {
				return d.do(call{method: "POST", path: path, body: bytes.NewReader(body), headers: headers}).status
			}
			want := func(what string, got, want int) {
				t.Helper()
				if got != want {
					t.Errorf("%s: got %d, want %d", what, got, want)
				}
			}
			if s.Alg != hmac.Token && !s.BodyUnsigned {
				other := bytes.Clone(signed)
				other[len(other)-1] ^= 1
				want("another body", ask(other, headers...), 401)
			}
			want("nothing", ask([]byte("{}"), "Content-Type: application/json"), 401)
			before, _, _ := d.got()
			want("signed", ask(signed, headers...), 200)
			if after, _, got := d.got(); after != before+1 || got != string(signed) {
				t.Errorf("the function was called %d times and got %q, want %q once", after-before, got, signed)
			}
			again := 200 // its sender signs no time
			if s.Time.Tolerance > 0 {
				again = 401
			}
			want("again", ask(signed, headers...), again)
			if len(s.Signature.Headers) > 0 {
				want("two lines", ask(signed, append(headers, s.Signature.Headers[0]+": x")...), 400)
			}
		})
	}
}

// TestReplays: what was served is not served again, also after new keys; what
// the function could not do may come again.
func TestReplays(t *testing.T) {
	var status atomic.Int32
	status.Store(200)
	d := start(t, setup{
		env:      map[string]string{"auth": "hmac", "auth_hmac_preset": "slack", "auth_hmac_handshake": "off"},
		secrets:  map[string]string{"webhook-secret": webhookKey},
		function: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }),
	})
	request := func(body string) call {
		r, _ := http.NewRequest(http.MethodPost, "/", nil)
		if _, err := hmac.Sign(hmac.Presets()["slack"].Schemes, r, []byte(body), secret.New([]byte(webhookKey)), hmac.SignOptions{At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		c := call{method: "POST", path: "/", body: strings.NewReader(body)}
		for name := range r.Header {
			c.headers = append(c.headers, name+": "+r.Header.Get(name))
		}
		return c
	}
	send := func(c call, body string) int {
		c.body = strings.NewReader(body)
		return d.do(c).status
	}
	want := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %d, want %d", what, got, want)
		}
	}
	one, two := request("one"), request("two")
	status.Store(500)
	want("the function fails", send(one, "one"), 500)
	status.Store(200)
	want("the sender tries again", send(one, "one"), 200)
	want("somebody sends it again", send(one, "one"), 401)
	status.Store(404)
	want("an answer that is final", send(two, "two"), 404)
	status.Store(200)
	want("somebody sends it again", send(two, "two"), 401)

	if err := os.WriteFile(filepath.Join(d.folder, "webhook-secret"), []byte(nextWebhook+"\n"+webhookKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.keep(nextWebhook)
	d.log.wait(t, `the secrets have changed and are in force`, d.ended)
	want("after new keys", send(one, "one"), 401)
	want("another, with the old key", send(request("three"), "three"), 200)
	if got := d.scrape(); !strings.Contains(got, `auth_decisions_total{method="hmac",reason="replayed",result="refused"} 3`) {
		t.Errorf("the metrics do not count three replays:\n%s", got)
	}
}

// TestHandshakeIsAudited: the function does not see it, and the audit log does.
func TestHandshakeIsAudited(t *testing.T) {
	d := start(t, setup{
		env:     map[string]string{"auth": "hmac", "auth_hmac_preset": "meta", "auth_hmac_verify_token": "verify-token"},
		secrets: map[string]string{"webhook-secret": webhookKey, "verify-token": "CANARY-verify-token"},
	})
	const ask = "/?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
	if a := d.get(ask + "wrong"); a.status != 403 {
		t.Errorf("the wrong token: got %d, want 403", a.status)
	}
	a := d.get(ask + "CANARY-verify-token")
	if a.status != 200 || a.body != "1158201444" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %d %q %v, want the challenge", a.status, a.body, a.header)
	}
	if n, _, _ := d.got(); n != 0 {
		t.Errorf("the function was called %d times", n)
	}
	for _, want := range []string{`"event":"authn_login_fail"`, `"reason":"bad_handshake"`, `"event":"webhook_handshake"`, `"handshake":"meta"`} {
		d.log.wait(t, regexp.QuoteMeta(want), d.ended)
	}
	if got := d.scrape(); !strings.Contains(got, `auth_decisions_total{method="hmac",reason="handshake",result="answered"} 1`) {
		t.Errorf("the metrics do not count it:\n%s", got)
	}
}
