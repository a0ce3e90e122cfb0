// Package hmac recognises requests by a signature over them, as webhooks have
// it. How a sender signs is data, a [Scheme]; those known by name are in
// [Presets].
package hmac

import (
	"cmp"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/secret"
)

// A Method recognises the signatures that are made with the keys of one
// secret.
type Method struct {
	name      string
	config    Config
	publicURL string
	schemes   []keyed
	headers   []string
	lines     []int // of the secret, that have a key
	warnings  []string
	now       func() time.Time
}

var (
	_ auth.Method   = (*Method)(nil)
	_ auth.Keeper   = (*Method)(nil)
	_ auth.Stripper = (*Method)(nil)
)

// keyed is a scheme with its keys.
type keyed struct {
	Scheme
	message template
	paths   []string // of all that is looked for in a JSON body
	keys    []signingKey
}

// newKeyed returns a scheme that has no keys yet.
func newKeyed(s Scheme) (keyed, error) {
	t, err := parseTemplate(s.Signed)
	return keyed{Scheme: s, message: t, paths: s.jsonPaths(t)}, err
}

type signingKey struct {
	line int
	verifier
}

// shortest is the length in bytes under which a shared key draws a warning.
const shortest = 16

// New returns the method of that name over the keys in a secret file.
// publicURL is the URL that senders call, for the schemes that sign it. The
// error has every problem with the configuration and every line of the secret
// that is not a key.
func New(name string, c Config, file secret.Value, publicURL string) (*Method, error) {
	schemes, ps := c.schemes()
	if err := ps.Err(); err != nil {
		return nil, err
	}
	c.Secret = cmp.Or(c.Secret, DefaultSecret)
	m := &Method{name: name, config: c, publicURL: publicURL, headers: c.Headers(), now: time.Now}
	for _, s := range schemes {
		k, err := newKeyed(s)
		if err != nil {
			return nil, err
		}
		if k.message.has("url") && publicURL == "" {
			return nil, errors.New("the URL is part of what is signed: set public_url to the one the sender calls")
		}
		m.schemes = append(m.schemes, k)
		if s.BodyUnsigned {
			m.warnings = append(m.warnings, "the body is not signed: who has seen one request can send any other")
		}
	}
	return m, m.takeKeys(file)
}

// takeKeys gives each scheme the lines that are keys for it. A line that is
// none for any scheme is an error.
func (m *Method) takeKeys(file secret.Value) error {
	problems := map[int]error{}
	taken := map[int]bool{}
	for i := range m.schemes {
		s := &m.schemes[i]
		for _, l := range linesOf(file, s.Key.Encoding) {
			key, err := s.Key.key(l.text)
			var v verifier
			if err == nil {
				v, err = algorithms[s.Alg](key)
			}
			if err != nil {
				problems[l.number] = err
				continue
			}
			s.keys = append(s.keys, signingKey{l.number, v})
			if !taken[l.number] && !s.Alg.isAsymmetric() && len(key) < shortest {
				m.warnings = append(m.warnings, fmt.Sprintf("secret %q, line %d: is shorter than %d bytes and can be guessed", m.config.Secret, l.number, shortest))
			}
			taken[l.number] = true
		}
	}
	var errs []error
	for _, n := range slices.Sorted(maps.Keys(problems)) {
		if !taken[n] {
			errs = append(errs, fmt.Errorf("line %d: %w", n, problems[n]))
		}
	}
	m.lines = slices.Sorted(maps.Keys(taken))
	if len(m.lines) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("has no key"))
	}
	return errors.Join(errs...)
}

// Name implements [auth.Method].
func (m *Method) Name() string { return m.name }

// Headers implements [auth.Method].
func (m *Method) Headers() []string { return m.headers }

// Challenge implements [auth.Method]. The scheme is our own: no standard has
// one for webhooks, and a 401 must have a challenge.
func (m *Method) Challenge(realm string, _ auth.Reason) string {
	return fmt.Sprintf("Signature realm=%q", realm)
}

// Strip implements [auth.Stripper]. A signature stays, for it is good for
// nothing else; a token is the secret itself.
func (m *Method) Strip(r *http.Request) {
	for _, s := range m.schemes {
		if s.Alg != Token {
			continue
		}
		for _, name := range s.Signature.Headers {
			r.Header.Del(name)
		}
		if s.Signature.Query != "" {
			auth.StripParameter(r, s.Signature.Query)
		}
	}
}

// Authenticate implements [auth.Method]. The first scheme whose signature is
// present decides.
func (m *Method) Authenticate(r *auth.Request) (auth.Identity, error) {
	for i := range m.schemes {
		s := &m.schemes[i]
		d := s.document(r)
		texts, items, err := s.Signature.signatures(d)
		if errors.Is(err, auth.ErrNoCredential) {
			continue
		}
		if err != nil {
			return auth.Identity{}, err
		}
		line, err := m.verify(s, d, texts, items)
		if err != nil {
			return auth.Identity{}, err
		}
		return auth.Identity{Subject: m.name, Method: m.name, Secret: m.config.Secret, Entry: label(line)}, nil
	}
	return auth.Identity{}, auth.ErrNoCredential
}

func (s *keyed) document(r *auth.Request) *document { return &document{request: r, paths: s.paths} }

// verify returns the line of the key that made a signature of a request. What can be
// judged by the headers is judged before the body is read.
func (m *Method) verify(s *keyed, d *document, texts, items []string) (line int, err error) {
	for name, want := range s.Require {
		if subtle.ConstantTimeCompare([]byte(d.request.Header.Get(name)), []byte(want)) != 1 { // it may be a secret
			return 0, malformed("%s is not what require says", name)
		}
	}
	signatures := make([][]byte, 0, len(texts))
	if s.Alg == Token {
		for _, t := range texts {
			signatures = append(signatures, []byte(t))
		}
	} else if signatures, err = s.Signature.decode(texts, s.Alg.size()); err != nil {
		return 0, err
	}
	var at string
	if !s.Time.isZero() {
		if at, err = s.Time.text(d, items); err != nil {
			return 0, err
		}
		if err = s.Time.judge(at, m.now()); err != nil {
			return 0, err
		}
	}
	message, err := s.pieces(d, at, m.publicURL)
	if err != nil {
		return 0, err
	}
	for _, k := range s.keys { // all of them, whichever matches
		if k.verify(message, signatures) && line == 0 {
			line = k.line
		}
	}
	if line == 0 {
		return 0, &auth.Denied{Reason: auth.BadSignature}
	}
	return line, nil
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
		case "method":
			piece = []byte(r.Method)
		case "url", "path":
			path := r.URL.EscapedPath()
			if r.URL.RawPath != "" && r.URL.RawPath != path {
				// Package url has written it anew, so the function would get
				// another than was signed.
				return nil, &auth.Denied{Reason: auth.TwoReadings, Err: errors.New("the path has bytes that can't stand in one")}
			}
			piece = []byte(path)
			if p.kind == "url" {
				piece = []byte(publicURL(base, path, r.URL.RawQuery))
			}
		case "query":
			piece = []byte(r.URL.RawQuery)
		case "header":
			v := r.Header.Get(p.text)
			if v == "" {
				return nil, malformed("%s is part of what is signed, and is not there", p.text)
			}
			piece = []byte(v)
		case "json":
			v, err := Source{JSON: p.text}.read(d)
			if err != nil {
				return nil, err
			}
			if v == "" {
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
func publicURL(base, path, query string) string {
	if path != "/" {
		base = strings.TrimSuffix(base, "/") + path
	}
	if query != "" {
		base += "?" + query
	}
	return base
}

func label(line int) string { return fmt.Sprintf("line-%d", line) }

// Credentials implements [auth.Keeper].
func (m *Method) Credentials() []auth.Credential {
	list := make([]auth.Credential, len(m.lines))
	for i, n := range m.lines {
		list[i] = auth.Credential{Secret: m.config.Secret, Entry: label(n)}
	}
	return list
}

// Warnings implements [auth.Keeper].
func (m *Method) Warnings() []string { return m.warnings }
