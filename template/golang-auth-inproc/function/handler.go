package function

import (
	"fmt"
	"io"
	"net/http"
)

// Handle answers requests that the watchdog has let through. Who is calling
// stands in headers that only the watchdog can set.
func Handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "Hello %s, you sent %d bytes.\n", r.Header.Get("X-Auth-Subject"), len(body))
}
