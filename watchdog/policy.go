package watchdog

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

// A builtPolicy is a policy with what it was made of.
type builtPolicy struct {
	*auth.Policy
	methods []auth.Method // in the order of the configuration
}

// secretNames are the names of all secrets that a policy needs.
func secretNames(p config.Policy) []string {
	var names []string
	for _, m := range p.Methods {
		if s, ok := m.Section.(section); ok {
			names = append(names, s.Secrets()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// buildPolicy makes a policy of its configuration and the secrets. Without
// secrets, nil, its methods recognise nothing. Its error is setting.Problems.
func buildPolicy(p config.Policy, secrets *secret.Set, k *kept) (*builtPolicy, error) {
	var ps setting.Problems
	built := &builtPolicy{}
	byName := map[string]auth.Method{}
	for _, m := range p.Methods {
		method := buildMethod(&ps, m, secrets, k)
		byName[m.Name] = method
		built.methods = append(built.methods, method)
	}
	complete := len(p.Rules) > 0
	rules := make([]auth.Rule, len(p.Rules))
	for i, r := range p.Rules {
		rules[i] = auth.Rule{
			Match: r.Match, Public: r.Public, Accept: pick(byName, r.Accept), All: pick(byName, r.All),
			Require: auth.Requirement{Subjects: r.Subjects, Scopes: r.Scopes},
		}
		complete = complete && len(rules[i].Accept) == len(r.Accept) && len(rules[i].All) == len(r.All)
	}
	policy, err := auth.Compile(rules...)
	if err != nil && complete { // otherwise what is missing has been said
		for _, e := range flatten(err) {
			where := ""
			if rule := (*auth.RuleError)(nil); errors.As(e, &rule) {
				where = p.Rules[rule.Index].Where
			}
			ps.Add(where, "", e)
		}
	}
	built.Policy = policy
	return built, ps.Err()
}

func pick(byName map[string]auth.Method, names []string) []auth.Method {
	var list []auth.Method
	for _, n := range names {
		if m := byName[n]; m != nil {
			list = append(list, m)
		}
	}
	return list
}

// buildMethod makes a method. Where it can't, for a problem that it adds to ps
// or for want of secrets, it returns a stand-in.
func buildMethod(ps *setting.Problems, m config.Method, secrets *secret.Set, k *kept) auth.Method {
	s, ok := m.Section.(section)
	if !ok {
		return standIn{m.Name} // its type is none, which has been said
	}
	name := "auth_" + m.Type
	if m.Where != "" {
		name = "methods." + m.Name
	}
	err := s.Check()
	if err == nil {
		if secrets == nil {
			return standIn{m.Name}
		}
		var method auth.Method
		if method, err = methods[m.Type].build(m.Name, s, secrets, k); err == nil {
			return method
		}
		if m.Where == "" {
			name = "" // the secret is named
		}
	}
	for _, e := range flatten(err) {
		ps.Add(m.Where, name, e)
	}
	return standIn{m.Name}
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // the outermost is meant
	if !ok {
		return []error{err}
	}
	var list []error
	for _, e := range joined.Unwrap() {
		list = append(list, flatten(e)...)
	}
	return list
}

// A standIn stands in a policy for a method whose secrets have not been read.
// It can tell nothing of any request.
type standIn struct{ name string }

func (s standIn) Name() string                       { return s.name }
func (standIn) Headers() []string                    { return nil }
func (standIn) Challenge(string, auth.Reason) string { return "" }
func (standIn) Strip(*http.Request)                  {}
func (s standIn) Authenticate(*auth.Request) (auth.Identity, error) {
	return auth.Identity{}, errors.New("its secrets have not been read")
}

// credentials lists what the methods keep.
func (b *builtPolicy) credentials() []auth.Credential {
	var list []auth.Credential
	for _, m := range b.methods {
		if k, ok := m.(auth.Keeper); ok {
			list = append(list, k.Credentials()...)
		}
	}
	return list
}

// soon is how long before it expires a credential draws a warning.
const soon = 14 * 24 * time.Hour

// warnings says what is allowed and unwise.
func (b *builtPolicy) warnings(c *config.Config) []string {
	var list []string
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	used := map[string]bool{}
	for _, r := range b.Rules() {
		if r.Public && r.Match == "/" {
			add("everybody may call: nothing asks for a credential")
		} else if r.Public {
			add("rule %q is public", r.Match)
		}
		for _, m := range slices.Concat(r.Accept, r.All) {
			used[m.Name()] = true
			k, ok := m.(auth.Keeper)
			if !ok || len(r.Require.Scopes) == 0 {
				continue
			}
			if !slices.ContainsFunc(k.Credentials(), func(c auth.Credential) bool {
				return !slices.ContainsFunc(r.Require.Scopes, func(s string) bool { return !slices.Contains(c.Scopes, s) })
			}) && len(r.All) == 0 {
				add("rule %q requires the scopes %s, and no credential of %q has them", r.Match, strings.Join(r.Require.Scopes, ", "), m.Name())
			}
		}
	}
	for _, m := range b.methods {
		if !used[m.Name()] {
			add("method %q is in no rule", m.Name())
		}
		k, ok := m.(auth.Keeper)
		if !ok {
			continue
		}
		for _, w := range k.Warnings() {
			add("method %q: %s", m.Name(), w)
		}
		for _, credential := range k.Credentials() {
			if left := time.Until(credential.Expires); !credential.Expires.IsZero() && left > 0 && left < soon {
				add("method %q: secret %q, %s: expires on %s", m.Name(), credential.Secret, credential.Key, credential.Expires.Format(time.RFC3339))
			}
		}
	}
	if c.KeepCredentials {
		add("forward_credentials: the function sees the credentials of its callers")
	}
	if c.AllowOpenUpstream {
		add("allow_open_upstream: the function may be called without a credential by whoever reaches it")
	}
	slices.SortStableFunc(list, cmp.Compare[string])
	return slices.Compact(list)
}
