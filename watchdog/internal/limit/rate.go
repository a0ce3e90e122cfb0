package limit

import (
	"container/list"
	"sync"
	"time"
)

// A Rate bounds how often something may happen under each of many keys, such as
// a failure or a request: burst times at once, and from then on once in a while.
// It forgets the key under which it has happened the longest ago when there are
// more than it may remember.
type Rate struct {
	burst time.Duration // as many intervals
	every time.Duration
	max   int
	now   func() time.Time

	mu    sync.Mutex
	byKey map[string]*list.Element
	order *list.List // of *bucket, the latest first
}

type bucket struct {
	key string
	// until is when the key is free of all that has happened: each time adds an
	// interval (the generic cell rate algorithm).
	until time.Time
}

// NewRate returns a Rate that remembers at most max keys.
func NewRate(burst int, every time.Duration, max int) *Rate {
	return &Rate{
		burst: time.Duration(burst) * every, every: every, max: max, now: time.Now,
		byKey: make(map[string]*list.Element), order: list.New(),
	}
}

// Wait returns how long key has to wait before it may happen again; 0 if it need
// not wait.
func (r *Rate) Wait(key string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waitFor(key)
}

// Take counts one under key, unless that has to wait.
func (r *Rate) Take(key string) (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if wait := r.waitFor(key); wait > 0 {
		return wait
	}
	e := r.byKey[key]
	if e == nil {
		if r.order.Len() >= r.max {
			oldest := r.order.Back()
			delete(r.byKey, r.order.Remove(oldest).(*bucket).key) //nolint:forcetypeassert // the list holds nothing else
		}
		e = r.order.PushFront(&bucket{key: key})
		r.byKey[key] = e
	}
	r.order.MoveToFront(e)
	entry := e.Value.(*bucket) //nolint:forcetypeassert // the list holds nothing else
	if now := r.now(); entry.until.Before(now) {
		entry.until = now
	}
	entry.until = entry.until.Add(r.every)
	return 0
}

func (r *Rate) waitFor(key string) time.Duration {
	e := r.byKey[key]
	if e == nil {
		return 0
	}
	entry := e.Value.(*bucket) //nolint:forcetypeassert // the list holds nothing else
	return max(0, entry.until.Add(r.every-r.burst).Sub(r.now()))
}
