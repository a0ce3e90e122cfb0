package observe

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

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
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "total HTTP requests processed",
		}, []string{"code", "method"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Seconds spent serving HTTP requests.",
			Buckets: prometheus.DefBuckets,
		}, []string{"code", "method"}),
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
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "auth_rate_limited_total", Help: "admitted requests that were answered with 429 because of their rule's rate, by the rule",
		}, []string{"rule"}),
		lastUsed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "auth_secret_last_used_timestamp_seconds",
			Help: "when a credential last admitted a request, in Unix time; 0 if it has not since the start",
		}, []string{"secret", "name"}),
	}
	for _, result := range []string{"success", "error"} {
		ob.reloads.WithLabelValues(result)
	}
	for _, rule := range o.Rated {
		ob.limited.WithLabelValues(rule)
	}
	ob.answers.find = ob.answerSeries
	ob.results.find = func(r result) prometheus.Counter { return ob.decisions.WithLabelValues(r.method, r.result, r.reason) }
	inflight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "http_requests_in_flight", Help: "total HTTP requests in-flight",
	}, func() float64 { return float64(ob.InFlight()) })
	ob.registry.MustRegister(ob.requests, ob.duration, inflight, ob.decisions, ob.deciding, ob.reloads, ob.limited, ob.lastUsed)
	ob.metrics = sync.OnceValue(func() http.Handler {
		ob.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		return newScrape(ob.registry)
	})
	return ob
}

// Metrics returns the handler of /metrics. What only it needs, and is dear to
// make, it makes when it is first asked.
func (o *Observer) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.metrics().ServeHTTP(w, r) })
}

// httpMethods are those that have a label of their own; a caller can make up
// others.
var httpMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}

// httpMethodLabels are their labels.
var httpMethodLabels = []string{"get", "head", "post", "put", "patch", "delete", "connect", "options", "trace"}

// An answer is what answers are counted by.
type answer struct {
	status int
	method string
}

type answerSeries struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

func (o *Observer) answerSeries(a answer) answerSeries {
	code := strconv.Itoa(a.status)
	return answerSeries{o.requests.WithLabelValues(code, a.method), o.duration.WithLabelValues(code, a.method)}
}

func (o *Observer) count(r *Record, elapsed time.Duration) {
	method := "unknown"
	if i := slices.Index(httpMethods, r.Method); i >= 0 {
		method = httpMethodLabels[i]
	}
	s := o.answers.of(answer{r.Status, method})
	s.requests.Inc()
	s.duration.Observe(elapsed.Seconds())
}

// A result is what decisions are counted by.
type result struct{ method, result, reason string }

// Decided writes down a decision of the gate.
func (o *Observer) Decided(req *http.Request, d auth.Decision) {
	r := FromContext(req.Context())
	r.Decision, r.Reason = d, string(d.Reason)
	to := result{cmp.Or(d.Method, "none"), "refused", r.Reason}
	switch status := d.Reason.Status(); {
	case d.Allowed():
		to.result = "admitted"
	case d.Handshake != nil:
		to.result = "answered"
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests:
		to.result = "error"
	}
	o.results.of(to).Inc()
	o.deciding.Observe(d.Took.Seconds())
	if d.Allowed() {
		o.used(d.Identity, r.Start)
		for _, id := range d.Also {
			o.used(id, r.Start)
		}
	}
	// Who opens a page for the first time has done nothing wrong.
	if !d.Allowed() && (d.Invitation == "" || d.Reason != auth.NoCredential) {
		o.refused(req, r)
	}
}

// RateExceeded writes down that an admitted request was refused because of its
// rule's rate. tell says whether the audit log hears of it: a caller can bring
// about any number of these.
func (o *Observer) RateExceeded(req *http.Request, tell bool) {
	r := FromContext(req.Context())
	o.limited.WithLabelValues(r.Decision.Rule.Match).Inc()
	if tell {
		o.decided(req, r, slog.LevelWarn, excessRate, r.Reason, http.StatusTooManyRequests)
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
	kept := map[entry]prometheus.Gauge{}
	for _, c := range credentials {
		if e := (entry{c.Secret, c.Entry}); len(kept) < maxEntries {
			kept[e] = o.lastUsed.WithLabelValues(e.secret, e.name)
		}
	}
	if before := o.kept.Swap(&kept); before != nil {
		for e := range *before {
			if kept[e] == nil {
				o.lastUsed.DeleteLabelValues(e.secret, e.name)
			}
		}
	}
}

// used notes that a credential has admitted somebody.
func (o *Observer) used(id auth.Identity, at time.Time) {
	if id.Secret == "" {
		return
	}
	var gauge prometheus.Gauge
	if kept := o.kept.Load(); kept != nil {
		gauge = (*kept)[entry{id.Secret, id.Entry}]
	}
	if gauge == nil {
		gauge = o.lastUsed.WithLabelValues(id.Secret, "others")
	}
	gauge.Set(float64(at.UnixMilli()) / 1000)
}
