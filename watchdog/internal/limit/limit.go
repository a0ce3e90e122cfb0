// Package limit bounds how many, how much and how often.
package limit

import "sync/atomic"

// Slots bounds how many requests are served at once. A nil Slots has no bound.
type Slots struct {
	max   int64
	taken atomic.Int64
}

// NewSlots returns n slots; nil, which has no bound, for 0.
func NewSlots(n int) *Slots {
	if n == 0 {
		return nil
	}
	return &Slots{max: int64(n)}
}

// Take takes a slot and reports whether there was one.
func (s *Slots) Take() bool {
	if s == nil {
		return true
	}
	if s.taken.Add(1) > s.max {
		s.taken.Add(-1)
		return false
	}
	return true
}

// Free gives back a slot that was taken.
func (s *Slots) Free() {
	if s != nil {
		s.taken.Add(-1)
	}
}

// Full reports whether no slot is left.
func (s *Slots) Full() bool { return s != nil && s.taken.Load() >= s.max }
