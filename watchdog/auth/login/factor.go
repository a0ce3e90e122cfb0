package login

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/account"
	"auth-watchdog/watchdog/internal/page"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/session"
	"auth-watchdog/watchdog/internal/totp"
)

// stepLife is how long after the password the code may come.
const stepLife = 10 * time.Minute

// askForCode is between the two steps: the browser keeps that the password was
// right, which opens nothing yet.
func (m *Method) askForCode(w http.ResponseWriter, r *http.Request, user *account.User, f page.SignIn) {
	now := m.Now()
	sealed, err := m.seal(m.Keys, kindStep, &session.Session{
		ID: session.NewID(), Subject: user.Name, User: m.version(user), SignedIn: now, Seen: now, Ends: now.Add(stepLife),
	})
	if err != nil {
		m.pages.Error(w, http.StatusServiceUnavailable, m.CallID(r))
		return
	}
	http.SetCookie(w, m.cookie(kindStep, sealed, stepLife))
	see(w, m.at("second-factor", m.back(f.ReturnTo)))
}

// step returns the user whose password was right a moment ago, nil if there is
// none, with the first step.
func (m *Method) step(r *http.Request) (*account.User, session.Session) {
	s, _, err := m.open(m.Keys, kindStep, r)
	if err != nil || s.Over(m.Now(), stepLife) {
		return nil, s
	}
	user, err := m.holder(s)
	if err != nil || user.TOTP.IsZero() {
		return nil, s
	}
	return user, s
}

func (m *Method) showSecondFactor(w http.ResponseWriter, r *http.Request) {
	if m.plainHTTP(w, r) {
		return
	}
	returnTo := m.returnTo(r.URL.Query().Get("return_to"))
	if user, _ := m.step(r); user != nil {
		m.pages.SecondFactor(w, http.StatusOK, codeForm(user, returnTo))
		return
	}
	_, user, _, err := m.session(r)
	switch {
	case err == nil && user.TOTP.IsZero():
		m.pages.NoSecondFactor(w, http.StatusForbidden, page.NoSecondFactor{Username: user.Name, ReturnTo: returnTo})
	default:
		see(w, m.at("sign-in", m.back(returnTo)))
	}
}

func codeForm(user *account.User, returnTo string) page.SecondFactor {
	return page.SecondFactor{Username: user.Name, ReturnTo: returnTo, Recovery: len(user.Recovery) > 0}
}

// secondFactor is the second step: a code of the app, or a recovery code.
func (m *Method) secondFactor(w http.ResponseWriter, r *http.Request) {
	returnTo := m.returnTo(r.PostForm.Get("return_to"))
	user, step := m.step(r)
	if user == nil {
		http.SetCookie(w, m.noCookie(kindStep))
		f := m.signInForm(r, returnTo)
		f.Problem = page.Expired
		m.unauthorized(w, auth.SessionExpired)
		m.pages.SignIn(w, http.StatusUnauthorized, f)
		return
	}
	f := codeForm(user, returnTo)
	key := m.Memory.digest("code", user.Name)
	if id, ok := m.device(r, password.Account(user.Name)); ok {
		key = "device " + id
	}
	if wait := m.Memory.codes.Begin(key); wait > 0 {
		m.Report(r, slog.LevelWarn, "excess_rate_limit_exceeded", user.Name, slog.String("description", "too many wrong codes"))
		m.pages.TooMany(w, wait, f)
		return
	}
	if f.Problem = m.judgeCode(r, user, r.PostForm.Get("code")); f.Problem != page.None {
		m.reportWait(r, m.Memory.codes, key, user.Name)
		m.unauthorized(w, auth.Unknown)
		m.pages.SecondFactor(w, http.StatusUnauthorized, f)
		return
	}
	failures := m.Memory.codes.Succeed(key)
	m.Memory.signOut(step.ID, step.Ends, m.Now()) // it has served its purpose
	m.begin(w, r, user, false, true, failures, returnTo)
}

// judgeCode says what is wrong with a code. One that is right is used with that.
func (m *Method) judgeCode(r *http.Request, user *account.User, code string) page.Problem {
	failed := func(event, why string, problem page.Problem) page.Problem {
		m.Report(r, slog.LevelWarn, event, user.Name, slog.String("description", why))
		return problem
	}
	if typed := strings.ReplaceAll(strings.TrimSpace(code), " ", ""); isAppCode(typed) {
		step, ok := totp.Match(user.TOTP.Reveal(), typed, m.Now())
		switch {
		case !ok:
			return failed("authn_login_fail", "wrong code", page.WrongCode)
		case !m.Memory.claimStep(user.Name, step):
			return failed("authn_token_reuse", "a code that was used already", page.UsedCode)
		}
		return page.None
	}
	digest := totp.RecoveryDigest(code)
	switch {
	case !slices.Contains(user.Recovery, digest):
		return failed("authn_login_fail", "wrong recovery code", page.WrongRecovery)
	case !m.Memory.claimRecovery(digest):
		return failed("authn_token_reuse", "a recovery code that was used already", page.WrongRecovery)
	}
	m.Report(r, slog.LevelWarn, "authn_recovery_code_used", user.Name, slog.String("description", "make new ones with: auth-watchdog user recovery "+user.Name+" --file FILE"))
	return page.None
}
