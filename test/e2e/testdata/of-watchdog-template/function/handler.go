package function

import (
	"fmt"
	"io"
	"net/http"
)

// Handle is such as golang-middleware's.
func Handle(w http.ResponseWriter, r *http.Request) {
	var input []byte
	if r.Body != nil {
		defer r.Body.Close()
		input, _ = io.ReadAll(r.Body)
	}
	w.WriteHeader(http.StatusOK)
	fmt.Fprintf(w, "Body: %s", input)
}
