package function

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("hi"))
	r.Header.Set("X-Auth-Subject", "me") // as the watchdog does
	w := httptest.NewRecorder()

	Handle(w, r)

	if got, want := w.Body.String(), "Hello me, you sent 2 bytes.\n"; w.Code != http.StatusOK || got != want {
		t.Errorf("got %d %q, want 200 %q", w.Code, got, want)
	}
}
