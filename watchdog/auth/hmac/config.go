package hmac

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog/internal/setting"
)

// DefaultSecret is the secret whose keys are taken if none is named.
const DefaultSecret = "webhook-secret"

// Config says how requests are signed, and which secret has the keys.
type Config struct {
	Secret string // DefaultSecret if empty
	Preset string // a name in Presets
	Header string // for Default: another header for the signature
	Scheme Scheme // if there is no Preset; Default if it is zero

	// Tolerance is how far the time of signing may be from now, on either side,
	// instead of what the preset says; 0 leaves that.
	Tolerance time.Duration

	Replay      Replay
	ReplayMax   int // how many requests a [Memory] remembers; DefaultReplays if 0
	ReplayEvict bool

	// Handshake is the kind of handshake that is answered, "off" for none; the
	// preset's if empty.
	Handshake      string
	VerifyToken    string   // for meta: the name of the secret with the token
	Topics         []string // for websub: those that are wanted
	Origins        []string // for cloudevents: those that may send
	HandshakeFile  string   // for asana: where the secret goes that arrives
	HandshakeUntil time.Time
}

// Replay says for how long a signature that was used is remembered. The zero
// value is twice the tolerance, for schemes with a time.
type Replay struct {
	Off  bool
	Keep time.Duration
}

// Fields describes the configuration.
func (c *Config) Fields() []setting.Field {
	s := &c.Scheme
	return []setting.Field{
		{
			Name: "secret", Default: DefaultSecret, Value: setting.SecretName(&c.Secret),
			Meaning: "the secret with one key a line; lines that begin with # are comments",
		},
		{
			Name: "preset", Value: preset{&c.Preset},
			Meaning: "a sender that is known by name",
		},
		{
			Name: "header", Value: setting.Header(&c.Header),
			Meaning: "without a preset: the header that holds `sha256=` and the HMAC-SHA256 of the body in hex; `X-Hub-Signature-256` if not set",
		},
		{
			Name: "tolerance", Value: setting.PositiveDuration(&c.Tolerance),
			Meaning: "how far the time of signing may be from now, on either side, instead of what the preset says",
		},
		{
			Name: "replay", Value: replay{&c.Replay},
			Meaning: "how long a request that was served is remembered, so that it is not served again; twice the tolerance if not set, and `off` for senders that sign no time",
		},
		{
			Name: "replay_max", Value: setting.Int(&c.ReplayMax, 1, 100_000_000),
			Meaning: fmt.Sprintf("how many such requests are remembered; %d if not set", DefaultReplays),
		},
		{
			Name: "replay_full", Default: "refuse", Value: evict{&c.ReplayEvict},
			Meaning: "beyond that, `refuse` answers 503 and `evict` forgets the one that would be forgotten first",
		},
		{
			Name: "handshake", Value: setting.OneOf(&c.Handshake, append(handshakeKinds(), noHandshake)...),
			Meaning: "the question by which the sender finds out whether the address is its own, which is answered in the function's place; the preset's if not set",
		},
		{Name: "verify_token", Value: setting.SecretName(&c.VerifyToken), Meaning: "for the handshake `meta`: the secret with the token that was typed at Meta"},
		{Name: "topics", Value: setting.Words(&c.Topics, "a list of URLs"), Meaning: "for `websub`: the topics that are wanted"},
		{Name: "origins", Value: setting.Words(&c.Origins, "a list of host names"), Meaning: "for `cloudevents`: the origins that may send"},
		{Name: "handshake_file", Value: setting.Text(&c.HandshakeFile, "a path"), Meaning: "for `asana`: a file, not there yet, for the secret that arrives"},
		{Name: "handshake_until", Value: moment{&c.HandshakeUntil}, Meaning: "for `asana`: until when it may arrive"},
		{
			Name: "alg", Value: setting.OneOf(&s.Alg, SHA1, SHA256, SHA384, SHA512, Ed25519, ECDSA, RSA, Token),
			Meaning: "for a sender of your own: what a signature is; `token` compares and signs nothing",
		},
		{Name: "sig.header", Value: setting.Headers(&s.Signature.Headers), Meaning: "the headers in which signatures stand"},
		{Name: "sig.json", Value: setting.Text(&s.Signature.JSON, "a path with dots between"), Meaning: "or: where in a JSON body"},
		{Name: "sig.query", Value: setting.Text(&s.Signature.Query, "the name of a query parameter"), Meaning: "or: in which parameter"},
		{Name: "sig.split", Value: setting.Text(&s.Signature.Split, "one of , ; or a space"), Meaning: "what stands between several items"},
		{Name: "sig.prefix", Value: setting.Text(&s.Signature.Prefix, "text"), Meaning: "with what an item begins that is a signature"},
		{
			Name: "sig.encoding", Value: setting.OneOf(&s.Signature.Encoding, Hex, Base64, Base64URL, JWT),
			Meaning: "how its bytes are written; `hex` if not set. `jwt` is a token that is signed in place of the request",
		},
		{
			Name: "signed", Value: setting.Text(&s.Signed, "text with placeholders"),
			Meaning: "what is signed: text with `{body}` `{time}` `{id}` `{method}` `{url}` `{path}` `{query}` `{header:NAME}` `{json:PATH}`, " +
				"`{json?:PATH}` for what may be missing, `{form}` for the names and values of a form in the order of their names, " +
				"`{url_decoded}` for HubSpot's URLs; `{body}` if not set",
		},
		{Name: "items", Value: setting.Text(&s.Items, "a path with dots between"), Meaning: "the array in a JSON body of which each element is signed; paths begin there"},
		{Name: "body_hash.query", Value: setting.Text(&s.BodyHash.Query, "the name of a query parameter"), Meaning: "of a sender that signs the URL: the parameter with the SHA-256 of the body"},
		{Name: "body_hash.claim", Value: setting.Text(&s.BodyHash.Claim, "the name of a claim"), Meaning: "of a JWT: the claim with the SHA-256 of the body"},
		{Name: "body_hash.encoding", Value: setting.OneOf(&s.BodyHash.Encoding, Hex, Base64, Base64URL), Meaning: "how that is written; `hex` if not set"},
		{Name: "time.header", Value: setting.Header(&s.Time.Header), Meaning: "where the time of signing stands"},
		{Name: "time.json", Value: setting.Text(&s.Time.JSON, "a path with dots between"), Meaning: "or: where in a JSON body"},
		{Name: "time.sig_prefix", Value: setting.Text(&s.Time.SigPrefix, "text"), Meaning: "or: with what the item beside the signature begins"},
		{Name: "time.claim", Value: setting.Text(&s.Time.Claim, "the name of a claim"), Meaning: "or: in which claim of a JWT"},
		{Name: "time.format", Value: setting.OneOf(&s.Time.Format, Unix, UnixMS, RFC3339, HTTPDate), Meaning: "how it is written; `unix` if not set"},
		{
			Name: "time.tolerance", Value: tolerance{&s.Time},
			Meaning: fmt.Sprintf("how far it may be from now, on either side; 0 is no bound, and %s if not set", DefaultTolerance),
		},
		{Name: "id.header", Value: setting.Header(&s.ID.Header), Meaning: "where `{id}` stands"},
		{Name: "id.json", Value: setting.Text(&s.ID.JSON, "a path with dots between"), Meaning: "or: where in a JSON body"},
		{
			Name: "secret.encoding", Value: setting.OneOf(&s.Key.Encoding, KeyUTF8, KeyHex, KeyBase64, KeySPKI, KeyPEM),
			Meaning: "how a key is written in the secret; `utf8`, the text itself, if not set",
		},
		{Name: "secret.strip_prefix", Value: setting.Text(&s.Key.StripPrefix, "text"), Meaning: "taken off a key before it is decoded"},
		{Name: "require", Value: setting.HeaderValues(&s.Require), Meaning: "headers that must have exactly these values"},
		{Name: "body_signed", Value: not{setting.Bool(&s.BodyUnsigned), &s.BodyUnsigned}, Meaning: "false for a sender that does not sign the body"},
	}
}

// not is a Bool whose field in the program says the opposite, so that its zero
// value is the safe one.
type not struct {
	setting.Value
	p *bool
}

func (n not) Set(text ...string) error {
	err := n.Value.Set(text...)
	if err == nil {
		*n.p = !*n.p
	}
	return err
}

// Secrets are the names of the secrets that the method needs.
func (c *Config) Secrets() []string {
	names := []string{cmp.Or(c.Secret, DefaultSecret)}
	if c.VerifyToken != "" {
		names = append(names, c.VerifyToken)
	}
	return names
}

// NewMemory returns a memory of the size that is configured.
func (c *Config) NewMemory() *Memory {
	return NewMemory(cmp.Or(c.ReplayMax, DefaultReplays), c.ReplayEvict)
}

// handshake is the kind of handshake that is answered.
func (c *Config) handshake() string {
	kind := cmp.Or(c.Handshake, Presets()[c.Preset].Handshake)
	if kind == noHandshake {
		return ""
	}
	return kind
}

// Headers are the request headers by which the method decides.
func (c *Config) Headers() []string {
	var names []string
	schemes, _ := c.schemes() // what is wrong with them is said by Check
	for _, s := range schemes {
		names = append(names, s.headers()...)
	}
	names = append(names, handshakes[c.handshake()].headers...)
	slices.Sort(names)
	return slices.Compact(names)
}

// Present signs r as the sender would, with an example of what it sends.
func (c *Config) Present(r *http.Request, p setting.Presentation) (body string, err error) {
	schemes, ps := c.schemes()
	if err := ps.Err(); err != nil {
		return "", err
	}
	e := Presets()[c.Preset].Example
	e.Body = cmp.Or(e.Body, exampleBody(schemes[0]))
	r.Header.Set("Content-Type", "application/json")
	for name, text := range e.Header {
		r.Header.Set(name, text)
	}
	signed, err := Sign(schemes, r, []byte(e.Body), p.Value(c.Secret), SignOptions{PublicURL: p.PublicURL, At: time.Now()})
	return string(signed), err
}

// PresentsOnce reports whether what Present makes is admitted once only, because
// the sender signs the time or replays are refused.
func (c *Config) PresentsOnce() bool {
	schemes, _ := c.schemes()
	return c.Replay.Keep > 0 || len(schemes) > 0 && !schemes[0].Time.isZero()
}

// exampleBody is a body that a scheme can sign.
func exampleBody(s Scheme) string {
	if s.Items == "" {
		return `{"hello":"world"}`
	}
	document := map[string]any{}
	_ = setJSON(document, s.Items, []any{map[string]any{"hello": "world"}}) // it is an object
	b, _ := json.Marshal(document)
	return string(b)
}

// NewSecret makes the content of one of the method's secrets for a try-out.
// There is nothing else for the caller to present.
func (c *Config) NewSecret(secretName, _ string, _ []string, _ time.Time) (file, credential string, err error) {
	schemes, ps := c.schemes()
	if err := ps.Err(); err != nil {
		return "", "", err
	}
	if c.VerifyToken != "" && secretName == c.VerifyToken {
		return rand.Text(), "", nil
	}
	s := schemes[0]
	if s.Alg.isAsymmetric() {
		return "", "", errors.New("is the sender's public key, which can't be made up: put it there")
	}
	key := []byte(rand.Text() + rand.Text())
	if s.Key.Encoding != KeyUTF8 {
		key = make([]byte, max(32, Presets()[c.Preset].KeyLength/2))
		_, _ = rand.Read(key) // never fails
	}
	return string(s.Key.write(key)), "", nil
}

// Check says what is wrong with the configuration, as far as can be told
// without the secret.
func (c *Config) Check() setting.Problems {
	schemes, ps := c.schemes()
	kind := c.handshake()
	for _, s := range []struct {
		name, kind string
		set        bool
	}{
		{"verify_token", "meta", c.VerifyToken != ""},
		{"topics", "websub", len(c.Topics) > 0},
		{"origins", "cloudevents", len(c.Origins) > 0},
		{"handshake_file", "asana", c.HandshakeFile != ""},
		{"handshake_until", "asana", !c.HandshakeUntil.IsZero()},
	} {
		if s.set && s.kind != kind {
			ps.Add("", s.name, fmt.Errorf("is for the handshake %s", s.kind))
		}
	}
	if c.VerifyToken != "" && c.VerifyToken == cmp.Or(c.Secret, DefaultSecret) {
		ps.Add("", "verify_token", errors.New("want a secret of its own: it is sent in a query"))
	}
	if len(schemes) > 0 && !slices.ContainsFunc(schemes, func(s Scheme) bool { return s.Alg != Token }) && (c.Replay.Keep > 0 || c.ReplayMax > 0) {
		ps.Add("", "replay", errors.New("the sender signs nothing, and a token is the same each time"))
	}
	if kind == "x-crc" || kind == "zoom" {
		if len(schemes) > 0 && (schemes[0].Alg.isAsymmetric() || schemes[0].Alg == Token || kind == "x-crc" && schemes[0].Signed != "{body}") {
			ps.Add("", "handshake", fmt.Errorf("%s is for senders that sign as %s does", kind, kind))
		}
	}
	if (c.HandshakeFile != "") != !c.HandshakeUntil.IsZero() {
		ps.Add("", "handshake_file", errors.New("goes with handshake_until, and neither without the other"))
	}
	return ps
}

// schemes returns the schemes by which requests are judged, or what is wrong.
func (c *Config) schemes() ([]Scheme, setting.Problems) {
	var ps setting.Problems
	own := !reflect.DeepEqual(c.Scheme, Scheme{})
	preset, known := Presets()[c.Preset]
	schemes := []Scheme{Default}
	switch {
	case c.Preset != "" && (own || c.Header != ""):
		ps.Add("", "preset", errors.New("says how the sender signs: take it away, or what is said beside it"))
	case c.Preset != "" && !known:
		ps.Add("", "preset", errors.New("there is none of that name"))
	case c.Preset != "":
		schemes = slices.Clone(preset.Schemes)
	case own && c.Header != "":
		ps.Add("", "header", errors.New("is for the default scheme: say sig.header"))
	case own:
		schemes[0] = c.Scheme
		ps = c.Scheme.problems()
	case c.Header != "":
		schemes[0].Signature.Headers = []string{c.Header}
	}
	if len(ps) > 0 {
		return nil, ps
	}
	timed := false
	for i := range schemes {
		s := schemes[i].withDefaults()
		if c.Tolerance > 0 && !s.Time.isZero() {
			s.Time.Tolerance, s.Time.Unjudged = c.Tolerance, false
		}
		timed = timed || !s.Time.isZero()
		schemes[i] = s
	}
	if c.Tolerance > 0 && !timed {
		ps.Add("", "tolerance", errors.New("the sender signs no time"))
	}
	return schemes, ps
}

// preset is the name of one, of which there are too many to list in a message.
type preset struct{ p *string }

func (preset) Want() string { return "the name of a sender, of the list below" }

func (v preset) Set(text ...string) error {
	if len(text) != 1 {
		return setting.Wanted(v)
	}
	if _, ok := Presets()[text[0]]; !ok {
		names := slices.Sorted(maps.Keys(Presets()))
		return fmt.Errorf("%w; the names are %s", setting.Unknown("sender", text[0], names), strings.Join(names, ", "))
	}
	*v.p = text[0]
	return nil
}

// handshakeKinds are the kinds of handshakes.
func handshakeKinds() []string { return slices.Sorted(maps.Keys(handshakes)) }

// replay is a duration, or off.
type replay struct{ p *Replay }

func (replay) Want() string { return "a duration over 0, such as 24h, or off" }

func (v replay) Set(text ...string) error {
	if len(text) == 1 && text[0] == "off" {
		*v.p = Replay{Off: true}
		return nil
	}
	var keep time.Duration
	if setting.PositiveDuration(&keep).Set(text...) != nil {
		return setting.Wanted(v)
	}
	*v.p = Replay{Keep: keep}
	return nil
}

// tolerance is a duration, of which 0 is not the same as none.
type tolerance struct{ p *Time }

func (t tolerance) Want() string { return setting.Duration(&t.p.Tolerance).Want() }

func (t tolerance) Set(text ...string) error {
	err := setting.Duration(&t.p.Tolerance).Set(text...)
	t.p.Unjudged = err == nil && t.p.Tolerance == 0
	return err
}

// evict is what becomes of a full memory.
type evict struct{ p *bool }

func (evict) Want() string { return "one of refuse, evict" }

func (v evict) Set(text ...string) error {
	if len(text) != 1 || text[0] != "refuse" && text[0] != "evict" {
		return setting.Wanted(v)
	}
	*v.p = text[0] == "evict"
	return nil
}

// moment is a time in RFC 3339.
type moment struct{ p *time.Time }

func (moment) Want() string { return "a time such as 2027-01-31T12:00:00Z" }

func (v moment) Set(text ...string) error {
	if len(text) == 1 {
		if at, err := time.Parse(time.RFC3339, text[0]); err == nil {
			*v.p = at
			return nil
		}
	}
	return setting.Wanted(v)
}
