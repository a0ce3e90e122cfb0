package hmac

import (
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/secret"
)

func factsOf(e auth.Explanation) string {
	var b strings.Builder
	for _, f := range e.Facts {
		fmt.Fprintf(&b, "%s=%s\n", f.Name, f.Value)
	}
	return b.String()
}

// TestExplainCauses makes each of the usual mistakes and wants to be told which.
func TestExplainCauses(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	b64Key := base64.StdEncoding.EncodeToString([]byte(key))
	for name, tt := range map[string]struct {
		preset       string
		signed, ours string // the secret as the sender has it, and as we do
		body, sent   string // what was signed, and what came; the same if empty
		url          string // that was called, https://gw.example.com/hook if empty
		by           time.Duration
		want         string
	}{
		"a line ending in the sender's secret": {preset: "shopify", signed: key + "\n", ours: key, want: "with a line ending behind it"},
		"spaces in ours":                       {preset: "shopify", signed: key, ours: " " + key + " ", want: "without the spaces around it"},
		"quotes in ours":                       {preset: "shopify", signed: key, ours: `"` + key + `"`, want: "without the quotes around it"},
		"a whsec_ that stands for nothing":     {preset: "stripe", signed: key, ours: "whsec_" + key, want: "without its prefix whsec_, as text"},
		"a whsec_ that is base64":              {preset: "stripe", signed: key, ours: "whsec_" + b64Key, want: "decoded from base64 behind its prefix whsec_"},
		"base64":                               {preset: "shopify", signed: key, ours: b64Key, want: "decoded from base64: secret.encoding=base64"},
		"a line ending behind the body":        {preset: "shopify", signed: key, ours: key, body: "{}", sent: "{}\n", want: "over the body without the line ending"},
		"JSON that was written again":          {preset: "shopify", signed: key, ours: key, body: `{"a":1}`, sent: `{ "a": 1 }`, want: "over the body without white space in its JSON"},
		"JSON that was indented":               {preset: "shopify", signed: key, ours: key, body: "{\n  \"a\": 1\n}", sent: `{"a":1}`, want: "over the body with its JSON indented"},
		"a body that got lost":                 {preset: "shopify", signed: key, ours: key, body: "{}", sent: "-", want: "must be the very bytes"},
		"another secret":                       {preset: "shopify", signed: key, ours: "x" + key, want: "another secret than the 1 of webhook-secret"},
		"http in the URL":                      {preset: "square", signed: key, ours: key, url: "http://gw.example.com/hook", want: "the sender calls http://gw.example.com: set public_url"},
		"another URL":                          {preset: "square", signed: key, ours: key, url: "https://other.example.com/x", want: "public_url is https://gw.example.com"},
		"late":                                 {preset: "slack", signed: key, ours: key, by: time.Hour, want: "it was signed 1h0m0s ago"},
		"early":                                {preset: "slack", signed: key, ours: key, by: -time.Hour, want: "this machine's clock is behind"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.body == "" {
				tt.body = "{}"
			}
			switch tt.sent {
			case "":
				tt.sent = tt.body
			case "-":
				tt.sent = ""
			}
			r := httptest.NewRequest("POST", "https://gw.example.com/hook", nil)
			if tt.url != "" {
				r = httptest.NewRequest("POST", tt.url, nil)
			}
			s := Presets()[tt.preset].Schemes[0]
			if strings.HasSuffix(tt.signed, "\n") { // which ours can't have
				s.Key.Encoding, tt.signed = KeyBase64, base64.StdEncoding.EncodeToString([]byte(tt.signed))
			}
			base := r.URL.Scheme + "://" + r.URL.Host
			if _, err := Sign([]Scheme{s}, r, []byte(tt.body), secret.New([]byte(tt.signed)), SignOptions{At: now, PublicURL: base}); err != nil {
				t.Fatal(err)
			}
			m, err := New("hook", Config{Preset: tt.preset}, secret.New([]byte(tt.ours)), Options{PublicURL: "https://gw.example.com", Now: func() time.Time { return now.Add(tt.by) }})
			if err != nil {
				t.Fatal(err)
			}
			came := httptest.NewRequest("POST", "/hook", strings.NewReader(tt.sent))
			came.Header = r.Header
			e := m.Explain(auth.NewRequest(came, auth.NewBuffers(1<<20, 1<<20)))
			if len(e.Causes) == 0 || !strings.Contains(e.Causes[0], tt.want) {
				t.Errorf("got %q, want %q first\n%s", e.Causes, tt.want, factsOf(e))
			}
			for _, secretText := range []string{key, b64Key} {
				if strings.Contains(fmt.Sprint(e), secretText) {
					t.Errorf("it says the secret: %v", e)
				}
			}
		})
	}
}

// TestExplainFacts: what was signed, by which key, and nothing that would help
// whoever forges.
func TestExplainFacts(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	r := post("hello")
	if _, err := Sign(Presets()["slack"].Schemes, r, []byte("hello"), secret.New([]byte(key)), SignOptions{At: now}); err != nil {
		t.Fatal(err)
	}
	m, err := New("hook", Config{Preset: "slack"}, secret.New([]byte("# old\nanother-key-of-slack\n"+key)), Options{Now: func() time.Time { return now.Add(time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	good := factsOf(m.Explain(auth.NewRequest(r, auth.NewBuffers(1<<20, 1<<20))))
	for _, want := range []string{
		"preset=slack\n", "algorithm=hmac-sha256\n", "signature_from=header X-Slack-Signature\n", "signatures=1\n", "time=1800000000\n", "age=1m0s\n",
		"tolerance=5m0s\n", "template=v0:{time}:{body}\n", "signed_bytes=19\n", "signed_sha256=" + hexSHA256([]byte("v0:1800000000:hello")) + "\n", "key=line-3\n",
	} {
		if !strings.Contains(good, want) {
			t.Errorf("got\n%swant %s", good, want)
		}
	}
	bad := post("hello", "X-Slack-Request-Timestamp: 1800000000", "X-Slack-Signature: v0="+strings.Repeat("0", 64))
	text := fmt.Sprint(m.Explain(auth.NewRequest(bad, auth.NewBuffers(1<<20, 1<<20))))
	if right := r.Header.Get("X-Slack-Signature")[3:]; strings.Contains(text, right) {
		t.Errorf("it says what would be right: %s", text)
	}
	if !strings.Contains(text, "none of 2") {
		t.Errorf("got %s, want none of 2 keys", text)
	}
}

func TestExplainAbsent(t *testing.T) {
	for name, tt := range map[string]struct {
		preset string
		header string
		want   string
	}{
		"nothing":                {"github", "X-Other: x", "the sender has no secret yet"},
		"without the prefix":     {"github", "X-Hub-Signature-256: 00", `nothing in it begins with "sha256="`},
		"of another sender":      {"github", "Stripe-Signature: t=1,v1=00", "as Stripe sends it: preset=stripe"},
		"another in base64":      {"github", "X-Hub-Signature-256: sha256=" + base64.StdEncoding.EncodeToString(make([]byte, 32)), "looks like hmac-sha256 in base64"},
		"SHA-1 in place of more": {"github", "X-Hub-Signature-256: sha256=" + strings.Repeat("0", 40), "looks like hmac-sha1 in hex"},
	} {
		t.Run(name, func(t *testing.T) {
			e := mustNew(t, Config{Preset: tt.preset}, key).Explain(auth.NewRequest(post("b", tt.header), auth.NewBuffers(1<<20, 1<<20)))
			if !strings.Contains(strings.Join(e.Causes, "\n"), tt.want) {
				t.Errorf("got %q, want %q", e.Causes, tt.want)
			}
		})
	}
}
