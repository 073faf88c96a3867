package app

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/beltline-io/beltline/pkg/messages"
)

// connMetrics counts what happens to the NATS connection.
type connMetrics struct {
	connected   prometheus.Gauge
	disconnects prometheus.Counter
	errors      prometheus.Counter
}

// newRegistry returns a registry of its own, so that two programs in one
// process do not share metrics, with what every program has.
func newRegistry(v Version, p Program, h *Health) (*prometheus.Registry, connMetrics) {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "beltline_build_info", Help: "Always 1; the labels say what was built.",
		ConstLabels: prometheus.Labels{"version": v.Version, "commit": v.Commit, "go": v.Go},
	})
	build.Set(1)
	m := connMetrics{
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "beltline_nats_connected", Help: "1 while connected to NATS.",
		}),
		disconnects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "beltline_nats_disconnects_total", Help: "Times the connection to NATS was lost.",
		}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "beltline_nats_async_errors_total", Help: "Errors that NATS reported outside of any call, such as a slow consumer.",
		}),
	}
	ready := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "beltline_ready", Help: "1 while /readyz says that the program is ready; of a worker with its provider, else none.",
		ConstLabels: prometheus.Labels{"program": p.Name, "provider": string(cmp.Or(p.Provider, messages.NoProvider))},
	}, func() float64 {
		if len(h.Reasons()) > 0 {
			return 0
		}
		return 1
	})
	reg.MustRegister(build, ready, m.connected, m.disconnects, m.errors,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg, m
}
