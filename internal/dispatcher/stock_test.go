package dispatcher_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/pkg/messages"
)

// gauge is the value of a gauge with these labels, in the order of their names.
func gauge(t *testing.T, g prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	families, err := g.Gather()
	must(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetValue())
			}
			if f.GetName() == name && strings.Join(have, " ") == strings.Join(labels, " ") {
				return m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

func TestStock_TellsWhatStreamsAndConsumersHold(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, subject := range []string{"dlq.orders.acme", "dlq.orders.bravo", "dlq.commands.gamesdrop"} {
		must(t, r.queue.Bury(t.Context(), subject, []byte("x"), messages.ReasonInvalidOrder, "no order", subject, ""))
	}
	last := r.seed(t, "acme", "o1", lives()["accepted"])
	must(t, r.queue.Send(t.Context(), messages.SkinsBack, messages.Check, messages.CommandFor(last.Event, last.Seq)))
	registry := prometheus.NewRegistry()
	r.run(t, func(o *dispatcher.Options) { o.Registerer = registry })
	for _, want := range []struct {
		name   string
		labels []string
		value  float64
	}{
		{"beltline_dead_letters_kept", []string{"orders", "none"}, 2},
		{"beltline_dead_letters_kept", []string{"commands", "gamesdrop"}, 1},
		{"beltline_dead_letters_kept", []string{"hooks", "exchanger"}, 0},
		{"beltline_stream_messages", []string{"DLQ"}, 3},
		{"beltline_stream_messages", []string{"EVENTS"}, 1},
		{"beltline_stream_max_bytes", []string{"COMMANDS"}, 0},
		{"beltline_consumer_waiting", []string{"worker-skinsback-follow", "skinsback", "COMMANDS"}, 1},
		{"beltline_consumer_waiting", []string{"dispatcher", "none", "ORDERS"}, 0},
		{"beltline_consumer_in_hand", []string{"worker-skinsback-follow", "skinsback", "COMMANDS"}, 0},
	} {
		until(t, want.name+" of "+strings.Join(want.labels, " "), func() bool { return gauge(t, registry, want.name, want.labels...) == want.value })
	}
	if gauge(t, registry, "beltline_stream_max_bytes", "EVENTS") <= gauge(t, registry, "beltline_stream_bytes", "EVENTS") {
		t.Error("EVENTS is told to be full")
	}
}
