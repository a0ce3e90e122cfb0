package limit

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Weighted hands out shares of a total, first come, first served. Its zero
// value has nothing to give.
type Weighted struct {
	total      int64
	wait       time.Duration
	maxWaiting int

	mu      sync.Mutex
	used    int64
	waiting []*waiter
}

type waiter struct {
	n     int64
	ready chan struct{}
}

// NewWeighted returns a Weighted that hands out shares of total. Whoever finds
// too little left waits for as long as wait, if fewer than maxWaiting do.
func NewWeighted(total int64, wait time.Duration, maxWaiting int) *Weighted {
	return &Weighted{total: total, wait: wait, maxWaiting: maxWaiting}
}

// Acquire takes a share of n and reports whether it got one.
func (w *Weighted) Acquire(ctx context.Context, n int64) bool {
	if n > w.total {
		return false
	}
	w.mu.Lock()
	if len(w.waiting) == 0 && n <= w.total-w.used {
		w.used += n
		w.mu.Unlock()
		return true
	}
	if len(w.waiting) >= w.maxWaiting {
		w.mu.Unlock()
		return false
	}
	me := &waiter{n: n, ready: make(chan struct{})}
	w.waiting = append(w.waiting, me)
	w.mu.Unlock()

	timer := time.NewTimer(w.wait)
	defer timer.Stop()
	select {
	case <-me.ready:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return !w.leave(me)
}

// Busy reports whether somebody waits for a share.
func (w *Weighted) Busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) > 0
}

// leave takes me out of the queue. It is false if its turn came meanwhile.
func (w *Weighted) leave(me *waiter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.waiting, me)
	if i < 0 {
		return false
	}
	w.waiting = slices.Delete(w.waiting, i, i+1)
	w.serve() // those behind it may want less
	return true
}

// Release gives back a share of n.
func (w *Weighted) Release(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used -= n
	w.serve()
}

func (w *Weighted) serve() {
	for len(w.waiting) > 0 && w.waiting[0].n <= w.total-w.used {
		first := w.waiting[0]
		w.waiting = slices.Delete(w.waiting, 0, 1)
		w.used += first.n
		close(first.ready)
	}
}
