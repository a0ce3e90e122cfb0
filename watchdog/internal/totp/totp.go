// Package totp makes and checks the codes of authenticator apps (RFC 6238), and
// the recovery codes for when the app is lost.
package totp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what authenticator apps compute; RFC 6238 §1.2
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// What authenticator apps take for granted.
const (
	digits = 6
	period = 30 * time.Second
)

// Lengths of a seed in bytes: what NewSeed makes, and RFC 4226 §4 asks for, and
// the least and the most that a seed may have.
const (
	seedLength = 20
	leastSeed  = 16
	mostSeed   = 64
)

// NewSeed makes the seed of a user: 160 bits.
func NewSeed() []byte {
	seed := make([]byte, seedLength)
	_, _ = rand.Read(seed) // never fails
	return seed
}

// Match reports whether code is the one of now, of the step before or of the
// next, because clocks differ and people are slow. step is the one it belongs
// to: take none that is not above the last that was taken, or a code can be
// used twice. Whatever the code, it takes the same time.
func Match(seed []byte, code string, now time.Time) (step uint64, ok bool) {
	at := stepOf(now)
	for _, s := range [...]uint64{at - 1, at, at + 1} {
		if subtle.ConstantTimeCompare([]byte(codeOf(seed, s, digits)), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok && len(seed) >= leastSeed
}

// Code returns the code of a moment, which is what an authenticator app shows.
func Code(seed []byte, now time.Time) string { return codeOf(seed, stepOf(now), digits) }

func stepOf(t time.Time) uint64 {
	return uint64(max(1, t.Unix()/int64(period/time.Second))) //nolint:gosec // not below 0
}

// codeOf is HOTP, RFC 4226 §5.3.
func codeOf(seed []byte, step uint64, digits int) string {
	mac := hmac.New(sha1.New, seed)
	mac.Write(binary.BigEndian.AppendUint64(nil, step))
	sum := mac.Sum(nil)
	from := sum[len(sum)-1] & 0xf
	number := uint64(binary.BigEndian.Uint32(sum[from:]) & 0x7fffffff)
	modulus := uint64(1)
	for range digits {
		modulus *= 10
	}
	return fmt.Sprintf("%0*d", digits, number%modulus)
}

func encoding() *base32.Encoding { return base32.StdEncoding.WithPadding(base32.NoPadding) }

// EncodeSeed returns a seed in base32, as people type it into an app and as it
// is stored.
func EncodeSeed(seed []byte) string { return encoding().EncodeToString(seed) }

// DecodeSeed reads what EncodeSeed returns, in whatever case, with spaces and
// padding. The error does not repeat it.
func DecodeSeed(text string) ([]byte, error) {
	text = strings.ToUpper(strings.TrimRight(strings.ReplaceAll(text, " ", ""), "="))
	seed, err := encoding().DecodeString(text)
	if err != nil || EncodeSeed(seed) != text || len(seed) < leastSeed || len(seed) > mostSeed {
		return nil, fmt.Errorf("want base32 of %d to %d bytes, letters and the digits 2 to 7", leastSeed, mostSeed)
	}
	return seed, nil
}

// URI returns what the QR code for an authenticator app holds: the seed with
// the name of the user, and of what it signs in to.
func URI(issuer, name string, seed []byte) (string, error) {
	if issuer == "" || name == "" || strings.Contains(issuer+name, ":") {
		return "", errors.New("want an issuer and a name without colons")
	}
	return "otpauth://totp/" + escape(issuer) + ":" + escape(name) + "?secret=" + EncodeSeed(seed) + "&issuer=" + escape(issuer) +
		fmt.Sprintf("&algorithm=SHA1&digits=%d&period=%d", digits, int(period/time.Second)), nil
}

// escape leaves only what RFC 3986 §2.3 calls unreserved. Apps take a "+" as it
// stands, so a space is %20.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
