package observe

import (
	"maps"
	"sync"
	"sync/atomic"
)

// A series keeps what is found by a key, so that finding it again costs no
// more than a look into a map. Keys are few: each is made of closed sets.
type series[K comparable, V any] struct {
	find func(K) V

	known atomic.Pointer[map[K]V]
	mu    sync.Mutex // held to add to known
}

func (s *series[K, V]) of(k K) V {
	if known := s.known.Load(); known != nil {
		if v, ok := (*known)[k]; ok {
			return v
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := map[K]V{}
	if known := s.known.Load(); known != nil {
		next = maps.Clone(*known)
	}
	v, ok := next[k]
	if !ok {
		v = s.find(k)
		next[k] = v
		s.known.Store(&next)
	}
	return v
}
