package worker_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// forgetful is a ledger that does not tell the order's last event when it is
// asked next, once that was arranged.
type forgetful struct {
	*ledger.Ledger
	next atomic.Pointer[func(context.Context) error]
}

func (l *forgetful) Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error) {
	if fail := l.next.Swap(nil); fail != nil {
		return nil, (*fail)(ctx)
	}
	return l.Ledger.Last(ctx, tenant, orderID)
}

// lies has the ledger know of no order the next n times that it is asked.
func (l *forgetful) lies(n int) {
	var fail func(context.Context) error
	fail = func(context.Context) error {
		if n--; n > 0 {
			l.next.Store(&fail)
		}
		return ledger.ErrNotFound
	}
	l.next.Store(&fail)
}

// moved is an order that was bought, and has moved on before its owner heard so:
// the outcome has to be applied to an event that must be read first.
func moved(t *testing.T, b *bench, s *shop, work func() (stop func())) (stop func(), answer chan struct{}) {
	t.Helper()
	hold, entered := make(chan struct{}), make(chan struct{})
	s.keyless = true
	s.next(step{buy: true, hold: hold, entered: entered})
	stop = work()
	b.submit(topup("o1"))
	signal(t, entered)
	b.follow("o1", order.Change{Input: order.ConfirmRequest, Origin: "ORDERS:7"})
	return stop, hold
}

// A server that is just closing its store knows no order at all.
func TestOutcome_IsKeptWhileTheEventThatItFollowsCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"unknown to a closing server": ledger.ErrNotFound, "not read": errors.New("nobody answers")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := patientBench(t), newShop()
			l := &forgetful{Ledger: b.ledger}
			_, answer := moved(t, b, s, func() func() {
				return b.workOn(l, s, patiently(b.options(messages.BalanceSteam, "w1")), &permits{})
			})
			fail := func(context.Context) error { return failure }
			l.next.Store(&fail)
			close(answer)
			e := b.ends("o1")
			if got := b.path("o1"); e.State != messages.Succeeded || got != "accepted placing confirm_refused succeeded" || s.purchases("o1") != 1 {
				t.Errorf("%s, bought %d", got, s.purchases("o1"))
			}
			if l.next.Load() != nil {
				t.Error("the event was not read: the test has shown nothing")
			}
		})
	}
}

// The worker is told to end while it reads: what it has bought is recorded all
// the same.
func TestOutcome_IsRecordedByAWorkerThatMustEndWhileItReads(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	l := &forgetful{Ledger: b.ledger}
	o := patiently(b.options(messages.BalanceSteam, "w1"))
	o.DrainFor = 100 * time.Millisecond
	stop, answer := moved(t, b, s, func() func() { return b.workOn(l, s, o, &permits{}) })
	reading := make(chan struct{})
	fail := func(ctx context.Context) error { close(reading); <-ctx.Done(); return ctx.Err() }
	l.next.Store(&fail)
	close(answer)
	signal(t, reading)
	stop()
	if e := b.ends("o1"); e.State != messages.Succeeded || s.purchases("o1") != 1 {
		t.Errorf("%s, bought %d", b.path("o1"), s.purchases("o1"))
	}
}

// Found by the storage rig (seed 9100105): an order that was bought while the
// ledger was rolled back to before it. Its owner alone knows what came of it; it
// kept the answer, and its command, for ever, and the ledger never heard of it.
func TestOutcome_OfAnOrderThatTheLedgerHasLostBringsItBack(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	hold, entered := make(chan struct{}), make(chan struct{})
	s.keyless = true
	s.next(step{buy: true, hold: hold, entered: entered})
	b.work(s, patiently(b.options(messages.BalanceSteam, "w1")))
	b.submit(topup("o1"))
	signal(t, entered)
	events, err := b.js.Stream(t.Context(), messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if err := events.Purge(t.Context(), jetstream.WithPurgeSubject(messages.OrderEvents(tenant, "o1"))); err != nil {
		t.Fatal(err)
	}
	close(hold)
	e := b.ends("o1")
	all, err := b.ledger.History(t.Context(), tenant, "o1")
	if err != nil || len(all) != 1 || e.State != messages.Succeeded || e.N != 3 || len(e.Order) == 0 || s.purchases("o1") != 1 {
		t.Errorf("%d events (%v), the last %s, %d of %s; bought %d", len(all), err, e.State, e.N, e.Order, s.purchases("o1"))
	}
}

// No sweep brings a customer's request back, so it must not be a dead letter
// because a server that is just closing its store knows no order.
func TestCommand_IsNotBuriedBecauseItsOrderWasNotFoundAFewTimes(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), &counterShop{shop: newShop()}
	s.next(step{buy: true, answer: waiting()})
	l := &forgetful{Ledger: b.ledger}
	o := b.options(messages.GamesDrop, "w1")
	o.Times.PollFirst, o.Times.PollMax = time.Hour, time.Hour
	b.workOn(l, s, o, providertest.Unlimited{})
	b.submit(offer("o1"))
	b.becomes("o1", messages.ActionRequired)
	b.drained()
	l.lies(4)
	b.request(messages.Confirm, "o1")
	b.becomes("o1", messages.Processing)
	if got := s.requests(); len(got) != 1 || l.next.Load() != nil {
		t.Errorf("asked for %v; the ledger was asked too rarely: %t", got, l.next.Load() != nil)
	}
}

// gatedDesk is a desk that lets its first lookup in when the test says so.
type gatedDesk struct {
	*desk
	once          sync.Once
	entered, hold chan struct{}
}

func (g *gatedDesk) Lookup(ctx context.Context, o providers.Order) (providers.Answer, error) {
	g.once.Do(func() { close(g.entered); <-g.hold })
	return g.desk.Lookup(ctx, o)
}

// The owner died, so nobody ever answered the attempt: what a lookup found of it
// was refused by the ledger as the first event of an order.
func TestLookup_OfAnOrderThatTheLedgerHasLostBringsItBack(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.accept(deposit("o1", ""))
	c.follow("o1", order.Change{Input: order.Claim, Intent: &order.Intent{
		Nonce: "dead", Owner: "w0", Reference: c.first, ReferenceN: 1, LeaseUntil: time.Now().Add(-time.Second), Plan: []byte(`{}`),
	}})
	last, seq := c.follow("o1", order.Change{Input: order.LeaseOver, RetryAt: time.Now(), Error: &messages.Error{Class: "ambiguous", Code: "no_answer"}})
	c.desk.refs = []string{c.first}
	c.desk.say(1, paidUp)
	g := &gatedDesk{desk: c.desk, entered: make(chan struct{}), hold: make(chan struct{})}
	c.workWith(g, c.options(messages.SkinsBack, "w1"), providertest.Unlimited{})
	c.send(messages.Check, last, seq)
	signal(t, g.entered)
	events, err := c.js.Stream(t.Context(), messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if err := events.Purge(t.Context(), jetstream.WithPurgeSubject(messages.OrderEvents(tenant, "o1"))); err != nil {
		t.Fatal(err)
	}
	close(g.hold)
	e := c.becomes("o1", messages.Succeeded)
	all, err := c.ledger.History(t.Context(), tenant, "o1")
	if err != nil || len(all) != 1 || e.N != last.N+1 || len(e.Order) == 0 {
		t.Errorf("%d events (%v), the last %s, %d of %s", len(all), err, e.State, e.N, e.Order)
	}
}
