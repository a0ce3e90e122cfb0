package login

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzStripCookies finds no Cookie line of which a function would get a cookie
// of ours, or not all of its own.
func FuzzStripCookies(f *testing.F) {
	for _, line := range []string{
		"", "a=1", sessionName + "=x", "a=1; " + sessionName + "=x; b=2", sessionName, " \t" + sessionName + " = x ;;", "a=\"" + sessionName + "=x\"", "__host-http-aw-hook=x", cookiePrefix + "=;" + cookiePrefix,
		"\n" + cookiePrefix, "a=1;\r" + sessionName + "=x", "a=1;\u00a0" + sessionName + "=x",
	} {
		f.Add(line, line)
	}
	parts := func(lines []string) (ours, others []string) {
		for _, line := range lines {
			for pair := range strings.SplitSeq(line, ";") {
				switch pair = strings.Trim(pair, " \t"); {
				case strings.HasPrefix(strings.TrimSpace(pair), cookiePrefix):
					ours = append(ours, pair)
				case pair != "":
					others = append(others, pair)
				}
			}
		}
		return ours, others
	}
	f.Fuzz(func(t *testing.T, line, second string) {
		for _, lines := range [][]string{{line}, {line, second}} {
			h := http.Header{"Cookie": slices.Clone(lines)}
			_, want := parts(lines)
			StripCookies(h)
			left, got := parts(h["Cookie"])
			if len(left) > 0 || !slices.Equal(got, want) {
				t.Fatalf("%q: left %q and %q, want %q", lines, left, got, want)
			}
			if !strings.Contains(line+second, cookiePrefix) && !slices.Equal(h["Cookie"], lines) {
				t.Fatalf("%q has none of ours and became %q", lines, h["Cookie"])
			}
			if _, err := cookieValue(h, sessionName); err != errNone { //nolint:errorlint // it is that one
				t.Fatalf("%q: there is a session in %q", lines, h["Cookie"])
			}
			for _, c := range (&http.Request{Header: h}).Cookies() {
				if strings.HasPrefix(c.Name, cookiePrefix) {
					t.Fatalf("%q: a function finds %s", lines, c.Name)
				}
			}
		}
	})
}
