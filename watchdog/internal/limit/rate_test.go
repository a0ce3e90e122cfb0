package limit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A clock stands still until it is moved.
type clock struct{ time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)} }

func (c *clock) move(d time.Duration) { c.Time = c.Add(d) }

func rateAt(c *clock, burst int, every time.Duration, most int) *Rate {
	f := NewRate(burst, every, most)
	f.now = func() time.Time { return c.Time }
	return f
}

func TestFailuresMayComeAsABurstAndThenOnceInAWhile(t *testing.T) {
	const every = 6 * time.Second
	type step struct {
		after time.Duration // since the step before
		fails int           // how many failures are counted
		wait  time.Duration // what one more has to wait
	}
	for _, tt := range []struct {
		name  string
		burst int
		steps []step
	}{
		{"one at a time", 1, []step{{0, 1, every}, {every, 1, every}, {every, 1, every}}},
		{"a burst", 5, []step{{0, 5, every}}},
		{"a large burst", 250, []step{{0, 250, every}}},
		{"a burst in pieces", 5, []step{{0, 2, 0}, {0, 2, 0}, {0, 1, every}}},
		{"the wait grows shorter", 3, []step{{0, 3, every}, {time.Second, 0, every - time.Second}, {4 * time.Second, 0, time.Second}}},
		{"the wait ends to the nanosecond", 3, []step{{0, 3, every}, {every - 1, 0, 1}, {1, 1, every}}},
		{"one comes back in each interval", 3, []step{{0, 3, every}, {every, 1, every}, {every, 1, every}, {2 * every, 2, every}}},
		{"parts of an interval add up", 3, []step{{0, 3, every}, {every * 3 / 2, 1, every / 2}, {every / 2, 1, every}}},
		{"the whole burst comes back", 3, []step{{0, 3, every}, {3 * every, 3, every}}},
		{"no more than the burst comes back", 3, []step{{0, 3, every}, {time.Hour, 3, every}}},
		{"slow failures never wait", 2, []step{{0, 1, 0}, {every, 1, 0}, {every, 1, 0}, {every, 1, 0}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock()
			f := rateAt(c, tt.burst, every, 10)
			for i, step := range tt.steps {
				c.move(step.after)
				for n := range step.fails {
					if got := f.Wait("k"); got != 0 {
						t.Errorf("step %d: Wait before failure %d: got %v, want 0", i+1, n+1, got)
					}
					if got := f.Take("k"); got != 0 {
						t.Errorf("step %d: failure %d: got %v to wait, want 0", i+1, n+1, got)
					}
				}
				if got := f.Wait("k"); got != step.wait {
					t.Errorf("step %d: Wait: got %v, want %v", i+1, got, step.wait)
				}
				if step.wait == 0 {
					continue
				}
				if got := f.Take("k"); got != step.wait {
					t.Errorf("step %d: one failure more: got %v to wait, want %v", i+1, got, step.wait)
				}
			}
		})
	}
}

func TestAFailureThatHasToWaitIsNotCounted(t *testing.T) {
	c := newClock()
	f := rateAt(c, 2, time.Minute, 10)
	f.Take("k")
	f.Take("k")
	for range 100 {
		if got := f.Take("k"); got != time.Minute {
			t.Fatalf("got %v, want %v", got, time.Minute)
		}
	}
	c.move(time.Minute)
	if got := f.Take("k"); got != 0 {
		t.Errorf("after the wait: got %v, want 0", got)
	}
}

func TestAskingIsNotFailing(t *testing.T) {
	f := rateAt(newClock(), 1, time.Minute, 1)
	f.Take("k")
	for range 100 {
		f.Wait("k")
		f.Wait("unknown")
	}
	if got := f.Wait("k"); got != time.Minute {
		t.Errorf("got %v, want %v", got, time.Minute)
	}
}

func TestKeysFailApart(t *testing.T) {
	f := rateAt(newClock(), 1, time.Minute, 10)
	for _, tt := range []struct {
		key  string
		want time.Duration
	}{{"a", 0}, {"a", time.Minute}, {"b", 0}, {"", 0}, {"b", time.Minute}, {"", time.Minute}, {"A", 0}} {
		if got := f.Take(tt.key); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.key, got, tt.want)
		}
	}
}

func TestTheKeyThatFailedLongestAgoIsForgotten(t *testing.T) {
	const every = time.Minute
	for _, tt := range []struct {
		name  string
		most  int
		burst int
		fails []string
		knows map[string]bool
	}{
		{"room for all", 3, 1, []string{"a", "b", "c"}, map[string]bool{"a": true, "b": true, "c": true}},
		{"one too many", 2, 1, []string{"a", "b", "c"}, map[string]bool{"a": false, "b": true, "c": true}},
		{"room for one", 1, 1, []string{"a", "b", "c"}, map[string]bool{"a": false, "b": false, "c": true}},
		{"one that fails again is kept", 2, 2, []string{"a", "b", "a", "c"}, map[string]bool{"a": true, "b": false, "c": true}},
		{"one that has to wait does not stay for trying", 2, 1, []string{"a", "b", "a", "c"}, map[string]bool{"a": false, "b": true, "c": true}},
		{"one that comes back is new", 2, 1, []string{"a", "b", "c", "a"}, map[string]bool{"a": true, "b": false, "c": true}},
		{"the same one takes no room", 2, 9, []string{"a", "b", "b", "b", "b"}, map[string]bool{"a": true, "b": true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := rateAt(newClock(), tt.burst, every, tt.most)
			for _, key := range tt.fails {
				f.Take(key)
			}
			for key, want := range tt.knows {
				if got := f.byKey[key] != nil; got != want {
					t.Errorf("knows %q: got %t, want %t", key, got, want)
				}
			}
			if got := len(f.byKey); got > tt.most || got != f.order.Len() {
				t.Errorf("got %d keys and %d in order, want the same and at most %d", got, f.order.Len(), tt.most)
			}
		})
	}
}

func TestAForgottenKeyIsFreeOfItsFailures(t *testing.T) {
	f := rateAt(newClock(), 1, time.Minute, 1)
	f.Take("a")
	if got := f.Wait("a"); got != time.Minute {
		t.Fatalf("got %v, want %v", got, time.Minute)
	}
	f.Take("b")
	if got := f.Take("a"); got != 0 {
		t.Errorf("got %v, want 0", got)
	}
}

func TestFailuresGoByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewRate(1, time.Minute, 10)
		f.Take("k")
		time.Sleep(20 * time.Second)
		if got, want := f.Wait("k"), 40*time.Second; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		time.Sleep(40 * time.Second)
		if got := f.Take("k"); got != 0 {
			t.Errorf("after the wait: got %v, want 0", got)
		}
	})
}

func TestConcurrentFailuresAreCountedOneByOne(t *testing.T) {
	const burst, callers, keys = 20, 16, 3
	f := rateAt(newClock(), burst, time.Minute, keys)
	var counted [keys]atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range burst {
				for key := range keys {
					if f.Take(fmt.Sprint(key)) == 0 {
						counted[key].Add(1)
					}
				}
			}
		})
	}
	all.Wait()
	for key := range keys {
		if got := counted[key].Load(); got != burst {
			t.Errorf("key %d: got %d counted, want %d", key, got, burst)
		}
	}
}
