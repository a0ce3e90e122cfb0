package function

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	for name, tt := range map[string]struct{ scopes, want string }{
		"with scopes":    {"read,write", `{"subject":"ci","method":"bearer","scopes":["read","write"]}`},
		"without scopes": {"", `{"subject":"ci","method":"bearer"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("X-Auth-Subject", "ci") // as the watchdog does
			r.Header.Set("X-Auth-Method", "bearer")
			if tt.scopes != "" {
				r.Header.Set("X-Auth-Scopes", tt.scopes)
			}
			w := httptest.NewRecorder()

			Handle(w, r)

			if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != tt.want {
				t.Errorf("got %d %q, want 200 %q", w.Code, got, tt.want)
			}
		})
	}
}
