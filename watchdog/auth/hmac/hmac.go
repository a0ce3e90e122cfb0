// Package hmac recognises requests by a signature over them, as webhooks have
// it. How a sender signs is data, a [Scheme]; those known by name are in
// [Presets].
package hmac

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
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
	handshake handshake
	headers   []string
	lines     []int // of the secret, that have a key
	warnings  []string
	replays   Replays
	token     secret.Value // of handshakes that bring one
	now       func() time.Time
	offline   bool
}

// Options say what a [Method] works with besides its configuration. The zero
// value is usable.
type Options struct {
	// PublicURL is the URL that senders call, for the schemes that sign it.
	PublicURL string

	// VerifyToken is the secret that [Config.VerifyToken] names, with a token a
	// line.
	VerifyToken secret.Value

	// Replays remembers what was served; a [Memory] of the method's own if nil.
	// With one that is handed on, a new method over new keys knows what the old
	// one has served.
	Replays Replays

	// Now tells the time; time.Now if nil.
	Now func() time.Time

	// Offline has the method change nothing outside of itself.
	Offline bool
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
	lines   []line // what the keys were made of, and lines that are none
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

// New returns the method of that name over the keys in a secret file. The error
// has every problem with the configuration and every line of the secret that is
// not a key.
func New(name string, c Config, file secret.Value, o Options) (*Method, error) {
	if err := c.Check().Err(); err != nil {
		return nil, err
	}
	schemes, _ := c.schemes()
	c.Secret = cmp.Or(c.Secret, DefaultSecret)
	m := &Method{
		name: name, config: c, publicURL: o.PublicURL, headers: c.Headers(),
		handshake: handshakes[c.handshake()], replays: o.Replays, token: o.VerifyToken, now: o.Now, offline: o.Offline,
	}
	if m.replays == nil {
		m.replays = c.NewMemory()
	}
	if m.now == nil {
		m.now = time.Now
	}
	for _, s := range schemes {
		k, err := newKeyed(s)
		if err != nil {
			return nil, err
		}
		if k.SignsURL() && m.publicURL == "" {
			return nil, errors.New("the URL is part of what is signed: set public_url to the one the sender calls")
		}
		m.schemes = append(m.schemes, k)
	}
	if err := m.takeKeys(file); err != nil {
		return nil, err
	}
	m.warn()
	return m, m.test()
}

// takeKeys gives each scheme the lines that are keys for it. A line that is
// none for any scheme is an error.
func (m *Method) takeKeys(file secret.Value) error {
	problems := map[int]error{}
	taken := map[int]bool{}
	for i := range m.schemes {
		s := &m.schemes[i]
		s.lines = linesOf(file, s.Key.Encoding)
		for _, l := range s.lines {
			key, err := s.Key.key(l.text.Reveal())
			var v verifier
			if err == nil {
				v, err = algorithms[s.Alg](key)
			}
			if err != nil {
				problems[l.number] = err
				continue
			}
			s.keys = append(s.keys, signingKey{l.number, v})
			if s.Key.AlsoText {
				text, _ := algorithms[s.Alg](l.text.Reveal()) // any text is a shared key
				s.keys = append(s.keys, signingKey{l.number, text})
			}
			if !taken[l.number] {
				m.warnKey(s, l, key)
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
	rd, err := m.judge(r)
	if errors.Is(err, auth.ErrNoCredential) {
		return auth.Identity{}, m.unsigned(r)
	}
	if err == nil {
		err = m.claim(r, rd)
	}
	if err == nil {
		err = m.signed(r, rd)
	}
	if err != nil {
		return auth.Identity{}, err
	}
	return auth.Identity{Subject: m.name, Method: m.name, Secret: m.config.Secret, Entry: label(rd.line())}, nil
}

// label names a key by its line.
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
