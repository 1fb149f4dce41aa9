package web

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/metric"
)

// healthy says that the process answers. Clients find out by it that the network
// is back; so nobody keeps the connection, which would hang when the network is
// away the next time.
func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Connection", "close")
	answerText(w, http.StatusOK, "ok\n")
}

// ready says whether new streams and viewers are welcome.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.cfg.Ready() {
		answerText(w, http.StatusOK, "ready\n")
		return
	}
	answerText(w, http.StatusServiceUnavailable, "not ready\n")
}

func answerText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a client that left needs no answer
}

// metrics prints what is registered, and the figures of the process.
func (s *Server) metrics() http.HandlerFunc {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(collector{s.cfg.Metrics})
	h := promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	return func(w http.ResponseWriter, r *http.Request) {
		if err := s.mayMeasure(r); err != nil {
			s.fail(w, r, err)
			return
		}
		h.ServeHTTP(w, r)
	}
}

// mayMeasure lets in programs on this machine, and admins. What came through a
// proxy on this machine is not from this machine.
func (s *Server) mayMeasure(r *http.Request) error {
	h := r.Header
	proxied := h.Get("X-Forwarded-For") != "" || h.Get("Forwarded") != "" || h.Get("Via") != "" || h.Get("X-Real-Ip") != ""
	if remote(r).Addr().IsLoopback() && !proxied {
		return nil
	}
	a, err := s.account(r)
	switch {
	case err != nil:
		return err
	case a == nil:
		return auth.ErrUnauthenticated
	case !a.Role.Includes(auth.Admin):
		return auth.ErrDenied
	}
	return nil
}

// collector hands the registry of this project to Prometheus.
type collector struct{ registry *metric.Registry }

// Describe sends nothing: what is registered may change, and that is how
// Prometheus is told so.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	c.registry.Each(func(s metric.Sample) {
		var labels, values []string
		if s.Label != "" {
			labels, values = []string{s.Label}, []string{s.LabelValue}
		}
		kind := prometheus.GaugeValue
		if s.Kind == metric.KindCounter {
			kind = prometheus.CounterValue
		}
		desc := prometheus.NewDesc(s.Name, s.Help, labels, nil)
		m, err := prometheus.NewConstMetric(desc, kind, s.Value, values...)
		if err != nil {
			m = prometheus.NewInvalidMetric(desc, err)
		}
		out <- m
	})
}
