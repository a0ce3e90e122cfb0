package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// onPort8080 is where every watchdog listens.
func onPort8080(c container) string { return net.JoinHostPort(c.address(), "8080") }

// pollInterval is how often a function is asked whether it is ready.
const pollInterval = 50 * time.Millisecond

// calls counts the requests of each function, since the provider's start, and
// remembers which start of its container was seen ready.
type calls struct {
	mu     sync.Mutex
	counts map[string]float64
	ready  map[string]string
}

func (c *calls) add(function string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]float64{}
	}
	c.counts[function]++
}

func (c *calls) count(function string) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[function]
}

func (c *calls) wasReady(function, started string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready[function] == started
}

func (c *calls) setReady(function, started string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready == nil {
		c.ready = map[string]string{}
	}
	c.ready[function] = started
}

func (c *calls) forget(function string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.counts, function)
	delete(c.ready, function)
}

// Resolve finds where a function listens, for faas-provider's proxy, which
// asks once for each request. A function that is scaled to zero is started,
// and one that has just been started is waited for.
func (p *provider) Resolve(name string) (url.URL, error) {
	// The proxy has no context to give.
	ctx, cancel := context.WithTimeout(context.Background(), p.readyTimeout)
	defer cancel()
	function, err := bareName(name)
	if err != nil {
		return url.URL{}, err
	}
	c, err := p.current(ctx, function)
	if err != nil {
		return url.URL{}, err
	}
	p.calls.add(function)
	if !c.running() || !p.calls.wasReady(function, c.started()) {
		if c, err = p.wake(ctx, function, c); err != nil {
			return url.URL{}, err
		}
	}
	return url.URL{Scheme: "http", Host: p.listensAt(c)}, nil
}

// bareName takes the namespace off a name.
func bareName(name string) (string, error) {
	function, ns, _ := strings.Cut(name, ".")
	return function, checkNamespace(ns)
}

// wake returns the container once it is ready.
func (p *provider) wake(ctx context.Context, function string, c container) (container, error) {
	if err := p.engine.start(ctx, c.ID); err != nil {
		return c, err
	}
	if err := p.waitReady(ctx, c.ID); err != nil {
		return c, err
	}
	c, err := p.engine.inspect(ctx, c.ID)
	if err == nil {
		p.calls.setReady(function, c.started())
	}
	return c, err
}

// waitReady returns an error if the function ends, or is not ready in time.
func (p *provider) waitReady(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, p.readyTimeout)
	defer cancel()
	first, err := p.engine.inspect(ctx, id)
	if err != nil {
		return err
	}
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for c := first; ; {
		if !c.running() || c.RestartCount > first.RestartCount {
			return fmt.Errorf("it ended with exit code %d", c.State.ExitCode)
		}
		if p.isReady(ctx, c) {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
		}
		if ctx.Err() == nil {
			c, err = p.engine.inspect(ctx, id)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("it did not answer /_/ready with 200 within %v", p.readyTimeout)
		}
		if err != nil {
			return err
		}
	}
}

// isReady asks the watchdog.
func (p *provider) isReady(ctx context.Context, c container) bool {
	if c.address() == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.listensAt(c)+"/_/ready", nil) //nolint:gosec // the engine gave the address
	if err != nil {
		return false
	}
	answer, err := p.prober.RoundTrip(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
