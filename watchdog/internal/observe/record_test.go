package observe

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

// TestLateDeadlines: who bounds the time of a request may do so just when it has
// ended, which is no reason to panic or to cut the next one.
func TestLateDeadlines(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			log := slog.New(slog.DiscardHandler)
			o := New(Options{
				Log: log, Audit: log, Access: NewAccessLog(io.Discard, "text", log), WriteTimeout: time.Minute, ReadTimeout: time.Minute,
				Address: func(*http.Request) netip.Addr { return netip.Addr{} },
			})
			writers := make(chan http.ResponseWriter, 1)
			s := httptest.NewUnstartedServer(o.Stage(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				control := http.NewResponseController(w)
				for _, err := range []error{control.SetReadDeadline(time.Now().Add(time.Hour)), control.SetWriteDeadline(time.Now().Add(time.Hour))} {
					if err != nil {
						t.Errorf("in time: got %v", err)
					}
				}
				writers <- w
			})))
			s.EnableHTTP2 = http2
			s.StartTLS()
			defer s.Close()
			for range 2 {
				res, err := s.Client().Get(s.URL)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK || (res.ProtoMajor == 2) != http2 {
					t.Errorf("got %d and %v over %s", res.StatusCode, err, res.Proto)
				}
				res.Body.Close()
				control := http.NewResponseController(<-writers)
				for _, err := range []error{control.SetReadDeadline(time.Unix(1, 0)), control.SetWriteDeadline(time.Unix(1, 0))} {
					if err == nil {
						t.Error("too late: got nil, want an error")
					}
				}
			}
		})
	}
}
