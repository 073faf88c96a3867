package ratelimit

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/pkg/messages"
)

// metrics of one replica's side of a limit.
type metrics struct {
	granted                   [uses]prometheus.Counter
	waiting                   [uses]prometheus.Gauge
	refused, troubles, thrown prometheus.Counter
}

func newMetrics(r prometheus.Registerer, p messages.Provider) *metrics {
	labels := prometheus.Labels{"provider": string(p)}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "beltline", Subsystem: "permits", Name: name, Help: help, ConstLabels: labels})
	}
	granted := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "beltline", Subsystem: "permits", Name: "granted_total",
		Help: "Permits granted to this replica, by what they were for.", ConstLabels: labels,
	}, []string{"use"})
	waiting := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "beltline", Subsystem: "permits", Name: "waiting",
		Help: "Requests of this replica that wait for a permit.", ConstLabels: labels,
	}, []string{"use"})
	m := &metrics{
		refused:  counter("refused_total", "Permits refused because the limit was used up."),
		troubles: counter("unanswered_total", "Questions about permits that NATS did not answer."),
		thrown:   counter("thrown_away_total", "Permits thrown away because they were too old when the request was due."),
	}
	for u := range uses {
		m.granted[u], m.waiting[u] = granted.WithLabelValues(u.String()), waiting.WithLabelValues(u.String())
	}
	if r != nil {
		r.MustRegister(granted, waiting, m.refused, m.troubles, m.thrown)
	}
	return m
}
