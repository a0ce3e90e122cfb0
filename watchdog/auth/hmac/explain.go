package hmac

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
)

var _ auth.Explainer = (*Method)(nil)

// Explain implements [auth.Explainer].
func (m *Method) Explain(r *auth.Request) auth.Explanation {
	var e auth.Explanation
	if p := m.config.Preset; p != "" {
		e.Add("preset", p)
	}
	if kind := m.config.handshake(); kind != "" {
		e.Add("handshake", kind)
	}
	rd, err := m.judge(r)
	if rd.scheme == nil {
		m.explainAbsent(&e, r)
		return e
	}
	s := rd.scheme
	e.Add("algorithm", string(s.Alg))
	e.Add("signature_from", s.Signature.place())
	last := part{}
	for _, p := range rd.parts { // the one at which the judgement ended
		last = p
		if p.line == 0 {
			break
		}
	}
	e.Add("signatures", strconv.Itoa(len(last.texts)))
	if len(rd.parts) > 1 {
		e.Add("items", strconv.Itoa(len(rd.parts)))
	}
	m.explainTime(&e, s, last)
	if !s.isJWT() && s.Alg != Token {
		e.Add("template", s.Signed)
	}
	if last.message != nil && s.Alg != Token {
		whole := bytes.Join(last.message, nil)
		e.Add("signed_bytes", strconv.Itoa(len(whole)))
		e.Add("signed_sha256", hexSHA256(whole))
	}
	switch {
	case last.line > 0:
		e.Add("key", label(last.line))
	case last.message != nil || s.Alg == Token:
		e.Add("key", fmt.Sprintf("none of %d", len(s.keys)))
	}
	if keep := m.keep(s); keep > 0 {
		e.Add("replay", keep.String())
	}
	if err != nil {
		m.explainError(&e, r, s, last, err)
	}
	return e
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// place says in words where a signature stands.
func (s Signature) place() string {
	switch {
	case s.JSON != "":
		return "JSON " + s.JSON
	case s.Query != "":
		return "query parameter " + s.Query
	case len(s.Headers) > 2:
		return fmt.Sprintf("header %s … %s", s.Headers[0], s.Headers[len(s.Headers)-1])
	}
	return "header " + strings.Join(s.Headers, ", ")
}

// explainAbsent says why no signature was found.
func (m *Method) explainAbsent(e *auth.Explanation, r *auth.Request) {
	for _, s := range m.schemes {
		e.Add("signature_from", s.Signature.place())
		for _, name := range s.Signature.Headers {
			value := r.Header.Get(name)
			if value == "" {
				continue
			}
			e.Add("signatures", "0")
			if s.Signature.Prefix != "" && !strings.Contains(value, s.Signature.Prefix) {
				e.Likely("%s is there, and nothing in it begins with %q", name, s.Signature.Prefix)
			}
			if s.BodyHash.Query != "" {
				e.Likely("the URL has no parameter %s", s.BodyHash.Query)
			}
		}
		if s.Signature.JSON != "" && !isJSON(r) {
			e.Likely("the signature stands in a JSON body, and the Content-Type says that it is something else")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(Presets())) {
		for _, s := range Presets()[name].Schemes {
			for _, h := range s.Signature.Headers {
				value := r.Header.Get(h)
				if name != m.config.Preset && http.CanonicalHeaderKey(h) != "Authorization" && strings.Contains(value, s.Signature.Prefix) && value != "" {
					e.Likely("the request has %s, as %s sends it: preset=%s", h, Presets()[name].Sender, name)
				}
			}
		}
	}
	if len(e.Causes) == 0 {
		e.Likely("the sender has no secret yet, so that it signs nothing; or a proxy on the way has taken the header away")
	}
}

// explainTime says when a request was signed.
func (m *Method) explainTime(e *auth.Explanation, s *keyed, p part) {
	if s.Time.isZero() {
		e.Add("time", "not signed")
		return
	}
	if p.at == "" && p.document != nil && s.Time.Claim == "" { // the judgement did not come so far
		p.at, _ = s.Time.text(p.document, p.items)
	}
	if p.at == "" {
		e.Add("time", "not found")
		return
	}
	e.Add("time", p.at)
	e.Add("tolerance", s.Time.Tolerance.String())
	if at, err := s.Time.parse(p.at); err == nil {
		e.Add("age", m.now().Sub(at).Round(time.Millisecond).String())
	}
}

func (m *Method) explainError(e *auth.Explanation, r *auth.Request, s *keyed, p part, err error) {
	denied := &auth.Denied{}
	if !errors.As(err, &denied) {
		return
	}
	switch denied.Reason {
	case auth.Stale:
		m.explainStale(e, s, p)
	case auth.Malformed:
		explainMalformed(e, s, p)
	case auth.BadSignature:
		if p.line > 0 {
			e.Likely("the signature is good, and the body is not the one whose hash was signed: something on the way has changed it")
			return
		}
		m.explainMismatch(e, r, s, p)
	}
}

func (m *Method) explainStale(e *auth.Explanation, s *keyed, p part) {
	at, err := s.Time.parse(p.at)
	if err != nil { // the times of a token
		e.Likely("the token says itself that it is not good now: see the clock of this machine")
		return
	}
	if s.Time.Format == Unix && len(p.at) >= 12 {
		e.Likely("the time is in milliseconds, and seconds were expected: time.format=unix-ms")
		return
	}
	if age := m.now().Sub(at); age > 0 {
		e.Likely("it was signed %s ago: it was delivered late, as asynchronous calls are (then raise tolerance), it is an old copy, or this machine's clock is ahead", age.Round(time.Second))
	} else {
		e.Likely("it was signed %s from now: this machine's clock is behind, or the sender's ahead", -age.Round(time.Second))
	}
}

func explainMalformed(e *auth.Explanation, s *keyed, p part) {
	for name := range s.Require {
		e.Likely("the sender always sends %s, with the value that require has", name)
	}
	for _, text := range p.texts {
		for encoding, other := range map[string]Signature{"hex": {Encoding: Hex}, "base64": {Encoding: Base64}, "base64url": {Encoding: Base64URL}} {
			for _, alg := range []Alg{SHA1, SHA256, SHA384, SHA512} {
				if alg == s.Alg && other.Encoding == s.Signature.Encoding || s.Alg.isAsymmetric() || s.isJWT() {
					continue
				}
				if _, err := other.decode([]string{text}, alg.size()); err == nil {
					e.Likely("the signature looks like %s in %s, and %s in %s was expected", alg, encoding, s.Alg, s.Signature.Encoding)
				}
			}
		}
	}
	if s.Alg.isAsymmetric() && len(p.texts) > maxAsymmetric {
		e.Likely("a long body may have %d signatures by a private key", maxAsymmetric)
	}
	if strings.ContainsAny(strings.Join(p.texts, ""), " \"") {
		e.Likely("there are spaces or quotes in the signature")
	}
}

// explainMismatch looks for the one thing that would have to be different for
// the signature to be good.
func (m *Method) explainMismatch(e *auth.Explanation, r *auth.Request, s *keyed, p part) {
	if s.Alg == Token {
		for _, text := range p.texts {
			for _, k := range s.keys {
				if t, ok := k.verifier.(token); ok && t.value.Equal([]byte(strings.TrimSpace(strings.TrimPrefix(text, "Bearer ")))) {
					e.Likely("the token is right but for spaces around it, or for Bearer before it")
				}
			}
		}
		e.Likely("the sender has another token than the secret")
		return
	}
	if s.Alg.isAsymmetric() {
		e.Likely("the public key in the secret is of another application, or the body was changed on the way")
		return
	}
	signatures, err := s.signatures(&p)
	if err != nil {
		return
	}
	body, err := r.ReadBody()
	if err != nil {
		return
	}
	fits := func(keys []signingKey, body []byte, base string) (line int) {
		d := &document{element: p.document.element, paths: s.paths, token: p.document.token}
		d.request = withBody(r.Request, body)
		message := [][]byte{}
		if d.token != nil {
			message = append(message, []byte(d.token.signed))
		} else if message, err = s.pieces(d, p.at, base); err != nil {
			return 0
		}
		for _, k := range keys {
			if k.verify(message, signatures) {
				return k.line
			}
		}
		return 0
	}
	for _, v := range keyVariants(s) {
		if line := fits(v.keys, body, m.publicURL); line > 0 {
			e.Likely("line %d of the secret fits %s", line, v.what)
		}
	}
	for _, v := range bodyVariants(body) {
		if fits(s.keys, v.body, m.publicURL) > 0 {
			e.Likely("the signature is over the body %s: something has changed it since, or the copy that is explained is not exact", v.what)
		}
	}
	if s.SignsURL() {
		for _, v := range urlVariants(r, m.publicURL) {
			if fits(s.keys, body, v) > 0 {
				e.Likely("the sender calls %s: set public_url so that it says that", v)
			}
		}
		e.Likely("public_url is %s: it must be the URL that was typed at the sender, to the letter", m.publicURL)
	}
	if len(e.Causes) == 0 {
		e.Likely("the sender signs with another secret than the %d of %s; or the body was changed on the way: it must be the very bytes that were sent, not JSON that was read and written again", len(m.lines), m.config.Secret)
	}
}

type keyVariant struct {
	what string
	keys []signingKey
}

// keyVariants are the mistakes that are made with a secret.
func keyVariants(s *keyed) []keyVariant {
	decode := func(f func(string) ([]byte, error)) func([]byte) []byte {
		return func(b []byte) []byte {
			b, _ = f(strings.TrimSpace(string(b)))
			return b
		}
	}
	after := func(prefix string, f func([]byte) []byte) func([]byte) []byte {
		return func(b []byte) []byte {
			rest, found := bytes.CutPrefix(b, []byte(prefix))
			if !found {
				return nil
			}
			return f(rest)
		}
	}
	same := func(b []byte) []byte { return b }
	var list []keyVariant
	for _, v := range []struct {
		what   string
		change func([]byte) []byte
	}{
		{"with a line ending behind it: the sender was given one too many; type it there again", func(b []byte) []byte { return append(bytes.Clone(b), '\n') }},
		{"without the spaces around it: write the secret again without them", bytes.TrimSpace},
		{"without the quotes around it: write the secret again without them", func(b []byte) []byte { return bytes.Trim(b, `"' `) }},
		{"as the text that it is: secret.encoding=utf8", same},
		{"without its prefix whsec_, as text", after("whsec_", same)},
		{"decoded from base64 behind its prefix whsec_: secret.encoding=base64 and secret.strip_prefix=whsec_", after("whsec_", decode(base64.StdEncoding.DecodeString))},
		{"decoded from base64: secret.encoding=base64", decode(base64.StdEncoding.DecodeString)},
		{"decoded from hex: secret.encoding=hex", decode(hex.DecodeString)},
	} {
		kv := keyVariant{what: v.what}
		for _, l := range s.lines {
			key := v.change(l.text.Reveal())
			if usual, err := s.Key.key(l.text.Reveal()); len(key) == 0 || err == nil && bytes.Equal(usual, key) {
				continue
			}
			if k, err := algorithms[s.Alg](key); err == nil {
				kv.keys = append(kv.keys, signingKey{l.number, k})
			}
		}
		list = append(list, kv)
	}
	return list
}

type bodyVariant struct {
	what string
	body []byte
}

// bodyVariants are what becomes of bodies on the way.
func bodyVariants(body []byte) []bodyVariant {
	list := []bodyVariant{
		{"without the line ending at its end", bytes.TrimRight(body, "\r\n")},
		{"with a line ending at its end", append(bytes.Clone(body), '\n')},
		{"with a line ending (CR LF) at its end", append(bytes.Clone(body), "\r\n"...)},
		{"with LF in place of CR LF", bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))},
		{"with CR LF in place of LF", bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))},
		{"when it is empty", nil},
	}
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil {
		list = append(list, bodyVariant{"without white space in its JSON", compact.Bytes()})
		for _, indent := range []string{"  ", "    ", "\t"} {
			var b bytes.Buffer
			_ = json.Indent(&b, body, "", indent)
			list = append(list, bodyVariant{"with its JSON indented", b.Bytes()})
		}
		spaced := bytes.ReplaceAll(bytes.ReplaceAll(compact.Bytes(), []byte(`":`), []byte(`": `)), []byte(`,"`), []byte(`, "`))
		list = append(list, bodyVariant{"with spaces in its JSON", spaced})
	}
	return slices.DeleteFunc(list, func(v bodyVariant) bool { return bytes.Equal(v.body, body) })
}

// urlVariants are public_urls by which a sender may have called.
func urlVariants(r *auth.Request, base string) []string {
	list := []string{
		strings.Replace(base, "https://", "http://", 1), strings.Replace(base, "http://", "https://", 1),
		strings.TrimSuffix(base, "/"), strings.TrimSuffix(base, "/") + "/",
		"https://" + r.Host, "http://" + r.Host,
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == base })
}
