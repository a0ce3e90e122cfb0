package totp

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"unicode"
)

// alphabet is Crockford's, in which no letter looks like a digit.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// A recovery code has 120 bits, in groups of four characters. From 112 bits on
// a plain digest is enough to keep it (OWASP ASVS 6.5.2).
const (
	recoveryBytes = 15
	recoveryGroup = 4
)

// NewRecoveryCode makes a code that stands in once for one of the app.
func NewRecoveryCode() string {
	b := make([]byte, recoveryBytes)
	_, _ = rand.Read(b) // never fails
	text := base32.NewEncoding(alphabet).WithPadding(base32.NoPadding).EncodeToString(b)
	var groups []string
	for ; len(text) > 0; text = text[recoveryGroup:] {
		groups = append(groups, text[:recoveryGroup])
	}
	return strings.Join(groups, "-")
}

// RecoveryDigest returns what is kept of a recovery code, and compared. It is
// the same in whatever case, with and without spaces and dashes, and if O was
// taken for 0, or I or L for 1.
func RecoveryDigest(code string) [sha256.Size]byte {
	plain := strings.Map(func(r rune) rune {
		switch r = unicode.ToUpper(r); {
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r):
			return -1
		case r == 'O':
			return '0'
		case r == 'I', r == 'L':
			return '1'
		}
		return r
	}, code)
	return sha256.Sum256([]byte(plain))
}
