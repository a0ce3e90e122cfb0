package watchdog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/clientip"
	"auth-watchdog/watchdog/internal/observe"
	"auth-watchdog/watchdog/internal/upstream"
)

// A stage is one step of the way of a request.
type stage struct {
	name string
	wrap func(next http.Handler) http.Handler
}

// stages are what a request meets, in this order, before the function.
func (w *Watchdog) stages() []stage {
	return []stage{
		{"probes", w.probes},         // health and readiness: no credential, no limit, no record
		{"observe", w.observe},       // sees all that follows, refusals and panics too
		{"origin", w.origin},         // takes away what the caller says of where it comes from
		{"gate", w.judge},            // who, and may they; nothing unauthenticated gets past this line
		{"slots", w.concurrency},     // after the gate, or strangers would fill them
		{"buffer", w.buffer},         // the whole body, if the function wants its length
		{"deadline", w.execDeadline}, // the function's time begins here
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

func (w *Watchdog) observe(next http.Handler) http.Handler {
	counted := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.arrival.Store(time.Now().UnixNano())
		w.inflight.Add(1)
		defer w.inflight.Add(-1)
		next.ServeHTTP(rw, r)
	})
	return w.observer.Stage(w.config.WriteTimeout, w.config.ReadTimeout, w.trust.Of, counted)
}

func (w *Watchdog) origin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.trust.Sanitize(r)
		next.ServeHTTP(rw, r)
	})
}

func (w *Watchdog) judge(next http.Handler) http.Handler {
	gate := w.gate.Wrap(next)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		observe.FromContext(r.Context()).Judging = time.Now()
		gate.ServeHTTP(rw, r)
	})
}

// throttle counts wrong credentials by the address that they come from.
func (w *Watchdog) throttle(r *http.Request) time.Duration {
	a := observe.FromContext(r.Context()).Address
	if a == (netip.Addr{}) {
		return 0
	}
	return w.failures.Fail(clientip.Key(a))
}

func (w *Watchdog) concurrency(next http.Handler) http.Handler {
	if w.slots == nil {
		return next
	}
	text := fmt.Sprintf("Concurrent request limit exceeded. Max concurrent requests: %d\n", w.config.MaxInflight)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !w.slots.Take() {
			h := rw.Header()
			h.Set("Content-Type", "text/plain")
			h.Set("Cache-Control", "no-store")
			h.Set("Retry-After", "1")
			h.Set("X-OpenFaaS-Internal", upstream.Internal)
			rw.WriteHeader(http.StatusTooManyRequests)
			_, _ = rw.Write([]byte(text))
			return
		}
		// Deferred: the function may panic, and a proxy does when the caller
		// leaves.
		defer w.slots.Free()
		next.ServeHTTP(rw, r)
	})
}

func (w *Watchdog) buffer(next http.Handler) http.Handler {
	if !w.config.BufferBody {
		return next
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		release, err := w.buffers.Buffer(rw, r, w.config.ReadTimeout)
		if denied := (*auth.Denied)(nil); errors.As(err, &denied) {
			auth.Refuse(rw, denied)
			return
		}
		defer release()
		next.ServeHTTP(rw, r)
	})
}

// execDeadline bounds the time of the function. An upgraded connection has no
// bound; it ends, as streams do, when the process drains.
func (w *Watchdog) execDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if isUpgrade(r) {
			ctx, cancel := w.untilDraining(r.Context())
			defer cancel()
			next.ServeHTTP(rw, r.WithContext(ctx))
			return
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		timeout := w.timeoutOf(r)
		if timeout > 0 {
			timer := time.AfterFunc(timeout, func() { cancel(upstream.ErrTimeout) })
			defer timer.Stop()
		}
		observe.FromContext(ctx).OnStream = func() {
			context.AfterFunc(w.draining, func() { cancel(upstream.ErrDraining) })
		}
		next.ServeHTTP(rw, r.WithContext(ctx))
	})
}

// untilDraining returns a context that ends with ctx, or when the process
// drains.
func (w *Watchdog) untilDraining(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(w.draining, func() { cancel(upstream.ErrDraining) })
	return ctx, func() { stop(); cancel(nil) }
}

// timeoutOf is the exec_timeout of a request, 0 if it has none. The caller can
// lower it and nothing else.
func (w *Watchdog) timeoutOf(r *http.Request) time.Duration {
	most := w.config.ExecTimeout
	asked, err := time.ParseDuration(r.Header.Get("X-Timeout"))
	if err != nil || asked <= 0 || most > 0 && asked > most {
		return most
	}
	return asked
}

func isUpgrade(r *http.Request) bool {
	if r.Header.Get("Upgrade") == "" {
		return false
	}
	for _, line := range r.Header["Connection"] {
		for token := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
				return true
			}
		}
	}
	return false
}
