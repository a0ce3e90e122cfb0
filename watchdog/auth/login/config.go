package login

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"auth-watchdog/watchdog/internal/account"
	"auth-watchdog/watchdog/internal/keyline"
	"auth-watchdog/watchdog/internal/page"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/session"
	"auth-watchdog/watchdog/internal/setting"
)

// Config says who may sign in, for how long, and what the pages look like.
type Config struct {
	Users string
	Keys  string
	Epoch string // none if empty
	Group string // the function's name if empty

	Idle     time.Duration
	Absolute time.Duration
	Remember time.Duration // not offered if 0

	Title string
	Color string
	Logo  string // a path
}

// maxRemember is how long a browser may be remembered at the most (NIST SP
// 800-63B-4 §2.1.3 has 30 days for one factor).
const maxRemember = 14 * 24 * time.Hour

// Fields describes the configuration.
func (c *Config) Fields() []setting.Field {
	return []setting.Field{
		{
			Name: "users", Default: "users", Value: setting.SecretName(&c.Users),
			Meaning: "the secret with those who may sign in, which `auth-watchdog user add` makes: a YAML list, or lines of `name:hash`",
		},
		{
			Name: "keys", Default: "session-keys", Value: setting.SecretName(&c.Keys),
			Meaning: "the secret with the keys that seal sessions, the newest first, which `auth-watchdog key ring` makes",
		},
		{
			Name: "epoch", Value: setting.SecretName(&c.Epoch),
			Meaning: "a secret with a time that has passed, such as 2026-01-31T12:00:00Z: whoever signed in before it has to sign in again",
		},
		{
			Name: "group", Value: setting.Checked(&c.Group, "a name of at most 64 letters, digits, _ and -", isGroup),
			Meaning: "functions of one group under one host name share a sign-in, if they have the same users and keys; if not set the function's name or, where OPENFAAS_NAME does not say it, what is last in the path of public_url",
		},
		{
			Name: "idle", Default: "1h", Value: setting.PositiveDuration(&c.Idle),
			Meaning: "how long a session lasts without a request",
		},
		{
			Name: "absolute", Default: "12h", Value: setting.PositiveDuration(&c.Absolute),
			Meaning: "how long a session lasts at the most",
		},
		{
			Name: "remember", Default: "0", Value: setting.Duration(&c.Remember),
			Meaning: "offer to stay signed in for so long, idle or not, at most 336h; never for those with a second factor. 0 does not offer it",
		},
		{
			Name: "title", Value: setting.Checked(&c.Title, "text of at most 100 characters", func(s string) bool { return len(s) <= 100 && strings.IndexFunc(s, isControl) < 0 }),
			Meaning: "what the pages say they are for; the function's name if not set",
		},
		{
			Name: "color", Value: setting.Checked(&c.Color, "a colour as #rrggbb", page.CheckColor),
			Meaning: "the colour of buttons and links",
		},
		{
			Name: "logo", Value: setting.Text(&c.Logo, "a path"),
			Meaning: "an image for the top of the pages: PNG, JPEG, WebP, GIF or SVG, of at most 256KiB",
		},
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func isGroup(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// Secrets are the names of the secrets that the method needs.
func (c *Config) Secrets() []string {
	names := []string{c.Users, c.Keys}
	if c.Epoch != "" {
		names = append(names, c.Epoch)
	}
	return names
}

// Headers are the request headers that the method reads.
func (c *Config) Headers() []string { return []string{"Cookie"} }

// Check says what is wrong with the configuration, as far as can be told
// without the secrets.
func (c *Config) Check() setting.Problems {
	var ps setting.Problems
	if c.Idle > c.Absolute {
		ps.Add("", "idle", fmt.Errorf("want no more than absolute, which is %s", c.Absolute))
	}
	if c.Remember > maxRemember {
		ps.Add("", "remember", errors.New("want at most 336h, which is 14 days"))
	}
	if c.Remember > 0 && c.Remember < c.Absolute {
		ps.Add("", "remember", fmt.Errorf("want 0, or more than absolute, which is %s", c.Absolute))
	}
	return ps
}

// NewSecret makes the content of one of the method's secrets for a try-out, of
// the users with one of the given name and roles. credential is "name:password".
func (c *Config) NewSecret(secretName, name string, roles []string, _ time.Time) (file, credential string, err error) {
	switch secretName {
	case c.Users:
		word := rand.Text()
		hash, err := password.New(word)
		return name + ":" + hash + keyline.Options{Scopes: roles}.String(), name + ":" + word, err
	case c.Keys:
		return session.NewKey(), "", nil
	}
	return time.Unix(0, 0).UTC().Format(time.RFC3339), "", nil
}

// Present gives r the session of the first user who may sign in.
func (c *Config) Present(r *http.Request, p setting.Presentation) (body string, err error) {
	s, err := newSite(c.Group, p.Function, p.PublicURL)
	if err != nil {
		return "", err
	}
	ring, err := session.ParseRing(p.Value(c.Keys))
	if err != nil {
		return "", err
	}
	users, err := account.Parse(p.Value(c.Users))
	if err != nil {
		return "", err
	}
	for _, u := range users.All() {
		if u.Disabled {
			continue
		}
		now := time.Now()
		sealed, err := s.seal(ring, kindSession, &session.Session{
			ID: session.NewID(), Subject: u.Name, User: u.Version(), SignedIn: now, Seen: now, Ends: now.Add(c.Absolute), SecondFactor: true,
		})
		r.Header.Set("Cookie", s.cookieName(kindSession)+"="+sealed)
		r.Header.Set("Origin", s.origin)
		return "", err
	}
	return "", errors.New("no user may sign in")
}

// ParseEpoch reads the secret that ends all sessions before a time.
func ParseEpoch(text []byte) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	if err != nil {
		return time.Time{}, errors.New("want a time such as 2027-01-31T12:00:00Z")
	}
	if time.Until(at) > session.Skew {
		return time.Time{}, errors.New("want a time that has passed: until it has, each session would be over as soon as it begins")
	}
	return at, nil
}

// CheckPublicURL says what is wrong with public_url for sign-in; nil if nothing
// is.
func CheckPublicURL(s string) error {
	_, err := parsePublicURL(s)
	return err
}

// parsePublicURL says what the method needs of public_url.
func parsePublicURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return nil, errors.New("is not set: sign-in needs the URL that people open, such as public_url=https://tools.example.com")
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, errors.New("want a URL such as https://tools.example.com")
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r >= 0x80 }):
		return nil, errors.New("want the host name as browsers send it, which begins with xn--")
	case u.Scheme != "https" && !isLoopback(u.Hostname()):
		return nil, errors.New("want https: over plain http browsers do not keep the cookie of a session, but for localhost and 127.0.0.1")
	}
	return u, nil
}
