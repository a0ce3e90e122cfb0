package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// A Decision is the outcome for one request. Metrics and audit events are made
// of it. The zero value refuses.
type Decision struct {
	Reason     Reason
	Identity   Identity
	Also       []Identity    // of a rule with All: what the methods after the first say
	Rule       *Rule         // nil if none was found
	Method     string        // whose word decided; empty if none was asked
	Subject    string        // who called or, of a refusal, whose credential it claims to be, if such a one exists
	RetryAfter time.Duration // of a refusal with 429 or 503
	Took       time.Duration // what it took a Gate to decide, reading the body included
	Handshake  *Handshake    // how it is answered, of a request that is not for the function
	Objections []Objection   // what each method said that did not admit
	Invitation string        // of a refusal by a Gate: where the browser goes to sign in
}

// An Objection is what a method said of a request that it did not admit.
type Objection struct {
	Method Method
	Err    error // ErrNoCredential, a *Denied, or why it could not tell
}

// reason is the objection in a word.
func (o Objection) reason() Reason { return ReasonOf(o.Err) }

// ReasonOf is what a method says by its error, in a word: Admitted if there is
// none, and Unavailable if the method could not tell.
func ReasonOf(err error) Reason {
	if err == nil {
		return Admitted
	}
	if err == ErrNoCredential { //nolint:errorlint // the common case, and never wrapped by a method that keeps its contract
		return NoCredential
	}
	if d := (*Denied)(nil); errors.As(err, &d) {
		return d.Reason
	}
	if h := (*Handshake)(nil); errors.As(err, &h) {
		return Answered
	}
	if errors.Is(err, ErrNoCredential) {
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
		return Decision{Reason: TwoCredentials}
	}
	rule, reason := p.find(r)
	if rule == nil {
		return Decision{Reason: reason}
	}
	if rule.Public {
		return Decision{Reason: Public, Rule: rule}
	}
	for _, m := range rule.Methods() {
		for _, h := range m.Headers() {
			if len(r.Header[h]) > 1 {
				return Decision{Reason: TwoCredentials, Rule: rule, Method: m.Name()}
			}
		}
	}
	d := rule.authenticate(r)
	d.Rule = rule
	if d.Handshake != nil && rule.Require.judge(Identity{Subject: d.Method}, r.Now) != Admitted {
		d.Reason, d.Handshake = Forbidden, nil
	}
	if d.Reason == Admitted {
		d.Subject = d.Identity.Subject
		d.Reason = rule.Require.judge(d.Identity, r.Now)
	}
	return d
}

// authenticate asks the methods of the rule. This is the one place where their
// words become a decision.
func (r *Rule) authenticate(req *Request) Decision {
	if len(r.All) > 0 {
		return r.authenticateAll(req)
	}
	var objections []Objection
	var asked *Decision // of a handshake that anybody could have sent
	for i, m := range r.asked {
		if i == len(r.asked)-r.ambient && (asked != nil || presents(req, objections)) {
			break
		}
		id, err := m.Authenticate(req)
		if err == nil {
			return Decision{Reason: Admitted, Identity: id, Method: id.Method, Objections: objections}
		}
		if d := handshake(m, err); d != nil {
			if d.Handshake.Verified {
				return *d
			}
			if asked == nil {
				asked = d
			}
			continue
		}
		o := Objection{m, err}
		objections = append(objections, o)
		if o.reason().final() {
			break
		}
	}
	// What came besides and is wrong is refused, or a handshake would hide who
	// guesses.
	if d := refusal(objections); asked == nil || d.Reason != NoCredential {
		return d
	}
	return *asked
}

// presents reports whether a request brings something else than what browsers
// send by themselves, which then counts alone: in a browser, only the page that
// made the request can have added it.
func presents(req *Request, objections []Objection) bool {
	return req.Header["Authorization"] != nil ||
		slices.ContainsFunc(objections, func(o Objection) bool { return o.reason() != NoCredential })
}

// handshake is the decision on a request that a method says is one, or nil.
func handshake(m Method, err error) *Decision {
	h := (*Handshake)(nil)
	if !errors.As(err, &h) {
		return nil
	}
	return &Decision{Reason: Answered, Method: m.Name(), Handshake: h}
}

func (r *Rule) authenticateAll(req *Request) Decision {
	d := Decision{Reason: Admitted}
	var asked *Decision
	for i, m := range r.All {
		id, err := m.Authenticate(req)
		if h := handshake(m, err); h != nil {
			asked = h // if the other methods are content
			continue
		}
		if err != nil {
			return refusal([]Objection{{m, err}})
		}
		if i == 0 {
			d.Identity, d.Method = id, id.Method
		} else {
			d.Identity, d.Also = d.Identity.with(id), append(d.Also, id)
		}
	}
	if asked != nil {
		return *asked
	}
	return d
}

// with adds to an identity what a further proof of the same request allows.
func (id Identity) with(next Identity) Identity {
	id.Scopes = slices.Concat(id.Scopes, next.Scopes)
	if id.Expires.IsZero() || !next.Expires.IsZero() && next.Expires.Before(id.Expires) {
		id.Expires = next.Expires
	}
	return id
}

// refusal weighs objections. What ends the matter counts most. A method that
// could not tell might have been the one to admit, so its word counts before
// that of methods that could, and not knowing before having no room to find
// out; what was presented and is wrong counts before what was not presented.
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
