package hmac

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/secret"
)

// SignOptions say how [Sign] signs.
type SignOptions struct {
	PublicURL string    // as in [Options]
	At        time.Time // when the request is signed
}

// Sign makes of r and body what a sender would send, by the first of the
// schemes that suits them, with the first key of a secret file. For a scheme
// with a key pair that is the private key in PEM (PKCS #8, SEC 1 or PKCS #1).
// It sets headers and query of r and returns the body, which is another than
// the given if time or signature stand in it.
func Sign(schemes []Scheme, r *http.Request, body []byte, file secret.Value, o SignOptions) ([]byte, error) {
	var failed error
	for _, s := range schemes {
		signed := r.Clone(r.Context())
		b, err := s.sign(signed, body, file, o)
		if err == nil {
			r.Header, r.URL = signed.Header, signed.URL
			return b, nil
		}
		failed = cmp.Or(failed, err)
	}
	return nil, cmp.Or(failed, errors.New("there is no scheme"))
}

// errOtherScheme is why a request is signed by another scheme of its sender.
var errOtherScheme = errors.New("the sender signs such a request in another way")

func (s Scheme) sign(r *http.Request, body []byte, file secret.Value, o SignOptions) ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	s = s.withDefaults()
	sign, err := s.signer(file)
	if err != nil {
		return nil, err
	}
	for name, value := range s.Require {
		r.Header.Set(name, value)
	}
	if s.ID.Header != "" && r.Header.Get(s.ID.Header) == "" {
		r.Header.Set(s.ID.Header, "msg_"+rand.Text())
	}
	at := s.Time.format(o.At)
	if s.Time.Header != "" {
		r.Header.Set(s.Time.Header, at)
	}
	k, err := newKeyed(s)
	if err != nil {
		return nil, err
	}
	for _, p := range k.message {
		if p.kind == "header" && r.Header.Get(p.text) == "" { // a nonce
			r.Header.Set(p.text, rand.Text())
		}
	}
	if body, err = s.fill(body, at); err != nil {
		return nil, err
	}
	if s.BodyHash.Query != "" {
		if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); len(body) == 0 || t == formType {
			return nil, errOtherScheme
		}
		r.URL = withParameter(r.URL, s.BodyHash.Query, s.BodyHash.of(body))
	}
	signature := func(element []byte) (string, error) {
		pieces, err := k.pieces(&document{request: withBody(r, body), element: element, paths: k.paths}, at, o.PublicURL)
		if err != nil {
			return "", err
		}
		return sign(pieces)
	}
	switch {
	case s.isJWT():
		text, err := s.token(sign, body, at)
		s.place(r, at, text)
		return body, err
	case s.Signature.JSON == "":
		text, err := signature(nil)
		s.place(r, at, text)
		return body, err
	}
	return s.eachElement(body, func(element any, raw []byte) error {
		text, err := signature(raw)
		if err != nil {
			return err
		}
		return setJSON(element, s.Signature.JSON, s.Signature.Prefix+text)
	})
}

// withBody is a request with a body of its own, as methods see it.
func withBody(r *http.Request, body []byte) *auth.Request {
	c := r.Clone(r.Context())
	c.Body, c.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return auth.NewRequest(c, auth.NewBuffers(int64(len(body)), int64(len(body))+1))
}

// place puts a signature where it stands in a request.
func (s Scheme) place(r *http.Request, at, text string) {
	value := s.Signature.Prefix + text
	if s.Time.SigPrefix != "" {
		value = s.Time.SigPrefix + at + s.Signature.Split + value
	}
	switch {
	case len(s.Signature.Headers) > 0:
		r.Header.Set(s.Signature.Headers[0], value)
	case s.Signature.Query != "":
		r.URL = withParameter(r.URL, s.Signature.Query, value)
	}
}

func withParameter(u *url.URL, name, value string) *url.URL {
	c := *u
	c.RawQuery = strings.TrimPrefix(c.RawQuery+"&"+url.QueryEscape(name)+"="+url.QueryEscape(value), "&")
	return &c
}

// token makes the text of a JWT.
func (s Scheme) token(sign func([][]byte) (string, error), body []byte, at string) (string, error) {
	var claims any = map[string]any{}
	if s.Time.Claim != "" {
		_ = setJSON(claims, s.Time.Claim, s.Time.value(at)) // it is an object
	}
	if s.BodyHash.Claim != "" {
		_ = setJSON(claims, s.BodyHash.Claim, s.BodyHash.of(body))
	}
	part := func(v any) string {
		b, _ := json.Marshal(v) // texts and numbers only
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(map[string]string{"alg": jwtNames[s.Alg], "typ": "JWT"}) + "." + part(claims)
	signature, err := sign([][]byte{[]byte(signed)})
	return signed + "." + signature, err
}

// value is a time as JSON has it: a number, or a text.
func (t Time) value(at string) any {
	if t.Format == Unix || t.Format == UnixMS {
		return json.Number(at)
	}
	return at
}

func (h BodyHash) of(body []byte) string {
	sum := sha256.Sum256(body)
	return h.Encoding.encode(sum[:])
}

// fill puts time and id into a body in which they stand.
func (s Scheme) fill(body []byte, at string) ([]byte, error) {
	values := map[string]any{}
	if s.Time.JSON != "" {
		values[s.Time.JSON] = s.Time.value(at)
	}
	if s.ID.JSON != "" {
		values[s.ID.JSON] = rand.Text()
	}
	if len(values) == 0 {
		return body, nil
	}
	return s.eachElement(body, func(element any, _ []byte) error {
		for path, v := range values {
			if err := setJSON(element, path, v); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachElement changes the elements of a JSON body that are signed, or the whole
// of it. change gets each of them, and as it is written.
func (s Scheme) eachElement(body []byte, change func(element any, raw []byte) error) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var document any
	if err := d.Decode(&document); err != nil {
		return nil, fmt.Errorf("the body must be JSON, for part of what is signed stands in it: %w", err)
	}
	elements := []any{document}
	if s.Items != "" {
		v := document
		for name := range strings.SplitSeq(s.Items, ".") {
			object, _ := v.(map[string]any)
			v = object[name]
		}
		elements, _ = v.([]any)
		if len(elements) == 0 {
			return nil, fmt.Errorf("the body has no %s to sign", s.Items)
		}
	}
	for _, e := range elements {
		raw, err := writeJSON(e)
		if err != nil {
			return nil, err
		}
		if err := change(e, raw); err != nil {
			return nil, err
		}
	}
	return writeJSON(document)
}

func writeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// setJSON sets the value at a path, making the objects on the way. A number that
// takes the place of a text is written as one: the receiver's parser wants what
// the sender sends.
func setJSON(document any, path string, value any) error {
	names := strings.Split(path, ".")
	for i, name := range names {
		object, ok := document.(map[string]any)
		if !ok {
			return fmt.Errorf("the body has no object at %s", strings.Join(names[:i], "."))
		}
		if i == len(names)-1 {
			n, isNumber := value.(json.Number)
			if _, isText := object[name].(string); isText && isNumber {
				value = n.String()
			}
			object[name] = value
			return nil
		}
		if object[name] == nil {
			object[name] = map[string]any{}
		}
		document = object[name]
	}
	return nil
}

// signer returns what makes the text of a signature with the first key of a
// secret file.
func (s Scheme) signer(file secret.Value) (func(message [][]byte) (string, error), error) {
	if s.Alg.isAsymmetric() {
		sign, err := s.privateKey(file)
		if err != nil {
			return nil, err
		}
		return func(message [][]byte) (string, error) {
			signature, err := sign(bytes.Join(message, nil))
			return s.Signature.Encoding.encode(signature), err
		}, nil
	}
	lines := linesOf(file, s.Key.Encoding)
	if len(lines) == 0 {
		return nil, errors.New("the secret has no key")
	}
	key, err := s.Key.key(lines[0].text.Reveal())
	if err != nil {
		return nil, fmt.Errorf("line %d of the secret: %w", lines[0].number, err)
	}
	if s.Alg == Token {
		return func([][]byte) (string, error) { return string(key), nil }, nil
	}
	v, err := algorithms[s.Alg](key)
	if err != nil {
		return nil, err
	}
	m, ok := v.(mac)
	if !ok {
		return nil, fmt.Errorf("%s can't be signed", s.Alg)
	}
	return func(message [][]byte) (string, error) { return s.Signature.Encoding.encode(m.sum(message)), nil }, nil
}

// privateKey reads a private key.
func (s Scheme) privateKey(file secret.Value) (func(message []byte) ([]byte, error), error) {
	switch k := parsePrivateKey(file.Reveal()).(type) {
	case ed25519.PrivateKey:
		if s.Alg == Ed25519 {
			return func(message []byte) ([]byte, error) { return ed25519.Sign(k, message), nil }, nil
		}
	case *ecdsa.PrivateKey:
		if s.Alg == ECDSA && k.Curve == elliptic.P256() {
			return func(message []byte) ([]byte, error) {
				sum := sha256.Sum256(message)
				return ecdsa.SignASN1(rand.Reader, k, sum[:])
			}, nil
		}
	case *rsa.PrivateKey:
		if s.Alg == RSA && k.N.BitLen() >= leastRSA {
			return func(message []byte) ([]byte, error) {
				sum := sha256.Sum256(message)
				return rsa.SignPKCS1v15(nil, k, crypto.SHA256, sum[:])
			}, nil
		}
	}
	return nil, fmt.Errorf("the sender has a key pair: want its private key for %s in PEM", s.Alg)
}

func parsePrivateKey(text []byte) any {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return k
	}
	if k, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return k
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k
	}
	return nil
}

// encode writes bytes as decode reads them; of a JWT, as its parts are.
func (e Encoding) encode(b []byte) string {
	switch e {
	case Base64:
		return base64.StdEncoding.EncodeToString(b)
	case Base64URL, JWT:
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return hex.EncodeToString(b)
}

// format writes a time as parse reads it.
func (t Time) format(at time.Time) string {
	switch cmp.Or(t.Format, Unix) {
	case UnixMS:
		return strconv.FormatInt(at.UnixMilli(), 10)
	case RFC3339:
		return at.UTC().Format(time.RFC3339Nano)
	case HTTPDate:
		return at.UTC().Format(http.TimeFormat)
	}
	return strconv.FormatInt(at.Unix(), 10)
}
