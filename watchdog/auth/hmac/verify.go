package hmac

import (
	"bytes"
	"cmp"
	"crypto/subtle"
	"errors"
	"net/url"
	"strings"

	"auth-watchdog/watchdog/auth"
)

// A reading is what was found in a request on the way to the verdict, as far as
// it went.
type reading struct {
	scheme *keyed // nil if no signature is present
	parts  []part // one or, of a scheme with items, one for each
}

// A part is what one signature, or several over the same, stand for.
type part struct {
	document *document
	texts    []string // the signatures as they are written
	items    []string // what stood beside them
	at       string   // the time as it is written
	message  [][]byte // what is signed, in pieces

	line int      // of the key that made a signature; 0 if none did
	key  verifier // that key
}

// length is that of the message in bytes.
func (p *part) length() int {
	n := 0
	for _, piece := range p.message {
		n += len(piece)
	}
	return n
}

// line is that of the key behind the request.
func (rd *reading) line() int { return rd.parts[0].line }

// judge reads a request and says whether it is signed as it has to be. Its
// error is as that of [auth.Method]; what it read it returns in any case.
func (m *Method) judge(r *auth.Request) (*reading, error) {
	var keyless *reading
	for i := range m.schemes {
		s := &m.schemes[i]
		parts, err := s.find(r)
		if errors.Is(err, auth.ErrNoCredential) {
			continue
		}
		rd := &reading{s, parts}
		if len(s.keys) == 0 && err == nil { // one of the others may have a key
			if keyless == nil {
				keyless = rd
			}
			continue
		}
		for i := range parts {
			if err == nil {
				err = m.verify(s, &rd.parts[i])
			}
		}
		return rd, err
	}
	if keyless != nil {
		return keyless, &auth.Denied{Reason: auth.BadSignature, Err: errors.New("no line of the secret is a key for such signatures")}
	}
	return &reading{}, auth.ErrNoCredential
}

// A signature by a private key costs as much as hashing the body, each of them.
// A request whose message is longer than cheapMessage bytes may bring
// maxAsymmetric.
const (
	maxAsymmetric = 3
	cheapMessage  = 1 << 20
)

// maxItems is how many elements of a body may have signatures of their own.
const maxItems = 100

// find looks for what of a request is signed by the scheme.
func (s *keyed) find(r *auth.Request) ([]part, error) {
	if s.BodyHash.Query != "" {
		if _, found, err := r.Parameter(s.BodyHash.Query); err != nil || !found {
			return nil, cmp.Or(err, auth.ErrNoCredential)
		}
	}
	if s.Items == "" {
		p := part{document: &document{request: r, paths: s.paths}}
		var err error
		p.texts, p.items, err = s.Signature.signatures(p.document)
		return []part{p}, err
	}
	if !isJSON(r) {
		return nil, auth.ErrNoCredential
	}
	body, err := jsonBody(r)
	if err != nil {
		return nil, err
	}
	elements, err := jsonArray(body, s.Items, maxItems)
	switch {
	case err != nil:
		return nil, malformed("the body as JSON: %w", err)
	case len(elements) == 0:
		return nil, auth.ErrNoCredential
	case len(elements) > maxItems:
		return nil, malformed("more than %d elements in %s", maxItems, s.Items)
	}
	parts := make([]part, len(elements))
	for i, e := range elements {
		p := &parts[i]
		p.document = &document{request: r, element: e, paths: s.paths}
		if p.texts, p.items, err = s.Signature.signatures(p.document); err != nil {
			if errors.Is(err, auth.ErrNoCredential) && i > 0 {
				err = malformed("not every element of %s has a signature", s.Items)
			}
			return parts, err
		}
	}
	return parts, nil
}

// verify finds the key that made a signature. What can be judged by the headers
// is judged before the body is read.
func (m *Method) verify(s *keyed, p *part) error {
	r := p.document.request
	for name, want := range s.Require {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get(name)), []byte(want)) != 1 { // it may be a secret
			return malformed("%s is not what require says", name)
		}
	}
	signatures, err := s.signatures(p)
	if err != nil {
		return err
	}
	if !s.Time.isZero() {
		if p.at, err = s.Time.text(p.document, p.items); err != nil {
			return err
		}
	}
	if err = m.judgeTime(s, p); err != nil {
		return err
	}
	for _, base := range s.bases(m.publicURL) {
		if t := p.document.token; t != nil {
			p.message = [][]byte{[]byte(t.signed)}
		} else if p.message, err = s.pieces(p.document, p.at, base); err != nil {
			return err
		}
		if s.Alg.isAsymmetric() && len(signatures) > maxAsymmetric && p.length() > cheapMessage {
			return malformed("more than %d signatures by a private key over a long body", maxAsymmetric)
		}
		for _, k := range s.keys { // all of them, whichever matches
			if k.verify(p.message, signatures) && p.line == 0 {
				p.line, p.key = k.line, k.verifier
			}
		}
		if p.line > 0 {
			break
		}
	}
	if p.line == 0 || m.confusable(s, p.message) {
		return &auth.Denied{Reason: auth.BadSignature}
	}
	if err := s.checkBodyHash(p); err != nil {
		return err
	}
	return m.judgeTime(s, p) // again: the body may have taken its time
}

// judgeTime holds the times of a part against now.
func (m *Method) judgeTime(s *keyed, p *part) error {
	if !s.Time.isZero() {
		if err := s.Time.judge(p.at, m.now()); err != nil {
			return err
		}
	}
	if t := p.document.token; t != nil {
		return t.judge(m.now())
	}
	return nil
}

// confusable reports whether a body that is signed alone could be what another
// of the sender's schemes signs, a time before a body: then whoever has seen a
// request by the one could send its signature by the other, without its time.
func (m *Method) confusable(s *keyed, message [][]byte) bool {
	if s.Signed != "{body}" {
		return false
	}
	for i := range m.schemes {
		o := &m.schemes[i]
		if o.Alg != s.Alg || len(o.message) < 2 || o.message[0].kind != "time" || o.message[1].kind != "text" {
			continue
		}
		before, _, found := bytes.Cut(bytes.Join(message, nil), []byte(o.message[1].text))
		if _, err := o.Time.parse(string(before)); found && err == nil {
			return true
		}
	}
	return false
}

// bases are the public URLs that may be signed: the one that is configured and,
// of a sender that can't make up its mind, the same with its port or without.
func (s *keyed) bases(public string) []string {
	if !s.AnyPort {
		return []string{public}
	}
	u, err := url.Parse(public)
	ports := map[string]string{"https": "443", "http": "80"}
	if err != nil || ports[u.Scheme] == "" {
		return []string{public}
	}
	switch u.Port() {
	case "":
		u.Host += ":" + ports[u.Scheme]
	case ports[u.Scheme]:
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	default:
		return []string{public}
	}
	return []string{public, u.String()}
}

// signatures decodes the signatures of a part.
func (s *keyed) signatures(p *part) ([][]byte, error) {
	if s.Alg == Token {
		var list [][]byte
		for _, t := range p.texts {
			list = append(list, []byte(t))
		}
		return list, nil
	}
	if !s.isJWT() {
		return s.Signature.decode(p.texts, s.Alg.size())
	}
	if len(p.texts) != 1 {
		return nil, malformed("%d tokens", len(p.texts))
	}
	claims := []string{}
	for _, c := range []string{s.Time.Claim, s.BodyHash.Claim} {
		if c != "" {
			claims = append(claims, c)
		}
	}
	t, err := parseJWT(p.texts[0], s.Alg, claims...)
	if err != nil {
		return nil, malformed("the token %w", err)
	}
	p.document.token = t
	return [][]byte{t.signature}, nil
}

// checkBodyHash holds the body against the hash of it that was signed.
func (s *keyed) checkBodyHash(p *part) error {
	r := p.document.request
	var text string
	switch {
	case s.BodyHash.Query != "":
		v, _, err := r.Parameter(s.BodyHash.Query)
		if err != nil {
			return err
		}
		text = v
	case s.BodyHash.Claim != "":
		text = p.document.token.claims[s.BodyHash.Claim]
	default:
		return nil
	}
	body, err := r.ReadBody()
	if err != nil {
		return err
	}
	if text == "" && s.BodyHash.Claim != "" && len(body) == 0 {
		return nil // nothing was sent, and nothing had to be hashed
	}
	return s.BodyHash.holds(text, body)
}

// pieces returns what is signed of r, in the order of the template. at is the
// time as it is written.
func (s *keyed) pieces(d *document, at, base string) ([][]byte, error) {
	r := d.request
	message := make([][]byte, 0, len(s.message))
	for _, p := range s.message {
		var piece []byte
		switch p.kind {
		case "text":
			piece = []byte(p.text)
		case "body":
			body, err := r.ReadBody()
			if err != nil {
				return nil, err
			}
			piece = body
		case "time":
			piece = []byte(at)
		case "id":
			id, err := s.ID.read(d)
			if err != nil {
				return nil, err
			}
			if !isID(id) {
				return nil, malformed("the id is not 1 to 256 printable characters")
			}
			piece = []byte(id)
		case "form":
			form, err := sortedForm(r)
			if err != nil {
				return nil, err
			}
			piece = form
		case "method":
			piece = []byte(r.Method)
		case "url", "url_decoded", "path":
			path := r.URL.EscapedPath()
			if r.URL.RawPath != "" && r.URL.RawPath != path {
				// Package url has written it anew, so the function would get
				// another than was signed.
				return nil, &auth.Denied{Reason: auth.TwoReadings, Err: errors.New("the path has bytes that can't stand in one")}
			}
			piece = []byte(path)
			switch p.kind {
			case "url":
				piece = []byte(publicURL(base, path, r.URL))
			case "url_decoded":
				piece = []byte(decodeURL.Replace(publicURL(base, path, r.URL)))
			}
		case "query":
			piece = []byte(r.URL.RawQuery)
		case "header":
			v := r.Header.Get(p.text)
			if v == "" {
				return nil, malformed("%s is part of what is signed, and is not there", p.text)
			}
			piece = []byte(v)
		case "json", "json?":
			v, err := Source{JSON: p.text}.read(d)
			if err != nil {
				return nil, err
			}
			if v == "" && p.kind == "json" {
				return nil, malformed("%q is part of what is signed, and the body has no such text", p.text)
			}
			piece = []byte(v)
		}
		message = append(message, piece)
	}
	return message, nil
}

func isID(s string) bool {
	return s != "" && len(s) <= 256 && strings.IndexFunc(s, func(r rune) bool { return r < '!' || r > '~' }) < 0
}

// publicURL is the URL that the sender called: the configured one, with the
// path and query below it as they came.
func publicURL(base, path string, u *url.URL) string {
	if path != "/" {
		base = strings.TrimSuffix(base, "/") + path
	}
	if u.RawQuery != "" || u.ForceQuery {
		base += "?" + u.RawQuery
	}
	return base
}

// decodeURL undoes the escapes that HubSpot undoes before it signs a URL, as far
// as its documents agree.
var decodeURL = strings.NewReplacer("%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%24", "$", "%2C", ",", "%3B", ";")
