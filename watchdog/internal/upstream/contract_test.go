package upstream_test

import (
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"auth-watchdog/watchdog/internal/upstream"
	"auth-watchdog/watchdog/internal/upstream/upstreamtest"
)

func TestContract(t *testing.T) {
	for name, c := range map[string]upstreamtest.Case{
		"http over unix": {New: overHTTP("unix"), Remote: true},
		"http over tcp":  {New: overHTTP("tcp"), Remote: true},
		"in process": {New: func(_ *testing.T, function http.Handler) upstream.Upstream {
			return upstream.InProcess(function)
		}},
	} {
		t.Run(name, func(t *testing.T) { upstreamtest.Test(t, c) })
	}
}

func overHTTP(network string) func(*testing.T, http.Handler) upstream.Upstream {
	return func(t *testing.T, function http.Handler) upstream.Upstream {
		t.Helper()
		address := "127.0.0.1:0"
		if network == "unix" {
			// Not t.TempDir, whose names are longer than a socket's may be.
			folder, err := os.MkdirTemp("", "upstream")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(folder) })
			address = filepath.Join(folder, "s")
		}
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(slog.DiscardHandler)
		server := &http.Server{Handler: function, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError)}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			server.Serve(l)
		}()
		t.Cleanup(func() {
			server.Close()
			<-ended
		})
		return upstream.NewHTTP(upstream.HTTPOptions{Network: network, Address: l.Addr().String(), Log: log})
	}
}
