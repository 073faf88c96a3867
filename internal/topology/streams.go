package topology

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Keys of the metadata that Beltline writes on streams and consumers.
const (
	MetaOwner     = "beltline.owner"
	MetaSchema    = "beltline.schema"
	MetaProvider  = "beltline.provider"
	MetaRate      = "beltline.rate"
	MetaTimeout   = "beltline.timeout"
	MetaNamespace = "beltline.namespace"
	// MetaEpoch is random and made with the stream: one that was made anew is told
	// from the one before by it.
	MetaEpoch = "beltline.epoch"
)

const (
	owner         = "beltline"
	schemaVersion = "1"

	unlimited = -1

	// The least the server allows. Msg-Ids are remembered for the whole stream,
	// not for a subject or a tenant, and a message taken for a duplicate is not
	// stored: a long window would let one tenant's id swallow another's order.
	leastWindow = 100 * time.Millisecond
	// Where only our own programs write, with ids made from the message itself.
	ownWindow = 2 * time.Minute

	deadLetterAge = 30 * 24 * time.Hour

	// How long the bucket keeps the marker of a key that expired by itself.
	// Setting it is what allows keys with a time to live (leases).
	leaseMarkerAge = time.Minute
)

// Streams lists the stream configurations in the order they are created: the
// ledger first, so that a server that is too small says so before anything else.
func (s Settings) Streams() []jetstream.StreamConfig {
	all := []jetstream.StreamConfig{s.events(), s.orders(), s.commands(), s.deadLetters()}
	for _, p := range s.names() {
		all = append(all, s.permits(p))
	}
	return all
}

// base holds what all streams share. Everything is on files: an acknowledged
// message must survive the server.
func (s Settings) base(name, description string, subjects ...string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              name,
		Description:       description,
		Subjects:          subjects,
		Storage:           jetstream.FileStorage,
		Replicas:          s.Replicas,
		MaxConsumers:      unlimited,
		MaxMsgs:           unlimited,
		MaxBytes:          unlimited,
		MaxMsgsPerSubject: unlimited,
		MaxMsgSize:        unlimited,
		Duplicates:        leastWindow,
		Metadata:          map[string]string{MetaOwner: owner, MetaSchema: schemaVersion},
	}
}

// events is the ledger. Nothing ages out of it, and a full one refuses rather
// than forgets. There is no rollup. Deleting single messages stays allowed,
// because `beltline forget` must be able to erase a finished order, and only a
// deletion overwrites what is on the disk; who may delete and purge is a matter
// of permissions. One that was made with deny_delete keeps it: the server takes
// no denial back.
//
// Reads by sequence may be answered by any replica (AllowDirect): an event
// never changes. Reads of an order's last event must not use that way.
func (s Settings) events() jetstream.StreamConfig {
	c := s.base(messages.StreamEvents, "the ledger: every change of every order, by compare-and-set", "events.>")
	c.Retention = jetstream.LimitsPolicy
	c.MaxBytes = s.EventsMaxBytes
	c.Discard = jetstream.DiscardNew
	c.AllowDirect = true
	c.AllowAtomicPublish = true // many appends are synced at once: internal/groupcommit
	c.Duplicates = ownWindow
	return c
}

// orders is the inbox of upstream. It accepts bodies that are too long for an
// order: they become dead letters with a reason, which a refused publish would
// never give to anybody but the publisher.
func (s Settings) orders() jetstream.StreamConfig {
	c := s.base(messages.StreamOrders, "what upstream asks for, until the dispatcher has taken it",
		"orders.*.submit", "orders.*.cancel", "orders.*.confirm")
	c.Retention = jetstream.WorkQueuePolicy
	c.MaxBytes = s.OrdersMaxBytes
	c.Discard = jetstream.DiscardNew
	return c
}

// commands holds commands and timers. It has no limit of age, size or number:
// with schedules the server refuses discard-new, and with discard-old a limit
// would silently delete the oldest commands, and the timers with them. What
// bounds it is the dispatcher, which stops taking orders above a backlog.
//
// Rollup is what lets a newer timer replace the older one of its subject; the
// server demands it for schedules. Direct reads stay off, so that whoever asks
// whether an order has a timer is answered by the leader.
func (s Settings) commands() jetstream.StreamConfig {
	c := s.base(messages.StreamCommands, "commands to the workers, and the timers that become commands",
		"commands.>", "schedules.>")
	c.Retention = jetstream.WorkQueuePolicy
	c.Discard = jetstream.DiscardOld
	c.AllowMsgSchedules = true
	c.AllowRollup = true
	c.AllowAtomicPublish = true
	return c
}

// deadLetters keeps what nobody could process. A full one refuses, so that the
// message stays where it was instead of vanishing.
func (s Settings) deadLetters() jetstream.StreamConfig {
	c := s.base(messages.StreamDLQ, "messages that could not be processed, with the reason", "dlq.>")
	c.Retention = jetstream.LimitsPolicy
	c.MaxBytes = s.DLQMaxBytes
	c.MaxAge = deadLetterAge
	c.Discard = jetstream.DiscardNew
	c.Duplicates = ownWindow
	return c
}

// permits is the rate limit of a provider: a request is allowed when a message
// could be stored, and the server refuses the one after the last. A permit
// lives as long as the provider may still count its request. Deleting or
// purging would hand out permits twice in a window, so both are denied.
//
// It is on files although a permit lives for a minute: a server that comes
// back must remember what it has granted.
func (s Settings) permits(p messages.Provider) jetstream.StreamConfig {
	ps := s.Providers[p]
	c := s.base(p.PermitStream(), "one message for each request to "+string(p)+" within its window", p.PermitSubject())
	c.Retention = jetstream.LimitsPolicy
	c.Discard = jetstream.DiscardNew
	c.MaxMsgs = int64(ps.Rate.Requests)
	c.MaxAge = ps.Rate.Window + PermitSlack
	c.DenyDelete, c.DenyPurge = true, true
	c.AllowAtomicPublish = true
	// Workers that wait hear of every permit, so that they take turns instead of
	// asking in vain. It is a plain message, and costs nothing where nobody waits.
	c.RePublish = &jetstream.RePublish{Source: p.PermitSubject(), Destination: p.TurnSubject()}
	c.Metadata[MetaProvider] = string(p)
	c.Metadata[MetaRate] = ps.Rate.String()
	c.Metadata[MetaTimeout] = ps.Timeout.String()
	return c
}

// Bucket is the KV bucket of lanes, leases and the namespace. Its keys may
// have a time to live, so that a lease ends by the server's clock.
func (s Settings) Bucket() jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{
		Bucket:         messages.Bucket,
		Description:    "lanes, leases, the fence and the namespace",
		History:        1,
		Storage:        jetstream.FileStorage,
		Replicas:       s.Replicas,
		LimitMarkerTTL: leaseMarkerAge,
		Metadata:       map[string]string{MetaOwner: owner, MetaSchema: schemaVersion},
	}
}
