package auth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func reasonOf(err error) Reason {
	if d := (*Denied)(nil); errors.As(err, &d) {
		return d.Reason
	}
	return ""
}

func TestBuffersRead(t *testing.T) {
	const most = 100_000
	for _, tt := range []struct {
		name   string
		size   int
		length int64 // said to be
		want   Reason
	}{
		{"empty", 0, 0, ""},
		{"empty, length not known", 0, -1, ""},
		{"one byte", 1, 1, ""},
		{"just as much as may be", most, most, ""},
		{"just as much, length not known", most, -1, ""},
		{"one byte more", most + 1, most + 1, BodyTooLarge},
		{"one byte more, length not known", most + 1, -1, BodyTooLarge},
		{"much more, length not known", 10 * most, -1, BodyTooLarge},
		{"first chunk", firstChunk, firstChunk, ""},
		{"between two sizes", firstChunk*3 + 1, -1, ""},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "data with the end": iotest.DataErrReader,
		} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				b := NewBuffers(most, 2*most)
				content := bytes.Repeat([]byte("x"), tt.size)
				body, err := b.readAll(t.Context(), wrap(bytes.NewReader(content)), tt.length)
				if got := reasonOf(err); got != tt.want {
					t.Fatalf("got %v, want %q", err, tt.want)
				}
				if tt.want == "" && !bytes.Equal(body.bytes, content) {
					t.Errorf("got %d bytes, want %d", len(body.bytes), tt.size)
				}
				body.release()
				if !b.room.Acquire(t.Context(), 2*most) {
					t.Error("not all room was given back")
				}
			})
		}
	}
}

// TestBuffersReadNoMoreThanTheBound: of a body that is too large, no more than
// one byte over the bound is read, whatever it says of itself.
func TestBuffersReadNoMoreThanTheBound(t *testing.T) {
	const most = 1 << 20
	r := &counting{r: strings.NewReader(strings.Repeat("x", 100<<20))}
	if _, err := NewBuffers(most, 4*most).readAll(t.Context(), r, -1); reasonOf(err) != BodyTooLarge {
		t.Fatalf("got %v", err)
	}
	if r.n > most+1 {
		t.Errorf("read %d bytes, want at most %d", r.n, most+1)
	}
	r = &counting{r: strings.NewReader("x")}
	if _, err := NewBuffers(most, 4*most).readAll(t.Context(), r, most+1); reasonOf(err) != BodyTooLarge || r.n > 0 {
		t.Errorf("got %v after %d bytes, want a refusal before any", err, r.n)
	}
}

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestBuffersErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want Reason
	}{
		{errors.New("broken"), BadBody},
		{io.ErrUnexpectedEOF, BadBody},
		{os.ErrDeadlineExceeded, BodyTimeout},
	} {
		_, err := NewBuffers(10, 20).readAll(t.Context(), iotest.ErrReader(tt.err), -1)
		if got := reasonOf(err); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%v: got %v, want %q", tt.err, err, tt.want)
		}
	}
	var none Buffers
	if _, err := none.readAll(t.Context(), strings.NewReader(""), -1); reasonOf(err) != BuffersFull && reasonOf(err) != BodyTooLarge {
		t.Errorf("the zero value: got %v, want no room", err)
	}
}

// TestBuffersTotal: a body that finds no room waits for a second, and gets it
// if another is released meanwhile.
func TestBuffersTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBuffers(1000, 1500)
		first, err := b.readAll(t.Context(), strings.NewReader(strings.Repeat("x", 900)), 900)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = b.readAll(t.Context(), strings.NewReader(strings.Repeat("y", 900)), 900)
		if reasonOf(err) != BuffersFull || time.Since(start) != time.Second {
			t.Errorf("got %v after %v, want %q after a second", err, time.Since(start), BuffersFull)
		}

		var wg sync.WaitGroup
		wg.Go(func() {
			second, err := b.readAll(t.Context(), strings.NewReader(strings.Repeat("y", 900)), 900)
			if err != nil {
				t.Errorf("with room in time: %v", err)
			}
			second.release()
		})
		time.Sleep(500 * time.Millisecond)
		first.release()
		wg.Wait()

		gone, cancel := context.WithCancel(t.Context())
		cancel()
		third, err := b.readAll(t.Context(), strings.NewReader(strings.Repeat("x", 900)), 900)
		if err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		if _, err := b.readAll(gone, strings.NewReader(strings.Repeat("y", 900)), 900); reasonOf(err) != BuffersFull || time.Since(start) != 0 {
			t.Errorf("a caller who has left: got %v after %v", err, time.Since(start))
		}
		third.release()
	})
}

// TestBuffersHoldWhatHasCome: who promises much and sends little holds little.
func TestBuffersHoldWhatHasCome(t *testing.T) {
	b := NewBuffers(1<<20, 2<<20)
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		body, err := b.readAll(context.Background(), pr, 1<<20)
		body.release()
		done <- err
	}()
	if _, err := pw.Write([]byte("a little")); err != nil {
		t.Fatal(err)
	}
	if rest := int64(2<<20 - firstChunk); !b.room.Acquire(t.Context(), rest) {
		t.Errorf("less than %d is left", rest)
	} else {
		b.room.Release(rest)
	}
	pw.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestBuffer(t *testing.T) {
	b := NewBuffers(100, 200)
	r := httptest.NewRequest("POST", "/", strings.NewReader("body"))
	r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
	release, err := b.Buffer(httptest.NewRecorder(), r, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Buffer(httptest.NewRecorder(), r, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	again()
	got, _ := io.ReadAll(r.Body)
	if string(got) != "body" || r.ContentLength != 4 || r.TransferEncoding != nil || r.Header.Get("Content-Length") != "4" {
		t.Errorf("got %q, %d, %v, %v", got, r.ContentLength, r.TransferEncoding, r.Header)
	}
	release()
	if !b.room.Acquire(t.Context(), 200) {
		t.Error("not all room was given back")
	}
}
