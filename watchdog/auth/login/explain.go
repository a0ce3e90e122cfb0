package login

import (
	"errors"
	"fmt"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/session"
)

var _ auth.Explainer = (*Method)(nil)

// Explain implements [auth.Explainer].
func (m *Method) Explain(r *auth.Request) auth.Explanation {
	var e auth.Explanation
	name := m.cookieName(kindSession)
	e.Add("cookie", name)
	e.Add("origin", m.origin)
	s, _, err := m.open(m.Keys, kindSession, r.Request)
	switch {
	case errors.Is(err, errNone):
		e.Add("session", "the cookie is not there")
		e.Likely("sign in at %s%s", m.origin, m.path("sign-in"))
		if m.secure {
			e.Likely("browsers keep and send the cookie over https only: is the page opened at %s?", m.origin)
		}
	case errors.Is(err, errTwice):
		e.Add("session", "the cookie is there twice")
	case err != nil:
		e.Add("session", "does not open")
		e.Likely("it was sealed under another public_url or group, or with a key that is not in the secret %q any more", m.config.Keys)
	default:
		m.explainSession(&e, s)
		m.explainOrigin(&e, r)
	}
	return e
}

func (m *Method) explainSession(e *auth.Explanation, s session.Session) {
	ago := func(t time.Time) string {
		return fmt.Sprintf("%s, %s ago", t.UTC().Format(time.RFC3339), m.Now().Sub(t).Round(time.Second))
	}
	e.Add("session", s.ID.Hash())
	u := m.Users.Find(s.Subject)
	if u != nil {
		e.Add("user", u.Name)
		e.Add("user_unchanged", fmt.Sprint(m.version(u) == s.User))
		e.Add("user_disabled", fmt.Sprint(u.Disabled || m.hasExpired(u)))
	} else {
		e.Add("user", fmt.Sprintf("none of the secret %q", m.config.Users))
	}
	e.Add("signed_in", ago(s.SignedIn))
	e.Add("second_factor", fmt.Sprint(s.SecondFactor))
	e.Add("last_seen", ago(s.Seen))
	e.Add("ends", s.Ends.UTC().Format(time.RFC3339))
	if m.hasEnded(s) {
		e.Likely("the session is over: it may be idle for %s, and lasts %s at the most; sign in again", m.config.Idle, m.config.Absolute)
	}
	if u != nil && s.SignedIn.Before(u.Epoch) {
		e.Likely("the user's sessions from before %s were ended; sign in again", u.Epoch.UTC().Format(time.RFC3339))
	}
	if s.SignedIn.Before(m.Epoch) {
		e.Likely("whoever signed in before %s has to do so again: that is what the secret %q says", m.Epoch.UTC().Format(time.RFC3339), m.config.Epoch)
	}
}

func (m *Method) explainOrigin(e *auth.Explanation, r *auth.Request) {
	if r.Header["X-Callback-Url"] != nil {
		e.Likely("an asynchronous call wants a key")
	}
	upgrade := r.Header["Upgrade"] != nil
	if isSafe(r.Method) && !upgrade {
		return
	}
	e.Add("made_by", m.maker(r.Request))
	if !m.isOurs(r.Request, upgrade) {
		e.Likely("a %s counts with a session only if a page of %s has made it, by Origin and Sec-Fetch-Site; a program wants a key", r.Method, m.origin)
	}
}
