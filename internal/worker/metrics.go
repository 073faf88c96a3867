package worker

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/pkg/messages"
)

// metrics of one worker. Labels are bounded: no order, no tenant.
type metrics struct {
	events                         *prometheus.CounterVec
	calls, conflicts, panics, dead prometheus.Counter
	laneClosed                     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, p messages.Provider) *metrics {
	labels := prometheus.Labels{"provider": string(p)}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "beltline", Subsystem: "worker", Name: name, Help: help, ConstLabels: labels})
	}
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "beltline", Subsystem: "worker", Name: "events_total", Help: "Events written, by kind and type.", ConstLabels: labels,
		}, []string{"kind", "type"}),
		calls:     counter("creates_total", "Creating calls made under an intent."),
		conflicts: counter("intent_conflicts_total", "Intents lost to another writer."),
		panics:    counter("panics_total", "Commands that made the worker panic."),
		dead:      counter("dead_letters_total", "Commands moved to the dead letters."),
		laneClosed: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "beltline", Subsystem: "worker", Name: "lane_closed", Help: "1 while the provider's lane is not open.", ConstLabels: labels,
		}),
	}
	if r != nil {
		r.MustRegister(m.events, m.calls, m.conflicts, m.panics, m.dead, m.laneClosed)
	}
	return m
}
