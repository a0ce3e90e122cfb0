package hmac

import (
	"cmp"
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

	// Signed is what is signed: text with placeholders for parts of the request
	// (see [Config.Fields]); "{body}" if empty. A JWT has its own and takes none.
	Signed string

	Time Time
	ID   Source // what {id} stands for in Signed
	Key  KeyForm

	// AnyPort says that the sender signs a URL sometimes with the port that its
	// scheme has anyway, and sometimes without. Both say the same.
	AnyPort bool

	// BodyHash says where the SHA-256 of the body stands, if that is how a
	// signature covers it.
	BodyHash BodyHash

	// Items is the path of an array in a JSON body of which each element has a
	// signature of its own. All of them must be good. Paths in the rest of the
	// scheme begin at the element.
	Items string

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

// A BodyHash says where the SHA-256 of the body stands in what is signed. At
// most one of Query and Claim is set.
type BodyHash struct {
	// Query is a parameter, of a scheme that signs the URL. A request that does
	// not have it is not of the scheme.
	Query string

	Claim    string   // of a JWT; it may be missing where there is no body
	Encoding Encoding // "hex" if empty
}

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
	Claim     string     // or: of a JWT
	Format    TimeFormat // "unix" if empty

	// Tolerance is how far it may be from now, on either side; DefaultTolerance
	// if 0.
	Tolerance time.Duration
	Unjudged  bool // it is signed, and may be any
}

// DefaultTolerance is what most senders recommend.
const DefaultTolerance = 5 * time.Minute

func (t Time) isZero() bool { return t.Source.isZero() && t.SigPrefix == "" && t.Claim == "" }

// A KeyForm says how a line of the secret becomes a key.
type KeyForm struct {
	Encoding    KeyEncoding // "utf8" if empty
	StripPrefix string      // removed if it is there, before decoding

	// NeedsPrefix says that a line without StripPrefix is no key. A public key
	// must be known as one, or it would be a shared secret that everybody has.
	NeedsPrefix bool

	// AlsoText says that the text of a line is a key too: the sender's documents
	// and its senders differ.
	AlsoText bool
}

// An Encoding is how a signature's bytes are written.
type Encoding string

// The encodings of signatures. Decoding is strict: one spelling for each.
const (
	Hex       Encoding = "hex" // capitals too
	Base64    Encoding = "base64"
	Base64URL Encoding = "base64url" // written without padding (RFC 7515 §2), read with or without

	// JWT is a token (RFC 7519, in the compact form of RFC 7515) that is signed
	// instead of the request, and has the body's hash among its claims.
	JWT Encoding = "jwt"
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
	if !s.Time.isZero() && !s.Time.Unjudged {
		s.Time.Tolerance = cmp.Or(s.Time.Tolerance, DefaultTolerance)
	}
	s.BodyHash.Encoding = cmp.Or(s.BodyHash.Encoding, Hex)
	if s.Alg != Token && !s.isJWT() {
		s.Signed = cmp.Or(s.Signed, "{body}")
	}
	return s
}

func (s Scheme) isJWT() bool { return s.Signature.Encoding == JWT }

// coversBody reports whether another body would need another signature.
func (s Scheme) coversBody(t template) bool {
	return t.has("body") || t.has("form") || s.BodyHash.Claim != "" || s.BodyHash.Query != "" && (t.has("url") || t.has("query"))
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
	case s.isJWT() && s.Signed != "":
		bad("signed", "a JWT says itself what is signed")
	case s.isJWT() && !s.BodyUnsigned && !s.coversBody(t):
		bad("body_hash", "has no claim, so the body is not signed; if the sender does it so, set body_signed to false")
	case s.Alg != Token && !s.BodyUnsigned && !s.coversBody(t):
		bad("signed", "has no {body}, so the body is not signed; if the sender does it so, set body_signed to false")
	}
	if s.Signature.JSON != "" && t.has("body") {
		bad("signed", "has {body}, in which the signature itself stands")
	}
	if s.isJWT() && jwtNames[s.Alg] == "" {
		bad("sig.encoding", "a JWT can't be signed by %s", s.Alg)
	}
	if !s.isJWT() && (s.BodyHash.Claim != "" || s.Time.Claim != "") {
		bad("sig.encoding", "claims need jwt")
	}
	if s.BodyHash.Claim != "" && s.BodyHash.Query != "" {
		bad("body_hash", "want one of query and claim")
	}
	if s.BodyHash.Query != "" && !t.has("url") && !t.has("query") {
		bad("body_hash.query", "is not covered by the signature, for signed has no {url}")
	}
	if s.BodyHash.Encoding == JWT {
		bad("body_hash.encoding", "want one of %s, %s and %s", Hex, Base64, Base64URL)
	}
	if s.Items != "" && s.Signature.JSON == "" {
		bad("items", "needs sig.json, the place of a signature in each")
	}
	if t.has("time") && s.Time.isZero() {
		bad("signed", "has {time}, and there is no time.header, time.json or time.sig_prefix")
	}
	if t.has("id") && s.ID.isZero() {
		bad("signed", "has {id}, and there is no id.header or id.json")
	}
	if s.Time.SigPrefix != "" && s.Signature.Split == "" {
		bad("time.sig_prefix", "needs sig.split")
	}
	sources := 0
	for _, from := range []string{s.Time.Header, s.Time.JSON, s.Time.SigPrefix, s.Time.Claim} {
		if from != "" {
			sources++
		}
	}
	switch {
	case sources > 1:
		bad("time", "want one of header, json, sig_prefix and claim")
	case sources == 0 && (s.Time.Tolerance != 0 || s.Time.Unjudged):
		bad("time", "want one of header, json, sig_prefix and claim: nothing says where the time stands")
	case sources == 1 && s.Alg == Token:
		bad("time", "a token signs no time")
	case sources == 1 && s.isJWT() && s.Time.Claim == "":
		bad("time", "of a JWT it is a claim")
	}
	if s.ID.Header != "" && s.ID.JSON != "" {
		bad("id", "want one of header and json")
	}
	for name := range s.Require {
		if name == "Host" {
			bad("require", "Host is not a header that is signed: {url} has public_url")
		}
	}
	for _, p := range t {
		if p.kind == "header" && (http.CanonicalHeaderKey(p.text) == "Host" || slices.ContainsFunc(s.Signature.Headers, func(h string) bool { return strings.EqualFold(h, p.text) })) {
			bad("signed", "{header:%s} can't be part of what is signed", p.text)
		}
	}
	if s.Signature.Query != "" && (t.has("query") || t.has("url") || t.has("url_decoded")) {
		bad("signed", "has the query, in which the signature itself stands")
	}
	if !s.Time.isZero() && s.Alg != Token && !s.isJWT() && !t.has("time") && (s.Time.JSON == "" || !t.has("body")) {
		bad("time", "is not covered by the signature, for signed has no {time}")
	}
	if s.Time.Tolerance < 0 || s.Time.Unjudged && s.Time.Tolerance > 0 {
		bad("time.tolerance", "want a duration of 0 or more, and none of a time that is not judged")
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
			switch p.kind {
			case "header":
				names = append(names, p.text)
			case "form":
				names = append(names, "Content-Type")
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
		if p.kind == "json" || p.kind == "json?" {
			paths = append(paths, p.text)
		}
	}
	return slices.DeleteFunc(paths, func(p string) bool { return p == "" })
}

// SignsURL reports whether the URL that the sender calls is part of what it
// signs.
func (s Scheme) SignsURL() bool {
	t, err := parseTemplate(s.Signed)
	return err == nil && (t.has("url") || t.has("url_decoded"))
}
