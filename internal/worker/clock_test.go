package worker_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// diary is a queue that tells for when a command was stored, and keeps it.
type diary struct {
	*queue.Queue
	stored chan time.Time
}

func (q *diary) Send(context.Context, messages.Provider, messages.Verb, messages.Command) error {
	q.stored <- time.Time{}
	return nil
}

func (q *diary) Schedule(_ context.Context, _ messages.Provider, _ messages.Verb, _ messages.Command, at time.Time) error {
	q.stored <- at
	return nil
}

// A timer in the server's past fires at once: a worker whose clock is behind
// would ask, or look at a lease, as fast as it can for as long as that is.
func TestTimers_OfAWorkerWhoseClockIsBehindDoNotFireAtOnce(t *testing.T) {
	t.Parallel()
	const behind, first = 20 * time.Minute, time.Minute
	busy := &providers.Error{Op: "shop.create", Class: providers.Retryable, Code: "BUSY"}
	processing := &providers.Answer{Status: providers.StatusProcessing, Ref: map[string]string{"order_id": "9"}}
	gone := func(b *bench, o messages.Order, lease time.Time) (*messages.Event, uint64) {
		b.accept(o)
		return b.follow(o.ID, order.Change{Input: order.Claim, Intent: &order.Intent{
			Nonce: "gone", Owner: "w0", Reference: messages.Reference(b.namespace, tenant, o.ID, 1), ReferenceN: 1,
			LeaseUntil: lease, Plan: json.RawMessage(`{}`),
		}})
	}
	for name, tc := range map[string]struct {
		provider messages.Provider
		begin    func(b *bench, s *shop)
	}{
		"placed": {messages.GamesDrop, func(b *bench, s *shop) {
			s.next(step{buy: true, answer: processing})
			b.submit(offer("o1"))
		}},
		"refused for now": {messages.GamesDrop, func(b *bench, s *shop) {
			s.next(step{err: busy})
			b.submit(offer("o1"))
		}},
		"put off before it was sent": {messages.GamesDrop, func(b *bench, s *shop) {
			s.prepare = []error{busy}
			b.submit(offer("o1"))
		}},
		"under a lease that is over by the server's clock": {messages.GamesDrop, func(b *bench, _ *shop) {
			e, seq := gone(b, offer("o1"), time.Now().Add(-time.Second))
			b.send(messages.Check, e, seq)
		}},
		"not found after an answer was lost": {messages.SkinsBack, func(b *bench, s *shop) {
			s.lookups = []providers.Answer{{Status: providers.StatusAbsent}}
			gone(b, deposit("o1", ""), time.Now().Add(-time.Second))
			e, seq := b.follow("o1", order.Change{Input: order.LeaseOver, RetryAt: time.Now(), Error: &messages.Error{Class: "ambiguous", Code: "no_answer"}})
			b.send(messages.Check, e, seq)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			begun := time.Now()
			tc.begin(b, s)
			o := patiently(b.options(tc.provider, "w1"))
			o.Times.PollFirst, o.Times.PollMax = first, time.Hour
			o.Now = func() time.Time { return time.Now().Add(-behind) }
			q := &diary{b.queue, make(chan time.Time, 8)}
			b.workOver(b.ledger, q, s, o, providertest.Unlimited{})
			select {
			case at := <-q.stored:
				if wait := at.Sub(begun); wait < first || wait > 2*first {
					t.Errorf("%s: it is looked at again after %s by the server's clock", b.path("o1"), wait)
				}
			case <-time.After(patience):
				t.Error("nothing was put into the queue")
			}
		})
	}
}

var _ worker.Queue = (*diary)(nil)
