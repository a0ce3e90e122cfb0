package login

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/limit"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/session"
)

// Bounds of failed sign-ins.
const (
	freeFailures    = 5
	firstWait       = time.Second
	longestWait     = 15 * time.Minute
	addressFailures = 50 // of people who may share an address
	addressForgives = 5 * time.Minute
	overallBurst    = 500
	overallEvery    = time.Second / 10

	// As many names as fail within an hour at overallEvery. Those that nobody has
	// count with the others: in two places, they could be told apart.
	maxAccounts  = 50_000
	maxDevices   = 10_000
	maxAddresses = 10_000
	maxSignedOut = 100_000
)

// A Memory remembers failed sign-ins, codes that were used, and sessions that
// were signed out. It outlives the policy that it serves, and is not written
// anywhere.
type Memory struct {
	key    [sha256.Size]byte // of this process
	hasher *password.Hasher
	forms  *auth.Buffers // of all who sign in

	accounts  *limit.Penalties // by names, whether somebody has them or not
	devices   *limit.Penalties // by browsers that have signed in before
	addresses *limit.Penalties
	codes     *limit.Penalties // of second factors, by users
	overall   *limit.Rate      // of all who are not known

	mu        sync.Mutex
	steps     map[string]uint64 // the last code of each user
	recovery  map[[sha256.Size]byte]bool
	signedOut map[session.ID]time.Time // until when the session would be good
}

// NewMemory returns a Memory that remembers nothing yet, whose hashing is
// bounded by h.
func NewMemory(h *password.Hasher) *Memory {
	penalties := func(free, max int) *limit.Penalties {
		return limit.NewPenalties(free, firstWait, longestWait, max)
	}
	m := &Memory{
		hasher: h, forms: auth.NewBuffers(maxForm, maxForms),
		accounts: penalties(freeFailures, maxAccounts),
		devices:  penalties(freeFailures, maxDevices), addresses: penalties(addressFailures, maxAddresses).Forgiving(addressForgives),
		codes: penalties(freeFailures, maxAccounts), overall: limit.NewRate(overallBurst, overallEvery, 1),
		steps: map[string]uint64{}, recovery: map[[sha256.Size]byte]bool{}, signedOut: map[session.ID]time.Time{},
	}
	_, _ = rand.Read(m.key[:]) // never fails
	return m
}

// digest stands for a text that a stranger has made up: it has one length, and
// nobody else can tell which digests are alike.
func (m *Memory) digest(purpose, text string) string {
	h := hmac.New(sha256.New, m.key[:])
	h.Write([]byte(purpose + "\x00" + text))
	return string(h.Sum(nil))
}

// pick returns one of n for a text, always the same.
func (m *Memory) pick(text string, n int) int {
	return int(binary.BigEndian.Uint32([]byte(m.digest("decoy", text))) % uint32(n)) //nolint:gosec // n is the length of a list
}

// claimStep reports whether a code is the first of its step or of a later one
// that the user brings, and takes it.
func (m *Memory) claimStep(user string, step uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if step <= m.steps[user] {
		return false
	}
	m.steps[user] = step
	return true
}

// claimRecovery reports whether a recovery code has not been used, and takes it.
func (m *Memory) claimRecovery(digest [sha256.Size]byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.recovery[digest] {
		return false
	}
	m.recovery[digest] = true
	return true
}

// signOut has a session be over before its end, as long as this process lives.
func (m *Memory) signOut(id session.ID, ends, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.signedOut) >= maxSignedOut {
		for id, ends := range m.signedOut {
			if !now.Before(ends) || len(m.signedOut) >= maxSignedOut {
				delete(m.signedOut, id)
			}
		}
	}
	m.signedOut[id] = ends
}

func (m *Memory) isSignedOut(id session.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, out := m.signedOut[id]
	return out
}
