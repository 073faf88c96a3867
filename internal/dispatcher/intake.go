package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/pull"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/messages"
)

// intake reads the consumer whenever there is no pressure, until ctx ends.
func (d *Dispatcher) intake(ctx, work context.Context, c jetstream.Consumer) {
	line := pull.NewLine(&d.inHand, d.o.MaxInFlight)
	defer d.consuming.Store(false)
	for d.pressure.waitOpen(ctx) {
		if err := d.takeWhileOpen(ctx, work, c, line); err != nil && ctx.Err() == nil {
			d.consuming.Store(false)
			d.log.Warn().Err(err).Msg("reading orders was interrupted")
			pause(ctx, d.pace.trouble)
			d.refind(ctx, c)
		}
	}
}

// refind waits until the consumer is there, whoever has deleted it. The orders
// lie in their stream meanwhile; but only setup makes it anew, so somebody must
// be told.
func (d *Dispatcher) refind(ctx context.Context, c jetstream.Consumer) {
	for told := false; ; told = true {
		asked, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := c.Info(asked)
		cancel()
		gone := errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound)
		d.missing.Store(gone)
		if !gone { // or no answer, and reading finds out
			return
		}
		if !told {
			d.log.Error().Err(err).Msg("consumer of orders is missing; run `beltline setup`")
		}
		if !pause(ctx, d.pace.trouble) {
			return
		}
	}
}

// takeWhileOpen hands messages to handlers until ctx ends, pressure rises, or
// reading fails.
func (d *Dispatcher) takeWhileOpen(ctx, work context.Context, c jetstream.Consumer, line *pull.Line) error {
	open, cancel := d.pressure.whileOpen(ctx)
	defer cancel()
	d.consuming.Store(true)
	return line.Read(open, d.js, c, func(msg jetstream.Msg) { d.handle(work, msg) })
}

// request is a message of ORDERS, taken apart.
type request struct {
	tenant     string
	kind       messages.Request
	subject    string
	body       []byte
	seq        uint64
	sent       time.Time // by the server's clock
	deliveries uint64
	trace      nats.Header
}

// origin is what events remember of the message that caused them.
func (r request) origin() string { return messages.StreamOrders + ":" + strconv.FormatUint(r.seq, 10) }

// fate is what becomes of a message, and the result that is counted. The zero
// value leaves it alone, so that it comes back after the consumer's AckWait.
type fate struct {
	ack    bool
	after  time.Duration // deliver again, if not 0
	result string
}

func done(result string) fate                       { return fate{ack: true, result: result} }
func later(after time.Duration, result string) fate { return fate{after: after, result: result} }

// handle decides about one message and tells the server.
func (d *Dispatcher) handle(work context.Context, msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		d.log.Error().Err(err).Str(logkey.Subject, msg.Subject()).Msg("message has no metadata; it was left in the queue")
		return
	}
	failpoint.Hit("order.begin")
	d.finish(msg, d.judge(work, request{
		subject: msg.Subject(), body: msg.Data(),
		seq: meta.Sequence.Stream, sent: meta.Timestamp, deliveries: meta.NumDelivered, trace: telemetry.Only(msg.Headers()),
	}))
}

// judge decides about one message. A panic is a broken invariant: the process
// goes on, but this message is not touched, because nobody knows how far its
// handling came. It returns after AckWait, and the log says so each time.
func (d *Dispatcher) judge(work context.Context, r request) (f fate) {
	defer func() {
		if v := recover(); v != nil {
			f = fate{}
			d.metrics.panics.Inc()
			d.log.Error().Err(fmt.Errorf("panic: %v\n%s", v, debug.Stack())).
				Str(logkey.Subject, r.subject).Msg("handling of a message panicked; it was left in the queue")
		}
	}()
	ctx, cancel := context.WithTimeout(work, d.o.HandleFor)
	defer cancel()
	f = d.decide(ctx, r)
	d.metrics.handled.WithLabelValues(f.result).Inc()
	return f
}

// finish tells the server. A lost answer is harmless: the message comes back,
// and its second handling finds what the first one wrote.
func (d *Dispatcher) finish(msg jetstream.Msg, f fate) {
	var err error
	switch {
	case f.ack:
		failpoint.Hit("order.ack.before")
		err = msg.Ack()
		failpoint.Hit("order.ack.after")
	case f.after > 0:
		failpoint.Hit("order.nak.before")
		err = msg.NakWithDelay(f.after)
		failpoint.Hit("order.nak.after")
	}
	if err != nil {
		d.log.Warn().Err(err).Str(logkey.Subject, msg.Subject()).Msg("a message could not be acknowledged; it will come back")
	}
}

// decide finds out what the message is.
func (d *Dispatcher) decide(ctx context.Context, r request) (f fate) {
	tenant, kind, err := messages.ParseOrderSubject(r.subject)
	r.tenant, r.kind = tenant, kind
	switch {
	case err != nil:
		return d.bury(ctx, r, messages.ReasonInvalidOrder, err.Error(), "")
	case !messages.ValidTenant(tenant):
		return d.bury(ctx, r, messages.ReasonInvalidOrder, "the tenant in the subject is unusable or reserved", "")
	}
	ctx, span := telemetry.Process(ctx, "orders "+string(kind), telemetry.About{Destination: messages.StreamOrders, Tenant: tenant}, nil, r.trace)
	defer func() {
		span.Wrote(f.result)
		span.End()
	}()
	switch kind {
	case messages.SubmitRequest:
		return d.submit(ctx, r)
	case messages.CancelRequest:
		return d.cancel(ctx, r)
	case messages.ConfirmRequest:
		return d.confirm(ctx, r)
	default:
		return d.bury(ctx, r, messages.ReasonInvalidOrder, "the subject names no known request", "")
	}
}

// bury moves the message to the dead letters. It is acknowledged only when it
// is stored there.
func (d *Dispatcher) bury(ctx context.Context, r request, reason messages.Reason, cause, orderID string) fate {
	origin := messages.Origin(messages.StreamOrders, r.seq, r.subject)
	if err := d.queue.Bury(ctx, messages.DeadOrders(r.tenant), r.body, reason, cause, origin, orderID); err != nil {
		f := d.trouble(r, orderID, err, "a dead letter was not stored")
		if errors.Is(err, queue.ErrFull) {
			d.log.Error().Err(err).Msg("dead letters have no room; messages stay in the queue until they have: raise DLQ_MAX_BYTES")
			f.after = d.pace.room
		}
		return f
	}
	d.log.Warn().Str(logkey.Tenant, r.tenant).Str(logkey.OrderID, orderID).Str(logkey.Subject, r.subject).
		Uint64(logkey.StreamSeq, r.seq).Str(logkey.Reason, string(reason)).Msg("message became a dead letter")
	return done(string(reason))
}

// trouble is every error that says nothing about the order: try again, soon.
func (d *Dispatcher) trouble(r request, orderID string, err error, what string) fate {
	d.log.Warn().Err(err).Str(logkey.Tenant, r.tenant).Str(logkey.OrderID, orderID).
		Uint64(logkey.StreamSeq, r.seq).Uint64(logkey.Deliveries, r.deliveries).Msg(what)
	return later(d.pace.trouble, resultTrouble)
}
