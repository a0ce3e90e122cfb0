package hmac

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	"auth-watchdog/watchdog/secret"
)

// A Vector is a request whose signature is known to be good, for what is sent to
// "/".
type Vector struct {
	Secret string
	At     int64 // Unix seconds
	Header map[string]string
	Body   string
}

// ErrSelfTest is what [New] says of a method that does not do what it should.
var ErrSelfTest = errors.New("the self-test failed: this program can't be relied on for the sender")

// errUntested is why a self-test says nothing: it found no request that is good.
var errUntested = errors.New("a good request could not be made, or is refused")

// test has each scheme judge a request that is known to be good, and the same
// with another body. It uses keys of its own.
func (m *Method) test() error {
	if p, ok := Presets()[m.config.Preset]; ok && p.Vector.Secret != "" {
		if err := m.testVector(p.Vector); err != nil {
			return err
		}
	}
	for i := range m.schemes {
		err := m.testScheme(m.schemes[i])
		if errors.Is(err, errUntested) && m.config.Scheme.Alg != "" {
			// A scheme of the user's own may ask for what can't be made up.
			m.warnings = append(m.warnings, "the scheme could not be tested: try it with a request of the sender's, by auth-watchdog explain")
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// trial returns a method of the same schemes over another secret, at another
// time, which answers no handshakes.
func (m *Method) trial(schemes []keyed, file secret.Value, at time.Time) (*Method, error) {
	t := &Method{name: m.name, config: m.config, publicURL: m.publicURL, replays: NewMemory(1, false), now: func() time.Time { return at }}
	for _, s := range schemes {
		s.keys = nil
		t.schemes = append(t.schemes, s)
	}
	return t, t.takeKeys(file)
}

func (m *Method) testVector(v Vector) error {
	t, err := m.trial(m.schemes, secret.New([]byte(v.Secret)), time.Unix(v.At, 0))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSelfTest, err)
	}
	r := testRequest()
	for name, text := range v.Header {
		r.Header.Set(name, text)
	}
	return t.holds(r, []byte(v.Body))
}

func (m *Method) testScheme(k keyed) error {
	s := k.Scheme
	private, public, err := s.testKey()
	if err != nil || private == nil {
		return err
	}
	at := time.Unix(1_700_000_000, 0)
	t, err := m.trial([]keyed{k}, secret.New(public), at)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSelfTest, err)
	}
	body := []byte(exampleBody(s))
	if k.message.has("form") {
		body = []byte("hello=world")
	}
	r := testRequest()
	if k.message.has("form") {
		r.Header.Set("Content-Type", formType)
	}
	// What the template asks of the body, so that it can be signed.
	if body, err = s.fillJSON(body); err == nil {
		body, err = Sign([]Scheme{s}, r, body, secret.New(private), SignOptions{PublicURL: m.publicURL, At: at})
	}
	if err != nil {
		return fmt.Errorf("%w: %w: %w", ErrSelfTest, errUntested, err)
	}
	return t.holds(r, body)
}

// fillJSON puts some text wherever the template takes one from the body.
func (s Scheme) fillJSON(body []byte) ([]byte, error) {
	t, err := parseTemplate(s.Signed)
	if err != nil || !t.has("json") {
		return body, err
	}
	return s.eachElement(body, func(element any, _ []byte) error {
		for _, p := range t {
			if p.kind == "json" {
				if err := setJSON(element, p.text, "1"); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func testRequest() *http.Request {
	r, _ := http.NewRequest(http.MethodPost, "/hook?a=b", nil) //nolint:noctx // it is sent to nobody
	r.Header.Set("Content-Type", "application/json")
	return r
}

// holds reports whether a request is admitted, and with another body is not.
func (m *Method) holds(r *http.Request, body []byte) error {
	if _, err := m.judge(withBody(r, body)); err != nil {
		return fmt.Errorf("%w: %w: %w", ErrSelfTest, errUntested, err)
	}
	if s := m.schemes[0]; s.BodyUnsigned || s.Alg == Token {
		return nil
	}
	if _, err := m.judge(withBody(r, append(bytes.Clone(body), ' '))); err == nil {
		return fmt.Errorf("%w: a request with another body is admitted", ErrSelfTest)
	}
	return nil
}

// testKey makes a key for the self-test, or a pair of them. There is none for
// RSA, which takes too long to make: a vector of the preset has to do.
func (s Scheme) testKey() (private, public []byte, err error) {
	key := bytes.Repeat([]byte("k3y"), 12)[:32]
	var signer crypto.Signer
	switch s.Alg {
	case RSA:
		return nil, nil, nil
	case Ed25519:
		signer = ed25519.NewKeyFromSeed(key)
	case ECDSA:
		if signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, nil, err
		}
	default:
		text := s.Key.write(key)
		return text, text, nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), s.Key.write(spki), nil
}

// write is key the other way round.
func (f KeyForm) write(key []byte) []byte {
	switch f.Encoding {
	case KeyHex:
		return []byte(f.StripPrefix + hex.EncodeToString(key))
	case KeyBase64, KeySPKI:
		return []byte(f.StripPrefix + base64.StdEncoding.EncodeToString(key))
	case KeyPEM:
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key})
	}
	return append([]byte(f.StripPrefix), key...)
}
