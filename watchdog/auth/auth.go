// Package auth decides whether a request may pass, and as whom.
//
// A [Method] recognises one kind of credential. A [Policy] says which methods
// are accepted for which requests. A [Gate] puts a policy in front of an
// [net/http.Handler]: what it refuses never reaches the handler, and what it
// admits carries an [Identity].
//
//	keys, err := bearer.New("ci", bearer.Config{}, lines)
//	…
//	policy, err := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{keys}})
//	…
//	gate := auth.NewGate(policy, auth.Options{})
//	err = http.ListenAndServe(addr, gate.Wrap(handler))
//
// Everything is closed unless it says open: the zero value of each type here
// refuses.
package auth

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// A Method recognises one kind of credential. It is used by many requests at
// once.
type Method interface {
	// Name is the method's name in policy, logs and metrics.
	Name() string

	// Authenticate reports who sent r. It returns ErrNoCredential if r holds
	// nothing of its kind, a *Denied if what r holds is not good, and any
	// other error if it could not tell. It neither changes r nor keeps it: r
	// is used again for other requests.
	Authenticate(r *Request) (Identity, error)

	// Challenge says how a caller authenticates: the value of a
	// WWW-Authenticate line (RFC 9110 §11.6.1). why is what Authenticate
	// objected to, NoCredential if nothing was presented.
	Challenge(realm string, why Reason) string

	// Headers are the canonical names of all request headers by which it
	// decides. A request that has two lines of one is refused before it is
	// asked.
	Headers() []string
}

// A Stripper is a Method whose credential is a secret that the function has no
// business with.
type Stripper interface {
	// Strip removes the credential from a request on its way to the function.
	// It may change r's headers and replace r.URL, but not what r.URL points
	// to.
	Strip(r *http.Request)
}

// A Keeper is a Method that holds credentials of its own, which can be listed
// before any request comes, in the order of the secret's lines.
type Keeper interface{ Credentials() []Credential }

// A Warner is a Method that can say what is weak about it. It never says a
// secret.
type Warner interface{ Warnings() []string }

// A Credential is one that a method keeps, without what is secret of it.
type Credential struct {
	Secret  string // the name of the secret
	Entry   string // which of its entries: a name, or "line-N"
	Scopes  []string
	Expires time.Time // zero: does not expire
}

// ErrNoCredential is what a Method says of a request that holds nothing of its
// kind; the next method is asked.
var ErrNoCredential = errors.New("no credential of this kind")

// Denied is what a Method says of a credential of its kind that is not good.
type Denied struct {
	Reason     Reason
	Subject    string        // whose credential it claims to be, if such a one exists
	RetryAfter time.Duration // for the reasons that are answered with 429 or 503
	Err        error         // for the log: what was wrong; it never holds a secret
}

func (d *Denied) Error() string {
	if d.Err == nil {
		return string(d.Reason)
	}
	return fmt.Sprintf("%s: %v", d.Reason, d.Err)
}

func (d *Denied) Unwrap() error { return d.Err }

// A Reason says why a request was admitted or refused. The vocabulary is
// closed: it labels metrics and audit events, and is never shown to the caller.
type Reason string

// Every reason there is.
const (
	Admitted Reason = "admitted"
	Public   Reason = "public" // the rule asks for no credential

	NoCredential Reason = "no_credential" // nothing that the rule accepts was presented
	Malformed    Reason = "malformed"     // not written as its kind is
	Unknown      Reason = "unknown"       // no such key, user or password
	Expired      Reason = "expired"       // it was good until its time
	BadSignature Reason = "bad_signature" // no key makes this signature
	Stale        Reason = "stale"         // signed too long ago, or in the future

	NoRule    Reason = "no_rule"   // the policy does not name such requests
	Forbidden Reason = "forbidden" // known, but may not

	TwoReadings    Reason = "two_readings"    // parsers differ on what the path means
	TwoCredentials Reason = "two_credentials" // a header came twice, or a credential in two places
	BadBody        Reason = "bad_body"        // the body could not be read
	BadMethod      Reason = "bad_method"      // CONNECT and TRACE are for proxies
	BodyTimeout    Reason = "body_timeout"    // the body did not arrive in time
	BodyTooLarge   Reason = "body_too_large"  // more than may be buffered

	Throttled   Reason = "throttled"    // too many failures, or too much hashing
	BuffersFull Reason = "buffers_full" // all requests together buffer as much as they may
	Unavailable Reason = "unavailable"  // a method could not tell
)

// reasons are all there are, in the order of the tables, with the statuses
// that answer them.
var reasons = []struct {
	reason Reason
	status int
}{
	{Admitted, http.StatusOK},
	{Public, http.StatusOK},
	{NoCredential, http.StatusUnauthorized},
	{Malformed, http.StatusUnauthorized},
	{Unknown, http.StatusUnauthorized},
	{Expired, http.StatusUnauthorized},
	{BadSignature, http.StatusUnauthorized},
	{Stale, http.StatusUnauthorized},
	{NoRule, http.StatusForbidden},
	{Forbidden, http.StatusForbidden},
	{TwoReadings, http.StatusBadRequest},
	{TwoCredentials, http.StatusBadRequest},
	{BadBody, http.StatusBadRequest},
	{BadMethod, http.StatusMethodNotAllowed},
	{BodyTimeout, http.StatusRequestTimeout},
	{BodyTooLarge, http.StatusRequestEntityTooLarge},
	{Throttled, http.StatusTooManyRequests},
	{BuffersFull, http.StatusServiceUnavailable},
	{Unavailable, http.StatusServiceUnavailable},
}

// Reasons lists every reason there is, for those who label by it.
func Reasons() []Reason {
	list := make([]Reason, len(reasons))
	for i, r := range reasons {
		list[i] = r.reason
	}
	return list
}

// Status is the HTTP status that answers a request for this reason: 200 for
// the two that admit, and 503 for one that is not in the vocabulary.
func (r Reason) Status() int {
	for _, known := range reasons {
		if known.reason == r {
			return known.status
		}
	}
	return http.StatusServiceUnavailable
}

// final reports whether the request is refused for this reason whatever other
// methods would say of it.
func (r Reason) final() bool {
	switch r.Status() {
	case http.StatusUnauthorized, http.StatusTooManyRequests:
		return false
	case http.StatusServiceUnavailable:
		return r == BuffersFull // part of the body is gone
	}
	return true
}

// wrong reports whether a credential was presented that is not good.
func (r Reason) wrong() bool { return r.Status() == http.StatusUnauthorized && r != NoCredential }
