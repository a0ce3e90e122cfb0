package limit

import (
	"container/list"
	"sync"
	"time"
)

// Failures bounds how often each of many keys may fail: burst times at once,
// and from then on once in a while. It forgets the key whose last failure is
// the longest ago when there are more than it may remember.
type Failures struct {
	burst time.Duration // as many intervals
	every time.Duration
	max   int
	now   func() time.Time

	mu    sync.Mutex
	byKey map[string]*list.Element
	order *list.List // of *failures, the latest first
}

type failures struct {
	key string
	// until is when the key is free of all its failures: each adds an
	// interval (the generic cell rate algorithm).
	until time.Time
}

// NewFailures returns Failures that remember at most max keys.
func NewFailures(burst int, every time.Duration, max int) *Failures {
	return &Failures{
		burst: time.Duration(burst) * every, every: every, max: max, now: time.Now,
		byKey: make(map[string]*list.Element), order: list.New(),
	}
}

// Wait returns how long key has to wait before it may fail again; 0 if it need
// not wait.
func (f *Failures) Wait(key string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waitFor(key)
}

// Fail counts a failure of key, unless it has to wait.
func (f *Failures) Fail(key string) (wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if wait := f.waitFor(key); wait > 0 {
		return wait
	}
	e := f.byKey[key]
	if e == nil {
		if f.order.Len() >= f.max {
			oldest := f.order.Back()
			delete(f.byKey, f.order.Remove(oldest).(*failures).key) //nolint:forcetypeassert // the list holds nothing else
		}
		e = f.order.PushFront(&failures{key: key})
		f.byKey[key] = e
	}
	f.order.MoveToFront(e)
	entry := e.Value.(*failures) //nolint:forcetypeassert // the list holds nothing else
	if now := f.now(); entry.until.Before(now) {
		entry.until = now
	}
	entry.until = entry.until.Add(f.every)
	return 0
}

func (f *Failures) waitFor(key string) time.Duration {
	e := f.byKey[key]
	if e == nil {
		return 0
	}
	entry := e.Value.(*failures) //nolint:forcetypeassert // the list holds nothing else
	return max(0, entry.until.Add(f.every-f.burst).Sub(f.now()))
}
