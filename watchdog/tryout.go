package watchdog

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth/login"
	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

// A TryOut is what it takes to try a policy on a desk: secrets that are made
// up, and requests that it admits.
type TryOut struct{ config *config.Config }

// NewTryOut returns the try-out of the policy that settings stand for. It reads
// no secret.
func NewTryOut(s Settings) (*TryOut, error) {
	c, ps := config.Load(s, kinds())
	return &TryOut{c}, ps.Err()
}

// Secrets are the names of the secrets that the policy needs.
func (t *TryOut) Secrets() []string { return secretNames(t.config.Policy) }

// Public are the patterns of the rules that ask for no credential.
func (t *TryOut) Public() []string {
	var list []string
	for _, r := range t.config.Policy.Rules {
		if r.Public {
			list = append(list, r.Match)
		}
	}
	return list
}

// NewSecret makes the content of one of them, with a credential of the given
// name. credential is what a caller then presents; if empty, that is the
// content itself, or cannot be told from it.
func (t *TryOut) NewSecret(secretName, name string, expires time.Time) (content, credential string, err error) {
	for _, m := range t.config.Policy.Methods {
		if slices.Contains(m.Section.Secrets(), secretName) {
			return m.Section.NewSecret(secretName, name, t.scopes(m.Name), expires)
		}
	}
	return "", "", fmt.Errorf("secret %q: the policy does not need it", secretName)
}

// scopes are all that rules want of credentials of a method.
func (t *TryOut) scopes(method string) []string {
	var list []string
	for _, r := range t.config.Policy.Rules {
		if slices.Contains(r.Accept, method) || slices.Contains(r.All, method) {
			list = append(list, r.Scopes...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// SignIn is how people sign in, of a policy by which they do.
type SignIn struct {
	Users string // the secret that has them
	Keys  string // the secret that nobody but the watchdog needs to see
	Path  string // of the page
}

// SignIn returns how people sign in; false if they do not.
func (t *TryOut) SignIn() (SignIn, bool) {
	for _, m := range t.config.Policy.Methods {
		if c, ok := signInOf(m); ok {
			return SignIn{c.Users, c.Keys, login.SignInPath}, true
		}
	}
	return SignIn{}, false
}

// An Example is a request that the policy admits.
type Example struct {
	Methods []string // whose credentials it brings
	Request *http.Request
	Body    string
	Once    bool // it is admitted once, and not for long
	SignIn  bool // it brings the session of a person
}

// Examples returns a request for each way in that the policy has. base is the
// URL at which the watchdog is reached; show says what stands in the request
// for a secret that callers send as it is. The error joins those of the ways
// for which there can be none.
func (t *TryOut) Examples(base string, show func(name string) string) ([]Example, error) {
	c := t.config
	set, err := secret.Read(c.SecretPath, t.Secrets()...)
	if err != nil {
		return nil, err
	}
	p := setting.Presentation{Show: show, Value: set.Value, Function: c.FunctionName, PublicURL: c.PublicURL}
	var list []Example
	var errs []error
	for _, rule := range c.Policy.Rules {
		ways := [][]string{rule.All}
		if len(rule.All) == 0 {
			ways = slices.Collect(slices.Chunk(rule.Accept, 1))
		}
		for _, names := range ways {
			e, err := example(c.Policy, rule.Match, base, names, p)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", strings.Join(names, " and "), err))
				continue
			}
			list = append(list, e)
		}
	}
	return list, errors.Join(errs...)
}

func example(p config.Policy, match, base string, names []string, present setting.Presentation) (Example, error) {
	verb, path, found := strings.Cut(match, " ")
	if !found {
		verb, path = "", match
	}
	wildcards := regexp.MustCompile(`\{[^}]*\}`) // of http.ServeMux
	r, err := http.NewRequest(verb, strings.TrimSuffix(base, "/")+wildcards.ReplaceAllString(path, "x"), nil)
	if err != nil {
		return Example{}, err
	}
	e := Example{Methods: names, Request: r}
	for _, m := range p.Methods {
		if !slices.Contains(names, m.Name) {
			continue
		}
		if s, ok := m.Section.(interface{ PresentsOnce() bool }); ok {
			e.Once = e.Once || s.PresentsOnce()
		}
		if _, ok := signInOf(m); ok {
			e.SignIn = true
		}
		body, err := m.Section.Present(r, present)
		if err != nil {
			return Example{}, err
		}
		if body != "" {
			e.Body = body
			if verb == "" {
				r.Method = http.MethodPost
			}
		}
	}
	return e, nil
}
