package password

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"auth-watchdog/watchdog/secret"
)

// A Hash is the stored form of a password.
type Hash interface {
	// Matches reports whether password, which is canonical, is the one. It
	// costs the same whatever the password.
	Matches(password []byte) bool

	// Memory is what Matches takes, in bytes.
	Memory() int64

	// Decoy returns a hash of the same cost that no password matches.
	Decoy() Hash

	// Text is the stored form, by which a verdict on it is remembered.
	Text() string

	// Weakness says what is weak about it; empty if nothing is.
	Weakness() string

	// CheckFloor says why people must not sign in with it; nil if they may. It
	// is stricter than Weakness, which is advice.
	CheckFloor() error
}

// Parse reads a stored password. The error never repeats it.
func Parse(s string) (Hash, error) {
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
	maxArgonMemory = HashingMemory >> 10 // KiB
	maxArgonTime   = 32
	maxArgonLanes  = 16
	maxBcryptCost  = 14
)

type argon2id struct {
	m, t      uint32 // KiB, passes
	p         uint8  // lanes
	salt, sum secret.Value
	stored    secret.Value // nothing of a decoy
}

// parseArgon2id reads the PHC string format.
func parseArgon2id(s string) (Hash, error) {
	h := argon2id{stored: secret.New([]byte(s))}
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
	salt, errSalt := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	sum, errSum := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if errSalt != nil || errSum != nil || len(salt) < 8 || len(salt) > 64 || len(sum) < 16 || len(sum) > 64 {
		return nil, errors.New("argon2id: salt and hash are 8 to 64 and 16 to 64 bytes in base64 without =")
	}
	h.salt, h.sum = secret.New(salt), secret.New(sum)
	return h, nil
}

func (h argon2id) Matches(password []byte) bool {
	want := h.sum.Reveal()
	sum := argon2.IDKey(password, h.salt.Reveal(), h.t, h.m, h.p, uint32(len(want))) //nolint:gosec // 16 to 64
	return subtle.ConstantTimeCompare(sum, want) == 1
}

func (h argon2id) Memory() int64 { return int64(h.m) << 10 }
func (h argon2id) Text() string  { return string(h.stored.Reveal()) }

func (h argon2id) Decoy() Hash {
	h.salt, h.sum = random(len(h.salt.Reveal())), random(len(h.sum.Reveal()))
	h.stored = secret.Value{}
	return h
}

// Weakness measures roughly by OWASP's least recommended parameters.
func (h argon2id) Weakness() string {
	if uint64(h.m)*uint64(h.t) < 7168*5 {
		return "its argon2id parameters are below m=7168,t=5,p=1 or the like"
	}
	return ""
}

// CheckFloor measures by OWASP's least recommended parameters, each of which
// is as good as the others.
func (h argon2id) CheckFloor() error {
	for _, least := range [...]struct{ m, t uint32 }{{47104, 1}, {19456, 2}, {12288, 3}, {9216, 4}, {7168, 5}} {
		if h.m >= least.m && h.t >= least.t {
			return nil
		}
	}
	return errors.New("its argon2id parameters are too low: want at least m=19456,t=2,p=1, or m=47104,t=1, m=12288,t=3, m=9216,t=4 or m=7168,t=5")
}

// New returns the argon2id hash of a password as it is stored, with a new
// salt and the parameters that OWASP recommends for 19 MiB.
func New(password string) (string, error) {
	p := Canonical(password)
	if p == nil {
		return "", errors.New("want a password in UTF-8 without control characters, of at most 1024 bytes")
	}
	const m, t, lanes = 19456, 2, 1
	salt := randomBytes(16)
	sum := argon2.IDKey(p, salt, t, m, lanes, 32)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, m, t, lanes, b64.EncodeToString(salt), b64.EncodeToString(sum)), nil
}

type bcryptHash struct {
	stored secret.Value
	cost   int
}

func parseBcrypt(s string) (Hash, error) {
	cost, err := bcrypt.Cost([]byte(s))
	if err != nil || len(s) != 60 {
		return nil, errors.New("bcrypt: want 60 characters, $2b$10$…")
	}
	if cost > maxBcryptCost {
		return nil, fmt.Errorf("bcrypt: want a cost of at most %d", maxBcryptCost)
	}
	return bcryptHash{secret.New([]byte(s)), cost}, nil
}

func (h bcryptHash) Matches(password []byte) bool {
	// bcrypt looks at no more than 72 bytes: longer passwords that begin alike
	// would be one.
	const most = 72
	err := bcrypt.CompareHashAndPassword(h.stored.Reveal(), password[:min(len(password), most)])
	return err == nil && len(password) <= most
}

func (bcryptHash) Memory() int64 { return 8 << 10 }

func (h bcryptHash) Text() string { return string(h.stored.Reveal()) }

func (h bcryptHash) Decoy() Hash {
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	stored := bytes.Clone(h.stored.Reveal())
	for i, b := range randomBytes(len(stored)) {
		if i >= len("$2b$10$") {
			stored[i] = alphabet[b%64]
		}
	}
	return bcryptHash{secret.New(stored), h.cost}
}

const leastBcryptCost = 10

func (h bcryptHash) Weakness() string {
	if h.cost < leastBcryptCost {
		return fmt.Sprintf("its bcrypt cost is %d, and should be %d or more", h.cost, leastBcryptCost)
	}
	return ""
}

func (h bcryptHash) CheckFloor() error {
	if h.cost < leastBcryptCost {
		return fmt.Errorf("its bcrypt cost is %d: want at least %d", h.cost, leastBcryptCost)
	}
	return nil
}

func random(n int) secret.Value { return secret.New(randomBytes(n)) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
