package topology

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// DispatcherConsumer is the durable consumer on ORDERS.
const DispatcherConsumer = "dispatcher"

const (
	// dispatcherAckWait is how long the orders in the hands of a dispatcher that
	// died stay away. It need not cover their handling: a dispatcher that lives says
	// from time to time what it has in hand. It covers a lost beat or two, and a
	// redelivery that comes all the same has no effect.
	dispatcherAckWait = 10 * time.Second

	// Consumers are shared by all replicas, so their limit is that of a fleet.
	// It is generous because delayed NAKs hold places in it too.
	leastAckPending = 10_000
	replicasAtOnce  = 100
)

// Consumer is a durable consumer and the stream it reads.
type Consumer struct {
	Stream string
	Config jetstream.ConsumerConfig
}

// Consumers lists the durable consumers. None of them counts deliveries: a
// message leaves its queue because a program decided so, never by a counter.
func (s Settings) Consumers() []Consumer {
	dispatcher := s.consumer(DispatcherConsumer, "takes orders, one dispatcher at a time for each", dispatcherAckWait)
	all := []Consumer{{Stream: messages.StreamOrders, Config: dispatcher}}
	for _, p := range s.names() {
		all = append(all, s.placeConsumer(p), s.followConsumer(p))
	}
	return all
}

func (s Settings) consumer(name, description string, ackWait time.Duration) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Name:          name,
		Durable:       name,
		Description:   description,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    unlimited,
		MaxAckPending: max(leastAckPending, replicasAtOnce*s.MaxInFlight),
		ReplayPolicy:  jetstream.ReplayInstantPolicy,
		Metadata:      map[string]string{MetaOwner: owner, MetaSchema: schemaVersion},
	}
}

func (s Settings) placeConsumer(p messages.Provider) Consumer {
	c := s.consumer(p.PlaceConsumer(), "places orders at "+string(p)+"; paused while the lane is closed", s.Providers[p].AckWait)
	c.FilterSubject = verbFilter(p, messages.Place)
	c.Metadata[MetaProvider] = string(p)
	return Consumer{Stream: messages.StreamCommands, Config: c}
}

// followConsumer has a queue of its own, so that nothing waits behind a
// backlog of placing. A work queue refuses overlapping filters, so the verbs
// are listed one by one.
func (s Settings) followConsumer(p messages.Provider) Consumer {
	c := s.consumer(p.FollowConsumer(), "checks, cancels and confirms orders at "+string(p), s.Providers[p].AckWait)
	c.FilterSubjects = []string{
		verbFilter(p, messages.Check), verbFilter(p, messages.Cancel), verbFilter(p, messages.Confirm),
	}
	c.Metadata[MetaProvider] = string(p)
	return Consumer{Stream: messages.StreamCommands, Config: c}
}

func verbFilter(p messages.Provider, v messages.Verb) string {
	return "commands." + string(p) + "." + string(v) + ".>"
}
