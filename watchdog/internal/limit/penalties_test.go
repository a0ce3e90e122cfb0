package limit

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPenaltiesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPenalties(5, time.Second, 15*time.Minute, 10)
		for n := range 4 {
			if wait := p.Begin("k"); wait != 0 {
				t.Fatalf("attempt %d: got %v to wait", n+1, wait)
			}
		}
		want := time.Second
		for n := range 15 { // the fifth attempt is the first that has a wait behind it
			if wait := p.Begin("k"); wait != 0 {
				t.Fatalf("attempt %d: got %v to wait, want none", n+5, wait)
			}
			if wait := p.Begin("k"); wait != want {
				t.Fatalf("after attempt %d: got %v to wait, want %v", n+5, wait, want)
			}
			time.Sleep(want - 1)
			if wait := p.Begin("k"); wait != 1 {
				t.Fatalf("just before its turn: got %v to wait, want 1ns", wait)
			}
			time.Sleep(time.Nanosecond)
			want = min(2*want, 15*time.Minute)
		}
	})
}

func TestPenaltiesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := func(p *Penalties, key string, n int) {
			for range n {
				time.Sleep(p.Begin(key))
			}
		}
		p := NewPenalties(1, time.Minute, time.Hour, 10)

		fail(p, "succeeds", 3)
		if failures, wait := p.Failures("succeeds"); failures != 2 || wait == 0 {
			t.Errorf("got %d failures and %v to wait", failures, wait)
		}
		if got := p.Succeed("succeeds"); got != 1 {
			t.Errorf("Succeed: got %d failures before the last attempt, want 1", got)
		}
		if wait := p.Begin("succeeds"); wait != 0 {
			t.Errorf("after it: got %v to wait", wait)
		}

		time.Sleep(p.Begin("withdrawn"))
		time.Sleep(time.Minute)
		if wait := p.Begin("withdrawn"); wait != 0 {
			t.Fatalf("got %v to wait", wait)
		}
		p.Withdraw("withdrawn")
		if failures, wait := p.Failures("withdrawn"); failures != 1 || wait != 0 {
			t.Errorf("after Withdraw: got %d failures and %v to wait, want 1 and none", failures, wait)
		}

		p.Begin("left alone")
		time.Sleep(penaltyLife + 1)
		if failures, wait := p.Failures("left alone"); failures != 0 || wait != 0 {
			t.Errorf("after a day: got %d failures and %v to wait", failures, wait)
		}
		for _, key := range []string{"unknown"} {
			p.Withdraw(key)
			if got := p.Succeed(key); got != 0 {
				t.Errorf("%s: got %d failures", key, got)
			}
		}
	})
}

func TestPenaltiesAreBounded(t *testing.T) {
	p := NewPenalties(1, time.Hour, time.Hour, 3)
	for i := range 100 {
		p.Begin(strconv.Itoa(i))
	}
	if len(p.byKey) != 3 || p.order.Len() != 3 {
		t.Errorf("got %d keys and %d in order, want 3", len(p.byKey), p.order.Len())
	}
	if failures, _ := p.Failures("99"); failures != 1 {
		t.Error("the latest key is forgotten")
	}
}

func TestAttemptsAtOnceAreNoWayRound(t *testing.T) {
	p := NewPenalties(5, time.Hour, time.Hour, 3)
	var begun atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if p.Begin("k") == 0 {
				begun.Add(1)
			}
		})
	}
	wg.Wait()
	if got := begun.Load(); got != 5 {
		t.Errorf("got %d attempts, want 5", got)
	}
}
