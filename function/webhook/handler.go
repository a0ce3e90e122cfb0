// Package function sums up what was pushed to GitHub.
//
// It has no code that checks a signature: the watchdog in front of it lets
// nothing through that GitHub has not signed with the webhook's secret.
package function

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Handle is called for each event that the watchdog has let through.
func Handle(w http.ResponseWriter, r *http.Request) {
	event := r.Header.Get("X-GitHub-Event")
	if event != "push" { // a ping, for one
		fmt.Fprintf(w, "nothing to do for %q\n", event)
		return
	}
	var p push
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		http.Error(w, "the body is not a push event", http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, p.summary())
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
