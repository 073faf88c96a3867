package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/operator"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/orders"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is the service on a real ledger, with a clock that stands still until a
// test moves it.
type rig struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	ledger *ledger.Ledger
	clock  atomic.Int64

	mu     sync.Mutex
	driven []*messages.Event
	failed error // of driving
}

func newRig(t *testing.T, l func(*ledger.Ledger) operator.Ledger) *rig {
	t.Helper()
	srv := natstest.Start(t)
	r := &rig{nc: srv.Conn(t), js: srv.JS(t)}
	r.clock.Store(time.Now().UnixNano())
	_, err := topology.Setup(t.Context(), r.js, topology.Default())
	must(t, err)
	r.ledger, err = ledger.Open(t.Context(), r.nc, r.js, ledger.Options{})
	must(t, err)
	t.Cleanup(r.ledger.Close)
	var decides operator.Ledger = r.ledger
	if l != nil {
		decides = l(r.ledger)
	}
	reader := orders.NewReader(r.nc, r.js, r.ledger, zerolog.Nop())
	s, err := operator.Serve(r.nc, r.js, decides, reader, operator.Options{
		Log: zerolog.Nop(), Times: order.Times{PollFirst: time.Second, PollMax: time.Hour},
		Now: func() time.Time { return time.Unix(0, r.clock.Load()) },
		Drive: func(_ context.Context, last *ledger.Entry) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.driven = append(r.driven, last.Event)
			return r.failed
		},
	})
	must(t, err)
	t.Cleanup(s.Stop)
	must(t, r.nc.Flush())
	return r
}

func (r *rig) now() time.Time { return time.Unix(0, r.clock.Load()) }

func (r *rig) pass(d time.Duration) { r.clock.Add(int64(d)) }

// apply appends what an input makes of the order.
func (r *rig) apply(t *testing.T, id string, c order.Change) *messages.Event {
	t.Helper()
	c.At = r.now()
	var last *messages.Event
	var seq uint64
	if c.Input == order.Accept {
		c.New = &order.Submission{Tenant: "acme", OrderID: id, Provider: messages.BalanceSteam, Kind: messages.Topup, Order: json.RawMessage(`{"v":1}`)}
	} else {
		entry, err := r.ledger.Last(t.Context(), "acme", id)
		must(t, err)
		last, seq = entry.Event, entry.Seq
	}
	e, verdict := order.Apply(last, c)
	if verdict != order.Write {
		t.Fatalf("%s: %s", c.Input, verdict)
	}
	_, err := r.ledger.Append(t.Context(), e, seq)
	must(t, err)
	return e
}

// stuck makes an order that an operator must decide about, after not before an hour.
func (r *rig) stuck(t *testing.T, id string) *messages.Event {
	t.Helper()
	r.apply(t, id, order.Change{Input: order.Accept})
	r.apply(t, id, order.Change{Input: order.Claim, Intent: &order.Intent{
		Nonce: "n-" + id, Owner: "w", Reference: "b1x", ReferenceN: 1, LeaseUntil: r.now().Add(time.Minute),
	}})
	return r.apply(t, id, order.Change{
		Input: order.OwnUnknown, Nonce: "n-" + id, NeedsOperator: true, NotBefore: r.now().Add(time.Hour),
		Error: &messages.Error{Class: "ambiguous", Code: "timeout"},
	})
}

type answer struct {
	code string
	messages.ProblemBody
	messages.Resolution
}

func (r *rig) resolve(t *testing.T, id string, n uint64, decision, more string) answer {
	t.Helper()
	return r.resolveBy(t, "ann", id, n, decision, more)
}

func (r *rig) resolveBy(t *testing.T, by, id string, n uint64, decision, more string) answer {
	t.Helper()
	body := fmt.Sprintf(`{"tenant":"acme","id":%q,"expected_n":%d,"decision":%q,"evidence":"seen","by":%q%s}`, id, n, decision, by, more)
	m, err := r.nc.Request("svc.operator.resolve", []byte(body), 30*time.Second)
	must(t, err)
	a := answer{code: m.Header.Get("Nats-Service-Error-Code")}
	if a.code != "" {
		must(t, json.Unmarshal(m.Data, &a.ProblemBody))
	} else {
		must(t, json.Unmarshal(m.Data, &a.Resolution))
	}
	return a
}

func (r *rig) last(t *testing.T, id string) *messages.Event {
	t.Helper()
	entry, err := r.ledger.Last(t.Context(), "acme", id)
	must(t, err)
	return entry.Event
}

func (r *rig) drives() []*messages.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*messages.Event(nil), r.driven...)
}

func TestResolve_NothingIsRuledOutBeforeTheHoldDownIsOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	e := r.stuck(t, "o1")
	for _, decision := range []string{"failed", "place_again"} {
		for _, dry := range []string{"", `,"dry_run":true`} {
			a := r.resolve(t, "o1", e.N, decision, dry)
			if a.code != "409" || a.Error.Code != messages.ProblemHoldDown || a.Error.NotBefore == nil || !a.Error.NotBefore.Equal(*e.NotBefore) {
				t.Errorf("%s%s: %+v", decision, dry, a)
			}
		}
	}
	r.pass(time.Hour - time.Millisecond)
	if a := r.resolve(t, "o1", e.N, "failed", ""); a.code != "409" {
		t.Errorf("a millisecond too early: %+v", a)
	}
	r.pass(time.Millisecond)
	a := r.resolve(t, "o1", e.N, "failed", "")
	if a.code != "" || a.Event.State != messages.Failed || a.Event.Error == nil || a.Next != nil {
		t.Errorf("in time: %+v", a)
	}
	if last := r.last(t, "o1"); last.N != e.N+1 || last.State != messages.Failed {
		t.Errorf("the ledger says %s, n %d", last.State, last.N)
	}
}

func TestResolve_ASuccessAfterTheDecisionFailedIsLateEvidenceForAnOperator(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	e := r.stuck(t, "o1")
	r.pass(2 * time.Hour)
	if a := r.resolve(t, "o1", e.N, "failed", ""); a.code != "" {
		t.Fatalf("%+v", a)
	}
	r.apply(t, "o1", order.Change{Input: order.OwnSucceeded, Nonce: "n-o1", Ref: map[string]string{"id": "10000"}, Deliverable: json.RawMessage(`{}`)})
	last := r.last(t, "o1")
	if last.Type != messages.LateEvidence || last.State != messages.Failed || !last.NeedsOperator {
		t.Errorf("%s in state %s, needs operator %t", last.Type, last.State, last.NeedsOperator)
	}
	if a := r.resolve(t, "o1", last.N, "succeeded", ""); a.code != "409" || a.Error.Code != messages.ProblemWrongState {
		t.Errorf("an order that has ended was decided about: %+v", a)
	}
}

func TestResolve_AnOrderThatIsStillLookedUpCanOnlySucceed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.apply(t, "o1", order.Change{Input: order.Accept})
	if a := r.resolve(t, "o1", 1, "succeeded", ""); a.code != "409" || a.Error.Code != messages.ProblemWrongState {
		t.Errorf("accepted: %+v", a)
	}
	r.apply(t, "o1", order.Change{Input: order.Claim, Intent: &order.Intent{Nonce: "n", Reference: "b1x", ReferenceN: 1, LeaseUntil: r.now().Add(time.Minute)}})
	e := r.apply(t, "o1", order.Change{Input: order.OwnUnknown, Nonce: "n", Error: &messages.Error{Class: "ambiguous"}})
	r.pass(24 * time.Hour)
	if a := r.resolve(t, "o1", e.N, "failed", ""); a.code != "409" || a.Error.Code != messages.ProblemHoldDown {
		t.Errorf("ruled out while it is looked up: %+v", a)
	}
	if a := r.resolve(t, "o1", e.N, "succeeded", ""); a.code != "" || a.Event.Finality != messages.ProviderAccepted || string(a.Event.Deliverable) != "{}" {
		t.Errorf("%+v", a)
	}
}

func TestResolve_OfManyDecisionsAtOnceOneIsWrittenAndTheOthersAreTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	e := r.stuck(t, "o1")
	r.pass(2 * time.Hour)
	var won, told atomic.Int64
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			// Each by another: what is equal to the letter is the same decision.
			a := r.resolveBy(t, fmt.Sprintf("operator %d", i), "o1", e.N, []string{"succeeded", "failed", "place_again"}[i%3], "")
			switch {
			case a.code == "":
				won.Add(1)
			case a.code == "409" && a.Error.Code == messages.ProblemMoved && a.Error.N == e.N+1:
				told.Add(1)
			default:
				t.Errorf("%+v", a)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || told.Load() != 23 || r.last(t, "o1").N != e.N+1 {
		t.Errorf("%d written, %d told, the last event is %d", won.Load(), told.Load(), r.last(t, "o1").N)
	}
}

func TestResolve_PlaceAgainIsDrivenAndSurvivesAQueueThatIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for id, failed := range map[string]error{"o1": nil, "o2": errors.New("the queue is away")} {
		e := r.stuck(t, id)
		r.pass(2 * time.Hour)
		r.mu.Lock()
		r.failed, r.driven = failed, nil
		r.mu.Unlock()
		a := r.resolve(t, id, e.N, "place_again", `,"new_reference":true`)
		if a.code != "" || a.Event.State != messages.Retrying || a.Next == nil || a.Next.Verb != messages.Place || order.NextReference(&a.Event) != 2 {
			t.Errorf("%s: %+v", id, a)
		}
		if driven := r.drives(); len(driven) != 1 || driven[0].OrderID != id || driven[0].State != messages.Retrying {
			t.Errorf("%s: driven %v", id, driven)
		}
	}
	e := r.stuck(t, "o3")
	r.pass(2 * time.Hour)
	if a := r.resolve(t, "o3", e.N, "place_again", ""); a.code != "" || order.NextReference(&a.Event) != 1 {
		t.Errorf("under the same reference: %+v", a)
	}
}

func TestResolve_ADryRunShowsWhatWouldBeWrittenAndWritesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	e := r.stuck(t, "o1")
	r.pass(2 * time.Hour)
	for _, decision := range []string{"succeeded", "failed", "place_again"} {
		a := r.resolve(t, "o1", e.N, decision, `,"dry_run":true`)
		if a.code != "" || !a.DryRun || a.Event.N != e.N+1 {
			t.Errorf("%s: %+v", decision, a)
		}
	}
	dry := r.resolve(t, "o1", e.N, "failed", `,"dry_run":true`)
	if last := r.last(t, "o1"); last.N != e.N || len(r.drives()) != 0 {
		t.Fatalf("a dry run wrote %d or drove %d", last.N, len(r.drives()))
	}
	wet := r.resolve(t, "o1", e.N, "failed", "")
	a, err := json.Marshal(dry.Event)
	must(t, err)
	b, err := json.Marshal(wet.Event)
	must(t, err)
	if string(a) != string(b) {
		t.Errorf("would be\n%s\nwas\n%s", a, b)
	}
}

// lostAnswers stores what it is given and never says so.
type lostAnswers struct{ *ledger.Ledger }

func (l lostAnswers) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	if _, err := l.Ledger.Append(ctx, e, expected); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("ledger: %w", ledger.ErrUnknown)
}

// full has no room.
type full struct{ *ledger.Ledger }

func (full) Append(context.Context, *messages.Event, uint64) (uint64, error) {
	return 0, fmt.Errorf("ledger: %w", ledger.ErrNoRoom)
}

func TestResolve_ADecisionOfUnknownFateIsNeverSaidToBeRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(l *ledger.Ledger) operator.Ledger { return lostAnswers{l} })
	e := r.stuck(t, "o1")
	r.pass(2 * time.Hour)
	a := r.resolve(t, "o1", e.N, "failed", "")
	if a.code != "503" || a.Error.Code != messages.ProblemUnavailable {
		t.Errorf("%+v", a)
	}
	if a := r.resolve(t, "o1", e.N, "place_again", ""); a.code != "409" || a.Error.Code != messages.ProblemMoved {
		t.Errorf("decided again: %+v", a)
	}
	r = newRig(t, func(l *ledger.Ledger) operator.Ledger { return full{l} })
	e = r.stuck(t, "o1")
	if a := r.resolve(t, "o1", e.N, "succeeded", ""); a.code != "503" || r.last(t, "o1").N != e.N {
		t.Errorf("%+v", a)
	}
}
