package worker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// loseBucket takes the bucket away, and sets it up again as `beltline setup` does.
func (b *bench) loseBucket() {
	b.t.Helper()
	if err := b.js.DeleteKeyValue(b.t.Context(), messages.Bucket); err != nil {
		b.t.Fatal(err)
	}
	s := topology.Default()
	for p, ps := range s.Providers {
		ps.Timeout, ps.Lease, ps.AckWait = timeout, lease, ackWait
		s.Providers[p] = ps
	}
	if _, err := topology.Setup(b.t.Context(), b.js, s); err != nil {
		b.t.Fatal(err)
	}
}

// A payout in doubt and nothing in the bucket: the ledger alone knows of it.
func TestPayout_WaitsForOneInDoubtThoughTheBucketWasLost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	before := &till{t: t}
	stop := b.workAt(before, "w0")
	b.submit(payout("early")) // the bucket bears its mark from now on
	b.ends("early")
	stop()
	for i := range 5 { // intents that are nobody's doubt
		b.doubtful(fmt.Sprint("past", i))
		b.ruledOut(fmt.Sprint("past", i))
	}
	b.doubtful("dead")
	b.loseBucket()
	s := &till{t: t, onPlan: func(id string) {
		if e := b.lastOf("dead"); id == "o1" && e.State != messages.Failed {
			t.Errorf("planned while the other was %s", e.State)
		}
	}}
	b.workAt(s, "w1")
	b.workAt(s, "w2")
	b.submit(payout("o1"))
	b.submit(payoutTo("elsewhere", "4222"))
	if e := b.ends("elsewhere"); e.State != messages.Succeeded {
		t.Errorf("the other account: %s", b.path("elsewhere"))
	}
	b.drained()
	if got := b.path("o1"); got != "accepted" || b.turn() != "acme/dead" {
		t.Errorf("%s, turn of %q", got, b.turn())
	}
	b.ruledOut("dead")
	if e := b.ends("o1"); e.State != messages.Succeeded {
		t.Errorf("%s", b.path("o1"))
	}
	b.untilNoTurn()
}

// marked does something once, right after an intent was written.
type marked struct {
	*ledger.Ledger
	once sync.Once
	then func()
}

func (l *marked) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	seq, err := l.Ledger.Append(ctx, e, expected)
	if err == nil && e.Type == messages.Placing {
		l.once.Do(l.then)
	}
	return seq, err
}

// The bucket is lost between the intent and the request. Whether somebody else
// has made its keys anew by then or nobody has: nothing is sent.
func TestPayout_AnIntentThatOutlivedTheBucketSendsNothing(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(context.Context, jetstream.KeyValue) error{
		"no mark": func(ctx context.Context, kv jetstream.KeyValue) error { return kv.Delete(ctx, worker.TurnsMark) },
		"another mark": func(ctx context.Context, kv jetstream.KeyValue) error {
			_, err := kv.PutString(ctx, worker.TurnsMark, "x")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			s := &till{t: t}
			books := &marked{Ledger: b.ledger, then: func() {
				if err := then(context.WithoutCancel(t.Context()), b.bucket()); err != nil || len(s.payouts()) != 0 {
					t.Errorf("%v, paid %v", err, s.payouts())
				}
			}}
			b.workOn(books, s, b.options(messages.Exchanger, "w1"), providertest.Unlimited{})
			b.submit(payout("o1"))
			e := b.ends("o1")
			if got := b.path("o1"); e.State != messages.Succeeded || got != "accepted placing retrying placing succeeded" || len(s.payouts()) != 1 {
				t.Errorf("%s, %d payouts", got, len(s.payouts()))
			}
			if withdrawn := b.becomes("o1", messages.Retrying); withdrawn.Error == nil || withdrawn.Error.Code != providers.CodeNotSent {
				t.Errorf("withdrawn with %+v", withdrawn.Error)
			}
		})
	}
}

// lying is a ledger that knows nothing, now and then, as a server does that is
// just closing its store.
type lying struct {
	*ledger.Ledger
	about      string       // the order that is not known
	last, next atomic.Int64 // how often that is said of its last event, and of intents
}

func (l *lying) Last(ctx context.Context, tenant, id string) (*ledger.Entry, error) {
	if id == l.about && l.last.Add(-1) >= 0 {
		return nil, ledger.ErrNotFound
	}
	return l.Ledger.Last(ctx, tenant, id)
}

func (l *lying) NextOf(ctx context.Context, seq uint64, p messages.Provider, typ messages.Type) (*ledger.Entry, error) {
	if l.next.Add(-1) >= 0 {
		return nil, ledger.ErrNotFound
	}
	return l.Ledger.NextOf(ctx, seq, p, typ)
}

// That an order, or any further intent, was not found decides that a payout may
// be made: a payout that was never made could be called succeeded then, by the
// one that was made in its turn.
func TestPayout_WaitsForOneInDoubtThatWasNotFoundAFewTimes(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]func(*bench, *lying){
		"by the order that its turn names": func(b *bench, l *lying) {
			b.setTurn("acme/dead")
			if _, err := b.bucket().PutString(t.Context(), worker.TurnsMark, "x"); err != nil {
				t.Fatal(err)
			}
			l.last.Store(4)
		},
		"among the intents, after the bucket was lost": func(_ *bench, l *lying) { l.next.Store(4) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.doubtful("dead")
			l := &lying{Ledger: b.ledger, about: "dead"}
			lie(b, l)
			s := &till{t: t, onPlan: func(id string) {
				if e := b.lastOf("dead"); id == "o1" && e.State != messages.Failed {
					t.Errorf("planned while the other was %s", e.State)
				}
			}}
			b.workOn(l, s, b.options(messages.Exchanger, "w1"), providertest.Unlimited{})
			b.submit(payout("o1"))
			b.drained()
			if got := b.path("o1"); got != "accepted" || l.last.Load() > 0 || l.next.Load() > 0 {
				t.Errorf("%s; lies left: %d and %d", got, l.last.Load(), l.next.Load())
			}
			b.ruledOut("dead")
			if e := b.ends("o1"); e.State != messages.Succeeded {
				t.Errorf("%s", b.path("o1"))
			}
		})
	}
}

// Every account that was ever paid would else leave a key behind.
func TestPayout_LeavesNoKeyBehind(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// Left behind: by an operator's decision, and by a worker that died before its intent.
	b.doubtful("decided")
	b.ruledOut("decided")
	b.setTurn("acme/decided")
	s := &till{t: t, lose: func(n int) bool { return n == 2 }}
	b.workAt(s, "w1")
	for i := range 4 {
		b.submit(payoutTo(fmt.Sprint("o", i), fmt.Sprint("account", i)))
		if e := b.ends(fmt.Sprint("o", i)); e.State != messages.Succeeded {
			t.Errorf("%s", b.path(e.OrderID))
		}
	}
	b.untilNoTurn()
	b.drained()
	list, err := b.bucket().ListKeysFiltered(t.Context(), "lease.payout.>")
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		t.Fatal(err)
	}
	for key := range list.Keys() {
		t.Errorf("%s is left", key)
	}
}
