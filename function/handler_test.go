package function

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	for _, tt := range []struct {
		name    string
		method  string
		headers map[string]string
		body    string
		status  int
		want    string
	}{
		{
			name: "who called", method: "GET",
			headers: map[string]string{"X-Auth-Subject": "ci", "X-Auth-Method": "bearer", "X-Auth-Scopes": "read,write"},
			status:  200, want: `{"subject":"ci","method":"bearer","scopes":["read","write"]}`,
		},
		{
			name: "a push", method: "POST",
			headers: map[string]string{"X-Auth-Subject": "hmac", "X-GitHub-Event": "push"},
			body:    `{"ref":"refs/heads/main","repository":{"full_name":"octo/hello"},"pusher":{"name":"octocat"},"commits":[{"message":"Say hello\n\nIn full."}]}`,
			status:  200, want: "octocat pushed 1 commit to main of octo/hello\n- Say hello",
		},
		{
			name: "not a push", method: "POST",
			headers: map[string]string{"X-GitHub-Event": "push"}, body: "hello",
			status: 400, want: "the body is not a push event",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.body))
			for name, value := range tt.headers {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()

			Handle(w, r)

			if got := strings.TrimSpace(w.Body.String()); w.Code != tt.status || got != tt.want {
				t.Errorf("got %d %q, want %d %q", w.Code, got, tt.status, tt.want)
			}
		})
	}
}
