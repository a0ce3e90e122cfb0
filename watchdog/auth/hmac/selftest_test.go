package hmac

import (
	"errors"
	"strings"
	"testing"
	"time"

	"auth-watchdog/watchdog/secret"
)

// TestSelfTest breaks what the self-test is to notice.
func TestSelfTest(t *testing.T) {
	m := mustNew(t, Config{Preset: "github"}, key)
	if err := m.test(); err != nil {
		t.Fatal(err)
	}
	m.schemes[0].message = template{{"text", "x"}} // a body that is not looked at
	if err := m.test(); !errors.Is(err, ErrSelfTest) {
		t.Errorf("got %v, want ErrSelfTest", err)
	}

	before := algorithms[SHA256]
	algorithms[SHA256] = func([]byte) (verifier, error) { return yes{}, nil }
	defer func() { algorithms[SHA256] = before }()
	if _, err := New("hook", Config{}, secret.New([]byte(key)), Options{}); !errors.Is(err, ErrSelfTest) {
		t.Errorf("with a verifier that admits everything: got %v, want ErrSelfTest", err)
	}
}

// yes is a verifier that is content with anything.
type yes struct{}

func (yes) verify(_, _ [][]byte) bool { return true }

// TestVectorsOfPresets: what stands in a literal is a request that is admitted.
func TestVectorsOfPresets(t *testing.T) {
	for name, p := range Presets() {
		if p.Vector.Secret == "" {
			continue
		}
		m, err := New(name, Config{Preset: name, Handshake: "off"}, secret.New([]byte(p.Vector.Secret)), Options{PublicURL: "https://gw.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.testVector(p.Vector); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p.Vector.Body += "x"
		if err := m.testVector(p.Vector); !errors.Is(err, ErrSelfTest) {
			t.Errorf("%s, with another body: got %v, want ErrSelfTest", name, err)
		}
	}
}

// TestWeaknesses: what is weak about a sender is said.
func TestWeaknesses(t *testing.T) {
	const long = "a-key-that-is-long-enough-for-every-sender-of-webhooks-0123456789"
	for preset, tt := range map[string]struct {
		config Config
		key    string
		want   string
	}{
		"mailgun":           {want: "the body is not signed"},
		"telegram":          {want: "the secret itself is sent"},
		"gitlab":            {key: "a-plain-token-of-gitlab-as-it-was-typed", want: "the secret itself is sent"},
		"trello":            {want: "HMAC-SHA1"},
		"twilio":            {want: "can move letters"},
		"shopify":           {want: "can send it again for ever; replay=24h"},
		"github":            {config: Config{Replay: Replay{Keep: 24 * time.Hour}}, want: "again after 24h0m0s, or after a restart"},
		"slack":             {config: Config{Replay: Replay{Off: true}}, want: "replay is off: who has seen a request can send it again within 10m0s"},
		"stripe":            {key: "whsec_cut-off-in-the-middle", want: "shorter than the 38 characters of Stripe's own keys"},
		"meta":              {want: "the sender's handshake (GET with `hub.verify_token`, which must be what `verify_token` says) is not answered: set verify_token"},
		"websub":            {want: "is not answered: set topics"},
		"svix":              {key: "c29tZS1rZXktb2YtMzItYnl0ZXMtb3Itc28tMDEyMw==", want: "if it is a public key, everybody who knows it can sign"},
		"standard-webhooks": {key: "whsec_c2hvcnQ=", want: "shorter than 16 bytes"},
	} {
		t.Run(preset, func(t *testing.T) {
			tt.config.Preset = preset
			if tt.key == "" {
				tt.key = long
			}
			m, err := New("hook", tt.config, secret.New([]byte(tt.key)), Options{PublicURL: "https://gw.example.com"})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(m.Warnings(), "\n"); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	m, err := New("hook", Config{Preset: "stripe"}, secret.New([]byte("whsec_"+long)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Warnings(); len(got) > 0 {
		t.Errorf("of a sender that has no weakness: got %q", got)
	}
}
