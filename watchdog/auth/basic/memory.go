package basic

import (
	"container/list"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"auth-watchdog/watchdog/internal/limit"
	"auth-watchdog/watchdog/internal/password"
)

// Bounds of a [Memory].
const (
	// fresh is for how long a verified password is taken without hashing it
	// again.
	fresh = 5 * time.Minute

	// maxVerified is how many verified passwords are remembered.
	maxVerified = 4096

	// A name may fail accountBurst times at once, and then once in accountEvery.
	accountBurst = 250
	accountEvery = 6 * time.Second
	maxAccounts  = 10_000  // of names that nobody has
	maxKnown     = 100_000 // of those of users
)

// A Memory remembers which passwords were verified and which names have
// failed. It outlives the policy that it serves: hand the same one to each new
// [Method]. It is not written anywhere.
type Memory struct {
	key     [sha256.Size]byte // of this process
	hashing *password.Hasher
	known   *limit.Rate // by the names of users
	unknown *limit.Rate // by other names: however many, they push none of the above out
	now     func() time.Time

	mu       sync.Mutex
	verified map[digest]*list.Element
	order    *list.List         // of *verdict, the last used first
	pending  map[digest]*flight // hashes under way
}

// digest stands for a name, a password and the hash it was held against.
type digest [sha256.Size]byte

type verdict struct {
	of digest
	at time.Time // when it was hashed
}

// A flight is a hash under way, for which all who ask the same wait.
type flight struct {
	done chan struct{}
	outcome
}

type outcome struct {
	good bool
	busy bool // there was no room to hash
}

// NewMemory returns a Memory that remembers nothing yet, and hashes by way of
// hashing, which others may share.
func NewMemory(hashing *password.Hasher) *Memory {
	m := &Memory{
		hashing:  hashing,
		known:    limit.NewRate(accountBurst, accountEvery, maxKnown),
		unknown:  limit.NewRate(accountBurst, accountEvery, maxAccounts),
		now:      time.Now,
		verified: make(map[digest]*list.Element),
		order:    list.New(),
		pending:  make(map[digest]*flight),
	}
	copy(m.key[:], randomBytes(len(m.key)))
	return m
}

// digest is an HMAC over fields with their lengths, so that nothing can move
// from one to the next: neither "a"+"bc" nor a password with a hash at its end
// stands for another.
func (m *Memory) digest(fields ...[]byte) digest {
	h := hmac.New(sha256.New, m.key[:])
	var length [8]byte
	for _, f := range fields {
		binary.BigEndian.PutUint64(length[:], uint64(len(f)))
		h.Write(length[:])
		h.Write(f)
	}
	return digest(h.Sum(nil))
}

// failures returns what counts the failures under a name, and the name there:
// however it is spelled it has one counter, and however long it is it takes
// little room.
func (m *Memory) failures(u *Users, name string) (counters *limit.Rate, counter string) {
	a := password.Account(name)
	d := m.digest([]byte("account"), []byte(a))
	if u.accounts[a] {
		return m.known, string(d[:])
	}
	return m.unknown, string(d[:])
}

// remembers reports whether d was verified before, and whether that is recent
// enough to need no hashing.
func (m *Memory) remembers(d digest) (before, recently bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lookUp(d)
}

// lookUp is remembers for those who hold the lock.
func (m *Memory) lookUp(d digest) (before, recently bool) {
	e := m.verified[d]
	if e == nil {
		return false, false
	}
	m.order.MoveToFront(e)
	return true, m.now().Sub(e.Value.(*verdict).at) < fresh //nolint:forcetypeassert // the list holds nothing else
}

func (m *Memory) remember(d digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := &verdict{d, m.now()}
	if e := m.verified[d]; e != nil {
		e.Value = v
		m.order.MoveToFront(e)
		return
	}
	if m.order.Len() >= maxVerified {
		delete(m.verified, m.order.Remove(m.order.Back()).(*verdict).of) //nolint:forcetypeassert // the list holds nothing else
	}
	m.verified[d] = m.order.PushFront(v)
}

// verify runs check, which takes so many bytes, unless one for the same digest
// is under way, whose outcome it then shares.
func (m *Memory) verify(ctx context.Context, d digest, bytes int64, check func() bool) outcome {
	m.mu.Lock()
	if f := m.pending[d]; f != nil {
		m.mu.Unlock()
		select {
		case <-f.done:
			return f.outcome
		case <-ctx.Done():
			return outcome{busy: true}
		}
	}
	if _, recently := m.lookUp(d); recently { // one has ended since the caller asked
		m.mu.Unlock()
		return outcome{good: true}
	}
	f := &flight{done: make(chan struct{})}
	m.pending[d] = f
	m.mu.Unlock()

	defer func() {
		m.mu.Lock()
		delete(m.pending, d)
		m.mu.Unlock()
		close(f.done)
	}()
	f.good, f.busy = m.hashing.Run(ctx, bytes, check)
	if f.good {
		m.remember(d)
	}
	return f.outcome
}
