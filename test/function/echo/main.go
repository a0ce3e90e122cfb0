// Command echo is a function for tests. It listens on the unix socket that is
// its argument and answers each request with what it was sent, except that
// POST /exit ends it.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	if err := serve(os.Args[1]); !errors.Is(err, http.ErrServerClosed) {
		panic(err)
	}
}

func serve(path string) error {
	// The socket of one that was killed is still there.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { //nolint:gosec // the test says where
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	fmt.Println("echo listens")
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /exit", func(http.ResponseWriter, *http.Request) { _ = s.Close() })
	mux.HandleFunc("/", echo)
	s.Handler = mux
	return s.Serve(l)
}

func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%s %s\n", r.Method, r.RequestURI) //nolint:gosec // as plain text
	_ = r.Header.Write(w)
	fmt.Fprintln(w)
	_, _ = io.Copy(w, r.Body)
}
