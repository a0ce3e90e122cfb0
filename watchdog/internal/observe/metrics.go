package observe

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"auth-watchdog/watchdog/auth"
)

// An entry names a credential in metrics.
type entry struct{ secret, name string }

// maxEntries is how many credentials have a series of their own; a set with
// more of them has one for all.
const maxEntries = 1000

// New returns an Observer that has seen nothing.
func New(o Options) *Observer {
	ob := &Observer{
		Options:  o,
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
		deciding: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "auth_decision_duration_seconds", Help: "Seconds spent deciding on a request, reading its body included if it is signed.",
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
		ob.requests, ob.duration, ob.inflight, ob.decisions, ob.deciding, ob.reloads, ob.lastUsed,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return ob
}

// Metrics returns the handler of /metrics.
func (o *Observer) Metrics() http.Handler {
	return promhttp.InstrumentMetricHandler(o.registry, promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{}))
}

// httpMethods are those that have a label of their own; a caller can make up
// others.
var httpMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}

func (o *Observer) count(r *Record, elapsed time.Duration) {
	method := "unknown"
	if slices.Contains(httpMethods, r.Method) {
		method = strings.ToLower(r.Method)
	}
	code := strconv.Itoa(r.Status)
	o.requests.WithLabelValues(code, method).Inc()
	o.duration.WithLabelValues(code, method).Observe(elapsed.Seconds())
}

// Decided writes down a decision of the gate.
func (o *Observer) Decided(req *http.Request, d auth.Decision) {
	r := FromContext(req.Context())
	r.Decision, r.Reason = d, string(d.Reason)
	method, result := d.Method, "refused"
	switch status := d.Reason.Status(); {
	case d.Allowed():
		result = "admitted"
	case d.Handshake != nil:
		result = "answered"
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests:
		result = "error"
	}
	if method == "" {
		method = "none"
	}
	o.decisions.WithLabelValues(method, result, r.Reason).Inc()
	o.deciding.Observe(d.Took.Seconds())
	if d.Allowed() {
		o.used(d.Identity)
		for _, id := range d.Also {
			o.used(id)
		}
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
			kept[entry{c.Secret, c.Entry}] = true
		}
	}
	for e := range o.kept {
		if !kept[e] {
			o.lastUsed.DeleteLabelValues(e.secret, e.name)
		}
	}
	for e := range kept {
		o.lastUsed.WithLabelValues(e.secret, e.name)
	}
	o.kept = kept
}

// used notes that a credential has admitted somebody.
func (o *Observer) used(id auth.Identity) {
	if id.Secret == "" {
		return
	}
	e := entry{id.Secret, id.Entry}
	o.mu.Lock()
	known := o.kept[e]
	o.mu.Unlock()
	if !known {
		e.name = "others"
	}
	o.lastUsed.WithLabelValues(e.secret, e.name).Set(float64(time.Now().UnixMilli()) / 1000)
}
