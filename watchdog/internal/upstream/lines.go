package upstream

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Lines passes the output of a function on line by line, each with a prefix.
// A line may have any length: what is longer than the buffer passes in pieces.
type Lines struct {
	out    io.Writer
	log    *slog.Logger // in the place of out, for lines as records
	prefix string       // without a log, "" passes everything on as it comes
	max    int
	now    func() time.Time

	mu      sync.Mutex
	pending []byte // of a line whose end has not come
	begun   bool   // of which pieces have passed already
}

// NewLines returns Lines that write to out. name, if not empty, begins each
// line after the time, as of-watchdog has it: "2026/01/31 12:00:00 stderr: ".
func NewLines(out io.Writer, name string, max int) *Lines {
	return &Lines{out: out, prefix: name, max: max, now: time.Now}
}

// NewLogLines returns Lines that make a record of each line.
func NewLogLines(log *slog.Logger, max int) *Lines {
	return &Lines{log: log, max: max, now: time.Now}
}

// Write implements [io.Writer]. It never fails and never waits for a line to
// end, so that the function is not stopped by its own output.
func (l *Lines) Write(p []byte) (int, error) {
	if l.prefix == "" && l.log == nil {
		_, _ = l.out.Write(p)
		return len(p), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		if room := l.max - len(l.pending); len(line) > room {
			line, after, ended = line[:room], rest[room:], false
		}
		l.pending = append(l.pending, line...)
		if ended || len(l.pending) >= l.max {
			l.pass(ended)
		}
		rest = after
	}
	return len(p), nil
}

// pass writes what is pending.
func (l *Lines) pass(ended bool) {
	if l.log != nil {
		if len(l.pending) > 0 || !l.begun {
			l.log.Info("function", "line", string(l.pending))
		}
		l.pending, l.begun = l.pending[:0], !ended
		return
	}
	var b []byte
	if !l.begun {
		b = l.now().AppendFormat(b, "2006/01/02 15:04:05 ")
		b = append(b, l.prefix+": "...)
	}
	b = append(b, l.pending...)
	if ended {
		b = append(b, '\n')
	}
	_, _ = l.out.Write(b)
	l.pending, l.begun = l.pending[:0], !ended
}

// Close passes on a last line that has no end.
func (l *Lines) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) > 0 || l.begun {
		l.pass(true)
	}
}
