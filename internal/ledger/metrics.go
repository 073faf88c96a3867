package ledger

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// metrics of one process's ledger.
type metrics struct {
	seconds  prometheus.Histogram
	repeated prometheus.Counter
	failed   map[error]prometheus.Counter
	events   *prometheus.CounterVec
}

// outcomes are the errors of Append that are counted, by their names.
var outcomes = map[error]string{ErrConflict: "conflict", ErrNoRoom: "no_room", ErrUnknown: "unknown", ErrInvalid: "invalid"}

func newMetrics(r prometheus.Registerer) *metrics {
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "beltline", Subsystem: "ledger", Name: "append_failures_total",
		Help: "Events that were not stored, or of which it is not known: conflict (another writer was faster), no_room, unknown, invalid.",
	}, []string{"reason"})
	m := &metrics{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "beltline", Subsystem: "ledger", Name: "append_seconds",
			Help:    "Time until it was known that an event is stored, repetitions included.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 16),
		}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "beltline", Subsystem: "ledger", Name: "append_repetitions_total",
			Help: "Times an event was sent again, or was looked for, because its fate was not known.",
		}),
		failed: make(map[error]prometheus.Counter),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "beltline", Subsystem: "ledger", Name: "events_total",
			Help: "Events that this process has stored, by provider and kind (none where the order has no valid one) and type.",
		}, []string{"provider", "kind", "type"}),
	}
	for _, p := range providers.Registrations() {
		for _, kind := range p.Kinds {
			for _, typ := range messages.Types() {
				m.events.WithLabelValues(string(p.Name), string(kind), string(typ)) // an alarm on a rate needs the zero before the one
			}
		}
	}
	for err, name := range outcomes {
		m.failed[err] = failed.WithLabelValues(name)
	}
	if r != nil {
		r.MustRegister(m.seconds, m.repeated, failed, m.events)
	}
	return m
}

func (m *metrics) appended(began time.Time, e *messages.Event, err error) {
	if err == nil {
		m.seconds.Observe(time.Since(began).Seconds())
		m.stored(e)
		return
	}
	for known, counter := range m.failed {
		if errors.Is(err, known) {
			counter.Inc()
		}
	}
}

// stored counts an event. A rejected order bears whatever upstream has written
// for a provider and a kind: only what is known becomes a label.
func (m *metrics) stored(e *messages.Event) {
	provider, kind := messages.NoProvider, "none"
	if p, ok := providers.Lookup(e.Provider); ok {
		provider = p.Name
		if p.Sells(e.Kind) {
			kind = string(e.Kind)
		}
	}
	m.events.WithLabelValues(string(provider), kind, string(e.Type)).Inc()
}
