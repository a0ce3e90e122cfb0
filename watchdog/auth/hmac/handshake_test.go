package hmac

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/secret"
)

// TestHandshakes has senders ask whether the address is theirs. The function is
// never called, but for what is no handshake.
func TestHandshakes(t *testing.T) {
	const shared = "canary-secret-of-handshakes-0123"
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", 32)))
	der, _ := x509.MarshalPKCS8PrivateKey(private)
	privatePEM := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	public := hex.EncodeToString(private.Public().(ed25519.PublicKey)) //nolint:forcetypeassert // it is its own
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, []byte(shared))
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	topics := []string{"https://www.youtube.com/xml/feeds/videos.xml?channel_id=UC1"}
	const topic = "hub.mode=subscribe&hub.challenge=15027&hub.lease_seconds=432000&hub.topic="
	long := strings.Repeat("x", longestEcho+1)

	type ask struct {
		method, target, body string
		headers              []string
		sign                 bool
		status               int // 204 of the function
		want                 string
		reason               auth.Reason // if it is not the one of the status
	}
	for name, tt := range map[string]struct {
		config Config
		keys   string // shared if empty
		asks   map[string]ask
	}{
		"websub": {Config{Preset: "websub", Topics: topics}, "", map[string]ask{
			"wanted":     {method: "GET", target: "/?" + topic + url.QueryEscape(topics[0]), status: 200, want: "15027"},
			"foreign":    {method: "GET", target: "/?" + topic + "https%3A%2F%2Fevil.example%2F", status: 404},
			"twice":      {method: "GET", target: "/?" + topic + url.QueryEscape(topics[0]) + "&hub.topic=x", status: 401},
			"no echo":    {method: "GET", target: "/?hub.mode=subscribe&hub.challenge=%00&hub.topic=" + url.QueryEscape(topics[0]), status: 401},
			"by POST":    {method: "POST", target: "/?" + topic + url.QueryEscape(topics[0]), status: 401},
			"no mode":    {method: "GET", target: "/?hub.challenge=15027&hub.topic=" + url.QueryEscape(topics[0]), status: 401},
			"signed":     {method: "POST", target: "/", body: "b", sign: true, status: 204},
			"wrong mode": {method: "GET", target: "/?" + strings.Replace(topic, "subscribe", "denied", 1) + url.QueryEscape(topics[0]), status: 401},
		}},
		"websub without topics": {Config{Preset: "websub"}, "", map[string]ask{
			"any": {method: "GET", target: "/?" + topic + url.QueryEscape(topics[0]), status: 401},
		}},
		"meta": {Config{Preset: "meta", VerifyToken: "verify-token"}, "", map[string]ask{
			"right":      {method: "GET", target: "/?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock", status: 200, want: "1158201444"},
			"second":     {method: "GET", target: "/?hub.mode=subscribe&hub.challenge=1&hub.verify_token=nexttoken", status: 200, want: "1"},
			"wrong":      {method: "GET", target: "/?hub.mode=subscribe&hub.challenge=1&hub.verify_token=x", status: 403},
			"none":       {method: "GET", target: "/?hub.mode=subscribe&hub.challenge=1", status: 403},
			"markup":     {method: "GET", target: "/?hub.mode=subscribe&hub.challenge=%0d%0aa&hub.verify_token=meatyhamhock", status: 401},
			"app secret": {method: "GET", target: "/?hub.mode=subscribe&hub.challenge=1&hub.verify_token=" + shared, status: 403},
		}},
		"meta without a token": {Config{Preset: "meta"}, "", map[string]ask{
			"empty": {method: "GET", target: "/?hub.mode=subscribe&hub.challenge=1&hub.verify_token=", status: 401},
		}},
		"slack": {Config{Preset: "slack"}, "", map[string]ask{
			"signed":    {method: "POST", target: "/", body: `{"token":"t","challenge":"3eZbrw1aBm2rZ","type":"url_verification"}`, sign: true, status: 200, want: "3eZbrw1aBm2rZ"},
			"unsigned":  {method: "POST", target: "/", body: `{"challenge":"c","type":"url_verification"}`, status: 401},
			"an event":  {method: "POST", target: "/", body: `{"type":"event_callback"}`, sign: true, status: 204},
			"no JSON":   {method: "POST", target: "/", body: `payload=x`, sign: true, status: 204},
			"two types": {method: "POST", target: "/", body: `{"challenge":"c","type":"x","type":"url_verification"}`, sign: true, status: 204},
			"too long":  {method: "POST", target: "/", body: `{"challenge":"` + long + `","type":"url_verification"}`, sign: true, status: 204},
		}},
		"slack, switched off": {Config{Preset: "slack", Handshake: "off"}, "", map[string]ask{
			"signed": {method: "POST", target: "/", body: `{"challenge":"c","type":"url_verification"}`, sign: true, status: 204},
		}},
		"discord": {Config{Preset: "discord"}, public, map[string]ask{
			"signed":   {method: "POST", target: "/", body: `{"type":1}`, sign: true, status: 200, want: `{"type":1}`},
			"unsigned": {method: "POST", target: "/", body: `{"type":1}`, status: 401},
			"a command": {
				method: "POST", target: "/", body: `{"type":2}`, sign: true, status: 204,
			},
			"wrong on purpose": {
				method: "POST", target: "/", body: `{"type":1}`, status: 401, reason: auth.BadSignature,
				headers: []string{"X-Signature-Ed25519: " + strings.Repeat("00", 64), "X-Signature-Timestamp: NOW"},
			},
		}},
		"zoom": {Config{Preset: "zoom"}, "", map[string]ask{
			"signed": {
				method: "POST", target: "/", body: `{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event":"endpoint.url_validation"}`, sign: true,
				status: 200, want: `{"encryptedToken":"` + hex.EncodeToString(mac("qgg8vlvZRS6UYooatFL8Aw")) + `","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}`,
			},
			"unsigned: it would sign what anybody asks": {method: "POST", target: "/", body: `{"payload":{"plainToken":"a"},"event":"endpoint.url_validation"}`, status: 401},
			"signed, with an event for a token":         {method: "POST", target: "/", body: `{"payload":{"plainToken":"v0:1:{}"},"event":"endpoint.url_validation"}`, sign: true, status: 204},
		}},
		"twitch": {Config{Preset: "twitch"}, "", map[string]ask{
			"signed":         {method: "POST", target: "/", body: `{"challenge":"pogchamp"}`, headers: []string{twitchType + ": webhook_callback_verification"}, sign: true, status: 200, want: "pogchamp"},
			"unsigned":       {method: "POST", target: "/", body: `{"challenge":"pogchamp"}`, headers: []string{twitchType + ": webhook_callback_verification"}, status: 401},
			"a notification": {method: "POST", target: "/", body: `{"challenge":"pogchamp"}`, headers: []string{twitchType + ": notification"}, sign: true, status: 204},
		}},
		"x-crc": {Config{Preset: "x-twitter"}, "", map[string]ask{
			"a token": {method: "GET", target: "/?crc_token=dGVzdA-_", status: 200, want: `{"response_token":"sha256=` + base64.StdEncoding.EncodeToString(mac("dGVzdA-_")) + `"}`},
			"an event, which would be signed for whoever asks": {method: "GET", target: "/?crc_token=" + url.QueryEscape(`{"for_user_id":"1"}`), status: 401},
			"too long":                         {method: "GET", target: "/?crc_token=" + strings.Repeat("a", 201), status: 401},
			"empty":                            {method: "GET", target: "/?crc_token=", status: 401},
			"a body that it would have signed": {method: "POST", target: "/", body: "action=delete", sign: true, status: 401, reason: auth.BadSignature},
			"an event":                         {method: "POST", target: "/", body: `{"for_user_id":"1"}`, sign: true, status: 204},
			"by POST":                          {method: "POST", target: "/?crc_token=a", status: 401},
		}},
		"dropbox": {Config{Preset: "dropbox"}, "", map[string]ask{
			"asked":         {method: "GET", target: "/?challenge=abc%3Cb%3E", status: 200, want: "abc<b>"},
			"something too": {method: "GET", target: "/?challenge=abc&x=1", status: 401},
			"control":       {method: "GET", target: "/?challenge=%00", status: 401},
			"too long":      {method: "GET", target: "/?challenge=" + long, status: 401},
		}},
		"graph": {Config{Preset: "ms-graph"}, "", map[string]ask{
			"asked":  {method: "POST", target: "/?validationToken=Validation%3A+Testing", status: 200, want: "Validation: Testing"},
			"by GET": {method: "GET", target: "/?validationToken=x", status: 401},
		}},
		"okta": {Config{Preset: "okta"}, "", map[string]ask{
			"with the token":    {method: "GET", target: "/", headers: []string{oktaChallenge + ": abc", "Authorization: " + shared}, status: 200, want: `{"verification":"abc"}`},
			"without the token": {method: "GET", target: "/", headers: []string{oktaChallenge + ": abc"}, status: 401},
			"an event":          {method: "POST", target: "/", body: "{}", headers: []string{"Authorization: " + shared}, status: 204},
		}},
		"eventgrid": {Config{Preset: "event-grid"}, "", map[string]ask{
			"with the token":    {method: "POST", target: "/", body: `[{"data":{"validationCode":"512d38b6"}}]`, headers: []string{"Aeg-Event-Type: SubscriptionValidation", "X-Event-Grid-Token: " + shared}, status: 200, want: `{"validationResponse":"512d38b6"}`},
			"without the token": {method: "POST", target: "/", body: `[{"data":{"validationCode":"512d38b6"}}]`, headers: []string{"Aeg-Event-Type: SubscriptionValidation"}, status: 401},
			"two":               {method: "POST", target: "/", body: `[{"data":{"validationCode":"5"}},{}]`, headers: []string{"Aeg-Event-Type: SubscriptionValidation", "X-Event-Grid-Token: " + shared}, status: 401},
		}},
		"cloudevents": {Config{Handshake: "cloudevents", Origins: []string{"eventemitter.example.com"}}, "", map[string]ask{
			"wanted":  {method: "OPTIONS", target: "/", headers: []string{"Webhook-Request-Origin: eventemitter.example.com"}, status: 200},
			"foreign": {method: "OPTIONS", target: "/", headers: []string{"Webhook-Request-Origin: evil.example"}, status: 403},
			"none":    {method: "OPTIONS", target: "/", status: 401},
		}},
		"head": {Config{Preset: "intercom"}, "", map[string]ask{
			"HEAD": {method: "HEAD", target: "/", status: 200},
			"GET":  {method: "GET", target: "/", status: 401},
		}},
		"none": {Config{}, "", map[string]ask{
			"HEAD":      {method: "HEAD", target: "/", status: 401},
			"challenge": {method: "GET", target: "/?challenge=x", status: 401},
		}},
	} {
		for what, a := range tt.asks {
			t.Run(name+"/"+what, func(t *testing.T) {
				keys := tt.keys
				if keys == "" {
					keys = shared
				}
				m, err := New("hook", tt.config, secret.New([]byte(keys)), Options{VerifyToken: secret.New([]byte("meatyhamhock\nnexttoken"))})
				if err != nil {
					t.Fatal(err)
				}
				p, err := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{m}})
				if err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequest(a.method, a.target, strings.NewReader(a.body))
				if a.body != "" {
					r.Header.Set("Content-Type", "application/json")
				}
				for _, h := range a.headers {
					key, value, _ := strings.Cut(strings.ReplaceAll(h, "NOW", Time{}.format(time.Now())), ": ")
					r.Header.Set(key, value)
				}
				if a.sign {
					if tt.keys != "" {
						keys = privatePEM
					}
					if _, err := Sign(Presets()[tt.config.Preset].Schemes, r, []byte(a.body), secret.New([]byte(keys)), SignOptions{At: time.Now()}); err != nil {
						t.Fatal(err)
					}
				}
				var d auth.Decision
				w := httptest.NewRecorder()
				auth.NewGate(p, auth.Options{Report: func(_ *http.Request, got auth.Decision) { d = got }}).Wrap(http.HandlerFunc(
					func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(w, r)
				if w.Code != a.status || a.status == 200 && w.Body.String() != a.want {
					t.Errorf("got %d %q (%s), want %d %q", w.Code, w.Body, d.Reason, a.status, a.want)
				}
				if (d.Reason == auth.Answered) != (a.status == 200) || a.reason != "" && d.Reason != a.reason {
					t.Errorf("the reason is %q", d.Reason)
				}
				if a.status >= 400 && strings.Contains(w.Body.String(), "15027") {
					t.Errorf("a refusal says %q", w.Body)
				}
			})
		}
	}
}

// TestAsana: the secret that arrives is taken once, while the window is open.
func TestAsana(t *testing.T) {
	file := filepath.Join(t.TempDir(), "arrived")
	now := time.Now()
	c := Config{Preset: "asana", HandshakeFile: file, HandshakeUntil: now.Add(time.Minute)}
	m, err := New("hook", c, secret.New([]byte("a placeholder, until it has come")), Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	p, err := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{m}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(value string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := post("{}")
		if value != "" {
			r.Header.Set("X-Hook-Secret", value)
		}
		auth.NewGate(p, auth.Options{}).Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		return w
	}
	if w := ask(""); w.Code != 401 {
		t.Errorf("without a secret: got %d, want 401", w.Code)
	}
	now = now.Add(time.Minute)
	if w := ask("late"); w.Code != 401 {
		t.Errorf("too late: got %d, want 401", w.Code)
	}
	now = now.Add(-time.Second)
	if w := ask("b537207f20cbfa02357cf448134da559"); w.Code != 200 || w.Header().Get("X-Hook-Secret") != "b537207f20cbfa02357cf448134da559" {
		t.Errorf("got %d and %v, want the secret sent back", w.Code, w.Header())
	}
	if w := ask("another"); w.Code != 403 {
		t.Errorf("a second one: got %d, want 403", w.Code)
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != "b537207f20cbfa02357cf448134da559\n" {
		t.Errorf("the file has %q and %v", got, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v, want -rw-------", info.Mode(), err)
	}
}

func TestHandshakeSettings(t *testing.T) {
	for want, c := range map[string]Config{
		"verify_token: is for the handshake meta":   {VerifyToken: "x"},
		"topics: is for the handshake websub":       {Preset: "slack", Topics: []string{"x"}},
		"origins: is for the handshake cloudevents": {Preset: "meta", Handshake: "off", Origins: []string{"x"}},
		"handshake_file: goes with handshake_until": {Preset: "asana", HandshakeFile: "x"},
		"tolerance: the sender signs no time":       {Preset: "github", Tolerance: time.Hour},
	} {
		if got := c.Check().Error(); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestTolerance: what is set counts instead of the preset's.
func TestTolerance(t *testing.T) {
	c := Config{Preset: "slack", Tolerance: time.Hour}
	now := time.Now()
	r := post("b")
	if _, err := Sign(Presets()["slack"].Schemes, r, []byte("b"), secret.New([]byte(key)), SignOptions{At: now}); err != nil {
		t.Fatal(err)
	}
	m := mustNew(t, c, key)
	for by, want := range map[time.Duration]bool{59 * time.Minute: true, -59 * time.Minute: true, 61 * time.Minute: false, -61 * time.Minute: false} {
		m.now = func() time.Time { return now.Add(by) }
		_, err := m.judge(auth.NewRequest(post("b", "X-Slack-Signature: "+r.Header.Get("X-Slack-Signature"), "X-Slack-Request-Timestamp: "+r.Header.Get("X-Slack-Request-Timestamp")), auth.NewBuffers(1<<10, 1<<10)))
		if (err == nil) != want {
			t.Errorf("%v from its time: got %v, want it admitted: %v", by, err, want)
		}
	}
	if got := m.keep(&m.schemes[0]); got != 2*time.Hour {
		t.Errorf("it is remembered for %v, want twice the tolerance", got)
	}
}
