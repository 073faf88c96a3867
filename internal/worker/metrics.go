package worker

import (
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/pkg/messages"
)

// metrics of one worker. Labels are bounded: no order, no tenant.
type metrics struct {
	events                         *prometheus.CounterVec
	calls, conflicts, panics, dead prometheus.Counter
	laneClosed                     prometheus.Gauge
	lateness                       prometheus.Histogram
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
	m.lateness = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "beltline", Subsystem: "worker", Name: "timer_lateness_seconds",
		Help: "How long after they were due timers became commands, by the server's clock against ours.", ConstLabels: labels,
		Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
	})
	if r != nil {
		r.MustRegister(m.lateness, m.events, m.calls, m.conflicts, m.panics, m.dead, m.laneClosed)
	}
	return m
}

// timed counts how late a timer was, once for each of its commands.
func (m *metrics) timed(h nats.Header, meta *jetstream.MsgMetadata) {
	text := h.Get(messages.HeaderDue)
	if text == "" || meta.NumDelivered > 1 {
		return
	}
	if due, err := time.Parse(time.RFC3339Nano, text); err == nil {
		m.lateness.Observe(max(0, meta.Timestamp.Sub(due).Seconds()))
	}
}
