package auth

import "net/http"

// A Handshake is what a [Method] says of a request that is not for the function:
// by it a sender finds out whether an address is meant to be called. The gate
// answers it, if the rule's other methods have no say in the matter.
type Handshake struct {
	Kind     string // for the log, of a closed set
	Verified bool   // the request proves who sent it; false if anybody can send such a one
	Status   int    // of the answer; 200 if 0
	Header   http.Header
	Body     string
}

func (h *Handshake) Error() string {
	return "a handshake of kind " + h.Kind + ", which is not for the function"
}

// answer writes the answer of a handshake.
func (h *Handshake) answer(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff") // part of it may be the caller's words
	header.Set("Cache-Control", "no-store")
	for name, values := range h.Header {
		header[name] = values
	}
	status := h.Status
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(h.Body))
}
