package worker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// blind is a ledger whose first intent meets with trouble, and which cannot be
// asked about an order's last event until it sees again.
type blind struct {
	*books
	asked chan struct{} // each question that was not answered
	sees  atomic.Bool
}

// struckBlind stores the first intent if stores is set, and tells nobody; from
// then on it sees nothing.
func struckBlind(b *bench, stores bool) *blind {
	l := &blind{asked: make(chan struct{}, 10_000)}
	l.sees.Store(true)
	l.books = &books{Ledger: b.ledger, trouble: func(_ context.Context, store func() (uint64, error)) (uint64, error) {
		var err error
		if l.sees.Store(false); stores {
			_, err = store()
		}
		return 0, errors.Join(ledger.ErrUnknown, err)
	}}
	return l
}

func (l *blind) Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error) {
	if !l.sees.Load() {
		l.asked <- struct{}{}
		return nil, errors.New("nobody answers")
	}
	return l.books.Last(ctx, tenant, orderID)
}

// The ledger neither tells the owner that its intent is stored nor answers it
// for a while: nothing was sent, so nobody is asked about it afterwards.
func TestWithdraw_AnIntentOfUnknownFateIsTakenBackOnceTheLedgerAnswersAgain(t *testing.T) {
	t.Parallel()
	for name, stored := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			s.keyless = true
			l := struckBlind(b, stored)
			b.workOn(l, s, b.options(messages.BalanceSteam, "w1"), &permits{})
			b.submit(topup("o1"))
			for range 4 { // more than one look, so more than one try
				signal(t, l.asked)
			}
			l.sees.Store(true)
			e := b.ends("o1")
			want := "accepted retrying placing succeeded"
			if stored {
				want = "accepted placing retrying placing succeeded"
			}
			if got := b.path("o1"); e.State != messages.Succeeded || got != want || len(s.sent()) != 1 {
				t.Errorf("%s, %d calls", got, len(s.sent()))
			}
			b.drained()
		})
	}
}

// A server that is just closing its store knows no order at all. Its word must
// not make the owner let go.
func TestWithdraw_AnOrderThatIsNotFoundOnceIsLookedForAgain(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	s.keyless = true
	l := &closing{books: b.lostIntent()}
	b.workOn(l, s, patiently(b.options(messages.BalanceSteam, "w1")), &permits{})
	b.submit(topup("o1"))
	if e := b.ends("o1"); e.State != messages.Succeeded || b.path("o1") != "accepted placing retrying placing succeeded" || len(s.sent()) != 1 {
		t.Errorf("%s, %d calls", b.path("o1"), len(s.sent()))
	}
}

// closing is a ledger that finds nothing when it is asked for the first times.
type closing struct {
	*books
	n atomic.Int64
}

func (l *closing) Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error) {
	if l.n.Add(1) <= 3 {
		return nil, ledger.ErrNotFound
	}
	return l.books.Last(ctx, tenant, orderID)
}

// A copy of the intent that arrives after its owner has given it up must find
// its place taken, or the order would be in doubt for a request never made.
func TestWithdraw_ACopyOfTheIntentThatComesLateFindsItsPlaceTaken(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.keyless = true
	l := &postponed{Ledger: b.ledger, late: make(chan func() (uint64, error), 1)}
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{buy: true, hold: hold, entered: entered})
	b.workOn(l, s, b.options(messages.BalanceSteam, "w1"), &permits{})
	b.submit(topup("o1"))
	if e := b.becomes("o1", messages.Retrying); e.Error == nil || e.Error.Code != providers.CodeNotSent || e.Attempt != 0 {
		t.Errorf("attempt %d, %+v", e.Attempt, e.Error)
	}
	signal(t, entered)
	if _, err := (<-l.late)(); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("the copy: %v", err)
	}
	close(hold)
	if e := b.ends("o1"); e.State != messages.Succeeded || len(s.sent()) != 1 {
		t.Errorf("%s, %d calls", b.path("o1"), len(s.sent()))
	}
}

// postponed is a ledger to which the first intent is still on its way.
type postponed struct {
	*ledger.Ledger
	intents atomic.Int64
	late    chan func() (uint64, error) // lets it arrive
}

func (l *postponed) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	if e.Type == messages.Placing && l.intents.Add(1) == 1 {
		l.late <- func() (uint64, error) { return l.Ledger.Append(context.WithoutCancel(ctx), e, expected) }
		return 0, ledger.ErrUnknown
	}
	return l.Ledger.Append(ctx, e, expected)
}

// Another delivery of the command comes to the same process after the lease. It
// must not call a doubt what the process knows to be none.
func TestWithdraw_AnotherDeliveryToTheSameProcessMakesNoDoubtOfIt(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.keyless = true
	l := &held{books: b.lostIntent(), hold: make(chan struct{}), entered: make(chan struct{})}
	b.workOn(l, s, b.options(messages.BalanceSteam, "w1"), &permits{})
	b.submit(topup("o1"))
	signal(t, l.entered) // its owner is looking
	e := b.becomes("o1", messages.Placing)
	<-time.After(time.Until(*e.LeaseUntil))
	settled, err := b.nc.SubscribeSync("$JS.ACK.COMMANDS." + messages.BalanceSteam.FollowConsumer() + ".>")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	last, err := b.ledger.Last(t.Context(), tenant, "o1")
	if err != nil {
		t.Fatal(err)
	}
	b.send(messages.Check, last.Event, last.Seq)
	msg, err := settled.NextMsg(patience)
	if err != nil || !strings.HasPrefix(string(msg.Data), "-NAK") {
		t.Errorf("the other delivery was settled with %q, %v", msg.Data, err)
	}
	close(l.hold)
	if e := b.ends("o1"); e.State != messages.Succeeded || b.path("o1") != "accepted placing retrying placing succeeded" || len(s.sent()) != 1 {
		t.Errorf("%s, %d calls", b.path("o1"), len(s.sent()))
	}
}

// lostIntent is a ledger that stores the first intent and tells nobody.
func (b *bench) lostIntent() *books {
	return &books{Ledger: b.ledger, trouble: func(_ context.Context, store func() (uint64, error)) (uint64, error) {
		_, err := store()
		return 0, errors.Join(ledger.ErrUnknown, err)
	}}
}

// held keeps the first question for an order's last event waiting.
type held struct {
	*books
	n             atomic.Int64
	hold, entered chan struct{}
}

func (l *held) Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error) {
	if l.n.Add(1) == 1 {
		close(l.entered)
		<-l.hold
	}
	return l.books.Last(ctx, tenant, orderID)
}

// Somebody else has given the intent up already: its owner's word still counts,
// and the operator need not be asked any more.
func TestWithdraw_TheOwnersWordEndsTheDoubtThatAnotherReplicaMadeOfIt(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.keyless = true
	l := &held{books: b.lostIntent(), hold: make(chan struct{}), entered: make(chan struct{})}
	b.workOn(l, s, b.options(messages.BalanceSteam, "w1"), &permits{})
	b.submit(topup("o1"))
	signal(t, l.entered)
	placed := b.becomes("o1", messages.Placing)
	last, err := b.ledger.Last(t.Context(), tenant, "o1")
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(*placed.LeaseUntil))
	b.send(messages.Check, placed, last.Seq)
	b.work(s, b.options(messages.BalanceSteam, "w2"))
	if e := b.ends("o1"); e.State != messages.Unresolved || !e.NeedsOperator {
		t.Fatalf("%s", b.path("o1"))
	}
	close(l.hold)
	b.becomes("o1", messages.Succeeded)
	if len(s.sent()) != 1 || !strings.HasSuffix(b.path("o1"), "retrying placing succeeded") {
		t.Errorf("%s, %d calls", b.path("o1"), len(s.sent()))
	}
}

// What nobody knows but a process that ends is lost with it, and the order is in
// doubt as ever.
func TestWithdraw_AProcessThatEndsLeavesADoubt(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.keyless = true
	l := struckBlind(b, true)
	o := b.options(messages.BalanceSteam, "w1")
	o.DrainFor = lease / 2
	stop := b.workOn(l, s, o, &permits{})
	b.submit(topup("o1"))
	signal(t, l.asked)
	stop()
	b.work(s, b.options(messages.BalanceSteam, "w2"))
	e := b.ends("o1")
	if e.State != messages.Unresolved || !e.NeedsOperator || e.Error.Code != "no_answer" || len(s.sent()) != 0 {
		t.Errorf("%s %+v, %d calls", b.path("o1"), e.Error, len(s.sent()))
	}
}

// The intent of a repeat is taken back like any other, and the doubt about the
// first request stays what it was.
func TestWithdraw_ARepeatOfUnknownFateLeavesTheFirstDoubt(t *testing.T) {
	t.Parallel()
	for name, stored := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			b.inDoubt("o1")
			l := struckBlind(b, stored)
			o := b.options(messages.GamesDrop, "w1")
			o.AbsenceWait = patience
			b.workOn(l, s, o, &permits{})
			signal(t, l.asked)
			l.sees.Store(true)
			e := b.ends("o1")
			want := "accepted placing unresolved unresolved placing succeeded"
			if stored {
				want = "accepted placing unresolved placing unresolved placing succeeded"
			}
			if got := b.path("o1"); e.State != messages.Succeeded || got != want || len(s.sent()) != 1 {
				t.Errorf("%s, %d calls", got, len(s.sent()))
			}
		})
	}
}

// miserly is a limiter that grants one permit, and the next when it is opened.
type miserly struct {
	n    atomic.Int64
	open chan struct{}
}

func (l *miserly) Take(ctx context.Context, _ ratelimit.Use) (ratelimit.Permit, error) {
	if l.n.Add(1) > 1 {
		select {
		case <-l.open:
		case <-ctx.Done():
			return ratelimit.Permit{}, ctx.Err()
		}
	}
	return ratelimit.Permit{Granted: time.Now(), MaxAge: time.Minute}, nil
}

// Found by the crash rig on starved nodes (seeds 30201 and 30203): an intent of
// unknown fate was given up by another replica, whose repeat was held back too.
// Nothing had ever been sent, and the order was the operator's.
func TestWithdraw_AnOrderWhoseRepeatWasHeldBackTooIsPlacedAgain(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	l := &held{books: b.lostIntent(), hold: make(chan struct{}), entered: make(chan struct{})}
	scarce := &miserly{open: make(chan struct{})}
	o := b.options(messages.GamesDrop, "w1")
	o.AbsenceWait = patience // it is not this that asks the operator
	b.workOn(l, s, o, scarce)
	b.submit(offer("o1"))
	signal(t, l.entered) // the owner is looking for its intent
	placed := b.becomes("o1", messages.Placing)
	last, err := b.ledger.Last(t.Context(), tenant, "o1")
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(*placed.LeaseUntil))
	old := func() ratelimit.Permit {
		return ratelimit.Permit{Granted: time.Now().Add(-time.Second), MaxAge: ratelimit.Margin}
	}
	o.Instance = "w2"
	stop := b.workOn(b.ledger, s, o, &permits{first: slices.Repeat([]func() ratelimit.Permit{old}, 10_000)})
	for range 5 { // w1 puts off those that it gets
		b.send(messages.Check, placed, last.Seq)
	}
	b.until("the repeat held back", func(e *messages.Event) bool {
		return e.State == messages.Unresolved && e.Attempt == 2 && e.Work.Answered
	})
	stop()
	close(l.hold)
	b.becomes("o1", messages.Retrying) // before w1 repeats it as well, which would not be wrong either
	close(scarce.open)
	e := b.ends("o1")
	// As a first request, and not as one more repeat: with nothing in doubt any more.
	if path := b.path("o1"); e.State != messages.Succeeded || !strings.HasSuffix(path, " retrying placing succeeded") || len(s.sent()) != 1 {
		t.Errorf("%s, %d calls", path, len(s.sent()))
	}
}
