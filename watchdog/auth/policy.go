package auth

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
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

	vary    []string // the value of Vary: the headers on which an answer depends
	asked   []Method // Accept, in the order in which they are asked
	ambient int      // how many of these, at the end, are Ambient
}

// Methods are those that the rule names.
func (r *Rule) Methods() []Method {
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

	SecondFactor bool          // the caller is a person who has signed in with one
	MaxAge       time.Duration // the caller is a person who has signed in no longer ago; 0: at any time
}

// isZero reports whether q asks for nothing.
func (q Requirement) isZero() bool {
	return len(q.Subjects) == 0 && len(q.Scopes) == 0 && !q.SecondFactor && q.MaxAge == 0
}

// judge returns Admitted, or why id does not suffice: StepUp if it would after
// another sign-in.
func (q Requirement) judge(id Identity, now func() time.Time) Reason {
	switch {
	case !q.allows(id), q.wantsPerson() && id.SignedIn.IsZero():
		return Forbidden
	case q.SecondFactor && !id.SecondFactor, q.MaxAge > 0 && now().Sub(id.SignedIn) > q.MaxAge:
		return StepUp
	}
	return Admitted
}

// wantsPerson reports whether q asks for what no program's credential has.
func (q Requirement) wantsPerson() bool { return q.SecondFactor || q.MaxAge > 0 }

// allows reports whether id is one that q names.
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

	only    *Rule          // the rule "/", if it is all there is
	strict  *http.ServeMux // the rules as they are written
	loose   *http.ServeMux // the rules as a lenient router would take them
	methods bool           // some rule looks at the request's method
	folds   bool           // some rule has capitals, which a lenient router would fold

	ambient   []Stripper      // of all rules
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
		for _, m := range rule.Methods() {
			if m == nil {
				continue
			}
			for _, h := range m.Headers() {
				p.read[h] = true
			}
		}
		rule.vary = vary(rule.Methods())
		p.order(rule)
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
	// What a method reads in one spelling, a function may find in another.
	var aliases []string
	for name := range p.read {
		aliases = append(aliases, headers.Fold(name))
	}
	spoofable = append(spoofable, aliases)
	p.methods = !anyMethod
	if !anyMethod {
		spoofable = append(spoofable, methodOverrideHeaders)
	}
	p.spoofable = headers.New(spoofable...)
	return p, nil
}

func isAmbient(m Method) bool {
	_, ok := m.(Ambient)
	return ok
}

// order puts the methods of a rule in the order in which they are asked.
func (p *Policy) order(r *Rule) {
	var last []Method
	for _, m := range r.Accept {
		a, ok := m.(Ambient)
		if !ok {
			r.asked = append(r.asked, m)
			continue
		}
		last = append(last, m)
		if !slices.Contains(p.ambient, Stripper(a)) {
			p.ambient = append(p.ambient, a)
		}
	}
	r.asked, r.ambient = append(r.asked, last...), len(last)
}

// keepRead takes the headers that methods read out of Connection. A proxy
// behind us would remove what stands there, and the function would act on less
// than was judged.
func (p *Policy) keepRead(h http.Header) {
	for i, value := range h["Connection"] {
		options := strings.Split(value, ",")
		kept := slices.DeleteFunc(slices.Clone(options), func(o string) bool { return p.read[http.CanonicalHeaderKey(strings.Trim(o, " \t"))] })
		if len(kept) < len(options) {
			h["Connection"][i] = strings.Join(kept, ",")
		}
	}
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
	if r.Public && !r.Require.isZero() {
		errs = append(errs, errors.New("is public and has require, but of a public request nothing is known"))
	}
	authorization := 0
	for _, m := range slices.Concat(r.Accept, r.All) {
		if m == nil {
			errs = append(errs, errors.New("has a nil method"))
			continue
		}
		if !reflect.ValueOf(m).Comparable() {
			errs = append(errs, fmt.Errorf("method %q can't be compared: want a pointer to it", m.Name()))
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
	for _, m := range r.All {
		if isAmbient(m) {
			errs = append(errs, fmt.Errorf("method %q is for accept: it is asked of requests that bring nothing else, and all wants several", m.Name()))
		}
	}
	if r.Require.wantsPerson() && !r.Public && !slices.ContainsFunc(r.Accept, isAmbient) {
		errs = append(errs, errors.New("requires second_factor or max_age, which only people who sign in can have, and accepts no method by which they do"))
	}
	if len(r.All) > 0 && authorization > 1 {
		errs = append(errs, errors.New("all of its methods can never be content: several read Authorization, and a request has one"))
	}
	return errs
}

// Rules returns the rules of the policy in the order they were given.
func (p *Policy) Rules() []Rule {
	rules := make([]Rule, len(p.rules))
	for i, r := range p.rules {
		rules[i] = *r
	}
	return rules
}
