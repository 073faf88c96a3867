package deadletters

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// ErrStays is wrapped by the reason why a letter cannot be sent back at all.
var ErrStays = errors.New("cannot be sent back")

// hookStream stands in the origin of a callback, which came from no stream.
const hookStream = "WEBHOOK"

// storeFor bounds how long a letter may take to be stored where it goes.
const storeFor = 15 * time.Second

// Way is where a letter goes back to.
type Way struct {
	Subject string
	store   func(ctx context.Context) error
}

// Way finds where a letter goes back to. It needs the letter's body. An error
// that wraps [ErrStays] says why it goes nowhere.
func (b *Box) Way(ctx context.Context, l *Letter) (*Way, error) {
	if l.CutFrom > 0 {
		return nil, stays("only %d of its %d bytes were kept", l.Size, l.CutFrom)
	}
	origin, err := parseOrigin(l.Header.Get(messages.HeaderOrigin))
	if err != nil {
		return nil, stays("%s", err)
	}
	switch {
	case l.Kind == Orders && origin.Stream == messages.StreamOrders:
		return b.request(l, origin)
	case l.Kind == Commands && origin.Stream == messages.StreamCommands:
		return b.command(l, origin)
	case l.Kind == Hooks && origin.Stream == hookStream:
		return b.check(ctx, l, origin)
	default:
		return nil, stays("it lies on %s and says that it came from %s", Escape(l.Subject), Escape(origin.String()))
	}
}

func stays(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrStays, fmt.Sprintf(format, args...))
}

// request sends a request of upstream again. It bears no message id: the
// dispatcher knows a repeat by its order.
func (b *Box) request(l *Letter, origin Origin) (*Way, error) {
	tenant, r, err := messages.ParseOrderSubject(origin.Subject)
	if err != nil || !messages.ValidTenant(tenant) {
		return nil, stays("no tenant could have published to %s", Escape(origin.Subject))
	}
	switch r {
	case messages.SubmitRequest, messages.CancelRequest, messages.ConfirmRequest:
	default:
		return nil, stays("there is no request %s", Escape(string(r)))
	}
	if l.Subject != messages.DeadOrders(tenant) {
		return nil, stays("it lies on %s, and came from tenant %s", Escape(l.Subject), tenant)
	}
	subject := messages.OrderSubject(tenant, r)
	return &Way{subject, func(ctx context.Context) error {
		ack, err := b.js.Publish(ctx, subject, l.Body, jetstream.WithExpectStream(messages.StreamOrders))
		if err != nil {
			return err
		}
		if ack.Duplicate {
			return errors.New("the server took it for a duplicate and did not store it")
		}
		return nil
	}}, nil
}

// command sends a command again, by the rules of the queue. One whose body does
// not point at its own order would only come back.
func (b *Box) command(l *Letter, origin Origin) (*Way, error) {
	a, err := messages.ParseCommandSubject(origin.Subject)
	if err != nil {
		return nil, stays("no command could have stood on %s", Escape(origin.Subject))
	}
	switch a.Verb {
	case messages.Place, messages.Check, messages.Cancel, messages.Confirm:
	default:
		return nil, stays("there is no verb %s", Escape(string(a.Verb)))
	}
	c, err := messages.DecodeCommand(l.Body)
	switch {
	case err != nil:
		return nil, stays("its body is no command: %s", Escape(err.Error()))
	case l.Subject != messages.DeadCommands(a.Provider):
		return nil, stays("it lies on %s, and came from %s", Escape(l.Subject), a.Provider)
	case c.Tenant != a.Tenant || c.OrderID != a.OrderID:
		return nil, stays("its body points at %s/%s, its subject at %s/%s", c.Tenant, c.OrderID, a.Tenant, a.OrderID)
	}
	return &Way{messages.CommandSubject(a.Provider, a.Verb, a.Tenant, a.OrderID), func(ctx context.Context) error {
		return b.queue.Send(ctx, a.Provider, a.Verb, c)
	}}, nil
}

// check makes a check of a callback: a callback only asks, and the provider's
// answer is the fact. What the callback claimed is not repeated.
func (b *Box) check(ctx context.Context, l *Letter, origin Origin) (*Way, error) {
	parts := strings.Split(origin.Subject, ".")
	if len(parts) != 4 || parts[0] != "hook" || !messages.Provider(parts[1]).Known() || !messages.ValidTenant(parts[2]) || !messages.ValidToken(parts[3]) {
		return nil, stays("no callback could have come to %s", Escape(origin.Subject))
	}
	p, tenant, id := messages.Provider(parts[1]), parts[2], parts[3]
	if l.Subject != messages.DeadHooks(p) {
		return nil, stays("it lies on %s, and came from %s", Escape(l.Subject), p)
	}
	last, err := b.last(ctx, tenant, id)
	switch {
	case err != nil:
		return nil, err
	case last.e.Provider != p:
		return nil, stays("order %s/%s is not %s's", tenant, id, p)
	}
	return &Way{messages.CommandSubject(p, messages.Check, tenant, id), func(ctx context.Context) error {
		return b.queue.Send(ctx, p, messages.Check, messages.CommandFor(last.e, last.seq))
	}}, nil
}

type event struct {
	e   *messages.Event
	seq uint64
}

// last is an order's last event. It may be an old one: a command only points at
// it, and who works on the command reads the ledger again.
func (b *Box) last(ctx context.Context, tenant, id string) (event, error) {
	stream, err := b.js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return event{}, fmt.Errorf("stream %s: %w", messages.StreamEvents, err)
	}
	m, err := stream.GetLastMsgForSubject(ctx, messages.OrderEvents(tenant, id))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return event{}, stays("the ledger holds no order %s/%s", tenant, id)
	}
	if err != nil {
		return event{}, fmt.Errorf("order %s/%s: %w", tenant, id, err)
	}
	e, err := messages.DecodeEvent(m.Data)
	if err != nil {
		return event{}, stays("the last event of %s/%s cannot be read", tenant, id)
	}
	return event{e, m.Sequence}, nil
}

// Replay sends a letter back and then takes it out, unless it is to be kept. It
// stays where it is on any error before it was stored there. stored reports
// whether it was: an error then speaks of taking it out only.
func (b *Box) Replay(ctx context.Context, l *Letter, w *Way, keep bool) (stored bool, err error) {
	timed, cancel := context.WithTimeout(ctx, storeFor)
	defer cancel()
	if err := w.store(timed); err != nil {
		return false, fmt.Errorf("%s: %w", w.Subject, err)
	}
	if keep {
		return true, nil
	}
	return true, b.Remove(ctx, l.Seq, false)
}
