// Package reply writes what callers get from us and not from the function.
package reply

import (
	"net/http"
	"strconv"
	"time"
)

// Internal is the header by which OpenFaaS' queue worker knows that a call has
// failed before it reached the function, and tries it again.
const Internal = "X-OpenFaaS-Internal"

// Write answers with a status and nothing that tells of the reason. wait, if
// not 0, is how long the caller should wait before it tries again.
func Write(w http.ResponseWriter, status int, wait time.Duration) {
	Text(w, status, wait, http.StatusText(status)+"\n")
}

// Text is Write with another body than the status' own words.
func Text(w http.ResponseWriter, status int, wait time.Duration, text string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	if wait > 0 {
		seconds := (wait + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		h.Set(Internal, "auth-watchdog")
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
