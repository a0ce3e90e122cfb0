package hmac

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
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
			Name: "alg", Value: setting.OneOf(&s.Alg, SHA1, SHA256, SHA384, SHA512, Ed25519, ECDSA, RSA, Token),
			Meaning: "for a sender of your own: what a signature is; `token` compares and signs nothing",
		},
		{Name: "sig.header", Value: setting.Headers(&s.Signature.Headers), Meaning: "the headers in which signatures stand"},
		{Name: "sig.json", Value: setting.Text(&s.Signature.JSON, "a path with dots between"), Meaning: "or: where in a JSON body"},
		{Name: "sig.query", Value: setting.Text(&s.Signature.Query, "the name of a query parameter"), Meaning: "or: in which parameter"},
		{Name: "sig.split", Value: setting.Text(&s.Signature.Split, "one of , ; or a space"), Meaning: "what stands between several items"},
		{Name: "sig.prefix", Value: setting.Text(&s.Signature.Prefix, "text"), Meaning: "with what an item begins that is a signature"},
		{Name: "sig.encoding", Value: setting.OneOf(&s.Signature.Encoding, Hex, Base64, Base64URL), Meaning: "how its bytes are written, base64url without padding; `hex` if not set"},
		{
			Name: "signed", Value: setting.Text(&s.Signed, "text with placeholders"),
			Meaning: "what is signed: text with `{body}` `{time}` `{id}` `{method}` `{url}` `{path}` `{query}` `{header:NAME}` `{json:PATH}`; `{body}` if not set",
		},
		{Name: "time.header", Value: setting.Header(&s.Time.Header), Meaning: "where the time of signing stands"},
		{Name: "time.json", Value: setting.Text(&s.Time.JSON, "a path with dots between"), Meaning: "or: where in a JSON body"},
		{Name: "time.sig_prefix", Value: setting.Text(&s.Time.SigPrefix, "text"), Meaning: "or: with what the item beside the signature begins"},
		{Name: "time.format", Value: setting.OneOf(&s.Time.Format, Unix, UnixMS, RFC3339, HTTPDate), Meaning: "how it is written; `unix` if not set"},
		{Name: "time.tolerance", Value: setting.Duration(&s.Time.Tolerance), Meaning: "how far it may be from now, on either side; 0 is no bound"},
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
func (c *Config) Secrets() []string { return []string{c.Secret} }

// Headers are the request headers by which the method decides.
func (c *Config) Headers() []string {
	var names []string
	schemes, _ := c.schemes() // what is wrong with them is said by Check
	for _, s := range schemes {
		names = append(names, s.headers()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Present signs r as the sender would, with an example of what it sends.
func (c *Config) Present(r *http.Request, p setting.Presentation) (body string, err error) {
	schemes, ps := c.schemes()
	if err := ps.Err(); err != nil {
		return "", err
	}
	e := Presets[c.Preset].Example
	e.Body = cmp.Or(e.Body, `{"hello":"world"}`)
	r.Header.Set("Content-Type", "application/json")
	for name, text := range e.Header {
		r.Header.Set(name, text)
	}
	return e.Body, schemes[0].Sign(r, []byte(e.Body), p.Value(c.Secret), p.PublicURL, time.Now())
}

// NewSecret makes the content of the method's secret for a try-out. There is
// nothing else for the caller to present.
func (c *Config) NewSecret(string, string, time.Time) (file, credential string, err error) {
	schemes, ps := c.schemes()
	if err := ps.Err(); err != nil {
		return "", "", err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	s := schemes[0]
	if s.Alg.isAsymmetric() {
		return "", "", errors.New("is the sender's public key, which can't be made up: put it there")
	}
	switch s.Key.Encoding {
	case KeyHex:
		return s.Key.StripPrefix + hex.EncodeToString(key), "", nil
	case KeyBase64:
		return s.Key.StripPrefix + base64.StdEncoding.EncodeToString(key), "", nil
	}
	return rand.Text(), "", nil
}

// Check says what is wrong with the configuration, as far as can be told
// without the secret.
func (c *Config) Check() setting.Problems {
	_, ps := c.schemes()
	return ps
}

// schemes returns the schemes by which requests are judged, or what is wrong.
func (c *Config) schemes() ([]Scheme, setting.Problems) {
	var ps setting.Problems
	own := !reflect.DeepEqual(c.Scheme, Scheme{})
	preset, known := Presets[c.Preset]
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
	for i := range schemes {
		schemes[i] = schemes[i].withDefaults()
	}
	return schemes, nil
}

// preset is the name of one, of which there are too many to list in a message.
type preset struct{ p *string }

func (preset) Want() string { return "the name of a sender, of the list below" }

func (v preset) Set(text ...string) error {
	if len(text) != 1 {
		return setting.Wanted(v)
	}
	if _, ok := Presets[text[0]]; !ok {
		names := slices.Sorted(maps.Keys(Presets))
		return fmt.Errorf("%w; the names are %s", setting.Unknown("sender", text[0], names), strings.Join(names, ", "))
	}
	*v.p = text[0]
	return nil
}
