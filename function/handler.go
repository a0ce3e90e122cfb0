// Package function answers who called, and sums up what was pushed to GitHub.
//
// It has no code that checks a credential: the watchdog in front of it lets
// nobody through without one, and says in headers who it was.
package function

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Handle is called for each request that the watchdog has let through.
func Handle(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.Header.Get("X-GitHub-Event") == "push" {
		handlePush(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(whoCalled(r))
}

// A caller is what the watchdog says of who called.
type caller struct {
	Subject string   `json:"subject"`
	Method  string   `json:"method"`
	Scopes  []string `json:"scopes,omitempty"`
}

func whoCalled(r *http.Request) caller {
	c := caller{Subject: r.Header.Get("X-Auth-Subject"), Method: r.Header.Get("X-Auth-Method")}
	if scopes := r.Header.Get("X-Auth-Scopes"); scopes != "" {
		c.Scopes = strings.Split(scopes, ",")
	}
	return c
}

// A push is what is used of GitHub's event of that name.
type push struct {
	Ref        string `json:"ref"`
	Repository struct {
		FullName string `json:"full_name"`
	} `json:"repository"`
	Pusher struct {
		Name string `json:"name"`
	} `json:"pusher"`
	Commits []struct {
		Message string `json:"message"`
	} `json:"commits"`
}

func handlePush(w http.ResponseWriter, r *http.Request) {
	var p push
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		http.Error(w, "the body is not a push event", http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, p.summary())
}

func (p push) summary() string {
	count := fmt.Sprintf("%d commits", len(p.Commits))
	if len(p.Commits) == 1 {
		count = "1 commit"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s pushed %s to %s of %s", p.Pusher.Name, count, strings.TrimPrefix(p.Ref, "refs/heads/"), p.Repository.FullName)
	for _, c := range p.Commits {
		title, _, _ := strings.Cut(c.Message, "\n")
		fmt.Fprintf(&b, "\n- %s", title)
	}
	return b.String()
}
