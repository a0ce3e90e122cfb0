package hmac

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/secret"
)

// Sign sets the headers that a sender of the scheme would send with r and
// body, with the first key of the secret. It is for schemes with a shared key
// whose signature stands in a header. publicURL is as for [New].
func (s Scheme) Sign(r *http.Request, body []byte, file secret.Value, publicURL string, now time.Time) error {
	if err := s.Check(); err != nil {
		return err
	}
	s = s.withDefaults()
	if s.Alg.isAsymmetric() || len(s.Signature.Headers) == 0 || s.Time.JSON != "" || s.ID.JSON != "" {
		return errors.New("such a scheme can't be signed for: it has a private key, or its signature is part of the body")
	}
	lines := linesOf(file, s.Key.Encoding)
	if len(lines) == 0 {
		return errors.New("the secret has no key")
	}
	key, err := s.Key.key(lines[0].text)
	if err != nil {
		return err
	}

	if s.ID.Header != "" {
		r.Header.Set(s.ID.Header, "msg_"+rand.Text())
	}
	at := s.Time.format(now)
	if s.Time.Header != "" {
		r.Header.Set(s.Time.Header, at)
	}
	for name, value := range s.Require {
		r.Header.Set(name, value)
	}
	signature := string(key)
	if s.Alg != Token {
		k, _ := newKeyed(s) // Check has parsed it
		seen := r.Clone(r.Context())
		seen.Body, seen.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		asked := auth.NewRequest(seen, auth.NewBuffers(int64(len(body)), int64(len(body))+1))
		pieces, err := k.pieces(k.document(asked), at, publicURL)
		if err != nil {
			return err
		}
		v, _ := algorithms[s.Alg](key)
		signature = s.Signature.encode(v.(mac).sum(pieces)) //nolint:forcetypeassert // the other kinds were turned away above
	}
	value := s.Signature.Prefix + signature
	if s.Time.SigPrefix != "" {
		value = s.Time.SigPrefix + at + s.Signature.Split + value
	}
	r.Header.Set(s.Signature.Headers[0], value)
	return nil
}

func (s Signature) encode(b []byte) string {
	switch s.Encoding {
	case Base64:
		return base64.StdEncoding.EncodeToString(b)
	case Base64URL:
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return hex.EncodeToString(b)
}

// format writes a time as parse reads it.
func (t Time) format(at time.Time) string {
	switch t.Format {
	case UnixMS:
		return strconv.FormatInt(at.UnixMilli(), 10)
	case RFC3339:
		return at.UTC().Format(time.RFC3339Nano)
	case HTTPDate:
		return at.UTC().Format(http.TimeFormat)
	}
	return strconv.FormatInt(at.Unix(), 10)
}
