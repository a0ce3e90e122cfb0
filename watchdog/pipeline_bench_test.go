package watchdog

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// A sink is where benchmarks write their answers.
type sink struct{ header http.Header }

func (n *sink) Header() http.Header         { return n.header }
func (n *sink) Write(b []byte) (int, error) { return len(b), nil }
func (n *sink) WriteHeader(int)             {}

// BenchmarkPipeline is what the stages cost a request, without connections.
func BenchmarkPipeline(b *testing.B) {
	const key = "awk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	folder := b.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "api-key"), []byte("ci "+key), 0o600); err != nil {
		b.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"text/plain"}
		_, _ = io.WriteString(w, "Hello, world!\n")
	})
	w, err := New(Options{Handler: hello, Stderr: io.Discard, Settings: Settings{
		"mode": "inproc", "auth": "bearer", "secret_mount_path": folder, "suppress_lock": "true",
	}})
	if err != nil {
		b.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.RemoteAddr, r.Host = "127.0.0.1:40000", "127.0.0.1:8080"
	bearer := []string{"Bearer " + key}
	for b.Loop() {
		r.Header = make(http.Header, 8)
		r.Header["Authorization"] = bearer
		w.handler.ServeHTTP(&sink{make(http.Header, 8)}, r)
	}
}
