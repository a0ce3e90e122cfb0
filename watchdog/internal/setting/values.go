package setting

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"auth-watchdog/watchdog/secret"
)

// value makes a Value of a single text. want begins with an article where one
// belongs, so that it reads well in a sentence and in a table.
type value[T any] struct {
	p     *T
	want  string
	parse func(string) (T, bool)
}

func (v value[T]) Want() string { return v.want }

func (v value[T]) Set(text ...string) error {
	if len(text) == 1 {
		if parsed, ok := v.parse(text[0]); ok {
			*v.p = parsed
			return nil
		}
	}
	return Wanted(v)
}

// Wanted is the error of a Value that got something it can't take.
func Wanted(v Value) error { return errors.New("want " + v.Want()) }

// Int is a whole number from low to high.
func Int(p *int, low, high int) Value {
	return value[int]{p, fmt.Sprintf("a number from %d to %d", low, high), func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && low <= n && n <= high
	}}
}

// Bool is true or false; 1 and 0, and any case, are of-watchdog's.
func Bool(p *bool) Value {
	return value[bool]{p, "true or false", func(s string) (bool, bool) {
		b, err := strconv.ParseBool(strings.ToLower(s))
		return b, err == nil
	}}
}

// Duration is a whole number of seconds or a Go duration, not negative.
func Duration(p *time.Duration) Value {
	return duration(p, 0, "a duration such as 30s, 5m or 30 (seconds)")
}

// PositiveDuration is a Duration longer than nothing.
func PositiveDuration(p *time.Duration) Value {
	return duration(p, 1, "a duration over 0, such as 30s, 5m or 30 (seconds)")
}

func duration(p *time.Duration, low time.Duration, want string) Value {
	return value[time.Duration]{p, want, func(s string) (time.Duration, bool) {
		d, err := time.ParseDuration(s)
		if n, errInt := strconv.ParseInt(s, 10, 64); errInt == nil {
			if n < 0 || n > int64(math.MaxInt64/time.Second) {
				return 0, false
			}
			d, err = time.Duration(n)*time.Second, nil
		}
		return d, err == nil && d >= low
	}}
}

// Bytes is a size in bytes, with or without the unit KiB, MiB or GiB.
func Bytes(p *int64, low int64) Value {
	want := "a size such as 25MiB, 64KiB or 1048576 (bytes)"
	if low > 0 {
		want += fmt.Sprintf(", at least %d", low)
	}
	return value[int64]{p, want, func(s string) (int64, bool) {
		unit := int64(1)
		for i, suffix := range []string{"KiB", "MiB", "GiB"} {
			if number, ok := strings.CutSuffix(s, suffix); ok {
				s, unit = number, 1<<(10*(i+1))
				break
			}
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit {
			return 0, false
		}
		return n * unit, n*unit >= low
	}}
}

// Text is any text.
func Text(p *string, want string) Value {
	return value[string]{p, want, func(s string) (string, bool) { return s, true }}
}

// Checked is text that ok accepts.
func Checked(p *string, want string, ok func(string) bool) Value {
	return value[string]{p, want, func(s string) (string, bool) { return s, ok(s) }}
}

// OneOf is one of a few words.
func OneOf[T ~string](p *T, words ...T) Value {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return value[T]{p, "one of " + strings.Join(list, ", "), func(s string) (T, bool) {
		return T(s), slices.Contains(words, T(s))
	}}
}

// secretName is the name of a secret, which is not repeated when it is wrong.
type secretName struct{ value[string] }

func (secretName) private() {}

// SecretName is the name of a secret's file.
func SecretName(p *string) Value {
	return secretName{value[string]{
		p, "the name of a secret (small letters, digits, - and .), not the secret itself",
		func(s string) (string, bool) { return s, secret.ValidName(s) && !looksLikeSecret(s) },
	}}
}

// looksLikeSecret reports whether s is a long run of letters and digits, as
// openssl rand -hex makes them, and no name that anybody would give.
func looksLikeSecret(s string) bool {
	const longName = 32
	return len(s) >= longName && !strings.ContainsAny(s, "-.")
}

// Header is the name of a request header, made canonical.
func Header(p *string) Value {
	return value[string]{p, "a header name, such as X-Api-Key", func(s string) (string, bool) {
		return textproto.CanonicalMIMEHeaderKey(s), isToken(s)
	}}
}

// isToken reports whether s can be the name of a header (RFC 9110 §5.6.2).
func isToken(s string) bool {
	const symbols = "!#$%&'*+-.^_`|~"
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(symbols, rune(c)) {
			return false
		}
	}
	return s != ""
}

// list makes a Value of several texts, or of one with commas.
type list struct {
	p    *[]string
	want string
	item func(string) (string, bool)
}

func (l list) Want() string { return l.want }

func (l list) Set(text ...string) error {
	var items []string
	for _, t := range text {
		for s := range strings.SplitSeq(t, ",") {
			item, ok := l.item(strings.TrimSpace(s))
			if !ok {
				return Wanted(l)
			}
			if slices.Contains(items, item) {
				return fmt.Errorf("has %q twice", item)
			}
			items = append(items, item)
		}
	}
	if len(items) == 0 {
		return Wanted(l)
	}
	*l.p = items
	return nil
}

// Words is a list of words that are not empty.
func Words(p *[]string, want string) Value {
	return list{p, want, func(s string) (string, bool) { return s, s != "" }}
}

// Headers is a list of header names, made canonical.
func Headers(p *[]string) Value {
	return list{p, "a list of header names", func(s string) (string, bool) {
		return http.CanonicalHeaderKey(s), isToken(s)
	}}
}

// Keyed is a Value of several names, each with a text of its own: in YAML a
// mapping, in the environment "name=text" with commas between.
type Keyed interface {
	Value
	SetKey(key, text string) error
}

// headerValues is a mapping of header names, made canonical, to values.
type headerValues struct{ p *map[string]string }

// HeaderValues is a mapping of header names, made canonical, to values.
func HeaderValues(p *map[string]string) Value { return headerValues{p} }

func (headerValues) Want() string { return "a mapping of header names to values" }

func (v headerValues) SetKey(key, text string) error {
	if !isToken(key) {
		return errors.New("want a header name, such as X-Version")
	}
	key = http.CanonicalHeaderKey(key)
	if _, twice := (*v.p)[key]; twice {
		return fmt.Errorf("has %s twice", key)
	}
	if *v.p == nil {
		*v.p = map[string]string{}
	}
	(*v.p)[key] = text
	return nil
}

func (v headerValues) Set(text ...string) error {
	if len(text) == 0 {
		return Wanted(v)
	}
	for _, t := range text {
		for pair := range strings.SplitSeq(t, ",") {
			key, value, found := strings.Cut(pair, "=")
			if !found {
				return Wanted(v)
			}
			if err := v.SetKey(strings.TrimSpace(key), value); err != nil {
				return err
			}
		}
	}
	return nil
}

// IsPrintable reports whether s is printable ASCII, and not empty: what can
// stand in quotes in a header.
func IsPrintable(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// ValidName reports whether s can be the name of a method, a key or a scope: 1
// to 64 letters, digits and . _ : - @. Such names stand in headers, logs and
// metrics.
func ValidName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("._:-@", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
