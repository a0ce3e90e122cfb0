package login

import (
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/page"
)

// folder is where the pages are. Everything below it is theirs.
const folder = "/_/auth/"

// SignInPath is where people sign in.
const SignInPath = folder + "sign-in"

// IsPage reports whether a path belongs to the pages of sign-in.
func IsPage(path string) bool {
	return strings.HasPrefix(path, folder) || path == strings.TrimSuffix(folder, "/")
}

// ServeHTTP answers for the pages. No request comes any further.
func (m *Method) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page.SetHeaders(w.Header(), m.secure && !m.cameByPlainHTTP(r))
	var get, post func(http.ResponseWriter, *http.Request)
	switch strings.TrimPrefix(r.URL.EscapedPath(), folder) { // as it is written: /_/%61uth/ is none of them
	case "sign-in":
		get, post = m.showSignIn, m.form(m.signIn)
	case "second-factor":
		get, post = m.showSecondFactor, m.form(m.secondFactor)
	case "sign-out":
		get, post = m.showSignOut, m.form(m.signOut)
	case "style.css":
		get = m.pages.Style
	case "logo":
		get = m.pages.Logo
	default:
		m.pages.Error(w, http.StatusNotFound, m.CallID(r))
		return
	}
	switch {
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		get(w, r)
	case r.Method == http.MethodPost && post != nil:
		post(w, r)
	default:
		allow := "GET, HEAD"
		if post != nil {
			allow += ", POST"
		}
		w.Header().Set("Allow", allow)
		m.pages.Error(w, http.StatusMethodNotAllowed, m.CallID(r))
	}
}

// Bounds of forms in bytes: of each, and of all that are on their way, which
// anybody can send.
const (
	maxForm  = 64 << 10
	maxForms = 16 << 20
)

// form puts before a handler what all forms need: that a page of ours has sent
// it, in time, whole, and each field once.
func (m *Method) form(next func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if !m.isOursOrNoBrowser(r) {
			m.foreign(w, r)
			return
		}
		if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil && r.ContentLength != 0 || err == nil && mediaType != "application/x-www-form-urlencoded" {
			m.badForm(w, r, http.StatusUnsupportedMediaType, "not the form of a page")
			return
		}
		release, err := m.Memory.forms.Buffer(w, r, m.FormTimeout)
		if err != nil {
			m.unread(w, r, auth.ReasonOf(err))
			return
		}
		defer release()
		err = r.ParseForm()
		twice := func(values []string) bool { return len(values) > 1 }
		if err != nil || slices.ContainsFunc(slices.Collect(maps.Values(r.PostForm)), twice) {
			m.badForm(w, r, http.StatusBadRequest, "a form that can't be read, or has a field twice")
			return
		}
		next(w, r)
	}
}

// unread answers a form that was not read whole.
func (m *Method) unread(w http.ResponseWriter, r *http.Request, why auth.Reason) {
	switch why {
	case auth.BuffersFull:
		m.Report(r, slog.LevelWarn, "excess_rate_limit_exceeded", "", slog.String("description", "too many forms on their way at a time"))
		w.Header().Set("Retry-After", "1")
		m.pages.Error(w, http.StatusServiceUnavailable, m.CallID(r))
	case auth.BodyTooLarge:
		w.Header().Set("Connection", "close") // the rest is not worth reading
		m.badForm(w, r, http.StatusRequestEntityTooLarge, "a form that is too large")
	case auth.BodyTimeout:
		w.Header().Set("Connection", "close")
		m.badForm(w, r, http.StatusRequestTimeout, "a form that did not arrive in time")
	default:
		m.badForm(w, r, http.StatusBadRequest, "a form that did not arrive whole")
	}
}

func (m *Method) badForm(w http.ResponseWriter, r *http.Request, status int, why string) {
	m.Report(r, slog.LevelWarn, "input_validation_fail", "", slog.Int("status", status), slog.String("description", why))
	m.pages.Error(w, status, m.CallID(r))
}

// isOursOrNoBrowser reports whether nobody else can have had a browser send a
// form. Programs say nothing of where they are, and have no cookies.
func (m *Method) isOursOrNoBrowser(r *http.Request) bool {
	if r.Header["Origin"] == nil && r.Header["Sec-Fetch-Site"] == nil {
		return !m.hasCookie(r)
	}
	return m.isOurs(r, false)
}

func (m *Method) hasCookie(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Cookie"], func(line string) bool { return strings.Contains(line, cookiePrefix) })
}

// foreign answers a form that no page of ours has sent, or one that was opened
// under another address than the public one: then nothing would work, and the
// reader is told why.
func (m *Method) foreign(w http.ResponseWriter, r *http.Request) {
	m.Report(r, slog.LevelWarn, "malicious_csrf", "", slog.String("description", "the form was sent by "+m.maker(r)+", and public_url is of "+m.origin))
	opened, err := url.Parse(r.Header.Get("Origin"))
	site := r.Header.Get("Sec-Fetch-Site")
	switch known := err == nil && opened.Host != ""; {
	case known && m.secure && opened.Scheme == "http" && site == "":
		m.pages.PlainHTTP(w, http.StatusForbidden, page.PlainHTTP{Opened: opened.String(), Want: m.origin + m.path("sign-in")})
	case known && (site == "same-origin" || site == ""):
		m.pages.WrongOrigin(w, http.StatusForbidden, page.WrongOrigin{Opened: opened.String(), Want: m.origin + m.path("sign-in")})
	case r.URL.Path == SignInPath:
		f := m.signInForm(r, "")
		f.Problem = page.Foreign
		m.pages.SignIn(w, http.StatusForbidden, f)
	default:
		m.pages.Error(w, http.StatusForbidden, m.CallID(r))
	}
}

// cameByPlainHTTP reports whether a page was certainly opened over plain http,
// as far as those in front of us can be believed.
func (m *Method) cameByPlainHTTP(r *http.Request) bool {
	return r.TLS == nil && m.Proxied && r.Header.Get("X-Forwarded-Proto") == "http"
}

// seemsPlainHTTP reports whether a browser has opened a page in a way in which
// it would not keep the cookie of a session, so that people would be asked to
// sign in for ever. Over https, and on this very machine, browsers say how a
// page is fetched.
func (m *Method) seemsPlainHTTP(r *http.Request) bool {
	switch {
	case !m.secure || r.TLS != nil:
		return false
	case m.Proxied:
		return m.cameByPlainHTTP(r)
	}
	return strings.HasPrefix(r.UserAgent(), "Mozilla/") && r.Header["Sec-Fetch-Mode"] == nil && r.Header["Sec-Fetch-Site"] == nil
}

// plainHTTP says what is wrong with plain http, and reports whether it was.
func (m *Method) plainHTTP(w http.ResponseWriter, r *http.Request) bool {
	if !m.seemsPlainHTTP(r) {
		return false
	}
	want := m.origin + m.at("sign-in", m.back(m.returnTo(r.URL.Query().Get("return_to"))))
	m.pages.PlainHTTP(w, http.StatusBadRequest, page.PlainHTTP{Want: want}) // Host may be a name of the inside
	return true
}

// Refuse answers a refusal with a page, if it is of a person who has signed in
// and whose browser opens one. It reports whether it has.
func (m *Method) Refuse(w http.ResponseWriter, r *http.Request, d auth.Decision) bool {
	if d.Reason != auth.Forbidden || d.Identity.SignedIn.IsZero() || !isNavigation(r) {
		return false
	}
	page.SetHeaders(w.Header(), m.secure && !m.cameByPlainHTTP(r))
	m.pages.Forbidden(w, page.Forbidden{Username: d.Identity.Subject, ReturnTo: m.returnTo(m.prefix + r.URL.RequestURI())})
	return true
}

// see sends the browser on after a form.
func see(w http.ResponseWriter, location string) {
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

// back is the query of a page that leads back to an address of the function.
func (m *Method) back(returnTo string) url.Values {
	query := url.Values{}
	if returnTo != m.prefix+"/" {
		query.Set("return_to", returnTo)
	}
	return query
}

// at is the address of a page.
func (m *Method) at(name string, query url.Values) string {
	if len(query) == 0 {
		return m.path(name)
	}
	return m.path(name) + "?" + query.Encode()
}
