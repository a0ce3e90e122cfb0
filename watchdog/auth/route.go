package auth

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

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
	readings := map[string]*reading{}
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
		p.folds = p.folds || fold(path) != path
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
			for _, like := range []string{path, strings.TrimSuffix(path, "/"), trimOpenEnd(path)} {
				like = loosePattern(method, like)
				if readings[like] == nil {
					readings[like] = &reading{}
				}
				if of := readings[like]; !slices.Contains(of.rules, r) {
					of.rules = append(of.rules, r)
				}
			}
		}
	}
	if len(errs) > 0 {
		return errs
	}
	p.loose = http.NewServeMux()
	for _, like := range slices.Sorted(maps.Keys(readings)) {
		if err := register(p.loose, like, readings[like]); err != nil {
			errs = append(errs, fmt.Errorf("for a router that takes capitals for small letters: %w", err))
		}
	}
	return errs
}

// A reading is what a lenient router takes a path for: any of these rules.
type reading struct{ rules []*Rule }

// ServeHTTP is as that of a Rule.
func (*reading) ServeHTTP(http.ResponseWriter, *http.Request) { panic("auth: a reading was served") }

// trimOpenEnd takes "/{$}" or "/{name...}" off the end of a path: both match
// what is before it with a slash, which a lenient router does not see.
func trimOpenEnd(path string) string {
	i := strings.LastIndexByte(path, '/')
	if last := path[i+1:]; last == "{$}" || strings.HasPrefix(last, "{") && strings.HasSuffix(last, "...}") {
		return path[:i]
	}
	return path
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
			b.WriteString(fold(segment))
		case strings.HasSuffix(segment, "...}"):
			fmt.Fprintf(&b, "{w%d...}", i)
		default:
			fmt.Fprintf(&b, "{w%d}", i)
		}
	}
	return b.String()
}

// register adds a pattern and returns as an error what ServeMux panics with:
// a pattern that does not parse, or that is in conflict with another.
func register(mux *http.ServeMux, pattern string, r http.Handler) (err error) {
	defer func() {
		if v := recover(); v != nil {
			// What it says of the place in the program is of no use here.
			registered := regexp.MustCompile(` \(registered at [^)]*\)`)
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
	if p.methods && strings.ToUpper(r.Method) != r.Method {
		return nil, TwoReadings // some servers take "post" for "POST"
	}
	// The decoded path has one reading, so it can stand for all spellings.
	rule, _ := r.ask(p.strict, r.URL.Path).(*Rule)
	if path := loosely(r.URL.Path); p.folds || path != r.URL.Path {
		if lenient, ok := r.ask(p.loose, path).(*reading); ok && !slices.Contains(lenient.rules, rule) {
			return nil, TwoReadings
		}
	}
	if rule == nil {
		return nil, NoRule
	}
	return rule, ""
}

// ask returns what mux has for path, nil if it has nothing.
func (r *Request) ask(mux *http.ServeMux, path string) http.Handler {
	r.askedURL = url.URL{Path: path}
	r.asked = http.Request{Method: r.Method, URL: &r.askedURL}
	h, pattern := mux.Handler(&r.asked)
	if pattern == "" {
		return nil
	}
	return h
}
