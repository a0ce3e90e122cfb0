package watchdog

import (
	"crypto/tls"
	"net/http/httptest"
	"net/netip"
	"testing"

	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/observe"
)

func TestAddressByWhichSignInsAreCounted(t *testing.T) {
	on := config.TLS{CertSecret: "cert", KeySecret: "key"}
	for _, tt := range []struct {
		name string
		tls  config.TLS
		hops int
		seen *tls.ConnectionState // of the request
		want string
	}{
		{"plain http, and nobody in front is trusted", config.TLS{}, 0, nil, ""},
		{"behind a trusted proxy", config.TLS{}, 1, nil, "192.0.2.7"},
		{"TLS of this process", on, 0, new(tls.ConnectionState), "192.0.2.7"},
		{"TLS of this process, and a caller who says :scheme: http", on, 0, nil, "192.0.2.7"},
		{"TLS of the server that this handler is in", config.TLS{}, 0, new(tls.ConnectionState), "192.0.2.7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDeps(&config.Config{TLS: tt.tls, TrustedProxyHops: tt.hops})
			r := httptest.NewRequest("POST", "/_/auth/sign-in", nil)
			r.TLS = tt.seen
			r = r.WithContext(&observe.Record{Context: r.Context(), Address: netip.MustParseAddr("192.0.2.7")})
			if got := d.address(r); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
