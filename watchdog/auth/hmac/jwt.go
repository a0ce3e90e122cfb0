package hmac

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
)

// jwtNames are the algorithms as the header of a JWT has them (RFC 7518 §3.1,
// RFC 8037 §3.1). Which of them is asked for is up to the configuration; the
// token only has to agree.
var jwtNames = map[Alg]string{SHA256: "HS256", SHA384: "HS384", SHA512: "HS512", RSA: "RS256", Ed25519: "EdDSA"}

// A jwt is a token of which nothing has been proved yet.
type jwt struct {
	signed    string // what the signature is over
	signature []byte
	claims    map[string]string // those that were asked for
}

// parseJWT takes a token apart. want is the algorithm that it must name.
func parseJWT(text string, want Alg, claims ...string) (*jwt, error) {
	head, rest, ok := strings.Cut(text, ".")
	body, mac, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.Contains(mac, ".") || len(text) > maxJSON {
		return nil, errors.New("is not three parts with dots between")
	}
	b, err := rawURL(head)
	if err != nil {
		return nil, err
	}
	header, err := jsonValues(b, []string{"alg"})
	if err != nil {
		return nil, err
	}
	var critical struct{ Crit json.RawMessage }
	if err := json.Unmarshal(b, &critical); err != nil || critical.Crit != nil {
		// RFC 7515 §4.1.11: what crit names changes how the rest is read.
		return nil, errors.New("has critical extensions")
	}
	if header["alg"] != jwtNames[want] {
		return nil, errors.New("is not signed by " + jwtNames[want])
	}
	t := &jwt{signed: head + "." + body}
	if t.signature, err = rawURL(mac); err != nil {
		return nil, err
	}
	if b, err = rawURL(body); err != nil {
		return nil, err
	}
	t.claims, err = jsonValues(b, append(claims, "exp", "nbf"))
	return t, err
}

// rawURL decodes a part of a token (RFC 7515 §2), of one spelling.
func rawURL(text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // the decoder passes over line ends
		return nil, errors.New("has a part that is not base64url")
	}
	return b, nil
}

// judge holds the times of a token (RFC 7519 §4.1.4, §4.1.5) against now.
func (t *jwt) judge(now time.Time) error {
	for name, outside := range map[string]func(at time.Time) bool{
		"exp": func(at time.Time) bool { return !now.Before(at) },
		"nbf": func(at time.Time) bool { return now.Before(at) },
	} {
		text := t.claims[name]
		if text == "" {
			continue
		}
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || seconds < 0 || seconds > 1<<40 {
			return malformed("the claim %s is not a time", name)
		}
		if at := time.UnixMilli(int64(seconds * 1000)); outside(at) {
			return &auth.Denied{Reason: auth.Stale, Err: errors.New("now is outside of the token's " + name)}
		}
	}
	return nil
}

// holds reports whether text is the hash of body.
func (h BodyHash) holds(text string, body []byte) error {
	list, err := (&Signature{Encoding: h.Encoding}).decode([]string{text}, sha256.Size)
	if err != nil {
		return malformed("the hash of the body is not %s of the right length", h.Encoding)
	}
	sum := sha256.Sum256(body)
	if subtle.ConstantTimeCompare(sum[:], list[0]) != 1 {
		return &auth.Denied{Reason: auth.BadSignature, Err: errors.New("the body is not the one whose hash was signed")}
	}
	return nil
}
