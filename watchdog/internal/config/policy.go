package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"auth-watchdog/watchdog/internal/setting"
)

// A Section is the configuration of a method.
type Section interface {
	// Fields describes it.
	Fields() []setting.Field

	// Check says what else is wrong with it once the fields are set, as far as
	// can be told without the secrets; by the names of the fields.
	Check() setting.Problems

	// Secrets are the names of the secrets that the method needs.
	Secrets() []string

	// Headers are the canonical names of the request headers by which the
	// method decides.
	Headers() []string

	// Present gives r what a caller of the method brings, and returns the body
	// if that is part of it.
	Present(r *http.Request, p setting.Presentation) (body string, err error)

	// NewSecret makes the content of one of the method's secrets for a
	// try-out, with a credential of the given name and scopes. credential is
	// what a caller then presents; if empty, that is the content itself.
	NewSecret(secretName, name string, scopes []string, expires time.Time) (content, credential string, err error)
}

// Kinds makes an empty Section for each type of method.
type Kinds map[string]func() Section

// A Policy is what a policy file says, or the short form in the environment.
type Policy struct {
	Methods []Method
	Rules   []Rule
}

// TypeOf is the type of the method of that name.
func (p Policy) TypeOf(name string) string {
	for _, m := range p.Methods {
		if m.Name == name {
			return m.Type
		}
	}
	return ""
}

// A Method is a method as it is configured.
type Method struct {
	Name, Type string
	Section    Section
	Where      string // in the policy file; empty for the short form
}

// Setting is how the user names a field of the method, or the method itself if
// field is empty.
func (m Method) Setting(field string) string {
	if m.Where != "" {
		return join("methods."+m.Name, field)
	}
	if field == "" {
		return "auth_" + m.Type
	}
	return shortName(m.Type, field)
}

// A Rule is a rule as it is written.
type Rule struct {
	Match    string
	Public   bool
	Accept   []string
	All      []string
	Subjects []string
	Scopes   []string
	Rate     setting.Rate // of each caller
	Where    string       // in the policy file; empty for the short form

	SecondFactor bool
	MaxAge       time.Duration
}

// fields describes a rule.
func (r *Rule) fields() []setting.Field {
	return []setting.Field{
		{
			Name: "match", Value: setting.Text(&r.Match, "[METHOD ]/path"),
			Meaning: "the requests it is for: a pattern of Go's `http.ServeMux` without a host. The most specific rule wins; `/admin/` also covers `/admin`",
		},
		{Name: "accept", Value: setting.Words(&r.Accept, "a list of methods"), Meaning: "the methods of which any one admits"},
		{Name: "all", Value: setting.Words(&r.All, "a list of methods"), Meaning: "the methods that must all be content; the first one says who the caller is"},
		{Name: "public", Value: setting.Bool(&r.Public), Meaning: "true asks for no credential"},
		{Name: "require.subjects", Value: setting.Words(&r.Subjects, "a list of names"), Meaning: "the callers who may; others get 403"},
		{Name: "require.scopes", Value: setting.Words(&r.Scopes, "a list of scopes"), Meaning: "what the credential must all allow; otherwise 403"},
		{Name: "require.second_factor", Value: setting.Bool(&r.SecondFactor), Meaning: "true wants a person who has signed in with a second factor (`login`); a browser is asked for one, others get 401"},
		{Name: "require.max_age", Value: setting.PositiveDuration(&r.MaxAge), Meaning: "how long ago a person may have signed in (`login`), such as 15m; a browser is asked to sign in again, others get 401"},
		{
			Name: "rate", Value: setting.RateOf(&r.Rate),
			Meaning: "how often each caller may come, and how many requests at once after a pause (`burst`, which is the count if not set); more get 429",
		},
	}
}

// RuleFields describes a rule, for the tables.
func RuleFields() []setting.Field { return new(Rule).fields() }

const howToSetAuth = "set auth=bearer (or basic, hmac, or several with commas between), or auth_config to a policy file; " +
	"auth=none lets everybody in"

// policy reads the policy from the file, or from the short form.
func (c *raw) policy(ps *setting.Problems, short map[string]string, kinds Kinds) {
	c.unknownNames(ps, short, kinds)
	switch {
	case c.authConfig != "" && len(c.auth) > 0:
		ps.Add("", "auth_config", errors.New("excludes auth: set one of them"))
	case c.authConfig != "":
		for _, name := range slices.Sorted(maps.Keys(short)) {
			ps.Add("", name, errors.New("belongs in the policy file, for auth_config is set"))
		}
		c.policyFile(ps, kinds)
	case len(c.auth) > 0:
		c.shortForm(ps, short, kinds)
	case !c.wrong["auth"]:
		for _, name := range slices.Sorted(maps.Keys(short)) {
			ps.Add("", name, errors.New("has no effect without auth"))
		}
		ps.Add("", "auth", errors.New("is not set: "+howToSetAuth))
	}
}

// shortName is how a field of a method is written in the environment.
func shortName(kind, field string) string {
	return "auth_" + kind + "_" + strings.ReplaceAll(field, ".", "_")
}

// unknownNames takes the names out of short that are no field of any method.
func (c *raw) unknownNames(ps *setting.Problems, short map[string]string, kinds Kinds) {
	if len(short) == 0 {
		return
	}
	names := []string{"auth_config"}
	for _, kind := range kinds.names() {
		for _, f := range kinds[kind]().Fields() {
			names = append(names, shortName(kind, f.Name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(short)) {
		if !slices.Contains(names, name) {
			ps.Add("", name, setting.Unknown("setting", name, names))
			delete(short, name)
		}
		if short[name] == "" { // an empty value is none
			delete(short, name)
		}
	}
}

// shortForm makes the policy that auth=a,b stands for: one rule for every
// path.
func (c *raw) shortForm(ps *setting.Problems, short map[string]string, kinds Kinds) {
	rule := Rule{Match: "/"}
	said := strings.Join(c.auth, ",")
	if slices.Contains(c.auth, "none") {
		if len(c.auth) > 1 {
			ps.Add("", "auth", errors.New("none excludes the others"))
		}
		rule.Public = true
		c.auth = nil
	}
	for _, kind := range c.auth {
		rule.Accept = append(rule.Accept, kind)
		section, ok := kinds[kind]
		if !ok {
			ps.Add("", "auth", fmt.Errorf("%q is not a method: want none, or some of %s", kind, strings.Join(kinds.names(), ", ")))
			continue
		}
		m := Method{Name: kind, Type: kind, Section: section()}
		fields := m.Section.Fields()
		setting.Defaults(fields)
		for _, f := range fields {
			name := shortName(kind, f.Name)
			if text, ok := short[name]; ok {
				f.Set(ps, "", name, text)
				delete(short, name)
			}
		}
		c.Policy.Methods = append(c.Policy.Methods, m)
	}
	c.Policy.Rules = []Rule{rule}
	for _, name := range slices.Sorted(maps.Keys(short)) {
		ps.Add("", name, fmt.Errorf("is for a method that auth=%s does not name", said))
	}
}

func (k Kinds) names() []string { return slices.Sorted(maps.Keys(k)) }

// policyFile reads the file that auth_config names.
func (c *raw) policyFile(ps *setting.Problems, kinds Kinds) {
	text, err := os.ReadFile(c.authConfig)
	if err != nil {
		*ps = append(*ps, setting.Problem{Name: "auth_config", Got: &c.authConfig, Err: fmt.Errorf("want a policy file that can be read: %w", errors.Unwrap(err))})
		return
	}
	policy, more := ParsePolicy(c.authConfig, text, kinds)
	c.Policy = policy
	*ps = append(*ps, more...)
}

// ParsePolicy reads the text of a policy file. file is its name, for the
// problems.
func ParsePolicy(file string, text []byte, kinds Kinds) (Policy, setting.Problems) {
	var ps setting.Problems
	policy := (&parser{file: file, problems: &ps, kinds: kinds}).policy(text)
	return policy, ps
}

// A parser reads a policy file node by node: the library's own decoding says
// nothing of lines, and takes names that stand twice.
type parser struct {
	file     string
	problems *setting.Problems
	kinds    Kinds
}

func (p *parser) where(n *yaml.Node) string { return fmt.Sprintf("%s:%d", p.file, n.Line) }

func (p *parser) bad(n *yaml.Node, name, format string, args ...any) {
	p.problems.Add(p.where(n), name, fmt.Errorf(format, args...))
}

func (p *parser) policy(text []byte) Policy {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		p.problems.Add(p.file, "", errors.New("is empty: want methods and rules"))
		return Policy{}
	case err != nil:
		p.problems.Add(p.file, "", err)
		return Policy{}
	}
	var more yaml.Node
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		p.problems.Add(p.file, "", errors.New("has text after the first document"))
	}
	root := doc.Content[0]
	if !p.plain(root) {
		return Policy{}
	}
	sections := map[string]*yaml.Node{}
	for _, e := range p.mapping(root, "") {
		if e.key.Value != "methods" && e.key.Value != "rules" {
			p.bad(e.key, e.key.Value, "there is no such key: want methods and rules")
		}
		sections[e.key.Value] = e.value
	}
	var policy Policy
	if n := sections["methods"]; n != nil {
		policy.Methods = p.methods(n)
	}
	if n := sections["rules"]; n != nil { // they name methods, wherever those stand
		policy.Rules = p.rules(n, policy.Methods)
	}
	if len(policy.Rules) == 0 {
		p.bad(root, "rules", "want at least one rule: without it every request is refused")
	}
	return policy
}

// plain refuses what lets a text stand for another than is written there:
// anchors, aliases, merges.
func (p *parser) plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Tag == "!!merge" {
		p.bad(n, "", "want no anchors, aliases and merges")
		return false
	}
	ok := true
	for _, child := range n.Content {
		ok = p.plain(child) && ok
	}
	return ok
}

// A pair is a key of a mapping with its value.
type pair struct{ key, value *yaml.Node }

// mapping returns the pairs of a mapping whose keys can be told apart.
func (p *parser) mapping(n *yaml.Node, name string) []pair {
	if n.Kind != yaml.MappingNode {
		p.bad(n, name, "want a mapping, key: value")
		return nil
	}
	var pairs []pair
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			p.bad(key, name, "want words as keys")
		case seen[key.Value]:
			p.bad(key, join(name, key.Value), "stands twice")
		default:
			seen[key.Value] = true
			pairs = append(pairs, pair{key, value})
		}
	}
	return pairs
}

// join puts a dot between names that are not empty.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "." + b
}

func (p *parser) methods(n *yaml.Node) []Method {
	var methods []Method
	for _, e := range p.mapping(n, "methods") {
		key, value := e.key, e.value
		name := join("methods", key.Value)
		m := Method{Name: key.Value, Where: p.where(key)}
		if !setting.ValidName(m.Name) || m.Name == "none" {
			p.bad(key, name, "want a name of at most 64 letters, digits and . _ : - @, not none")
		}
		kind, rest := key, []*yaml.Node{} // what is not the type
		for _, e := range p.mapping(value, name) {
			k, v := e.key, e.value
			if k.Value == "type" {
				m.Type, kind = v.Value, v
				continue
			}
			rest = append(rest, k, v)
		}
		if section, ok := p.kinds[m.Type]; ok {
			m.Section = section()
			fields := m.Section.Fields()
			setting.Defaults(fields)
			p.fields(&yaml.Node{Kind: yaml.MappingNode, Content: rest}, name, "", fields, map[string]bool{})
		} else {
			problem := setting.Problem{Where: p.where(kind), Name: name + ".type", Err: fmt.Errorf("want one of %s", strings.Join(p.kinds.names(), ", "))}
			if kind != key {
				problem.Got = &m.Type
			}
			*p.problems = append(*p.problems, problem)
		}
		methods = append(methods, m)
	}
	return methods
}

func (p *parser) rules(n *yaml.Node, methods []Method) []Rule {
	if n.Kind != yaml.SequenceNode {
		p.bad(n, "rules", "want a list of rules, - {match: …}")
		return nil
	}
	var rules []Rule
	for i, item := range n.Content {
		name := fmt.Sprintf("rules[%d]", i+1)
		r := Rule{Where: p.where(item)}
		before := len(*p.problems)
		p.fields(item, name, "", r.fields(), map[string]bool{})
		if r.Match == "" && len(*p.problems) == before {
			p.bad(item, name+".match", "is not set: want [METHOD ]/path")
		}
		for _, m := range slices.Concat(r.Accept, r.All) {
			if !slices.ContainsFunc(methods, func(known Method) bool { return known.Name == m }) {
				p.bad(item, name, "names the method %q, which is not under methods", m)
			}
		}
		rules = append(rules, r)
	}
	return rules
}

// fields gives the values of a mapping to the fields that it names. Nested
// mappings have dotted names; "name" in one stands for the mapping itself. set
// has the fields that were given a value, in whatever spelling.
func (p *parser) fields(n *yaml.Node, context, prefix string, fields []setting.Field, set map[string]bool) {
	for _, e := range p.mapping(n, join(context, strings.TrimSuffix(prefix, "."))) {
		key, value := e.key, e.value
		name := prefix + key.Value
		full := join(context, name)
		f, ok := find(fields, name)
		if !ok && prefix != "" && key.Value == "name" {
			f, ok = find(fields, strings.TrimSuffix(prefix, "."))
		}
		nested := slices.ContainsFunc(fields, func(f setting.Field) bool { return strings.HasPrefix(f.Name, name+".") })
		if ok && (!nested || value.Kind != yaml.MappingNode) {
			if set[f.Name] {
				p.bad(key, full, "is set twice")
				continue
			}
			set[f.Name] = true
		}
		switch {
		case ok && value.Kind == yaml.ScalarNode && value.Tag != "!!null":
			f.Set(p.problems, p.where(value), full, value.Value)
		case ok && value.Kind == yaml.SequenceNode:
			p.list(f, value, full)
		case ok && value.Kind == yaml.MappingNode && p.keyed(f, value, full):
		case nested && value.Kind == yaml.MappingNode:
			p.fields(value, context, name+".", fields, set)
		case ok:
			p.problems.Add(p.where(value), full, setting.Wanted(f.Value))
		case nested:
			p.bad(value, full, "want a mapping, key: value")
		default:
			p.problems.Add(p.where(key), full, setting.Unknown("setting", key.Value, names(fields, prefix)))
		}
	}
}

func (p *parser) list(f setting.Field, n *yaml.Node, name string) {
	var items []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			p.bad(item, name, "want a list of words")
			return
		}
		items = append(items, item.Value)
	}
	f.Set(p.problems, p.where(n), name, items...)
}

// keyed gives a mapping to a field that takes one, and reports whether it does.
func (p *parser) keyed(f setting.Field, n *yaml.Node, name string) bool {
	keyed, ok := f.Value.(setting.Keyed)
	if !ok {
		return false
	}
	for _, e := range p.mapping(n, name) {
		key, value := e.key, e.value
		if value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
			p.bad(value, join(name, key.Value), "want a text")
			continue
		}
		if err := keyed.SetKey(key.Value, value.Value); err != nil {
			p.problems.Add(p.where(key), join(name, key.Value), err)
		}
	}
	return true
}

func find(fields []setting.Field, name string) (setting.Field, bool) {
	i := slices.IndexFunc(fields, func(f setting.Field) bool { return f.Name == name })
	if i < 0 {
		return setting.Field{}, false
	}
	return fields[i], true
}

// names are those of the fields under a prefix, without it.
func names(fields []setting.Field, prefix string) []string {
	var list []string
	for _, f := range fields {
		if rest, ok := strings.CutPrefix(f.Name, prefix); ok {
			list = append(list, rest)
		}
	}
	return list
}
