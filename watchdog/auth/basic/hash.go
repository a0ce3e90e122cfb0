package basic

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// A hash is the stored form of a password.
type hash interface {
	// matches reports whether password is the one. It costs the same whatever
	// the password.
	matches(password []byte) bool

	// memory is what matches takes, in bytes.
	memory() int64

	// decoy returns a hash of the same cost that no password matches.
	decoy() hash

	// text is the stored form, by which a verdict on it is remembered.
	text() string

	// weakness says what is weak about it; empty if nothing is.
	weakness() string
}

// parseHash reads a stored password. The error never repeats it.
func parseHash(s string) (hash, error) {
	switch {
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon2id(s)
	case strings.HasPrefix(s, "$2a$"), strings.HasPrefix(s, "$2b$"), strings.HasPrefix(s, "$2y$"):
		return parseBcrypt(s)
	}
	return nil, errors.New("want an argon2id or bcrypt hash, which auth-watchdog user add makes; " +
		"plain text, MD5, SHA-1 and crypt are not taken")
}

// Bounds of what is taken from a file: a hash that costs more than these would
// let whoever knows a user's name stop the process.
const (
	maxArgonMemory = hashingMemory >> 10 // KiB
	maxArgonTime   = 32
	maxArgonLanes  = 16
	maxBcryptCost  = 14
)

type argon2id struct {
	m, t      uint32 // KiB, passes
	p         uint8  // lanes
	salt, sum []byte
	stored    string
}

// parseArgon2id reads the PHC string format.
func parseArgon2id(s string) (hash, error) {
	h := argon2id{stored: s}
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[2] != "v=19" {
		return nil, errors.New("want $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.m, &h.t, &h.p); err != nil || n != 3 ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", h.m, h.t, h.p) {
		return nil, errors.New("want $argon2id$v=19$m=…,t=…,p=…$salt$hash")
	}
	switch {
	case h.m < 8*uint32(h.p) || h.t == 0 || h.p == 0:
		return nil, errors.New("argon2id: m is below 8 times p, or t or p is 0")
	case h.m > maxArgonMemory || h.t > maxArgonTime || h.p > maxArgonLanes:
		return nil, fmt.Errorf("argon2id: want m of at most %d, t of at most %d and p of at most %d", maxArgonMemory, maxArgonTime, maxArgonLanes)
	}
	var errSalt, errSum error
	h.salt, errSalt = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.sum, errSum = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if errSalt != nil || errSum != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.sum) < 16 || len(h.sum) > 64 {
		return nil, errors.New("argon2id: salt and hash are 8 to 64 and 16 to 64 bytes in base64 without =")
	}
	return h, nil
}

func (h argon2id) matches(password []byte) bool {
	sum := argon2.IDKey(password, h.salt, h.t, h.m, h.p, uint32(len(h.sum))) //nolint:gosec // 16 to 64
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}

func (h argon2id) memory() int64 { return int64(h.m) << 10 }
func (h argon2id) text() string  { return h.stored }

func (h argon2id) decoy() hash {
	h.salt, h.sum = randomBytes(len(h.salt)), randomBytes(len(h.sum))
	h.stored = ""
	return h
}

// weakness measures by OWASP's least recommended parameters.
func (h argon2id) weakness() string {
	if uint64(h.m)*uint64(h.t) < 7168*5 {
		return "its argon2id parameters are below m=7168,t=5,p=1 or the like"
	}
	return ""
}

// newHash returns the argon2id hash of a password as it is stored, with a new
// salt and the parameters that OWASP recommends for 19 MiB.
func newHash(password string) (string, error) {
	p := canonicalPassword(password)
	if p == nil {
		return "", errors.New("want a password in UTF-8 without control characters, of at most 1024 bytes")
	}
	h := argon2id{m: 19456, t: 2, p: 1, salt: randomBytes(16)}
	h.sum = argon2.IDKey(p, h.salt, h.t, h.m, h.p, 32)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, h.m, h.t, h.p, b64.EncodeToString(h.salt), b64.EncodeToString(h.sum)), nil
}

type bcryptHash struct {
	stored []byte
	cost   int
}

func parseBcrypt(s string) (hash, error) {
	cost, err := bcrypt.Cost([]byte(s))
	if err != nil || len(s) != 60 {
		return nil, errors.New("bcrypt: want 60 characters, $2b$10$…")
	}
	if cost > maxBcryptCost {
		return nil, fmt.Errorf("bcrypt: want a cost of at most %d", maxBcryptCost)
	}
	return bcryptHash{[]byte(s), cost}, nil
}

func (h bcryptHash) matches(password []byte) bool {
	// bcrypt looks at no more than 72 bytes: longer passwords that begin alike
	// would be one.
	const most = 72
	err := bcrypt.CompareHashAndPassword(h.stored, password[:min(len(password), most)])
	return err == nil && len(password) <= most
}

func (bcryptHash) memory() int64 { return 8 << 10 }

func (h bcryptHash) text() string { return string(h.stored) }

func (h bcryptHash) decoy() hash {
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	stored := bytes.Clone(h.stored)
	for i, b := range randomBytes(len(stored)) {
		if i >= len("$2b$10$") {
			stored[i] = alphabet[b%64]
		}
	}
	return bcryptHash{stored, h.cost}
}

func (h bcryptHash) weakness() string {
	if h.cost < 10 {
		return fmt.Sprintf("its bcrypt cost is %d, and should be 10 or more", h.cost)
	}
	return ""
}

// plain is a password that its owner, OpenFaaS, keeps in plain text. Only its
// digest is held.
type plain struct {
	sum   [sha256.Size]byte
	short bool
}

func newPlain(password []byte) plain {
	return plain{sha256.Sum256(password), len(password) < 12}
}

func (h plain) matches(password []byte) bool {
	sum := sha256.Sum256(password)
	return subtle.ConstantTimeCompare(sum[:], h.sum[:]) == 1
}

func (plain) memory() int64  { return 0 }
func (h plain) text() string { return string(h.sum[:]) }
func (h plain) decoy() hash  { return plain{sum: [sha256.Size]byte(randomBytes(sha256.Size))} }

func (h plain) weakness() string {
	if h.short {
		return "it is shorter than 12 characters"
	}
	return ""
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
