// Command handler is the function behind the watchdogs that test/bench
// measures. With a network and an address it is a server, as modes http want
// it; without, it answers one request on standard input, as modes streaming
// and serializing do.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

const hello = "Hello, world!\n"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "handler:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			return err
		}
		_, err := io.WriteString(os.Stdout, hello)
		return err
	}
	l, err := net.Listen(args[0], args[1])
	if err != nil {
		return err
	}
	go endWithParent()
	return http.Serve(l, http.HandlerFunc(answer)) //nolint:gosec // nobody but the watchdog calls it
}

// endWithParent ends the server when a watchdog has died without ending it.
func endWithParent() {
	for parent := os.Getppid(); os.Getppid() == parent; {
		time.Sleep(time.Second)
	}
	os.Exit(1)
}

// answer says hello, or sends as many bytes as /bytes/N asks for.
func answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	n, err := strconv.ParseInt(path.Base(r.URL.Path), 10, 64)
	if err != nil || !strings.HasPrefix(r.URL.Path, "/bytes/") {
		w.Header().Set("Content-Length", strconv.Itoa(len(hello)))
		_, _ = io.WriteString(w, hello)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	for piece := make([]byte, 64<<10); n > 0; n -= int64(len(piece)) {
		if _, err := w.Write(piece[:min(n, int64(len(piece)))]); err != nil {
			return
		}
	}
}
