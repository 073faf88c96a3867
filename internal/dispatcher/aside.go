package dispatcher

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Cancels and confirmations stand in ORDERS among the orders, behind as many as
// upstream has sent. While no orders are taken they are looked up there, handled
// and deleted, past the consumer: pressure must not keep a customer from
// canceling what was accepted before. To take the orders too and put them back
// would hold a place in the consumer for each, until none is left for the rest.
//
// Another replica may handle the same request through the consumer at that
// moment, as it may after any redelivery: the second finds what the first wrote.

// longestAside bounds the growing time between two looks at a request that has
// to wait.
const longestAside = time.Minute

// aside is what the replica that sweeps knows of such requests.
type aside struct {
	d      *Dispatcher
	next   map[messages.Request]uint64 // the sequence from which on none was seen
	kept   map[uint64]*keptRequest
	stream jetstream.Stream
}

// keptRequest was looked at, and is to be looked at again.
type keptRequest struct {
	at      time.Time
	step    time.Duration
	handled bool // and only has to go
}

func newAside(d *Dispatcher) *aside {
	return &aside{d: d, next: map[messages.Request]uint64{}, kept: map[uint64]*keptRequest{}}
}

// run works until ctx ends, whenever no orders are taken.
func (a *aside) run(ctx, work context.Context) {
	for a.d.pressure.waitClosed(ctx) {
		if a.d.sweeper.Leading() { // one replica is enough
			if err := a.round(ctx, work); err != nil && ctx.Err() == nil {
				a.d.log.Warn().Err(err).Msg("requests behind orders that are not taken were not all looked at")
			}
		}
		if !pause(ctx, a.d.pace.pressure) {
			return
		}
	}
}

// goOn reports whether orders are still not taken.
func (a *aside) goOn(ctx context.Context) bool {
	open, _ := a.d.pressure.look()
	return !open && ctx.Err() == nil
}

// round looks at every request that is new, or due again.
func (a *aside) round(ctx, work context.Context) (err error) {
	if a.stream == nil {
		if a.stream, err = a.d.js.Stream(ctx, messages.StreamOrders); err != nil {
			return err
		}
	}
	for seq, k := range a.kept {
		if !a.goOn(ctx) {
			return nil
		}
		if time.Now().Before(k.at) {
			continue
		}
		if err := a.again(ctx, work, seq); err != nil {
			return err
		}
	}
	for _, kind := range []messages.Request{messages.CancelRequest, messages.ConfirmRequest} {
		if err := a.fresh(ctx, work, kind); err != nil {
			return err
		}
	}
	return nil
}

// fresh looks at the requests of one kind that came after the last look.
func (a *aside) fresh(ctx, work context.Context, kind messages.Request) error {
	for a.goOn(ctx) {
		m, err := a.get(ctx, max(a.next[kind], 1), jetstream.WithGetMsgSubject(messages.OrderSubject("*", kind)))
		if m == nil || err != nil {
			return err
		}
		a.next[kind] = m.Sequence + 1
		if a.kept[m.Sequence] == nil {
			a.kept[m.Sequence] = &keptRequest{}
		}
		a.handle(ctx, work, m)
	}
	return nil
}

// again looks at a request that had to wait.
func (a *aside) again(ctx, work context.Context, seq uint64) error {
	m, err := a.get(ctx, seq)
	switch {
	case err != nil:
		return err
	case m == nil: // it came through the consumer
		delete(a.kept, seq)
	default:
		a.handle(ctx, work, m)
	}
	return nil
}

// get reads one message; nil if there is none.
func (a *aside) get(ctx context.Context, seq uint64, opts ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, a.d.o.HandleFor)
	defer cancel()
	m, err := a.stream.GetMsg(ctx, seq, opts...)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	return m, err
}

// handle decides about a request. It is deleted when the consumer would have
// acknowledged it, and stays for the consumer otherwise. That its order is
// unknown says nothing now: the order may stand before it, not taken.
func (a *aside) handle(ctx, work context.Context, m *jetstream.RawStreamMsg) {
	k := a.kept[m.Sequence]
	if !k.handled {
		k.handled = a.d.judge(work, request{
			subject: m.Subject, body: m.Data, seq: m.Sequence, sent: m.Time, deliveries: 1, // never the last look
		}).ack
	}
	if k.handled {
		timed, cancel := context.WithTimeout(work, a.d.o.HandleFor)
		defer cancel()
		err := a.stream.DeleteMsg(timed, m.Sequence)
		if err == nil {
			delete(a.kept, m.Sequence)
			return
		}
		if ctx.Err() == nil {
			a.d.log.Debug().Err(err).Uint64(logkey.StreamSeq, m.Sequence).Msg("a handled request could not be deleted")
		}
	}
	k.step = min(max(2*k.step, a.d.pace.pressure), longestAside)
	k.at = time.Now().Add(k.step)
}
