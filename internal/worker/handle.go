package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// task is one command in hand.
type task struct {
	*Worker
	log   zerolog.Logger
	msg   jetstream.Msg
	meta  *jetstream.MsgMetadata
	addr  messages.CommandAddress
	cmd   messages.Command
	entry *ledger.Entry // the last event of the order, as far as we know
	order *messages.Order
	probe bool  // the lane is closed and this task may try it
	turn  *turn // of a payout, once taken
	stay  *stay // among the commands that are worked on
	fresh bool  // the ledger knows no earlier request under the reference
	span  telemetry.Span

	crossing *crossing // from before its permit until its request

	recorder   *providers.Recorder // of the last step that asked the provider
	recordedIn int                 // the attempt of that step
}

// errLater asks for the command to be delivered again after a wait of seconds.
type errLater struct {
	after time.Duration
	why   string
}

func (e *errLater) Error() string { return e.why }

// errUnprocessable marks a command that no delivery can ever process.
type errUnprocessable struct{ why string }

func (e *errUnprocessable) Error() string { return e.why }

// handle works on one command and settles its message. A panic leaves the
// message unacknowledged: its redelivery meets the recorded intent, so it
// reconciles and does not repeat.
func (w *Worker) handle(ctx context.Context, msg jetstream.Msg, probe bool) {
	t := &task{Worker: w, msg: msg, probe: probe, log: w.log}
	defer func() {
		if r := recover(); r != nil {
			w.metrics.panics.Inc()
			if t.stay != nil {
				t.stay.blame(ctx)
			}
			t.log.Error().Interface("panic", r).Bytes("stack", debug.Stack()).Str(logkey.Subject, msg.Subject()).
				Msg("a command made the worker panic; it is left to be delivered again")
		}
	}()
	failpoint.Hit("command.begin")
	t.settle(ctx, t.run(ctx))
}

// settle acknowledges, gives back or buries the message.
func (t *task) settle(ctx context.Context, err error) {
	var later *errLater
	var dead *errUnprocessable
	switch {
	case err == nil:
		err = t.acknowledge()
	case errors.As(err, &later):
		t.log.Debug().Str(logkey.Reason, later.why).Msg("command put off")
		err = t.giveBack(later.after)
	case errors.As(err, &dead):
		err = t.bury(ctx, dead)
	default:
		t.log.Warn().Err(err).Str(logkey.Subject, t.msg.Subject()).Msg("command not finished; it will be delivered again")
		err = t.giveBack(time.Second)
	}
	if err != nil {
		t.log.Debug().Err(err).Msg("a command could not be settled; it returns after its ack wait")
	}
}

// acknowledge takes the command off the queue.
func (t *task) acknowledge() error {
	failpoint.Hit("command.ack.before")
	err := t.msg.Ack()
	failpoint.Hit("command.ack.after")
	return err
}

// giveBack asks for the command to be delivered again.
func (t *task) giveBack(after time.Duration) error {
	failpoint.Hit("command.nak.before")
	err := t.msg.NakWithDelay(after)
	failpoint.Hit("command.nak.after")
	return err
}

// bury keeps an unprocessable command as a dead letter.
func (t *task) bury(ctx context.Context, dead *errUnprocessable) error {
	origin := ""
	if t.meta != nil {
		origin = t.origin()
	}
	t.log.Error().Str(logkey.Subject, t.msg.Subject()).Str(logkey.Reason, dead.why).Msg("command cannot be processed; moved to the dead letters")
	t.metrics.dead.Inc()
	err := t.queue.Bury(ctx, messages.DeadCommands(t.o.Provider), t.msg.Data(),
		messages.ReasonCommandUnprocessable, dead.why, origin, t.addr.OrderID)
	if err != nil {
		return t.giveBack(time.Second)
	}
	return t.acknowledge()
}

// run reads the command and goes on with its order.
func (t *task) run(ctx context.Context) error {
	if err := t.read(); err != nil {
		return err
	}
	var err error
	if t.stay, err = t.suspects.enter(ctx, t.addr, t.meta); err != nil {
		return err
	}
	err = t.goOn(ctx)
	t.stay.leave(ctx, t.taken()) // not after a panic
	return err
}

// goOn does what the order needs now.
func (t *task) goOn(ctx context.Context) error {
	defer func() { t.crossing.leave() }()
	if err := t.load(ctx); err != nil {
		return err
	}
	ctx, t.span = telemetry.Process(ctx, "commands "+string(t.addr.Verb), telemetry.About{
		Destination: messages.StreamCommands, Tenant: t.addr.Tenant, OrderID: t.addr.OrderID, Provider: string(t.o.Provider),
	}, t.entry.Trace, telemetry.Only(t.msg.Headers()))
	defer t.span.End()
	t.log = telemetry.Logger(ctx, t.log)
	if t.stay.tooOften {
		return t.setAside(ctx)
	}
	before := t.entry.Seq
	err := t.advance(ctx)
	if err == nil && t.entry.Seq != before {
		t.leaveTurn(ctx)
	}
	return err
}

// taken reports whether the provider has the order, or it has ended.
func (t *task) taken() bool {
	if t.entry == nil {
		return false
	}
	switch t.entry.Event.State {
	case messages.Accepted, messages.Retrying, messages.Placing, messages.Unresolved:
		return false
	default:
		return true
	}
}

// read takes the command apart and checks that subject and body agree.
func (t *task) read() error {
	meta, err := t.msg.Metadata()
	if err != nil {
		return &errUnprocessable{"no JetStream metadata: " + err.Error()}
	}
	t.meta = meta
	t.metrics.timed(t.msg.Headers(), meta)
	if t.addr, err = messages.ParseCommandSubject(t.msg.Subject()); err != nil {
		return &errUnprocessable{err.Error()}
	}
	if t.cmd, err = messages.DecodeCommand(t.msg.Data()); err != nil {
		if errors.Is(err, messages.ErrVersion) {
			return t.newer(err)
		}
		return &errUnprocessable{err.Error()}
	}
	if t.cmd.Tenant != t.addr.Tenant || t.cmd.OrderID != t.addr.OrderID || t.addr.Provider != t.o.Provider {
		return &errUnprocessable{fmt.Sprintf("the body points at %s/%s, the subject at %s/%s",
			t.cmd.Tenant, t.cmd.OrderID, t.addr.Tenant, t.addr.OrderID)}
	}
	t.log = t.log.With().Str(logkey.Tenant, t.addr.Tenant).Str(logkey.OrderID, t.addr.OrderID).Logger()
	return nil
}

// load reads the order. A first place command is trusted to point at the last
// event, because the intent's compare-and-set on it proves that; everything
// else asks the leader for the last event.
func (t *task) load(ctx context.Context) (err error) {
	if t.addr.Verb == messages.Place && t.meta.NumDelivered == 1 {
		t.entry, err = t.ledger.At(ctx, t.cmd.Seq)
	} else {
		t.entry, err = t.ledger.Last(ctx, t.addr.Tenant, t.addr.OrderID)
	}
	if unreadable(err) {
		t.entry, err = t.lastOf(ctx, firstLook, t.addr.Tenant, t.addr.OrderID)
	}
	if errors.Is(err, messages.ErrVersion) {
		return t.newer(err)
	}
	if unreadable(err) {
		return &errUnprocessable{"the ledger holds no such order: " + err.Error()}
	}
	if err != nil {
		return err
	}
	e := t.entry.Event
	if e.Provider != t.o.Provider || e.Tenant != t.addr.Tenant || e.OrderID != t.addr.OrderID {
		return &errUnprocessable{fmt.Sprintf("the event at %d is of order %s at provider %q", t.entry.Seq, e.Key(), e.Provider)}
	}
	if e.State == messages.Rejected || e.Forgotten() {
		return nil
	}
	if !slices.Contains(messages.States(), e.State) {
		return t.newer(fmt.Errorf("unknown state %q", e.State))
	}
	if t.order, err = messages.DecodeOrder(e.Order); err != nil { // a dispatcher has accepted it, so it knew how
		return t.newer(fmt.Errorf("the order in the ledger cannot be read: %w", err))
	}
	return nil
}

// newer is what comes of what this worker does not know: a newer program wrote
// it, in the middle of a rolling update. Nothing is guessed. It is left to a
// newer worker, if there is one before long, and is a dead letter then.
func (t *task) newer(err error) error {
	if t.o.Now().Sub(t.meta.Timestamp) >= t.o.HoldDown {
		return &errUnprocessable{err.Error()}
	}
	t.log.Warn().Err(err).Str(logkey.Subject, t.msg.Subject()).Msg("command is of a version that this worker does not know; it is left to a newer one")
	return &errLater{5 * time.Second, err.Error()}
}

// unreadable: asking again will not help.
func unreadable(err error) bool {
	return errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrInvalid)
}

// advance does what the order's state needs now.
func (t *task) advance(ctx context.Context) error {
	if t.entry.Event.Forgotten() {
		return nil // nothing is left to do anything with: the command is a leftover
	}
	if t.addr.Verb == messages.Cancel || t.addr.Verb == messages.Confirm {
		return t.carryOut(ctx)
	}
	switch e := t.entry.Event; e.State {
	case messages.Accepted, messages.Retrying:
		return t.place(ctx)
	case messages.Placing:
		return t.reconcile(ctx)
	case messages.Unresolved:
		return t.resolve(ctx)
	case messages.Processing, messages.OnHold, messages.ActionRequired:
		return t.look(ctx)
	case messages.Succeeded, messages.Failed, messages.Canceled, messages.Expired, messages.Reversed:
		return t.revisit(ctx)
	default:
		return nil // it never came to a request: the command is a leftover
	}
}

// giveUp ends an order whose command kills its workers, or leaves it to the
// operator where it may have been bought.
func (t *task) giveUp(ctx context.Context) error {
	const why = "three deliveries of the command killed the worker"
	if e := t.entry.Event; e.State == messages.Placing && t.o.Now().Before(*e.LeaseUntil) {
		// Another delivery's owner may be alive, and its answer is better than a doubt.
		return &errLater{min(e.LeaseUntil.Sub(t.o.Now()), 5*time.Second), "its last intent may be answered yet"}
	}
	err := t.record(ctx, order.Change{
		Input: order.Unprocessable, NeedsOperator: true, NotBefore: t.notBefore(),
		Error: &messages.Error{Class: providers.Invalid.String(), Code: providers.CodeUnprocessable, Message: why},
	})
	if err != nil {
		return err
	}
	t.stay.forget(ctx)
	return &errUnprocessable{why}
}

// record appends what follows from a change to the last event. Where another
// writer came between, it reads again and applies the change to what it finds:
// that is how an owner's outcome survives a cancel_refused written meanwhile.
func (t *task) record(ctx context.Context, c order.Change) error {
	for {
		c.At = t.now()
		last := t.entry
		e, verdict := order.Apply(last.Event, c)
		switch verdict {
		case order.Write:
		case order.Ignore, order.Wait, order.Ask, order.Unknown:
			return nil
		case order.Forbidden:
			panic(fmt.Sprintf("worker: %s is forbidden in state %q", c.Input, last.Event.State))
		}
		seq, err := t.ledger.Append(ctx, e, last.Seq)
		if errors.Is(err, ledger.ErrConflict) {
			if mutant.Is("M25") {
				return nil
			}
			now, err := t.ledger.Last(ctx, t.addr.Tenant, t.addr.OrderID)
			if err != nil {
				return err // what we know stays: whoever tries again goes on from it
			}
			t.entry = now
			continue
		}
		if err != nil {
			return err
		}
		t.entry = &ledger.Entry{Seq: seq, Event: e, Stored: e.Time}
		t.say(last.Event, e, c.Input)
		return nil
	}
}

// say logs a transition.
func (t *task) say(last, e *messages.Event, in order.Input) {
	t.span.Wrote(string(e.Type))
	level := zerolog.InfoLevel
	if e.NeedsOperator {
		level = zerolog.ErrorLevel
	}
	line := t.log.WithLevel(level).Int(logkey.Attempt, e.Attempt).Str(logkey.Event, string(e.Type)).
		Str(logkey.From, string(last.State)).Str(logkey.To, string(e.State)).Str("input", in.String())
	if e.Error != nil && e.Error != last.Error {
		line = line.Str(logkey.Class, e.Error.Class).Str(logkey.Code, e.Error.Code)
	}
	switch {
	case e.NeedsOperator && e.NotBefore != nil:
		line.Time("not_before", *e.NotBefore).Msg("order needs an operator")
	case e.NeedsOperator:
		line.Msg("order needs an operator")
	default:
		line.Msg("order moved")
	}
}

// succeedBy puts the order's successor into the queue: nothing unfinished is
// acknowledged without one, because a timer that fires while it is armed anew
// can vanish.
func (t *task) succeedBy(ctx context.Context) error {
	now := t.now()
	due, ok := order.Next(t.entry.Event, t.o.Times, now)
	if !ok || mutant.Is("M22") {
		return nil
	}
	c := messages.CommandFor(t.entry.Event, t.entry.Seq)
	if !due.At.After(now) {
		return t.queue.Send(ctx, t.o.Provider, due.Verb, c)
	}
	return t.queue.Schedule(ctx, t.o.Provider, due.Verb, c, jitter(due.At, now))
}

// purchase is what the adapter is told of the order.
func (t *task) purchase(reference string) providers.Order {
	e := t.entry.Event
	o := providers.Order{
		Tenant: e.Tenant, ID: e.OrderID, Kind: t.order.Kind, Params: t.order.Params, MaxCost: t.order.MaxCost,
		Reference: reference, Ref: e.ProviderRef,
	}
	if e.Work != nil && e.Work.PlacedAt != nil {
		o.PlacedAt = *e.Work.PlacedAt
	}
	o.Plan, _ = t.plan() // one that cannot be read is as good as none to a lookup
	return o
}

// plan is what was prepared for the last intent.
func (t *task) plan() (providers.Plan, error) {
	var p providers.Plan
	if w := t.entry.Event.Work; w != nil && w.Plan != nil {
		if err := json.Unmarshal(w.Plan, &p); err != nil {
			return p, &errUnprocessable{"the plan in the ledger cannot be read: " + err.Error()}
		}
	}
	return p, nil
}
