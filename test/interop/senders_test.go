package interop

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/PaddleHQ/paddle-go-sdk/v4"
	"github.com/PagerDuty/go-pagerduty/webhookv3"
	"github.com/adyen/adyen-go-api-library/v6/src/hmacvalidator"
	"github.com/adyen/adyen-go-api-library/v6/src/notification"
	shopify "github.com/bold-commerce/go-shopify/v4"
	"github.com/bwmarrin/discordgo"
	"github.com/google/go-github/v88/github"
	line "github.com/line/line-bot-sdk-go/v8/linebot/webhook"
	"github.com/mailgun/mailgun-go/v4"
	"github.com/nicklaw5/helix/v2"
	razorpay "github.com/razorpay/razorpay-go/utils"
	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"
	"github.com/slack-go/slack"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stripe/stripe-go/v85/webhook"
	svix "github.com/svix/svix-webhooks/go"
	twilio "github.com/twilio/twilio-go/client"
)

// Keys of the form and length that the senders give out.
const (
	text32   = "interop-canary-secret-0123456789"
	whsec    = "whsec_aW50ZXJvcC1jYW5hcnktc2VjcmV0LTAxMjM0NTY3ODk="
	adyenKey = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
)

// senders are all that there is an SDK for.
func senders(t *testing.T) []sender {
	t.Helper()
	ed25519Public, ed25519Private := newEd25519(t)
	ecdsaPublic, ecdsaPrivate := newECDSA(t, elliptic.P256())
	const event = `{"id":"evt_1","object":"event","type":"a.b","data":{"object":{"text":"<é> & ü"}}}`
	return []sender{
		{
			sdk: "stripe-go", preset: "stripe", secret: "whsec_" + text32, body: event,
			judgesTime: true, verify: stripeVerify("whsec_" + text32),
			sign: func(_ *testing.T, h http.Header, body []byte, at time.Time) []byte {
				p := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: "whsec_" + text32, Timestamp: at})
				h.Set("Stripe-Signature", p.Header)
				return p.Payload
			},
		},
		{sdk: "go-github", preset: "github", secret: text32, body: event, verify: githubVerify},
		{
			sdk: "go-github, a form", preset: "github", secret: text32, form: true, body: "payload=%7B%22zen%22%3A%22Keep+it%22%7D",
			verify: githubVerify,
		},
		{sdk: "slack-go", preset: "slack", secret: text32, body: event, judgesTime: true, verify: slackVerify},
		{
			sdk: "slack-go, a slash command", preset: "slack", secret: text32, form: true, body: "command=%2Fweather&text=94070",
			judgesTime: true, verify: slackVerify,
		},
		{
			sdk: "discordgo", preset: "discord", secret: hex.EncodeToString(ed25519Public), key: ed25519Private,
			body:   `{"type":2,"data":{"name":"hello"}}`,
			verify: func(r *http.Request, _ []byte) error { return verdict(discordgo.VerifyInteraction(r, ed25519Public)) },
		},
		svixSender("svix", "svix-"),
		svixSender("svix", "webhook-"),
		svixSender("standard-webhooks", "webhook-"),
		standardSender("standard-webhooks"),
		standardSender("gitlab"), // its signing tokens
		{
			sdk: "standard-webhooks", preset: "polar", secret: "polar_whs_" + text32, body: event, judgesTime: true,
			verify: func(r *http.Request, body []byte) error {
				w, err := standardwebhooks.NewWebhookRaw([]byte("polar_whs_" + text32))
				if err != nil {
					return err
				}
				return w.Verify(body, r.Header)
			},
		},
		{
			sdk: "twilio-go, a form", preset: "twilio", secret: text32, form: true, target: "/sms?a=1&b=x%20y",
			body: "To=%2B18005551212&From=%2B14158675309&Body=a+b%26c&CallSid=CA1&a=&A=2", verify: twilioVerify,
		},
		{sdk: "twilio-go, JSON", preset: "twilio", secret: text32, target: "/events?a=1", body: event, verify: twilioVerify},
		{sdk: "twilio-go, GET", preset: "twilio", secret: text32, method: http.MethodGet, target: "/voice?From=%2B14158675309&Digits=1", verify: twilioVerify},
		{
			sdk: "mailgun-go", preset: "mailgun", secret: text32, body: `{"signature":{"timestamp":"0"},"event-data":{"event":"opened"}}`,
			covered: regexp.MustCompile(`"(?:timestamp|token)":"([^"]+)"`),
			verify:  mailgunVerify,
		},
		{
			sdk: "sendgrid-go", preset: "sendgrid", secret: base64.StdEncoding.EncodeToString(ecdsaPublic), key: ecdsaPrivate,
			body: "[" + event + "]\r\n",
			verify: func(r *http.Request, body []byte) error {
				return sendgridVerify(base64.StdEncoding.EncodeToString(ecdsaPublic), r, body)
			},
		},
		{
			sdk: "paddle-go-sdk", preset: "paddle", secret: "pdl_ntfset_" + text32, body: event, judgesTime: true,
			verify: paddleVerify(paddle.VerifierWithTimestampTolerance(5 * time.Minute)),
		},
		{
			sdk: "go-shopify", preset: "shopify", secret: text32, body: event,
			verify: func(r *http.Request, _ []byte) error {
				_, err := shopify.App{ApiSecret: text32}.VerifyWebhookRequestVerbose(r)
				return err
			},
		},
		{
			sdk: "helix", preset: "twitch", secret: text32, body: event,
			verify: func(r *http.Request, body []byte) error {
				return verdict(helix.VerifyEventSubNotification(text32, r.Header, string(body)))
			},
		},
		{
			sdk: "adyen-go-api-library", preset: "adyen-payments", secret: adyenKey,
			body: `{"live":"false","notificationItems":[` + adyenItem("7914073381342284", "") + `,` + adyenItem("7914073381342285", "7914073381342284") + `]}`,
			// What is signed of an item, with the quotes of texts left out.
			covered: regexp.MustCompile(`"(?:pspReference|originalReference|merchantAccountCode|merchantReference|value|currency|eventCode|success)":"?([^",}]+)`),
			verify:  func(_ *http.Request, body []byte) error { return adyenVerify(body) },
			sign: func(t *testing.T, _ http.Header, body []byte, _ time.Time) []byte {
				return adyenSign(t, body)
			},
		},
		{
			sdk: "line-bot-sdk-go", preset: "line", secret: text32, body: event,
			verify: func(r *http.Request, body []byte) error {
				return verdict(line.ValidateSignature(text32, r.Header.Get("X-Line-Signature"), body))
			},
		},
		{
			sdk: "go-pagerduty", preset: "pagerduty", secret: text32, body: event,
			verify: func(r *http.Request, _ []byte) error { return webhookv3.VerifySignature(r, text32) },
		},
		{
			sdk: "razorpay-go", preset: "razorpay", secret: text32, body: event,
			verify: func(r *http.Request, body []byte) error {
				return verdict(razorpay.VerifyWebhookSignature(string(body), r.Header.Get("X-Razorpay-Signature"), text32))
			},
		},
	}
}

func stripeVerify(key string) func(*http.Request, []byte) error {
	return func(r *http.Request, body []byte) error {
		_, err := webhook.ConstructEventWithOptions(body, r.Header.Get("Stripe-Signature"), key, webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
		return err
	}
}

func githubVerify(r *http.Request, _ []byte) error {
	_, err := github.ValidatePayload(r, []byte(text32))
	return err
}

func slackVerify(r *http.Request, body []byte) error {
	v, err := slack.NewSecretsVerifier(r.Header, text32)
	if err != nil {
		return err
	}
	if _, err = v.Write(body); err != nil {
		return err
	}
	return v.Ensure()
}

// svixSender signs with headers of that prefix. Sign takes a preset's first, so
// what it makes is the preset's and not always of the prefix.
func svixSender(preset, prefix string) sender {
	return sender{
		sdk: "svix, " + prefix, preset: preset, secret: whsec, body: `{"type":"a.b","text":"<é> & ü"}`, judgesTime: true,
		verify: func(r *http.Request, body []byte) error {
			w, err := svix.NewWebhook(whsec)
			if err != nil {
				return err
			}
			return w.Verify(body, r.Header)
		},
		sign: func(t *testing.T, h http.Header, body []byte, at time.Time) []byte {
			w, err := svix.NewWebhook(whsec)
			if err != nil {
				t.Fatal(err)
			}
			signature, err := w.Sign("msg_1", at, body)
			if err != nil {
				t.Fatal(err)
			}
			standardHeaders(h, prefix, at, signature)
			return body
		},
	}
}

func standardSender(preset string) sender {
	s := svixSender(preset, "webhook-")
	s.sdk = "standard-webhooks"
	s.verify = standardVerify
	s.sign = func(t *testing.T, h http.Header, body []byte, at time.Time) []byte {
		w, err := standardwebhooks.NewWebhook(whsec)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := w.Sign("msg_1", at, body)
		if err != nil {
			t.Fatal(err)
		}
		standardHeaders(h, "webhook-", at, signature)
		return body
	}
	return s
}

func standardHeaders(h http.Header, prefix string, at time.Time, signature string) {
	h.Set(prefix+"id", "msg_1")
	h.Set(prefix+"timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set(prefix+"signature", signature)
}

func standardVerify(r *http.Request, body []byte) error {
	w, err := standardwebhooks.NewWebhook(whsec)
	if err != nil {
		return err
	}
	return w.Verify(body, r.Header)
}

// twilioVerify gives the SDK what a handler behind a proxy would: the URL that
// was called. Its ValidateBody takes a GET too.
func twilioVerify(r *http.Request, body []byte) error {
	v := twilio.NewRequestValidator(text32)
	return verdict(v.ValidateBody(publicURL+r.URL.RequestURI(), body, r.Header.Get("X-Twilio-Signature")))
}

func mailgunVerify(_ *http.Request, body []byte) error {
	m := mailgun.NewMailgun("example.com", "")
	m.SetWebhookSigningKey(text32)
	var p mailgun.WebhookPayload
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	good, err := m.VerifyWebhookSignature(p.Signature)
	if err != nil {
		return err
	}
	return verdict(good)
}

func sendgridVerify(key string, r *http.Request, body []byte) error {
	public, err := eventwebhook.ConvertPublicKeyBase64ToECDSA(key)
	if err != nil {
		return err
	}
	good, err := eventwebhook.VerifySignature(public, body, r.Header.Get(eventwebhook.VerificationHTTPHeader), r.Header.Get(eventwebhook.TimestampHTTPHeader))
	if err != nil {
		return err
	}
	return verdict(good)
}

func paddleVerify(o ...paddle.VerifierOption) func(*http.Request, []byte) error {
	return func(r *http.Request, _ []byte) error {
		good, err := paddle.NewWebhookVerifier("pdl_ntfset_"+text32, o...).Verify(r)
		if err != nil {
			return err
		}
		return verdict(good)
	}
}

func adyenItem(reference, original string) string {
	if original != "" {
		original = `,"originalReference":"` + original + `"`
	}
	return `{"NotificationRequestItem":{"additionalData":{},"amount":{"currency":"EUR","value":1130},"eventCode":"AUTHORISATION",` +
		`"merchantAccountCode":"TestMerchant","merchantReference":"Payment-1","pspReference":"` + reference + `","success":"true"` + original + `}}`
}

// adyenVerify wants every item to be good, as the method does. What the SDK's
// GetNotificationItems makes of several is in TestStricter.
func adyenVerify(body []byte) error {
	n, err := new(notification.NotificationService).HandleNotificationRequest(string(body))
	if err != nil {
		return err
	}
	for _, i := range *n.NotificationItems {
		if !hmacvalidator.ValidateHmac(i.NotificationRequestItem, adyenKey) {
			return errRefused
		}
	}
	return verdict(len(*n.NotificationItems) > 0)
}

// adyenSign signs as the SDK calculates, and writes the signatures where they
// belong without the SDK, whose types would not keep all of a body.
func adyenSign(t *testing.T, body []byte) []byte {
	t.Helper()
	n, err := new(notification.NotificationService).HandleNotificationRequest(string(body))
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	return regexp.MustCompile(`"additionalData":{}`).ReplaceAllFunc(body, func([]byte) []byte {
		signature, err := hmacvalidator.CalculateHmac((*n.NotificationItems)[next].NotificationRequestItem, adyenKey)
		if err != nil {
			t.Fatal(err)
		}
		next++
		return []byte(`"additionalData":{"hmacSignature":"` + signature + `"}`)
	})
}

// newEd25519 makes a public key, and the private one in PEM.
func newEd25519(t *testing.T) (ed25519.PublicKey, string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public, inPEM(t, private)
}

// newECDSA makes a public key in DER, and the private one in PEM.
func newECDSA(t *testing.T, c elliptic.Curve) (public []byte, private string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err = x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return public, inPEM(t, key)
}

func inPEM(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
