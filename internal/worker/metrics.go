package worker

import (
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// metrics of one worker. Labels are bounded: no order, no tenant.
type metrics struct {
	calls, conflicts, panics, dead prometheus.Counter
	lane                           *prometheus.GaugeVec
	answers                        *prometheus.CounterVec
	lateness                       prometheus.Histogram
}

func newMetrics(r prometheus.Registerer, p messages.Provider) *metrics {
	labels := prometheus.Labels{"provider": string(p)}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "beltline", Subsystem: "worker", Name: name, Help: help, ConstLabels: labels})
	}
	m := &metrics{
		calls:     counter("creates_total", "Creating calls made under an intent."),
		conflicts: counter("intent_conflicts_total", "Intents lost to another writer."),
		panics:    counter("panics_total", "Commands that made the worker panic."),
		dead:      counter("dead_letters_total", "Commands moved to the dead letters."),
		lane: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "beltline", Subsystem: "worker", Name: "lane_state", ConstLabels: labels,
			Help: "1 for the state that the provider's lane is in, as this worker knows it: open, closed, probing, or paused (closed until an operator opens it).",
		}, []string{"state"}),
	}
	m.answers = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "beltline", Subsystem: "worker", Name: "answers_total", ConstLabels: labels,
		Help: "What asking the provider came to, by step (prepare, place, lookup, customer) and class: ok, or that of the error as it was understood.",
	}, []string{"step", "class"})
	for _, s := range []step{preparing, placing, lookingUp, customers} {
		m.answers.WithLabelValues(string(s), answeredOK)
		for class := providers.Ambiguous; class <= providers.Invalid; class++ {
			m.answers.WithLabelValues(string(s), class.String())
		}
	}
	m.laneIs(lane.State{State: lane.Open})
	m.lateness = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "beltline", Subsystem: "worker", Name: "timer_lateness_seconds",
		Help: "How long after they were due timers became commands, by the server's clock against ours.", ConstLabels: labels,
		Buckets: []float64{ // of seconds: no money is near
			.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300,
		},
	})
	if r != nil {
		r.MustRegister(m.lateness, m.calls, m.conflicts, m.panics, m.dead, m.lane, m.answers)
	}
	return m
}

// step is what the provider is asked for.
type step string

const (
	preparing step = "prepare"
	placing   step = "place"
	lookingUp step = "lookup"
	customers step = "customer" // confirmations and cancels
)

// answeredOK stands where an error would have its class.
const answeredOK = "ok"

// answered counts what asking the provider came to.
func (m *metrics) answered(s step, err error) {
	class := answeredOK
	if err != nil {
		class = providers.AsError(err).Class.String()
	}
	m.answers.WithLabelValues(string(s), class).Inc()
}

// lanePaused is the state of a lane that only an operator opens, for the metrics.
const lanePaused = "paused"

// laneIs tells the state of the lane, and that it is in no other.
func (m *metrics) laneIs(s lane.State) {
	is := s.State
	if s.Paused() {
		is = lanePaused
	}
	for _, state := range []string{lane.Open, lane.Closed, lane.Probing, lanePaused} {
		value := 0.0
		if state == is {
			value = 1
		}
		m.lane.WithLabelValues(state).Set(value)
	}
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
