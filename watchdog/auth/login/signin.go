package login

import (
	"cmp"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/account"
	"auth-watchdog/watchdog/internal/limit"
	"auth-watchdog/watchdog/internal/page"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/session"
)

// again is the parameter of those who are asked to sign in again, because the
// last time is long ago.
const again = "again"

func (m *Method) showSignIn(w http.ResponseWriter, r *http.Request) {
	if m.plainHTTP(w, r) {
		return
	}
	f := m.signInForm(r, r.URL.Query().Get("return_to"))
	if f.SignedInAs == "" && m.hasCookie(r) {
		http.SetCookie(w, m.noCookie(kindSession)) // it is good for nothing
	}
	f.Again = f.SignedInAs != "" && r.URL.Query().Has(again)
	if m.keepsNoCookies(r) {
		f.Problem = page.NoCookie
	}
	m.pages.SignIn(w, http.StatusOK, f)
}

// keepsNoCookies reports whether a browser comes straight back from a sign-in
// that went well, without any of the cookies that it was given. Where it comes
// from stays the page of the form, through all redirects.
func (m *Method) keepsNoCookies(r *http.Request) bool {
	from, _, _ := strings.Cut(r.Referer(), "?")
	return from == m.origin+m.path("sign-in") && !m.hasCookie(r)
}

// signInForm is the form as it is for the one who has sent r.
func (m *Method) signInForm(r *http.Request, returnTo string) page.SignIn {
	f := page.SignIn{ReturnTo: m.returnTo(returnTo), Remember: m.config.Remember > 0, RememberFor: m.config.Remember}
	if _, user, _, err := m.session(r); err == nil {
		f.SignedInAs, f.Username = user.Name, user.Name
	}
	return f
}

// signIn is the first step: a name and a password.
func (m *Method) signIn(w http.ResponseWriter, r *http.Request) {
	given := r.PostForm.Get("username")
	f := m.signInForm(r, r.PostForm.Get("return_to"))
	f.Username, f.Remembered = given, f.Remember && r.PostForm.Get("remember") != ""

	a := m.attempt(r, given)
	if wait, whose := a.begin(); wait > 0 {
		m.tooMany(w, r, a, wait, whose, f)
		return
	}
	user, good, busy := m.judge(r, given, r.PostForm.Get("password"))
	if busy {
		a.withdraw()
		f.Problem = page.Busy
		m.Report(r, slog.LevelWarn, "excess_rate_limit_exceeded", "", slog.String("description", "too many passwords to compare at a time"))
		m.pages.TooMany(w, time.Second, f)
		return
	}
	if !good {
		m.wrong(r, a, user)
		f.Problem = page.Wrong
		m.unauthorized(w, auth.Unknown)
		m.pages.SignIn(w, http.StatusUnauthorized, f)
		return
	}
	failures := a.succeed()
	if !user.TOTP.IsZero() {
		m.askForCode(w, r, user, f)
		return
	}
	m.begin(w, r, user, f.Remembered, false, failures, f.ReturnTo)
}

// judge holds a password against the user's, and that of an unknown name
// against a decoy: both do the same work. user is nil for an unknown name.
func (m *Method) judge(r *http.Request, name, given string) (user *account.User, good, busy bool) {
	canonical := password.CanonicalName(name)
	user = m.Users.Find(canonical)
	hash := m.decoys[m.Memory.pick(canonical, len(m.decoys))]
	if user != nil {
		hash = user.Password
	}
	p := password.Canonical(given)
	good, busy = m.Memory.hasher.Run(r.Context(), hash.Memory(), func() bool { return hash.Matches(p) })
	return user, good && user != nil && !user.Disabled && !m.hasExpired(user) && p != nil, busy
}

// wrong writes down a failure.
func (m *Method) wrong(r *http.Request, a *attempt, user *account.User) {
	userID, why := "", "unknown user"
	if user != nil {
		userID, why = user.Name, "wrong password"
		if user.Disabled || m.hasExpired(user) {
			why = "disabled or expired user, or wrong password"
		}
	}
	m.Report(r, slog.LevelWarn, "authn_login_fail", userID, slog.String("description", why))
	a.fail()
	m.reportWait(r, a.counter, a.key, userID)
}

// reportWait writes down that a failure was one too many.
func (m *Method) reportWait(r *http.Request, counter *limit.Penalties, key, userID string) {
	if _, wait := counter.Failures(key); wait > 0 {
		m.Report(r, slog.LevelWarn, "authn_login_fail_max", userID, slog.String("description", "the next attempt has to wait "+wait.Round(time.Second).String()))
	}
}

func (m *Method) tooMany(w http.ResponseWriter, r *http.Request, a *attempt, wait time.Duration, whose string, f page.Form) {
	m.Report(r, slog.LevelWarn, "excess_rate_limit_exceeded", a.userID, slog.String("description", "too many failed sign-ins "+whose))
	m.pages.TooMany(w, wait, f)
}

func (m *Method) unauthorized(w http.ResponseWriter, why auth.Reason) {
	w.Header().Set("WWW-Authenticate", m.Challenge(cmp.Or(m.Function, "function"), why))
}

// begin begins a session, whoever vouched for the user. One that there was in
// this browser is over.
func (m *Method) begin(w http.ResponseWriter, r *http.Request, user *account.User, remembered, secondFactor bool, failures int, returnTo string) {
	now := m.Now()
	if old, _, _, err := m.session(r); err == nil {
		m.Memory.signOut(old.ID, old.Ends, now)
	}
	s := session.Session{
		ID: session.NewID(), Subject: user.Name, User: m.version(user),
		SignedIn: now, Seen: now, Ends: now.Add(m.config.Absolute),
		SecondFactor: secondFactor, Remembered: remembered && !secondFactor,
	}
	if s.Remembered {
		s.Ends = now.Add(m.config.Remember)
	}
	c, err := m.sessionCookie(&s)
	if err != nil {
		m.pages.Error(w, http.StatusServiceUnavailable, m.CallID(r))
		return
	}
	http.SetCookie(w, c)
	http.SetCookie(w, m.noCookie(kindStep))
	m.rememberDevice(w, user)
	hash := slog.String("session", s.ID.Hash())
	if failures > 0 {
		m.Report(r, slog.LevelInfo, "authn_login_successafterfail", user.Name, hash, slog.Int("failures", failures))
	} else {
		m.Report(r, slog.LevelInfo, "authn_login_success", user.Name, hash)
	}
	m.Report(r, slog.LevelInfo, "session_created", user.Name, hash, slog.Bool("second_factor", secondFactor))
	see(w, returnTo)
}

// deviceLife is how long a browser is known that somebody has signed in with.
const deviceLife = 90 * 24 * time.Hour

// rememberDevice has the browser show, the next time, that the user has signed
// in with it: it then has attempts of its own, whoever else fails.
func (m *Method) rememberDevice(w http.ResponseWriter, user *account.User) {
	now := m.Now()
	sealed, err := m.seal(m.Keys, kindDevice, &session.Session{ID: session.NewID(), Subject: user.Name, SignedIn: now, Seen: now, Ends: now.Add(deviceLife)})
	if err == nil {
		http.SetCookie(w, m.cookie(kindDevice, sealed, deviceLife))
	}
}

// device returns the id of the browser, if the user has signed in with it.
func (m *Method) device(r *http.Request, account string) (id string, known bool) {
	d, _, err := m.open(m.Keys, kindDevice, r)
	if err != nil || d.Over(m.Now(), deviceLife) || password.Account(d.Subject) != account {
		return "", false
	}
	return d.ID.Hash() + " " + account, true
}

func (m *Method) showSignOut(w http.ResponseWriter, r *http.Request) {
	_, user, _, err := m.session(r)
	if err != nil {
		m.pages.SignedOut(w, page.SignedOut{ReturnTo: m.prefix + "/"})
		return
	}
	m.pages.SignOut(w, http.StatusOK, page.SignOut{Username: user.Name})
}

// signOut ends the session in this browser. The cookie itself stays good where
// nobody has heard of it: in other replicas, and here after a restart.
func (m *Method) signOut(w http.ResponseWriter, r *http.Request) {
	if s, user, _, err := m.session(r); err == nil {
		m.Memory.signOut(s.ID, s.Ends, m.Now())
		m.Report(r, slog.LevelInfo, "session_logout", user.Name, slog.String("session", s.ID.Hash()))
	}
	http.SetCookie(w, m.noCookie(kindSession))
	http.SetCookie(w, m.noCookie(kindStep))
	// Pages that the browser has kept, so that going back shows none. Not
	// "cookies", which would end what else runs under the domain.
	w.Header().Set("Clear-Site-Data", `"cache"`)
	see(w, m.path("sign-out"))
}

// isAppCode reports whether a code is one of an app, and not a recovery code.
func isAppCode(code string) bool {
	return len(code) == 6 && strings.Trim(code, "0123456789") == ""
}
