package observe

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestSeries(t *testing.T) {
	const keys, readers = 50, 8
	var found [keys]atomic.Int32
	s := series[int, *int]{find: func(k int) *int {
		found[k].Add(1)
		return &k
	}}
	var all sync.WaitGroup
	for r := range readers {
		all.Go(func() {
			for i := range 20 * keys {
				k := (i*7 + r) % keys
				v := s.of(k)
				if *v != k {
					t.Errorf("got the one of %d, want %d", *v, k)
				}
				if again := s.of(k); again != v {
					t.Errorf("%d: got another one than before", k)
				}
			}
		})
	}
	all.Wait()
	for k := range keys {
		if got := found[k].Load(); got != 1 {
			t.Errorf("%d was looked for %d times, want once", k, got)
		}
	}
}

// TestSeriesPanics: a key that can't be found leaves the others as they were.
func TestSeriesPanics(t *testing.T) {
	s := series[int, int]{find: func(k int) int { return 10 / k }}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("got no panic, want that of the division")
			}
		}()
		s.of(0)
	}()
	if got := s.of(5); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
}
