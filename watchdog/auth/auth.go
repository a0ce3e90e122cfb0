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
	// nothing of its kind, a *Denied if what r holds is not good, a *Handshake
	// if r is not for the function, and any other error if it could not tell.
	// It neither changes r nor keeps it: r is used again for other requests.
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

// An Ambient is a Method whose credential browsers send by themselves, whoever
// made them send the request. It is asked last, of requests that bring nothing
// else, and its credential is taken off every request, public ones too.
type Ambient interface {
	Stripper

	// Ambient does nothing: it tells these methods from others.
	Ambient()
}

// An Inviter is a Method to which people present themselves on a page of its
// own.
type Inviter interface {
	// Invite returns where a browser that opens a page goes instead of being
	// answered 401, d being why and by which rule. It is empty if r is not such
	// a request.
	Invite(r *http.Request, d Decision) (location string)
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

// Every reason there is. The table below says what each means.
const (
	Admitted Reason = "admitted"
	Public   Reason = "public"
	Answered Reason = "handshake"

	NoCredential Reason = "no_credential"
	Malformed    Reason = "malformed"
	Unknown      Reason = "unknown"
	Expired      Reason = "expired"
	BadSignature Reason = "bad_signature"
	Stale        Reason = "stale"
	Replayed     Reason = "replayed"

	SessionUnreadable Reason = "session_unreadable"
	SessionExpired    Reason = "session_expired"
	SessionRevoked    Reason = "session_revoked"
	StepUp            Reason = "step_up"

	NoRule       Reason = "no_rule"
	Forbidden    Reason = "forbidden"
	BadHandshake Reason = "bad_handshake"
	UnknownTopic Reason = "unknown_topic"
	CrossOrigin  Reason = "cross_origin"
	Asynchronous Reason = "asynchronous"

	TwoReadings    Reason = "two_readings"
	TwoCredentials Reason = "two_credentials"
	BadBody        Reason = "bad_body"
	BadMethod      Reason = "bad_method" // CONNECT and TRACE are for proxies
	BodyTimeout    Reason = "body_timeout"
	BodyTooLarge   Reason = "body_too_large"

	Throttled   Reason = "throttled"
	BuffersFull Reason = "buffers_full"
	ReplaysFull Reason = "replays_full"
	Unavailable Reason = "unavailable"
)

// reasons are all there are, in the order of the tables, with the statuses
// that answer them.
var reasons = []struct {
	reason  Reason
	status  int
	meaning string // for people, in Markdown
}{
	{Admitted, http.StatusOK, "a good credential came, and the rule is content with it"},
	{Public, http.StatusOK, "the rule asks for no credential"},
	{Answered, http.StatusOK, "a webhook sender's handshake, which was answered in the function's place"},
	{NoCredential, http.StatusUnauthorized, "nothing came that the rule accepts"},
	{Malformed, http.StatusUnauthorized, "a credential came that is not written as its kind is"},
	{Unknown, http.StatusUnauthorized, "no such key, user or password"},
	{Expired, http.StatusUnauthorized, "the credential was good until its `expires`"},
	{BadSignature, http.StatusUnauthorized, "no key of the secret makes this signature over this request"},
	{Stale, http.StatusUnauthorized, "signed too long ago, or in the future: see the clocks"},
	{Replayed, http.StatusUnauthorized, "this very request was served before, or is being served"},
	{SessionUnreadable, http.StatusUnauthorized, "a session's cookie that no key in force opens: forged, of another function, or sealed with a key that is gone"},
	{SessionExpired, http.StatusUnauthorized, "the session was idle for too long, or has reached its end"},
	{SessionRevoked, http.StatusUnauthorized, "signed out, or the user was removed, disabled or changed, or all sessions were ended"},
	{StepUp, http.StatusUnauthorized, "`require` wants a later sign-in, or one with a second factor"},
	{NoRule, http.StatusForbidden, "the policy has no rule for such requests"},
	{Forbidden, http.StatusForbidden, "the caller is known and `require` does not let it"},
	{BadHandshake, http.StatusForbidden, "a handshake with the wrong `verify_token`, or from an origin that is not in `origins`"},
	{CrossOrigin, http.StatusForbidden, "a browser sent the session along with a request that another site made"},
	{Asynchronous, http.StatusForbidden, "a session on a call that is queued, and would be kept with it"},
	{UnknownTopic, http.StatusNotFound, "a handshake for a topic that is not in `topics`"},
	{TwoReadings, http.StatusBadRequest, "two parsers can read the path, or the query, differently"},
	{TwoCredentials, http.StatusBadRequest, "a header came twice, or a credential in two places"},
	{BadBody, http.StatusBadRequest, "the body could not be read"},
	{BadMethod, http.StatusMethodNotAllowed, "CONNECT or TRACE, which are for proxies"},
	{BodyTimeout, http.StatusRequestTimeout, "a body that must be judged did not arrive within `read_timeout`"},
	{BodyTooLarge, http.StatusRequestEntityTooLarge, "a body that must be judged is larger than `max_body`"},
	{Throttled, http.StatusTooManyRequests, "too many wrong credentials, or too much hashing"},
	{BuffersFull, http.StatusServiceUnavailable, "all requests together buffer `max_buffered`"},
	{ReplaysFull, http.StatusServiceUnavailable, "the replay memory has `replay_max` signatures, and `replay_full` is `refuse`"},
	{Unavailable, http.StatusServiceUnavailable, "a method could not tell; the audit log says why"},
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
	status, _ := r.row()
	return status
}

// Meaning says in a few words of Markdown what the reason is.
func (r Reason) Meaning() string {
	_, meaning := r.row()
	return meaning
}

func (r Reason) row() (status int, meaning string) {
	for _, known := range reasons {
		if known.reason == r {
			return known.status, known.meaning
		}
	}
	return http.StatusServiceUnavailable, ""
}

// final reports whether the request is refused for this reason whatever other
// methods would say of it.
func (r Reason) final() bool {
	if r == BadHandshake || r == UnknownTopic {
		return false // it may have been meant for another method, or for the function
	}
	switch r.Status() {
	case http.StatusUnauthorized, http.StatusTooManyRequests:
		return false
	case http.StatusServiceUnavailable:
		return r == BuffersFull // part of the body is gone
	}
	return true
}

// wrong reports whether a credential was presented that is not good.
func (r Reason) wrong() bool {
	switch r {
	case NoCredential, SessionUnreadable, SessionExpired, SessionRevoked, StepUp:
		return false // nobody guesses here, and many may come with an old session through one proxy
	case BadHandshake:
		return true
	}
	return r.Status() == http.StatusUnauthorized
}
