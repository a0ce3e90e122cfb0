// Package observe records what became of each request: in metrics, in the
// access log, and in audit events for what was refused.
package observe

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options of an [Observer].
type Options struct {
	Log      *slog.Logger
	Access   *AccessLog
	Audit    *slog.Logger // see [NewAudit]
	Function string       // its name

	// Rated are the rules that have a rate, by match.
	Rated []string

	// Address finds the caller's.
	Address func(*http.Request) netip.Addr

	// WriteTimeout is how long a caller may take to accept a piece of the
	// answer; ReadTimeout how long it may take to send what is left of a body
	// that nobody reads.
	WriteTimeout, ReadTimeout time.Duration
}

// An Observer writes down what happens. It has a registry of its own: two of
// them in a process do not meet.
type Observer struct {
	Options

	metrics   func() http.Handler
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	decisions *prometheus.CounterVec
	deciding  prometheus.Histogram
	reloads   *prometheus.CounterVec
	limited   *prometheus.CounterVec

	lastUsed *prometheus.GaugeVec

	arrival  atomic.Int64 // when the last request came, in Unix nanoseconds
	inflight atomic.Int64

	answers series[answer, answerSeries]
	results series[result, prometheus.Counter]

	mu   sync.Mutex // held to change kept
	kept atomic.Pointer[map[entry]prometheus.Gauge]
}

// LastArrival is when the last request came; the beginning of Unix time if none
// has.
func (o *Observer) LastArrival() time.Time { return time.Unix(0, o.arrival.Load()) }

// InFlight is how many requests are being answered, WebSockets too.
func (o *Observer) InFlight() int64 { return o.inflight.Load() }
