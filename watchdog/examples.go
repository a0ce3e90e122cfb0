package watchdog

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

// A Need is a method of a policy with the secrets that it takes.
type Need struct {
	Type    string
	Secrets []string
}

// Needs lists the methods of the policy that settings stand for. It reads no
// secret.
func Needs(s Settings) ([]Need, error) {
	c, err := loadPolicy(s)
	if err != nil {
		return nil, err
	}
	var list []Need
	for _, m := range c.Policy.Methods {
		list = append(list, Need{m.Type, m.Section.(section).Secrets()}) //nolint:forcetypeassert // kinds made it
	}
	return list, nil
}

// loadPolicy loads settings of which only the policy matters.
func loadPolicy(s Settings) (*config.Config, error) {
	c, err := config.Load(s, kinds())
	if err == nil {
		return c, nil
	}
	ps, _ := errors.AsType[setting.Problems](err)
	ps = slices.DeleteFunc(ps, func(p setting.Problem) bool { return p.Name == "mode" || p.Name == "upstream_url" })
	return c, ps.Err()
}

// An Example is a request that the policy admits.
type Example struct {
	Methods []string // whose credentials it brings
	Request *http.Request
	Body    string
}

// A presenter is the configuration of a method that can write an example.
type presenter interface {
	// Present gives r what a caller of the method brings, and a body if that
	// is part of it. show is what stands for a secret where it is sent as it
	// is; value is the secret, for signing.
	Present(r *http.Request, show func(name string) string, value func(name string) secret.Value) (body string, err error)
}

// Examples returns a request for each way in that the policy of settings has.
// base is the URL at which the watchdog is reached; show says what stands in
// the request for a secret that callers send as it is.
func Examples(s Settings, base string, show func(name string) string) ([]Example, error) {
	c, err := loadPolicy(s)
	if err != nil {
		return nil, err
	}
	set, err := secret.Read(c.SecretPath, secretNames(c.Policy)...)
	if err != nil {
		return nil, err
	}
	var list []Example
	for _, rule := range c.Policy.Rules {
		ways := [][]string{rule.All}
		if len(rule.All) == 0 {
			ways = slices.Collect(slices.Chunk(rule.Accept, 1))
		}
		for _, names := range ways {
			e, err := example(c.Policy, rule.Match, base, names, show, set.Value)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
	}
	return list, nil
}

func example(p config.Policy, match, base string, names []string, show func(string) string, value func(string) secret.Value) (Example, error) {
	verb, path, found := strings.Cut(match, " ")
	if !found {
		verb, path = "", match
	}
	r, err := http.NewRequest(verb, strings.TrimSuffix(base, "/")+wildcards.ReplaceAllString(path, "x"), nil)
	if err != nil {
		return Example{}, err
	}
	e := Example{Methods: names, Request: r}
	for _, m := range p.Methods {
		pr, ok := m.Section.(presenter)
		if !ok || !slices.Contains(names, m.Name) {
			continue
		}
		body, err := pr.Present(r, show, value)
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

// wildcards are those of http.ServeMux.
var wildcards = regexp.MustCompile(`\{[^}]*\}`)
