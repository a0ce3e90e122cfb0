package limit

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestSlotsAreTakenAndGivenBack(t *testing.T) {
	const take, free, full, room = "take", "free", "full", "room"
	for _, tt := range []struct {
		name  string
		n     int
		steps []string // "refused" is a take in vain, "full" and "room" what Full says
	}{
		{"no bound", 0, []string{room, take, take, take, room, free, room, take}},
		{"one", 1, []string{room, take, full, "refused", free, room, take, full}},
		{"two", 2, []string{take, room, take, full, "refused", free, room, take, full, "refused"}},
		{"a refusal takes nothing", 1, []string{take, "refused", "refused", "refused", full, free, room, take}},
		{"all are given back", 2, []string{take, take, free, free, room, take, room, take, full}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSlots(tt.n)
			for i, step := range tt.steps {
				switch step {
				case take, "refused":
					if got, want := s.Take(), step == take; got != want {
						t.Errorf("step %d: got %t, want %t", i+1, got, want)
					}
				case free:
					s.Free()
				default:
					if got, want := s.Full(), step == full; got != want {
						t.Errorf("step %d: Full: got %t, want %t", i+1, got, want)
					}
				}
			}
		})
	}
}

func TestNilSlotsHaveNoBound(t *testing.T) {
	if got := NewSlots(0); got != nil {
		t.Errorf("NewSlots(0): got %v, want nil", got)
	}
	var s *Slots
	s.Free()
	for range 100 {
		if !s.Take() {
			t.Errorf("Take: got false, want true")
		}
	}
	if s.Full() {
		t.Errorf("Full: got true, want false")
	}
}

func TestSlotsAreNeverTakenTwice(t *testing.T) {
	const n = 3
	s := NewSlots(n)
	var taken, served atomic.Int64
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for range 500 {
				if !s.Take() {
					continue
				}
				served.Add(1)
				if now := taken.Add(1); now > n {
					t.Errorf("got %d taken, want at most %d", now, n)
				}
				runtime.Gosched()
				taken.Add(-1)
				s.Free()
			}
		})
	}
	callers.Wait()
	if served.Load() == 0 {
		t.Errorf("got none served, want some")
	}
	for range n {
		if !s.Take() {
			t.Errorf("a slot that was given back: got none, want one")
		}
	}
	if s.Take() {
		t.Errorf("one more than there are: got it, want none")
	}
}
