package observe

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// broken is a collector that cannot tell.
type broken struct{ *prometheus.Desc }

func (b broken) Describe(c chan<- *prometheus.Desc) { c <- b.Desc }

func (b broken) Collect(c chan<- prometheus.Metric) {
	c <- prometheus.NewInvalidMetric(b.Desc, errors.New("cannot tell"))
}

// filled is a registry with a metric of each kind, and a label that has to be
// escaped.
func filled(more ...prometheus.Collector) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "a_total", Help: "a\n\\help"}, []string{"label"})
	counter.WithLabelValues("a\"b\\c\nd ä").Add(1e21)
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "b", Help: "a gauge"})
	gauge.Set(-0.25)
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "c_seconds", Help: "a histogram", Buckets: []float64{1e-6, .5, 5}})
	histogram.Observe(.1)
	summary := prometheus.NewSummary(prometheus.SummaryOpts{Name: "d", Help: "a summary", Objectives: map[float64]float64{.5: .05}})
	registry.MustRegister(append(more, counter, gauge, histogram, summary)...)
	return registry
}

// scraped asks several times, as the scrapes are counted.
func scraped(h http.Handler, query, accept string) (answers []string) {
	for range 2 {
		r := httptest.NewRequest(http.MethodGet, "/metrics"+query, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		contentType, _, _ := strings.Cut(w.Header().Get("Content-Type"), "; escaping=")
		body, _ := io.ReadAll(w.Result().Body)
		answers = append(answers, w.Result().Status, contentType, string(body))
	}
	return answers
}

// TestAsPromhttp wants of a scrape what promhttp answers to those who take text.
func TestAsPromhttp(t *testing.T) {
	no := broken{prometheus.NewDesc("e", "cannot tell", nil, nil)}
	for _, c := range []struct {
		name, query, accept string
		more                []prometheus.Collector
	}{
		{name: "no wish"},
		{name: "anything", accept: "*/*"},
		{name: "Prometheus 2", accept: "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"},
		{name: "Prometheus 3", accept: "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"},
		{name: "what nobody has", accept: "application/json"},
		{name: "some", query: "?name[]=b&name[]=a_total&name[]=none"},
		{name: "broken", more: []prometheus.Collector{no}},
	} {
		t.Run(c.name, func(t *testing.T) {
			registry := filled(c.more...)
			want := scraped(promhttp.InstrumentMetricHandler(registry, promhttp.HandlerFor(registry, promhttp.HandlerOpts{})), c.query, c.accept)
			got := scraped(newScrape(filled(c.more...)), c.query, c.accept)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("got something else than of promhttp (-want +got):\n%s", diff)
			}
		})
	}
}
