package auth

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// hasOneReading reports whether every parser would take the path of u for the
// same one. Where a decision depends on the path, one that the function could
// read differently is refused; cleaning it would be one reading more.
func hasOneReading(u *url.URL) bool {
	p := u.Path
	if p == "" || p[0] != '/' || !utf8.ValidString(p) {
		return false
	}
	segment := 1 // where it begins
	for i := 1; i < len(p); i++ {
		switch c := p[i]; {
		case c == '/':
			if !plainSegment(p[segment:i]) {
				return false
			}
			segment = i + 1
		case c < ' ', c == 0x7f, c == '\\', c == ';', c == '#', c == '?':
			return false
		case c == '%' && i+2 < len(p) && isHex(p[i+1]) && isHex(p[i+2]):
			return false // escaped twice
		}
	}
	if last := p[segment:]; last != "" && !plainSegment(last) {
		return false
	}
	return u.RawPath == "" || !hasEscapedSyntax(u.RawPath)
}

// plainSegment reports whether a segment is not empty and does not end in a
// dot or a space, which some file systems take away: "", ".", "..", "x..".
func plainSegment(s string) bool {
	return s != "" && s[len(s)-1] != '.' && s[len(s)-1] != ' '
}

// hasEscapedSyntax reports whether raw has "%2f" or "%2e": once decoded they
// can't be told from the characters that structure a path. (The others that
// matter are found in the decoded path.)
func hasEscapedSyntax(raw string) bool {
	for {
		i := strings.IndexByte(raw, '%')
		if i < 0 || i+2 >= len(raw) {
			return false
		}
		if raw[i+1] == '2' {
			if c := raw[i+2] | 0x20; c == 'f' || c == 'e' {
				return true
			}
		}
		raw = raw[i+1:]
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// loosely is the path as a lenient router takes it: without regard to case and
// to a slash at the end.
func loosely(path string) string {
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return fold(path)
}

// fold is s without regard to case. By way of capitals, for some small letters
// share theirs: U+017F has that of s.
func fold(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' || s[i] >= utf8.RuneSelf {
			return strings.ToLower(strings.ToUpper(s))
		}
	}
	return s
}
