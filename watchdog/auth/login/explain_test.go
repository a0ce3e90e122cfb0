package login

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/session"
)

func TestExplain(t *testing.T) {
	s := newShop(t, nil)
	good := s.mint(func(*session.Session) {})
	idle := s.mint(func(x *session.Session) { x.Seen = time.Now().Add(-3 * time.Hour) })
	gone := s.mint(func(x *session.Session) { x.Subject = "former" })
	for _, tt := range []struct {
		name, method, cookie string
		header               string // "Name: value"
		fact, cause          string
	}{
		{"good", http.MethodGet, good, "", "user=alice", ""},
		{"nothing", http.MethodGet, "", "", "session=the cookie is not there", "sign in at " + ourOrigin},
		{"forged", http.MethodGet, "v1.00000000.AAAA", "", "session=does not open", "it was sealed under another"},
		{"idle", http.MethodGet, idle, "", "user=alice", "the session is over"},
		{"no such user", http.MethodGet, gone, "", `user=none of the secret "users"`, ""},
		{"of another site", http.MethodPost, good, "Origin: https://evil.example", `made_by=a page of "https://evil.example"`, "a POST counts with a session only if"},
		{"of ours", http.MethodPost, good, "Origin: " + ourOrigin, `made_by=a page of "` + ourOrigin + `"`, ""},
		{"asynchronous", http.MethodGet, good, "X-Callback-Url: http://x/", "user=alice", "an asynchronous call wants a key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := http.NewRequest(tt.method, "/", nil)
			if tt.cookie != "" {
				r.Header.Set("Cookie", sessionName+"="+tt.cookie)
			}
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				r.Header.Set(name, value)
			}
			e := s.Explain(auth.NewRequest(r, nil))
			var facts []string
			for _, f := range e.Facts {
				facts = append(facts, f.Name+"="+f.Value)
			}
			if !slices.Contains(facts, tt.fact) {
				t.Errorf("got %q, want %q among them", facts, tt.fact)
			}
			causes := strings.Join(e.Causes, "\n")
			if tt.cause == "" && causes != "" || !strings.Contains(causes, tt.cause) {
				t.Errorf("got the causes %q, want %q", causes, tt.cause)
			}
			if tt.cookie != "" && strings.Contains(strings.Join(facts, " ")+causes, tt.cookie) {
				t.Error("the cookie is told")
			}
		})
	}
}
