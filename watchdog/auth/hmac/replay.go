package hmac

import (
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
	"time"

	"auth-watchdog/watchdog/auth"
)

// A Mark identifies a signed message.
type Mark [16]byte

// Replays remembers which requests have been served. One may be shared by many
// processes; then its claims have to end by themselves if a process dies.
//
// A request is known by the message whose signature was found good, and not by
// the signature: of several that a request brings, by several keys or in
// several headers, whoever has seen it could send any one.
type Replays interface {
	// Mark identifies a message, which is in pieces; scheme says how it was put
	// together. It is the same wherever the Replays are the same.
	Mark(scheme string, message [][]byte) Mark

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
// said. They take about 7 MiB.
const DefaultReplays = 100_000

// A Memory is [Replays] of one process.
type Memory struct {
	most  int
	evict bool
	seed  maphash.Seed

	mu      sync.Mutex
	claimed map[Mark]struct{}
	kept    map[Mark]struct{}
	order   byTime // of kept
}

// NewMemory returns a memory of at most that many requests, those in flight
// included. When it is full, it forgets the one that would be forgotten first
// if evict is set, and refuses otherwise.
func NewMemory(most int, evict bool) *Memory {
	return &Memory{most: most, evict: evict, seed: maphash.MakeSeed(), claimed: map[Mark]struct{}{}, kept: map[Mark]struct{}{}}
}

// Mark implements [Replays]. The hash is fast and has 64 bits: two messages with
// the same one, which nobody can look for without the seed, would have the second
// refused and nothing let through.
func (m *Memory) Mark(scheme string, message [][]byte) Mark {
	var mark Mark
	sum, length := maphash.String(m.seed, scheme), 0
	for _, piece := range message {
		sum = bits.RotateLeft64(sum, 1) ^ maphash.Bytes(m.seed, piece)*0x9e3779b97f4a7c15
		length = length*31 + len(piece)
	}
	binary.LittleEndian.PutUint64(mark[:8], sum)
	binary.LittleEndian.PutUint64(mark[8:], uint64(length))
	return mark
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
	if keep == 0 || m.offline {
		return nil
	}
	var marks []Mark
	settle := func(keep time.Duration) {
		for _, mark := range marks {
			m.replays.Settle(mark, keep)
		}
	}
	for i := range rd.parts {
		mark := m.replays.Mark(rd.scheme.Signed, rd.parts[i].message)
		if slices.Contains(marks, mark) {
			continue // of another element that is the same
		}
		err := m.replays.Claim(r.Context(), mark)
		if err == nil {
			marks = append(marks, mark)
			continue
		}
		settle(0)
		switch {
		case errors.Is(err, ErrReplayed):
			return &auth.Denied{Reason: auth.Replayed, Err: err}
		case errors.Is(err, ErrReplaysFull):
			return &auth.Denied{Reason: auth.ReplaysFull, Err: err}
		}
		return err
	}
	r.OnSettled(func(used bool) {
		if used {
			settle(keep)
		} else {
			settle(0)
		}
	})
	return nil
}
