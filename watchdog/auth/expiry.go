package auth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrExpired is the cause with which the context of a request ends when its
// credential expires.
var ErrExpired = errors.New("the credential has expired")

// An expiry is a context that ends with another, or when a credential expires:
// a stream or a WebSocket does not outlive it. Most requests are over before
// anybody asks, so there is no timer until somebody does.
type expiry struct {
	context.Context
	at time.Time

	mu     sync.Mutex
	timed  context.Context // nil before somebody has asked
	cancel context.CancelFunc
	over   bool
}

// prepare returns the context with a timer.
func (e *expiry) prepare() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.timed == nil {
		e.timed, e.cancel = context.WithDeadlineCause(e.Context, e.at, ErrExpired)
		if e.over {
			e.cancel()
		}
	}
	return e.timed
}

// asked returns the context with a timer; nil if there is none.
func (e *expiry) asked() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.timed
}

// end is for when the request is over.
func (e *expiry) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
	if e.cancel != nil {
		e.cancel()
	}
}

// Deadline implements [context.Context].
func (e *expiry) Deadline() (time.Time, bool) {
	if earlier, ok := e.Context.Deadline(); ok && earlier.Before(e.at) {
		return earlier, true
	}
	return e.at, true
}

// Done implements [context.Context].
func (e *expiry) Done() <-chan struct{} { return e.prepare().Done() }

// Err implements [context.Context].
func (e *expiry) Err() error {
	e.mu.Lock()
	goesOn := e.timed == nil && !e.over
	e.mu.Unlock()
	if goesOn && time.Now().Before(e.at) {
		return e.Context.Err()
	}
	return e.prepare().Err()
}

// Value implements [context.Context]. The context with a timer knows its cause.
func (e *expiry) Value(key any) any {
	if timed := e.asked(); timed != nil {
		return timed.Value(key)
	}
	return e.Context.Value(key)
}
