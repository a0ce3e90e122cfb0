package login

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	slashpath "path"
	"strings"
	"time"

	"auth-watchdog/watchdog/internal/session"
)

// A site is where people sign in, as their browsers see it.
type site struct {
	origin string // "https://tools.example.com"
	host   string // of the origin, with the port if it is not the usual one
	secure bool   // the origin is one of https
	prefix string // of every path: "/function/hook", or empty
	group  string

	cookies [kinds]struct {
		name    string
		purpose []byte
	}
}

func newSite(group, function, publicURL string) (site, error) {
	u, err := parsePublicURL(publicURL)
	if err != nil {
		return site{}, fmt.Errorf("public_url: %w", err)
	}
	prefix := strings.TrimRight(u.EscapedPath(), "/")
	if group == "" {
		group = groupOf(function, prefix)
	}
	s := site{group: group, secure: u.Scheme == "https", prefix: prefix}
	s.host = strings.ToLower(u.Hostname())
	if strings.Contains(s.host, ":") {
		s.host = "[" + s.host + "]"
	}
	if p := u.Port(); p != "" && p != map[bool]string{true: "443", false: "80"}[s.secure] {
		s.host = net.JoinHostPort(strings.Trim(s.host, "[]"), p)
	}
	s.origin = u.Scheme + "://" + s.host
	for k, suffix := range suffixes {
		name := cookiePrefix + s.group + suffix
		// What is sealed is bound to the cookie, the group and the origin. None of
		// them holds a NUL.
		s.cookies[k].name, s.cookies[k].purpose = name, []byte(name+"\x00"+s.origin)
	}
	return s, nil
}

// unnamed is the name of a function that was not told it: OpenFaaS sets
// OPENFAAS_NAME in some of its editions only.
const unnamed = "function"

// groupOf is the group of a function that was given none: its name or, if that
// is not known, what stands last in the path of public_url. Functions under one
// host name would otherwise end each other's sessions, whose cookies they could
// not open.
func groupOf(function, prefix string) string {
	if function == unnamed && prefix != "" {
		function = slashpath.Base(prefix)
	}
	group := strings.Map(func(r rune) rune {
		if isGroup(string(r)) {
			return r
		}
		return '-'
	}, function)
	return group[:min(len(group), 64)]
}

// isLoopback reports whether browsers take a host for this very machine, to
// which they send secure cookies over plain http too.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && a.IsLoopback()
}

// path is where one of the pages is, as browsers see it.
func (s *site) path(name string) string { return s.prefix + folder + name }

// A kind is one of the cookies that a browser keeps for us.
type kind int

const (
	kindSession kind = iota
	kindStep         // the password was right, and a code is awaited
	kindDevice       // somebody has signed in with this browser before
	kinds
)

// suffixes are the ends of their names. A group has no dot.
var suffixes = [kinds]string{kindStep: ".step", kindDevice: ".device"}

// cookiePrefix has browsers keep what begins with it only from an answer of the
// very host over TLS, for all its paths, and away from scripts (draft-ietf-
// httpbis-rfc6265bis §4.1.3). All cookies of ours begin with it, whichever the
// function.
const cookiePrefix = "__Host-Http-aw-"

func (s *site) cookieName(k kind) string { return s.cookies[k].name }

func (s *site) purpose(k kind) []byte { return s.cookies[k].purpose }

func (s *site) seal(ring *session.Ring, k kind, content *session.Session) (string, error) {
	return ring.Seal(s.purpose(k), content.Encode())
}

// open returns what a cookie of r holds. newest is whether it was sealed with
// the newest key. The error is errNone, errTwice or session.ErrSealed.
func (s *site) open(ring *session.Ring, k kind, r *http.Request) (content session.Session, newest bool, err error) {
	value, err := cookieValue(r.Header, s.cookieName(k))
	if err != nil {
		return session.Session{}, false, err
	}
	text, newest, err := ring.Open(s.purpose(k), value)
	if err != nil {
		return session.Session{}, false, err
	}
	content, err = session.Decode(text)
	return content, newest, err
}

// cookie is the cookie that keeps a value for some time; until the browser is
// closed if that is 0.
func (s *site) cookie(k kind, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: s.cookieName(k), Value: value, MaxAge: int(life / time.Second),
		Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// noCookie has the browser forget a cookie.
func (s *site) noCookie(k kind) *http.Cookie {
	c := s.cookie(k, "", 0) //nolint:gosec // cookie sets what it has to be
	c.MaxAge = -1
	return c
}

// cookieValue returns the value of a cookie. Browsers send one of a name that
// begins as ours do.
func cookieValue(h http.Header, name string) (value string, err error) {
	err = errNone
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			n, v, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if n != name {
				continue
			}
			if err == nil {
				return "", errTwice
			}
			value, err = v, nil
		}
	}
	return value, err
}

// StripCookies takes out of the Cookie lines of h what sign-in has put there,
// that of other functions under the same host too.
func StripCookies(h http.Header) {
	for i, line := range h["Cookie"] {
		if !strings.Contains(line, cookiePrefix) {
			continue
		}
		var kept []string
		for pair := range strings.SplitSeq(line, ";") {
			// However much space a function passes over.
			if !strings.HasPrefix(strings.TrimSpace(pair), cookiePrefix) {
				kept = append(kept, strings.Trim(pair, " \t"))
			}
		}
		if len(kept) == 0 && len(h["Cookie"]) == 1 {
			h.Del("Cookie")
			return
		}
		h["Cookie"][i] = strings.Join(kept, "; ")
	}
}

// longestReturn is the most of an address to return to.
const longestReturn = 2 << 10

// returnTo is where a browser goes after a sign-in: the address that it was
// asked for, if that is one of this origin and not one of the pages, or else
// the function's first page. What a browser could read as another host is not
// taken, however it is written.
func (s *site) returnTo(asked string) string {
	path, _, _ := strings.Cut(asked, "?")
	path, _, _ = strings.Cut(path, "#")
	u, err := url.Parse(asked)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || u.User != nil ||
		len(asked) > longestReturn || !strings.HasPrefix(asked, "/") || strings.Contains(path, "//") ||
		strings.ContainsFunc(asked, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' || r == '"' || r == '<' || r == '>' }) ||
		hasDots(path) || s.leadsToPages(u) {
		return s.prefix + "/"
	}
	return asked
}

// leadsToPages reports whether an address is that of one of the pages, however
// it is escaped.
func (s *site) leadsToPages(u *url.URL) bool {
	prefix, err := url.PathUnescape(s.prefix)
	return err != nil || IsPage(strings.TrimPrefix(slashpath.Clean(u.Path), prefix))
}

// hasDots reports whether a browser would take the path for another one.
func hasDots(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		plain := strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
		if plain == "." || plain == ".." {
			return true
		}
	}
	return false
}
