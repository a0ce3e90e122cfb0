package hmac

import (
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"

	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

// DefaultSecret is the secret whose keys are taken if none is named.
const DefaultSecret = "webhook-secret"

// Config says how requests are signed, and which secret has the keys.
type Config struct {
	Secret string // DefaultSecret if empty
	Preset string // a name in Presets
	Header string // for Default: another header for the signature
	Scheme Scheme // if there is no Preset; Default if it is zero
}

// Fields describes the configuration.
func (c *Config) Fields() []setting.Field {
	s := &c.Scheme
	names := slices.Sorted(maps.Keys(Presets))
	return []setting.Field{
		{
			Name: "secret", Default: DefaultSecret, Value: setting.SecretName(&c.Secret),
			Meaning: "the secret with one key a line; lines that begin with # are comments",
		},
		{
			Name: "preset", Value: setting.OneOf(&c.Preset, names...),
			Meaning: "a sender that is known by name",
		},
		{
			Name: "header", Value: setting.Header(&c.Header),
			Meaning: "without a preset: the header that holds `sha256=` and the HMAC-SHA256 of the body in hex; `X-Hub-Signature-256` if not set",
		},
		{
			Name: "alg", Value: setting.OneOf(&s.Alg, SHA1, SHA256, SHA384, SHA512, Ed25519, ECDSA, RSA, Token),
			Meaning: "for a sender of your own: what a signature is; `token` compares and signs nothing",
		},
		{Name: "sig.header", Value: setting.Headers(&s.Signature.Headers), Meaning: "the headers in which signatures stand"},
		{Name: "sig.json", Value: setting.Text(&s.Signature.JSON, "path with dots between"), Meaning: "or: where in a JSON body"},
		{Name: "sig.query", Value: setting.Text(&s.Signature.Query, "name of a query parameter"), Meaning: "or: in which parameter"},
		{Name: "sig.split", Value: setting.Text(&s.Signature.Split, "one of , ; or a space"), Meaning: "what stands between several items"},
		{Name: "sig.prefix", Value: setting.Text(&s.Signature.Prefix, "text"), Meaning: "with what an item begins that is a signature"},
		{Name: "sig.encoding", Value: setting.OneOf(&s.Signature.Encoding, Hex, Base64, Base64URL), Meaning: "how its bytes are written; `hex` if not set"},
		{
			Name: "signed", Value: setting.Text(&s.Signed, "text with placeholders"),
			Meaning: "what is signed: text with `{body}` `{time}` `{id}` `{method}` `{url}` `{path}` `{query}` `{header:NAME}` `{json:PATH}`; `{body}` if not set",
		},
		{Name: "time.header", Value: setting.Header(&s.Time.Header), Meaning: "where the time of signing stands"},
		{Name: "time.json", Value: setting.Text(&s.Time.JSON, "path with dots between"), Meaning: "or: where in a JSON body"},
		{Name: "time.sig_prefix", Value: setting.Text(&s.Time.SigPrefix, "text"), Meaning: "or: with what the item beside the signature begins"},
		{Name: "time.format", Value: setting.OneOf(&s.Time.Format, Unix, UnixMS, RFC3339, HTTPDate), Meaning: "how it is written; `unix` if not set"},
		{Name: "time.tolerance", Value: setting.Duration(&s.Time.Tolerance), Meaning: "how far it may be from now, on either side; 0 is no bound"},
		{Name: "id.header", Value: setting.Header(&s.ID.Header), Meaning: "where `{id}` stands"},
		{Name: "id.json", Value: setting.Text(&s.ID.JSON, "path with dots between"), Meaning: "or: where in a JSON body"},
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
func (c *Config) Secrets() []string { return []string{c.Secret} }

// Present signs r as the sender would, with an example of what it sends.
func (c *Config) Present(r *http.Request, _ func(string) string, value func(string) secret.Value) (body string, err error) {
	schemes, err := c.schemes()
	if err != nil {
		return "", err
	}
	e := Presets[c.Preset].Example
	if e.Body == "" {
		e.Body = `{"hello":"world"}`
	}
	r.Header.Set("Content-Type", "application/json")
	for name, text := range e.Header {
		r.Header.Set(name, text)
	}
	return e.Body, schemes[0].Sign(r, []byte(e.Body), value(c.Secret), "", time.Now())
}

// Check says what is wrong with the configuration, as far as can be told
// without the secret.
func (c *Config) Check() error {
	_, err := c.schemes()
	return err
}

// schemes returns the schemes by which requests are judged.
func (c *Config) schemes() ([]Scheme, error) {
	own := !reflect.DeepEqual(c.Scheme, Scheme{})
	switch {
	case c.Preset != "" && (own || c.Header != ""):
		return nil, errors.New("preset says how the sender signs: take it away, or the fields beside it")
	case c.Preset != "":
		p, ok := Presets[c.Preset]
		if !ok {
			return nil, errors.New("preset: there is none of that name")
		}
		return p.Schemes, nil
	case own && c.Header != "":
		return nil, errors.New("header is for the default scheme: say sig.header")
	case own:
		s := c.Scheme
		if s.Signed == "" && s.Alg != Token {
			s.Signed = "{body}"
		}
		return []Scheme{s}, s.Check()
	}
	s := Default
	if c.Header != "" {
		s.Signature.Headers = []string{c.Header}
	}
	return []Scheme{s}, nil
}
