package interop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	stdhmac "crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adyen/adyen-go-api-library/v6/src/hmacvalidator"
	"github.com/adyen/adyen-go-api-library/v6/src/notification"
	shopify "github.com/bold-commerce/go-shopify/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-github/v88/github"
	line "github.com/line/line-bot-sdk-go/v8/linebot/webhook"
	"github.com/nicklaw5/helix/v2"
	razorpay "github.com/razorpay/razorpay-go/utils"
	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stripe/stripe-go/v85/webhook"
	svix "github.com/svix/svix-webhooks/go"
	twilio "github.com/twilio/twilio-go/client"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/auth/hmac"
	"auth-watchdog/watchdog/secret"
)

// bySDK is the sender of that SDK.
func bySDK(t *testing.T, sdk string) sender {
	t.Helper()
	for _, s := range senders(t) {
		if s.sdk == sdk {
			return s
		}
	}
	t.Fatalf("there is no sender of %s", sdk)
	return sender{}
}

// decide asks as a gate does, which also refuses two lines of one header. If
// served is set, the function did what was asked.
func decide(t *testing.T, m auth.Method, q sent, served bool) auth.Reason {
	t.Helper()
	policy, err := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{m}})
	if err != nil {
		t.Fatal(err)
	}
	asked := auth.NewRequest(q.request(), auth.NewBuffers(1<<20, 2<<20))
	defer asked.Settle(served)
	return policy.Decide(asked).Reason
}

func mac(h func() hash.Hash, key, text string) []byte {
	m := stdhmac.New(h, []byte(key))
	_, _ = m.Write([]byte(text)) // never fails
	return m.Sum(nil)
}

// TestStricter has what SDKs admit and the method refuses.
func TestStricter(t *testing.T) {
	now := time.Now()
	unix := strconv.FormatInt(now.Unix(), 10)
	signed := func(sdk string, at time.Time) (sender, sent) {
		s := bySDK(t, sdk)
		return s, s.signed(t, at)
	}
	type row struct {
		name string
		s    sender
		q    sent
		want auth.Reason
	}
	var rows []row
	add := func(name string, s sender, q sent, want auth.Reason) { rows = append(rows, row{name, s, q, want}) }

	// Signed in the future: whoever made the sender's clock wrong once has
	// requests that are good for as long as they like.
	s, q := signed("stripe-go", now.Add(time.Hour))
	add("the future", s, q, auth.Stale)

	// Signed long ago: what an SDK without a clock admits for ever.
	for _, sdk := range []string{"discordgo", "sendgrid-go", "mailgun-go", "helix"} {
		s, q = signed(sdk, now.Add(-24*time.Hour))
		add("long ago", s, q, auth.Stale)
	}
	s, q = signed("paddle-go-sdk", now.Add(-24*time.Hour))
	s.verify = paddleVerify() // as its documents begin: without a tolerance
	add("long ago", s, q, auth.Stale)

	// Two times beside one signature, of which the SDK takes the last.
	s, q = signed("stripe-go", now)
	q.header.Set("Stripe-Signature", "t=1,"+q.header.Get("Stripe-Signature"))
	add("two times", s, q, auth.Malformed)

	// A time in another spelling than was signed, or than any sender has.
	s, q = signed("stripe-go", now)
	q.header.Set("Stripe-Signature", strings.Replace(q.header.Get("Stripe-Signature"), "t=", "t=+", 1))
	add("a time with a sign", s, q, auth.Malformed)
	for _, sdk := range []string{"svix, svix-", "standard-webhooks"} {
		s, q = signed(sdk, now)
		name := "svix-timestamp"
		if q.header.Get(name) == "" {
			name = "webhook-timestamp"
		}
		q.header.Set(name, "+"+q.header.Get(name))
		add("a time with a sign", s, q, auth.Malformed)
		s, q = signed(sdk, now)
		q.header.Set(name, "0"+q.header.Get(name))
		add("a time with a zero before it", s, q, auth.Malformed)
	}
	s, q = signed("slack-go", now)
	q.header.Set("X-Slack-Request-Timestamp", "+"+unix)
	q.header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac(sha256.New, s.secret, "v0:+"+unix+":"+s.body)))
	add("a time with a sign", s, q, auth.Malformed)

	// Two lines of a header, of which the SDK takes the first and the function
	// may take the last.
	for sdk, name := range map[string]string{
		"stripe-go": "Stripe-Signature", "go-github": "X-Hub-Signature-256", "slack-go": "X-Slack-Request-Timestamp", "svix, svix-": "svix-id",
		"discordgo": "X-Signature-Timestamp", "twilio-go, a form": "X-Twilio-Signature", "paddle-go-sdk": "Paddle-Signature",
		"go-pagerduty": "X-PagerDuty-Signature", "helix": "Twitch-Eventsub-Message-Id", "line-bot-sdk-go": "X-Line-Signature",
	} {
		s, q = signed(sdk, now)
		q.header.Add(name, q.header.Get(name)+"0")
		add("two lines of "+name, s, q, auth.TwoCredentials)
	}

	// The headers of one of Svix's names are not whole, so the SDK goes by those
	// of the other.
	s, q = signed("svix, webhook-", now) // Sign makes those of the preset's first scheme
	for _, name := range []string{"id", "timestamp", "signature"} {
		q.header.Set("webhook-"+name, q.header.Get("svix-"+name))
	}
	q.header.Del("svix-id")
	q.header.Set("svix-signature", "v1,"+base64.StdEncoding.EncodeToString(make([]byte, sha256.Size)))
	add("headers of two names", s, q, auth.Malformed)

	// The hash that GitHub keeps for old receivers only.
	s, q = signed("go-github", now)
	q.header.Del("X-Hub-Signature-256")
	q.header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(mac(sha1.New, s.secret, s.body)))
	add("SHA-1", s, q, auth.NoCredential)

	// One signature in two spellings, by the bits that base64 has to spare: who
	// remembers signatures as they are written takes the second for a new one.
	for sdk, name := range map[string]string{"line-bot-sdk-go": "X-Line-Signature", "go-shopify": "X-Shopify-Hmac-Sha256"} {
		s, q = signed(sdk, now)
		q.header.Set(name, respelled(t, q.header.Get(name)))
		add("another spelling of base64", s, q, auth.Malformed)
	}

	// Bytes after a signature in DER, likewise.
	s, q = signed("sendgrid-go", now)
	der, err := base64.StdEncoding.DecodeString(q.header.Get(eventwebhook.VerificationHTTPHeader))
	if err != nil {
		t.Fatal(err)
	}
	q.header.Set(eventwebhook.VerificationHTTPHeader, base64.StdEncoding.EncodeToString(append(der, 0)))
	add("bytes after the signature", s, q, auth.BadSignature)

	// A value that was not signed, behind the one of the same name that was.
	s, q = signed("twilio-go, a form", now)
	add("a second value", s, q.with([]byte(s.body+"&Body=more")), auth.BadSignature)

	// A form that says it is something else: the function would read what was
	// not signed.
	s, q = signed("twilio-go, a form", now)
	q.header.Set("Content-Type", "application/json")
	add("a form as JSON", s, q, auth.Malformed)

	// A name that stands twice, of which parsers take the first or the last.
	s, q = signed("adyen-go-api-library", now)
	twice := bytes.Replace(q.body, []byte(`"eventCode":`), []byte(`"eventCode":"REFUND","eventCode":`), 1)
	add("a name twice", s, q.with(twice), auth.Malformed)

	// The items that the SDK hands out are all the last one, by a variable that
	// is shared among the rounds of its loop.
	s, q = signed("adyen-go-api-library", now)
	s.verify = func(_ *http.Request, body []byte) error {
		n, err := new(notification.NotificationService).HandleNotificationRequest(string(body))
		if err != nil {
			return err
		}
		for _, i := range n.GetNotificationItems() {
			if !hmacvalidator.ValidateHmac(*i, adyenKey) {
				return errRefused
			}
		}
		return nil
	}
	add("an item that is not the last", s, q.with(bytes.Replace(q.body, []byte("1130"), []byte("9130"), 1)), auth.BadSignature)

	for _, tt := range rows {
		t.Run(tt.s.sdk+"/"+tt.name, func(t *testing.T) {
			if err := tt.s.ask(tt.q); err != nil {
				t.Errorf("the SDK refuses it too: %v", err)
			}
			if got := decide(t, tt.s.new(t), tt.q, false); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// respelled sets a bit of the last character of base64 that no byte has.
func respelled(t *testing.T, text string) string {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	bare := strings.TrimRight(text, "=")
	if len(bare) == len(text) {
		t.Fatalf("%q has no bits to spare", text)
	}
	last := strings.IndexByte(alphabet, bare[len(bare)-1])
	return bare[:len(bare)-1] + string(alphabet[last|1]) + text[len(bare):]
}

// TestServedOnce sends what is good twice: the SDKs have no memory.
func TestServedOnce(t *testing.T) {
	for _, s := range senders(t) {
		if s.tolerance() == 0 {
			continue
		}
		t.Run(s.sdk+"/"+s.preset, func(t *testing.T) {
			m := s.new(t)
			q := s.signed(t, time.Now())
			if err := s.ask(q); err != nil {
				t.Fatal(err)
			}
			if err := s.ask(q); err != nil {
				t.Errorf("the SDK refuses it too: %v", err)
			}
			got := []auth.Reason{decide(t, m, q, true), decide(t, m, q, true)}
			if d := cmp.Diff([]auth.Reason{auth.Admitted, auth.Replayed}, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestNoKeyIsNoMethod has secrets that were left empty: with them the SDKs admit
// what anybody can sign, and there is no method.
func TestNoKeyIsNoMethod(t *testing.T) {
	const body = `{"object":"event","data":{"object":{}}}`
	now := time.Now()
	unix := strconv.FormatInt(now.Unix(), 10)
	inHex := hex.EncodeToString(mac(sha256.New, "", body))
	inBase64 := base64.StdEncoding.EncodeToString(mac(sha256.New, "", body))
	standard := http.Header{}
	standardHeaders(standard, "webhook-", now, "v1,"+base64.StdEncoding.EncodeToString(mac(sha256.New, "", "msg_1."+unix+"."+body)))
	twitch := http.Header{
		"Twitch-Eventsub-Message-Id": {"1"}, "Twitch-Eventsub-Message-Timestamp": {"2"},
		"Twitch-Eventsub-Message-Signature": {"sha256=" + hex.EncodeToString(mac(sha256.New, "", "12"+body))},
	}
	post := func(name, value string) *http.Request {
		return sent{http.MethodPost, "/", http.Header{"Content-Type": {"application/json"}, name: {value}}, []byte(body)}.request()
	}
	for _, tt := range []struct {
		preset string
		bare   []string // what is empty once it is decoded
		verify func() error
	}{
		{"stripe", nil, func() error {
			return webhook.ValidatePayload([]byte(body), fmt.Sprintf("t=%s,v1=%x", unix, mac(sha256.New, "", unix+"."+body)), "")
		}},
		{"github", nil, func() error { // not signed at all
			_, err := github.ValidatePayload(post("X-Github-Event", "push"), nil)
			return err
		}},
		{"svix", []string{"whsec_"}, func() error {
			w, err := svix.NewWebhook("whsec_")
			if err != nil {
				return err
			}
			return w.Verify([]byte(body), standard)
		}},
		{"standard-webhooks", []string{"whsec_"}, func() error {
			w, err := standardwebhooks.NewWebhook("whsec_")
			if err != nil {
				return err
			}
			return w.Verify([]byte(body), standard)
		}},
		{"twilio", nil, func() error {
			v := twilio.NewRequestValidator("")
			return verdict(v.Validate(publicURL, nil, base64.StdEncoding.EncodeToString(mac(sha1.New, "", publicURL))))
		}},
		{"shopify", nil, func() error {
			return verdict(shopify.App{}.VerifyWebhookRequest(post("X-Shopify-Hmac-Sha256", inBase64)))
		}},
		{"twitch", nil, func() error { return verdict(helix.VerifyEventSubNotification("", twitch, body)) }},
		{"line", nil, func() error { return verdict(line.ValidateSignature("", inBase64, []byte(body))) }},
		{"razorpay", nil, func() error { return verdict(razorpay.VerifyWebhookSignature(body, inHex, "")) }},
		{"adyen-payments", nil, func() error {
			i := notification.NotificationRequestItem{}
			signature, err := hmacvalidator.CalculateHmac(i, "")
			if err != nil {
				return err
			}
			i.AdditionalData = &map[string]any{"hmacSignature": signature}
			return verdict(hmacvalidator.ValidateHmac(i, ""))
		}},
	} {
		t.Run(tt.preset, func(t *testing.T) {
			if err := tt.verify(); err != nil {
				t.Errorf("the SDK refuses it too: %v", err)
			}
			for _, text := range append([]string{"", "\n", " \n", "# none yet\n"}, tt.bare...) {
				_, err := hmac.New("hook", hmac.Config{Preset: tt.preset}, secret.New([]byte(text)), hmac.Options{PublicURL: publicURL})
				if err == nil {
					t.Errorf("there is a method over the secret %q", text)
				}
			}
		})
	}
}

// TestCurves has keys that the SDK takes and SendGrid does not have.
func TestCurves(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := base64.StdEncoding.EncodeToString(der)
	sum := sha256.Sum256([]byte("1[]"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	r := sent{http.MethodPost, "/", http.Header{
		eventwebhook.TimestampHTTPHeader:    {"1"},
		eventwebhook.VerificationHTTPHeader: {base64.StdEncoding.EncodeToString(signature)},
	}, []byte("[]")}.request()
	if err := sendgridVerify(public, r, []byte("[]")); err != nil {
		t.Errorf("the SDK refuses it too: %v", err)
	}
	if _, err := hmac.New("hook", hmac.Config{Preset: "sendgrid"}, secret.New([]byte(public)), hmac.Options{}); err == nil {
		t.Error("there is a method over a key on the curve P-224")
	}
}
