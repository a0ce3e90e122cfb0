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

// Exit statuses, as those of auth-watchdog.
const (
	exitFailed        = 1
	exitConfiguration = 2
)

func main() {
	run := serve
	if slices.Contains(os.Args[1:], "--run-healthcheck") {
		run = healthcheck
	}
	if status, err := run(watchdog.Environ(os.Environ())); err != nil {
		fmt.Fprintln(os.Stderr, "handler:", err)
		os.Exit(status)
	}
}

func serve(settings watchdog.Settings) (status int, err error) {
	w, err := watchdog.New(watchdog.Options{Settings: settings, Handler: http.HandlerFunc(function.Handle)})
	if err != nil {
		return exitConfiguration, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return exitFailed, w.Run(ctx)
}

func healthcheck(settings watchdog.Settings) (status int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return exitFailed, watchdog.Healthcheck(ctx, settings)
}
