package hmac

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // HMAC-SHA1 is what some senders sign with; it is not broken as a MAC
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"

	"auth-watchdog/watchdog/secret"
)

// Alg names what a signature is.
type Alg string

// The algorithms. Token is none: the secret itself is sent and compared.
const (
	SHA1    Alg = "hmac-sha1"
	SHA256  Alg = "hmac-sha256"
	SHA384  Alg = "hmac-sha384"
	SHA512  Alg = "hmac-sha512"
	Ed25519 Alg = "ed25519"
	ECDSA   Alg = "ecdsa-p256-sha256" // in DER
	RSA     Alg = "rsa-sha256"        // PKCS #1 v1.5
	Token   Alg = "token"
)

// A verifier holds signatures against a message with one key.
type verifier interface {
	// verify reports whether one of the signatures is good. It looks at all of
	// them, whichever is.
	verify(message, signatures [][]byte) bool
}

// algorithms says how a key becomes a verifier.
var algorithms = map[Alg]func(key []byte) (verifier, error){
	SHA1:    macOf(sha1.New),
	SHA256:  macOf(sha256.New),
	SHA384:  macOf(sha512.New384),
	SHA512:  macOf(sha512.New),
	Ed25519: newEd25519,
	ECDSA:   newECDSA,
	RSA:     newRSA,
	Token:   newToken,
}

func algorithmNames() []string {
	var names []string
	for _, a := range slices.Sorted(maps.Keys(algorithms)) {
		names = append(names, string(a))
	}
	return names
}

func (a Alg) isAsymmetric() bool { return a == Ed25519 || a == ECDSA || a == RSA }

// size is the length of a signature in bytes, 0 if it varies.
func (a Alg) size() int {
	switch a {
	case SHA1:
		return sha1.Size
	case SHA256:
		return sha256.Size
	case SHA384:
		return sha512.Size384
	case SHA512:
		return sha512.Size
	case Ed25519:
		return ed25519.SignatureSize
	}
	return 0
}

type mac struct {
	new func() hash.Hash
	key secret.Value
}

func macOf(h func() hash.Hash) func([]byte) (verifier, error) {
	return func(key []byte) (verifier, error) { return mac{h, secret.New(key)}, nil }
}

func (m mac) sum(message [][]byte) []byte {
	h := hmac.New(m.new, m.key.Reveal())
	for _, piece := range message {
		h.Write(piece)
	}
	return h.Sum(nil)
}

func (m mac) verify(message, signatures [][]byte) bool {
	want := m.sum(message)
	good := false
	for _, s := range signatures {
		good = hmac.Equal(want, s) || good
	}
	return good
}

type token struct{ value secret.Value }

func newToken(key []byte) (verifier, error) { return token{secret.New(key)}, nil }

func (t token) verify(_, signatures [][]byte) bool {
	good := false
	for _, s := range signatures {
		good = t.value.Equal(s) || good
	}
	return good
}

// publicKey prepares a message for signatures to be held against it.
type publicKey func(message [][]byte) (verify func(signature []byte) bool)

func (k publicKey) verify(message, signatures [][]byte) bool {
	check := k(message)
	good := false
	for _, s := range signatures {
		good = check(s) || good
	}
	return good
}

func sumSHA256(message [][]byte) []byte {
	h := sha256.New()
	for _, piece := range message {
		h.Write(piece)
	}
	return h.Sum(nil)
}

func newEd25519(key []byte) (verifier, error) {
	if len(key) != ed25519.PublicKeySize {
		pub, err := x509.ParsePKIXPublicKey(key)
		k, ok := pub.(ed25519.PublicKey)
		if err != nil || !ok {
			return nil, fmt.Errorf("want an Ed25519 public key of %d bytes", ed25519.PublicKeySize)
		}
		key = k
	}
	return publicKey(func(message [][]byte) func([]byte) bool {
		whole := bytes.Join(message, nil)
		return func(signature []byte) bool { return ed25519.Verify(key, whole, signature) }
	}), nil
}

func newECDSA(key []byte) (verifier, error) {
	pub, err := x509.ParsePKIXPublicKey(key)
	k, ok := pub.(*ecdsa.PublicKey)
	if err != nil || !ok || k.Curve != elliptic.P256() {
		return nil, errors.New("want a public key on the curve P-256")
	}
	return publicKey(func(message [][]byte) func([]byte) bool {
		sum := sumSHA256(message)
		return func(signature []byte) bool { return ecdsa.VerifyASN1(k, sum, signature) }
	}), nil
}

// leastRSA is the shortest modulus in bits (RFC 8017; NIST SP 800-131A).
const leastRSA = 2048

func newRSA(key []byte) (verifier, error) {
	pub, err := x509.ParsePKIXPublicKey(key)
	k, ok := pub.(*rsa.PublicKey)
	if err != nil || !ok || k.N.BitLen() < leastRSA {
		return nil, fmt.Errorf("want an RSA public key of at least %d bits", leastRSA)
	}
	return publicKey(func(message [][]byte) func([]byte) bool {
		sum := sumSHA256(message)
		return func(signature []byte) bool { return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum, signature) == nil }
	}), nil
}

// A line is a key as it stands in the secret.
type line struct {
	number int
	text   secret.Value
}

// linesOf takes a secret apart: a key a line, or a PEM block each.
func linesOf(file secret.Value, e KeyEncoding) []line {
	var lines []line
	if e == KeyPEM {
		rest := file.Reveal()
		for n := 1; ; n++ {
			block, after := pem.Decode(rest)
			if block == nil {
				return lines
			}
			lines = append(lines, line{n, secret.New(block.Bytes)})
			rest = after
		}
	}
	for n, l := range file.Lines() {
		lines = append(lines, line{n, l})
	}
	return lines
}

// key makes the bytes of a key from the text of a line.
func (f KeyForm) key(text []byte) ([]byte, error) {
	text, found := bytes.CutPrefix(text, []byte(f.StripPrefix))
	if f.NeedsPrefix && !found {
		return nil, fmt.Errorf("does not begin with %s", f.StripPrefix)
	}
	var key []byte
	var err error
	switch f.Encoding {
	case KeyHex:
		key, err = hex.DecodeString(string(text))
	case KeyBase64, KeySPKI:
		key, err = base64.StdEncoding.Strict().DecodeString(string(text))
	default:
		key = text
	}
	if err != nil {
		return nil, fmt.Errorf("is not %s", strings.TrimPrefix(string(f.Encoding), "spki-"))
	}
	if len(key) == 0 {
		return nil, errors.New("is empty")
	}
	return key, nil
}
