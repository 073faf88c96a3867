package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// till pays out and knows no keys: a lost payout is found as the one that is
// newer than its plan.
type till struct {
	t    *testing.T
	lose func(n int) bool // whether the answer to the n-th payout is lost

	mu      sync.Mutex
	inside  int
	crowded bool     // two payouts were asked for at once
	paid    []string // the orders, by id
	onPlan  func(id string)
}

func (s *till) Prepare(_ context.Context, o providers.Order) (providers.Plan, error) {
	if s.onPlan != nil {
		s.onPlan(o.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return providers.Plan{Data: map[string]string{"newest": strconv.Itoa(len(s.paid))}}, nil
}

func (s *till) Place(ctx context.Context, o providers.Order, _ providers.Plan) (providers.Answer, error) {
	if err := providers.SendGuard(ctx)(); err != nil {
		return providers.Answer{}, &providers.Error{Op: "till", Class: providers.Retryable, Code: providers.CodeNotSent, Err: err}
	}
	s.mu.Lock()
	s.inside++
	s.crowded = s.crowded || s.inside > 1
	s.paid = append(s.paid, o.ID)
	id := len(s.paid)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.inside--; s.mu.Unlock() }()
	if s.lose != nil && s.lose(id) {
		return providers.Answer{}, errTimeout
	}
	return done(id), nil
}

func (s *till) Lookup(_ context.Context, o providers.Order) (providers.Answer, error) {
	newest, err := strconv.Atoi(o.Plan.Data["newest"])
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || len(s.paid)-newest != 1 {
		return providers.Answer{Status: providers.StatusUnknown, Evidence: map[string]any{"new_payouts": len(s.paid) - newest}}, nil
	}
	return done(len(s.paid)), nil
}

func (s *till) payouts() []string { s.mu.Lock(); defer s.mu.Unlock(); return slices.Clone(s.paid) }

func done(id int) providers.Answer {
	return providers.Answer{
		Status: providers.StatusSucceeded, Ref: map[string]string{"payout_id": strconv.Itoa(id)},
		Deliverable: json.RawMessage(`{"status":"1"}`), Finality: messages.Final,
	}
}

// payoutTo is a payout to an account of its own.
func payoutTo(id, account string) messages.Order {
	return messages.Order{ID: id, Provider: messages.Exchanger, Kind: messages.PartnerPayout,
		Raw: json.RawMessage(fmt.Sprintf(`{"v":1,"id":%q,"provider":"exchanger","kind":"partner_payout","params":{"method_id":"5","account":%q}}`, id, account))}
}

var turnKey = worker.PayoutKey(messages.PartnerPayoutParams{MethodID: "5", Account: "4111"})

func (b *bench) bucket() jetstream.KeyValue {
	b.t.Helper()
	kv, err := b.js.KeyValue(b.t.Context(), messages.Bucket)
	if err != nil {
		b.t.Fatal(err)
	}
	return kv
}

func (b *bench) setTurn(value string) {
	b.t.Helper()
	if _, err := b.bucket().PutString(b.t.Context(), turnKey, value); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) turn() string {
	b.t.Helper()
	entry, err := b.bucket().Get(b.t.Context(), turnKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return ""
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return string(entry.Value())
}

// untilNoTurn waits until nobody has the turn, and nothing of it is left.
func (b *bench) untilNoTurn() {
	b.t.Helper()
	w, err := b.bucket().Watch(b.t.Context(), turnKey)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = w.Stop() }()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for b.turn() != "" {
		select {
		case <-w.Updates():
		case <-deadline.C:
			b.t.Fatalf("the turn still names %q", b.turn())
		}
	}
}

// workAt runs a replica at the till.
func (b *bench) workAt(s providers.Provider, name string) (stop func()) {
	b.t.Helper()
	return b.workWith(s, b.options(messages.Exchanger, name), providertest.Unlimited{})
}

// doubtful makes an order whose worker died after it had written the intent.
func (b *bench) doubtful(id string) {
	b.t.Helper()
	b.accept(payout(id))
	b.follow(id, order.Change{Input: order.Claim, Intent: &order.Intent{
		Nonce: "dead-" + id, Owner: "dead", ReferenceN: 1, LeaseUntil: time.Now().Add(time.Minute), Plan: json.RawMessage(`{"data":{"newest":"0"}}`),
	}})
}

// ruledOut ends a doubt as an operator would.
func (b *bench) ruledOut(id string) {
	b.t.Helper()
	b.follow(id, order.Change{Input: order.LeaseOver, At: time.Now().Add(2 * time.Minute), NeedsOperator: true,
		Error: &messages.Error{Class: "ambiguous", Code: "no_answer"}})
	b.follow(id, order.Change{Input: order.DecideFailed, At: time.Now().Add(time.Hour),
		Error: &messages.Error{Class: "rejected", Code: "operator"}})
}

// Two replicas, many payouts to one account, and every other answer lost: each
// order must be told of its own payout, though none bears a key.
func TestPayout_RacingReplicasNeverTakeOnePayoutForAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := &till{t: t, lose: func(n int) bool { return n%2 == 0 }}
	b.workAt(s, "w1")
	b.workAt(s, "w2")
	const orders = 8
	for i := range orders {
		b.submit(payout(fmt.Sprintf("o%d", i)))
	}
	for i := range orders {
		id := fmt.Sprintf("o%d", i)
		e := b.ends(id)
		n, _ := strconv.Atoi(e.ProviderRef["payout_id"])
		paid := s.payouts()
		if e.State != messages.Succeeded || n < 1 || paid[n-1] != id {
			t.Errorf("%s: %s, payout %q; paid %v", b.path(id), e.State, e.ProviderRef["payout_id"], paid)
		}
	}
	if paid := s.payouts(); len(paid) != orders || s.crowded {
		t.Errorf("%d payouts for %d orders, two at once: %v", len(paid), orders, s.crowded)
	}
}

func TestPayout_WaitsForOneInDoubtWhoseWorkerDied(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.doubtful("dead")
	b.setTurn("acme/dead")
	s := &till{t: t, onPlan: func(id string) {
		if e := b.lastOf("dead"); id == "o1" && e.State != messages.Failed {
			t.Errorf("planned while the other was %s", e.State)
		}
	}}
	b.workAt(s, "w1")
	b.submit(payout("o1"))
	b.submit(payoutTo("elsewhere", "4222")) // another account does not wait
	if e := b.ends("elsewhere"); e.State != messages.Succeeded {
		t.Errorf("the other account: %s", b.path("elsewhere"))
	}
	b.drained() // the waiting one is a timer, and no command that comes again and again
	if got := b.path("o1"); got != "accepted" {
		t.Errorf("waiting cost the order %s", got)
	}
	b.ruledOut("dead")
	if e := b.ends("o1"); e.State != messages.Succeeded || e.Attempt != 1 {
		t.Errorf("%s, attempt %d", b.path("o1"), e.Attempt)
	}
	b.untilNoTurn()
}

func TestPayout_PassesOverAHolderThatIsNotInDoubt(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(*bench){
		"finished": func(b *bench) { b.doubtful("h"); b.ruledOut("h") },
		"died before its intent": func(b *bench) {
			b.accept(payout("h"))
		},
		"waits for our account": func(b *bench) {
			b.accept(payout("h"))
			b.follow("h", order.Change{Input: order.Postpone, RetryAt: time.Now().Add(time.Hour), Error: &messages.Error{Class: "blocked", Code: "3"}})
		},
		"not in the ledger": func(*bench) {},
		"itself":            func(b *bench) { b.setTurn("acme/o1") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.setTurn("acme/h")
			hold(b)
			s := &till{t: t}
			b.workAt(s, "w1")
			b.submit(payout("o1"))
			if e := b.ends("o1"); e.State != messages.Succeeded || len(s.payouts()) != 1 {
				t.Errorf("%s", b.path("o1"))
			}
			b.untilNoTurn()
		})
	}
}

// Who took a turn over and died at once still names whom it took it from.
func TestPayout_LooksAtAllThatATurnNames(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.doubtful("first")
	b.accept(payout("second"))
	b.setTurn("acme/second acme/first")
	s := &till{t: t, onPlan: func(id string) {
		if e := b.lastOf("first"); id == "o1" && e.State != messages.Failed {
			t.Errorf("planned while the first was %s", e.State)
		}
	}}
	b.workAt(s, "w1")
	b.submit(payoutTo("other", "4222"))
	b.submit(payout("o1"))
	b.drained()
	b.ruledOut("first")
	if e := b.ends("o1"); e.State != messages.Succeeded {
		t.Errorf("%s", b.path("o1"))
	}
}

func TestPayout_WaitsWhileItsTurnCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.setTurn("by hand")
	s := &till{t: t}
	b.workAt(s, "w1")
	b.submit(payout("o1"))
	b.drained()
	if got := b.path("o1"); got != "accepted" || len(s.payouts()) != 0 {
		t.Errorf("%s, %d payouts", got, len(s.payouts()))
	}
	if err := b.bucket().Delete(t.Context(), turnKey); err != nil {
		t.Fatal(err)
	}
	if e := b.ends("o1"); e.State != messages.Succeeded {
		t.Errorf("%s", b.path("o1"))
	}
}

// robbing takes the turn away right after the first intent was written.
type robbing struct {
	*ledger.Ledger
	once sync.Once
	rob  func()
}

func (l *robbing) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	seq, err := l.Ledger.Append(ctx, e, expected)
	if err == nil && e.Type == messages.Placing {
		l.once.Do(l.rob)
	}
	return seq, err
}

func TestPayout_AnIntentWhoseTurnWasTakenSendsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := &till{t: t}
	books := &robbing{Ledger: b.ledger, rob: func() {
		if paid := s.payouts(); len(paid) != 0 {
			t.Errorf("paid %v before the turn was proved", paid)
		}
		b.setTurn("acme/nobody")
	}}
	b.workOn(books, s, b.options(messages.Exchanger, "w1"), providertest.Unlimited{})
	b.submit(payout("o1"))
	e := b.ends("o1")
	if got := b.path("o1"); e.State != messages.Succeeded || got != "accepted placing retrying placing succeeded" || len(s.payouts()) != 1 {
		t.Errorf("%s, %d payouts", got, len(s.payouts()))
	}
	withdrawn := b.becomes("o1", messages.Retrying)
	if withdrawn.Error == nil || withdrawn.Error.Code != providers.CodeNotSent {
		t.Errorf("withdrawn with %+v", withdrawn.Error)
	}
}

// waking lets an order write its intent right after somebody has looked at it.
type waking struct {
	*ledger.Ledger
	once sync.Once
	wake func()
}

func (l *waking) Last(ctx context.Context, tenant, id string) (*ledger.Entry, error) {
	last, err := l.Ledger.Last(ctx, tenant, id)
	if id == "h" {
		l.once.Do(l.wake)
	}
	return last, err
}

func TestPayout_LooksAgainAtWhomItTookTheTurnFrom(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.accept(payout("h"))
	b.follow("h", order.Change{Input: order.Postpone, RetryAt: time.Now().Add(time.Hour), Error: &messages.Error{Class: "retryable", Code: "2"}})
	woken := make(chan struct{})
	books := &waking{Ledger: b.ledger, wake: func() {
		defer close(woken)
		b.follow("h", order.Change{Input: order.Claim, Intent: &order.Intent{
			Nonce: "n", Owner: "other", ReferenceN: 1, LeaseUntil: time.Now().Add(time.Minute), Plan: json.RawMessage(`{}`),
		}})
	}}
	s := &till{t: t, onPlan: func(id string) {
		if e := b.lastOf("h"); id == "o1" && e.State != messages.Failed {
			t.Errorf("planned while the other was %s", e.State)
		}
	}}
	b.workOn(books, s, b.options(messages.Exchanger, "w1"), providertest.Unlimited{})
	b.submit(payoutTo("first", "4222")) // the worker has tidied what was left behind
	b.ends("first")
	b.setTurn("acme/h")
	b.submit(payout("o1"))
	<-woken
	b.drained()
	if got := b.turn(); got != "acme/o1 acme/h" {
		t.Errorf("the turn names %q", got)
	}
	b.ruledOut("h")
	if e := b.ends("o1"); e.State != messages.Succeeded {
		t.Errorf("%s", b.path("o1"))
	}
	b.untilNoTurn()
}

func TestPayout_OneTargetHasOneKeyHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	key := func(method, account string) string {
		return worker.PayoutKey(messages.PartnerPayoutParams{MethodID: method, Account: account})
	}
	if key("5", "4111 2222") != key("5", " 41112222\t") || key("5", "TQabc") != key("5", "tqABC") {
		t.Error("one account has two keys")
	}
	if key("5", "4111") == key("5", "4112") || key("5", "4111") == key("6", "4111") || key("51", "11") == key("5", "111") {
		t.Error("two targets have one key")
	}
}
