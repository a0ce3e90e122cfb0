package setting

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A setCase is what is given to a Value, and what becomes of it.
type setCase[T any] struct {
	text []string
	want T
	err  string // instead of want
}

// one is a case of a single text.
func one[T any](text string, want T) setCase[T] { return setCase[T]{text: []string{text}, want: want} }

// bad are the texts that are all refused with err.
func bad[T any](err string, texts ...string) []setCase[T] {
	var cases []setCase[T]
	for _, text := range texts {
		cases = append(cases, setCase[T]{text: []string{text}, err: err})
	}
	return cases
}

// check gives each case to a new Value over before, which has to be left alone
// where the text is refused.
func check[T any](t *testing.T, value func(*T) Value, before T, cases ...setCase[T]) {
	t.Helper()
	for _, tt := range cases {
		t.Run(fmt.Sprintf("%.40q", tt.text), func(t *testing.T) {
			got := before
			err := value(&got).Set(tt.text...)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got error %v, want %s", err, tt.err)
				}
				if !reflect.DeepEqual(got, before) {
					t.Errorf("got %#v, want %#v as before", got, before)
				}
				return
			}
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %#v, want %#v", got, tt.want)
			}
		})
	}
}

// severalAndNone are refused by every Value of a single text.
func severalAndNone[T any](err string) []setCase[T] {
	return []setCase[T]{{text: nil, err: err}, {text: []string{"1", "1"}, err: err}}
}

func TestIntTakesNumbersOfItsRange(t *testing.T) {
	const want = "want a number from 0 to 1048576"
	value := func(p *int) Value { return Int(p, 0, 1<<20) }
	check(t, value, 7, one("0", 0), one("1", 1), one("1048576", 1<<20), one("007", 7), one("+5", 5))
	check(t, value, 7, bad[int](want, "-1", "1048577", "", " ", "ten", "1.0", "1e3", "0x10", "1_000", " 1", "1 ", "1\n",
		"9223372036854775807", "9223372036854775808", "99999999999999999999", "٣")...)
	check(t, value, 7, severalAndNone[int](want)...)
}

func TestIntTakesNegativeNumbersIfItsRangeHasThem(t *testing.T) {
	value := func(p *int) Value { return Int(p, -2, -1) }
	check(t, value, 7, one("-2", -2), one("-1", -1))
	check(t, value, 7, bad[int]("want a number from -2 to -1", "-3", "0", "-")...)
}

func TestBoolTakesTrueAndFalseInAnyCase(t *testing.T) {
	const want = "want true or false"
	for _, before := range []bool{true, false} {
		check(t, Bool, before, one("true", true), one("True", true), one("TRUE", true), one("tRuE", true), one("1", true))
		check(t, Bool, before, one("false", false), one("False", false), one("FALSE", false), one("0", false))
		check(t, Bool, before, bad[bool](want, "", "yes", "no", "on", "off", "2", "-1", "truee", " true", "true ", "true\n")...)
		check(t, Bool, before, severalAndNone[bool](want)...)
	}
}

func TestDurationTakesSecondsAndUnits(t *testing.T) {
	const want = "want a duration such as 30s, 5m or 30 (seconds)"
	check(t, Duration, time.Minute,
		one("0", time.Duration(0)), one("0s", time.Duration(0)), one("30", 30*time.Second), one("30s", 30*time.Second),
		one("007", 7*time.Second), one("5m", 5*time.Minute), one("1h30m", 90*time.Minute), one("1.5s", 1500*time.Millisecond),
		one("1ns", time.Nanosecond), one("250ms", 250*time.Millisecond),
		one("9223372036", 9223372036*time.Second), one("9223372036854775807ns", time.Duration(math.MaxInt64)),
	)
	check(t, Duration, time.Minute, bad[time.Duration](want, "", " ", "s", "ten", "1.5", "30 s", " 30", "30\n", "30S", "1d", "1e3", "0x1e",
		"-1", "-1s", "-1ns", "9223372037", "18446744074", // more than 64 bits of nanoseconds
		"9223372036854775807", "9223372036854775808ns", "99999999999999999999", "99999999999h")...)
	check(t, Duration, time.Minute, severalAndNone[time.Duration](want)...)
}

func TestPositiveDurationIsOverZero(t *testing.T) {
	const want = "want a duration over 0, such as 30s, 5m or 30 (seconds)"
	check(t, PositiveDuration, time.Minute, one("1ns", time.Nanosecond), one("1", time.Second), one("9223372036", 9223372036*time.Second))
	check(t, PositiveDuration, time.Minute, bad[time.Duration](want, "0", "0s", "-0", "00", "-1", "-1ns", "0.1ns", "9223372037", "")...)
}

func TestBytesTakesUnits(t *testing.T) {
	const want = "want a size such as 25MiB, 64KiB or 1048576 (bytes)"
	value := func(p *int64) Value { return Bytes(p, 0) }
	check(t, value, int64(7),
		one("0", int64(0)), one("1", int64(1)), one("1048576", int64(1<<20)), one("0KiB", int64(0)), one("64KiB", int64(64<<10)),
		one("25MiB", int64(25<<20)), one("3GiB", int64(3<<30)),
		one("9223372036854775807", int64(math.MaxInt64)),
		one("9007199254740991KiB", int64(math.MaxInt64>>10<<10)),
		one("8796093022207MiB", int64(math.MaxInt64>>20<<20)),
		one("8589934591GiB", int64(math.MaxInt64>>30<<30)),
	)
	check(t, value, int64(7), bad[int64](want, "", " ", "ten", "KiB", "-1", "-1KiB", "1.5MiB", "1e6", "0x10", "1 KiB", " 1", "1\n",
		"1kib", "1KIB", "1K", "1KB", "1M", "1MB", "1B", "1TiB", "KiB1",
		"9223372036854775808", "9007199254740992KiB", "8796093022208MiB", "8589934592GiB",
		"17179869185GiB", "18014398509481985KiB", "9223372036854775807GiB", "99999999999999999999KiB")...)
	check(t, value, int64(7), severalAndNone[int64](want)...)
}

func TestBytesHasALeastSize(t *testing.T) {
	const want = "want a size such as 25MiB, 64KiB or 1048576 (bytes), at least 1024"
	value := func(p *int64) Value { return Bytes(p, 1024) }
	check(t, value, int64(7), one("1024", int64(1024)), one("1KiB", int64(1024)), one("1025", int64(1025)))
	check(t, value, int64(7), bad[int64](want, "1023", "0", "0KiB", "0GiB", "-1024")...)
}

func TestTextTakesAnyText(t *testing.T) {
	value := func(p *string) Value { return Text(p, "a path") }
	check(t, value, "before", one("", ""), one(" a, b\n", " a, b\n"), one("/tmp/x", "/tmp/x"))
	check(t, value, "before", severalAndNone[string]("want a path")...)
}

func TestCheckedTakesWhatIsAccepted(t *testing.T) {
	const want = "want a URL such as https://example.com"
	value := func(p *string) Value {
		return Checked(p, "a URL such as https://example.com", func(s string) bool { return strings.HasPrefix(s, "https://") })
	}
	check(t, value, "before", one("https://a", "https://a"))
	check(t, value, "before", bad[string](want, "", "http://a", " https://a")...)
	check(t, value, "before", severalAndNone[string](want)...)
}

func TestOneOfTakesItsWords(t *testing.T) {
	type mode string
	const want = "want one of http, inproc"
	value := func(p *mode) Value { return OneOf(p, "http", "inproc") }
	check(t, value, mode("before"), one("http", mode("http")), one("inproc", mode("inproc")))
	check(t, value, mode("before"), bad[mode](want, "", "HTTP", "http ", "http,inproc", "htt", "https")...)
	check(t, value, mode("before"), setCase[mode]{text: []string{"http", "inproc"}, err: want}, setCase[mode]{err: want})
}

func TestSecretNameTakesNamesOfSecrets(t *testing.T) {
	const want = "want the name of a secret (small letters, digits, - and .), not the secret itself"
	check(t, SecretName, "before", one("api-key", "api-key"), one("users.v2", "users.v2"))
	check(t, SecretName, "before", bad[string](want, "", "API-key", "api_key", "a b", "../key", "..data", "a,b", "hunter2!", "awk_Zm9v", "key\n")...)
	check(t, SecretName, "before", severalAndNone[string](want)...)
}

func TestHeaderIsMadeCanonical(t *testing.T) {
	const want = "want a header name, such as X-Api-Key"
	check(t, Header, "Before",
		one("X-Api-Key", "X-Api-Key"), one("x-api-key", "X-Api-Key"), one("X-API-KEY", "X-Api-Key"), one("authorization", "Authorization"),
		one("x_api_key", "X_api_key"), one("a", "A"), one("1", "1"), one("!#$%&'*+-.^_`|~", "!#$%&'*+-.^_`|~"),
	)
	check(t, Header, "Before", bad[string](want, "", " ", "X Api", "X-Api-Key ", " X-Api-Key", "X-Api-Key:", "X-Api\r\n", "X,Y", "X/Y",
		`"X"`, "X(Y)", "X@Y", "X=Y", "X;Y", "X[0]", `X\Y`, "X{Y}", "X<Y>", "X?", "Schlüssel", "X\x00", "X\x7f")...)
	check(t, Header, "Before", severalAndNone[string](want)...)
}

func TestIsTokenHoldsTheCharactersOfRFC9110(t *testing.T) {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range 256 {
		want := strings.IndexByte(token, byte(c)) >= 0
		for _, s := range []string{string([]byte{byte(c)}), "X" + string([]byte{byte(c)}) + "Y"} {
			if got := isToken(s); got != want {
				t.Errorf("%q: got %t, want %t", s, got, want)
			}
		}
	}
	if isToken("") {
		t.Errorf("the empty text: got true, want false")
	}
}

func TestWordsAreAListWithoutEmptyAndEqualOnes(t *testing.T) {
	const want = "want a list of names"
	value := func(p *[]string) Value { return Words(p, "a list of names") }
	before := []string{"before"}
	check(t, value, before,
		one("a", []string{"a"}), one("a,b", []string{"a", "b"}), one(" a ,\tb\n", []string{"a", "b"}), one("b,a", []string{"b", "a"}),
		one("a,A", []string{"a", "A"}), one("a b", []string{"a b"}),
		setCase[[]string]{text: []string{"a", "b"}, want: []string{"a", "b"}},
		setCase[[]string]{text: []string{"a", "b,c"}, want: []string{"a", "b", "c"}},
	)
	check(t, value, before, bad[[]string](want, "", " ", ",", "a,", ",a", "a,,b", "a, ,b")...)
	check(t, value, before, bad[[]string](`has "a" twice`, "a,a", "a,b,a", "a, a")...)
	check(t, value, before,
		setCase[[]string]{text: nil, err: want},
		setCase[[]string]{text: []string{"a", ""}, err: want},
		setCase[[]string]{text: []string{"a", "a"}, err: `has "a" twice`},
		setCase[[]string]{text: []string{"a", "b,a"}, err: `has "a" twice`},
	)
}

func TestHeadersAreAListOfCanonicalNames(t *testing.T) {
	const want = "want a list of header names"
	before := []string{"Before"}
	check(t, Headers, before,
		one("x-signature", []string{"X-Signature"}), one("x-a, X-B", []string{"X-A", "X-B"}),
		setCase[[]string]{text: []string{"x-a", "x-b"}, want: []string{"X-A", "X-B"}},
	)
	check(t, Headers, before, bad[[]string](want, "", ",", "x-a,", "x a", "x-a:", "x-a,x b", "ä")...)
	check(t, Headers, before, bad[[]string](`has "X-A" twice`, "X-A,X-A", "x-a,X-A")...)
	check(t, Headers, before, setCase[[]string]{err: want})
}

func TestHeaderValuesAreKeyedByCanonicalNames(t *testing.T) {
	const want = "want a mapping of header names to values"
	type values = map[string]string
	check(t, HeaderValues, values(nil),
		one("x-a=1", values{"X-A": "1"}), one("x-a=1,X-B=2", values{"X-A": "1", "X-B": "2"}), one(" x-a =1, x-b=2", values{"X-A": "1", "X-B": "2"}),
		one("x-a=1=2", values{"X-A": "1=2"}), one("x-a=", values{"X-A": ""}), one("x-a= b ", values{"X-A": " b "}),
		setCase[values]{text: []string{"x-a=1", "x-b=2"}, want: values{"X-A": "1", "X-B": "2"}},
	)
	check(t, HeaderValues, values(nil), bad[values](want, "", "x-a:1", ",x-a=1")...)
	check(t, HeaderValues, values(nil), bad[values]("want a header name, such as X-Version", "=", "=1", "x a=1", "ä=1")...)
	check(t, HeaderValues, values(nil), setCase[values]{err: want})
}

func TestHeaderValuesTakeKeyAfterKey(t *testing.T) {
	var got map[string]string
	value, ok := HeaderValues(&got).(Keyed)
	if !ok {
		t.Fatalf("got %T, want a Keyed", HeaderValues(&got))
	}
	for _, tt := range []struct{ key, text, err string }{
		{"x-event", "push", ""},
		{"X-KIND", "a,b=c", ""}, // in YAML commas part nothing
		{"x kind", "d", "want a header name, such as X-Version"},
		{"", "d", "want a header name, such as X-Version"},
		{" x-event", "d", "want a header name, such as X-Version"},
		{"x-kind", "again", "has X-Kind twice"},
	} {
		err := value.SetKey(tt.key, tt.text)
		if got := fmt.Sprint(err); tt.err != "" && got != tt.err || tt.err == "" && err != nil {
			t.Errorf("%q: got error %v, want %q", tt.key, err, tt.err)
		}
	}
	if want := (map[string]string{"X-Event": "push", "X-Kind": "a,b=c"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestValidNameIsSafeInHeadersAndLogs(t *testing.T) {
	const symbols = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._:-@"
	for c := range 256 {
		want := strings.IndexByte(symbols, byte(c)) >= 0
		for _, s := range []string{string([]byte{byte(c)}), "a" + string([]byte{byte(c)})} {
			if got := ValidName(s); got != want {
				t.Errorf("%q: got %t, want %t", s, got, want)
			}
		}
	}
	for _, tt := range []struct {
		name string
		want bool
	}{
		{"", false},
		{"read:items", true},
		{"alice@example.com", true},
		{strings.Repeat("a", 64), true},
		{strings.Repeat("a", 65), false},
		{strings.Repeat("a", 64) + "é", false},
	} {
		t.Run(fmt.Sprintf("%.20q of %d", tt.name, len(tt.name)), func(t *testing.T) {
			if got := ValidName(tt.name); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestWantReadsAsASentenceInErrors(t *testing.T) {
	var (
		n     int
		size  int64
		s     string
		words []string
		pairs map[string]string
	)
	for _, tt := range []struct {
		value        Value
		want, err    string
		text         string
		wantsPrivate bool
	}{
		{Int(&n, 1, 2), "a number from 1 to 2", "want a number from 1 to 2", "3", false},
		{Bytes(&size, 1), "a size such as 25MiB, 64KiB or 1048576 (bytes), at least 1", "want a size such as 25MiB, 64KiB or 1048576 (bytes), at least 1", "0", false},
		{OneOf(&s, "a", "b"), "one of a, b", "want one of a, b", "c", false},
		{Header(&s), "a header name, such as X-Api-Key", "want a header name, such as X-Api-Key", "", false},
		{Headers(&words), "a list of header names", "want a list of header names", "", false},
		{Words(&words, "none, or a list of methods"), "none, or a list of methods", "want none, or a list of methods", "", false},
		{HeaderValues(&pairs), "a mapping of header names to values", "want a mapping of header names to values", "", false},
		{Checked(&s, "an IP address", func(string) bool { return false }), "an IP address", "want an IP address", "x", false},
		{
			SecretName(&s), "the name of a secret (small letters, digits, - and .), not the secret itself",
			"want the name of a secret (small letters, digits, - and .), not the secret itself", "", true,
		},
	} {
		t.Run(tt.want, func(t *testing.T) {
			if got := tt.value.Want(); got != tt.want {
				t.Errorf("Want: got %q, want %q", got, tt.want)
			}
			if err := tt.value.Set(tt.text); err == nil || err.Error() != tt.err {
				t.Errorf("Set: got error %v, want %s", err, tt.err)
			}
			if _, private := tt.value.(private); private != tt.wantsPrivate {
				t.Errorf("Private: got %t, want %t", private, tt.wantsPrivate)
			}
		})
	}
}
