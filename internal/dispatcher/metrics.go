package dispatcher

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/beltline-io/beltline/pkg/messages"
)

// The results that are counted, beside the types of the events written for
// requests and the reasons of dead letters. The set is closed, so that no text
// from outside becomes a label.
const (
	resultAccepted  = "accepted"
	resultRejected  = "rejected"
	resultDuplicate = "duplicate" // known already: no effect
	resultAsked     = "asked"     // the provider is asked to cancel or confirm
	resultWaiting   = "waiting"   // kept until the outcome of a request, or until the ledger is believed
	resultUnknown   = "unknown"   // kept until the order appears
	resultNoRoom    = "no_room"   // kept until the ledger has room
	resultTrouble   = "trouble"   // kept because something did not answer
)

type metrics struct {
	handled *prometheus.CounterVec
	accept  prometheus.Histogram
	panics  prometheus.Counter
	looked  prometheus.Counter
	found   prometheus.Counter
	round   prometheus.Gauge
	backlog *prometheus.GaugeVec
	paused  *prometheus.GaugeVec
	full    prometheus.Gauge
}

// newMetrics registers the metrics with r; with nil they count for nobody.
func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Namespace: "beltline", Subsystem: "dispatcher", Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Namespace: "beltline", Subsystem: "dispatcher", Name: name, Help: help}
	}
	m := &metrics{
		handled: f.NewCounterVec(prometheus.CounterOpts{
			Namespace: "beltline", Subsystem: "dispatcher", Name: "messages_total",
			Help: "Messages of ORDERS handled, by what came of them; a message that is kept counts each time.",
		}, []string{"result"}),
		accept: f.NewHistogram(prometheus.HistogramOpts{
			Namespace: "beltline", Subsystem: "dispatcher", Name: "accept_seconds",
			Help:    "Time from taking an order until its event and its command are stored.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		panics: counter("panics_total", "Messages whose handling panicked; they stay in the queue. Anything but 0 needs a human."),
		looked: counter("sweep_looks_total", "Unfinished orders whose place in the queue the sweeper looked up."),
		found:  counter("sweep_finds_total", "Unfinished orders that had nothing in the queue and were driven again."),
		round: f.NewGauge(gauge("sweep_last_timestamp_seconds",
			"When this dispatcher's sweeper last went through the unfinished orders; 0 for never, as where another one sweeps.")),
		backlog: f.NewGaugeVec(gauge("place_backlog", "Place commands that wait for a provider."), []string{"provider"}),
		paused:  f.NewGaugeVec(gauge("paused", "1 while no orders are taken because too many wait for the provider."), []string{"provider"}),
		full:    f.NewGauge(gauge("ledger_full", "1 while no orders are taken because the ledger has no room.")),
	}
	for _, p := range messages.Providers() {
		m.paused.WithLabelValues(string(p)).Set(0) // what was never paused is not paused
	}
	return m
}

// watchSweeper tells whether this process is the one that sweeps.
func watchSweeper(r prometheus.Registerer, leading func() bool) {
	promauto.With(r).NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "beltline", Subsystem: "dispatcher", Name: "sweeping",
		Help: "1 while this dispatcher is the one that sweeps. Of all dispatchers one is.",
	}, func() float64 {
		if leading() {
			return 1
		}
		return 0
	})
}
