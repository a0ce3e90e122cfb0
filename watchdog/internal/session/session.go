package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// An ID tells sessions apart. It is drawn anew at each sign-in.
type ID [16]byte

// NewID draws one.
func NewID() (id ID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// Hash is what may be written down of an ID.
func (id ID) Hash() string {
	sum := sha256.Sum256(id[:])
	return hex.EncodeToString(sum[:8])
}

// A Session is what is known of a person who has signed in, whoever vouched.
// The zero value is over.
type Session struct {
	ID      ID
	Subject string
	User    [16]byte // the version of the user's record that it is good for

	SignedIn time.Time // when the person proved who they are
	Seen     time.Time // when the session was last used, but for some minutes
	Ends     time.Time // at the latest, however much it is used

	SecondFactor bool
	Remembered   bool // it may be idle until it ends
}

const (
	hasSecondFactor = 1 << iota
	isRemembered
)

// format is the first byte of what Encode returns.
const format = 1

// Encode returns s as bytes. Times are kept to the second.
func (s *Session) Encode() []byte {
	b := make([]byte, 0, 64+len(s.Subject))
	b = append(b, format)
	var flags byte
	if s.SecondFactor {
		flags |= hasSecondFactor
	}
	if s.Remembered {
		flags |= isRemembered
	}
	b = append(b, flags)
	b = append(b, s.ID[:]...)
	b = append(b, s.User[:]...)
	for _, t := range []time.Time{s.SignedIn, s.Seen, s.Ends} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.Unix())) //nolint:gosec // and back again
	}
	return append(b, s.Subject...)
}

var errFormat = errors.New("not a session")

// Decode reads what Encode has written.
func Decode(b []byte) (Session, error) {
	var s Session
	if len(b) < 2 || b[0] != format || b[1] > hasSecondFactor|isRemembered {
		return s, errFormat
	}
	s.SecondFactor, s.Remembered = b[1]&hasSecondFactor != 0, b[1]&isRemembered != 0
	rest := b[2:]
	if len(rest) < len(s.ID)+len(s.User)+3*8 {
		return Session{}, errFormat
	}
	rest = rest[copy(s.ID[:], rest):]
	rest = rest[copy(s.User[:], rest):]
	for _, t := range []*time.Time{&s.SignedIn, &s.Seen, &s.Ends} {
		*t = time.Unix(int64(binary.BigEndian.Uint64(rest)), 0) //nolint:gosec // as it was written
		rest = rest[8:]
	}
	s.Subject = string(rest)
	return s, nil
}

// Skew is how far the clocks of replicas may be apart.
const Skew = time.Minute

// Over reports whether s has ended at the given time: it has been idle for
// longer than idle, or reached its end. One of the future is over too.
func (s *Session) Over(now time.Time, idle time.Duration) bool {
	return !now.Before(s.Ends) ||
		!s.Remembered && now.Sub(s.Seen) > idle ||
		s.Seen.Sub(now) > Skew || s.SignedIn.Sub(now) > Skew
}
