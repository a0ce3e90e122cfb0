package limit

import (
	"container/list"
	"sync"
	"time"
)

// Penalties makes each of many keys wait the longer the more often it has
// failed: the first failures cost nothing, the next one a moment, and each
// after that twice as long as the one before, up to a most. It forgets the key
// whose last attempt is the longest ago when there are more than it may
// remember, and every key after a day without one.
type Penalties struct {
	free        int
	first, most time.Duration
	max         int
	forgive     time.Duration // after how long a failure is forgotten; never if 0

	mu    sync.Mutex
	byKey map[string]*list.Element
	order *list.List // of *penalty, the latest first
}

type penalty struct {
	key      string
	failures int
	last     time.Time
	until    time.Time // when the next attempt may be made
	before   time.Time // what until was before the last attempt
	forgiven time.Time // up to when time has made up for failures
}

// penaltyLife is after how long without an attempt failures are forgotten.
const penaltyLife = 24 * time.Hour

// NewPenalties returns Penalties for at most max keys, of which each may fail
// free times before it waits for first, and at the most for most.
func NewPenalties(free int, first, most time.Duration, max int) *Penalties {
	return &Penalties{free: free, first: first, most: most, max: max, byKey: make(map[string]*list.Element), order: list.New()}
}

// Forgiving has each key freed of one failure every so often. It is for keys that
// stand for many who fail and succeed, of whom nobody's success proves anything
// for the others: their failures would add up for ever. It returns p.
func (p *Penalties) Forgiving(every time.Duration) *Penalties {
	p.forgive = every
	return p
}

// Begin counts an attempt of key, which is taken to fail until Succeed or
// Withdraw says otherwise: so many attempts at once are no way round. If key
// has to wait, Begin counts nothing and returns for how long.
func (p *Penalties) Begin(key string) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	e := p.find(key, now)
	if e == nil {
		if p.order.Len() >= p.max {
			p.remove(p.order.Back())
		}
		e = p.order.PushFront(&penalty{key: key, forgiven: now})
		p.byKey[key] = e
	}
	entry := e.Value.(*penalty) //nolint:forcetypeassert // the list holds nothing else
	if wait := entry.until.Sub(now); wait > 0 {
		return wait
	}
	p.order.MoveToFront(e)
	entry.failures++
	entry.last, entry.before, entry.until = now, entry.until, now.Add(p.after(entry.failures))
	return 0
}

// after is how long to wait after so many failures.
func (p *Penalties) after(failures int) time.Duration {
	wait := p.first
	switch {
	case failures < p.free:
		return 0
	case failures == p.free:
		return p.first
	}
	for range failures - p.free {
		if wait >= p.most {
			break
		}
		wait *= 2
	}
	return min(wait, p.most)
}

// Failures returns how many attempts of key have failed since the last that
// did not, and how long it has to wait.
func (p *Penalties) Failures(key string) (failures int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	e := p.find(key, now)
	if e == nil {
		return 0, 0
	}
	entry := e.Value.(*penalty) //nolint:forcetypeassert // the list holds nothing else
	return entry.failures, max(0, entry.until.Sub(now))
}

// Succeed frees key of its failures and returns how many there were before the
// last attempt.
func (p *Penalties) Succeed(key string) (failures int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.find(key, time.Now())
	if e == nil {
		return 0
	}
	failures = e.Value.(*penalty).failures - 1 //nolint:forcetypeassert // the list holds nothing else
	p.remove(e)
	return failures
}

// Withdraw takes back the last attempt of key, which proves nothing for those
// before it.
func (p *Penalties) Withdraw(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.find(key, time.Now())
	if e == nil {
		return
	}
	entry := e.Value.(*penalty) //nolint:forcetypeassert // the list holds nothing else
	entry.failures--
	entry.until = entry.before
}

func (p *Penalties) find(key string, now time.Time) *list.Element {
	e := p.byKey[key]
	if e == nil {
		return nil
	}
	entry := e.Value.(*penalty) //nolint:forcetypeassert // the list holds nothing else
	if now.Sub(entry.last) > penaltyLife {
		p.remove(e)
		return nil
	}
	if p.forgive > 0 {
		times := now.Sub(entry.forgiven) / p.forgive
		entry.forgiven = entry.forgiven.Add(times * p.forgive)
		entry.failures = max(0, entry.failures-int(times))
	}
	return e
}

func (p *Penalties) remove(e *list.Element) {
	delete(p.byKey, p.order.Remove(e).(*penalty).key) //nolint:forcetypeassert // the list holds nothing else
}
