// Command inproc is a Go function with the watchdog in its own process or, if
// an address is given, the same function without it.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"auth-watchdog/watchdog"
)

const hello = "Hello, world!\n"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "inproc:", err)
		os.Exit(1)
	}
}

func run() error {
	handler := http.HandlerFunc(answer)
	if len(os.Args) == 2 {
		return http.ListenAndServe(os.Args[1], handler) //nolint:gosec // nobody but the measurement calls it
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return watchdog.Run(ctx, handler, watchdog.Environ(os.Environ()))
}

func answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Length", strconv.Itoa(len(hello)))
	_, _ = io.WriteString(w, hello)
}
