// The function with the watchdog in the same process: there is no second
// process, no socket, and no way to the handler but through the gate.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"auth-watchdog/watchdog"

	"handler/function"
)

func main() {
	run := serve
	if slices.Contains(os.Args[1:], "--run-healthcheck") {
		run = healthcheck
	}
	if err := run(watchdog.Environ(os.Environ())); err != nil {
		fmt.Fprintln(os.Stderr, "handler:", err)
		os.Exit(1)
	}
}

func serve(settings watchdog.Settings) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return watchdog.Run(ctx, http.HandlerFunc(function.Handle), settings)
}

func healthcheck(settings watchdog.Settings) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return watchdog.Healthcheck(ctx, settings)
}
