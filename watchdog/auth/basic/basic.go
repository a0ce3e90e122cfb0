// Package basic recognises a user name and a password (RFC 7617) by the lines
// of a secret file, or by OpenFaaS' own pair of secrets.
package basic

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/setting"
)

// Config says which secret has the users, and what the browser asks for.
type Config struct {
	Secret string // the pair basic-auth-user and basic-auth-password if empty
	Realm  string // that of the gate if empty
}

// Fields describes the configuration.
func (c *Config) Fields() []setting.Field {
	return []setting.Field{
		{
			Name: "secret", Value: setting.SecretName(&c.Secret),
			Meaning: "the secret with one user a line: `name:hash [scopes=a,b] [expires=TIME]`; without it the pair `basic-auth-user` and `basic-auth-password`",
		},
		{
			Name: "realm", Value: setting.Checked(&c.Realm, "text in ASCII", setting.IsPrintable),
			Meaning: "what the browser says it wants the password for; the function's name if not set",
		},
	}
}

// The names of OpenFaaS' own pair of secrets.
const (
	PairUser     = "basic-auth-user"
	PairPassword = "basic-auth-password"
)

// Secrets are the names of the secrets that the method needs.
func (c *Config) Secrets() []string {
	if c.Secret == "" {
		return []string{PairUser, PairPassword}
	}
	return []string{c.Secret}
}

// Headers are the request headers that the method reads.
func (c *Config) Headers() []string { return []string{authorization} }

// Check says what is wrong with the configuration, as far as can be told
// without the secret.
func (c *Config) Check() setting.Problems { return nil }

// NewSecret makes the content of one of the method's secrets for a try-out,
// for a user of the given name. Of a file of users it also returns what the
// caller then presents, "name:password".
func (c *Config) NewSecret(secretName, name string, scopes []string, expires time.Time) (file, credential string, err error) {
	pass := rand.Text()
	switch {
	case c.Secret != "":
		file, err = NewLine(name, pass, scopes, expires)
		return file, name + ":" + pass, err
	case secretName == PairUser:
		return name, "", nil
	}
	return pass, "", nil
}

// Present gives r a user's name and password as a caller would, of a
// file of users with ":" between.
func (c *Config) Present(r *http.Request, p setting.Presentation) (body string, err error) {
	if c.Secret == "" {
		r.SetBasicAuth(p.Show(PairUser), p.Show(PairPassword))
		return "", nil
	}
	name, pass, _ := strings.Cut(p.Show(c.Secret), ":")
	r.SetBasicAuth(name, pass)
	return "", nil
}

const authorization = "Authorization"

// A Method recognises the users of one secret.
type Method struct {
	name    string
	config  Config
	users   *Users
	memory  *Memory
	headers []string
	now     func() time.Time

	// decoys are what unknown names are held against: for each user one that
	// costs the same. Which of them is up to the name, so that each unknown
	// name costs what some known one does, always.
	decoys [][]password.Hash
}

var (
	_ auth.Method   = (*Method)(nil)
	_ auth.Stripper = (*Method)(nil)
	_ auth.Keeper   = (*Method)(nil)
)

// New returns the method of that name over users. memory may serve several
// methods, and those that come after.
func New(name string, c Config, users *Users, memory *Memory) *Method {
	m := &Method{name: name, config: c, users: users, memory: memory, headers: c.Headers(), now: time.Now}
	for _, u := range users.order {
		var d []password.Hash
		for i := range users.rounds {
			d = append(d, u.hashes[min(i, len(u.hashes)-1)].Decoy())
		}
		m.decoys = append(m.decoys, d)
	}
	return m
}

// SetClock has the method judge as of another time than now. It is for those who
// ask what would have become of a request.
func (m *Method) SetClock(now func() time.Time) { m.now = now }

// Name implements [auth.Method].
func (m *Method) Name() string { return m.name }

// Headers implements [auth.Method].
func (m *Method) Headers() []string { return m.headers }

// Strip implements [auth.Stripper].
func (*Method) Strip(r *http.Request) { r.Header.Del(authorization) }

// Challenge implements [auth.Method].
func (m *Method) Challenge(realm string, _ auth.Reason) string {
	if m.config.Realm != "" {
		realm = m.config.Realm
	}
	return fmt.Sprintf("Basic realm=%q, charset=\"UTF-8\"", realm)
}

var (
	errMalformed = &auth.Denied{Reason: auth.Malformed}
	errUnknown   = &auth.Denied{Reason: auth.Unknown}
)

// Authenticate implements [auth.Method].
func (m *Method) Authenticate(r *auth.Request) (auth.Identity, error) {
	credentials, ok := r.Credentials("Basic")
	if !ok {
		return auth.Identity{}, auth.ErrNoCredential
	}
	name, pass, ok := parse(credentials)
	if !ok {
		return auth.Identity{}, errMalformed
	}
	return m.verify(r, name, pass)
}

// parse takes the credentials of RFC 7617 §2 apart.
func parse(credentials string) (name string, pass []byte, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(credentials)
	if err != nil || strings.ContainsAny(credentials, "\r\n") { // which the decoder passes over
		return "", nil, false
	}
	user, text, found := strings.Cut(string(b), ":")
	name, pass = password.CanonicalName(user), password.Canonical(text)
	return name, pass, found && name != "" && len(pass) > 0
}

// verify holds a password against the user's, and that of an unknown name
// against a decoy: both do the same work in the same order.
func (m *Method) verify(r *auth.Request, name string, pass []byte) (auth.Identity, error) {
	user := m.users.byName[name]
	decoys := m.decoysOf(name)
	hashes := decoys
	if user != nil {
		hashes = slices.Concat(user.hashes, decoys[len(user.hashes):])
	}
	fields := [][]byte{[]byte(name), pass}
	if user != nil {
		for _, h := range user.hashes {
			fields = append(fields, []byte(h.Text()))
		}
	}
	digest := m.memory.digest(fields...)
	memory := int64(0)
	for _, h := range hashes {
		memory = max(memory, h.Memory())
	}

	before, recently := m.memory.remembers(digest)
	if !recently {
		failures, counter := m.memory.failures(m.users, name)
		if !before {
			// Who was here before with this very password is let in however
			// many others fail under the name, or from the address.
			wait := failures.Wait(counter)
			if memory > 0 && m.memory.hashing.Busy() {
				wait = max(wait, r.Wait())
			}
			if wait > 0 {
				return auth.Identity{}, m.denied(auth.Throttled, user, wait)
			}
		}
		outcome := m.memory.verify(r.Context(), digest, memory, func() bool {
			good := false
			for _, h := range hashes { // all of them, whichever matches
				good = h.Matches(pass) || good
			}
			return good && user != nil
		})
		switch {
		case outcome.busy:
			return auth.Identity{}, m.denied(auth.Throttled, user, password.HashingWait)
		case !outcome.good:
			failures.Take(counter)
			return auth.Identity{}, m.denied(auth.Unknown, user, 0)
		}
	}
	if user == nil {
		return auth.Identity{}, errUnknown
	}
	if !user.Expires.IsZero() && !m.now().Before(user.Expires) {
		return auth.Identity{}, m.denied(auth.Expired, user, 0)
	}
	return auth.Identity{
		Subject: user.name, Method: m.name, Scopes: user.Scopes, Expires: user.Expires,
		Secret: m.users.secret, Entry: user.name,
	}, nil
}

func (m *Method) denied(why auth.Reason, user *user, wait time.Duration) error {
	d := &auth.Denied{Reason: why, RetryAfter: wait}
	if user != nil {
		d.Subject = user.name
	}
	return d
}

// decoysOf returns the decoys for a name, always the same ones for the same
// name.
func (m *Method) decoysOf(name string) []password.Hash {
	d := m.memory.digest([]byte("decoy"), []byte(name))
	return m.decoys[binary.BigEndian.Uint32(d[:])%uint32(len(m.decoys))] //nolint:gosec // a file has fewer users
}

// Credentials implements [auth.Keeper].
func (m *Method) Credentials() []auth.Credential {
	list := make([]auth.Credential, len(m.users.order))
	for i, u := range m.users.order {
		list[i] = auth.Credential{Secret: m.users.secret, Entry: u.name, Scopes: u.Scopes, Expires: u.Expires}
	}
	return list
}

// Warnings implements [auth.Keeper].
func (m *Method) Warnings() []string {
	var list []string
	for _, u := range m.users.order {
		for _, h := range u.hashes {
			if w := h.Weakness(); w != "" {
				list = append(list, fmt.Sprintf("secret %q, user %q: %s", m.users.secret, u.name, w))
			}
		}
		if !u.Expires.IsZero() && !m.now().Before(u.Expires) {
			list = append(list, fmt.Sprintf("secret %q, user %q: expired on %s", m.users.secret, u.name, u.Expires.Format(time.RFC3339)))
		}
	}
	return list
}
