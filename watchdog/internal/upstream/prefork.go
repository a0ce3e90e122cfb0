package upstream

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Bounds of the pause before a process is started in place of one that has
// ended by itself. It doubles each time.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 10 * time.Second
)

// quiet is how long none may have been taken, nor one that was taken have ended,
// before others are started: a start would take processor time from the answer,
// from its last bytes, and from the next request. A request that finds none left
// has all of them started at once, so that those behind it are undisturbed again;
// unless so many are under way that those started ahead would be taken before they
// are ready.
const quiet = 20 * time.Millisecond

// spares are processes that were started ahead and wait for a request. Each is
// taken once. A nil *spares has none.
type spares struct {
	want  int
	start func() (*task, error)
	lines func() *Lines // for what one writes to stderr before its request
	log   *slog.Logger

	watched sync.WaitGroup // those that were started, until they have ended
	changed chan struct{}  // has room for one: there may be something to start

	mu        sync.Mutex
	waiting   []*spare // the oldest first, as it is the most likely to be ready
	round     int      // of renewals
	pause     time.Duration
	notBefore time.Time // of the next start, as one has failed
	busyUntil time.Time // so that it is not quiet before
}

// A spare is a process that was started ahead.
type spare struct {
	*task
	born time.Time
	fate fate
}

// fate is what has become of a spare process.
type fate int

const (
	unused  fate = iota
	taken        // by a request, which now sees to it
	dropped      // killed by us
)

func newSpares(want int, start func() (*task, error), lines func() *Lines, log *slog.Logger) *spares {
	return &spares{want: want, start: start, lines: lines, log: log, changed: make(chan struct{}, 1)}
}

// run starts processes until ctx ends. None that was not taken is left then,
// and none that was taken when run returns.
func (s *spares) run(ctx context.Context) {
	for ctx.Err() == nil {
		missing, pause := s.missing()
		if missing == 0 || pause > 0 {
			s.idle(ctx, missing > 0, pause)
			continue
		}
		for range missing {
			if !s.add() {
				break
			}
		}
	}
	s.drop()
	s.watched.Wait()
}

// missing returns how many are to be started, and how long not yet.
func (s *spares) missing() (int, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.want - len(s.waiting), max(time.Until(s.notBefore), time.Until(s.busyUntil))
}

// busy puts off the next start, s.mu being held.
func (s *spares) busy() {
	s.busyUntil = time.Now().Add(quiet)
	s.change()
}

// idle waits until there may be something to start.
func (s *spares) idle(ctx context.Context, missing bool, pause time.Duration) {
	var over <-chan time.Time // never, if none is missing
	if missing {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
	case <-s.changed:
	case <-over:
	}
}

// change wakes run.
func (s *spares) change() {
	select {
	case s.changed <- struct{}{}:
	default: // it has not seen the last one yet
	}
}

// add starts a process and reports whether it could.
func (s *spares) add() bool {
	s.mu.Lock()
	round := s.round
	s.mu.Unlock()
	t, err := s.start()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed(err, 0)
		return false
	}
	t.lines.change(s.lines())
	p := &spare{task: t, born: time.Now()}
	if s.round == round {
		s.waiting = append(s.waiting, p)
	} else { // it may have read secrets that have changed
		p.fate = dropped
		p.kill()
	}
	s.watched.Go(func() { s.watch(p) })
	go p.logErrors() // or it would have to wait once the pipe is full
	return true
}

// watch waits for a process to end and, if it was never used, leaves nothing
// of it.
func (s *spares) watch(p *spare) {
	p.wait()
	s.mu.Lock()
	if p.fate == unused {
		s.waiting = slices.DeleteFunc(s.waiting, func(other *spare) bool { return other == p })
		s.failed(cmp.Or(p.failure(), errEndedWell), time.Since(p.born))
		s.change()
	}
	isTaken := p.fate == taken
	if isTaken {
		s.busy()
	}
	s.mu.Unlock()
	if isTaken {
		return
	}
	p.kill() // what it has left behind
	p.stderr.expire(time.Now().Add(linger))
	p.logErrors()
	p.lines.change(nil)
	p.close()
}

var errEndedWell = errors.New("exit status 0")

// failed has the next process wait, s.mu being held. Those that end during a
// pause count once.
func (s *spares) failed(err error, lived time.Duration) {
	now := time.Now()
	if now.Before(s.notBefore) {
		return
	}
	if lived > longestPause {
		s.pause = 0
	}
	s.pause = min(max(2*s.pause, shortestPause), longestPause)
	s.notBefore = now.Add(s.pause)
	s.log.Warn("a process has ended before its request", "err", err, "next_in", s.pause.String())
}

// take returns a process that waits, nil if there is none. underWay is how many
// requests are.
func (s *spares) take(underWay int) *task {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.waiting {
		if p.look() {
			continue // who watches it has not seen it yet
		}
		p.fate = taken
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.pause = 0
		s.busy()
		return p.task
	}
	if underWay > max(1, s.want/2) {
		s.busy()
		return nil
	}
	s.busyUntil = time.Time{}
	s.change()
	return nil
}

// drop kills those that wait.
func (s *spares) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.waiting {
		p.fate = dropped
		p.kill()
	}
	s.waiting, s.round = nil, s.round+1
	s.pause, s.notBefore, s.busyUntil = 0, time.Time{}, time.Time{}
}

// renew puts others in the place of those that wait.
func (s *spares) renew() {
	if s != nil {
		s.drop()
		s.change()
	}
}
