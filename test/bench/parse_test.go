package main

import (
	"bufio"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	const fields = " S 1 2 3 0 -1 4194560 500 0 0 0 250 50 7 3 20 0 9 0 12345 1000 200\n"
	want := cpu{own: 3 * time.Second, children: 100 * time.Millisecond}
	for _, command := range []string{"watchdog", "a b", "a) S 1 (b", ")", ""} {
		got, err := parseStat([]byte("42 (" + command + ")" + fields))
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", command, got, err, want)
		}
	}
	for _, bad := range []string{"", "42 (a) S 1 2 3", "42 (a)" + strings.Replace(fields, "250", "x", 1)} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

func TestParseStatus(t *testing.T) {
	const status = "Name:\ta VmRSS: 1 kB\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\nThreads:\t4\n"
	for name, want := range map[string]int64{"VmRSS": 10 << 20, "VmHWM": 20 << 20} {
		if got, err := parseStatus(status, name); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", name, got, err, want)
		}
	}
	if got, err := parseStatus(status, "VmSwap"); err == nil {
		t.Errorf("got %d for what is not there, want an error", got)
	}
}

func TestParseMetric(t *testing.T) {
	const text = "# TYPE allocs counter\nallocs_more 1\nallocs 1.5e+06\n"
	if got, err := parseMetric(text, "allocs"); err != nil || got != 1.5e6 {
		t.Errorf("got %v, %v, want 1.5e6", got, err)
	}
	if got, err := parseMetric(text, "alloc"); err == nil {
		t.Errorf("got %v for what is not there, want an error", got)
	}
}

func TestModel(t *testing.T) {
	if got := model("processor\t: 0\nmodel name\t: Chip: the 2nd\nmodel name\t: other\n"); got != "Chip: the 2nd" {
		t.Errorf("got %q", got)
	}
	if got := model("processor\t: 0\n"); got == "" {
		t.Error("got nothing where there is no name")
	}
}

func TestParseWrk(t *testing.T) {
	const head = "Running 1s test @ http://127.0.0.1:1/\n  2 threads and 16 connections\n"
	tests := []struct {
		name, line string
		want       figures
		bad        bool
	}{
		{
			name: "good", line: "bench requests=9000 us=1500000 failed=0 p50=250 p99=4000\n",
			want: figures{requests: 9000, duration: 1500 * time.Millisecond, p50: 250 * time.Microsecond, p99: 4 * time.Millisecond},
		},
		{name: "failed", line: "bench requests=9000 us=1500000 failed=1 p50=250 p99=4000\n", bad: true},
		{name: "no request", line: "bench requests=0 us=1500000 failed=0 p50=0 p99=0\n", bad: true},
		{name: "too large", line: "bench requests=99999999999999999999 us=1 failed=0 p50=0 p99=0\n", bad: true},
		{name: "no figures", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseWrk([]byte(head + tt.line))
			if (err != nil) != tt.bad || got != tt.want {
				t.Errorf("got %+v, %v, want %+v, bad: %v", got, err, tt.want, tt.bad)
			}
		})
	}
}

func TestReadAnswer(t *testing.T) {
	tests := []struct {
		name, answer string
		last, bad    bool
	}{
		{name: "length", answer: "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"},
		{name: "chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		{name: "last", answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", last: true},
		{name: "refused", answer: "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", bad: true},
		{name: "cut", answer: "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", bad: true},
		{name: "chunk cut", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello", bad: true},
		{name: "no end", answer: "HTTP/1.1 200 OK\r\n\r\nhello", bad: true},
		{name: "no length", answer: "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			next := "HTTP/1.1 200 OK\r\n"
			if tt.bad {
				next = ""
			}
			in := bufio.NewReader(strings.NewReader(tt.answer + next))
			last, err := readAnswer(in)
			if (err != nil) != tt.bad || last != tt.last {
				t.Fatalf("got last %v, %v", last, err)
			}
			if tt.bad {
				return
			}
			if line, _ := in.ReadString('\n'); line != next {
				t.Errorf("has left %q, want the next answer", line)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	var first, second, all histogram
	for i := 1; i <= 1000; i++ {
		h := &first
		if i%2 == 0 {
			h = &second
		}
		h.add(time.Duration(i) * time.Microsecond)
	}
	all.merge(&first)
	all.merge(&second)
	for p, want := range map[float64]time.Duration{
		1: 10 * time.Microsecond, 50: 500 * time.Microsecond, 99: 990 * time.Microsecond, 100: 1000 * time.Microsecond,
	} {
		if got := all.percentile(p); got > want || got < want-want/subBuckets {
			t.Errorf("%v%%: got %v, want %v or up to a sixty-fourth less", p, got, want)
		}
	}
	if got := new(histogram).percentile(50); got != 0 {
		t.Errorf("got %v of nothing", got)
	}
}

func TestBuckets(t *testing.T) {
	for _, n := range []uint64{0, 1, 63, 64, 65, 127, 128, 129, 1 << 20, 1<<20 + 1, 1<<62 - 1, 1<<63 - 1} {
		b := bucketOf(n)
		low, next := uint64(lowest(b)), uint64(lowest(b+1))
		if low > n || n >= next {
			t.Errorf("%d is in bucket %d, which goes from %d to %d", n, b, low, next)
		}
	}
	var h histogram
	h.add(1<<63 - 1)
	h.add(-1)
	if h.total != 2 {
		t.Errorf("got %d, want 2", h.total)
	}
}

func TestMedian(t *testing.T) {
	tests := []struct {
		of   []float64
		want float64
		text string
	}{
		{of: nil, want: 0, text: "0.00"},
		{of: []float64{2}, want: 2, text: "2.00"},
		{of: []float64{3, 1}, want: 2, text: "2.00 (1.00–3.00)"},
		{of: []float64{9, 1, 2}, want: 2, text: "2.00 (1.00–9.00)"},
		{of: []float64{4, 1, 3, 2}, want: 2.5, text: "2.50 (1.00–4.00)"},
	}
	for _, tt := range tests {
		before := append([]float64(nil), tt.of...)
		if got := median(tt.of); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.of, got, tt.want)
		}
		if got := spread(tt.of); got != tt.text {
			t.Errorf("%v: got %q, want %q", tt.of, got, tt.text)
		}
		if !cmp.Equal(before, tt.of) {
			t.Errorf("%v became %v", before, tt.of)
		}
	}
}

func TestTable(t *testing.T) {
	table := newTable("Title", "row", "µs")
	var out strings.Builder
	table.print(&out, false)
	table.add("longer", "7")
	table.print(&out, false)
	table.print(&out, true)
	want := "\nTitle\n  row     µs\n  longer   7\n" +
		"\n### Title\n\n| row | µs |\n|---|--:|\n| longer | 7 |\n"
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestRequestBytes(t *testing.T) {
	r := request{method: "POST", header: [2]string{"X-Key", "k"}, body: "hello"}
	want := "POST / HTTP/1.1\r\nHost: a:1\r\nX-Key: k\r\nContent-Length: 5\r\n\r\nhello"
	if got := string(r.bytes("a:1")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPeak sees memory that was used and is given back since.
func TestPeak(t *testing.T) {
	if !hasProc() {
		t.Skip(errNoProc)
	}
	const size = 64 << 20
	used := func(name string) int64 {
		t.Helper()
		n, err := statusBytes(os.Getpid(), name)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	reset := func() {
		t.Helper()
		if err := resetPeak(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	reset()
	before := used("VmHWM")
	piece, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	for i := range piece {
		piece[i] = 1
	}
	if err := syscall.Munmap(piece); err != nil {
		t.Fatal(err)
	}
	most := used("VmHWM")
	if most < before+size*3/4 {
		t.Errorf("got %d, want at least %d more than %d", most, size*3/4, before)
	}
	reset()
	if now := used("VmHWM"); now > most-size/2 {
		t.Errorf("got %d after it was reset, want well below %d", now, most)
	}
}
