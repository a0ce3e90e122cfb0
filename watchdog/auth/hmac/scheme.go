package hmac

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog/internal/setting"
)

// A Scheme is a way of signing a request, as data.
type Scheme struct {
	Alg       Alg
	Signature Signature
	// Signed is what is signed: text in which {body} {time} {id} {method} {url}
	// {path} {query} {header:NAME} and {json:PATH} stand for parts of the
	// request; "{body}" if empty.
	Signed string
	Time   Time
	ID     Source // what {id} stands for in Signed
	Key    KeyForm

	// Require names headers that must have exactly these values.
	Require map[string]string

	// BodyUnsigned says that the sender does not sign the body: whoever sees
	// one request can send another with the same signature.
	BodyUnsigned bool
}

// A Source says where a text stands in a request. At most one is set.
type Source struct {
	Header string
	JSON   string // path in a JSON body, with dots between
}

func (s Source) isZero() bool { return s == Source{} }

// A Signature says where the signatures stand and how they are written.
type Signature struct {
	Headers []string // names; each may hold signatures
	JSON    string   // path in a JSON body, with dots between
	Query   string   // parameter

	Split    string   // between items: "", ",", ";" or " "
	Prefix   string   // of the items that are signatures; the others are passed over
	Encoding Encoding // "hex" if empty
}

// A Time says when a request was signed.
type Time struct {
	Source
	SigPrefix string     // or: of the item in the signature's header that is the time
	Format    TimeFormat // "unix" if empty
	Tolerance time.Duration
}

func (t Time) isZero() bool { return t.Source.isZero() && t.SigPrefix == "" }

// A KeyForm says how a line of the secret becomes a key.
type KeyForm struct {
	Encoding    KeyEncoding // "utf8" if empty
	StripPrefix string      // removed if it is there, before decoding
}

// An Encoding is how a signature's bytes are written.
type Encoding string

// The encodings of signatures. Decoding is strict: one spelling for each.
const (
	Hex       Encoding = "hex" // capitals too
	Base64    Encoding = "base64"
	Base64URL Encoding = "base64url" // without padding, as RFC 7515 has it
)

// A KeyEncoding is how a key is written in its secret.
type KeyEncoding string

// The encodings of keys.
const (
	KeyUTF8   KeyEncoding = "utf8" // the text itself
	KeyHex    KeyEncoding = "hex"
	KeyBase64 KeyEncoding = "base64"
	KeySPKI   KeyEncoding = "spki-base64" // a public key in DER (RFC 5280 §4.1), in base64
	KeyPEM    KeyEncoding = "pem"         // public keys in PEM (RFC 7468); they take several lines
)

// A TimeFormat is how the time of signing is written.
type TimeFormat string

// The formats of times.
const (
	Unix     TimeFormat = "unix"      // seconds, 1 to 16 digits
	UnixMS   TimeFormat = "unix-ms"   // milliseconds, likewise
	RFC3339  TimeFormat = "rfc3339"   // RFC 3339
	HTTPDate TimeFormat = "http-date" // RFC 9110 §5.6.7
)

// withDefaults fills in what a scheme need not say.
func (s Scheme) withDefaults() Scheme {
	s.Signature.Encoding = cmp.Or(s.Signature.Encoding, Hex)
	s.Time.Format = cmp.Or(s.Time.Format, Unix)
	s.Key.Encoding = cmp.Or(s.Key.Encoding, KeyUTF8)
	if s.Alg != Token {
		s.Signed = cmp.Or(s.Signed, "{body}")
	}
	return s
}

// Check says what is wrong with the scheme, by the names that its parts have
// in a policy file.
func (s Scheme) Check() error { return s.problems().Err() }

func (s Scheme) problems() setting.Problems {
	s = s.withDefaults()
	var ps setting.Problems
	bad := func(name, format string, args ...any) { ps.Add("", name, fmt.Errorf(format, args...)) }

	if _, ok := algorithms[s.Alg]; !ok {
		bad("alg", "want one of %s", strings.Join(algorithmNames(), ", "))
	}
	places := 0
	for _, set := range []bool{len(s.Signature.Headers) > 0, s.Signature.JSON != "", s.Signature.Query != ""} {
		if set {
			places++
		}
	}
	if places != 1 {
		bad("sig", "want exactly one of header, json and query")
	}
	switch s.Signature.Split {
	case "", ",", ";", " ":
	default:
		bad("sig.split", `want one of ",", ";" and " "`)
	}
	t, err := parseTemplate(s.Signed)
	if err != nil {
		bad("signed", "%w", err)
	}
	switch {
	case s.Alg == Token && s.Signed != "":
		bad("signed", "a token signs nothing")
	case s.Alg != Token && !s.BodyUnsigned && !t.has("body"):
		bad("signed", "has no {body}, so the body is not signed; if the sender does it so, set body_signed to false")
	}
	if t.has("time") && s.Time.isZero() {
		bad("signed", "has {time}, and there is no time.header, time.json or time.sig_prefix")
	}
	if t.has("id") && s.ID.isZero() {
		bad("signed", "has {id}, and there is no id.header or id.json")
	}
	if s.Time.SigPrefix != "" && (!s.Time.Source.isZero() || s.Signature.Split == "") {
		bad("time.sig_prefix", "needs sig.split, and excludes time.header and time.json")
	}
	if !s.Time.isZero() && s.Alg != Token && !t.has("time") && (s.Time.JSON == "" || !t.has("body")) {
		bad("time", "is not covered by the signature, for signed has no {time}")
	}
	if s.Time.Tolerance < 0 {
		bad("time.tolerance", "want a duration of 0 or more")
	}
	switch public := s.Key.Encoding == KeySPKI || s.Key.Encoding == KeyPEM; {
	case s.Alg.isAsymmetric() && s.Key.Encoding == KeyUTF8:
		bad("secret.encoding", "a public key is written as hex, base64, spki-base64 or pem")
	case !s.Alg.isAsymmetric() && public:
		bad("secret.encoding", "spki-base64 and pem are for public keys")
	}
	return ps
}

// headers are the names of all headers by which the scheme decides.
func (s Scheme) headers() []string {
	names := slices.Concat(s.Signature.Headers, []string{s.Time.Header, s.ID.Header}, slices.Collect(maps.Keys(s.Require)))
	if s.Signature.JSON != "" {
		names = append(names, "Content-Type") // whether to look into the body at all
	}
	if t, err := parseTemplate(s.withDefaults().Signed); err == nil {
		for _, p := range t {
			if p.kind == "header" {
				names = append(names, p.text)
			}
		}
	}
	for i, n := range names {
		names[i] = http.CanonicalHeaderKey(n)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" })
	slices.Sort(names)
	return slices.Compact(names)
}

// jsonPaths are the paths of all that the scheme reads in a JSON body.
func (s Scheme) jsonPaths(t template) []string {
	paths := []string{s.Signature.JSON, s.Time.JSON, s.ID.JSON}
	for _, p := range t {
		if p.kind == "json" {
			paths = append(paths, p.text)
		}
	}
	return slices.DeleteFunc(paths, func(p string) bool { return p == "" })
}

// A template is what is signed: pieces of text and placeholders in their
// order.
type template []piece

type piece struct {
	kind string // "text", "body", "time", "id", "method", "url", "path", "query", "header", "json"
	text string // of a text, header or json
}

func (t template) has(kind string) bool {
	return slices.ContainsFunc(t, func(p piece) bool { return p.kind == kind })
}

// parseTemplate reads text with the placeholders {body}, {time}, {id},
// {method}, {url}, {path}, {query}, {header:NAME} and {json:PATH}. What is put
// in their place is never read again.
func parseTemplate(s string) (template, error) {
	var t template
	for s != "" {
		before, rest, found := strings.Cut(s, "{")
		if before != "" {
			t = append(t, piece{"text", before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, errors.New("has a { without a }")
		}
		kind, arg, hasArg := strings.Cut(name, ":")
		switch kind {
		case "body", "time", "id", "method", "url", "path", "query":
			if hasArg {
				return nil, fmt.Errorf("{%s} takes no argument", kind)
			}
		case "header", "json":
			if arg == "" {
				return nil, fmt.Errorf("{%s:…} needs a name", kind)
			}
		default:
			return nil, fmt.Errorf("has no placeholder {%s}: want body, time, id, method, url, path, query, header:NAME or json:PATH", name)
		}
		t = append(t, piece{kind, arg})
		s = after
	}
	return t, nil
}
