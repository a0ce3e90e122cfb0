package watchdog

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"auth-watchdog/watchdog/internal/upstream"
)

// An execution is the function's work on a request, and the context of that
// request meanwhile. It ends with the request's own context, when exec_timeout
// has passed, and when a stream has to end because the process drains. Most
// functions never ask, so nothing is prepared before somebody does.
type execution struct {
	context.Context // of the request
	draining        context.Context

	isStream bool // and no upgraded connection

	mu      sync.Mutex
	bound   time.Time     // zero if there is none
	timer   *time.Timer   // of bound; nil if nobody has asked
	cause   error         // why it has ended; nil while it goes on
	done    chan struct{} // nil before somebody has asked
	after   []*func()     // to be called when it ends
	unwatch func() bool   // of Context; nil if nobody has asked
}

var errFinished = errors.New("the request has been answered")

// Done implements [context.Context].
func (e *execution) Done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done == nil {
		e.done = make(chan struct{})
		if e.cause != nil {
			close(e.done)
		}
		e.watch()
	}
	return e.done
}

// Err implements [context.Context].
func (e *execution) Err() error {
	e.parentEnded()
	e.mu.Lock()
	late := e.timer == nil && !e.bound.IsZero() && !time.Now().Before(e.bound)
	e.mu.Unlock()
	if late {
		e.expire()
	}
	switch cause := e.Cause(); {
	case cause == nil:
		return nil
	case errors.Is(cause, upstream.ErrTimeout):
		return context.DeadlineExceeded
	}
	if err := e.Context.Err(); err != nil {
		return err
	}
	return context.Canceled
}

// Value implements [context.Context].
func (e *execution) Value(key any) any {
	if key == upstream.CauseKey {
		return e
	}
	return e.Context.Value(key)
}

// Cause implements [upstream.Causer].
func (e *execution) Cause() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cause
}

// AfterFunc is what package context looks for in the contexts of others.
func (e *execution) AfterFunc(f func()) (stop func() bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cause != nil {
		go f()
		return func() bool { return false }
	}
	e.after = append(e.after, &f)
	e.watch()
	return func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		i := slices.Index(e.after, &f)
		if i >= 0 {
			e.after = slices.Delete(e.after, i, i+1)
		}
		return i >= 0
	}
}

// watch has the execution end in time and with the request's context. e.mu is
// held.
func (e *execution) watch() {
	if e.unwatch != nil || e.cause != nil {
		return
	}
	e.unwatch = context.AfterFunc(e.Context, e.parentEnded)
	if !e.bound.IsZero() {
		e.timer = time.AfterFunc(time.Until(e.bound), e.expire)
	}
}

func (e *execution) parentEnded() {
	if e.Context.Err() != nil {
		e.end(context.Cause(e.Context))
	}
}

func (e *execution) expire() { e.end(upstream.ErrTimeout) }

// end tells all who have asked. The first cause stays.
func (e *execution) end(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cause != nil {
		return
	}
	e.cause = cause
	if e.done != nil {
		close(e.done)
	}
	for _, f := range e.after {
		go (*f)()
	}
	e.after = nil
}

// Begins implements [observe.Stream].
func (e *execution) Begins(upgraded bool) {
	e.isStream = !upgraded
	if upgraded {
		e.mu.Lock()
		e.bound = time.Time{}
		e.stopTimer()
		e.mu.Unlock()
	}
	stop := context.AfterFunc(e.draining, func() { e.end(upstream.ErrDraining) })
	e.AfterFunc(func() { stop() }) // or it would be kept until the process drains
}

// stopTimer is called with e.mu held.
func (e *execution) stopTimer() {
	if e.timer != nil {
		e.timer.Stop()
	}
}

// finish is deferred.
func (e *execution) finish() {
	p := recover()
	e.end(errFinished)
	e.mu.Lock()
	e.stopTimer()
	if e.unwatch != nil {
		e.unwatch()
	}
	e.mu.Unlock()
	err, _ := p.(error)
	// A stream that was told to end is whole as far as it goes.
	told := e.isStream && errors.Is(err, http.ErrAbortHandler) && errors.Is(e.Cause(), upstream.ErrDraining)
	if p != nil && !told {
		panic(p)
	}
}
