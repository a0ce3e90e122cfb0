package totp

import (
	"bytes"
	"crypto/sha256"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// seed is that of RFC 6238 appendix B.
var seed = []byte("12345678901234567890")

// TestVectors takes the column for SHA-1 of RFC 6238 appendix B: codes of eight
// digits, of which six are the last.
func TestVectors(t *testing.T) {
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		now := time.Unix(at, 0)
		if got := codeOf(seed, stepOf(now), 8); got != want {
			t.Errorf("at %d: got %s, want %s", at, got, want)
		}
		if got := Code(seed, now); got != want[2:] {
			t.Errorf("at %d: got %s, want %s", at, got, want[2:])
		}
		if step, ok := Match(seed, want[2:], now); !ok || step != uint64(at/30) {
			t.Errorf("at %d: got step %d, %t, want %d", at, step, ok, at/30)
		}
	}
	// RFC 4226 appendix D.
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := codeOf(seed, uint64(step), 6); got != want {
			t.Errorf("step %d: got %s, want %s", step, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	now := time.Unix(1_800_000_000, 0) // where a step begins
	at := stepOf(now)
	for _, tt := range []struct {
		name, code string
		now        time.Time
		step       uint64
		ok         bool
	}{
		{"now", codeOf(seed, at, 6), now, at, true},
		{"to the end of its step", codeOf(seed, at, 6), now.Add(30*time.Second - 1), at, true},
		{"one step late", codeOf(seed, at, 6), now.Add(30 * time.Second), at, true},
		{"to the end of the next step", codeOf(seed, at, 6), now.Add(60*time.Second - 1), at, true},
		{"two steps late", codeOf(seed, at, 6), now.Add(60 * time.Second), 0, false},
		{"one step early", codeOf(seed, at, 6), now.Add(-30 * time.Second), at, true},
		{"two steps early", codeOf(seed, at, 6), now.Add(-30*time.Second - 1), 0, false},
		{"nothing", "", now, 0, false},
		{"five digits", codeOf(seed, at, 6)[:5], now, 0, false},
		{"seven digits", codeOf(seed, at, 7), now, 0, false},
		{"a space", codeOf(seed, at, 6) + " ", now, 0, false},
		{"fullwidth digits", strings.Map(func(r rune) rune { return r - '0' + '０' }, codeOf(seed, at, 6)), now, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if step, ok := Match(seed, tt.code, tt.now); step != tt.step || ok != tt.ok {
				t.Errorf("got step %d, %t, want %d, %t", step, ok, tt.step, tt.ok)
			}
		})
	}
	t.Run("no seed", func(t *testing.T) {
		for _, none := range [][]byte{nil, {}, seed[:leastSeed-1]} {
			if _, ok := Match(none, codeOf(none, at, 6), now); ok {
				t.Errorf("a code of %q matches", none)
			}
		}
	})
	t.Run("before 1970", func(t *testing.T) {
		if _, ok := Match(seed, "000000", time.Time{}); ok {
			t.Error("a guess matches")
		}
	})
}

func TestSeeds(t *testing.T) {
	first, second := NewSeed(), NewSeed()
	if len(first) != 20 || bytes.Equal(first, second) {
		t.Errorf("got %x and %x, want 20 bytes each and no two the same", first, second)
	}
	text := EncodeSeed(seed)
	if want := "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"; text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	for _, good := range []string{text, strings.ToLower(text), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ", text + "======"} {
		if got, err := DecodeSeed(good); err != nil || !bytes.Equal(got, seed) {
			t.Errorf("%q: got %x, %v", good, got, err)
		}
	}
	for _, bad := range []string{
		"", "CANARY", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", strings.Repeat("A", 24), strings.Repeat("A", 104),
		text[:31] + "\n" + text[31:], strings.Repeat("A", 25) + "B", text + "=A",
	} {
		if got, err := DecodeSeed(bad); err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%q: got %x and %v, want an error that does not repeat it", bad, got, err)
		}
	}
}

func TestURI(t *testing.T) {
	for _, tt := range []struct{ issuer, name, want string }{
		{"Reports", "alice", "otpauth://totp/Reports:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Reports&algorithm=SHA1&digits=6&period=30"},
		{
			"My Co & Söhne", "a+b@example.com",
			"otpauth://totp/My%20Co%20%26%20S%C3%B6hne:a%2Bb%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=My%20Co%20%26%20S%C3%B6hne&algorithm=SHA1&digits=6&period=30",
		},
	} {
		got, err := URI(tt.issuer, tt.name, seed)
		if err != nil || got != tt.want {
			t.Errorf("got %s, %v, want %s", got, err, tt.want)
		}
		u, err := url.Parse(got)
		if err != nil || u.Path != "/"+tt.issuer+":"+tt.name || u.Query().Get("issuer") != tt.issuer {
			t.Errorf("got %v, %v, want it to be read as it was meant", u, err)
		}
	}
	for _, bad := range [][2]string{{"", "alice"}, {"Reports", ""}, {"a:b", "alice"}, {"Reports", "a:b"}} {
		if got, err := URI(bad[0], bad[1], seed); err == nil {
			t.Errorf("%q: got %s, want an error", bad, got)
		}
	}
}

func TestRecoveryCodes(t *testing.T) {
	shape := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){5}$`)
	seen := map[string]bool{}
	for range 100 {
		code := NewRecoveryCode()
		if !shape.MatchString(code) || seen[code] {
			t.Fatalf("got %q, want six groups of four, and each time others", code)
		}
		seen[code] = true
	}
	want := RecoveryDigest("01AB-CDEF-GHJK-MNPQ-RSTV-WXYZ")
	if want != sha256.Sum256([]byte("01ABCDEFGHJKMNPQRSTVWXYZ")) {
		t.Error("want the SHA-256 of the characters")
	}
	for _, same := range []string{
		"01ABCDEFGHJKMNPQRSTVWXYZ", "01ab-cdef-ghjk-mnpq-rstv-wxyz", " 01AB CDEF GHJK MNPQ RSTV WXYZ\n", "OIAB-CDEF-GHJK-MNPQ-RSTV-WXYZ",
		"olab-cdef-ghjk-mnpq-rstv-wxyz", "01AB\u2013CDEF\u2011GHJK\u2014MNPQ\u00a0RSTV\u3000WXYZ",
	} {
		if RecoveryDigest(same) != want {
			t.Errorf("%q: got another digest", same)
		}
	}
	for _, other := range []string{"", "01AB-CDEF-GHJK-MNPQ-RSTV-WXY", "01AB-CDEF-GHJK-MNPQ-RSTV-WXYZ0", "01AB.CDEF.GHJK.MNPQ.RSTV.WXYZ"} {
		if RecoveryDigest(other) == want {
			t.Errorf("%q: got the same digest", other)
		}
	}
}

// FuzzMatch: whatever is typed and whenever, only six digits ever match.
func FuzzMatch(f *testing.F) {
	f.Add("287082", int64(59))
	f.Add("+87082", int64(59))
	f.Add("081804 ", int64(1111111109))
	f.Add("", int64(-1))
	f.Add("２８７０８２", int64(59))
	six := regexp.MustCompile(`^[0-9]{6}$`)
	f.Fuzz(func(t *testing.T, code string, at int64) {
		now := time.Unix(at, 0)
		step, ok := Match(seed, code, now)
		if ok && (!six.MatchString(code) || codeOf(seed, step, 6) != code) {
			t.Errorf("%q matches at %d", code, at)
		}
		if good := Code(seed, now); six.MatchString(good) {
			if _, ok := Match(seed, good, now); !ok {
				t.Errorf("%q is the code at %d and does not match", good, at)
			}
		} else {
			t.Errorf("got the code %q at %d", good, at)
		}
	})
}

// FuzzSeed: what is taken for a seed is one, and is written in one way.
func FuzzSeed(f *testing.F) {
	f.Add(EncodeSeed(seed))
	f.Add("gezd gnbv gy3t qojq gezd gnbv gy3t qojq====")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := DecodeSeed(text)
		if err != nil {
			return
		}
		again, err := DecodeSeed(EncodeSeed(got))
		if err != nil || !bytes.Equal(got, again) || len(got) < leastSeed || len(got) > mostSeed {
			t.Errorf("%q: got %x and then %x, %v", text, got, again, err)
		}
	})
}
