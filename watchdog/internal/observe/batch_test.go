package observe

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pieces keeps what is written to it, and how. While it is held it takes
// nothing.
type pieces struct {
	held chan struct{} // has an element then
	mu   sync.Mutex
	kept []string
}

func newPieces() *pieces { return &pieces{held: make(chan struct{}, 1)} }

func (p *pieces) hold()    { p.held <- struct{}{} }
func (p *pieces) release() { <-p.held }

func (p *pieces) Write(b []byte) (int, error) {
	p.hold()
	defer p.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = append(p.kept, string(b))
	return len(b), nil
}

func (p *pieces) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kept
}

func none(t *testing.T) func(int) {
	return func(n int) { t.Errorf("%d records were dropped, want none", n) }
}

func TestBatchTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPieces()
		b := newBatch(out, none(t))
		want := ""
		for i := range 100 {
			line := fmt.Sprintln(i)
			want += line
			if n, err := b.Write([]byte(line)); n != len(line) || err != nil {
				t.Errorf("Write: got %d and %v, want all", n, err)
			}
		}
		if len(out.all()) > 0 {
			t.Errorf("got %q at once, want it later", out.all())
		}
		time.Sleep(batchDelay)
		synctest.Wait()
		if len(out.all()) != 1 || out.all()[0] != want {
			t.Errorf("got %q, want all in one piece and in order", out.all())
		}
		b.Write([]byte("later\n"))
		time.Sleep(batchDelay)
		synctest.Wait()
		if len(out.all()) != 2 || out.all()[1] != "later\n" {
			t.Errorf("got %q, want the later one by itself", out.all())
		}
	})
}

// TestBatchKeepsNothingOfOthers: a batch must not hold on to what it is given.
func TestBatchKeepsNothingOfOthers(t *testing.T) {
	out := newPieces()
	b := newBatch(out, none(t))
	line := []byte("mine\n")
	b.Write(line)
	copy(line, "his")
	b.wait(time.Hour)
	if len(out.all()) != 1 || out.all()[0] != "mine\n" {
		t.Errorf("got %q, want what it was when it was written", out.all())
	}
}

func TestBatchClose(t *testing.T) {
	out := newPieces()
	b := newBatch(out, none(t))
	const writers, each = 8, 500
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				fmt.Fprintf(b, "%d %d\n", w, i)
			}
		})
	}
	all.Wait()
	b.wait(time.Hour)
	next := make([]int, writers)
	for line := range strings.Lines(strings.Join(out.all(), "")) {
		var w, i int
		if _, err := fmt.Sscanf(line, "%d %d\n", &w, &i); err != nil {
			t.Fatalf("got %q: %v", line, err)
		}
		if i != next[w] {
			t.Fatalf("writer %d: got %d, want %d", w, i, next[w])
		}
		next[w]++
	}
	for w, n := range next {
		if n != each {
			t.Errorf("writer %d: got %d records, want %d", w, n, each)
		}
	}
	b.wait(time.Hour) // nothing is left, so it does not wait
}

// TestBatchHeld has nobody take what is written.
func TestBatchHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPieces()
		dropped := 0
		b := newBatch(out, func(n int) { dropped += n })
		out.hold()
		b.Write([]byte("first\n"))
		time.Sleep(batchDelay)
		synctest.Wait() // it is being written now
		line := bytes.Repeat([]byte("x"), 1<<10)
		const fit, over = batchRoom >> 10, 7
		for range fit + over { // nobody waits
			b.Write(line)
		}
		begun := time.Now()
		b.wait(time.Second)
		if got := time.Since(begun); got != time.Second {
			t.Errorf("waited for %v, want no longer than a second", got)
		}
		if dropped > 0 {
			t.Errorf("got %d reported before there is room", dropped)
		}
		out.release()
		b.wait(time.Hour)
		if dropped != over {
			t.Errorf("got %d dropped, want %d", dropped, over)
		}
		if got, want := strings.Join(out.all(), ""), "first\n"+strings.Repeat(string(line), fit); got != want {
			t.Errorf("got %d bytes, want the %d for which there was room", len(got), len(want))
		}
		b.Write([]byte("last\n"))
		b.wait(time.Hour)
		if dropped != over || out.all()[len(out.all())-1] != "last\n" {
			t.Errorf("got %d dropped and %q at the end, want no more and the last", dropped, out.all()[len(out.all())-1])
		}
	})
}

// TestBatchTooLarge: what never fits is counted as well.
func TestBatchTooLarge(t *testing.T) {
	out := newPieces()
	dropped := 0
	b := newBatch(out, func(n int) { dropped += n })
	b.Write(make([]byte, batchRoom+1))
	b.wait(time.Hour)
	if dropped != 1 || len(out.all()) > 0 {
		t.Errorf("got %d dropped and %d pieces, want it dropped and said so", dropped, len(out.all()))
	}
}

// TestDroppedIsLogged has the log go the same way as the records.
func TestDroppedIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPieces()
		l := NewAccessLog(out, "text", slog.New(slog.NewTextHandler(out, nil)))
		out.hold()
		l.write(time.Now(), &access{path: "/first"})
		time.Sleep(batchDelay)
		synctest.Wait()
		for range 3 {
			l.batch.Write(make([]byte, batchRoom/2+1))
		}
		out.release()
		l.Close(time.Hour)
		if got := out.all()[len(out.all())-1]; !strings.Contains(got, "level=WARN") || !strings.Contains(got, "records=2") {
			t.Errorf("got %q, want a warning of 2 records", got)
		}
	})
}
