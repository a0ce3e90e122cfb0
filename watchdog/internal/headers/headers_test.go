package headers

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

var set = New(
	[]string{"x-auth-subject", "x-auth-scopes", "forwarded", "x-2", strings.Repeat("n", 64)},
	[]string{"x-forwarded-", "cf-"},
)

func TestHasKnowsANameInEverySpelling(t *testing.T) {
	for _, tt := range []struct {
		name string
		want bool
	}{
		{"x-auth-subject", true},
		{"X-Auth-Subject", true},
		{"X-AUTH-SUBJECT", true},
		{"X-AUTH-Subject", true},
		{"X_Auth_Subject", true},
		{"x_auth-subject", true},
		{"x.auth.subject", true},
		{"x auth subject", true},
		{"x~auth!subject", true},
		{"X:Auth/Subject", true},
		{"X\x00Auth\xffSubject", true},
		{"X-Auth-Scopes", true},
		{"Forwarded", true},
		{"X-2", true},

		{"", false},
		{"-", false},
		{"X", false},
		{"X-Auth", false},
		{"X-Auth-", false},
		{"X-Auth-Subjec", false},
		{"X-Auth-Subjects", false},
		{"X-Auth-Subject-", false},
		{"-X-Auth-Subject", false},
		{"X--Auth-Subject", false},
		{"XAuthSubject", false},
		{"X-Auth\u2010Subject", false}, // three bytes are three characters to CGI
		{"X-Auth0Subject", false},
		{"Y-Auth-Subject", false},
		{"X-3", false},
		{"Ｘ-Auth-Subject", false},
		{"Forwarded-For", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := set.Has(tt.name); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestHasKnowsAllThatBeginWithAPrefix(t *testing.T) {
	for _, tt := range []struct {
		name string
		want bool
	}{
		{"X-Forwarded-For", true},
		{"x-forwarded-for", true},
		{"X_Forwarded_For", true},
		{"X.FORWARDED.Proto", true},
		{"X-Forwarded-", true},
		{"X_Forwarded_", true},
		{"X-Forwarded--", true},
		{"X-Forwarded-For-Ever-And-A-Day", true},
		{"CF-Connecting-IP", true},
		{"cf_", true},

		{"X-Forwarded", false},
		{"X-ForwardedFor", false},
		{"X-Forwarde-For", false},
		{"XX-Forwarded-For", false},
		{"A-X-Forwarded-For", false},
		{"CF", false},
		{"CFX-A", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := set.Has(tt.name); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestHasOfLongNames(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		want         bool
	}{
		{"the longest of the set", strings.Repeat("n", 64), true},
		{"the longest of the set in capitals", strings.Repeat("N", 64), true},
		{"longer by a byte", strings.Repeat("n", 65), false},
		{"shorter by a byte", strings.Repeat("n", 63), false},
		{"much longer", strings.Repeat("n", 1<<20), false},
		{"name of the set with something long behind", "X-Auth-Subject" + strings.Repeat("-", 100), false},
		{"prefix with something long behind", "X-Forwarded-" + strings.Repeat("n", 1<<20), true},
		{"prefix of 64 bytes in all", "X-Forwarded-" + strings.Repeat("n", 52), true},
		{"prefix of 65 bytes in all", "X-Forwarded-" + strings.Repeat("n", 53), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := set.Has(tt.header); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestAnEmptySetHasNothing(t *testing.T) {
	for _, s := range []*Set{New(), New(nil, []string{})} {
		for _, name := range []string{"", "-", "X", "X-Forwarded-For"} {
			if s.Has(name) {
				t.Errorf("%q: got true, want false", name)
			}
		}
	}
}

func TestRemoveTakesEverySpellingAndKeepsWhatIsToBeKept(t *testing.T) {
	all := []string{
		"Accept", "Forwarded", "X-Auth", "X-Auth-Scopes", "X-Auth-Subject", "X-Forwarded-For", "X-Forwarded-Proto", "X_Auth_Subject", "X_forwarded_for",
		"x-auth-subject",
	}
	for _, tt := range []struct {
		name string
		keep map[string]bool
		want []string
	}{
		{"nothing is kept", nil, []string{"Accept", "X-Auth"}},
		{"a name is kept", map[string]bool{"X-Auth-Subject": true}, []string{"Accept", "X-Auth", "X-Auth-Subject"}},
		{"one of a prefix is kept", map[string]bool{"X-Forwarded-For": true}, []string{"Accept", "X-Auth", "X-Forwarded-For"}},
		{"one that is said not to be kept", map[string]bool{"X-Auth-Subject": false}, []string{"Accept", "X-Auth"}},
		{"one that is not there or not in the set", map[string]bool{"X-2": true, "Accept": true}, []string{"Accept", "X-Auth"}},
		{
			"several are kept",
			map[string]bool{"X-Auth-Subject": true, "X-Auth-Scopes": true, "Forwarded": true},
			[]string{"Accept", "Forwarded", "X-Auth", "X-Auth-Scopes", "X-Auth-Subject"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			for _, name := range all {
				h[name] = []string{"1", "2"}
			}
			set.Remove(h, tt.keep)
			if got := slices.Sorted(maps.Keys(h)); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for name, values := range h {
				if want := []string{"1", "2"}; !slices.Equal(values, want) {
					t.Errorf("%s: got %q, want %q", name, values, want)
				}
			}
		})
	}
}

func isLetterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// FuzzHasDoesNotDependOnTheSpelling: names that differ in the case of letters
// and in what stands between words are one name to CGI.
func FuzzHasDoesNotDependOnTheSpelling(f *testing.F) {
	for _, name := range []string{
		"X-Auth-Subject", "x_auth_subject", "X-Forwarded-For", "cf.x", "Accept", "", "-", strings.Repeat("n", 64), strings.Repeat("n-", 40),
		"X-Forwarded-" + strings.Repeat("é", 40),
	} {
		f.Add(name, byte('_'), uint64(0x5555))
		f.Add(name, byte('.'), ^uint64(0))
	}
	f.Fuzz(func(t *testing.T, name string, separator byte, flips uint64) {
		if isLetterOrDigit(separator) {
			return
		}
		b := []byte(name)
		for i, c := range b {
			flip := flips>>(i%64)&1 == 1
			switch {
			case !isLetterOrDigit(c):
				if flip {
					b[i] = separator
				}
			case c > '9' && flip:
				b[i] = c ^ 0x20
			}
		}
		if got, want := set.Has(string(b)), set.Has(name); got != want {
			t.Errorf("%q: got %t, want %t as for %q", b, got, want, name)
		}
	})
}
