package inbound

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A requestContext ends when the caller leaves, and when its request has been
// answered. Nobody watches the caller before somebody has asked and the request
// takes longer than most.
type requestContext struct {
	context.Context // of the connection
	caller          *caller
	began           time.Time

	mu       sync.Mutex
	err      error         // why it has ended; nil while it goes on
	done     chan struct{} // nil before somebody has asked
	after    []*func()     // to be called when it ends
	unwatch  func() bool   // of Context; nil if nobody has asked
	timer    *time.Timer   // of the watch; nil if there is none
	watching chan struct{} // closed once nobody reads from the caller any more; nil if nobody does
	answered bool          // nobody may read from the caller
}

func (r *requestContext) begin(c *caller) { r.Context, r.caller, r.began = c.ctx, c, time.Now() }

// Done implements [context.Context].
func (r *requestContext) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		r.done = make(chan struct{})
		if r.err != nil {
			close(r.done)
		}
		r.watch()
	}
	return r.done
}

// Err implements [context.Context].
func (r *requestContext) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	if time.Since(r.began) > readAhead { // most that ask do so once, at the beginning
		r.watch()
	}
	return r.Context.Err()
}

// AfterFunc is what package context looks for in the contexts of others.
func (r *requestContext) AfterFunc(f func()) (stop func() bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		go f()
		return func() bool { return false }
	}
	r.after = append(r.after, &f)
	r.watch()
	return func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		i := slices.Index(r.after, &f)
		if i >= 0 {
			r.after = slices.Delete(r.after, i, i+1)
		}
		return i >= 0
	}
}

// watch has the context end with that of the connection, and when the caller
// leaves. r.mu is held.
func (r *requestContext) watch() {
	if r.unwatch != nil || r.err != nil {
		return
	}
	r.unwatch = context.AfterFunc(r.Context, func() { r.cancel(r.Context.Err()) })
	if !r.answered {
		r.timer = time.AfterFunc(readAhead-time.Since(r.began), r.listen)
	}
}

// listen waits for what the caller sends while its request is answered: the
// beginning of the next one, or the end.
func (r *requestContext) listen() {
	r.mu.Lock()
	if r.answered || len(r.caller.unread()) > 0 { // or there is a next one already
		r.mu.Unlock()
		return
	}
	over := make(chan struct{})
	r.watching = over
	_ = r.caller.conn.SetReadDeadline(time.Time{}) // that of the request's head is over
	r.mu.Unlock()
	defer close(over)
	if r.caller.read() {
		return
	}
	r.mu.Lock()
	answered := r.answered
	r.mu.Unlock()
	if !answered {
		r.cancel(context.Canceled)
	}
}

// cancel tells all who have asked. The first error stays.
func (r *requestContext) cancel(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	r.err = err
	if r.unwatch != nil {
		r.unwatch()
	}
	if r.done != nil {
		close(r.done)
	}
	for _, f := range r.after {
		go (*f)()
	}
	r.after = nil
}

// leaveCaller returns once nobody reads from the caller any more.
func (r *requestContext) leaveCaller() {
	r.mu.Lock()
	r.answered = true
	if r.timer != nil {
		r.timer.Stop()
	}
	watching := r.watching
	r.watching = nil // once is enough: the connection may have another owner afterwards
	r.mu.Unlock()
	if watching != nil {
		_ = r.caller.conn.SetReadDeadline(time.Unix(1, 0))
		<-watching
		_ = r.caller.conn.SetReadDeadline(time.Time{})
	}
}

// end is for when the request has been answered.
func (r *requestContext) end() {
	r.leaveCaller()
	r.cancel(context.Canceled)
}
