package password

import (
	"context"
	"runtime"
	"time"

	"auth-watchdog/watchdog/internal/limit"
)

// Bounds of a [Hasher].
const (
	// HashingMemory is what all hashing together may take at a time, in bytes.
	// The garbage collector may hold as much again that is no longer used.
	HashingMemory = 64 << 20

	// MaxWaiting is how many may wait for their turn to hash, each for
	// HashingWait; the others are told to come back.
	MaxWaiting  = 64
	HashingWait = time.Second
)

// A Hasher bounds how much is hashed at a time. All who hash in a process share
// one, or each would take as much memory as there is for all.
type Hasher struct {
	hashing *limit.Weighted
	share   int64 // the least that one hash is counted as
}

// NewHasher returns a Hasher that leaves half of the processors free for those
// who need no hashing.
func NewHasher() *Hasher { return NewHasherFor(max(1, runtime.GOMAXPROCS(0)/2)) }

// NewHasherFor returns a Hasher that hashes for so many at a time, if there is
// the memory.
func NewHasherFor(most int) *Hasher {
	return &Hasher{
		hashing: limit.NewWeighted(HashingMemory, HashingWait, MaxWaiting),
		share:   HashingMemory / int64(most),
	}
}

// Run runs check, which takes so many bytes, and returns its verdict. busy
// means that there was no room to hash, and no verdict.
func (h *Hasher) Run(ctx context.Context, bytes int64, check func() bool) (good, busy bool) {
	if bytes == 0 { // nothing to bound
		return check(), false
	}
	share := max(bytes, h.share)
	if !h.hashing.Acquire(ctx, share) {
		return false, true
	}
	defer h.hashing.Release(share)
	return check(), false
}

// Busy reports whether somebody waits for a turn to hash.
func (h *Hasher) Busy() bool { return h.hashing.Busy() }
