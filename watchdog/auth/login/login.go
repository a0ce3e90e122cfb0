// Package login recognises people by the session that they have begun on a page
// of its own, with a user name, a password and, if they have one, a second
// factor.
package login

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/account"
	"auth-watchdog/watchdog/internal/page"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/session"
)

// Options are what a method is made of besides its configuration.
type Options struct {
	Users *account.Users
	Keys  *session.Ring
	Epoch time.Time // whoever signed in before it has to do so again

	PublicURL string
	Function  string // its name

	// Memory outlives the method: hand the same one to each that comes after.
	Memory *Memory

	// AllowDegraded takes second factors although what is remembered of codes
	// that were used is lost with the process, and known to no other.
	AllowDegraded bool

	// Proxied says that X-Forwarded-Proto is the word of a trusted proxy.
	Proxied bool

	// Address returns what stands for the address of r's caller, empty if it
	// is not known.
	Address func(r *http.Request) string

	// CallID returns the id of the call, for those who ask for help.
	CallID func(r *http.Request) string

	// Report is told what becomes of sign-ins, by names of OWASP's logging
	// vocabulary; userID is empty if it is about nobody known.
	Report func(r *http.Request, level slog.Level, event, userID string, attrs ...slog.Attr)

	// FormTimeout is how long a form may take to arrive.
	FormTimeout time.Duration

	Now func() time.Time // time.Now if nil
}

// A Method recognises sessions.
type Method struct {
	site
	Options

	name    string
	config  Config
	headers []string
	pages   *page.Pages
	origins *http.CrossOriginProtection
	decoys  []password.Hash
	version func(*account.User) [16]byte // of a user's record; a func, of which fmt can print an address only
}

var (
	_ auth.Method  = (*Method)(nil)
	_ auth.Ambient = (*Method)(nil)
	_ auth.Inviter = (*Method)(nil)
	_ auth.Keeper  = (*Method)(nil)
	_ auth.Warner  = (*Method)(nil)
)

// maxLogo is the largest image in bytes.
const maxLogo = 256 << 10

// New returns the method of that name.
func New(name string, c Config, o Options) (*Method, error) {
	s, err := newSite(c.Group, o.Function, o.PublicURL)
	if err != nil {
		return nil, err
	}
	o.defaults()
	m := &Method{
		site: s, Options: o, name: name, config: c, headers: c.Headers(),
		origins: http.NewCrossOriginProtection(),
	}
	versions := map[*account.User][16]byte{}
	m.version = func(u *account.User) [16]byte { return versions[u] }
	look := page.Look{Title: cmp.Or(c.Title, o.Function), Color: c.Color}
	if c.Logo != "" {
		if look.Logo, err = readLogo(c.Logo); err != nil {
			return nil, err
		}
	}
	if m.pages, err = page.New(look, s.prefix); err != nil {
		return nil, err
	}
	for _, u := range o.Users.All() {
		m.decoys = append(m.decoys, u.Password.Decoy())
		versions[u] = u.Version()
		if !o.AllowDegraded && (!u.TOTP.IsZero() || len(u.Recovery) > 0) {
			return nil, fmt.Errorf("user %q has a second factor, and that each code is taken only once is remembered in this process alone: "+
				"after a restart, and by another replica, one could be taken again. allow_degraded=true accepts that; there is no shared memory yet", u.Name)
		}
	}
	if len(m.decoys) == 0 {
		return nil, errors.New("there are no users")
	}
	return m, nil
}

// defaults fills in what those have no use for who only judge.
func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Address == nil {
		o.Address = func(*http.Request) string { return "" }
	}
	if o.CallID == nil {
		o.CallID = func(*http.Request) string { return "" }
	}
	if o.Report == nil {
		o.Report = func(*http.Request, slog.Level, string, string, ...slog.Attr) {}
	}
}

func readLogo(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("logo: %w", err)
	case !info.Mode().IsRegular() || info.Size() > maxLogo || info.Size() == 0:
		return nil, fmt.Errorf("logo: %s: want an image of at most 256KiB", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("logo: %w", err)
	}
	return b, nil
}

// Name implements [auth.Method].
func (m *Method) Name() string { return m.name }

// Headers implements [auth.Method].
func (m *Method) Headers() []string { return m.headers }

// Ambient implements [auth.Ambient].
func (*Method) Ambient() {}

// Strip implements [auth.Stripper]. It takes away the cookies of all functions
// that share the host.
func (*Method) Strip(r *http.Request) { StripCookies(r.Header) }

// Challenge implements [auth.Method].
func (*Method) Challenge(realm string, _ auth.Reason) string {
	return fmt.Sprintf("Session realm=%q", realm)
}

var (
	errNone  = auth.ErrNoCredential
	errTwice = &auth.Denied{Reason: auth.TwoCredentials, Err: errors.New("the cookie of the session is there twice")}

	errUnreadable = &auth.Denied{Reason: auth.SessionUnreadable, Err: session.ErrSealed}
)

// refresh is after how long at the most the cookie of a session that is used is
// written anew.
const refresh = 5 * time.Minute

// Authenticate implements [auth.Method].
func (m *Method) Authenticate(r *auth.Request) (auth.Identity, error) {
	s, user, newest, err := m.session(r.Request)
	if denied := (*auth.Denied)(nil); errors.As(err, &denied) {
		if denied != errTwice {
			r.SetCookie(m.noCookie(kindSession))
		}
		return auth.Identity{}, err
	}
	if err != nil {
		return auth.Identity{}, err
	}
	if err := m.mayAct(r.Request, user); err != nil {
		return auth.Identity{}, err
	}
	now := m.Now()
	if !newest || now.Sub(s.Seen) >= min(refresh, m.config.Idle/4) {
		m.renew(r, s)
	}
	id := auth.Identity{
		Subject: user.Name, Method: m.name, Scopes: user.Roles, Expires: s.Ends,
		SignedIn: s.SignedIn, SecondFactor: s.SecondFactor,
		Secret: m.config.Users, Entry: user.Name,
	}
	if !user.Expires.IsZero() && user.Expires.Before(id.Expires) {
		id.Expires = user.Expires
	}
	if idle := now.Add(m.config.Idle); !s.Remembered && idle.Before(id.Expires) {
		id.Expires = idle
	}
	return id, nil
}

// session returns the session of r, if it is good, with its user. The error is
// that of Authenticate.
func (m *Method) session(r *http.Request) (s session.Session, user *account.User, newest bool, err error) {
	s, newest, err = m.open(m.Keys, kindSession, r)
	s.Remembered = s.Remembered && m.config.Remember > 0 // as it is now, and in this function
	switch {
	case errors.Is(err, errNone), errors.Is(err, errTwice):
		return s, nil, false, err
	case err != nil:
		return s, nil, false, errUnreadable
	case m.hasEnded(s):
		return s, nil, false, m.over(auth.SessionExpired, s, "it has been idle for too long, or has reached its end")
	}
	user, err = m.holder(s)
	return s, user, newest, err
}

// holder returns the user whose session, or first step of a sign-in, s is. The
// error says why it counts no more, whatever its age.
func (m *Method) holder(s session.Session) (*account.User, error) {
	user := m.Users.Find(s.Subject)
	switch {
	case user == nil, user.Name != s.Subject:
		return nil, m.over(auth.SessionRevoked, s, "there is no such user any more")
	case user.Disabled:
		return nil, m.over(auth.SessionRevoked, s, "the user is disabled")
	case m.hasExpired(user):
		return nil, m.over(auth.SessionExpired, s, "the user was good until "+user.Expires.Format(time.RFC3339))
	case m.version(user) != s.User:
		return nil, m.over(auth.SessionRevoked, s, "the user's password, roles or second factor have changed")
	case s.SignedIn.Before(m.Epoch), s.SignedIn.Before(user.Epoch):
		return nil, m.over(auth.SessionRevoked, s, "the sessions of that time were ended")
	case m.Memory.isSignedOut(s.ID):
		return nil, m.over(auth.SessionRevoked, s, "signed out")
	}
	return user, nil
}

// hasEnded reports whether a session is too old, or was idle for too long.
func (m *Method) hasEnded(s session.Session) bool {
	return s.Over(m.Now(), m.config.Idle) || m.Now().Sub(s.SignedIn) >= m.longest(s)
}

func (m *Method) hasExpired(u *account.User) bool {
	return !u.Expires.IsZero() && !m.Now().Before(u.Expires)
}

// longest is how long a session may last by the configuration of now, which may
// be another than when it began.
func (m *Method) longest(s session.Session) time.Duration {
	if s.Remembered {
		return max(m.config.Remember, m.config.Absolute)
	}
	return m.config.Absolute
}

func (m *Method) over(why auth.Reason, s session.Session, text string) error {
	d := &auth.Denied{Reason: why, Err: errors.New(text + "; session " + s.ID.Hash())}
	if m.Users.Find(s.Subject) != nil {
		d.Subject = s.Subject
	}
	return d
}

// mayAct says why a session counts for nothing with this request: a browser
// sends the cookie along whoever made the request.
func (m *Method) mayAct(r *http.Request, user *account.User) error {
	denied := func(why auth.Reason, text string) error {
		return &auth.Denied{Reason: why, Subject: user.Name, Err: errors.New(text)}
	}
	// What is queued is kept with its headers, and sent when nobody is there.
	if r.Header["X-Callback-Url"] != nil {
		return denied(auth.Asynchronous, "asynchronous calls want a key and not a session")
	}
	upgrade := r.Header["Upgrade"] != nil
	if isSafe(r.Method) && !upgrade {
		return nil
	}
	if !m.isOurs(r, upgrade) {
		return denied(auth.CrossOrigin, "the request was made by "+m.maker(r)+", and public_url is of "+m.origin)
	}
	return nil
}

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// isOurs reports whether a page of ours has made a request that changes
// something, or opens a WebSocket. It goes by what browsers say, and the host by
// public_url: what stands in Host is up to whoever is in front of us.
func (m *Method) isOurs(r *http.Request, upgrade bool) bool {
	origin, site := r.Header["Origin"], r.Header["Sec-Fetch-Site"]
	if len(origin) > 1 || len(site) > 1 || len(origin)+len(site) == 0 || slices.Contains(site, "") {
		return false // programs have keys
	}
	// A browser says of a WebSocket where it comes from in Origin, always.
	if (len(origin) == 1 || upgrade) && (len(origin) == 0 || origin[0] != m.origin) {
		return false
	}
	asked := http.Request{Method: http.MethodPost, Host: m.host, Header: http.Header{"Origin": origin, "Sec-Fetch-Site": site}, URL: r.URL}
	return m.origins.Check(&asked) == nil
}

// maker is who made a request, as far as the browser says, for the log.
func (m *Method) maker(r *http.Request) string {
	if o := r.Header.Get("Origin"); o != "" {
		return fmt.Sprintf("a page of %.200q", o)
	}
	if s := r.Header.Get("Sec-Fetch-Site"); s != "" {
		return fmt.Sprintf("a page that is %.20q", s)
	}
	return "no browser, or one that says nothing of it"
}

// renew writes the cookie of a session anew, unless it is signed out before the
// answer begins: the browser would have it again.
func (m *Method) renew(r *auth.Request, s session.Session) {
	s.Seen = m.Now()
	c, err := m.sessionCookie(&s)
	if err != nil {
		return // the old one is still good
	}
	r.SetCookieLater(c, func() bool { return !m.Memory.isSignedOut(s.ID) })
	m.Report(r.Request, slog.LevelInfo, "session_renewed", s.Subject, slog.String("session", s.ID.Hash()))
}

func (m *Method) sessionCookie(s *session.Session) (*http.Cookie, error) {
	sealed, err := m.seal(m.Keys, kindSession, s)
	if err != nil {
		return nil, err
	}
	life := time.Duration(0)
	if s.Remembered {
		life = s.Ends.Sub(m.Now())
	}
	return m.cookie(kindSession, sealed, life), nil
}

// Invite implements [auth.Inviter].
func (m *Method) Invite(r *http.Request, d auth.Decision) (location string) {
	asked := ""
	switch {
	case isNavigation(r):
		asked = m.prefix + r.URL.RequestURI()
	case r.Method == http.MethodPost && r.Header.Get("Sec-Fetch-Mode") == "navigate":
		// A form that was sent after the session had ended. Its address may be
		// none to open, but the page that it stood on is one.
		asked, _ = strings.CutPrefix(r.Referer(), m.origin)
	default:
		return ""
	}
	to := "sign-in"
	if s, _, _, err := m.session(r); err == nil && d.Reason == auth.StepUp && d.Rule.Require.SecondFactor && !s.SecondFactor {
		to = "second-factor"
	}
	query := m.back(m.returnTo(asked))
	if d.Reason == auth.StepUp && to == "sign-in" {
		query.Set(again, "1")
	}
	return m.at(to, query)
}

// isNavigation reports whether a browser opens a page. Those that do not say so
// want text/html.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header["Upgrade"] != nil {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("X-Requested-With") == ""
}

// Credentials implements [auth.Keeper].
func (m *Method) Credentials() []auth.Credential {
	var list []auth.Credential
	for _, u := range m.Users.All() {
		if !u.Disabled {
			list = append(list, auth.Credential{Secret: m.config.Users, Entry: u.Name, Scopes: u.Roles, Expires: u.Expires})
		}
	}
	return list
}

// Warnings implements [auth.Warner].
func (m *Method) Warnings() []string {
	var list []string
	second := false
	for _, u := range m.Users.All() {
		second = second || !u.TOTP.IsZero()
	}
	if second {
		list = append(list, "allow_degraded: a code of a second factor can be used again after a restart, and at another replica")
	}
	if !m.secure {
		list = append(list, "public_url is of plain http, which is for this machine alone")
	}
	return list
}
