package ledger

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one process's ledger.
type metrics struct {
	seconds  prometheus.Histogram
	repeated prometheus.Counter
	failed   map[error]prometheus.Counter
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
	}
	for err, name := range outcomes {
		m.failed[err] = failed.WithLabelValues(name)
	}
	if r != nil {
		r.MustRegister(m.seconds, m.repeated, failed)
	}
	return m
}

func (m *metrics) appended(began time.Time, err error) {
	if err == nil {
		m.seconds.Observe(time.Since(began).Seconds())
		return
	}
	for known, counter := range m.failed {
		if errors.Is(err, known) {
			counter.Inc()
		}
	}
}
