package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestDrainEndsStreams: what has no end of its own ends when the process is
// told to, long before write_timeout has passed.
func TestDrainEndsStreams(t *testing.T) {
	s := oneKey()
	s.env["healthcheck_interval"], s.env["write_timeout"], s.env["exec_timeout"] = "0", "10m", "10m"
	s.function = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			echoUpgraded(w, r)
			return
		}
		if r.URL.Path != "/stream" {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	d := start(t, s)

	stream, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	fmt.Fprintf(stream, "GET /stream HTTP/1.1\r\nHost: f\r\n%s\r\n\r\n", bearer)
	events := bufio.NewReader(stream)
	for line := ""; line != "data: hello\n"; {
		if line, err = events.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	socket, _ := d.upgrade("websocket", ciKey)
	defer socket.Close()

	begun := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.stop()
	}()
	for name, c := range map[string]io.Reader{"the stream": events, "the WebSocket": socket} {
		_, _ = io.Copy(io.Discard, c) // ends because the watchdog ends it
		if lasted := time.Since(begun); lasted > time.Minute {
			t.Errorf("%s has lasted %v", name, lasted)
		}
	}
	<-ended
}
