package hmac

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"auth-watchdog/watchdog/auth"
)

// A Mark identifies a signed request: the SHA-256 of its scheme and of the
// signature that was found good, in its one decoded form.
type Mark [sha256.Size]byte

// mark identifies what a key has verified.
func (s *keyed) mark(verified []byte) Mark {
	h := sha256.New()
	h.Write([]byte(s.label))
	h.Write([]byte{0})
	h.Write(verified)
	return Mark(h.Sum(nil))
}

// Replays remembers which requests have been served. One may be shared by many
// processes; then its claims have to end by themselves if a process dies.
type Replays interface {
	// Claim takes a mark while its request is in flight. The error is
	// ErrReplayed if it was kept or is claimed, ErrReplaysFull if nothing more
	// can be remembered, and any other if it could not tell.
	Claim(ctx context.Context, m Mark) error

	// Settle ends a claim. The mark is kept for that long; 0 forgets it, so
	// that the request may come again.
	Settle(m Mark, keep time.Duration)
}

// What [Replays] say.
var (
	ErrReplayed    = errors.New("the request was served before, or is being served")
	ErrReplaysFull = errors.New("the replay memory is full")
)

// DefaultReplays is how many requests a [Memory] remembers if nothing else is
// said. They take about 12 MiB.
const DefaultReplays = 100_000

// A Memory is [Replays] of one process.
type Memory struct {
	most  int
	evict bool

	mu      sync.Mutex
	claimed map[Mark]struct{}
	kept    map[Mark]struct{}
	order   byTime // of kept
}

// NewMemory returns a memory of at most that many requests, those in flight
// included. When it is full, it forgets the one that would be forgotten first
// if evict is set, and refuses otherwise.
func NewMemory(most int, evict bool) *Memory {
	return &Memory{most: most, evict: evict, claimed: map[Mark]struct{}{}, kept: map[Mark]struct{}{}}
}

// Claim implements [Replays].
func (m *Memory) Claim(_ context.Context, mark Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(time.Now())
	_, claimed := m.claimed[mark]
	_, kept := m.kept[mark]
	if claimed || kept {
		return ErrReplayed
	}
	if len(m.claimed)+len(m.kept) >= m.most {
		if !m.evict || len(m.order) == 0 {
			return ErrReplaysFull
		}
		m.forgetFirst()
	}
	m.claimed[mark] = struct{}{}
	return nil
}

// Settle implements [Replays].
func (m *Memory) Settle(mark Mark, keep time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, claimed := m.claimed[mark]; !claimed {
		return
	}
	delete(m.claimed, mark)
	if keep > 0 {
		until := time.Now().Add(keep)
		m.kept[mark] = struct{}{}
		heap.Push(&m.order, keptMark{until, mark})
	}
}

// Len is how many requests are remembered.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(time.Now())
	return len(m.claimed) + len(m.kept)
}

// forget drops what was kept long enough.
func (m *Memory) forget(now time.Time) {
	for len(m.order) > 0 && !m.order[0].until.After(now) {
		m.forgetFirst()
	}
}

func (m *Memory) forgetFirst() {
	k, _ := heap.Pop(&m.order).(keptMark)
	delete(m.kept, k.mark)
}

type keptMark struct {
	until time.Time
	mark  Mark
}

// byTime is a heap with what is forgotten first on top.
type byTime []keptMark

func (h byTime) Len() int           { return len(h) }
func (h byTime) Less(i, j int) bool { return h[i].until.Before(h[j].until) }
func (h byTime) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byTime) Push(x any)        { *h = append(*h, x.(keptMark)) } //nolint:forcetypeassert // heap is given nothing else

func (h *byTime) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// keep is for how long a request of the scheme is remembered.
func (m *Method) keep(s *keyed) time.Duration {
	switch r := m.config.Replay; {
	case s.Alg == Token || r.Off:
		return 0
	case r.Keep > 0:
		return max(r.Keep, 2*s.Time.Tolerance)
	}
	return 2 * s.Time.Tolerance
}

// claim has a request that is signed well served once.
func (m *Method) claim(r *auth.Request, rd *reading) error {
	keep := m.keep(rd.scheme)
	if keep == 0 {
		return nil
	}
	var marks []Mark
	for i := range rd.parts {
		for _, mark := range rd.parts[i].marks {
			if slices.Contains(marks, mark) {
				continue // of another element that is the same
			}
			err := m.replays.Claim(r.Context(), mark)
			if err == nil {
				marks = append(marks, mark)
				continue
			}
			for _, mark := range marks {
				m.replays.Settle(mark, 0)
			}
			switch {
			case errors.Is(err, ErrReplayed):
				return &auth.Denied{Reason: auth.Replayed, Err: err}
			case errors.Is(err, ErrReplaysFull):
				return &auth.Denied{Reason: auth.ReplaysFull, Err: err}
			}
			return err
		}
	}
	r.OnSettled(func(used bool) {
		for _, mark := range marks {
			if used {
				m.replays.Settle(mark, keep)
			} else {
				m.replays.Settle(mark, 0)
			}
		}
	})
	return nil
}
