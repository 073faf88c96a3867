package dispatcher

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// stockEvery is the time between two looks at what the streams hold.
const stockEvery = 15 * time.Second

// stock looks at streams and consumers for the metrics. Every dispatcher tells
// the same, so its figures are not to be added up.
type stock struct {
	d                         *Dispatcher
	messages, bytes, maxBytes *prometheus.GaugeVec
	letters                   *prometheus.GaugeVec
	waiting, inHand           *prometheus.GaugeVec
}

func newStock(d *Dispatcher) *stock {
	f := promauto.With(d.o.Registerer)
	gauge := func(subsystem, name, help string, labels ...string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts{Namespace: "beltline", Subsystem: subsystem, Name: name, Help: help}, labels)
	}
	return &stock{
		d:        d,
		messages: gauge("stream", "messages", "Messages in a stream.", "stream"),
		bytes:    gauge("stream", "bytes", "Size of a stream.", "stream"),
		maxBytes: gauge("stream", "max_bytes", "Greatest size of a stream; 0 for no limit. No order is taken above 80 % of that of EVENTS.", "stream"),
		letters:  gauge("dead_letters", "kept", "Dead letters that are kept, by what they were and their provider (none for orders).", "kind", "provider"),
		waiting:  gauge("consumer", "waiting", "Messages that a consumer has not delivered yet.", "stream", "consumer", "provider"),
		inHand:   gauge("consumer", "in_hand", "Messages that were delivered and are not acknowledged yet.", "stream", "consumer", "provider"),
	}
}

// run looks until ctx ends.
func (s *stock) run(ctx context.Context) {
	for ctx.Err() == nil {
		s.look(ctx)
		pause(ctx, stockEvery)
	}
}

// look takes stock once. What does not answer keeps its last figure: that the
// server is away is said elsewhere.
func (s *stock) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stockEvery)
	defer cancel()
	for _, name := range []string{messages.StreamOrders, messages.StreamCommands, messages.StreamEvents} {
		if stream, err := s.d.js.Stream(ctx, name); err == nil {
			s.tell(stream.CachedInfo())
		}
	}
	if stream, err := s.d.js.Stream(ctx, messages.StreamDLQ); err == nil {
		s.tell(stream.CachedInfo())
		if info, err := stream.Info(ctx, jetstream.WithSubjectFilter("dlq.>")); err == nil {
			s.sort(info.State.Subjects)
		}
	}
	s.ask(ctx, messages.StreamOrders, topology.DispatcherConsumer, messages.NoProvider)
	for _, p := range messages.Providers() {
		s.ask(ctx, messages.StreamCommands, p.PlaceConsumer(), p)
		s.ask(ctx, messages.StreamCommands, p.FollowConsumer(), p)
	}
}

func (s *stock) tell(info *jetstream.StreamInfo) {
	name := info.Config.Name
	s.messages.WithLabelValues(name).Set(float64(info.State.Msgs))
	s.bytes.WithLabelValues(name).Set(float64(info.State.Bytes))
	s.maxBytes.WithLabelValues(name).Set(float64(max(info.Config.MaxBytes, 0)))
}

func (s *stock) ask(ctx context.Context, stream, consumer string, p messages.Provider) {
	c, err := s.d.js.Consumer(ctx, stream, consumer)
	if err != nil {
		return
	}
	info := c.CachedInfo()
	s.waiting.WithLabelValues(stream, consumer, string(p)).Set(float64(info.NumPending))
	s.inHand.WithLabelValues(stream, consumer, string(p)).Set(float64(info.NumAckPending))
}

// sort counts dead letters. Those of all tenants' orders count as one kind:
// tenants are no labels, there may be any number of them.
func (s *stock) sort(subjects map[string]uint64) {
	counts := map[[2]string]uint64{{"orders", string(messages.NoProvider)}: 0}
	for _, p := range messages.Providers() {
		counts[[2]string{"commands", string(p)}], counts[[2]string{"hooks", string(p)}] = 0, 0
	}
	for subject, n := range subjects {
		parts := strings.Split(subject, ".")
		if len(parts) != 3 {
			continue
		}
		at := [2]string{parts[1], parts[2]}
		if parts[1] == "orders" {
			at[1] = string(messages.NoProvider)
		}
		if _, known := counts[at]; known {
			counts[at] += n
		}
	}
	for at, n := range counts {
		s.letters.WithLabelValues(at[0], at[1]).Set(float64(n))
	}
}
