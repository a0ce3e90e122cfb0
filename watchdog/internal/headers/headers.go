// Package headers knows names of headers in every spelling that a function
// could take for the same.
package headers

import (
	"net/http"
	"slices"
	"strings"
)

// A Set is a set of header names and of prefixes of them.
type Set struct {
	names    [][]string    // by length
	prefixes [256][]string // by mark, with the final "-"
	marks    [256]bool     // of all of these, so that most headers cost one look
}

// mark is the letter of a name that tells most about it: the third, as many
// begin with "x-", or the last one of a shorter name.
func mark(name string) byte { return folded[name[min(2, len(name)-1)]] }

// New returns the set of the names in lists, which are in small letters with
// "-" between words. A name that ends in "-" stands for all that begin so, if it has
// three letters at least.
func New(lists ...[]string) *Set {
	s := &Set{}
	for _, list := range lists {
		for _, name := range list {
			m := mark(name)
			s.marks[m] = true
			if strings.HasSuffix(name, "-") {
				s.prefixes[m] = append(s.prefixes[m], name)
			} else {
				s.names = slices.Grow(s.names, len(name)+1)[:max(len(s.names), len(name)+1)]
				s.names[len(name)] = append(s.names[len(name)], name)
			}
		}
	}
	return s
}

// Fold returns a name as Sets have it.
func Fold(name string) string {
	b := []byte(name)
	for i, c := range b {
		b[i] = folded[c]
	}
	return string(b)
}

// Has reports whether name, in whatever spelling, is in the set. CGI, WSGI and
// their kin read every character that is not a letter or a digit as the same,
// so the caller's X_Auth_Subject is the function's X-Auth-Subject.
func (s *Set) Has(name string) bool {
	if name == "" {
		return false
	}
	m := mark(name)
	if !s.marks[m] {
		return false
	}
	for _, prefix := range s.prefixes[m] {
		if len(name) >= len(prefix) && folds(name, prefix) {
			return true
		}
	}
	if len(name) < len(s.names) {
		for _, n := range s.names[len(name)] {
			if folds(name, n) {
				return true
			}
		}
	}
	return false
}

// folds reports whether name begins, in any spelling, with what is folded.
func folds(name, with string) bool {
	name = name[:len(with)]
	for i := range len(with) {
		if folded[name[i]] != with[i] {
			return false
		}
	}
	return true
}

// folded has each byte as Sets have it.
var folded = func() (table [256]byte) {
	for i := range table {
		switch c := byte(i); {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			table[i] = c
		case 'A' <= c && c <= 'Z':
			table[i] = c + 'a' - 'A'
		default:
			table[i] = '-'
		}
	}
	return table
}()

// Remove deletes the headers of the set from h, except those named in keep.
func (s *Set) Remove(h http.Header, keep map[string]bool) {
	for name := range h {
		if s.Has(name) && !keep[name] {
			delete(h, name)
		}
	}
}
