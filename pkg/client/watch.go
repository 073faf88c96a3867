package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Event is an event as it arrived.
type Event struct {
	messages.Event
	// Seq is its place in the stream EVENTS. Keep that of the last event that
	// you are done with: a watch that is begun with it as Filter.After goes on
	// behind it, in this process or another one.
	Seq uint64
	// Pending is how many more events were waiting behind it: 0 where it was the
	// last one so far.
	Pending uint64
	// Traceparent is the trace that the event belongs to; "" for none.
	Traceparent string
}

// Filter says which events a watch is about, and where it begins. The zero value
// is every event of the tenant since the beginning.
type Filter struct {
	// ID is the order; empty for all orders of the tenant.
	ID string
	// Type is the type of the events; empty for all types.
	Type messages.Type
	// After is the place behind which to begin: the Seq of an event, or what
	// [Client.Now] has said. 0 is the beginning.
	After uint64
	// Interrupted is told, each time, why reading was interrupted; may be nil.
	// The watch goes on by itself.
	Interrupted func(error)
}

// subject is the filter as the server knows it.
func (f Filter) subject(tenant string) (string, error) {
	id, tail := "*", ">"
	if f.ID != "" {
		if !messages.ValidToken(f.ID) {
			return "", fmt.Errorf("%q cannot be the id of an order", f.ID)
		}
		id = f.ID
	}
	if f.Type != "" {
		if !messages.ValidToken(string(f.Type)) {
			return "", fmt.Errorf("%q cannot be the type of an event", f.Type)
		}
		tail = string(f.Type)
	}
	if f.ID == "" && f.Type == "" {
		return "events.*." + tenant + ".>", nil
	}
	return "events.*." + tenant + "." + id + "." + tail, nil
}

// Watch yields events in the order of the ledger, as they come, until the loop
// is left or ctx ends.
//
// Nothing is left out and nothing is told twice, also where the connection is
// lost, the server restarts, or the loop takes its time: the server keeps what
// is not asked for yet. Across processes the same holds as long as the Seq of
// the last event is kept together with what was done about it; if it is kept
// less often than that, ignore an (order, N) that you have seen.
//
// An event that cannot be read is yielded as an error with nothing but its Seq
// known, and the watch goes on. Every other error is the last thing that a watch
// yields: the cause of the end of ctx, [ErrDenied], [ErrRewound], or that there
// is no such stream.
func (c *Client) Watch(ctx context.Context, f Filter) iter.Seq2[Event, error] {
	return c.watch(ctx, f, false)
}

// watch is Watch. With latest it begins with the last event of each type that
// the order has: the server finds those at once, where it would look through the
// whole stream for all of them (a wait of 20 ms instead of 80 among 600,000 events).
func (c *Client) watch(ctx context.Context, f Filter, latest bool) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		subject, err := f.subject(c.o.Tenant)
		if err != nil {
			yield(Event{}, err)
			return
		}
		told := &told{}
		err = c.follow(ctx, &feed{stream: messages.StreamEvents, subject: subject, after: f.After, latest: latest, interrupted: f.Interrupted},
			func(m jetstream.Msg, at *jetstream.MsgMetadata) bool {
				e, err := messages.DecodeEvent(m.Data())
				if err != nil {
					return yield(Event{Seq: at.Sequence.Stream}, fmt.Errorf("the event on %s cannot be read: %w", m.Subject(), err))
				}
				if !told.first(e) {
					return true
				}
				return yield(Event{Event: *e, Seq: at.Sequence.Stream, Pending: at.NumPending, Traceparent: m.Headers().Get(headerTrace)}, nil)
			})
		if err != nil {
			yield(Event{}, err)
		}
	}
}

// Now is the place behind every event of the tenant so far, as Filter.After.
func (c *Client) Now(ctx context.Context) (uint64, error) {
	subject, err := Filter{}.subject(c.o.Tenant)
	if err != nil {
		return 0, err
	}
	return c.now(ctx, messages.StreamEvents, subject)
}

func (c *Client) now(ctx context.Context, stream, subject string) (uint64, error) {
	ctx, cancel := c.patient(ctx)
	defer cancel()
	if err := c.link.wait(ctx); err != nil {
		return 0, err
	}
	return c.end(ctx, stream, subject)
}

// end is the last place in a stream. A consumer of what is yet to come knows it:
// to look at the stream itself takes a permission that shows all tenants.
func (c *Client) end(ctx context.Context, stream, subject string) (uint64, error) {
	cons, err := c.consumer(ctx, stream, jetstream.ConsumerConfig{
		FilterSubject: subject, DeliverPolicy: jetstream.DeliverNewPolicy, InactiveThreshold: time.Second,
	})
	if err != nil {
		return 0, err
	}
	return cons.CachedInfo().Delivered.Stream, nil
}

const (
	// ahead is how many messages are asked for ahead of the loop: at 128 KB at
	// most, 8 MB.
	ahead = 64
	// heartbeat is how often the server says that it is still there. What it
	// forgot, such as a consumer whose server died, is noticed after two.
	heartbeat = 3 * time.Second
	// kept is for how long the server keeps a consumer that nobody reads: long
	// enough for a loop that takes its time. keptShort is that of a wait, of which
	// there may be many.
	kept      = time.Minute
	keptShort = 5 * time.Second
	feedPause = 250 * time.Millisecond
)

// errGap: the server passed something over.
var errGap = errors.New("the server passed over a message")

// feed is a place in a stream, and the way on.
type feed struct {
	stream, subject string
	after           uint64
	latest          bool // of a wait: begins with the last of each subject
	interrupted     func(error)

	opened  bool
	trouble time.Time // since when it cannot be opened
}

// follow hands every message over, once, until take says no; then it returns
// nil. Otherwise it returns why it ended.
//
// It reads with a consumer of its own that keeps no acknowledgements, and with
// another one behind the last message after every interruption: what is asked
// for by its place cannot be lost with a connection. It asks for nothing that an
// account needs permission for beyond its own subjects: no consumer is looked
// at or deleted; the server forgets them by itself.
func (c *Client) follow(ctx context.Context, f *feed, take func(jetstream.Msg, *jetstream.MsgMetadata) bool) error {
	for {
		err := c.link.wait(ctx)
		if err == nil {
			var done bool
			if done, err = c.read(ctx, f, take); done {
				return nil
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if c.final(f, err) {
			return fmt.Errorf("watch %s: %w", f.subject, err)
		}
		if f.interrupted != nil {
			f.interrupted(err)
		}
		pause(ctx, feedPause)
	}
}

// final reports whether waiting is of no use. What may be the matter for a
// moment, while servers start and elect, is believed when it lasts.
func (c *Client) final(f *feed, err error) bool {
	switch {
	case errors.Is(err, ErrDenied), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, jetstream.ErrInvalidSubject):
		return true
	case errors.Is(err, ErrRewound), !f.opened && absent(err):
		if f.trouble.IsZero() {
			f.trouble = time.Now()
		}
		return time.Since(f.trouble) > c.o.AnswerWithin
	default:
		f.trouble = time.Time{}
		return false
	}
}

// absent: there is no such stream, or no JetStream, or there may be no such
// consumer, as far as is known now.
func absent(err error) bool {
	var api jetstream.JetStreamError
	if errors.As(err, &api) && api.APIError() != nil && api.APIError().Code != http.StatusServiceUnavailable {
		return true
	}
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
}

// read reads with one consumer. It is done when take says no.
func (c *Client) read(ctx context.Context, f *feed, take func(jetstream.Msg, *jetstream.MsgMetadata) bool) (done bool, err error) {
	here := c.link.here() // before the consumer is made: it is not for the next connection
	if f.after > 0 {
		// The server waits without a word for a place that is far away.
		end, err := c.end(ctx, f.stream, f.subject)
		if err != nil {
			return false, err
		}
		if end < f.after {
			return false, fmt.Errorf("%w: it ends at %d, and the place is %d", ErrRewound, end, f.after)
		}
	}
	cfg := jetstream.ConsumerConfig{
		FilterSubject: f.subject, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: f.after + 1, InactiveThreshold: kept,
	}
	if f.latest {
		cfg.InactiveThreshold = keptShort
		if f.after == 0 {
			cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverLastPerSubjectPolicy, 0
		}
	}
	cons, err := c.consumer(ctx, f.stream, cfg)
	if err != nil {
		return false, err
	}
	f.opened, f.trouble = true, time.Time{}
	msgs, err := cons.Messages(jetstream.PullMaxMessages(ahead), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return false, err
	}
	defer msgs.Stop()
	defer context.AfterFunc(here, msgs.Stop)()
	before := c.nc.LastError()
	for expected := uint64(1); ; expected++ {
		msg, err := msgs.Next(jetstream.NextContext(ctx))
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			if denied := c.denied(cons.CachedInfo().Name, before); denied != nil {
				return false, denied
			}
		}
		if here.Err() != nil && ctx.Err() == nil {
			return false, errLost // also where a message was there: the next consumer has it
		}
		if err != nil {
			return false, err
		}
		at, err := msg.Metadata()
		if err != nil {
			return false, err
		}
		if at.Sequence.Consumer != expected {
			return false, fmt.Errorf("%w: number %d of %s came where %d was to come", errGap, at.Sequence.Consumer, f.subject, expected)
		}
		if at.Sequence.Stream <= f.after {
			continue
		}
		// First: whoever leaves the loop at this message has seen it.
		f.after = at.Sequence.Stream
		if !take(msg, at) {
			return true, nil
		}
	}
}

// consumer makes a consumer for this client alone. Its name cannot be guessed:
// an account that may ask for messages may ask for those of any consumer that
// it knows by name.
func (c *Client) consumer(ctx context.Context, stream string, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	cfg.Name = "watch-" + rand.Text()
	cfg.AckPolicy, cfg.MemoryStorage, cfg.Replicas = jetstream.AckNonePolicy, true, 1
	try, done := c.attempt(ctx, cfg.Name, c.o.AnswerWithin)
	defer done()
	cons, err := c.js.CreateConsumer(try, stream, cfg)
	switch err = ended(try, err); {
	case err == nil:
		return cons, nil
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, fmt.Errorf("stream %s is missing: %s: %w", stream, setUp, err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("stream %s: no JetStream answers: start the server with -js, or say where its API is (APIPrefix): %w", stream, err)
	default:
		return nil, fmt.Errorf("stream %s: %w", stream, err)
	}
}
