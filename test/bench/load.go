package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// figures are what a load tells.
type figures struct {
	requests int
	duration time.Duration
	p50, p99 time.Duration
}

func (f figures) rate() float64 { return float64(f.requests) / f.duration.Seconds() }

// A load sends a request over and over, on each connection as soon as the last
// one was answered. An answer that is not a 200 is an error.
type load interface {
	run(ctx context.Context, address string, r request, connections int, d time.Duration) (figures, error)
}

// ownLoad is the generator that is part of this program.
type ownLoad struct{}

func (ownLoad) run(ctx context.Context, address string, r request, connections int, d time.Duration) (figures, error) {
	wire := r.bytes(address)
	begun := time.Now()
	counts := make([]histogram, connections)
	errs := make([]error, connections)
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() { errs[i] = repeat(ctx, address, wire, begun.Add(d), &counts[i]) })
	}
	all.Wait()
	took := time.Since(begun)
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return figures{}, err
	}
	var sum histogram
	for i := range counts {
		sum.merge(&counts[i])
	}
	return figures{requests: sum.total, duration: took, p50: sum.percentile(50), p99: sum.percentile(99)}, nil
}

// patience is how long one answer may take.
const patience = 10 * time.Second

// repeat uses one connection at a time, and another if the server ends one.
func repeat(ctx context.Context, address string, wire []byte, until time.Time, count *histogram) error {
	for time.Now().Before(until) {
		if err := onConnection(ctx, address, wire, until, count); err != nil {
			return err
		}
	}
	return nil
}

func onConnection(ctx context.Context, address string, wire []byte, until time.Time, count *histogram) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if err := c.SetDeadline(until.Add(patience)); err != nil {
		return err
	}
	in := bufio.NewReader(c)
	for {
		sent := time.Now()
		if !sent.Before(until) {
			return nil
		}
		if _, err := c.Write(wire); err != nil {
			return err
		}
		last, err := readAnswer(in)
		if err != nil {
			return fmt.Errorf("the answer of %s: %w", address, err)
		}
		count.add(time.Since(sent))
		if last {
			return nil
		}
	}
}

// readAnswer reads an answer and reports whether it is the last one on its
// connection. It takes no more of HTTP than the servers here write.
func readAnswer(in *bufio.Reader) (last bool, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return false, fmt.Errorf("want a 200: %q", bytes.TrimSpace(line))
	}
	length, chunked := -1, false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return false, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			last = bytes.EqualFold(value, []byte("close"))
		}
	}
	switch {
	case chunked:
		return last, discardChunks(in)
	case length >= 0:
		_, err := in.Discard(length)
		return last, err
	default:
		return false, errors.New("want a Content-Length or chunks")
	}
}

func discardChunks(in *bufio.Reader) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, in, int64(size)+2); err != nil { //nolint:gosec // 31 bits fit
			return err
		}
		if size == 0 {
			return nil
		}
	}
}
