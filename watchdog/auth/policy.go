package auth

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog/internal/headers"
)

// A Rule says what some requests must bring. Exactly one of Public, Accept and
// All is set.
type Rule struct {
	// Match is a pattern of [net/http.ServeMux] without a host:
	// "[METHOD ]/path". The most specific rule wins. "/admin/" also covers
	// "/admin".
	Match string

	Public bool     // no credential is asked for
	Accept []Method // any one of them admits
	All    []Method // all of them together admit; the first one says who

	Require Requirement

	vary []string // the value of Vary: the headers on which an answer depends
}

// methods are those that the rule names.
func (r *Rule) methods() []Method {
	if len(r.All) > 0 {
		return r.All
	}
	return r.Accept
}

// A Requirement is what a caller who is known must also be. The zero value
// asks for nothing.
type Requirement struct {
	Subjects []string // the subject is one of these
	Scopes   []string // the credential has all of these
}

func (q Requirement) allows(id Identity) bool {
	if len(q.Subjects) > 0 && !slices.Contains(q.Subjects, id.Subject) {
		return false
	}
	for _, scope := range q.Scopes {
		if !slices.Contains(id.Scopes, scope) {
			return false
		}
	}
	return true
}

// A Policy is a set of rules, compiled. It is immutable. The zero value
// refuses everything.
type Policy struct {
	rules []*Rule

	only   *Rule          // the rule "/", if it is all there is
	strict *http.ServeMux // the rules as they are written
	loose  *http.ServeMux // the rules as a lenient router would take them
	folds  bool           // for it some pattern is another than it is written

	spoofable *headers.Set    // what the caller may not tell the function
	read      map[string]bool // the headers in which methods find credentials
}

// A RuleError says what is wrong with a rule of a policy.
type RuleError struct {
	Index int // of the rule, from 0
	Err   error
}

func (e *RuleError) Error() string { return fmt.Sprintf("rule %d: %v", e.Index+1, e.Err) }
func (e *RuleError) Unwrap() error { return e.Err }

// Compile makes a policy of rules. Its error joins a *[RuleError] for each
// thing that is wrong with one.
func Compile(rules ...Rule) (*Policy, error) {
	p := &Policy{read: map[string]bool{}, strict: http.NewServeMux()}
	var errs []error
	if len(rules) == 0 {
		errs = append(errs, errors.New("no rules: every request would be refused"))
	}
	methods := map[string]Method{}
	anyMethod := true // no rule looks at the request's method
	for i, given := range rules {
		rule := &given
		p.rules = append(p.rules, rule)
		for _, err := range rule.problems(methods) {
			errs = append(errs, &RuleError{i, err})
		}
		for _, m := range rule.methods() {
			if m == nil {
				continue
			}
			for _, h := range m.Headers() {
				p.read[h] = true
			}
		}
		rule.vary = vary(rule.methods())
		if method, _ := splitPattern(rule.Match); method != "" {
			anyMethod = false
		}
	}
	errs = append(errs, p.route()...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}

	spoofable := [][]string{identityHeaders}
	if len(p.rules) == 1 && p.rules[0].Match == "/" {
		p.only = p.rules[0]
	} else {
		spoofable = append(spoofable, pathOverrideHeaders)
	}
	if !anyMethod {
		spoofable = append(spoofable, methodOverrideHeaders)
	}
	p.spoofable = headers.New(spoofable...)
	return p, nil
}

func vary(methods []Method) []string {
	var names []string
	for _, m := range methods {
		if m != nil {
			names = append(names, m.Headers()...)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return []string{strings.Join(slices.Compact(names), ", ")}
}

// problems says what is wrong with a rule by itself. methods holds those of
// the rules before it.
func (r *Rule) problems(methods map[string]Method) []error {
	var errs []error
	said := 0
	for _, set := range []bool{r.Public, len(r.Accept) > 0, len(r.All) > 0} {
		if set {
			said++
		}
	}
	if said != 1 {
		errs = append(errs, errors.New("want exactly one of accept, all and public"))
	}
	if r.Public && (len(r.Require.Subjects) > 0 || len(r.Require.Scopes) > 0) {
		errs = append(errs, errors.New("is public and has require, but of a public request nothing is known"))
	}
	authorization := 0
	for _, m := range slices.Concat(r.Accept, r.All) {
		if m == nil {
			errs = append(errs, errors.New("has a nil method"))
			continue
		}
		if other, ok := methods[m.Name()]; ok && other != m {
			errs = append(errs, fmt.Errorf("two methods are named %q", m.Name()))
		}
		methods[m.Name()] = m
		for _, h := range m.Headers() {
			if IsIdentityHeader(h) {
				errs = append(errs, fmt.Errorf("method %q reads %s, which is ours to set", m.Name(), h))
			}
			if h == "Authorization" {
				authorization++
			}
		}
	}
	if len(r.All) > 0 && authorization > 1 {
		errs = append(errs, errors.New("all of its methods can never be content: several read Authorization, and a request has one"))
	}
	return errs
}

// splitPattern takes "[METHOD ]/path" apart.
func splitPattern(pattern string) (method, path string) {
	method, path, found := strings.Cut(pattern, " ")
	if !found {
		return "", pattern
	}
	return method, strings.TrimLeft(path, " \t")
}

// route registers the rules, twice: as they are, and as a lenient router would
// read them.
func (p *Policy) route() []error {
	var errs []error
	written := map[string]bool{}
	for _, r := range p.rules {
		written[r.Match] = true
	}
	readings := map[string]*Rule{}
	for i, r := range p.rules {
		method, path := splitPattern(r.Match)
		switch {
		case !strings.HasPrefix(path, "/"):
			errs = append(errs, &RuleError{i, fmt.Errorf("match %q: want [METHOD ]/path, without a host", r.Match)})
			continue
		case strings.ToUpper(method) != method:
			errs = append(errs, &RuleError{i, fmt.Errorf("match %q: want the method in capitals", r.Match)})
			continue
		}
		patterns := []string{r.Match}
		// ServeMux would redirect /admin to /admin/.
		if bare := strings.TrimSuffix(r.Match, "/"); bare != r.Match && path != "/" && !written[bare] {
			patterns = append(patterns, bare)
		}
		for _, pattern := range patterns {
			if err := register(p.strict, pattern, r); err != nil {
				errs = append(errs, &RuleError{i, err})
				continue
			}
			// "/a" and "/a/" are one in a lenient reading, "/a/" and what is
			// below it another.
			for _, reading := range []string{loosePattern(method, path), loosePattern(method, strings.TrimSuffix(path, "/"))} {
				p.folds = p.folds || strings.ToLower(path) != path
				if other, ok := readings[reading]; ok && other != r {
					readings[reading] = nil // told apart on purpose
				} else {
					readings[reading] = r
				}
			}
		}
	}
	if len(errs) > 0 {
		return errs
	}
	p.loose = http.NewServeMux()
	for _, reading := range slices.Sorted(maps.Keys(readings)) {
		if err := register(p.loose, reading, readings[reading]); err != nil {
			errs = append(errs, fmt.Errorf("for a router that takes capitals for small letters: %w", err))
		}
	}
	return errs
}

// loosePattern is the pattern under which a lenient router would have a rule.
// Wildcards lose their names, so that patterns that match the same are the
// same.
func loosePattern(method, path string) string {
	var b strings.Builder
	if method != "" {
		b.WriteString(method + " ")
	}
	if path == "" {
		path = "/"
	}
	for i, segment := range strings.Split(path, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		switch {
		case segment == "{$}" || !strings.HasPrefix(segment, "{"):
			b.WriteString(strings.ToLower(segment))
		case strings.HasSuffix(segment, "...}"):
			fmt.Fprintf(&b, "{w%d...}", i)
		default:
			fmt.Fprintf(&b, "{w%d}", i)
		}
	}
	return b.String()
}

var registered = regexp.MustCompile(` \(registered at [^)]*\)`)

// register adds a pattern and returns as an error what ServeMux panics with:
// a pattern that does not parse, or that is in conflict with another.
func register(mux *http.ServeMux, pattern string, r *Rule) (err error) {
	defer func() {
		if v := recover(); v != nil {
			// What it says of the place in the program is of no use here.
			text := registered.ReplaceAllString(fmt.Sprint(v), "")
			err = fmt.Errorf("match %q: %s", pattern, strings.ReplaceAll(text, "\n", " "))
		}
	}()
	mux.Handle(pattern, r)
	return nil
}

// ServeHTTP makes a rule storable in a ServeMux, which is only asked where it
// is and never serves.
func (r *Rule) ServeHTTP(http.ResponseWriter, *http.Request) {
	panic("auth: a rule was served")
}

// Rules returns the rules of the policy in the order they were given.
func (p *Policy) Rules() []Rule {
	rules := make([]Rule, len(p.rules))
	for i, r := range p.rules {
		rules[i] = *r
	}
	return rules
}

// find returns the rule for r, or why there is none.
func (p *Policy) find(r *Request) (*Rule, Reason) {
	if p.only != nil {
		if r.URL.Path == "" || r.URL.Path[0] != '/' {
			return nil, TwoReadings // "OPTIONS *"
		}
		return p.only, ""
	}
	if p.strict == nil {
		return nil, NoRule
	}
	if !hasOneReading(r.URL) {
		return nil, TwoReadings
	}
	// The decoded path has one reading, so it can stand for all spellings.
	rule := r.ask(p.strict, r.URL.Path)
	if path := loosely(r.URL.Path); p.folds || path != r.URL.Path {
		if lenient := r.ask(p.loose, path); lenient != nil && lenient != rule {
			return nil, TwoReadings
		}
	}
	if rule == nil {
		return nil, NoRule
	}
	return rule, ""
}

// ask returns the rule that mux has for path.
func (r *Request) ask(mux *http.ServeMux, path string) *Rule {
	r.askedURL = url.URL{Path: path}
	r.asked = http.Request{Method: r.Method, URL: &r.askedURL}
	h, pattern := mux.Handler(&r.asked)
	rule, ok := h.(*Rule)
	if pattern == "" || !ok {
		return nil
	}
	return rule
}

// A Decision is the outcome for one request. Metrics and audit events are made
// of it. The zero value refuses.
type Decision struct {
	Reason     Reason
	Identity   Identity
	Rule       *Rule         // nil if none was found
	Method     string        // whose word decided; empty if none was asked
	Subject    string        // of a refusal: whose credential it claims to be, if such a one exists
	RetryAfter time.Duration // of a refusal with 429 or 503
	Objections []Objection   // what each method said that did not admit
}

// An Objection is what a method said of a request that it did not admit.
type Objection struct {
	Method Method
	Err    error // ErrNoCredential, a *Denied, or why it could not tell
}

// reason is the objection in a word.
func (o Objection) reason() Reason {
	if o.Err == ErrNoCredential { //nolint:errorlint // the common case, and never wrapped by a method that keeps its contract
		return NoCredential
	}
	if d := (*Denied)(nil); errors.As(o.Err, &d) {
		return d.Reason
	}
	if errors.Is(o.Err, ErrNoCredential) {
		return NoCredential
	}
	return Unavailable
}

// Allowed reports whether the request may pass.
func (d Decision) Allowed() bool { return d.Reason == Admitted || d.Reason == Public }

// Err joins what the methods objected, for the log.
func (d Decision) Err() error {
	errs := make([]error, 0, len(d.Objections))
	for _, o := range d.Objections {
		if o.reason() != NoCredential {
			errs = append(errs, fmt.Errorf("%s: %w", o.Method.Name(), o.Err))
		}
	}
	return errors.Join(errs...)
}

// Decide says whether r may pass. It changes nothing but the body, if a method
// has to read it.
func (p *Policy) Decide(r *Request) Decision {
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return Decision{Reason: BadMethod}
	}
	if len(r.Header["Authorization"]) > 1 {
		return Decision{Reason: TwoCredential}
	}
	rule, reason := p.find(r)
	if rule == nil {
		return Decision{Reason: reason}
	}
	if rule.Public {
		return Decision{Reason: Public, Rule: rule}
	}
	for _, m := range rule.methods() {
		for _, h := range m.Headers() {
			if len(r.Header[h]) > 1 {
				return Decision{Reason: TwoCredential, Rule: rule, Method: m.Name()}
			}
		}
	}
	d := rule.authenticate(r)
	d.Rule = rule
	if d.Reason == Admitted && !rule.Require.allows(d.Identity) {
		d.Reason = Forbidden
	}
	return d
}

// authenticate asks the methods of the rule. This is the one place where their
// words become a decision.
func (r *Rule) authenticate(req *Request) Decision {
	var d Decision
	if len(r.All) > 0 {
		for i, m := range r.All {
			id, err := m.Authenticate(req)
			if err != nil {
				return refusal([]Objection{{m, err}})
			}
			d.Identity = d.Identity.with(id, i == 0)
		}
		d.Reason, d.Method = Admitted, d.Identity.Method
		return d
	}
	for _, m := range r.Accept {
		id, err := m.Authenticate(req)
		if err == nil {
			return Decision{Reason: Admitted, Identity: id, Method: id.Method, Objections: d.Objections}
		}
		d.Objections = append(d.Objections, Objection{m, err})
		if d.Objections[len(d.Objections)-1].reason().final() {
			break
		}
	}
	return refusal(d.Objections)
}

// with adds to an identity what a further proof of the same request allows.
func (id Identity) with(next Identity, first bool) Identity {
	if first {
		return next
	}
	id.Scopes = slices.Concat(id.Scopes, next.Scopes)
	if id.Expires.IsZero() || !next.Expires.IsZero() && next.Expires.Before(id.Expires) {
		id.Expires = next.Expires
	}
	return id
}

// refusal weighs objections. A method that could not tell might have been the
// one to admit, so its word counts before that of methods that could; among
// those, what was presented and is wrong counts before what was not presented.
func refusal(objections []Objection) Decision {
	d := Decision{Reason: NoCredential, Objections: objections}
	weight := 0
	for _, o := range objections {
		reason := o.reason()
		w := 0
		switch {
		case reason.final():
			w = 4
		case reason.Status() == http.StatusServiceUnavailable:
			w = 3
		case reason == Throttled:
			w = 2
		case reason != NoCredential:
			w = 1
		}
		if w <= weight {
			continue
		}
		weight = w
		d.Reason, d.Method = reason, o.Method.Name()
		if denied := (*Denied)(nil); errors.As(o.Err, &denied) {
			d.Subject, d.RetryAfter = denied.Subject, denied.RetryAfter
		}
	}
	return d
}
