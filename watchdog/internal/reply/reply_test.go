package reply

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestWrite(t *testing.T) {
	for _, tt := range []struct {
		status   int
		wait     time.Duration
		retry    string
		internal string
		body     string
	}{
		{http.StatusBadRequest, 0, "", "", "Bad Request\n"},
		{http.StatusUnauthorized, 0, "", "", "Unauthorized\n"},
		{http.StatusForbidden, 0, "", "", "Forbidden\n"},
		{http.StatusTooManyRequests, time.Millisecond, "1", "auth-watchdog", "Too Many Requests\n"},
		{http.StatusTooManyRequests, 1001 * time.Millisecond, "2", "auth-watchdog", "Too Many Requests\n"},
		{http.StatusInternalServerError, 0, "", "", "Internal Server Error\n"},
		{http.StatusBadGateway, 0, "", "auth-watchdog", "Bad Gateway\n"},
		{http.StatusServiceUnavailable, time.Minute, "60", "auth-watchdog", "Service Unavailable\n"},
		{http.StatusGatewayTimeout, 0, "", "auth-watchdog", "Gateway Timeout\n"},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("WWW-Authenticate", "kept")
		Write(w, tt.status, tt.wait)
		h := w.Header()
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%d: got %d %q, want %q", tt.status, w.Code, w.Body, tt.body)
		}
		if h.Get("Retry-After") != tt.retry || h.Get(Internal) != tt.internal {
			t.Errorf("%d: got Retry-After %q and %s %q, want %q and %q", tt.status, h.Get("Retry-After"), Internal, h.Get(Internal), tt.retry, tt.internal)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("WWW-Authenticate") != "kept" {
			t.Errorf("%d: got %v", tt.status, h)
		}
	}
}
