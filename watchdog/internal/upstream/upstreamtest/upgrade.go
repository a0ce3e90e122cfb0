package upstreamtest

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// parrot is a function that takes the connection over, says hello in the same
// breath, and then repeats each line. A line "bye" ends it.
func parrot(ended chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			http.Error(w, "no upgrade was asked for", http.StatusBadRequest)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer conn.Close()
		line := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-Websocket-Accept: yes\r\n\r\nhello\n"
		for err == nil && line != "bye\n" {
			write(rw, line)
			_ = rw.Flush()
			line, err = rw.ReadString('\n')
		}
	}
}

func testUpgrade(t *testing.T, c Case) {
	for _, tt := range []struct{ name, lines string }{
		{"as browsers write it", "Connection: Upgrade\r\nUpgrade: websocket\r\n"},
		{"WebSocket", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n"},
		{"in capitals", "CONNECTION: UPGRADE\r\nUPGRADE: WEBSOCKET\r\n"},
		{"in small letters", "connection: upgrade\r\nupgrade: websocket\r\n"},
		{"among others", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"},
		{"on another line", "Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"},
	} {
		for _, end := range []string{"the caller", "the function"} {
			t.Run(tt.name+", ended by "+end, func(t *testing.T) {
				ended := make(chan struct{})
				s := c.open(t, parrot(ended))
				conn := s.dial(t)
				conn.write(t, "GET /chat HTTP/1.1\r\nHost: shop.example\r\nSec-Websocket-Key: x\r\n"+tt.lines+"\r\n")
				res := conn.head(t)
				if res.StatusCode != http.StatusSwitchingProtocols {
					t.Fatalf("got %s, want 101", res.Status)
				}
				for name, want := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Accept": "yes"} {
					if got := res.Header.Get(name); got != want {
						t.Errorf("got %s %q, want %q", name, got, want)
					}
				}
				said := "hello\n"
				for _, next := range []string{"one\n", strings.ReplaceAll(sized(100_000), "\n", "") + "\n", "\n"} {
					if got, err := conn.r.ReadString('\n'); got != said || err != nil {
						t.Fatalf("got %.40q and %v, want %.40q", got, err, said)
					}
					conn.write(t, next)
					said = next
				}
				if got, err := conn.r.ReadString('\n'); got != said || err != nil {
					t.Fatalf("got %.40q and %v, want %.40q", got, err, said)
				}

				if end == "the caller" {
					_ = conn.Close()
					<-ended
					return
				}
				conn.write(t, "bye\n")
				if rest, err := io.ReadAll(conn.r); len(rest) > 0 || err != nil {
					t.Errorf("after the end: got %q and %v, want nothing", rest, err)
				}
				<-ended
			})
		}
	}
}
