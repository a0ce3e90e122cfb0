// The server behind auth-watchdog: it hands each request that the watchdog has
// let through to the function's handler, and nobody else can reach it.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"handler/function"
)

func main() {
	if err := run(os.Getenv("upstream_url")); err != nil {
		fmt.Fprintln(os.Stderr, "handler:", err)
		os.Exit(1)
	}
}

func run(address string) error {
	l, err := listen(address)
	if err != nil {
		return err
	}
	// The watchdog bounds how long callers and handler may take.
	s := &http.Server{Handler: http.HandlerFunc(function.Handle), ReadHeaderTimeout: 10 * time.Second}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// The watchdog sends SIGTERM once every request has been answered.
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	return s.Shutdown(ctx)
}

// listen listens on the unix socket that the watchdog calls, which only this
// user can open, or on an address of this container only.
func listen(address string) (net.Listener, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme == "unix":
		if err := os.Remove(u.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		before := syscall.Umask(0o177) // the socket is made with mode 0600
		defer syscall.Umask(before)
		return net.Listen("unix", u.Path)
	case u.Scheme == "http" && u.Hostname() == "127.0.0.1":
		return net.Listen("tcp", u.Host)
	}
	return nil, fmt.Errorf("upstream_url=%q: want unix:///tmp/function.sock or http://127.0.0.1:PORT", address)
}
