package function

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	for name, want := range map[string]string{
		"alice":    "<h1>Hello alice</h1>",
		"<script>": "<h1>Hello &lt;script&gt;</h1>",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Auth-Subject", name) // as the watchdog does
		w := httptest.NewRecorder()

		Handle(w, r)

		if got := w.Body.String(); w.Code != 200 || !strings.Contains(got, want) {
			t.Errorf("got %d %q, want 200 and %q", w.Code, got, want)
		}
	}
}
