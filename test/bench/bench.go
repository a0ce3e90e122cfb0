package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"time"
)

// A bench is what is to be measured, and how.
type bench struct {
	site        *site
	load        load
	duration    time.Duration
	connections int
	pairs       int
	prefork     int
	only        *regexp.Regexp
	streams     bool
	markdown    bool
	out         io.Writer
}

func (b *bench) run(ctx context.Context) error {
	b.machine()
	for _, part := range []func(context.Context) error{b.costs, b.compare, b.starts, b.streamed} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// warm loads a target before it is measured, so that connections, pools and
// caches are what they are later.
func (b *bench) warm(ctx context.Context, t *target, connections int) error {
	_, err := t.measure(ctx, b.load, connections, min(b.duration/5+1, time.Second))
	return err
}

// costs measures each row by itself.
func (b *bench) costs(ctx context.Context) error {
	t := newTable("Cost of a request", "row", "requests/s", "p50 µs", "p99 µs", "processor µs",
		"of children µs", "resident idle MiB", "after MiB", "allocations")
	defer t.print(b.out, b.markdown) // what there is, if the rest fails
	for _, r := range matching(rows(b.prefork), b.only) {
		if !b.site.has(r) {
			continue
		}
		cells, err := b.cost(ctx, r)
		if err != nil {
			return err
		}
		t.add(cells...)
	}
	return nil
}

func (b *bench) cost(ctx context.Context, r row) ([]string, error) {
	t, err := b.site.start(ctx, r)
	if err != nil {
		return nil, err
	}
	defer t.end()
	idle, err := t.settled(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.warm(ctx, t, b.connections); err != nil {
		return nil, err
	}
	c, err := t.measure(ctx, b.load, b.connections, b.duration)
	if err != nil {
		return nil, err
	}
	after, err := t.resident()
	if err != nil {
		return nil, err
	}
	allocations := "-"
	if t.metrics != "" {
		allocations = fmt.Sprintf("%.0f", c.allocations)
	}
	return []string{
		r.String(), fmt.Sprintf("%.0f", c.rate()), micros(c.p50), micros(c.p99),
		fmt.Sprintf("%.1f", c.per(c.cpu.own)), fmt.Sprintf("%.1f", c.per(c.cpu.children)),
		mebi(idle), mebi(after), allocations,
	}, nil
}

// settled is how much memory a target has in use a moment after its start.
func (t *target) settled(ctx context.Context) (int64, error) {
	const moment = 200 * time.Millisecond
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(moment):
		return t.resident()
	}
}

// compare measures ours and theirs in turns, so that what else the machine
// does meets both.
func (b *bench) compare(ctx context.Context) error {
	t := newTable(fmt.Sprintf("Ours / theirs: median of the ratios of %d pairs (least–most)", b.pairs),
		"comparison", "requests/s", "p50", "p99", "processor", "with children")
	missing := map[string]bool{}
	for _, c := range matching(comparisons(b.prefork), b.only) {
		if !b.site.has(c.theirs) {
			missing[c.theirs.program] = true
			continue
		}
		cells, err := b.pair(ctx, c)
		if err != nil {
			t.print(b.out, b.markdown)
			return err
		}
		t.add(cells...)
	}
	t.print(b.out, b.markdown)
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		fmt.Fprintf(b.out, "\n%s: not given; %s compares with it\n", name, howToGive(name))
	}
	return nil
}

func howToGive(program string) string {
	if program == webProxy {
		return "--nginx"
	}
	return "--peer " + program + "=PATH"
}

func (b *bench) pair(ctx context.Context, c comparison) ([]string, error) {
	connections := c.connections
	if connections == 0 {
		connections = b.connections
	}
	var both [2]*target
	for i, r := range []row{c.ours, c.theirs} {
		t, err := b.site.start(ctx, r)
		if err != nil {
			return nil, err
		}
		defer t.end()
		if err := b.warm(ctx, t, connections); err != nil {
			return nil, err
		}
		both[i] = t
	}
	numbers := []func(cost) float64{
		cost.rate,
		func(c cost) float64 { return float64(c.p50) },
		func(c cost) float64 { return float64(c.p99) },
		func(c cost) float64 { return c.per(c.cpu.own) },
		func(c cost) float64 { return c.per(c.cpu.own + c.cpu.children) },
	}
	ratios := make([][]float64, len(numbers))
	for range b.pairs {
		var costs [2]cost
		for i, t := range both {
			var err error
			if costs[i], err = t.measure(ctx, b.load, connections, b.duration); err != nil {
				return nil, err
			}
		}
		for i, number := range numbers {
			ratios[i] = append(ratios[i], number(costs[0])/number(costs[1]))
		}
	}
	cells := []string{c.String()}
	for _, r := range ratios {
		cells = append(cells, spread(r))
	}
	return cells, nil
}

// starting are the rows of which the start is measured.
func starting() []row {
	return []row{{ours, "static", "bearer", files}, {ofPeer, "static", "none", files}}
}

// starts measures what needs no load.
func (b *bench) starts(ctx context.Context) error {
	const times = 11
	took, idle := map[string][]int64{}, map[string][]int64{}
	measured := matching(starting(), b.only)
	for range times {
		for _, r := range measured {
			if !b.site.has(r) {
				continue
			}
			t, resident, err := b.startOnce(ctx, r)
			if err != nil {
				return err
			}
			took[r.String()] = append(took[r.String()], int64(t))
			idle[r.String()] = append(idle[r.String()], resident)
		}
	}
	t := newTable(fmt.Sprintf("Without load: medians of %d starts", times), "row", "exec to first 200, ms", "resident MiB", "binary MiB")
	for _, r := range measured {
		if b.site.has(r) {
			ms := float64(median(took[r.String()])) / float64(time.Millisecond)
			t.add(r.String(), fmt.Sprintf("%.1f", ms), mebi(median(idle[r.String()])), b.size(r.program))
		}
	}
	if len(measured) > 0 && b.site.programs[classic] != "" {
		t.add(classic, "-", "-", b.size(classic))
	}
	t.print(b.out, b.markdown)
	return nil
}

func (b *bench) startOnce(ctx context.Context, r row) (time.Duration, int64, error) {
	if err := b.site.untilFree(ctx, r); err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	t, err := b.site.start(ctx, r)
	took := time.Since(begun)
	if err != nil {
		return 0, 0, err
	}
	defer t.end()
	resident, err := t.settled(ctx)
	return took, resident, err
}

// size is that of a program's file.
func (b *bench) size(program string) string {
	info, err := os.Stat(b.site.programs[program])
	if err != nil {
		return "-"
	}
	return mebi(info.Size())
}

func micros(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/float64(time.Microsecond)) }

func mebi(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }
