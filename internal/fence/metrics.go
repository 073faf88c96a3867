package fence

import "github.com/prometheus/client_golang/prometheus"

// metrics of the fence of one process.
type metrics struct{ tripped, stopped prometheus.Gauge }

func newMetrics(r prometheus.Registerer) *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "beltline", Subsystem: "fence", Name: name, Help: help})
	}
	m := &metrics{
		tripped: gauge("tripped", "1 while buying is stopped for all because the ledger is not the one that is remembered."),
		stopped: gauge("stopped", "1 while this process buys nothing, because buying is stopped for all or because the ledger looks to it as if it should be."),
	}
	if r != nil {
		r.MustRegister(m.tripped, m.stopped)
	}
	return m
}

func (m *metrics) show(tripped, stopped bool) {
	set(m.tripped, tripped)
	set(m.stopped, stopped)
}

func set(g prometheus.Gauge, on bool) {
	if on {
		g.Set(1)
		return
	}
	g.Set(0)
}
