// Package session seals what a browser keeps for us, so that nobody else can
// read, make or change it.
package session

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"auth-watchdog/watchdog/secret"
)

// A Ring has the keys that seal and open. The zero value has none and opens
// nothing.
type Ring struct {
	keys []key // the newest first: it seals, all of them open
}

type key struct {
	id   string             // the beginning of a digest of the key, in hex
	aead func() cipher.AEAD // a func, of which fmt can print an address only
}

const (
	version = "v1."
	idBytes = 4 // of a digest: enough to tell a few keys apart
	maxKeys = 16
)

// ParseRing reads a key from each line of a secret: 32 random bytes in standard
// base64, the newest first. The error never repeats what stands there.
func ParseRing(file secret.Value) (*Ring, error) {
	r := &Ring{}
	var errs []error
	for n, line := range file.Lines() {
		k, err := parseKey(line)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
		case r.find(k.id) != nil:
			errs = append(errs, fmt.Errorf("line %d: is there twice", n))
		default:
			r.keys = append(r.keys, k)
		}
	}
	switch {
	case len(r.keys) > maxKeys:
		errs = append(errs, fmt.Errorf("has %d keys, and %d is the most", len(r.keys), maxKeys))
	case len(r.keys) == 0 && len(errs) == 0:
		errs = append(errs, errors.New("has no key, only comments; auth-watchdog key ring --file FILE makes one"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return r, nil
}

func parseKey(line secret.Value) (key, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(string(bytes.TrimSpace(line.Reveal())))
	if err != nil || len(b) != chacha20poly1305.KeySize {
		return key{}, errors.New("want 32 random bytes in base64, which auth-watchdog key ring --file FILE makes")
	}
	if weak(b) {
		return key{}, errors.New("is text and not random; auth-watchdog key ring --file FILE makes one that is")
	}
	aead, err := chacha20poly1305.NewX(b)
	if err != nil {
		return key{}, err
	}
	id := sha256.Sum256(append([]byte("key id"), b...))
	return key{hex.EncodeToString(id[:idBytes]), func() cipher.AEAD { return aead }}, nil
}

// weak reports whether a key was typed rather than drawn: of 32 random bytes
// some are no ASCII, and most are different.
func weak(key []byte) bool {
	ascii, different := true, map[byte]bool{}
	for _, c := range key {
		ascii = ascii && c < 0x80
		different[c] = true
	}
	const least = 16 // of 32 random bytes, about 30 are different
	return ascii || len(different) < least
}

// NewKey makes a key, as a line of the secret.
func NewKey() string {
	for {
		b := make([]byte, chacha20poly1305.KeySize)
		_, _ = rand.Read(b) // never fails
		if !weak(b) {
			return base64.StdEncoding.EncodeToString(b)
		}
	}
}

func (r *Ring) find(id string) *key {
	for i := range r.keys {
		if r.keys[i].id == id {
			return &r.keys[i]
		}
	}
	return nil
}

// ErrSealed is why something does not open. It is one error for all reasons.
var ErrSealed = errors.New("no key in force opens it: it was forged, made for another function or address, or sealed with a key that is gone")

// Seal seals text for a purpose: it opens for the same one only.
func (r *Ring) Seal(purpose, text []byte) (string, error) {
	if len(r.keys) == 0 {
		return "", errors.New("no key to seal with")
	}
	k := r.keys[0]
	sealed := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(text)+chacha20poly1305.Overhead)
	_, _ = rand.Read(sealed) // never fails
	sealed = k.aead().Seal(sealed, sealed, text, purpose)
	return version + k.id + "." + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open opens what Seal has sealed. newest is whether with the newest key; the
// error is ErrSealed.
func (r *Ring) Open(purpose []byte, sealed string) (text []byte, newest bool, err error) {
	rest, ok := strings.CutPrefix(sealed, version)
	id, rest, found := strings.Cut(rest, ".")
	k := r.find(id)
	if !ok || !found || k == nil || strings.ContainsAny(rest, "\r\n") { // which the decoder passes over
		return nil, false, ErrSealed
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(b) < chacha20poly1305.NonceSizeX {
		return nil, false, ErrSealed
	}
	nonce, box := b[:chacha20poly1305.NonceSizeX], b[chacha20poly1305.NonceSizeX:]
	text, err = k.aead().Open(box[:0], nonce, box, purpose) // in its place
	if err != nil {
		return nil, false, ErrSealed
	}
	return text, k == &r.keys[0], nil
}
