package limit

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A result is what became of one who asked for a share.
type result struct {
	name  string
	got   bool
	after time.Duration // since the queue was begun
}

// A queue has several ask for shares and notes in which order they are
// answered.
type queue struct {
	*Weighted
	begun time.Time

	mu       sync.Mutex
	answered []result
}

func newQueue(w *Weighted) *queue { return &queue{Weighted: w, begun: time.Now()} }

// ask returns when name stands in the queue or has been answered.
func (q *queue) ask(ctx context.Context, name string, n int64) {
	go func() {
		got := q.Acquire(ctx, n)
		q.mu.Lock()
		defer q.mu.Unlock()
		q.answered = append(q.answered, result{name, got, time.Since(q.begun)})
	}()
	synctest.Wait()
}

// news are the answers since it was last called, sorted by name: those who are
// woken together run in any order.
func (q *queue) news() []result {
	synctest.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	news := q.answered
	q.answered = nil
	slices.SortFunc(news, func(a, b result) int { return int(a.name[0]) - int(b.name[0]) })
	return news
}

// want fails if the answers since the last call are others.
func (q *queue) want(t *testing.T, want ...result) {
	t.Helper()
	if got := q.news(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWeightedAnswersAtOnceIfNobodyHasToWait(t *testing.T) {
	for _, tt := range []struct {
		name       string
		total      int64
		taken      []int64
		maxWaiting int
		n          int64
		want       bool
	}{
		{"all of it", 4, nil, 0, 4, true},
		{"more than there is", 4, nil, 8, 5, false},
		{"more than there is, and some is taken", 4, []int64{1}, 8, 5, false},
		{"the rest", 4, []int64{1, 2}, 0, 1, true},
		{"too much, and nobody may wait", 4, []int64{1, 2}, 0, 2, false},
		{"nothing is left, and nobody may wait", 4, []int64{4}, 0, 1, false},
		{"nothing at all, as there is none", 0, nil, 8, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := NewWeighted(tt.total, time.Hour, tt.maxWaiting)
				for _, n := range tt.taken {
					if !w.Acquire(t.Context(), n) {
						t.Fatalf("taking %d: got false, want true", n)
					}
				}
				begun := time.Now()
				if got := w.Acquire(t.Context(), tt.n); got != tt.want {
					t.Errorf("got %t, want %t", got, tt.want)
				}
				if got := time.Since(begun); got != 0 {
					t.Errorf("got an answer after %v, want it at once", got)
				}
			})
		})
	}
}

func TestWeightedZeroValueGivesNothing(t *testing.T) {
	var w Weighted
	if w.Acquire(t.Context(), 1) {
		t.Errorf("got true, want false")
	}
}

func TestWeightedWaitsAsLongAsItsWait(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Millisecond, time.Second} {
		t.Run(wait.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(NewWeighted(4, wait, 8))
				q.Acquire(t.Context(), 4)
				q.ask(t.Context(), "a", 1)
				time.Sleep(wait)
				q.want(t, result{"a", false, wait})
				q.Release(4)
				if !q.Acquire(t.Context(), 4) {
					t.Errorf("all of it after the release: got false, want true")
				}
			})
		})
	}
}

func TestWeightedEndsWithTheContext(t *testing.T) {
	t.Run("that ends while waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(NewWeighted(4, time.Hour, 8))
			q.Acquire(t.Context(), 4)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			q.ask(ctx, "a", 1)
			q.ask(t.Context(), "b", 1)
			time.Sleep(time.Second)
			q.want(t, result{"a", false, time.Second})
			q.Release(1)
			q.want(t, result{"b", true, time.Second})
		})
	})
	t.Run("that has ended before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(NewWeighted(4, time.Hour, 8))
			q.Acquire(t.Context(), 4)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			q.ask(ctx, "a", 1)
			q.want(t, result{"a", false, 0})
		})
	})
}

func TestWeightedServesInTheOrderOfAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(NewWeighted(4, time.Hour, 8))
		q.Acquire(t.Context(), 4)
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			q.ask(t.Context(), name, 1)
			time.Sleep(time.Second)
		}
		q.want(t)
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			q.Release(1)
			q.want(t, result{name, true, 5 * time.Second})
		}
	})
}

func TestWeightedLetsNobodyOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(NewWeighted(4, time.Hour, 8))
		q.Acquire(t.Context(), 3)
		q.ask(t.Context(), "a", 3)
		q.ask(t.Context(), "b", 1) // there is one left, and a was first
		q.want(t)
		q.Release(1)
		q.want(t)
		q.Release(1)
		q.want(t, result{"a", true, 0})
		q.Release(1)
		q.want(t, result{"b", true, 0})
	})
}

func TestWeightedReleaseWakesThoseThatFit(t *testing.T) {
	for _, tt := range []struct {
		name    string
		asks    []int64 // of a, b, c …
		release int64
		want    string // who is woken
	}{
		{"none", []int64{2, 1}, 1, ""},
		{"the first", []int64{2, 1, 1}, 2, "a"},
		{"the first two", []int64{2, 1, 1}, 3, "ab"},
		{"all", []int64{2, 1, 1}, 4, "abc"},
		{"all, and some is left", []int64{1, 1}, 4, "ab"},
		{"the first, as the second wants too much", []int64{1, 4, 1}, 4, "a"},
		{"one that wants it all", []int64{4, 1}, 4, "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel() // the others need not wait for an hour
				q := newQueue(NewWeighted(4, time.Hour, 8))
				q.Acquire(ctx, 4)
				for i, n := range tt.asks {
					q.ask(ctx, string(rune('a'+i)), n)
				}
				q.want(t)
				q.Release(tt.release)
				var woken string
				for _, r := range q.news() {
					if !r.got {
						t.Errorf("%s: got false, want true", r.name)
					}
					woken += r.name
				}
				if woken != tt.want {
					t.Errorf("got %q woken, want %q", woken, tt.want)
				}
			})
		})
	}
}

func TestWeightedServesThoseBehindOneWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(NewWeighted(4, time.Hour, 8))
		q.Acquire(t.Context(), 2)
		ctx, cancel := context.WithCancel(t.Context())
		q.ask(ctx, "a", 3)
		q.ask(t.Context(), "b", 1)
		q.ask(t.Context(), "c", 1)
		q.ask(t.Context(), "d", 1)
		q.want(t)
		cancel()
		q.want(t, result{"a", false, 0}, result{"b", true, 0}, result{"c", true, 0})
		q.Release(1)
		q.want(t, result{"d", true, 0})
	})
}

func TestWeightedLeavesTheOthersInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(NewWeighted(4, time.Hour, 8))
		q.Acquire(t.Context(), 4)
		ctx, cancel := context.WithCancel(t.Context())
		q.ask(t.Context(), "a", 1)
		q.ask(ctx, "b", 1)
		q.ask(t.Context(), "c", 1)
		cancel()
		q.want(t, result{"b", false, 0})
		q.Release(1)
		q.want(t, result{"a", true, 0})
		q.Release(1)
		q.want(t, result{"c", true, 0})
	})
}

func TestWeightedBoundsHowManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(NewWeighted(4, time.Second, 2))
		q.Acquire(t.Context(), 4)
		q.ask(t.Context(), "a", 1)
		q.ask(t.Context(), "b", 1)
		q.ask(t.Context(), "c", 1)
		q.want(t, result{"c", false, 0})

		q.Release(1) // a's place in the queue is free again
		q.want(t, result{"a", true, 0})
		q.ask(t.Context(), "d", 1)
		q.want(t)
		q.ask(t.Context(), "e", 1)
		q.want(t, result{"e", false, 0})

		time.Sleep(time.Second) // and so are those of b and d, who have waited in vain
		q.want(t, result{"b", false, time.Second}, result{"d", false, time.Second})
		q.ask(t.Context(), "f", 1)
		q.want(t)
		q.Release(1)
		q.want(t, result{"f", true, time.Second})
	})
}

// TestWeightedGivesAShareThatComesWithTheEnd: a share that was handed out
// must not get lost with one who was about to leave.
func TestWeightedGivesAShareThatComesWithTheEnd(t *testing.T) {
	for range 50 { // a may be on its way out or not yet
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(NewWeighted(4, time.Hour, 8))
			q.Acquire(t.Context(), 4)
			ctx, cancel := context.WithCancel(t.Context())
			q.ask(ctx, "a", 4)

			q.Weighted.mu.Lock() // nobody gets out of the queue meanwhile
			cancel()
			q.used -= 4
			q.serve()
			q.Weighted.mu.Unlock()

			q.want(t, result{"a", true, 0})
			q.Release(4)
			if !q.Acquire(t.Context(), 4) {
				t.Errorf("all of it after the release: got false, want true")
			}
		})
	}
}

func TestWeightedNeverGivesMoreThanItsTotal(t *testing.T) {
	for _, tt := range []struct {
		name       string
		total      int64
		wait       time.Duration
		maxWaiting int
	}{
		{"all wait", 8, time.Hour, 100},
		{"few may wait", 8, time.Hour, 2},
		{"nobody may wait", 8, time.Hour, 0},
		{"all wait for a moment", 8, time.Nanosecond, 100},
		{"one at a time", 1, time.Hour, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := NewWeighted(tt.total, tt.wait, tt.maxWaiting)
				var used, given atomic.Int64
				var callers sync.WaitGroup
				for i := range 16 {
					callers.Go(func() {
						random := rand.New(rand.NewPCG(1, uint64(i)))
						for range 100 {
							n := 1 + random.Int64N(tt.total)
							ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+random.IntN(100))*time.Minute)
							if w.Acquire(ctx, n) {
								given.Add(1)
								if now := used.Add(n); now > tt.total {
									t.Errorf("got %d in use, want at most %d", now, tt.total)
								}
								runtime.Gosched()
								if random.IntN(4) == 0 {
									time.Sleep(time.Minute)
								}
								used.Add(-n)
								w.Release(n)
							}
							cancel()
						}
					})
				}
				callers.Wait()
				if given.Load() == 0 {
					t.Errorf("got no share, want some")
				}
				if !w.Acquire(t.Context(), tt.total) {
					t.Errorf("all of it at last: got false, want true")
				}
			})
		})
	}
}
