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
	"auth-watchdog/watchdog/auth/login"
	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

// A builtPolicy is a policy with what it was made of.
type builtPolicy struct {
	*auth.Policy
	methods []auth.Method // in the order of the configuration
	pages   *login.Method // the one that has pages; nil if there is none
}

// allSecrets are the names of all secrets that a watchdog needs.
func allSecrets(c *config.Config) []string {
	names := append(secretNames(c.Policy), c.TLS.Secrets()...)
	slices.Sort(names)
	return slices.Compact(names)
}

// secretNames are the names of all secrets that a policy needs.
func secretNames(p config.Policy) []string {
	var names []string
	for _, m := range p.Methods {
		if m.Section != nil {
			names = append(names, m.Section.Secrets()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// A source finds the secrets of a method; nil if they can't be had.
type source func(names []string) *secret.Set

// nowhere is the source of those who read no secrets.
func nowhere([]string) *secret.Set { return nil }

// from is the source of those who have read all of them at one moment.
func from(set *secret.Set) source { return func([]string) *secret.Set { return set } }

// buildPolicy makes a policy of its configuration and the secrets. A method
// without secrets recognises nothing.
func buildPolicy(p config.Policy, secrets source, d *deps) (*builtPolicy, setting.Problems) {
	var ps setting.Problems
	built := &builtPolicy{}
	byName := map[string]auth.Method{}
	signIns := 0
	for _, m := range p.Methods {
		method := buildMethod(&ps, m, secrets, d)
		if _, ok := signInOf(m); ok {
			signIns++
			if signIns == 2 {
				ps.Add(m.Where, "methods."+m.Name, errors.New("is the second method of the type login, and there is one place to sign in"))
			}
			built.pages, _ = method.(*login.Method)
		}
		byName[m.Name] = method
		built.methods = append(built.methods, method)
	}
	complete := len(p.Rules) > 0
	rules := make([]auth.Rule, len(p.Rules))
	for i, r := range p.Rules {
		rules[i] = auth.Rule{
			Match: r.Match, Public: r.Public, Accept: pick(byName, r.Accept), All: pick(byName, r.All),
			Require: auth.Requirement{Subjects: r.Subjects, Scopes: r.Scopes, SecondFactor: r.SecondFactor, MaxAge: r.MaxAge},
		}
		complete = complete && len(rules[i].Accept) == len(r.Accept) && len(rules[i].All) == len(r.All)
	}
	if !complete { // what is missing has been said
		return built, ps
	}
	policy, err := auth.Compile(rules...)
	if err != nil {
		for _, e := range setting.Flatten(err) {
			where := ""
			if rule := (*auth.RuleError)(nil); errors.As(e, &rule) {
				where = p.Rules[rule.Index].Where
			}
			ps.Add(where, "", e)
		}
	}
	built.Policy = policy
	return built, ps
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

// signInOf returns the configuration of the method by which people sign in;
// false of the others.
func signInOf(m config.Method) (*login.Config, bool) {
	c, ok := m.Section.(*login.Config)
	return c, ok
}

// buildMethod makes a method. Where it can't, for a problem that it adds to ps
// or for want of secrets, it returns a stand-in.
func buildMethod(ps *setting.Problems, m config.Method, secrets source, d *deps) auth.Method {
	if m.Section == nil {
		return &standIn{name: m.Name} // its type is none, which has been said
	}
	var stand auth.Method = &standIn{m.Name, m.Section.Headers()}
	_, people := signInOf(m)
	if people {
		stand = &ambientStandIn{standIn{m.Name, m.Section.Headers()}}
	}
	if problems := m.Section.Check(); len(problems) > 0 {
		for _, p := range problems {
			p.Where, p.Name = m.Where, m.Setting(p.Name)
			*ps = append(*ps, p)
		}
		return stand
	}
	// At the build of an image it may not be known yet.
	if url := d.config.PublicURL; people && (url != "" || !d.noSecrets) {
		if err := login.CheckPublicURL(url); err != nil {
			ps.Add("", "public_url", err)
			return stand
		}
	}
	set := secrets(m.Section.Secrets())
	if set == nil {
		return stand
	}
	method, err := methods[m.Type].build(m.Name, m.Section, set, d)
	if err != nil {
		name := "" // the secret is named
		if m.Where != "" {
			name = m.Setting("")
		}
		ps.AddErr(m.Where, name, err)
		return stand
	}
	return method
}

// A standIn stands in a policy for a method whose secrets have not been read.
// It can tell nothing of any request.
type standIn struct {
	name    string
	headers []string
}

func (s *standIn) Name() string                       { return s.name }
func (s *standIn) Headers() []string                  { return s.headers }
func (*standIn) Challenge(string, auth.Reason) string { return "" }

func (*standIn) Authenticate(*auth.Request) (auth.Identity, error) {
	return auth.Identity{}, errors.New("its secrets have not been read")
}

// An ambientStandIn stands in for one whose credential browsers send by
// themselves.
type ambientStandIn struct{ standIn }

// Ambient implements [auth.Ambient].
func (*ambientStandIn) Ambient() {}

// Strip implements [auth.Stripper].
func (*ambientStandIn) Strip(r *http.Request) { login.StripCookies(r.Header) }

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
		for _, m := range r.Methods() {
			used[m.Name()] = true
			if h, ok := m.(interface{ HandshakeMethod() string }); ok {
				verb, _, found := strings.Cut(r.Match, " ")
				if by := h.HandshakeMethod(); found && by != "" && verb != by && (verb != http.MethodGet || by != http.MethodHead) {
					add("rule %q does not let in the handshake of %q, which comes by %s: leave %s out of match", r.Match, m.Name(), by, verb)
				}
			}
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
		if weak, ok := m.(auth.Warner); ok {
			for _, w := range weak.Warnings() {
				add("method %q: %s", m.Name(), w)
			}
		}
		if k, ok := m.(auth.Keeper); ok {
			for _, c := range k.Credentials() {
				if left := time.Until(c.Expires); !c.Expires.IsZero() && left > 0 && left < soon {
					add("method %q: secret %q, %s: expires on %s", m.Name(), c.Secret, c.Entry, c.Expires.Format(time.RFC3339))
				}
			}
		}
	}
	for _, r := range c.Policy.Rules {
		if r.Public && !r.Rate.IsZero() && c.TrustedProxyHops == 0 {
			add("rule %q: its rate is of each address, and all who come through one proxy, such as the gateway, have that of the proxy: see trusted_proxy_hops", r.Match)
		}
	}
	if c.ForwardCredentials {
		add("forward_credentials: the function sees the credentials of its callers")
	}
	if c.AllowOpenUpstream {
		add("allow_open_upstream: the function may be called without a credential by whoever reaches it")
	}
	slices.SortStableFunc(list, cmp.Compare[string])
	return slices.Compact(list)
}
