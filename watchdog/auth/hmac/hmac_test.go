package hmac

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/auth/authtest"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

const key = "canary-secret-webhook-key"

func signature(key, body string) string {
	m := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(m, body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

func mustNew(t testing.TB, c Config, file string) *Method {
	t.Helper()
	m, err := New("hook", c, secret.New([]byte(file)), Options{PublicURL: "https://gw.example.com/function/hook"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func post(body string, headers ...string) *http.Request {
	r := httptest.NewRequest("POST", "/hook", strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header[http.CanonicalHeaderKey(name)] = append(r.Header[http.CanonicalHeaderKey(name)], value)
	}
	return r
}

func TestContract(t *testing.T) {
	for name, c := range map[string]Config{"default": {}, "github": {Preset: "github"}} {
		t.Run(name, func(t *testing.T) {
			authtest.Test(t, authtest.Case{
				Method:  mustNew(t, c, key),
				Admit:   func(body string) *http.Request { return post(body, "X-Hub-Signature-256: "+signature(key, body)) },
				Secrets: []string{key, signature(key, "other")[7:]},
				Deny: map[string]func() *http.Request{
					"another key":  func() *http.Request { return post("body", "X-Hub-Signature-256: "+signature("x", "body")) },
					"another body": func() *http.Request { return post("other", "X-Hub-Signature-256: "+signature(key, "body")) },
					"not hex":      func() *http.Request { return post("body", "X-Hub-Signature-256: sha256=zz") },
				},
			})
		})
	}
}

func TestDefault(t *testing.T) {
	const body = "a body"
	good := signature(key, body)
	m := mustNew(t, Config{}, key)
	for _, tt := range []struct {
		name, header string
		want         auth.Reason
	}{
		{"good", "X-Hub-Signature-256: " + good, auth.Admitted},
		{"capitals in hex", "X-Hub-Signature-256: sha256=" + strings.ToUpper(good[7:]), auth.Admitted},
		{"none", "X-Other: x", auth.NoCredential},
		{"empty", "X-Hub-Signature-256: ", auth.NoCredential},
		{"prefix only", "X-Hub-Signature-256: sha256=", auth.NoCredential},
		{"no prefix", "X-Hub-Signature-256: " + good[7:], auth.NoCredential},
		{"another prefix", "X-Hub-Signature-256: sha1=" + good[7:], auth.NoCredential},
		{"prefix in capitals", "X-Hub-Signature-256: SHA256=" + good[7:], auth.NoCredential},
		{"odd", "X-Hub-Signature-256: " + good[:len(good)-1], auth.Malformed},
		{"cut short", "X-Hub-Signature-256: " + good[:len(good)-2], auth.Malformed},
		{"longer", "X-Hub-Signature-256: " + good + "00", auth.Malformed},
		{"a list", "X-Hub-Signature-256: " + good + "," + good, auth.Malformed},
		{"base64", "X-Hub-Signature-256: sha256=" + base64.StdEncoding.EncodeToString(make([]byte, 32)), auth.Malformed},
		{"zeroes", "X-Hub-Signature-256: sha256=" + strings.Repeat("0", 64), auth.BadSignature},
		{"with the empty key", "X-Hub-Signature-256: " + signature("", body), auth.BadSignature},
		{"with a line end on the key", "X-Hub-Signature-256: " + signature(key+"\n", body), auth.BadSignature},
		{"legacy header", "X-Hub-Signature: " + good, auth.NoCredential},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := authtest.Ask(m, post(body, tt.header)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("another header", func(t *testing.T) {
		m := mustNew(t, Config{Header: "X-Build-Signature"}, key)
		if _, got := authtest.Ask(m, post(body, "X-Build-Signature: "+good)); got != auth.Admitted {
			t.Errorf("got %q", got)
		}
		if _, got := authtest.Ask(m, post(body, "X-Hub-Signature-256: "+good)); got != auth.NoCredential {
			t.Errorf("the header of the default: got %q", got)
		}
	})
}

// TestKeys: each line is a key, verbatim but for its end.
func TestKeys(t *testing.T) {
	m := mustNew(t, Config{Secret: "hooks"}, "old-key-0123456789\n\n new key with spaces \r\n# a comment\nlast-key-0123456789")
	for _, tt := range []struct {
		key, entry string
		want       auth.Reason
	}{
		{"old-key-0123456789", "line-1", auth.Admitted},
		{" new key with spaces ", "line-3", auth.Admitted},
		{"new key with spaces", "", auth.BadSignature},
		{"# a comment", "", auth.BadSignature},
		{"", "", auth.BadSignature},
		{"old-key-0123456789\n\n new key with spaces \r\n# a comment\nlast-key-0123456789", "", auth.BadSignature},
		{"last-key-0123456789", "line-5", auth.Admitted},
	} {
		id, got := authtest.Ask(m, post("b", "X-Hub-Signature-256: "+signature(tt.key, "b")))
		if got != tt.want || id.Entry != tt.entry {
			t.Errorf("%q: got %q by %q, want %q by %q", tt.key, got, id.Entry, tt.want, tt.entry)
		}
		if got == auth.Admitted && (id.Subject != "hook" || id.Secret != "hooks") {
			t.Errorf("%q: got %+v", tt.key, id)
		}
	}
	if got := m.Credentials(); len(got) != 3 || got[1].Entry != "line-3" || got[1].Secret != "hooks" {
		t.Errorf("got %+v", got)
	}
}

// TestBodyIsReadOnlyIfSigned: nobody is made to send, or us to hold, a body
// that can't be judged.
func TestBodyIsReadOnlyIfSigned(t *testing.T) {
	timed := Config{Scheme: Scheme{
		Alg: SHA256, Signature: Signature{Headers: []string{"X-Sig"}, Encoding: Hex}, Signed: "{time}{body}",
		Time: Time{Source: Source{Header: "X-Time"}, Tolerance: time.Minute}, Require: map[string]string{"X-Version": "1"},
	}}
	sig := strings.Repeat("0", 64)
	for _, tt := range []struct {
		name    string
		config  Config
		headers []string
	}{
		{"no signature", Config{}, nil},
		{"malformed signature", Config{}, []string{"X-Hub-Signature-256: sha256=00"}},
		{"no time", timed, []string{"X-Sig: " + sig, "X-Version: 1"}},
		{"old", timed, []string{"X-Sig: " + sig, "X-Version: 1", "X-Time: 1"}},
		{"another version", timed, []string{"X-Sig: " + sig, "X-Version: 2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := &unreadable{t}
			r := httptest.NewRequest("POST", "/", body)
			for _, h := range tt.headers {
				name, value, _ := strings.Cut(h, ": ")
				r.Header.Set(name, value)
			}
			if _, got := authtest.Ask(mustNew(t, tt.config, key), r); got.Status() != http.StatusUnauthorized {
				t.Errorf("got %q", got)
			}
		})
	}
}

type unreadable struct{ t *testing.T }

func (u *unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestBodyTooLarge(t *testing.T) {
	m := mustNew(t, Config{}, key)
	r := post(strings.Repeat("x", 2<<20+1), "X-Hub-Signature-256: "+signature(key, "x"))
	if _, got := authtest.Ask(m, r); got != auth.BodyTooLarge {
		t.Errorf("got %q, want %q", got, auth.BodyTooLarge)
	}
}

// TestScheme has each field of a scheme, with the request that it takes and
// those that are near to it.
func TestScheme(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	hexOf := func(message string) string { return signature(key, message)[7:] }
	sig := Signature{Headers: []string{"X-Sig"}, Encoding: Hex}
	for _, tt := range []struct {
		name     string
		scheme   Scheme
		requests []schemeRequest
	}{
		{
			"several headers",
			Scheme{Alg: SHA256, Signature: Signature{Headers: []string{"X-First", "X-Second"}}, Signed: "{body}"},
			[]schemeRequest{
				{"first", "X-First: " + hexOf("b"), "", "b", auth.Admitted},
				{"second", "X-Second: " + hexOf("b"), "", "b", auth.Admitted},
				{"second good, first not", "X-First: " + hexOf("c") + "\nX-Second: " + hexOf("b"), "", "b", auth.Admitted},
				{"neither good", "X-First: " + hexOf("c") + "\nX-Second: " + hexOf("d"), "", "b", auth.BadSignature},
			},
		},
		{
			"split",
			Scheme{Alg: SHA256, Signature: Signature{Headers: []string{"X-Sig"}, Split: ",", Prefix: "v1="}, Signed: "{body}"},
			[]schemeRequest{
				{"one", "X-Sig: v1=" + hexOf("b"), "", "b", auth.Admitted},
				{"the second", "X-Sig: v1=" + hexOf("c") + " ,\tv1=" + hexOf("b") + ",v0=x", "", "b", auth.Admitted},
				{"of another version", "X-Sig: v0=" + hexOf("b"), "", "b", auth.NoCredential},
				{"twenty", "X-Sig: " + strings.Repeat("v1="+hexOf("c")+",", 19) + "v1=" + hexOf("b"), "", "b", auth.Admitted},
				{"twenty-one", "X-Sig: " + strings.Repeat("v1="+hexOf("b")+",", 21), "", "b", auth.Malformed},
			},
		},
		{
			"query",
			Scheme{Alg: SHA256, Signature: Signature{Query: "sig"}, Signed: "{body}"},
			[]schemeRequest{
				{"good", "", "/?a=1&sig=" + hexOf("b"), "b", auth.Admitted},
				{"twice", "", "/?sig=x&sig=" + hexOf("b"), "b", auth.TwoCredentials},
				{"does not parse", "", "/?a=%zz&sig=" + hexOf("b"), "b", auth.TwoReadings},
				{"none", "", "/?a=1", "b", auth.NoCredential},
			},
		},
		{
			"json",
			Scheme{Alg: SHA256, Signature: Signature{JSON: "s.sig"}, Signed: "{json:s.t}{json:s.n}", BodyUnsigned: true},
			[]schemeRequest{
				{"good", "Content-Type: application/json", "", `{"a":[1,{"s":2}],"s":{"t":"x","n":12,"sig":"` + hexOf("x12") + `"}}`, auth.Admitted},
				{"a number as it is written", "Content-Type: application/vnd.x+json; charset=utf-8", "", `{"s":{"t":"x","n":1.20,"sig":"` + hexOf("x1.20") + `"}}`, auth.Admitted},
				{"not JSON by its type", "Content-Type: text/plain", "", `{"s":{"sig":"x"}}`, auth.NoCredential},
				{"a name twice", "Content-Type: application/json", "", `{"s":{"t":"x","n":12,"t":"y","sig":"` + hexOf("x12") + `"}}`, auth.Malformed},
				{"an object twice", "Content-Type: application/json", "", `{"s":{},"s":{"t":"x","n":12,"sig":"` + hexOf("x12") + `"}}`, auth.Malformed},
				{"text behind it", "Content-Type: application/json", "", `{"s":{"t":"x","n":12,"sig":"` + hexOf("x12") + `"}} {}`, auth.Malformed},
				{"broken", "Content-Type: application/json", "", `{"s":`, auth.Malformed},
				{"too long to be looked into", "Content-Type: application/json", "", `{"s":{"t":"x","n":12,"sig":"` + hexOf("x12") + `"},"a":"` + strings.Repeat("a", maxJSON) + `"}`, auth.Malformed},
				{"part of the message missing", "Content-Type: application/json", "", `{"s":{"t":"x","sig":"` + hexOf("x") + `"}}`, auth.Malformed},
				{"not a text", "Content-Type: application/json", "", `{"s":{"t":"x","n":true,"sig":"` + hexOf("x") + `"}}`, auth.Malformed},
			},
		},
		{
			"template",
			Scheme{Alg: SHA256, Signature: sig, Signed: "{method} {path}?{query} {header:X-Nonce} {body}"},
			[]schemeRequest{
				{"good", "X-Nonce: n\nX-Sig: " + hexOf("PUT /a%2Fb?c=%20 n {method}"), "PUT /a%2Fb?c=%20", "{method}", auth.Admitted},
				{"no header", "X-Sig: " + hexOf("PUT /?  b"), "PUT /", "b", auth.Malformed},
				{"another method", "X-Nonce: n\nX-Sig: " + hexOf("PUT /? n b"), "POST /", "b", auth.BadSignature},
			},
		},
		{
			"url",
			Scheme{Alg: SHA256, Signature: sig, Signed: "{url}{body}"},
			[]schemeRequest{
				{"the URL itself", "X-Sig: " + hexOf("https://gw.example.com/function/hookb"), "/", "b", auth.Admitted},
				{"below it", "X-Sig: " + hexOf("https://gw.example.com/function/hook/x?y=1b"), "/x?y=1", "b", auth.Admitted},
				{"of another host", "X-Forwarded-Host: evil\nHost: evil\nX-Sig: " + hexOf("https://evil/b"), "/", "b", auth.BadSignature},
			},
		},
		{
			"id and require",
			Scheme{Alg: SHA256, Signature: sig, Signed: "{id}.{body}", ID: Source{Header: "X-Id"}, Require: map[string]string{"X-Version": "1"}},
			[]schemeRequest{
				{"good", "X-Version: 1\nX-Id: i\nX-Sig: " + hexOf("i.b"), "", "b", auth.Admitted},
				{"no id", "X-Version: 1\nX-Sig: " + hexOf(".b"), "", "b", auth.Malformed},
				{"id with a space", "X-Version: 1\nX-Id: a b\nX-Sig: " + hexOf("a b.b"), "", "b", auth.Malformed},
				{"long id", "X-Version: 1\nX-Id: " + strings.Repeat("i", 257) + "\nX-Sig: " + hexOf("i.b"), "", "b", auth.Malformed},
				{"no version", "X-Id: i\nX-Sig: " + hexOf("i.b"), "", "b", auth.Malformed},
				{"another version", "X-Version: 2\nX-Id: i\nX-Sig: " + hexOf("i.b"), "", "b", auth.Malformed},
			},
		},
		{
			"unix",
			Scheme{Alg: SHA256, Signature: sig, Signed: "{time}{body}", Time: Time{Source: Source{Header: "X-Time"}, Tolerance: time.Minute}},
			timeRequests(hexOf, map[string]auth.Reason{
				"1780315200": auth.Admitted, "1780315140": auth.Admitted, "1780315260": auth.Admitted,
				"1780315139": auth.Stale, "1780315261": auth.Stale, "0": auth.Stale, "9999999999999999": auth.Stale,
				"+1780315200": auth.Malformed, " 1780315200": auth.Malformed, "1780315200.0": auth.Malformed, "1.7e9": auth.Malformed,
				"0x6a1d7480": auth.Malformed, "-1": auth.Malformed, "": auth.Malformed, "17803152000000000": auth.Malformed, "01780315200": auth.Malformed,
			}),
		},
		{
			"unix-ms",
			Scheme{Alg: SHA256, Signature: sig, Signed: "{time}{body}", Time: Time{Source: Source{Header: "X-Time"}, Format: UnixMS, Tolerance: time.Minute}},
			timeRequests(hexOf, map[string]auth.Reason{"1780315200000": auth.Admitted, "1780315261000": auth.Stale, "1780315200": auth.Stale}),
		},
		{
			"rfc3339",
			Scheme{Alg: SHA256, Signature: sig, Signed: "{time}{body}", Time: Time{Source: Source{Header: "X-Time"}, Format: RFC3339, Tolerance: time.Minute}},
			timeRequests(hexOf, map[string]auth.Reason{
				"2026-06-01T12:00:30Z": auth.Admitted, "2026-06-01T14:00:30.5+02:00": auth.Admitted, "2026-06-01T12:02:00Z": auth.Stale, "1780315200": auth.Malformed,
			}),
		},
		{
			"http-date",
			Scheme{Alg: SHA256, Signature: sig, Signed: "{time}{body}", Time: Time{Source: Source{Header: "X-Time"}, Format: HTTPDate, Tolerance: time.Minute}},
			timeRequests(hexOf, map[string]auth.Reason{
				"Mon, 01 Jun 2026 12:00:30 GMT": auth.Admitted, "Mon, 01 Jun 2026 12:02:00 GMT": auth.Stale, "1780315200": auth.Malformed,
			}),
		},
		{
			"a time that is signed and not judged",
			Scheme{Alg: SHA256, Signature: sig, Signed: "{time}{body}", Time: Time{Source: Source{Header: "X-Time"}, Unjudged: true}},
			timeRequests(hexOf, map[string]auth.Reason{"1": auth.Admitted, "x": auth.Malformed, "": auth.Malformed}),
		},
		{
			"time beside the signature",
			Scheme{
				Alg: SHA256, Signature: Signature{Headers: []string{"X-Sig"}, Split: ",", Prefix: "v1="}, Signed: "{time}.{body}",
				Time: Time{SigPrefix: "t=", Tolerance: time.Minute},
			},
			[]schemeRequest{
				{"good", "X-Sig: v1=" + hexOf("1780315200.b") + ",t=1780315200", "", "b", auth.Admitted},
				{"none", "X-Sig: v1=" + hexOf(".b"), "", "b", auth.Malformed},
				{"two", "X-Sig: t=1780315200,t=1780315201,v1=" + hexOf("1780315200.b"), "", "b", auth.Malformed},
			},
		},
		{
			"token",
			Scheme{Alg: Token, Signature: Signature{Headers: []string{"X-Token"}}},
			[]schemeRequest{
				{"good", "X-Token: " + key, "", "b", auth.Admitted},
				{"cut short", "X-Token: " + key[1:], "", "b", auth.BadSignature},
				{"empty", "X-Token: ", "", "b", auth.NoCredential},
			},
		},
	} {
		if err := tt.scheme.Check(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		m := mustNew(t, Config{Scheme: tt.scheme}, key)
		m.now = func() time.Time { return now }
		for _, rt := range tt.requests {
			t.Run(tt.name+"/"+rt.name, func(t *testing.T) {
				method, target, found := strings.Cut(rt.target, " ")
				if !found {
					method, target = "POST", rt.target
				}
				if target == "" {
					target = "/"
				}
				r := httptest.NewRequest(method, "http://function"+target, strings.NewReader(rt.body))
				for l := range strings.Lines(rt.headers) {
					name, value, _ := strings.Cut(strings.TrimRight(l, "\n"), ": ")
					r.Header.Add(name, value)
				}
				if _, got := authtest.Ask(m, r); got != rt.want {
					t.Errorf("got %q, want %q", got, rt.want)
				}
			})
		}
	}
}

// A schemeRequest is a request to a scheme, with what is to become of it.
type schemeRequest struct {
	name    string
	headers string // one a line
	target  string // POST if it does not name a method
	body    string
	want    auth.Reason
}

func timeRequests(hexOf func(string) string, times map[string]auth.Reason) (list []schemeRequest) {
	for at, want := range times {
		list = append(list, schemeRequest{fmt.Sprintf("%q", at), "X-Time: " + at + "\nX-Sig: " + hexOf(at+"b"), "", "b", want})
	}
	return list
}

func TestAlgorithms(t *testing.T) {
	message := "1.body"
	sum := sha256.Sum256([]byte(message))
	spki := func(pub any) []byte {
		der, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecSig, err := ecdsa.SignASN1(rand.Reader, ec, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaSig, err := rsa.SignPKCS1v15(nil, rs, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	pemOf := func(pub any) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki(pub)}))
	}
	b64 := base64.StdEncoding.EncodeToString
	other, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		alg    Alg
		form   KeyForm
		secret string
		sig    []byte
	}{
		{"ed25519 in hex", Ed25519, KeyForm{Encoding: KeyHex}, hex.EncodeToString(edPublic), ed25519.Sign(edPrivate, []byte(message))},
		{"ed25519 in base64", Ed25519, KeyForm{Encoding: KeyBase64, StripPrefix: "whpk_"}, "whpk_" + b64(edPublic), ed25519.Sign(edPrivate, []byte(message))},
		{"ed25519, second line", Ed25519, KeyForm{Encoding: KeyHex}, hex.EncodeToString(other) + "\n" + hex.EncodeToString(edPublic), ed25519.Sign(edPrivate, []byte(message))},
		{"ed25519 in PEM", Ed25519, KeyForm{Encoding: KeyPEM}, pemOf(other) + pemOf(edPublic), ed25519.Sign(edPrivate, []byte(message))},
		{"ecdsa", ECDSA, KeyForm{Encoding: KeySPKI}, b64(spki(&ec.PublicKey)), ecSig},
		{"rsa", RSA, KeyForm{Encoding: KeyPEM}, pemOf(&rs.PublicKey), rsaSig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mustNew(t, Config{Scheme: Scheme{
				Alg: tt.alg, Signature: Signature{Headers: []string{"X-Sig"}, Encoding: Base64}, Signed: "1.{body}", Key: tt.form,
			}}, tt.secret)
			if _, got := authtest.Ask(m, post("body", "X-Sig: "+b64(tt.sig))); got != auth.Admitted {
				t.Errorf("got %q", got)
			}
			if _, got := authtest.Ask(m, post("bodY", "X-Sig: "+b64(tt.sig))); got != auth.BadSignature {
				t.Errorf("another body: got %q", got)
			}
			for i := range tt.sig {
				bad := slices.Clone(tt.sig)
				bad[i] ^= 0x40
				if _, got := authtest.Ask(m, post("body", "X-Sig: "+b64(bad))); got == auth.Admitted {
					t.Errorf("byte %d of the signature was changed, and it was admitted", i)
				}
			}
		})
	}
	t.Run("the public key is no shared key", func(t *testing.T) {
		m := mustNew(t, Config{Scheme: Scheme{
			Alg: Ed25519, Signature: Signature{Headers: []string{"X-Sig"}, Encoding: Hex}, Signed: "{body}", Key: KeyForm{Encoding: KeyHex},
		}}, hex.EncodeToString(edPublic))
		h := hmac.New(sha256.New, edPublic)
		_, _ = io.WriteString(h, "b")
		if _, got := authtest.Ask(m, post("b", "X-Sig: "+hex.EncodeToString(h.Sum(nil)))); got == auth.Admitted {
			t.Error("a MAC with the public key was admitted")
		}
	})
}

func TestSecretsThatAreRefused(t *testing.T) {
	form := func(alg Alg, f KeyForm) Config {
		return Config{Scheme: Scheme{Alg: alg, Signature: Signature{Headers: []string{"X-Sig"}}, Signed: "{body}", Key: f}}
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // to see it refused
	if err != nil {
		t.Fatal(err)
	}
	weakDER, err := x509.MarshalPKIXPublicKey(&weak.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		config Config
		secret string
		want   string
	}{
		{"empty", Config{}, "", "has no key"},
		{"blank lines", Config{}, "\n \n\t\n", "has no key"},
		{"comments", Config{}, "# canary", "has no key"},
		{"not hex", form(SHA256, KeyForm{Encoding: KeyHex}), "canary", "line 1: is not hex"},
		{"not base64", form(SHA256, KeyForm{Encoding: KeyBase64}), "canary!", "line 1: is not base64"},
		{"no padding", form(SHA256, KeyForm{Encoding: KeyBase64}), "Y2FuYXJ5IQ", "line 1: is not base64"},
		{"only the prefix", form(SHA256, KeyForm{Encoding: KeyBase64, StripPrefix: "whsec_"}), "whsec_", "line 1: is empty"},
		{"one bad line", form(SHA256, KeyForm{Encoding: KeyHex}), "abcd\ncanary", "line 2: is not hex"},
		{"short public key", form(Ed25519, KeyForm{Encoding: KeyHex}), "abcd", "line 1: want an Ed25519 public key of 32 bytes"},
		{"no PEM", form(RSA, KeyForm{Encoding: KeyPEM}), "canary", "has no key"},
		{"not a key", form(ECDSA, KeyForm{Encoding: KeySPKI}), "Y2FuYXJ5", "line 1: want a public key on the curve P-256"},
		{"weak RSA", form(RSA, KeyForm{Encoding: KeySPKI}), base64.StdEncoding.EncodeToString(weakDER), "line 1: want an RSA public key of at least 2048 bits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New("hook", tt.config, secret.New([]byte(tt.secret)), Options{PublicURL: ""})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	sig := Signature{Headers: []string{"X-Sig"}}
	for _, tt := range []struct {
		name   string
		config Config
		want   string
	}{
		{"unknown preset", Config{Preset: "nobody"}, "preset: there is none"},
		{"preset and header", Config{Preset: "github", Header: "X"}, "preset: says how"},
		{"preset and scheme", Config{Preset: "github", Scheme: Scheme{Signed: "{body}"}}, "preset: says how"},
		{"header and scheme", Config{Header: "X", Scheme: Scheme{Alg: SHA256, Signature: sig}}, "header: is for the default scheme"},
		{"no alg", Config{Scheme: Scheme{Signature: sig}}, "alg: want one of"},
		{"no place", Config{Scheme: Scheme{Alg: SHA256}}, "sig: want exactly one"},
		{"two places", Config{Scheme: Scheme{Alg: SHA256, Signature: Signature{Headers: []string{"X"}, Query: "y"}}}, "sig: want exactly one"},
		{"odd split", Config{Scheme: Scheme{Alg: SHA256, Signature: Signature{Headers: []string{"X"}, Split: "|"}}}, "sig.split: want one of"},
		{"unknown placeholder", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{body}{host}"}}, "has no placeholder {host}"},
		{"open brace", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{body}{"}}, "a { without a }"},
		{"argument", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{body:x}"}}, "takes no argument"},
		{"no argument", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{body}{header:}"}}, "needs a name"},
		{"body not signed", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{method}"}}, "the body is not signed"},
		{
			"time not signed",
			Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{body}", Time: Time{Source: Source{Header: "X-Time"}}}},
			"time: is not covered by the signature",
		},
		{"time from nowhere", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{time}{body}"}}, "there is no time.header"},
		{"id from nowhere", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{id}{body}"}}, "there is no id.header"},
		{"time beside without items", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{time}{body}", Time: Time{SigPrefix: "t="}}}, "time.sig_prefix: needs sig.split"},
		{"public key as text", Config{Scheme: Scheme{Alg: RSA, Signature: sig}}, "secret.encoding: a public key"},
		{"shared key as PEM", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Key: KeyForm{Encoding: KeyPEM}}}, "are for public keys"},
		{"time in two places", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{body}", Time: Time{Source: Source{Header: "X-T", JSON: "ts"}}}}, "time: want one of"},
		{"tolerance of nothing", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Time: Time{Tolerance: time.Minute}}}, "nothing says where the time stands"},
		{"time of a token", Config{Scheme: Scheme{Alg: Token, Signature: sig, Time: Time{Source: Source{Header: "X-T"}}}}, "a token signs no time"},
		{
			"time of a JWT in a header",
			Config{Scheme: Scheme{Alg: SHA256, Signature: Signature{Headers: []string{"X"}, Encoding: JWT}, BodyHash: BodyHash{Claim: "h"}, Time: Time{Source: Source{Header: "X-T"}}}},
			"of a JWT it is a claim",
		},
		{"JWT without the body", Config{Scheme: Scheme{Alg: SHA256, Signature: Signature{Headers: []string{"X"}, Encoding: JWT}}}, "body_hash: has no claim"},
		{"JWT that is a token", Config{Scheme: Scheme{Alg: Token, Signature: Signature{Headers: []string{"X"}, Encoding: JWT}}}, "can't be signed by token"},
		{"claim without a JWT", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, BodyHash: BodyHash{Claim: "h"}}}, "claims need jwt"},
		{"hash in a query that is not signed", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{path}", BodyHash: BodyHash{Query: "h"}}}, "body_hash.query: is not covered"},
		{"elements without a place", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Items: "x"}}, "items: needs sig.json"},
		{"body with its signature in it", Config{Scheme: Scheme{Alg: SHA256, Signature: Signature{JSON: "sig"}, Signed: "{body}"}}, "in which the signature itself stands"},
		{"query with its signature in it", Config{Scheme: Scheme{Alg: SHA256, Signature: Signature{Query: "sig"}, Signed: "{query}{body}"}}, "in which the signature itself stands"},
		{"header with its signature in it", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{header:x-sig}{body}"}}, "can't be part"},
		{"Host", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{header:host}{body}"}}, "can't be part"},
		{"Host that is required", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Require: map[string]string{"Host": "x"}}}, "require: Host"},
		{"id in two places", Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{id}{body}", ID: Source{Header: "X", JSON: "y"}}}, "id: want one of"},
		{"tolerance without a time", Config{Preset: "github", Tolerance: time.Minute}, "tolerance: the sender signs no time"},
		{"replay of a token", Config{Preset: "telegram", Replay: Replay{Keep: time.Hour}}, "replay: the sender signs nothing"},
		{"crc of another template", Config{Preset: "slack", Handshake: "x-crc"}, "handshake: x-crc is for"},
		{"zoom with a key pair", Config{Preset: "discord", Handshake: "zoom"}, "handshake: zoom is for"},
		{"one secret for two things", Config{Preset: "meta", VerifyToken: "webhook-secret"}, "verify_token: want a secret of its own"},
		{"token that signs", Config{Scheme: Scheme{Alg: Token, Signature: sig, Signed: "{body}"}}, "a token signs nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.config.Check().Err(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, err := New("hook", tt.config, secret.New([]byte(key)), Options{PublicURL: ""}); err == nil {
				t.Error("New takes it")
			}
		})
	}
	t.Run("the URL is not known", func(t *testing.T) {
		c := Config{Scheme: Scheme{Alg: SHA256, Signature: sig, Signed: "{url}{body}"}}
		if _, err := New("hook", c, secret.New([]byte(key)), Options{PublicURL: ""}); err == nil || !strings.Contains(err.Error(), "set public_url") {
			t.Errorf("got %v", err)
		}
	})
}

func TestWarnings(t *testing.T) {
	if got := mustNew(t, Config{Replay: Replay{Keep: time.Hour}}, key).Warnings(); len(got) != 1 || !strings.Contains(got[0], "again after 1h") {
		t.Errorf("got %q, want nothing but how long a request is remembered", got)
	}
	got := strings.Join(mustNew(t, Config{Scheme: Scheme{
		Alg: SHA256, Signature: Signature{Headers: []string{"X-Sig"}}, Signed: "{method}", BodyUnsigned: true,
	}}, key+"\nshort").Warnings(), "\n")
	for _, want := range []string{"the body is not signed", "line 2: is shorter than 16 bytes"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}

// TestPresetWithSeveralSchemes: the first whose signature is present decides;
// nothing falls through after a failed check; a key that fits one scheme only
// is no key of the other.
// TestStrip: a token is the secret itself, and the function has no business
// with it; a signature stays.
func TestStrip(t *testing.T) {
	for _, tt := range []struct {
		name   string
		scheme Scheme
		want   string // header, query and RequestURI that are left
	}{
		{"token in a header", Scheme{Alg: Token, Signature: Signature{Headers: []string{"X-Token"}}}, "|x=1&sig=k|/p?x=1&sig=k"},
		{"token in the query", Scheme{Alg: Token, Signature: Signature{Query: "sig"}}, "k|x=1|/p?x=1"},
		{"signature", Scheme{Alg: SHA256, Signature: Signature{Headers: []string{"X-Token"}}}, "k|x=1&sig=k|/p?x=1&sig=k"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mustNew(t, Config{Scheme: tt.scheme}, key)
			r := httptest.NewRequest("POST", "/p?x=1&sig=k", nil)
			r.Header.Set("X-Token", "k")
			m.Strip(r)
			if got := r.Header.Get("X-Token") + "|" + r.URL.RawQuery + "|" + r.RequestURI; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestRequireIsNotRepeated: what a header must be may be a secret.
func TestRequireIsNotRepeated(t *testing.T) {
	m := mustNew(t, Config{Scheme: Scheme{Alg: SHA256, Signature: Signature{Headers: []string{"X-Sig"}}, Require: map[string]string{"X-Shared": "CANARY"}}}, key)
	r := post("b", "X-Sig: "+signature(key, "b")[7:])
	r.Header.Set("X-Shared", "canary")
	_, err := m.Authenticate(auth.NewRequest(r, auth.NewBuffers(1<<20, 2<<20)))
	if err == nil || strings.Contains(strings.ToLower(err.Error()), "canary") {
		t.Errorf("got %v, want an error without what it must be", err)
	}
}

// TestPathThatIsWrittenAnew: what was signed is what the function gets, or
// nothing.
func TestPathThatIsWrittenAnew(t *testing.T) {
	for _, signed := range []string{"{path}{body}", "{url}{body}"} {
		c := Config{Scheme: Scheme{Alg: SHA256, Signature: Signature{Headers: []string{"X-Sig"}}, Signed: signed}}
		m, err := New("hook", c, secret.New([]byte(key)), Options{PublicURL: "http://f"})
		if err != nil {
			t.Fatal(err)
		}
		r := post("b")
		r.URL.Path, r.URL.RawPath = `/a/b"`, `/a%2Fb"`
		base := strings.TrimSuffix(strings.ReplaceAll(signed, "{path}", ""), "{body}")
		r.Header.Set("X-Sig", signature(key, strings.ReplaceAll(base, "{url}", "http://f")+r.URL.EscapedPath()+"b")[7:])
		if _, got := authtest.Ask(m, r); got != auth.TwoReadings {
			t.Errorf("%s: got %q, want %q", signed, got, auth.TwoReadings)
		}
	}
}

func TestPresetWithSeveralSchemes(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sig := Signature{Headers: []string{"X-Sig"}, Split: " ", Encoding: Base64}
	shared, asymmetric := sig, sig
	shared.Prefix, asymmetric.Prefix = "v1,", "v1a,"
	m := &Method{name: "hook", config: Config{Secret: "s"}, now: time.Now}
	for _, s := range []Scheme{
		{Alg: SHA256, Signature: shared, Signed: "{body}", Key: KeyForm{Encoding: KeyBase64, StripPrefix: "whsec_"}},
		{Alg: Ed25519, Signature: asymmetric, Signed: "{body}", Key: KeyForm{Encoding: KeyBase64, StripPrefix: "whpk_"}},
	} {
		k := keyed{Scheme: s}
		k.message, _ = parseTemplate(s.Signed)
		m.schemes = append(m.schemes, k)
	}
	b64 := base64.StdEncoding.EncodeToString
	if err := m.takeKeys(secret.New([]byte("whsec_" + b64([]byte(key)) + "\nwhpk_" + b64(public)))); err != nil {
		t.Fatal(err)
	}
	mac, err := base64.StdEncoding.DecodeString(b64([]byte(signature(key, "b"))))
	if err != nil {
		t.Fatal(err)
	}
	mac, _ = hex.DecodeString(string(mac[7:]))
	good, goodAsymmetric := "v1,"+b64(mac), "v1a,"+b64(ed25519.Sign(private, []byte("b")))
	for _, tt := range []struct {
		name, value string
		want        auth.Reason
		key         string
	}{
		{"shared", good, auth.Admitted, "line-1"},
		{"asymmetric", goodAsymmetric, auth.Admitted, "line-2"},
		{"both", good + " " + goodAsymmetric, auth.Admitted, "line-1"},
		{"shared wrong, asymmetric good", "v1," + b64(make([]byte, 32)) + " " + goodAsymmetric, auth.BadSignature, ""},
		{"neither", "v2,x", auth.NoCredential, ""},
	} {
		if id, got := authtest.Ask(m, post("b", "X-Sig: "+tt.value)); got != tt.want || id.Entry != tt.key {
			t.Errorf("%s: got %q by %q, want %q by %q", tt.name, got, id.Entry, tt.want, tt.key)
		}
	}
}

func TestSign(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	h := []string{"X-Sig"}
	for name, s := range map[string]Scheme{
		"default":   Default,
		"base64":    {Alg: SHA1, Signature: Signature{Headers: h, Encoding: Base64}, Signed: "{body}"},
		"base64url": {Alg: SHA384, Signature: Signature{Headers: h, Encoding: Base64URL}, Signed: "{method}{url}{body}"},
		"id, time":  {Alg: SHA512, Signature: Signature{Headers: h}, Signed: "{id}{time}{body}", ID: Source{Header: "X-Id"}, Time: Time{Source: Source{Header: "X-Time"}, Format: UnixMS, Tolerance: time.Second}},
		"beside":    {Alg: SHA256, Signature: Signature{Headers: h, Split: ",", Prefix: "v1="}, Signed: "{time}.{body}", Time: Time{SigPrefix: "t=", Tolerance: time.Second}},
		"rfc3339":   {Alg: SHA256, Signature: Signature{Headers: h}, Signed: "{time}{body}", Time: Time{Source: Source{Header: "X-Time"}, Format: RFC3339, Tolerance: time.Second}},
		"http-date": {Alg: SHA256, Signature: Signature{Headers: h}, Signed: "{time}{body}", Time: Time{Source: Source{Header: "X-Time"}, Format: HTTPDate, Tolerance: time.Second}},
		"token":     {Alg: Token, Signature: Signature{Headers: h}},
		"require":   {Alg: SHA256, Signature: Signature{Headers: h}, Signed: "{body}", Require: map[string]string{"X-Version": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := post("body")
			if _, err := Sign([]Scheme{s}, r, []byte("body"), secret.New([]byte(key)), SignOptions{"https://gw.example.com/function/hook", now}); err != nil {
				t.Fatal(err)
			}
			m := mustNew(t, Config{Scheme: s}, key)
			m.now = func() time.Time { return now }
			if _, got := authtest.Ask(m, r); got != auth.Admitted {
				t.Errorf("got %q from %v", got, r.Header)
			}
		})
	}
	for name, s := range map[string]Scheme{
		"private key":      {Alg: Ed25519, Signature: Signature{Headers: h}, Signed: "{body}", Key: KeyForm{Encoding: KeyHex}},
		"part of the body": {Alg: SHA256, Signature: Signature{JSON: "x"}, Signed: "{body}"},
		"broken":           {},
	} {
		if _, err := Sign([]Scheme{s}, post("b"), nil, secret.New([]byte(key)), SignOptions{At: now}); err == nil {
			t.Errorf("%s: was signed", name)
		}
	}
}

// TestSignKeepsTexts: Mailgun sends its time as a text, Linear as a number, and
// their receivers' parsers take nothing else.
func TestSignKeepsTexts(t *testing.T) {
	at := time.Unix(1740787200, 0)
	for _, tt := range []struct{ preset, body, want string }{
		{"mailgun", `{"signature":{"timestamp":"0"}}`, `"timestamp":"1740787200"`},
		{"mailgun", Presets()["mailgun"].Example.Body, `"timestamp":"1740787200"`},
		{"linear", `{"webhookTimestamp":0}`, `"webhookTimestamp":1740787200000`},
		{"linear", `{}`, `"webhookTimestamp":1740787200000`},
	} {
		got, err := Sign(Presets()[tt.preset].Schemes, post(""), []byte(tt.body), secret.New([]byte(key)), SignOptions{At: at})
		if err != nil || !strings.Contains(string(got), tt.want) {
			t.Errorf("%s: got %s and %v, want %s", tt.preset, got, err, tt.want)
		}
	}
}

func TestConfig(t *testing.T) {
	var c Config
	setting.Defaults(c.Fields())
	if got := c.Secrets(); len(got) != 1 || got[0] != "webhook-secret" {
		t.Errorf("got %q", got)
	}
	if ps := c.Check(); len(ps) > 0 {
		t.Error(ps)
	}
	c = configure(t, map[string]string{"alg": "token", "sig.header": "X-Token", "body_signed": "false"})
	if !c.Scheme.BodyUnsigned {
		t.Error("body_signed: false is not taken")
	}
	c = configure(t, map[string]string{"alg": "hmac-sha256", "sig.header": "X-Sig", "body_signed": "true"})
	if c.Scheme.BodyUnsigned {
		t.Error("body_signed: true is not taken")
	}
}

func TestPresent(t *testing.T) {
	for _, c := range []Config{{Secret: "s"}, {Secret: "s", Preset: "github"}, {Secret: "s", Header: "X-Sig"}} {
		r := post("")
		body, err := c.Present(r, setting.Presentation{Value: func(string) secret.Value { return secret.New([]byte(key)) }})
		if err != nil {
			t.Fatal(err)
		}
		signed := post(body)
		signed.Header = r.Header
		if _, got := authtest.Ask(mustNew(t, c, key), signed); got != auth.Admitted {
			t.Errorf("%+v: got %q from %v", c, got, r.Header)
		}
	}
}

// TestHeaders: a gate refuses two lines of whatever is read.
func TestHeaders(t *testing.T) {
	for want, c := range map[string]Config{
		"X-Hub-Signature-256": {},
		"X-Sig":               {Header: "X-Sig"},
		"X-A X-B X-Id X-Nonce X-Time X-Version": {Scheme: Scheme{
			Alg: SHA256, Signature: Signature{Headers: []string{"x-a", "X-B"}}, Signed: "{id}{time}{header:x-nonce}{body}",
			ID: Source{Header: "X-Id"}, Time: Time{Source: Source{Header: "X-Time"}}, Require: map[string]string{"X-Version": "1"},
		}},
		"Content-Type": {Scheme: Scheme{Alg: SHA256, Signature: Signature{JSON: "sig"}, Signed: "{json:a}", BodyUnsigned: true}},
	} {
		if got := strings.Join(mustNew(t, c, key).Headers(), " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestNewSecret wants that what is made up for a try-out is a key.
func TestNewSecret(t *testing.T) {
	scheme := func(f KeyForm) Config {
		return Config{Scheme: Scheme{Alg: SHA256, Signature: Signature{Headers: []string{"X-Sig"}}, Key: f}}
	}
	for name, c := range map[string]Config{
		"default": {}, "github": {Preset: "github"}, "hex": scheme(KeyForm{Encoding: KeyHex}), "prefix": scheme(KeyForm{Encoding: KeyBase64, StripPrefix: "whsec_"}),
	} {
		file, credential, err := c.NewSecret("", "dev", nil, time.Time{})
		if err != nil || credential != "" {
			t.Errorf("%s: got %q and %v", name, credential, err)
			continue
		}
		if got := mustNew(t, c, file).Warnings(); len(got) != 1 || !strings.HasPrefix(got[0], "no time is signed") {
			t.Errorf("%s: got %q, want nothing about the key", name, got)
		}
	}
	for name, p := range Presets() {
		c := Config{Preset: name}
		file, _, err := c.NewSecret("webhook-secret", "dev", nil, time.Time{})
		if err != nil && !p.Schemes[0].Alg.isAsymmetric() {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if got := strings.Join(mustNew(t, c, file).Warnings(), "\n"); strings.Contains(got, "shorter") {
			t.Errorf("%s: got %q", name, got)
		}
	}
	c := Config{Scheme: Scheme{Alg: Ed25519, Signature: Signature{Headers: []string{"X-Sig"}}, Key: KeyForm{Encoding: KeyHex}}}
	if _, _, err := c.NewSecret("", "dev", nil, time.Time{}); err == nil {
		t.Error("a public key was made up")
	}
}

func TestUnknownPreset(t *testing.T) {
	var c Config
	for _, f := range c.Fields() {
		if f.Name != "preset" {
			continue
		}
		if err := f.Value.Set("githib"); err == nil || !strings.HasPrefix(err.Error(), "there is no such sender; did you mean github?; the names are ") || !strings.Contains(err.Error(), "github") {
			t.Errorf("got %v", err)
		}
		if err := f.Value.Set("github"); err != nil || c.Preset != "github" {
			t.Errorf("got %q and %v", c.Preset, err)
		}
	}
}

func TestChallenge(t *testing.T) {
	if got, want := mustNew(t, Config{}, key).Challenge("fn", auth.BadSignature), `Signature realm="fn"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzSignature holds that of all texts in the signature's header only the
// signature itself is admitted, in either case of its hex digits.
func FuzzSignature(f *testing.F) {
	const body = "body"
	good := signature(key, body)
	for _, s := range []string{good, strings.ToUpper(good), good + ",", " " + good, "sha256=", good[7:], good + good} {
		f.Add(s)
	}
	m := mustNew(f, Config{}, key)
	f.Fuzz(func(t *testing.T, value string) {
		r := post(body)
		r.Header["X-Hub-Signature-256"] = []string{value}
		if _, got := authtest.Ask(m, r); got == auth.Admitted && (!strings.HasPrefix(value, "sha256=") || strings.ToLower(value[7:]) != good[7:]) {
			t.Errorf("%q was admitted", value)
		}
	})
}

// TestJSONCosts: what has not been proved costs no more memory than itself, and
// names that some parser takes for one are one.
func TestJSONCosts(t *testing.T) {
	zeros := `{"notificationItems":[` + strings.Repeat("0,", 1<<18) + `0]}`
	for name, look := range map[string]func(){
		"elements": func() {
			if list, err := jsonArray([]byte(zeros), "notificationItems", maxItems); err != nil || len(list) != maxItems+1 {
				t.Errorf("got %d elements and %v, want %d", len(list), err, maxItems+1)
			}
		},
		"no object": func() { _, _ = jsonValues([]byte(zeros[21:len(zeros)-1]), []string{"a.b"}) },
		"names":     func() { _, _ = jsonValues([]byte(`{`+strings.Repeat(`"a":0,`, 1<<16)+`"c":0}`), []string{"b.c"}) },
	} {
		if n := testing.AllocsPerRun(3, look); n > 1<<17 {
			t.Errorf("%s: %.0f allocations", name, n)
		}
	}
	for _, body := range []string{`{"items":1,"ITEMS":2}`, `{"items":1,"item\u017f":2}`, "{\"items\":1,\"item\u017f\":2}", `{"items":1,"\u0069tems":2}`} {
		if values, err := jsonValues([]byte(body), []string{"items"}); err == nil {
			t.Errorf("%s: got %v, want it refused", body, values)
		}
	}
	for body, want := range map[string]string{
		` {"x":{"items":"no"},"items" : "a\n\u00e4" }`: "a\nä", `{"items":1e3}`: "1e3", `{"items":true}`: "", `{"items":["x"]}`: "", `[{"items":"x"}]`: "", `"items"`: "", `{"\u0069tems":"x"}`: "x",
	} {
		if values, err := jsonValues([]byte(body), []string{"items"}); err != nil || values["items"] != want {
			t.Errorf("%s: got %v and %v, want %q", body, values, err, want)
		}
	}
}

// TestSlowBody: a body that takes its time does not make the window longer.
func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustNew(t, Config{Preset: "slack", Tolerance: 2 * time.Second}, key)
		r := post("b")
		if _, err := Sign(Presets()["slack"].Schemes, r, []byte("b"), secret.New([]byte(key)), SignOptions{At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		late, w := io.Pipe()
		r.Body, r.ContentLength = late, -1
		go func() {
			time.Sleep(3 * time.Second)
			_, _ = io.WriteString(w, "b")
			_ = w.Close()
		}()
		if _, got := authtest.Ask(m, r); got != auth.Stale {
			t.Errorf("got %q, want it stale", got)
		}
	})
}

// FuzzItems holds that of all texts in a header with several items, one is
// admitted only if it has exactly one time, verbatim in the signature, and a
// signature over it among its items: it has one reading.
func FuzzItems(f *testing.F) {
	const body, at = "body", "1700000000"
	good := hexMAC(at + "." + body)
	for _, s := range []string{
		"t=" + at + ",v1=" + good, "v1=" + good + ",t=" + at, "t=" + at + ",v1=00,v1=" + good, "t=" + at + ",t=" + at + ",v1=" + good,
		"t=0" + at + ",v1=" + good, " t=" + at + " ,\tv1=" + good + ",v0=1", "t=" + at + ";v1=" + good, "T=" + at + ",V1=" + good, ",,,", "v1=" + good,
	} {
		f.Add(s)
	}
	m := mustNew(f, Config{Preset: "stripe"}, key)
	m.now = func() time.Time { return time.Unix(1700000000, 0) }
	f.Fuzz(func(t *testing.T, value string) {
		r := post(body)
		r.Header["Stripe-Signature"] = []string{value}
		if _, got := authtest.Ask(m, r); got != auth.Admitted {
			return
		}
		var times []string
		found := false
		for item := range strings.SplitSeq(value, ",") {
			item = strings.Trim(item, " \t")
			if text, ok := strings.CutPrefix(item, "t="); ok {
				times = append(times, text)
			}
			found = found || strings.HasPrefix(item, "v1=") && strings.EqualFold(item[3:], good)
		}
		if len(times) != 1 || times[0] != at || !found {
			t.Errorf("%q was admitted", value)
		}
	})
}

func hexMAC(message string) string {
	m := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(m, message)
	return hex.EncodeToString(m.Sum(nil))
}

// FuzzTime holds that a time that is read is written in one way: as we would
// write it or, of those with words, without anything around it.
func FuzzTime(f *testing.F) {
	for _, s := range []string{"1700000000", "+1700000000", " 1700000000", "1700000000 ", "1e9", "0x6553f100", "17000000000000000", "-1", "2023-11-14T22:13:20Z", "2023-11-14t22:13:20z", "Tue, 14 Nov 2023 22:13:20 GMT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range []TimeFormat{Unix, UnixMS, RFC3339, HTTPDate} {
			at, err := Time{Format: format}.parse(text)
			if err != nil {
				continue
			}
			switch format {
			case Unix, UnixMS:
				if again := (Time{Format: format}).format(at); text != again || len(text) > 16 {
					t.Errorf("%s: %q was read as %s", format, text, again)
				}
			default:
				if strings.TrimSpace(text) != text || text == "" {
					t.Errorf("%s: %q was read", format, text)
				}
			}
		}
	})
}

// FuzzJWT holds that a token that is taken apart is one that its sender could
// have written: three parts of base64url, put together again to the same text,
// with the algorithm that was asked for.
func FuzzJWT(f *testing.F) {
	part := base64.RawURLEncoding.EncodeToString
	head := part([]byte(`{"alg":"HS256"}`))
	for _, s := range []string{
		head + "." + part([]byte(`{"sha256":"x"}`)) + ".AAAA", head + "..", "..", head + "." + part([]byte(`{"a":1,"a":2}`)) + ".", part([]byte(`{"alg":"none"}`)) + ".e30.",
		part([]byte(`{"alg":"HS256","alg":"none"}`)) + ".e30.AA", part([]byte(`{"alg":"HS256","crit":["x"]}`)) + ".e30.AA", "a.b.c.d",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := parseJWT(text, SHA256, "sha256")
		if err != nil {
			return
		}
		if again := token.signed + "." + part(token.signature); again != text {
			t.Errorf("%q was read as %q", text, again)
		}
		b, _ := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[0])
		var header struct{ Alg string }
		if err := json.Unmarshal(b, &header); err != nil || header.Alg != "HS256" {
			t.Errorf("%q was read with the header %s", text, b)
		}
	})
}

// FuzzTemplate holds that what is signed is the template with each placeholder
// replaced once: no text that is put in is read again.
func FuzzTemplate(f *testing.F) {
	f.Add("{body}", "b", "1")
	f.Add("v0:{time}:{body}", "{time}", "2")
	f.Add("{body}{body}", "{", "}")
	f.Fuzz(func(t *testing.T, signed, body, at string) {
		parsed, err := parseTemplate(signed)
		if err != nil {
			return
		}
		for _, p := range parsed { // which have a source of their own, or another form of it
			if slices.Contains([]string{"id", "header", "json", "json?", "url", "url_decoded", "form"}, p.kind) {
				return
			}
		}
		k := keyed{message: parsed}
		r := httptest.NewRequest("POST", "/p?q=1", strings.NewReader(body))
		pieces, err := k.pieces(&document{request: auth.NewRequest(r, auth.NewBuffers(1<<20, 2<<20))}, at, "")
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, p := range pieces {
			got.Write(p)
		}
		want := strings.NewReplacer("{body}", body, "{time}", at, "{method}", "POST", "{path}", "/p", "{query}", "q=1").Replace(signed)
		if got.String() != want {
			t.Errorf("%q: got %q, want %q", signed, got.String(), want)
		}
	})
}

// FuzzJSON holds that a text taken from a body is where encoding/json finds it
// too, and that it stands there once.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":{"b":"x"}}`, `{"a":{"b":"x","b":"y"}}`, `{"a":{"b":1e3}}`, `{"a":[]}`, `{"a":{"b":"x"}}x`, `[1]`, `"a"`, "{\"a\":{\"b\":\"\xae\xae\"}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		values, err := jsonValues([]byte(body), []string{"a.b"})
		text, found := values["a.b"]
		if err != nil || !found {
			return
		}
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber()
		var whole map[string]any
		if err := d.Decode(&whole); err != nil {
			t.Fatalf("%q: found %q, and encoding/json says %v", body, text, err)
		}
		inner, _ := whole["a"].(map[string]any)
		if got := fmt.Sprint(inner["b"]); got != text {
			t.Errorf("%q: found %q, and encoding/json finds %q", body, text, got)
		}
	})
}

// BenchmarkVerify compares what it costs to verify a body with hashing it.
func BenchmarkVerify(b *testing.B) {
	body := strings.Repeat("x", 1<<20)
	b.Run("hash", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			sum := sha256.Sum256([]byte(body))
			_ = sum
		}
	})
	b.Run("verify", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		m := mustNew(b, Config{}, key)
		sig := signature(key, body)
		for b.Loop() {
			r := post(body, "X-Hub-Signature-256: "+sig)
			if _, err := m.Authenticate(auth.NewRequest(r, auth.NewBuffers(2<<20, 4<<20))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify and remember", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		m := mustNew(b, Config{Replay: Replay{Keep: time.Hour}}, key)
		sig := signature(key, body)
		for b.Loop() {
			r := auth.NewRequest(post(body, "X-Hub-Signature-256: "+sig), auth.NewBuffers(2<<20, 4<<20))
			if _, err := m.Authenticate(r); err != nil {
				b.Fatal(err)
			}
			r.Settle(false)
		}
	})
}
