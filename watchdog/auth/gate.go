package auth

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"auth-watchdog/watchdog/internal/reply"
)

// Options of a [Gate]. The zero value is usable.
type Options struct {
	// Realm names what is protected in the challenges of a 401; "function" if
	// empty.
	Realm string

	// Buffers bounds the bodies that methods must see;
	// NewBuffers(DefaultMaxBody, DefaultMaxBuffered) if nil.
	Buffers *Buffers

	// BodyTimeout bounds how long such a body may take to arrive; 0 is no
	// bound.
	BodyTimeout time.Duration

	// ForwardCredentials leaves the credential on the request that the handler
	// sees.
	ForwardCredentials bool

	// Throttle, if set, counts wrong credentials.
	Throttle Throttle

	// At is as of when requests are judged; when they come if zero.
	At time.Time

	// Refuse, if set, may answer a refusal in the gate's place, and reports
	// whether it has.
	Refuse func(w http.ResponseWriter, r *http.Request, d Decision) bool

	// Report, if set, is told of every decision before it is carried out.
	Report func(*http.Request, Decision)
}

// A Throttle counts wrong credentials by their senders. A right one passes
// whatever it says, because the address that failures come from may be shared
// with callers who do nothing wrong.
type Throttle interface {
	// Wait returns how long the sender of r has to wait before it is told
	// again that a credential is wrong; 0 for not at all.
	Wait(r *http.Request) time.Duration

	// Fail counts a wrong credential, unless Wait says that its sender has to
	// wait, and returns what Wait did before.
	Fail(r *http.Request) time.Duration
}

// A Gate puts a policy in front of a handler. Policies can be swapped while it
// works; the zero value has none and refuses everything.
type Gate struct {
	policy  atomic.Pointer[Policy]
	options Options
	pool    sync.Pool
}

// NewGate returns a gate with the given policy.
func NewGate(p *Policy, o Options) *Gate {
	if o.Realm == "" {
		o.Realm = "function"
	}
	if o.Buffers == nil {
		o.Buffers = NewBuffers(DefaultMaxBody, DefaultMaxBuffered)
	}
	g := &Gate{options: o}
	g.policy.Store(p)
	return g
}

// Swap replaces the policy. Requests that have begun are decided by the old
// one.
func (g *Gate) Swap(p *Policy) { g.policy.Store(p) }

var noPolicy Policy

// Wrap returns a handler that passes on to next what the policy admits and
// answers everything else itself.
//
// What next sees: no identity header but those set by [Identity.SetHeaders],
// no credential (unless kept), no trailers, no upgrade but to WebSocket, the
// identity in the request's context, and a context that ends when the
// credential does.
func (g *Gate) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		policy := g.policy.Load() // once: one request, one policy
		if policy == nil {
			policy = &noPolicy
		}
		if policy.spoofable != nil {
			policy.spoofable.Remove(r.Header, policy.read)
			policy.keepRead(r.Header)
		}

		req := g.request(w, r)
		defer g.done(req)
		var d Decision
		defer func() { req.Settle(d.Handshake != nil) }() // a request that was refused has used nothing
		d = policy.Decide(req)
		if g.options.Throttle != nil && d.Reason.wrong() {
			if wait := g.options.Throttle.Fail(r); wait > 0 {
				d.Reason, d.RetryAfter = Throttled, wait
			}
		}
		if d.Reason.Status() == http.StatusUnauthorized {
			d.Invitation = invitation(r, d)
		}
		d.Took = time.Since(begun)
		if g.options.Report != nil {
			g.options.Report(r, d)
		}
		if d.Handshake != nil {
			d.Handshake.answer(w)
			return
		}
		if !d.Allowed() {
			setCookies(w, req.cookies) // the answer is for no cache
			if g.options.Refuse == nil || !g.options.Refuse(w, r, d) {
				refuse(w, g.options.Realm, d)
			}
			return
		}
		g.pass(w, req, policy, d, next)
	})
}

func (g *Gate) pass(w http.ResponseWriter, req *Request, policy *Policy, d Decision, next http.Handler) {
	ctx := req.Context()
	if !d.Rule.Public {
		ctx = NewContext(ctx, d.Identity)
		// A cache between us and the callers must not give one's answer to
		// another.
		if d.Rule.vary != nil {
			w.Header()["Vary"] = d.Rule.vary
		}
		if !d.Identity.SignedIn.IsZero() {
			// A browser must not show a page again after its reader has signed out.
			// What the handler says of caching takes the place of this.
			w.Header()["Cache-Control"] = noStore
		}
	}
	if !d.Identity.Expires.IsZero() {
		e := &expiry{Context: ctx, at: d.Identity.Expires}
		defer e.end()
		ctx = e
	}
	out := req.WithContext(ctx)
	out.Trailer = nil // the caller's word, and it would come after ours
	if !isWebSocket(out.Header["Upgrade"]) {
		// In another protocol, such as HTTP/2, further requests could follow
		// that nobody judges.
		delete(out.Header, "Upgrade")
		delete(out.Header, "Http2-Settings")
	}
	req.handOn(out)
	for _, s := range policy.ambient {
		s.Strip(out)
	}
	if !g.options.ForwardCredentials {
		for _, m := range d.Rule.Methods() { // a public rule keeps what it got
			if s, ok := m.(Stripper); ok {
				s.Strip(out)
			}
		}
	}
	d.Identity.SetHeaders(out.Header)
	if len(req.settled) > 0 {
		next = settling(req, next)
	}
	if len(req.cookies) > 0 {
		next = withCookies(req.cookies, next)
	}
	next.ServeHTTP(w, out)
}

var noStore = []string{"no-store"}

func isWebSocket(upgrade []string) bool {
	return len(upgrade) == 1 && strings.EqualFold(upgrade[0], "websocket")
}

// request returns a Request for r from the pool.
func (g *Gate) request(w http.ResponseWriter, r *http.Request) *Request {
	req, _ := g.pool.Get().(*Request)
	if req == nil {
		req = new(Request)
	}
	req.Request, req.writer, req.At = r, w, g.options.At
	req.buffers, req.timeout, req.throttle = g.options.Buffers, g.options.BodyTimeout, g.options.Throttle
	return req
}

func (g *Gate) done(req *Request) {
	req.body.release()
	*req = Request{}
	g.pool.Put(req)
}

// refuse answers a request that may not pass.
func refuse(w http.ResponseWriter, realm string, d Decision) {
	if d.Invitation != "" {
		w.Header()["Cache-Control"] = noStore
		w.Header()["Location"] = []string{d.Invitation}
		w.WriteHeader(http.StatusFound)
		return
	}
	if d.Reason.Status() == http.StatusUnauthorized {
		w.Header()["Www-Authenticate"] = challenges(realm, d)
	}
	Refuse(w, &Denied{Reason: d.Reason, RetryAfter: d.RetryAfter})
}

// invitation returns where a browser goes that could come in by signing in. One
// that has brought another credential is told that this is wrong: as long as it
// does, a session would not count.
func invitation(r *http.Request, d Decision) string {
	if r.Header["Authorization"] != nil {
		return ""
	}
	for _, m := range d.Rule.Methods() {
		if i, ok := m.(Inviter); ok && (d.Reason == NoCredential || d.Method == m.Name()) {
			if location := i.Invite(r, d); location != "" {
				return location
			}
		}
	}
	return ""
}

// Refuse answers a request for the reason in err, or as Unavailable if err has
// none. It says what the standards ask for and nothing else: the reason is for
// the log. A challenge must be set already.
func Refuse(w http.ResponseWriter, err error) {
	denied := &Denied{Reason: Unavailable}
	_ = errors.As(err, &denied)
	wait := time.Duration(0)
	switch denied.Reason.Status() {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")
	case http.StatusRequestTimeout, http.StatusRequestEntityTooLarge:
		w.Header().Set("Connection", "close") // the rest of the body is not worth reading
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		wait = max(time.Second, denied.RetryAfter)
	}
	reply.Write(w, denied.Reason.Status(), wait)
}

// challenges returns a line for each way in, those of one wording once.
func challenges(realm string, d Decision) []string {
	var lines []string
	for _, m := range d.Rule.Methods() {
		why := NoCredential
		for _, o := range d.Objections {
			if o.Method == m {
				why = o.reason()
			}
		}
		if line := m.Challenge(realm, why); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}
