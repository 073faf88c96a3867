package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// runs is a worker whose end the test can wait for.
func (b *bench) runs(s providers.Provider, o worker.Options, l ratelimit.Limiter) (stop func(), ended <-chan struct{}) {
	b.t.Helper()
	wait := b.workWith(s, o, l)
	done := make(chan struct{})
	return func() { go func() { wait(); close(done) }() }, done
}

func wantEnd(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the worker did not end")
	}
}

// The ack wait of this test does not come round: whatever a second worker gets
// has been given back by the first.
func TestDrain_TheCallInFlightIsRecordedAndTheRestGivenBackAtOnce(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	const n = 20
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{buy: true, hold: hold, entered: entered})
	b.submit(offer("held"))
	o := patiently(b.options(messages.GamesDrop, "w1"))
	o.MaxInFlight = 1
	stop, ended := b.runs(s, o, &permits{})
	signal(t, entered)
	for i := range n { // some lie in the client's buffer, some wait for the slot
		b.submit(offer(fmt.Sprintf("o%d", i)))
	}
	stop()
	b.work(s, patiently(b.options(messages.GamesDrop, "w2")))
	for i := range n {
		b.ends(fmt.Sprintf("o%d", i))
	}
	select {
	case <-ended:
		t.Error("the worker did not wait for its call")
	default:
	}
	close(hold)
	wantEnd(t, ended)
	if got := b.path("held"); got != "accepted placing succeeded" || s.purchases("held") != 1 {
		t.Errorf("path %s, bought %d", got, s.purchases("held"))
	}
	b.drained()
}

// noPermits never grants one.
type noPermits struct{ asked chan struct{} }

func (p noPermits) Take(ctx context.Context, _ ratelimit.Use) (ratelimit.Permit, error) {
	p.asked <- struct{}{}
	<-ctx.Done()
	return ratelimit.Permit{}, ctx.Err()
}

func TestDrain_AWorkerThatWaitsForPermitsStopsAtOnce(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	l := noPermits{make(chan struct{}, 10)}
	b.submit(offer("o1"))
	stop, ended := b.runs(s, patiently(b.options(messages.GamesDrop, "w1")), l)
	signal(t, l.asked)
	begun := time.Now()
	stop()
	wantEnd(t, ended)
	if took := time.Since(begun); took > patience/2 {
		t.Errorf("it took %s", took)
	}
	b.work(s, patiently(b.options(messages.GamesDrop, "w2")))
	if e := b.ends("o1"); e.State != messages.Succeeded {
		t.Errorf("%s", b.path("o1"))
	}
}

// A provider that hangs beyond DrainFor is left to the lease: the worker ends,
// another one finds the intent, and what it was is settled without a second
// purchase.
func TestDrain_AHungCallIsLeftToItsLease(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{buy: true, hold: hold, entered: entered})
	t.Cleanup(func() { close(hold) })
	o := b.options(messages.GamesDrop, "w1")
	o.DrainFor = 100 * time.Millisecond
	b.submit(offer("o1"))
	stop, ended := b.runs(s, o, &permits{})
	signal(t, entered)
	begun := time.Now()
	stop()
	wantEnd(t, ended)
	if took := time.Since(begun); took > patience/2 {
		t.Errorf("it took %s to end", took)
	}
	b.work(s, b.options(messages.GamesDrop, "w2"))
	e := b.ends("o1")
	if e.State != messages.Unresolved || !e.NeedsOperator || s.purchases("o1") != 1 {
		t.Errorf("%s, bought %d", b.path("o1"), s.purchases("o1"))
	}
	if sent := s.sent(); len(sent) != 2 || sent[0] != sent[1] {
		t.Errorf("references %v", sent)
	}
}

// While the process lives, an answer that comes after DrainFor is recorded.
func TestDrain_AnAnswerAfterTheEndIsStillRecorded(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{buy: true, hold: hold, entered: entered})
	o := patiently(b.options(messages.GamesDrop, "w1"))
	o.DrainFor = 50 * time.Millisecond
	b.submit(offer("o1"))
	stop, ended := b.runs(s, o, &permits{})
	signal(t, entered)
	stop()
	wantEnd(t, ended)
	close(hold)
	if e := b.ends("o1"); e.State != messages.Succeeded {
		t.Errorf("%s", b.path("o1"))
	}
}

func TestRun_StoppedBeforeItBeganEndsWithoutAnError(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	for i := range 20 {
		b.work(s, b.options(messages.GamesDrop, fmt.Sprintf("w%d", i)))() // fails the test on an error
	}
}

// The server goes away with answers on their way: their owners keep them until
// they can be stored, and each order ends once.
func TestRestart_OfTheServerLosesNoOutcome(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.SyncAlways())
	b := benchOn(t, srv, func(s *topology.Settings) {
		for p, ps := range s.Providers {
			ps.Lease, ps.AckWait = patience, 2*patience
			s.Providers[p] = ps
		}
	})
	s := newShop()
	s.keyless = true
	const n, waiting = 8, 20
	var holds []chan struct{}
	var entered []chan struct{}
	for range n {
		h, e := make(chan struct{}), make(chan struct{})
		holds, entered = append(holds, h), append(entered, e)
		s.next(step{buy: true, hold: h, entered: e})
	}
	for i := range n + waiting {
		b.submit(topup(fmt.Sprintf("o%d", i)))
	}
	o := patiently(b.options(messages.BalanceSteam, "w1"))
	o.MaxInFlight = n
	b.work(s, o)
	for _, e := range entered {
		signal(t, e)
	}
	srv.Stop()
	for _, h := range holds {
		close(h)
	}
	srv.Restart(t)
	for i := range n + waiting {
		id := fmt.Sprintf("o%d", i)
		e := b.ends(id)
		if e.State != messages.Succeeded || s.purchases(id) != 1 {
			t.Errorf("%s: %s, bought %d", id, b.path(id), s.purchases(id))
		}
	}
	if len(s.sent()) != n+waiting {
		t.Errorf("%d calls for %d orders", len(s.sent()), n+waiting)
	}
}

// After an owner's lease another worker repeats the request; the first answer
// then speaks of an attempt that is not the last one any more.
func TestOwnership_AnAnswerAfterTheRepeatIsLateEvidence(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{buy: true, hold: hold, entered: entered})
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	signal(t, entered)
	b.work(s, b.options(messages.GamesDrop, "w2"))
	b.poke("o1")
	b.ends("o1") // the repeat was refused as a duplicate
	close(hold)
	e := b.until("late evidence", func(e *messages.Event) bool { return e.Type == messages.LateEvidence })
	if e.State != messages.Unresolved || !e.NeedsOperator || e.NotBefore == nil || e.Evidence["late"] == nil {
		t.Errorf("%s %+v", b.path("o1"), e)
	}
	if s.purchases("o1") != 1 {
		t.Errorf("bought %d times", s.purchases("o1"))
	}
}

func TestOwnership_AStaleWorkersRefusalDecidesTheDoubtToo(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.keyless = true
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{err: errNo, hold: hold, entered: entered})
	b.work(s, b.options(messages.BalanceSteam, "w1"))
	b.submit(topup("o1"))
	signal(t, entered)
	b.work(s, b.options(messages.BalanceSteam, "w2"))
	b.poke("o1")
	b.becomes("o1", messages.Unresolved)
	close(hold)
	if e := b.becomes("o1", messages.Failed); e.Error.Code != errNo.Code || e.NeedsOperator {
		t.Errorf("%s %+v", b.path("o1"), e.Error)
	}
}

// poke sends a check of the order, as a timer would.
func (b *bench) poke(id string) {
	b.t.Helper()
	last, err := b.ledger.Last(b.t.Context(), tenant, id)
	if err != nil {
		b.t.Fatal(err)
	}
	b.send(messages.Check, last.Event, last.Seq)
}

// A ledger of the order as it was decided elsewhere wins over what a worker
// thought of doing.
func TestOwnership_AnOperatorsDecisionDuringALookIsKept(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	decided := make(chan struct{})
	s.onLookup = func(n int) (providers.Answer, error) {
		if n == 1 {
			b.follow("o1", order.Change{Input: order.OwnSucceeded, Nonce: "n-o1"})
			close(decided)
		}
		return providers.Answer{Status: providers.StatusProcessing}, nil
	}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.placed("o1")
	signal(t, decided)
	b.drained()
	if got := b.path("o1"); got != "accepted placing processing succeeded" {
		t.Errorf("path %s", got)
	}
}
