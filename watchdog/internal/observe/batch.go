package observe

import (
	"io"
	"sync"
	"time"
)

// A batch passes on what is written to it a little later, all at once, and
// makes nobody wait: what comes while too much is waiting is dropped and
// counted.
type batch struct {
	out     io.Writer
	dropped func(n int) // told how many writes were dropped, once there is room again

	mu      sync.Mutex
	waiting []byte
	spare   []byte // what waiting was before
	lost    int
	writing bool // a flush is scheduled or under way
	flushed *sync.Cond
}

const (
	batchDelay = 5 * time.Millisecond
	batchRoom  = 1 << 20 // bytes that may wait
)

func newBatch(out io.Writer, dropped func(n int)) *batch {
	b := &batch{out: out, dropped: dropped}
	b.flushed = sync.NewCond(&b.mu)
	return b
}

// Write implements [io.Writer]. It never fails.
func (b *batch) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting)+len(p) > batchRoom {
		b.lost++
	} else {
		b.waiting = append(b.waiting, p...)
	}
	if !b.writing {
		b.writing = true
		time.AfterFunc(batchDelay, b.flush)
	}
	return len(p), nil
}

// flush writes what waits, and what comes meanwhile.
func (b *batch) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) > 0 || b.lost > 0 {
		p, lost := b.waiting, b.lost
		b.waiting, b.lost = b.spare[:0], 0
		b.mu.Unlock()
		if len(p) > 0 {
			_, _ = b.out.Write(p)
		}
		if lost > 0 {
			b.dropped(lost)
		}
		b.mu.Lock()
		b.spare = p
	}
	b.writing = false
	b.flushed.Broadcast()
}

// wait returns when everything was written, or after d.
func (b *batch) wait(d time.Duration) {
	late := false
	defer time.AfterFunc(d, func() {
		b.mu.Lock()
		late = true
		b.mu.Unlock()
		b.flushed.Broadcast()
	}).Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.writing && !late {
		b.flushed.Wait()
	}
}
