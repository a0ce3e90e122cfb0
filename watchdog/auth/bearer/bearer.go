// Package bearer recognises bearer tokens and API keys (RFC 6750) by the lines
// of a secret file.
package bearer

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

// Config says where the key stands in a request, and which secret has the keys.
type Config struct {
	Secret string // "api-key" if empty
	Header string // "Authorization" if empty; any other holds the key and nothing else
	Query  string // a parameter that may hold the key instead; none if empty
}

// Fields describes the configuration.
func (c *Config) Fields() []setting.Field {
	return []setting.Field{
		{
			Name: "secret", Default: defaultSecret, Value: setting.SecretName(&c.Secret),
			Meaning: "the secret with one key a line: `[name] credential [scopes=a,b] [expires=TIME]`",
		},
		{
			Name: "header", Default: authorization, Value: setting.Header(&c.Header),
			Meaning: "where the key stands: `Authorization: Bearer KEY`, or any other header that holds the key alone",
		},
		{
			Name: "query", Value: setting.Checked(&c.Query, "the name of a query parameter", func(s string) bool { return all(s, unreserved) }),
			Meaning: "a query parameter that may hold the key instead; URLs end up in logs and histories, so only for callers that cannot send headers",
		},
	}
}

func unreserved(c byte) bool {
	return isAlphanumeric(c) || c == '-' || c == '_' || c == '.' || c == '~'
}

// Secrets are the names of the secrets that the method needs.
func (c *Config) Secrets() []string { return []string{c.Secret} }

// Headers are the request headers that the method reads.
func (c *Config) Headers() []string { return []string{c.Header} }

// Check says what is wrong with the configuration, as far as can be told
// without the secret.
func (c *Config) Check() setting.Problems { return nil }

// NewSecret makes the content of the method's secret for a try-out, one line
// under the given name, and the key that callers then present.
func (c *Config) NewSecret(_, name string, scopes []string, expires time.Time) (file, credential string, err error) {
	l := Line{Name: name, Key: NewKey(), Scopes: scopes, Expires: expires}
	file, err = l.Digested()
	return file, l.Key, err
}

// Present gives r a key as a caller would.
func (c *Config) Present(r *http.Request, p setting.Presentation) (body string, err error) {
	key := p.Show(c.Secret)
	if c.Header == authorization {
		key = "Bearer " + key
	}
	r.Header.Set(c.Header, key)
	return "", nil
}

const (
	authorization = "Authorization"
	defaultSecret = "api-key"
)

// A Method recognises the keys of one secret.
type Method struct {
	name    string
	config  Config
	headers []string
	keys    []key

	// byDigest finds a key in a time that does not grow with their number. It
	// is entered with the SHA-256 of blind and the key's digest, so that how
	// long a look-up takes tells nothing of the digests that are in it.
	byDigest map[[sha256.Size]byte]*key
	blind    [sha256.Size]byte

	now func() time.Time
}

var (
	_ auth.Method   = (*Method)(nil)
	_ auth.Stripper = (*Method)(nil)
	_ auth.Keeper   = (*Method)(nil)
)

// New returns the method of that name over the lines of a key file. Its error
// has every line that is wrong.
func New(name string, c Config, file secret.Value) (*Method, error) {
	if c.Secret == "" {
		c.Secret = defaultSecret
	}
	if c.Header == "" {
		c.Header = authorization
	}
	c.Header = http.CanonicalHeaderKey(c.Header)
	valid := isVisible
	if c.Header == authorization {
		valid = isB64Token
	}
	keys, err := parseKeys(file, valid)
	if err != nil {
		return nil, err
	}
	m := &Method{
		name: name, config: c, headers: c.Headers(), keys: keys,
		byDigest: make(map[[sha256.Size]byte]*key, len(keys)), now: time.Now,
	}
	_, _ = rand.Read(m.blind[:]) // never fails
	for i := range m.keys {
		k := &m.keys[i]
		m.byDigest[m.blinded(k.digest)] = k
	}
	return m, nil
}

func (m *Method) blinded(digest [sha256.Size]byte) [sha256.Size]byte {
	var b [2 * sha256.Size]byte
	copy(b[:], m.blind[:])
	copy(b[sha256.Size:], digest[:])
	return sha256.Sum256(b[:])
}

// SetClock has the method judge as of another time than now. It is for those who
// ask what would have become of a request.
func (m *Method) SetClock(now func() time.Time) { m.now = now }

// Name implements [auth.Method].
func (m *Method) Name() string { return m.name }

// Headers implements [auth.Method].
func (m *Method) Headers() []string { return m.headers }

var (
	errMalformed = &auth.Denied{Reason: auth.Malformed}
	errUnknown   = &auth.Denied{Reason: auth.Unknown}
	errTwo       = &auth.Denied{Reason: auth.TwoCredentials, Err: errors.New("in a header and in the query")}
)

// Authenticate implements [auth.Method].
func (m *Method) Authenticate(r *auth.Request) (auth.Identity, error) {
	token, err := m.token(r)
	if err != nil {
		return auth.Identity{}, err
	}
	k := m.byDigest[m.blinded(digestOf(token))]
	if k == nil {
		return auth.Identity{}, errUnknown
	}
	subject := k.name
	if subject == "" {
		subject = m.name
	}
	if !k.Expires.IsZero() && !m.now().Before(k.Expires) {
		return auth.Identity{}, &auth.Denied{Reason: auth.Expired, Subject: subject, Err: fmt.Errorf("on %s", k.Expires.Format(time.RFC3339))}
	}
	return auth.Identity{
		Subject: subject, Method: m.name, Scopes: k.Scopes, Expires: k.Expires,
		Secret: m.config.Secret, Entry: k.label(),
	}, nil
}

// digestOf is the SHA-256 of s. Keys of ordinary length are copied to the
// stack: a decision allocates nothing.
func digestOf(s string) [sha256.Size]byte {
	var buf [128]byte
	if len(s) > len(buf) {
		return sha256.Sum256([]byte(s))
	}
	return sha256.Sum256(buf[:copy(buf[:], s)])
}

// token returns what r presents.
func (m *Method) token(r *auth.Request) (string, error) {
	token, inHeader := r.Credentials("Bearer")
	valid := isB64Token
	if m.config.Header != authorization {
		values := r.Header[m.config.Header]
		if inHeader = len(values) > 0; inHeader {
			token = values[0]
		}
		valid = isVisible
	}
	if m.config.Query != "" {
		inQuery, found, err := r.Parameter(m.config.Query)
		switch {
		case err != nil:
			return "", err
		case found && inHeader:
			return "", errTwo
		case found:
			token, inHeader, valid = inQuery, true, isVisible
		}
	}
	switch {
	case !inHeader:
		return "", auth.ErrNoCredential
	case len(token) > longest || !valid(token):
		return "", errMalformed
	}
	return token, nil
}

// Strip implements [auth.Stripper].
func (m *Method) Strip(r *http.Request) {
	delete(r.Header, m.config.Header)
	if m.config.Query != "" {
		auth.StripParameter(r, m.config.Query)
	}
}

// Challenge implements [auth.Method], as RFC 6750 §3 has it: an error only if
// a token was presented.
func (m *Method) Challenge(realm string, why auth.Reason) string {
	if why == auth.NoCredential {
		return fmt.Sprintf("Bearer realm=%q", realm)
	}
	return fmt.Sprintf("Bearer realm=%q, error=\"invalid_token\"", realm)
}

// Credentials implements [auth.Keeper].
func (m *Method) Credentials() []auth.Credential {
	list := make([]auth.Credential, len(m.keys))
	for i := range m.keys {
		k := &m.keys[i]
		list[i] = auth.Credential{Secret: m.config.Secret, Entry: k.label(), Scopes: k.Scopes, Expires: k.Expires}
	}
	return list
}

// Warnings implements [auth.Keeper].
func (m *Method) Warnings() []string {
	var list []string
	for i := range m.keys {
		k := &m.keys[i]
		if k.short {
			list = append(list, fmt.Sprintf("secret %q, %s: is shorter than %d characters and can be guessed; auth-watchdog key new makes a good one",
				m.config.Secret, k.label(), shortest))
		}
		if !k.Expires.IsZero() && !m.now().Before(k.Expires) {
			list = append(list, fmt.Sprintf("secret %q, %s: expired on %s", m.config.Secret, k.label(), k.Expires.Format(time.RFC3339)))
		}
	}
	if m.config.Query != "" {
		list = append(list, fmt.Sprintf("keys are taken from the query parameter %q: URLs end up in logs and histories", m.config.Query))
	}
	return list
}
