package observe

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"auth-watchdog/watchdog/auth"
)

// An Observer writes down what happens. It has a registry of its own: two of
// them in a process do not meet.
type Observer struct {
	log   *slog.Logger
	audit *slog.Logger
	name  string // of the function

	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	inflight  prometheus.Gauge
	decisions *prometheus.CounterVec
	judging   prometheus.Histogram
	reloads   *prometheus.CounterVec

	lastUsed *prometheus.GaugeVec
	mu       sync.Mutex
	kept     map[entry]bool // the credentials that have a series
}

// An entry names a credential in metrics.
type entry struct{ secret, key string }

// maxEntries is how many credentials have a series of their own; a set with
// more of them has one for all.
const maxEntries = 1000

// Options of an [Observer].
type Options struct {
	Log      *slog.Logger
	Audit    *slog.Logger
	Function string
}

// New returns an Observer that has seen nothing.
func New(o Options) *Observer {
	ob := &Observer{
		log: o.Log, audit: o.Audit, name: o.Function,
		registry: prometheus.NewRegistry(),
		kept:     map[entry]bool{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "total HTTP requests processed",
		}, []string{"code", "method"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Seconds spent serving HTTP requests.",
			Buckets: prometheus.DefBuckets,
		}, []string{"code", "method"}),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_requests_in_flight", Help: "total HTTP requests in-flight",
		}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "auth_decisions_total", Help: "requests judged, by the method that decided, the result (admitted, refused, error) and the reason",
		}, []string{"method", "result", "reason"}),
		judging: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "auth_decision_duration_seconds", Help: "Seconds spent judging a request, reading its body included if it is signed.",
			Buckets: []float64{1e-6, 5e-6, 25e-6, 1e-4, 5e-4, 25e-4, .01, .05, .25, 1, 5},
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "auth_secret_reloads_total", Help: "changes of the secret files, by whether they could be used (success, error)",
		}, []string{"result"}),
		lastUsed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "auth_secret_last_used_timestamp_seconds",
			Help: "when a credential last admitted a request, in Unix time; 0 if it has not since the start",
		}, []string{"secret", "name"}),
	}
	for _, result := range []string{"success", "error"} {
		ob.reloads.WithLabelValues(result)
	}
	ob.registry.MustRegister(
		ob.requests, ob.duration, ob.inflight, ob.decisions, ob.judging, ob.reloads, ob.lastUsed,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return ob
}

// Metrics returns the handler of /metrics.
func (o *Observer) Metrics() http.Handler {
	return promhttp.InstrumentMetricHandler(o.registry, promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{}))
}

// methods are those that have a label of their own; a caller can make up
// others.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}

func (o *Observer) count(r *Record, elapsed time.Duration) {
	method := "unknown"
	if slices.Contains(methods, r.Method) {
		method = strings.ToLower(r.Method)
	}
	code := strconv.Itoa(r.Status)
	o.requests.WithLabelValues(code, method).Inc()
	o.duration.WithLabelValues(code, method).Observe(elapsed.Seconds())
}

// Decided writes down a decision of the gate.
func (o *Observer) Decided(req *http.Request, d auth.Decision) {
	r := FromContext(req.Context())
	r.Decision, r.Decided = d, time.Now()
	method, result := d.Method, "refused"
	switch status := d.Reason.Status(); {
	case d.Allowed():
		result = "admitted"
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests:
		result = "error"
	}
	if method == "" {
		method = "none"
	}
	o.decisions.WithLabelValues(method, result, string(d.Reason)).Inc()
	if !r.Judging.IsZero() {
		o.judging.Observe(r.Decided.Sub(r.Judging).Seconds())
	}
	if id := d.Identity; d.Allowed() && id.Secret != "" {
		o.used(entry{id.Secret, id.Key}, r.Decided)
	}
	if !d.Allowed() {
		o.refused(req, r)
	}
}

// Reloaded writes down a change of the secret files.
func (o *Observer) Reloaded(err error) {
	result := "success"
	if err != nil {
		result = "error"
	}
	o.reloads.WithLabelValues(result).Inc()
}

// Keep makes series for the credentials in force and ends those of the others.
func (o *Observer) Keep(credentials []auth.Credential) {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := map[entry]bool{}
	for _, c := range credentials {
		if len(kept) < maxEntries {
			kept[entry{c.Secret, c.Key}] = true
		}
	}
	for e := range o.kept {
		if !kept[e] {
			o.lastUsed.DeleteLabelValues(e.secret, e.key)
		}
	}
	for e := range kept {
		o.lastUsed.WithLabelValues(e.secret, e.key)
	}
	o.kept = kept
}

func (o *Observer) used(e entry, at time.Time) {
	o.mu.Lock()
	known := o.kept[e]
	o.mu.Unlock()
	if !known {
		e.key = "others"
	}
	o.lastUsed.WithLabelValues(e.secret, e.key).Set(float64(at.UnixMilli()) / 1000)
}
