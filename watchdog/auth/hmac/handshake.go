package hmac

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"os"
	"slices"
	"strings"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/setting"
)

// A handshake is how a sender finds out whether an address is meant for it.
// Either may be nil.
type handshake struct {
	// open answers a request that anybody could have sent. What it gives away
	// has to be worth nothing.
	open func(m *Method, r *auth.Request) (*auth.Handshake, error)

	// signed answers a request that was verified.
	signed func(m *Method, r *auth.Request, rd *reading) (*auth.Handshake, error)

	by      string   // the HTTP method, if it is not the one of events
	headers []string // by which it is recognised
	needs   string   // the setting without which it can't be answered
	meaning string   // for people, in Markdown
}

// noHandshake has a method answer none.
const noHandshake = "off"

// handshakes are all there are, by their kinds.
var handshakes = map[string]handshake{
	"asana": {
		open: asana, headers: []string{"X-Hook-Secret"}, needs: "handshake_file",
		meaning: "`X-Hook-Secret` brings the secret; until `handshake_until` it is written to `handshake_file` and sent back",
	},
	"cloudevents": {
		open: cloudEvents, by: http.MethodOptions, headers: []string{"Webhook-Request-Origin"}, needs: "origins",
		meaning: "OPTIONS with `WebHook-Request-Origin`, if it is one of `origins`",
	},
	"discord":   {signed: discord, meaning: "a signed ping"},
	"dropbox":   {open: echo(http.MethodGet, "challenge"), by: http.MethodGet, meaning: "GET with `challenge`, which is sent back"},
	"eventgrid": {signed: eventGrid, headers: []string{"Aeg-Event-Type"}, meaning: "`aeg-event-type: SubscriptionValidation`, with the credential"},
	"graph":     {open: echo(http.MethodPost, "validationToken"), meaning: "POST with `validationToken`, which is sent back"},
	"head":      {open: head, by: http.MethodHead, meaning: "HEAD, which is answered 200"},
	"meta": {
		open: meta, by: http.MethodGet, needs: "verify_token",
		meaning: "GET with `hub.verify_token`, which must be what `verify_token` says",
	},
	"okta":   {signed: okta, by: http.MethodGet, headers: []string{oktaChallenge}, meaning: "GET with `X-Okta-Verification-Challenge`, with the credential"},
	"slack":  {signed: slack, meaning: "signed `url_verification`"},
	"twitch": {signed: twitch, headers: []string{twitchType}, meaning: "signed `webhook_callback_verification`"},
	"websub": {
		open: webSub, by: http.MethodGet, needs: "topics",
		meaning: "GET with `hub.topic`, if it is one of `topics`",
	},
	"x-crc": {open: xCRC, signed: noCRC, by: http.MethodGet, meaning: "GET with `crc_token`, of letters and digits only: with others, whoever asks could have events signed"},
	"zoom":  {signed: zoom, meaning: "signed `endpoint.url_validation`; unsigned ones are refused, or whoever asks could have events signed"},
}

// Handshakes yields the kinds in their order, with what they are in Markdown.
func Handshakes() iter.Seq2[string, string] {
	return func(yield func(kind, meaning string) bool) {
		for _, kind := range handshakeKinds() {
			if !yield(kind, handshakes[kind].meaning) {
				return
			}
		}
	}
}

const (
	oktaChallenge = "X-Okta-Verification-Challenge"
	twitchType    = "Twitch-Eventsub-Message-Type"
)

// HandshakeMethod is the HTTP method of the handshake that is answered, if it is
// another than that of events; a rule has to let it in.
func (m *Method) HandshakeMethod() string { return m.handshake.by }

// unsigned is what becomes of a request without a signature.
func (m *Method) unsigned(r *auth.Request) error {
	if m.handshake.open == nil {
		return auth.ErrNoCredential
	}
	h, err := m.handshake.open(m, r)
	if d := (*auth.Denied)(nil); errors.As(err, &d) && (d.Reason == auth.TwoReadings || d.Reason == auth.TwoCredentials) {
		return auth.ErrNoCredential // a query that is none of ours
	}
	if err != nil {
		return err
	}
	return m.answered(h, false)
}

// signed is the answer to a request that was verified, nil if it is for the
// function.
func (m *Method) signed(r *auth.Request, rd *reading) error {
	if m.handshake.signed == nil {
		return nil
	}
	h, err := m.handshake.signed(m, r, rd)
	if err != nil || h == nil {
		return err
	}
	return m.answered(h, true)
}

func (m *Method) answered(h *auth.Handshake, verified bool) error {
	if h == nil {
		return auth.ErrNoCredential
	}
	h.Kind, h.Verified = m.config.handshake(), verified
	return h
}

func text(s string) *auth.Handshake { return &auth.Handshake{Body: s} }

func jsonAnswer(v any) (*auth.Handshake, error) {
	b, err := json.Marshal(v)
	return &auth.Handshake{Header: http.Header{"Content-Type": {"application/json"}}, Body: string(b)}, err
}

// longestEcho is the most of a caller's words that is sent back.
const longestEcho = 1024

// isEcho reports whether a caller's word may be sent back to it.
func isEcho(s string) bool { return setting.IsPrintable(s) && len(s) <= longestEcho }

// isPlain reports whether s is a word in which no body of an event can hide:
// senders' random tokens are, and what they sign is not.
func isPlain(s string) bool {
	const longest = 200
	return s != "" && len(s) <= longest && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-") == ""
}

// bodyOf looks into a body that is verified and short, as handshakes are. What
// can't be read so is none.
func bodyOf(r *auth.Request, paths ...string) map[string]string {
	const longest = 16 << 10
	body, err := r.ReadBody()
	if err != nil || len(body) > longest {
		return nil
	}
	values, _ := jsonValues(body, paths)
	return values
}

// parameters returns query parameters that each come once at most.
func parameters(r *auth.Request, names ...string) (map[string]string, error) {
	values := map[string]string{}
	for _, name := range names {
		v, found, err := r.Parameter(name)
		if err != nil {
			return nil, err
		}
		if found {
			values[name] = v
		}
	}
	return values, nil
}

// meta is https://developers.facebook.com/docs/graph-api/webhooks/getting-started.
func meta(m *Method, r *auth.Request) (*auth.Handshake, error) {
	if r.Method != http.MethodGet || m.config.VerifyToken == "" {
		return nil, nil
	}
	q, err := parameters(r, "hub.mode", "hub.verify_token", "hub.challenge")
	if err != nil || q["hub.mode"] != "subscribe" {
		return nil, err
	}
	good := false
	for _, l := range m.token.Lines() {
		good = l.Equal([]byte(q["hub.verify_token"])) || good
	}
	if !good {
		return nil, &auth.Denied{Reason: auth.BadHandshake, Err: errors.New("hub.verify_token is not what verify_token says")}
	}
	if !isEcho(q["hub.challenge"]) {
		return nil, malformed("hub.challenge is not up to %d printable characters", longestEcho)
	}
	return text(q["hub.challenge"]), nil
}

// webSub is W3C WebSub §5.3.
func webSub(m *Method, r *auth.Request) (*auth.Handshake, error) {
	if r.Method != http.MethodGet || len(m.config.Topics) == 0 {
		return nil, nil
	}
	q, err := parameters(r, "hub.mode", "hub.topic", "hub.challenge")
	if err != nil || q["hub.mode"] != "subscribe" && q["hub.mode"] != "unsubscribe" {
		return nil, err
	}
	if !slices.Contains(m.config.Topics, q["hub.topic"]) {
		return nil, &auth.Denied{Reason: auth.UnknownTopic}
	}
	if !isEcho(q["hub.challenge"]) {
		return nil, malformed("hub.challenge is not up to %d printable characters", longestEcho)
	}
	return text(q["hub.challenge"]), nil
}

// echo sends back the one parameter of a request.
func echo(method, name string) func(*Method, *auth.Request) (*auth.Handshake, error) {
	return func(_ *Method, r *auth.Request) (*auth.Handshake, error) {
		if r.Method != method || strings.Contains(r.URL.RawQuery, "&") {
			return nil, nil
		}
		v, found, err := r.Parameter(name)
		if err != nil || !found {
			return nil, err
		}
		if !isEcho(v) {
			return nil, malformed("%s is not up to %d printable characters", name, longestEcho)
		}
		return text(v), nil
	}
}

func head(_ *Method, r *auth.Request) (*auth.Handshake, error) {
	if r.Method != http.MethodHead {
		return nil, nil
	}
	return text(""), nil
}

// xCRC is https://docs.x.com/x-api/webhooks/quickstart.
func xCRC(m *Method, r *auth.Request) (*auth.Handshake, error) {
	if r.Method != http.MethodGet {
		return nil, nil
	}
	token, found, err := r.Parameter("crc_token")
	if err != nil || !found {
		return nil, err
	}
	if !isPlain(token) {
		return nil, malformed("crc_token is not up to 200 letters and digits")
	}
	for _, s := range m.schemes {
		if len(s.keys) == 0 {
			continue
		}
		if key, ok := s.keys[0].verifier.(mac); ok {
			return jsonAnswer(map[string]string{"response_token": "sha256=" + base64.StdEncoding.EncodeToString(key.sum([][]byte{[]byte(token)}))})
		}
	}
	return nil, nil
}

// noCRC refuses a body that the handshake would have signed for anybody. No event
// is such a one.
func noCRC(_ *Method, r *auth.Request, _ *reading) (*auth.Handshake, error) {
	body, err := r.ReadBody()
	if err == nil && isPlain(string(body)) {
		err = &auth.Denied{Reason: auth.BadSignature, Err: errors.New("the body could be a crc_token, which is signed for anybody")}
	}
	return nil, err
}

// cloudEvents is the abuse protection of the HTTP 1.1 Web Hooks for Event
// Delivery, §4.
func cloudEvents(m *Method, r *auth.Request) (*auth.Handshake, error) {
	origin := r.Header.Get("Webhook-Request-Origin")
	if r.Method != http.MethodOptions || origin == "" || len(m.config.Origins) == 0 {
		return nil, nil
	}
	if !slices.Contains(m.config.Origins, origin) {
		return nil, &auth.Denied{Reason: auth.BadHandshake, Err: errors.New("the origin is not in origins")}
	}
	h := text("")
	h.Header = http.Header{"Webhook-Allowed-Origin": {origin}, "Webhook-Allowed-Rate": {"*"}}
	return h, nil
}

// asana is https://developers.asana.com/docs/webhooks-guide: the secret comes
// with the handshake. The first one that arrives in time is taken, and none
// after it.
func asana(m *Method, r *auth.Request) (*auth.Handshake, error) {
	value := r.Header.Get("X-Hook-Secret")
	if value == "" || m.config.HandshakeFile == "" || !m.now().Before(m.config.HandshakeUntil) {
		return nil, nil
	}
	if !isEcho(value) {
		return nil, malformed("X-Hook-Secret is not up to %d printable characters", longestEcho)
	}
	if err := m.keepSecret(value); err != nil {
		return nil, err
	}
	h := text("")
	h.Header = http.Header{"X-Hook-Secret": {value}}
	return h, nil
}

// keepSecret writes a secret that has arrived to the file for it.
func (m *Method) keepSecret(value string) error {
	if m.offline {
		return nil
	}
	f, err := os.OpenFile(m.config.HandshakeFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &auth.Denied{Reason: auth.BadHandshake, Err: errors.New("handshake_file has a secret already")}
	}
	if err == nil {
		_, err = f.WriteString(value + "\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("handshake_file: %w", err)
	}
	return nil
}

// slack is https://docs.slack.dev/reference/events/url_verification.
func slack(_ *Method, r *auth.Request, _ *reading) (*auth.Handshake, error) {
	v := bodyOf(r, "type", "challenge")
	if v["type"] != "url_verification" || !isEcho(v["challenge"]) {
		return nil, nil
	}
	return text(v["challenge"]), nil
}

// discord is https://docs.discord.com/developers/interactions/overview.
func discord(_ *Method, r *auth.Request, _ *reading) (*auth.Handshake, error) {
	if bodyOf(r, "type")["type"] != "1" {
		return nil, nil
	}
	return jsonAnswer(map[string]int{"type": 1})
}

// zoom is https://developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint.
func zoom(_ *Method, r *auth.Request, rd *reading) (*auth.Handshake, error) {
	v := bodyOf(r, "event", "payload.plainToken")
	token := v["payload.plainToken"]
	key, ok := rd.parts[0].key.(mac)
	if v["event"] != "endpoint.url_validation" || !isPlain(token) || !ok {
		return nil, nil
	}
	return jsonAnswer(map[string]string{"plainToken": token, "encryptedToken": hex.EncodeToString(key.sum([][]byte{[]byte(token)}))})
}

// twitch is https://dev.twitch.tv/docs/eventsub/handling-webhook-events.
func twitch(_ *Method, r *auth.Request, _ *reading) (*auth.Handshake, error) {
	challenge := bodyOf(r, "challenge")["challenge"]
	if r.Header.Get(twitchType) != "webhook_callback_verification" || !isEcho(challenge) {
		return nil, nil
	}
	return text(challenge), nil
}

// okta is https://developer.okta.com/docs/concepts/event-hooks.
func okta(_ *Method, r *auth.Request, _ *reading) (*auth.Handshake, error) {
	challenge := r.Header.Get(oktaChallenge)
	if r.Method != http.MethodGet || !isEcho(challenge) {
		return nil, nil
	}
	return jsonAnswer(map[string]string{"verification": challenge})
}

// eventGrid is https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema.
func eventGrid(_ *Method, r *auth.Request, _ *reading) (*auth.Handshake, error) {
	if r.Header.Get("Aeg-Event-Type") != "SubscriptionValidation" {
		return nil, nil
	}
	body, err := jsonBody(r)
	if err != nil {
		return nil, err
	}
	var events []struct {
		Data struct {
			ValidationCode string `json:"validationCode"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &events); err != nil || len(events) != 1 || !isEcho(events[0].Data.ValidationCode) {
		return nil, malformed("the body is not one event with a validationCode")
	}
	return jsonAnswer(map[string]string{"validationResponse": events[0].Data.ValidationCode})
}
