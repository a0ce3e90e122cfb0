package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// A target is a row's program as it runs.
type target struct {
	row
	request   request
	address   string
	metrics   string     // address of the metrics; empty if they are not read
	processes []*process // the first one is measured
	logs      []string   // files that it fills beside those of its processes
}

func (t *target) pid() int { return t.processes[0].pid() }

// measured are the processes whose costs are those of the program: workers of
// nginx are, a function is not.
func (t *target) measured() []int {
	pids := []int{t.pid()}
	if t.program == webProxy {
		pids = append(pids, childrenOf(t.pid())...)
	}
	return pids
}

func (t *target) end() {
	for _, p := range t.processes {
		p.end()
	}
}

// untilReady asks without a pause worth mentioning until there is a 200.
func (t *target) untilReady(ctx context.Context) error {
	const pause = 200 * time.Microsecond
	begun := time.Now()
	for {
		err := t.once(ctx)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		select {
		case <-t.processes[0].done:
			return t.processes[0].failure(err)
		case <-time.After(pause):
		}
		if time.Since(begun) > patience {
			return t.processes[0].failure(err)
		}
	}
}

// once sends the request once.
func (t *target) once(ctx context.Context) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", t.address)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.Write(t.request.bytes(t.address)); err != nil {
		return err
	}
	_, err = readAnswer(bufio.NewReader(c))
	return err
}

// emptyLogs keeps the logs, which have a line for each request, from filling
// the disk.
func (t *target) emptyLogs() {
	for _, p := range t.processes {
		_ = os.Truncate(p.log, 0)
	}
	for _, log := range t.logs {
		_ = os.Truncate(log, 0)
	}
}

// cpu is how much processor time the program has had.
func (t *target) cpu() (cpu, error) {
	var sum cpu
	for _, pid := range t.measured() {
		one, err := cpuOf(pid)
		if err != nil {
			return cpu{}, err
		}
		sum = sum.add(one)
	}
	return sum, nil
}

// resident is how much memory the program has in use.
func (t *target) resident() (int64, error) {
	var sum int64
	for _, pid := range t.measured() {
		one, err := statusBytes(pid, "VmRSS")
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// allocations is how many times the program has allocated memory; unknown if
// it has no metrics.
func (t *target) allocations(ctx context.Context) (float64, error) {
	if t.metrics == "" {
		return 0, nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.metrics+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	return parseMetric(string(text), "go_memstats_mallocs_total")
}

// parseMetric reads a metric that has no labels.
func parseMetric(text, name string) (float64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, errors.New("the metrics have no " + name)
}

// A cost is what a load has cost a target.
type cost struct {
	figures
	cpu         cpu
	allocations float64
}

// per is a processor time for each request, in microseconds.
func (c cost) per(d time.Duration) float64 {
	return float64(d.Nanoseconds()) / 1000 / float64(c.requests)
}

// measure loads a target and says what it cost.
func (t *target) measure(ctx context.Context, l load, connections int, d time.Duration) (cost, error) {
	t.emptyLogs()
	c, err := t.tryMeasure(ctx, l, connections, d)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s: %w", t.row, t.processes[0].failure(err))
	}
	return c, err
}

// tryMeasure reads the metrics outside of what it counts the processor time of.
func (t *target) tryMeasure(ctx context.Context, l load, connections int, d time.Duration) (c cost, err error) {
	allocated, err := t.allocations(ctx)
	if err != nil {
		return c, err
	}
	before, err := t.cpu()
	if err != nil {
		return c, err
	}
	if c.figures, err = l.run(ctx, t.address, t.request, connections, d); err != nil {
		return c, err
	}
	after, err := t.cpu()
	if err != nil {
		return c, err
	}
	c.cpu = after.sub(before)
	total, err := t.allocations(ctx)
	c.allocations = (total - allocated) / float64(c.requests)
	return c, err
}
