package observe

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// A scrape answers with all metrics of a registry. It does what promhttp does,
// but in one format only, the text of Prometheus 0.0.4: every scraper that asks
// for another takes this one too, and the others make the program 0.4 MB larger.
type scrape struct {
	registry *prometheus.Registry
	answers  *prometheus.CounterVec
	inFlight prometheus.Gauge
}

func newScrape(registry *prometheus.Registry) *scrape {
	s := &scrape{
		registry: registry,
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "promhttp_metric_handler_requests_total", Help: "Total number of scrapes by HTTP status code.",
		}, []string{"code"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "promhttp_metric_handler_requests_in_flight", Help: "Current number of scrapes being served.",
		}),
	}
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		s.answered(status, 0)
	}
	registry.MustRegister(s.answers, s.inFlight)
	return s
}

func (s *scrape) answered(status int, times float64) {
	s.answers.WithLabelValues(strconv.Itoa(status)).Add(times)
}

func (s *scrape) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.inFlight.Inc()
	defer s.inFlight.Dec()
	text, err := s.text(r.URL.Query()["name[]"])
	if err != nil {
		s.answered(http.StatusInternalServerError, 1)
		http.Error(w, "An error has occurred while serving metrics:\n\n"+err.Error(), http.StatusInternalServerError)
		return
	}
	s.answered(http.StatusOK, 1)
	h := w.Header()
	h.Set("Content-Type", string(expfmt.FmtText))
	h.Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text)
}

// text is the metrics with these names; all of them if there are no names.
func (s *scrape) text(names []string) ([]byte, error) {
	families, err := s.registry.Gather()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, f := range families {
		if len(names) > 0 && !slices.Contains(names, f.GetName()) {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}
