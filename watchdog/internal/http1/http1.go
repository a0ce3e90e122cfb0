// Package http1 knows how the lines of HTTP/1.1 are written (RFC 9112). It is
// strict: what it takes, [net/http] takes for the same.
package http1

import (
	"net/textproto"
	"strings"
)

// The characters of a token (RFC 9110 §5.6.2).
var tokens = func() (table [256]bool) {
	for c := range table {
		table[c] = c > ' ' && c < 0x7f && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, rune(c))
	}
	return table
}()

// IsToken reports whether s is a token, as methods and names of headers are.
func IsToken(s string) bool {
	for i := range len(s) {
		if !tokens[s[i]] {
			return false
		}
	}
	return s != ""
}

// IsValue reports whether s has only characters that a header's value may have
// (RFC 9110 §5.5, with what lies above ASCII).
func IsValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// IsTarget reports whether s ends a word of the request's first lines nowhere
// but at its end.
func IsTarget(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// CutField takes a header and its line's end off a head. The name is in its
// canonical spelling. It is not ok about what is not written as it should be.
func CutField(s string) (name, value, rest string, ok bool) {
	colon, upper, canonical := 0, true, true
	for ; colon < len(s) && s[colon] != ':'; colon++ {
		c := s[colon]
		if !tokens[c] {
			return "", "", "", false
		}
		canonical = canonical && (upper && (c < 'a' || c > 'z') || !upper && (c < 'A' || c > 'Z'))
		upper = c == '-'
	}
	end := colon + 1
	for ; end < len(s) && (s[end] >= ' ' && s[end] != 0x7f || s[end] == '\t'); end++ {
	}
	if colon == 0 || end+1 >= len(s) || s[end] != '\r' || s[end+1] != '\n' {
		return "", "", "", false
	}
	if name = s[:colon]; !canonical {
		name = textproto.CanonicalMIMEHeaderKey(name)
	}
	from, to := colon+1, end
	for from < to && (s[from] == ' ' || s[from] == '\t') {
		from++
	}
	for from < to && (s[to-1] == ' ' || s[to-1] == '\t') {
		to--
	}
	return name, s[from:to], s[end+2:], true
}

// ParseLength reads the value of a Content-Length, of 18 digits at most.
func ParseLength(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
