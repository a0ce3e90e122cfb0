package upstream

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// begin is how lines begin in these tests.
const begin = "2026/01/31 12:00:00 stderr: "

func linesTo(out io.Writer, name string, max int) *Lines {
	l := NewLines(out, name, max)
	l.now = func() time.Time { return time.Date(2026, time.January, 31, 12, 0, 0, 0, time.UTC) }
	return l
}

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name   string
		prefix string
		max    int
		writes []string
		before string // what has come before Close
		want   string
	}{
		{"nothing", "stderr", 8, nil, "", ""},
		{"nothing written", "stderr", 8, []string{""}, "", ""},
		{"a line", "stderr", 8, []string{"one\n"}, begin + "one\n", begin + "one\n"},
		{"lines", "stderr", 8, []string{"one\ntwo\n"}, begin + "one\n" + begin + "two\n", begin + "one\n" + begin + "two\n"},
		{"a line in pieces", "stderr", 8, []string{"o", "n", "e\nt", "wo\n"}, begin + "one\n" + begin + "two\n", begin + "one\n" + begin + "two\n"},
		{"empty lines", "stderr", 8, []string{"\n\n", "\n"}, begin + "\n" + begin + "\n" + begin + "\n", begin + "\n" + begin + "\n" + begin + "\n"},
		{"an empty line last", "stderr", 8, []string{"one\n\n"}, begin + "one\n" + begin + "\n", begin + "one\n" + begin + "\n"},
		{"no end", "stderr", 8, []string{"one\ntwo"}, begin + "one\n", begin + "one\n" + begin + "two\n"},
		{"as long as may be", "stderr", 4, []string{"1234\n5"}, begin + "1234\n", begin + "1234\n" + begin + "5\n"},
		{"as long as may be, without end", "stderr", 4, []string{"1234"}, begin + "1234", begin + "1234\n"},
		{"as long as may be, its end later", "stderr", 4, []string{"1234", "\n"}, begin + "1234\n", begin + "1234\n"},
		{"as long as may be, then an empty line", "stderr", 4, []string{"1234", "\n\n"}, begin + "1234\n" + begin + "\n", begin + "1234\n" + begin + "\n"},
		{"longer", "stderr", 4, []string{"12345\n"}, begin + "12345\n", begin + "12345\n"},
		{"much longer", "stderr", 4, []string{"1234567890123\n1\n"}, begin + "1234567890123\n" + begin + "1\n", begin + "1234567890123\n" + begin + "1\n"},
		{"longer, in pieces", "stderr", 4, []string{"123", "456", "7890", "\n"}, begin + "1234567890\n", begin + "1234567890\n"},
		{"longer, without end", "stderr", 4, []string{"123456"}, begin + "1234", begin + "123456\n"},
		{"pieces of one", "stderr", 1, []string{"12\n3"}, begin + "12\n" + begin + "3", begin + "12\n" + begin + "3\n"},
		{"other ends", "stderr", 8, []string{"a\r\nb\rc\x00\n"}, begin + "a\r\n" + begin + "b\rc\x00\n", begin + "a\r\n" + begin + "b\rc\x00\n"},
		{"no prefix", "", 4, []string{"one", "\n", "123456\n\n", "end"}, "one\n123456\n\nend", "one\n123456\n\nend"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			l := linesTo(&out, tt.prefix, tt.max)
			for _, w := range tt.writes {
				if n, err := l.Write([]byte(w)); n != len(w) || err != nil {
					t.Errorf("Write: got %d and %v, want %d and nil", n, err, len(w))
				}
			}
			if got := out.String(); got != tt.before {
				t.Errorf("before Close: got %q, want %q", got, tt.before)
			}
			l.Close()
			if got := out.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// pieces keeps what is written, piece by piece.
type pieces [][]byte

func (p *pieces) Write(b []byte) (int, error) {
	*p = append(*p, slices.Clone(b))
	return len(b), nil
}

// TestLinesBound wants that no more of a line is kept than was said.
// TestLogLines: each line is a record, and so is each piece of one that is too
// long.
func TestLogLines(t *testing.T) {
	var b strings.Builder
	log := slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
	l := NewLogLines(log.With("stream", "stderr", "call_id", "1"), 8)
	for _, piece := range []string{"one\ntw", "o\n\n0123456789\nlast \"x\""} {
		if n, err := io.WriteString(l, piece); n != len(piece) || err != nil {
			t.Errorf("got %d and %v", n, err)
		}
	}
	l.Close()
	l.Close()
	var want strings.Builder
	for _, line := range []string{"one", "two", "", "01234567", "89", `last \"x\"`} {
		want.WriteString(`{"msg":"function","stream":"stderr","call_id":"1","line":"` + line + `"}` + "\n")
	}
	if b.String() != want.String() {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want.String())
	}
}

func TestLinesBound(t *testing.T) {
	const most = 4
	var out pieces
	l := linesTo(&out, "stderr", most)
	l.Write([]byte(strings.Repeat("x", 10*most)))
	for _, p := range out {
		if got := len(bytes.TrimPrefix(p, []byte(begin))); got > most {
			t.Errorf("got a piece of %d bytes, want %d at most", got, most)
		}
	}
	if len(out) != 10 {
		t.Errorf("got %d pieces without an end of line, want 10", len(out))
	}
}

// broken fails, as a pipe does whose reader has left.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestLinesToNobody wants that the function does not end because nobody reads
// what it says.
func TestLinesToNobody(t *testing.T) {
	for _, prefix := range []string{"", "stderr"} {
		l := linesTo(broken{}, prefix, 4)
		if n, err := l.Write([]byte("123456\n")); n != 7 || err != nil {
			t.Errorf("with the prefix %q: got %d and %v, want 7 and nil", prefix, n, err)
		}
		l.Close()
	}
}

func TestLinesTime(t *testing.T) {
	var out bytes.Buffer
	before := time.Now().Truncate(time.Second)
	NewLines(&out, "stdout", 8).Write([]byte("one\n"))
	stamp, rest, _ := strings.Cut(out.String(), " stdout: ")
	got, err := time.ParseInLocation("2006/01/02 15:04:05", stamp, time.Local)
	if err != nil || got.Before(before) || got.After(time.Now()) || rest != "one\n" {
		t.Errorf("got %q, want now, the name and the line", out.String())
	}
}

func TestLinesManyWriters(t *testing.T) {
	const writers, each = 8, 50
	var out bytes.Buffer
	l := linesTo(&out, "stderr", 64)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				fmt.Fprintf(l, "%d/%d\n", w, i)
			}
		})
	}
	wg.Wait()
	l.Close()
	var want []string
	for w := range writers {
		for i := range each {
			want = append(want, fmt.Sprintf("%s%d/%d", begin, w, i))
		}
	}
	got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzLines wants that nothing is lost or added but the beginnings of lines
// and the end of the last.
func FuzzLines(f *testing.F) {
	f.Add([]byte(""), uint16(4), uint8(1))
	f.Add([]byte("one\ntwo\n\nthree"), uint16(4), uint8(2))
	f.Add([]byte(begin+"looks like ours\n"+begin), uint16(8), uint8(7))
	f.Add([]byte(strings.Repeat("0123456789", 100)+"\n\n"), uint16(64), uint8(255))
	f.Add([]byte(strings.Repeat("1234\n", 20)), uint16(4), uint8(3))
	f.Add([]byte("\n\n\n"), uint16(1), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, most uint16, step uint8) {
		most, step = max(most, 1), max(step, 1)
		var out bytes.Buffer
		l := linesTo(&out, "stderr", int(most))
		for piece := range slices.Chunk(in, int(step)) {
			l.Write(piece)
		}
		l.Close()

		want := in
		if len(in) > 0 && in[len(in)-1] != '\n' {
			want = append(slices.Clone(in), '\n')
		}
		var got []byte
		for line := range bytes.Lines(out.Bytes()) {
			rest, ok := bytes.CutPrefix(line, []byte(begin))
			if !ok {
				t.Fatalf("got the line %q, want it to begin with %q", line, begin)
			}
			got = append(got, rest...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
