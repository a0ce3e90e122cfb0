package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/openfaas/faas-provider/logs"
)

// lastLinesMax is how many lines of a container that does not become ready
// are shown.
const lastLinesMax = 20

// Query reads a function's output, for faas-provider's handler of logs.
func (p *provider) Query(ctx context.Context, r logs.Request) (<-chan logs.Message, error) {
	if err := checkNamespace(r.Namespace); err != nil {
		return nil, err
	}
	c, err := p.current(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	body, err := p.engine.logs(ctx, c.ID, logQuery(r))
	if err != nil {
		return nil, err
	}
	messages := make(chan logs.Message)
	go func() {
		defer close(messages)
		defer body.Close()
		for line, err := range linesOf(body) {
			if err != nil {
				if ctx.Err() == nil {
					p.log.Error("the log of a function ended early", "function", r.Name, "error", err)
				}
				return
			}
			m := logs.Message{Name: r.Name, Namespace: namespace, Instance: c.ID[:min(12, len(c.ID))], Timestamp: line.at, Text: line.text}
			select {
			case messages <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	return messages, nil
}

func logQuery(r logs.Request) url.Values {
	query := url.Values{}
	if r.Follow {
		query.Set("follow", "1")
	}
	if r.Tail > 0 {
		query.Set("tail", strconv.Itoa(r.Tail))
	}
	if r.Since != nil {
		query.Set("since", fmt.Sprintf("%d.%09d", r.Since.Unix(), r.Since.Nanosecond()))
	}
	return query
}

// lastLines returns the end of a container's output.
func (p *provider) lastLines(ctx context.Context, id string) (string, error) {
	body, err := p.engine.logs(ctx, id, url.Values{"tail": {strconv.Itoa(lastLinesMax)}})
	if err != nil {
		return "", err
	}
	defer body.Close()
	var text strings.Builder
	for line, err := range linesOf(body) {
		if err != nil {
			return text.String(), err
		}
		text.WriteString(line.text + "\n")
	}
	return text.String(), nil
}

type logLine struct {
	at   time.Time
	text string
}

// linesOf reads the engine's frames: a byte for the output, three that are 0,
// four for the length, and then a line, or a piece of a long one, that begins
// with its time.
func linesOf(frames io.Reader) iter.Seq2[logLine, error] {
	return func(yield func(logLine, error) bool) {
		in := bufio.NewReader(frames)
		for {
			line, err := readFrame(in)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}

func readFrame(in io.Reader) (logLine, error) {
	var head [8]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return logLine{}, err
	}
	if head[0] > 2 || head[1] != 0 || head[2] != 0 || head[3] != 0 {
		return logLine{}, fmt.Errorf("%x is no head of a frame", head)
	}
	var text strings.Builder
	if _, err := io.CopyN(&text, in, int64(binary.BigEndian.Uint32(head[4:]))); err != nil {
		return logLine{}, fmt.Errorf("a frame that is cut off: %w", noEOF(err))
	}
	at, rest, _ := strings.Cut(strings.TrimRight(text.String(), "\r\n"), " ")
	when, err := time.Parse(time.RFC3339Nano, at)
	return logLine{when, rest}, err
}

// noEOF tells an end in the middle from a good one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
