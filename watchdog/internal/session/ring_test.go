package session

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"auth-watchdog/watchdog/secret"
)

func ringOf(t testing.TB, lines ...string) *Ring {
	t.Helper()
	r, err := ParseRing(secret.New([]byte(strings.Join(lines, "\n") + "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatIsSealedOpensForItsPurposeOnly(t *testing.T) {
	a, b := NewKey(), NewKey()
	r := ringOf(t, a)
	sealed, err := r.Seal([]byte("purpose"), []byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		ring    *Ring
		purpose string
		ok      bool
		newest  bool
	}{
		{"same", r, "purpose", true, true},
		{"another purpose", r, "Purpose", false, false},
		{"no purpose", r, "", false, false},
		{"a second reading of the key", ringOf(t, a), "purpose", true, true},
		{"a newer key first", ringOf(t, b, a), "purpose", true, false},
		{"the key is gone", ringOf(t, b), "purpose", false, false},
		{"no keys", &Ring{}, "purpose", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, newest, err := tt.ring.Open([]byte(tt.purpose), sealed)
			if (err == nil) != tt.ok || newest != tt.newest || tt.ok && string(text) != "text" {
				t.Errorf("got %q, %t, %v", text, newest, err)
			}
		})
	}
	if _, err := (&Ring{}).Seal([]byte("purpose"), nil); err == nil {
		t.Error("a ring without keys has sealed")
	}
	if again, _ := r.Seal([]byte("purpose"), []byte("text")); again == sealed {
		t.Error("the same text was sealed twice in the same way")
	}
}

// C3: of a cookie, no bit can be another.
func TestC3NoBitOfWhatIsSealedCanChange(t *testing.T) {
	r := ringOf(t, NewKey())
	sealed, err := r.Seal([]byte("p"), []byte("some text, of whatever length"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(sealed) {
		for bit := range 8 {
			b := []byte(sealed)
			b[i] ^= 1 << bit
			if _, _, err := r.Open([]byte("p"), string(b)); err == nil {
				t.Errorf("opens with bit %d of byte %d turned: %q", bit, i, b)
			}
		}
	}
	for _, s := range []string{"", ".", "v1", "v1.", "v1..", sealed + "A", sealed + "=", sealed + "\n", sealed[:len(sealed)-1], " " + sealed, strings.ToUpper(sealed)} {
		if _, _, err := r.Open([]byte("p"), s); err == nil {
			t.Errorf("opens: %q", s)
		}
	}
}

func TestKeysThatAreNone(t *testing.T) {
	good := NewKey()
	for _, tt := range []struct{ name, file, want string }{
		{"empty line only", "# none\n\n", "has no key"},
		{"text", "correct horse battery staple", "line 1: want 32 random bytes"},
		{"text in base64", base64.StdEncoding.EncodeToString([]byte("0123456789abcdefghijklmnopqrstuv")), "line 1: is text"},
		{"zeros", base64.StdEncoding.EncodeToString(make([]byte, 32)), "line 1: is text"},
		{"16 bytes", good[:22] + "==", "line 1: want 32"},
		{"URL alphabet", strings.Repeat("-_", 21) + "A=", "line 1: want 32"},
		{"twice", good + "\n" + good, "line 2: is there twice"},
		{"one bad line among good", good + "\nx\n", "line 2: want 32"},
		{"too many", manyKeys(maxKeys + 1), "is the most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ParseRing(secret.New([]byte(tt.file)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if r != nil {
				t.Error("there is a ring all the same")
			}
			for line := range strings.Lines(tt.file) {
				if l := strings.TrimSpace(line); len(l) > 1 && l[0] != '#' && strings.Contains(err.Error(), l) {
					t.Errorf("the error repeats the key: %v", err)
				}
			}
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(NewKey() + "\n")
	}
	return b.String()
}

func TestARingDoesNotPrintItsKeys(t *testing.T) {
	line := NewKey()
	raw, _ := base64.StdEncoding.DecodeString(line)
	r := ringOf(t, line)
	printed := fmt.Sprintf("%v %+v %#v", r, *r, r) + fmt.Sprint(any(r), r.keys)
	for _, form := range []string{line, string(raw), fmt.Sprintf("%x", raw), strings.Trim(fmt.Sprintf("%d", raw), "[]")} {
		if strings.Contains(printed, form) {
			t.Errorf("the key stands in %q", printed)
		}
	}
}

func TestSessionsComeBackAsTheyWere(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	for _, s := range []Session{
		{},
		{Subject: "alice", ID: NewID(), User: [16]byte{1, 15: 2}, SignedIn: at, Seen: at.Add(time.Minute), Ends: at.Add(12 * time.Hour)},
		{Subject: "ålice@example.com", SecondFactor: true, SignedIn: at, Seen: at, Ends: at},
		{Subject: strings.Repeat("x", 1024), Remembered: true, SecondFactor: true},
	} {
		got, err := Decode(s.Encode())
		same := cmp.Comparer(func(a, b time.Time) bool { return a.Unix() == b.Unix() })
		if diff := cmp.Diff(s, got, same); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
}

// C5: idle and absolute ends, and clocks that differ.
func TestC5SessionsEnd(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	const idle = time.Hour
	s := Session{SignedIn: at, Seen: at, Ends: at.Add(12 * time.Hour)}
	remembered := s
	remembered.Remembered = true
	used := s
	used.Seen = at.Add(12*time.Hour - time.Second)
	for _, tt := range []struct {
		name  string
		s     Session
		after time.Duration
		over  bool
	}{
		{"at once", s, 0, false},
		{"idle to the second", s, idle, false},
		{"idle for too long", s, idle + time.Second, true},
		{"remembered, idle", remembered, 11 * time.Hour, false},
		{"remembered, at its end", remembered, 12 * time.Hour, true},
		{"used until its end", used, 12*time.Hour - time.Second, false},
		{"used beyond its end", used, 12 * time.Hour, true},
		{"a clock that is a minute behind", s, -Skew, false},
		{"a clock that is further behind", s, -Skew - time.Second, true},
		{"zero", Session{}, 0, true},
	} {
		if got := tt.s.Over(at.Add(tt.after), idle); got != tt.over {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.over)
		}
	}
}

// FuzzOpen finds nothing that opens and was not sealed.
func FuzzOpen(f *testing.F) {
	r := ringOf(f, NewKey())
	sealed, err := r.Seal([]byte("p"), (&Session{Subject: "alice"}).Encode())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add("v1.00000000.AAAA")
	f.Add(sealed[:len(sealed)-4])
	f.Fuzz(func(t *testing.T, s string) {
		if _, _, err := r.Open([]byte("p"), s); err == nil && s != sealed {
			t.Errorf("opens: %q", s)
		}
	})
}

// FuzzDecode finds nothing that reads as a session and is not written so.
func FuzzDecode(f *testing.F) {
	f.Add((&Session{Subject: "alice", SecondFactor: true}).Encode())
	f.Add([]byte{format, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err == nil && string(s.Encode()) != string(b) {
			t.Errorf("%x is read as %+v", b, s)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := ringOf(b, NewKey())
	sealed, err := r.Seal([]byte("purpose"), (&Session{Subject: "alice"}).Encode())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	purpose := []byte("purpose")
	for b.Loop() {
		text, _, err := r.Open(purpose, sealed)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}
