package keyline

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func at(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// What is said of a line that is wrong is one of three texts, whatever the
// line: so it can tell nothing of the credential.
const (
	badScopes  = "scopes: want words of at most 64 letters, digits and . _ : - @, with commas between"
	badExpires = "expires: want a time such as 2027-01-31T00:00:00Z"
	badOption  = "has an option that is not one, or one twice: want [scopes=a,b] [expires=2027-01-31T00:00:00Z]" +
		", and a key with = in the middle as sha256: and its SHA-256 in hex"
)

func TestSplitTakesOptionsFromWords(t *testing.T) {
	const phc = "alice:$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"
	for _, tt := range []struct {
		name, line string
		words      []string
		scopes     []string
		expires    time.Time
	}{
		{name: "nothing", line: ""},
		{name: "white space", line: " \t "},
		{name: "a key", line: "awk_Zm9v", words: []string{"awk_Zm9v"}},
		{name: "a name and a key", line: "ci awk_Zm9v", words: []string{"ci", "awk_Zm9v"}},
		{name: "white space around and between", line: "  ci \t awk_Zm9v ", words: []string{"ci", "awk_Zm9v"}},
		{name: "more words than anyone wants", line: "a b c d", words: []string{"a", "b", "c", "d"}},
		{name: "one scope", line: "key scopes=read", words: []string{"key"}, scopes: []string{"read"}},
		{name: "scopes", line: "key scopes=read:items,write", words: []string{"key"}, scopes: []string{"read:items", "write"}},
		{name: "the longest scope", line: "key scopes=" + strings.Repeat("a", 64), words: []string{"key"}, scopes: []string{strings.Repeat("a", 64)}},
		{name: "expiry", line: "key expires=2027-01-31T00:00:00Z", words: []string{"key"}, expires: at(2027, 1, 31)},
		{name: "expiry elsewhere", line: "key expires=2027-01-31T02:00:00+02:00", words: []string{"key"}, expires: at(2027, 1, 31)},
		{
			name: "both", line: "ci key scopes=a,b expires=2027-01-31T00:00:00Z",
			words: []string{"ci", "key"}, scopes: []string{"a", "b"}, expires: at(2027, 1, 31),
		},
		{
			name: "both, the other way round and first", line: "expires=2027-01-31T00:00:00Z scopes=a ci key",
			words: []string{"ci", "key"}, scopes: []string{"a"}, expires: at(2027, 1, 31),
		},
		{name: "options alone", line: "scopes=a", scopes: []string{"a"}},

		{name: "a digest", line: "ci sha256:0a0b scopes=a", words: []string{"ci", "sha256:0a0b"}, scopes: []string{"a"}},
		{name: "argon2id", line: phc, words: []string{phc}},
		{name: "argon2id with options", line: phc + " scopes=a", words: []string{phc}, scopes: []string{"a"}},
		{name: "argon2id without a user", line: phc[len("alice:"):], words: []string{phc[len("alice:"):]}},
		{name: "bcrypt", line: "bob:$2y$10$abc.def/ghi=", words: []string{"bob:$2y$10$abc.def/ghi="}},
		{name: "padding of base64", line: "Zm9vYg== Zm9vYmE=", words: []string{"Zm9vYg==", "Zm9vYmE="}},
		{name: "padding of base64 behind letters only", line: "abcd= abcd== abcd===", words: []string{"abcd=", "abcd==", "abcd==="}},
		{name: "a word with a digit before =", line: "key1=value", words: []string{"key1=value"}},
		{name: "a word with a sign before =", line: "a-b=c a.b=c a/b=c", words: []string{"a-b=c", "a.b=c", "a/b=c"}},
		{name: "nothing before =", line: "=a =", words: []string{"=a", "="}},
		{name: "the names of options alone", line: "scopes expires", words: []string{"scopes", "expires"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			words, o, err := Split(tt.line)
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if !slices.Equal(words, tt.words) {
				t.Errorf("words: got %q, want %q", words, tt.words)
			}
			if !slices.Equal(o.Scopes, tt.scopes) {
				t.Errorf("scopes: got %q, want %q", o.Scopes, tt.scopes)
			}
			if !o.Expires.Equal(tt.expires) || o.Expires.IsZero() != tt.expires.IsZero() {
				t.Errorf("expires: got %v, want %v", o.Expires, tt.expires)
			}
		})
	}
}

func TestSplitRefusesWhatIsNoOptionWithoutRepeatingIt(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{"unknown option", "key scope=read", badOption},
		{"an option in capitals", "key Scopes=admin", badOption},
		{"an option all in capitals", "key EXPIRES=2027-01-31T00:00:00Z", badOption},
		{"an option with a colon", "key scopes:admin", badOption},
		{"an option with the wrong end", "key Expiry:2027", badOption},
		{"unknown option with _", "key not_before=2027-01-31T00:00:00Z", badOption},
		{"unknown option that is _", "key _=a", badOption},
		{"unknown option before the key", "expire=2027-01-31T00:00:00Z key", badOption},
		{"a password that looks like an option", "password=hunter2hunter2", badOption},
		{"a key with = behind letters", "abcd==efgh", badOption},
		{"scopes twice", "key scopes=a scopes=b", badOption},
		{"scopes twice the same", "key scopes=a scopes=a", badOption},
		{"expires twice", "key expires=2027-01-31T00:00:00Z expires=2028-01-31T00:00:00Z", badOption},
		{"scopes again without a value", "key scopes=a scopes=", badOption},
		{"expires again without a value", "key expires=2027-01-31T00:00:00Z expires=", badOption},

		{"no scope", "key scopes=", badScopes},
		{"empty scope", "key scopes=a,,b", badScopes},
		{"empty scope first", "key scopes=,a", badScopes},
		{"empty scope last", "key scopes=a,", badScopes},
		{"scope too long", "key scopes=" + strings.Repeat("a", 65), badScopes},
		{"scope with a sign", "key scopes=hunter2/hunter2", badScopes},
		{"scope with =", "key scopes=a=b", badScopes},
		{"scope that is not ASCII", "key scopes=schlüssel", badScopes},
		{"scope with a control character", "key scopes=a\x00b", badScopes},

		{"no time", "key expires=", badExpires},
		{"not a time", "key expires=hunter2hunter2", badExpires},
		{"a day", "key expires=2027-01-31", badExpires},
		{"a time without a zone", "key expires=2027-01-31T00:00:00", badExpires},
		{"a day that does not exist", "key expires=2027-02-30T00:00:00Z", badExpires},
		{"a number", "key expires=1801353600", badExpires},
		{"a duration", "key expires=720h", badExpires},
		{"the time that means never", "key expires=0001-01-01T00:00:00Z", badExpires},
		{"the time that means never, elsewhere", "key expires=0001-01-01T02:00:00+02:00", badExpires},
		{"first a good one", "key scopes=a expires=hunter2hunter2", badExpires},
	} {
		t.Run(tt.name, func(t *testing.T) {
			words, o, err := Split(tt.line)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got error %v, want %s", err, tt.want)
			}
			if words != nil || !reflect.DeepEqual(o, Options{}) {
				t.Errorf("got %q and %+v, want nothing beside the error", words, o)
			}
		})
	}
}

func TestOptionsAreWrittenAsTheyAreRead(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options Options
		want    string
	}{
		{"none", Options{}, ""},
		{"no scopes", Options{Scopes: []string{}}, ""},
		{"one scope", Options{Scopes: []string{"a"}}, " scopes=a"},
		{"scopes", Options{Scopes: []string{"b", "a"}}, " scopes=b,a"},
		{"expiry", Options{Expires: at(2027, 1, 31)}, " expires=2027-01-31T00:00:00Z"},
		{
			"expiry elsewhere",
			Options{Expires: time.Date(2027, 1, 31, 2, 0, 0, 0, time.FixedZone("", 2*60*60))},
			" expires=2027-01-31T00:00:00Z",
		},
		{"both", Options{Scopes: []string{"a", "b"}, Expires: at(2027, 1, 31)}, " scopes=a,b expires=2027-01-31T00:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.options.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzSplit: what is refused is not repeated, and of what is taken nothing is
// lost.
func FuzzSplit(f *testing.F) {
	for _, line := range []string{
		"", "ci awk_Zm9v scopes=a,b expires=2027-01-31T00:00:00Z", "alice:$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", "abcd==",
		"key scopes=", "key scope=a", "scopes=a scopes=b", "key expires=2027-01-31T02:00:00.5+02:00", "key expires=x", "a\u2003b\u00a0c\x85d",
		badScopes, badExpires, badOption,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, o, err := Split(line)
		if err != nil {
			for i := range max(0, len(line)-7) {
				piece := line[i : i+8]
				// A line may happen to hold what is said of every line.
				if strings.Contains(err.Error(), piece) && !strings.Contains(badScopes+"\n"+badExpires+"\n"+badOption, piece) {
					t.Errorf("got %q of the line in the error %q, want it nowhere", piece, err)
				}
			}
			return
		}

		var options []string
		rest := slices.DeleteFunc(strings.Fields(line), func(field string) bool {
			isOption := strings.HasPrefix(field, "scopes=") || strings.HasPrefix(field, "expires=")
			if isOption {
				options = append(options, field)
			}
			return isOption
		})
		if !slices.Equal(words, rest) {
			t.Errorf("words: got %q, want %q", words, rest)
		}
		if got, want := o.Scopes != nil, slices.ContainsFunc(options, func(s string) bool { return s[0] == 's' }); got != want {
			t.Errorf("has scopes: got %t, want %t", got, want)
		}
		if got, want := !o.Expires.IsZero(), slices.ContainsFunc(options, func(s string) bool { return s[0] == 'e' }); got != want {
			t.Errorf("expires: got %t, want %t", got, want)
		}

		// Parts of a second are not written, and years have four digits.
		if utc := o.Expires.UTC(); utc.Nanosecond() != 0 || utc.Year() < 0 || utc.Year() > 9999 {
			return
		}
		again, p, err := Split(strings.Join(words, " ") + o.String())
		if err != nil {
			t.Fatalf("written and read again: got error %v, want none", err)
		}
		if !slices.Equal(again, words) || !slices.Equal(p.Scopes, o.Scopes) || !p.Expires.Equal(o.Expires) {
			t.Errorf("written and read again: got %q and %v, want %q and %v", again, p, words, o)
		}
	})
}
