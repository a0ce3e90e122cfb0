package observe

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
)

// slogged is a record as a handler of log/slog writes it.
func slogged(format string, now time.Time, a *access) string {
	var b bytes.Buffer
	var h slog.Handler = slog.NewTextHandler(&b, nil)
	if format == "json" {
		h = slog.NewJSONHandler(&b, nil)
	}
	r := slog.NewRecord(now, slog.LevelInfo, "request", 0)
	r.Add(
		"method", a.method, "path", a.path, "status", a.status, "bytes", a.bytes, "seconds", a.elapsed.Seconds(),
		"call_id", a.callID,
	)
	for _, attr := range []slog.Attr{slog.String("reason", a.reason), slog.String("subject", a.subject), slog.String("auth_method", a.authMethod)} {
		if attr.Value.String() != "" {
			r.AddAttrs(attr)
		}
	}
	_ = h.Handle(context.Background(), r)
	return b.String()
}

// written is a record as an AccessLog writes it.
func written(format string, now time.Time, a *access) string {
	l := NewAccessLog(io.Discard, format, slog.New(slog.DiscardHandler))
	var b bytes.Buffer
	l.batch = newBatch(&b, nil)
	if format == "json" {
		l.slow = slog.NewJSONHandler(l.batch, nil)
	} else {
		l.slow = slog.NewTextHandler(l.batch, nil)
	}
	l.write(now, a)
	l.Close(time.Hour)
	return b.String()
}

var formats = []string{"text", "json"}

// same wants a record that is written as log/slog would.
func same(t *testing.T, now time.Time, a access) {
	t.Helper()
	for _, format := range formats {
		if got, want := written(format, now, &a), slogged(format, now, &a); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", format, got, want)
		}
	}
}

var texts = []string{
	"", "plain", "/a/b?c", "a b", "a=b", `a"b`, `a\b`, "a\nb", "a\rb", "a\tb", "\x00", "\x1b[31m", "\x7f", "\x80", "\xff\xfe", "ä", "日本", "\u2028", "\ufeff",
	"<script>", "a&b", "'", "`", "{}", "[]", "null", "true", "0", "-", "!BADKEY", "%s", "$a", "time=2026", "\U0001f600", "\ud7ff", "a,b", "a:b", ";", "#",
	strings.Repeat("a", 1000),
}

var elapsed = []time.Duration{
	0, 1, 9, 10, 99, 100, 999, 1000, 1001, 12345, 999_999, time.Millisecond, 1_500_000, time.Second - 1, time.Second, 100 * time.Second, time.Hour,
	math.MaxInt64, -1, -999, -1000, -time.Millisecond, -time.Second, math.MinInt64,
}

var moments = []time.Time{
	time.Unix(0, 0).UTC(),
	time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
	time.Date(2026, 1, 2, 3, 4, 5, 120_000_000, time.FixedZone("", 2*60*60)),
	time.Date(2026, 12, 31, 23, 59, 59, 999_999_999, time.FixedZone("", -(3*60*60+30*60))),
	time.Now(),
}

func TestAccessFormat(t *testing.T) {
	plain := access{method: "GET", path: "/", status: 200, bytes: 5, elapsed: 1234567, callID: "1-2", reason: "ok", subject: "anna", authMethod: "bearer"}
	for _, now := range moments {
		same(t, now, plain)
	}
	for _, d := range elapsed {
		a := plain
		a.elapsed = d
		same(t, moments[1], a)
	}
	for _, n := range []int64{0, -1, math.MaxInt64, math.MinInt64} {
		a := plain
		a.bytes, a.status = n, int(n)
		same(t, moments[1], a)
	}
	for _, text := range texts {
		for _, set := range []func(*access){
			func(a *access) { a.method = text }, func(a *access) { a.path = text }, func(a *access) { a.callID = text },
			func(a *access) { a.reason = text }, func(a *access) { a.subject = text }, func(a *access) { a.authMethod = text },
		} {
			a := plain
			set(&a)
			same(t, moments[1], a)
		}
	}
	same(t, moments[1], access{})
}

// TestAccessIsShort wants that the common record takes the short way, or the
// test above would compare log/slog with itself.
func TestAccessIsShort(t *testing.T) {
	for _, format := range formats {
		var b bytes.Buffer
		l := NewAccessLog(&b, format, slog.New(slog.DiscardHandler))
		l.slow = nil // would panic
		l.write(time.Now(), &access{method: "GET", path: "/a-b_c.d~e/?x&y", status: 200, callID: "1-2", subject: "anna@example.com"})
		l.Close(time.Hour)
		if b.Len() == 0 {
			t.Errorf("%s: got nothing", format)
		}
	}
}

func FuzzAccessFormat(f *testing.F) {
	for i, text := range texts {
		f.Add(text, "/", "1", "", text, "bearer", 200, int64(i), int64(elapsed[i%len(elapsed)]), int64(i))
	}
	f.Fuzz(func(t *testing.T, method, path, callID, reason, subject, authMethod string, status int, bytes, elapsed, now int64) {
		a := access{method, path, status, bytes, time.Duration(elapsed), callID, reason, subject, authMethod}
		at := time.Unix(0, now).UTC()
		for _, text := range []string{method, path, callID, reason, subject, authMethod} {
			if !isPlain(text) { // log/slog writes it
				return
			}
		}
		for _, format := range formats {
			plain := appendText
			if format == "json" {
				plain = appendJSON
			}
			if got, want := string(plain(nil, new(AccessLog).second(at), at.Nanosecond(), &a)), slogged(format, at, &a); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", format, got, want)
			}
		}
	})
}
