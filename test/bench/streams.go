package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// streamSize is how many bytes go through the watchdog in one body.
const streamSize = 1 << 30

// zeros is a body without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// streamed measures how much memory large bodies take that only pass.
func (b *bench) streamed(ctx context.Context) error {
	if !b.streams {
		return nil
	}
	t, err := b.site.start(ctx, row{ours, "http-unix", "bearer", overSocket})
	if err != nil {
		return err
	}
	defer t.end()
	table := newTable(fmt.Sprintf("A body of %s MiB through %s", mebi(streamSize), t.row),
		"body", "resident idle MiB", "most over idle MiB", "s")
	for _, body := range []struct{ name, method, path string }{
		{"of the answer", http.MethodGet, fmt.Sprintf("/bytes/%d", streamSize)},
		{"of the request", http.MethodPost, "/"},
	} {
		idle, err := t.settled(ctx)
		if err != nil {
			return err
		}
		if err := resetPeak(t.pid()); err != nil {
			return err
		}
		begun := time.Now()
		if err := t.stream(ctx, body.method, body.path); err != nil {
			return fmt.Errorf("%s: %w", t.row, t.processes[0].failure(err))
		}
		took := time.Since(begun)
		most, err := statusBytes(t.pid(), "VmHWM")
		if err != nil {
			return err
		}
		table.add(body.name, mebi(idle), mebi(most-idle), fmt.Sprintf("%.1f", took.Seconds()))
	}
	table.print(b.out, b.markdown)
	return nil
}

// stream sends a large body, or takes one.
func (t *target) stream(ctx context.Context, method, path string) error {
	var body io.Reader
	if method == http.MethodPost {
		body = io.LimitReader(zeros{}, streamSize)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+t.address+path, body)
	if err != nil {
		return err
	}
	r.Header.Set(t.request.header[0], t.request.header[1])
	if body != nil {
		r.ContentLength = streamSize
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("want a 200: %s", answer.Status)
	case method == http.MethodGet && n != streamSize:
		return fmt.Errorf("want %d bytes: %d", streamSize, n)
	}
	return nil
}
