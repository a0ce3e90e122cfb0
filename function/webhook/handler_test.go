package function

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	for _, tt := range []struct {
		name, event, body string
		status            int
		want              string
	}{
		{
			"a push", "push",
			`{"ref":"refs/heads/main","repository":{"full_name":"octo/hello"},"pusher":{"name":"octocat"},"commits":[{"message":"Say hello\n\nIn full."}]}`,
			200, "octocat pushed 1 commit to main of octo/hello\n- Say hello",
		},
		{"not a push", "push", "hello", 400, "the body is not a push event"},
		{"a ping", "ping", `{"zen":"Design for failure."}`, 200, `nothing to do for "ping"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(tt.body))
			r.Header.Set("X-GitHub-Event", tt.event)
			w := httptest.NewRecorder()

			Handle(w, r)

			if got := strings.TrimSpace(w.Body.String()); w.Code != tt.status || got != tt.want {
				t.Errorf("got %d %q, want %d %q", w.Code, got, tt.status, tt.want)
			}
		})
	}
}
