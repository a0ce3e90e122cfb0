package watchdog

import (
	"fmt"
	"net/http"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/auth/login"
	"auth-watchdog/watchdog/internal/clientip"
	"auth-watchdog/watchdog/internal/limit"
	"auth-watchdog/watchdog/internal/observe"
	"auth-watchdog/watchdog/internal/reply"
)

// A stage is one step of the way of a request.
type stage struct {
	name string
	wrap func(next http.Handler) http.Handler
}

// stages are what a request meets, in this order, before the function.
func (w *Watchdog) stages() []stage {
	return []stage{
		{"probes", w.probes},          // health and readiness: no credential, no limit, no record
		{"observe", w.observer.Stage}, // sees all that follows, refusals and panics too
		{"origin", w.origin},          // takes away what the caller says of where it comes from
		{"sign-in", w.signIn},         // the pages on which people sign in; no request for one gets past them
		{"gate", w.gate.Wrap},         // who, and may they; nothing unauthenticated gets past this line
		{"rate", w.rate},              // after the gate: who is refused spends nothing of anybody's
		{"slots", w.slots},            // after the gate, or strangers would fill them
		{"buffer", w.buffer},          // the whole body, if the function wants its length
		{"deadline", w.deadline},      // the function's time begins here
	}
}

// pipeline puts the stages in front of the function.
func (w *Watchdog) pipeline() http.Handler {
	var h http.Handler = w.upstream
	stages := w.stages()
	for i := range stages {
		h = stages[len(stages)-1-i].wrap(h)
	}
	return h
}

func (w *Watchdog) origin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.trust.Sanitize(r, observe.FromContext(r.Context()).Address)
		next.ServeHTTP(rw, r)
	})
}

func (w *Watchdog) signIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		pages := w.pages.Load()
		if pages == nil {
			// Browsers send what another function under the same host has set, and
			// this one could use it there.
			login.StripCookies(r.Header)
		}
		if pages == nil || !login.IsPage(r.URL.Path) {
			next.ServeHTTP(rw, r)
			return
		}
		observe.FromContext(r.Context()).Reason = "sign_in"
		pages.ServeHTTP(rw, r)
	})
}

// A throttle counts wrong credentials by the address that they come from.
type throttle struct{ failures *limit.Rate }

// Wait implements [auth.Throttle].
func (t throttle) Wait(r *http.Request) time.Duration {
	if a := observe.FromContext(r.Context()).Address; a.IsValid() {
		return t.failures.Wait(clientip.Key(a))
	}
	return 0
}

// Fail implements [auth.Throttle].
func (t throttle) Fail(r *http.Request) time.Duration {
	if a := observe.FromContext(r.Context()).Address; a.IsValid() {
		return t.failures.Take(clientip.Key(a))
	}
	return 0
}

func (w *Watchdog) slots(next http.Handler) http.Handler {
	if w.limits == nil {
		return next
	}
	text := fmt.Sprintf("Concurrent request limit exceeded. Max concurrent requests: %d\n", w.config.MaxInflight) // of-watchdog's words
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !w.limits.Take() {
			observe.FromContext(r.Context()).Reason = "max_inflight"
			reply.Text(rw, http.StatusTooManyRequests, time.Second, text)
			return
		}
		// Deferred: the function may panic, and a proxy does when the caller
		// leaves.
		defer w.limits.Free()
		next.ServeHTTP(rw, r)
	})
}

func (w *Watchdog) buffer(next http.Handler) http.Handler {
	if !w.config.Buffers() {
		return next
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		release, err := w.buffers.Buffer(rw, r, w.config.ReadTimeout)
		if err != nil {
			observe.FromContext(r.Context()).Reason = "http_buffer_req_body"
			auth.Refuse(rw, err)
			return
		}
		defer release()
		next.ServeHTTP(rw, r)
	})
}

// deadline bounds the time of the function. A connection that was upgraded has
// no bound; it ends, as streams do, when the process drains.
func (w *Watchdog) deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		e := &execution{Context: r.Context(), draining: w.draining}
		if timeout := w.timeoutOf(r); timeout > 0 {
			e.bound = time.Now().Add(timeout)
		}
		observe.FromContext(e).Stream = e
		defer e.finish()
		if r.ContentLength != 0 {
			// Whoever waits for the caller's body does not see that e has ended.
			control := http.NewResponseController(rw)
			stop := e.AfterFunc(func() { _ = control.SetReadDeadline(time.Unix(1, 0)) })
			defer stop() // before it finishes, or the connection would end with it
		}
		next.ServeHTTP(rw, r.WithContext(e))
	})
}

// timeoutOf is the exec_timeout of a request, 0 if it has none. The caller can
// lower it and nothing else.
func (w *Watchdog) timeoutOf(r *http.Request) time.Duration {
	most := w.config.ExecTimeout
	given := r.Header["X-Timeout"]
	if len(given) == 0 {
		return most
	}
	asked, err := time.ParseDuration(given[0])
	if err != nil || asked <= 0 || most > 0 && asked > most {
		return most
	}
	return asked
}
