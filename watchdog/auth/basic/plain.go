package basic

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"

	"auth-watchdog/watchdog/internal/password"
)

// plain is a password that its owner, OpenFaaS, keeps in plain text. Only its
// digest is held.
type plain struct {
	sum   [sha256.Size]byte
	short bool
}

func newPlain(password []byte) plain {
	return plain{sha256.Sum256(password), len(password) < 12}
}

func (h plain) Matches(password []byte) bool {
	sum := sha256.Sum256(password)
	return subtle.ConstantTimeCompare(sum[:], h.sum[:]) == 1
}

func (plain) Memory() int64          { return 0 }
func (h plain) Text() string         { return string(h.sum[:]) }
func (h plain) Decoy() password.Hash { return plain{sum: [sha256.Size]byte(randomBytes(sha256.Size))} }

func (h plain) Weakness() string {
	if h.short {
		return "it is shorter than 12 characters"
	}
	return ""
}

// CheckFloor implements [password.Hash].
func (plain) CheckFloor() error { return errors.New("is kept in plain text") }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
