// Package headers knows names of headers in every spelling that a function
// could take for the same.
package headers

import (
	"net/http"
	"strings"
)

// A Set is a set of header names and of prefixes of them.
type Set struct {
	names    map[int][]string  // by length
	prefixes map[byte][]string // by first letter, with the final "-"
	first    [256]bool         // first letters, so that most headers cost one look
}

// New returns the set of the names in lists, which are in small letters with
// "-" between words. A name that ends in "-" stands for all that begin so.
func New(lists ...[]string) *Set {
	s := &Set{names: map[int][]string{}, prefixes: map[byte][]string{}}
	for _, list := range lists {
		for _, name := range list {
			if strings.HasSuffix(name, "-") {
				s.prefixes[name[0]] = append(s.prefixes[name[0]], name)
			} else {
				s.names[len(name)] = append(s.names[len(name)], name)
			}
			s.first[name[0]] = true
		}
	}
	return s
}

// Fold returns a name as Sets have it.
func Fold(name string) string {
	b := []byte(name)
	for i, c := range b {
		b[i] = foldByte(c)
	}
	return string(b)
}

// Has reports whether name, in whatever spelling, is in the set. CGI, WSGI and
// their kin read every character that is not a letter or a digit as the same,
// so the caller's X_Auth_Subject is the function's X-Auth-Subject.
func (s *Set) Has(name string) bool {
	if name == "" || !s.first[foldByte(name[0])] {
		return false
	}
	for _, prefix := range s.prefixes[foldByte(name[0])] {
		if len(name) >= len(prefix) && folds(name[:len(prefix)], prefix) {
			return true
		}
	}
	for _, n := range s.names[len(name)] {
		if folds(name, n) {
			return true
		}
	}
	return false
}

// folds reports whether Fold(name) is folded, which is as long.
func folds(name, folded string) bool {
	for i := range len(folded) {
		if foldByte(name[i]) != folded[i] {
			return false
		}
	}
	return true
}

func foldByte(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	}
	return '-'
}

// Remove deletes the headers of the set from h, except those named in keep.
func (s *Set) Remove(h http.Header, keep map[string]bool) {
	for name := range h {
		if s.Has(name) && !keep[name] {
			delete(h, name)
		}
	}
}
