// Package function is an API that tells its callers who they are.
//
// It has no code that checks a key: the watchdog in front of it lets nobody
// through without one, and says in headers whose it was.
package function

import (
	"encoding/json"
	"net/http"
	"strings"
)

// A caller is what the watchdog says of who called.
type caller struct {
	Subject string   `json:"subject"`
	Method  string   `json:"method"`
	Scopes  []string `json:"scopes,omitempty"`
}

// Handle is called for each request that the watchdog has let through.
func Handle(w http.ResponseWriter, r *http.Request) {
	c := caller{Subject: r.Header.Get("X-Auth-Subject"), Method: r.Header.Get("X-Auth-Method")}
	if scopes := r.Header.Get("X-Auth-Scopes"); scopes != "" {
		c.Scopes = strings.Split(scopes, ",")
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(c) // the caller may have gone
}
