// Package password knows names and passwords as they are compared, the hashes
// in which passwords are stored, and how much hashing there may be at a time.
package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Longest is the most bytes of a name or a password.
const Longest = 1024

// CanonicalName returns a user name as it is compared: UTF-8 in the
// normalisation form C, case preserved (RFC 7617 §2.1, RFC 8265 §3.4). It is
// empty if s cannot be a name.
func CanonicalName(s string) string {
	if len(s) > Longest || !printable(s) || strings.Contains(s, ":") || strings.HasPrefix(s, "#") {
		return ""
	}
	return norm.NFC.String(s)
}

// Canonical returns a password as it is hashed: UTF-8 in the normalisation form
// C, every kind of space as U+0020 (RFC 8265 §4.2). It is nil if s cannot be a
// password.
func Canonical(s string) []byte {
	if len(s) > Longest || !printable(s) {
		return nil
	}
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, s)
	return norm.NFC.Bytes([]byte(s))
}

// printable reports whether s is UTF-8 without control characters, which
// RFC 7617 §2 does not allow.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// Account is the name under which failures are counted: however it is spelled,
// a name has one counter.
func Account(name string) string {
	return strings.ToLower(strings.TrimSpace(norm.NFKC.String(name)))
}
