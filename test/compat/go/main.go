// Command go is a function as templates for of-watchdog have it: a server on
// all addresses.
package main

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

func main() {
	s := &http.Server{
		Addr:              ":8082",
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s says %s", r.Header.Get("X-Auth-Subject"), body) //nolint:gosec // it answers in text
		}),
	}
	panic(s.ListenAndServe())
}
