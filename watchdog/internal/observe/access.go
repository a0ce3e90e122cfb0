package observe

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// An AccessLog writes a record of each request, in the format of a handler of
// log/slog. The records of a few milliseconds are written together; those that
// nobody takes are dropped, and their number is logged.
type AccessLog struct {
	batch *batch
	plain func(b []byte, second *stamp, nanos int, a *access) []byte
	slow  slog.Handler // for records with text that must be quoted
	texts sync.Pool
	last  atomic.Pointer[stamp]
}

// A stamp is a second, as records have it.
type stamp struct {
	unix       int64
	text, zone string // up to the point, and behind the milliseconds
}

// second returns the stamp of a time. The last one is kept: to format it costs
// more than the rest of a record.
func (l *AccessLog) second(t time.Time) *stamp {
	if last := l.last.Load(); last != nil && last.unix == t.Unix() {
		return last
	}
	now := &stamp{t.Unix(), t.Format("2006-01-02T15:04:05"), t.Format("Z07:00")}
	l.last.Store(now)
	return now
}

// NewAccessLog returns an AccessLog in format "text" or "json".
func NewAccessLog(out io.Writer, format string, log *slog.Logger) *AccessLog {
	l := &AccessLog{batch: newBatch(out, func(n int) {
		log.Warn("access records were dropped, because standard error takes no more", "records", n)
	})}
	if format == "json" {
		l.plain, l.slow = appendJSON, slog.NewJSONHandler(l.batch, nil)
	} else {
		l.plain, l.slow = appendText, slog.NewTextHandler(l.batch, nil)
	}
	return l
}

// Close writes what has not been written yet, if that can be done in d.
func (l *AccessLog) Close(d time.Duration) { l.batch.wait(d) }

// An access is what stands in the access log of a request. Empty texts at the
// end of the list are left out.
type access struct {
	method, path string
	status       int
	bytes        int64
	elapsed      time.Duration
	callID       string

	reason, subject, authMethod string
}

func (l *AccessLog) write(now time.Time, a *access) {
	for _, s := range []string{a.method, a.path, a.callID, a.reason, a.subject, a.authMethod} {
		if !isPlain(s) {
			l.writeSlowly(now, a)
			return
		}
	}
	text, _ := l.texts.Get().(*[]byte)
	if text == nil {
		text = new([]byte)
	}
	*text = l.plain((*text)[:0], l.second(now), now.Nanosecond(), a)
	_, _ = l.batch.Write(*text)
	l.texts.Put(text)
}

func (l *AccessLog) writeSlowly(now time.Time, a *access) {
	r := slog.NewRecord(now, slog.LevelInfo, "request", 0)
	r.AddAttrs(
		slog.String("method", a.method),
		slog.String("path", a.path),
		slog.Int("status", a.status),
		slog.Int64("bytes", a.bytes),
		slog.Float64("seconds", a.elapsed.Seconds()),
		slog.String("call_id", a.callID),
	)
	for _, attr := range []slog.Attr{
		slog.String("reason", a.reason), slog.String("subject", a.subject), slog.String("auth_method", a.authMethod),
	} {
		if attr.Value.String() != "" {
			r.AddAttrs(attr)
		}
	}
	_ = l.slow.Handle(context.Background(), r)
}

// isPlain reports whether neither format quotes anything in a text.
func isPlain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ', c >= 0x7f, c == '"', c == '\\', c == '=':
			return false
		}
	}
	return true
}

func appendText(b []byte, second *stamp, nanos int, a *access) []byte {
	b = append(b, "time="...)
	b = append(b, second.text...)
	b = append(b, '.')
	b = appendDigits(b, nanos, 3)
	b = append(b, second.zone...)
	b = append(b, " level=INFO msg=request"...)
	field := func(name, value string) {
		if value == "" {
			value = `""`
		}
		b = append(b, ' ')
		b = append(b, name...)
		b = append(b, '=')
		b = append(b, value...)
	}
	field("method", a.method)
	field("path", a.path)
	b = append(b, " status="...)
	b = strconv.AppendInt(b, int64(a.status), 10)
	b = append(b, " bytes="...)
	b = strconv.AppendInt(b, a.bytes, 10)
	b = append(b, " seconds="...)
	b = strconv.AppendFloat(b, a.elapsed.Seconds(), 'g', -1, 64)
	field("call_id", a.callID)
	if a.reason != "" {
		field("reason", a.reason)
	}
	if a.subject != "" {
		field("subject", a.subject)
	}
	if a.authMethod != "" {
		field("auth_method", a.authMethod)
	}
	return append(b, '\n')
}

// appendDigits writes the first digits of nanoseconds behind a point.
func appendDigits(b []byte, nanos, digits int) []byte {
	for unit := int(1e8); digits > 0; unit, digits = unit/10, digits-1 {
		b = append(b, '0'+byte(nanos/unit%10)) //nolint:gosec // a digit
	}
	return b
}

func appendJSON(b []byte, second *stamp, nanos int, a *access) []byte {
	b = append(b, `{"time":"`...)
	b = append(b, second.text...)
	if nanos > 0 { // without zeros at the end
		b = append(b, '.')
		b = bytes.TrimRight(appendDigits(b, nanos, 9), "0")
	}
	b = append(b, second.zone...)
	b = append(b, `","level":"INFO","msg":"request"`...)
	field := func(name, value string) {
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `":"`...)
		b = append(b, value...)
		b = append(b, '"')
	}
	field("method", a.method)
	field("path", a.path)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(a.status), 10)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, a.bytes, 10)
	b = append(b, `,"seconds":`...)
	b = appendSeconds(b, a.elapsed)
	field("call_id", a.callID)
	if a.reason != "" {
		field("reason", a.reason)
	}
	if a.subject != "" {
		field("subject", a.subject)
	}
	if a.authMethod != "" {
		field("auth_method", a.authMethod)
	}
	return append(b, "}\n"...)
}

// appendSeconds writes seconds as encoding/json does.
func appendSeconds(b []byte, d time.Duration) []byte {
	s := d.Seconds()
	if s != 0 && math.Abs(s) < 1e-6 {
		b = strconv.AppendFloat(b, s, 'e', -1, 64)
		if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-07 is written e-7
			b[n-2] = b[n-1]
			b = b[:n-1]
		}
		return b
	}
	return strconv.AppendFloat(b, s, 'f', -1, 64)
}
