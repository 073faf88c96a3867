package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

const (
	// Tenant is whose orders the demonstration places.
	Tenant = "demo"

	emptyBalance  = "100.00"
	fullBalance   = "50000.00"
	expiresWithin = 2 * time.Second
	lookEvery     = 50 * time.Millisecond
)

// script is one performance.
type script struct {
	stage  *Stage
	client upstream.Tenant
	js     jetstream.JetStream
	look   plain.Look
	say    func(string)

	mu      sync.Mutex
	orders  []order
	last    map[string]*messages.Event
	path    map[string][]messages.Type // the types of all events so far
	dead    []client.DeadLetter
	changed chan struct{} // closed and replaced at all news

	again    uint64 // the sequence of the order that was sent twice
	conflict uint64 // the sequence of the one that used its id for something else
	before   uint64 // how many events the first one had then
}

func newScript(s *Stage, look plain.Look, say func(string)) *script {
	return &script{stage: s, look: look, say: say, last: map[string]*messages.Event{}, path: map[string][]messages.Type{}, changed: make(chan struct{})}
}

// perform plays everything and returns when every order has its outcome.
func (s *script) perform(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	nats, err := upstream.Connect(app.NATS{URL: app.NewServers(s.stage.NATS())})
	if err != nil {
		return err
	}
	defer nats.Close()
	s.js = nats.JS
	if s.client, err = nats.As(Tenant); err != nil {
		return err
	}
	defer s.client.Close()
	if err := s.listen(ctx); err != nil {
		return err
	}
	s.stage.steam.plan(steamCreate, "eli_vance", providertest.TimeoutAfterCommit)
	s.stage.drop.plan(dropCreate, "ivan@example.com", providertest.TimeoutAfterCommit)
	s.stage.drop.plan(dropCreate, "kira@example.com", providertest.TimeoutBeforeCommit)
	s.stage.skins.plan(skinsCreate, steamOfLost, providertest.TimeoutAfterCommit)
	s.stage.exchanger.plan(bidCreate, walletOfLost, providertest.TimeoutAfterCommit)
	wait := s.customers(ctx, cancel)
	defer wait()
	defer cancel(nil) // whatever goes wrong, nobody acts on a stage that closes
	for _, act := range []func(context.Context) error{s.comeIn, s.repeatThemselves, s.runDry} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	wait()
	return s.end(ctx)
}

// listen follows events, dead letters and lanes.
func (s *script) listen(ctx context.Context) error {
	kv, err := s.js.KeyValue(ctx, messages.Bucket)
	if err != nil {
		return err
	}
	lanes, err := kv.Watch(ctx, "lane.*")
	if err != nil {
		return err
	}
	go func() {
		for e, err := range s.client.Watch(ctx, client.Filter{}) {
			if err == nil {
				s.heard(&e.Event)
			}
		}
	}()
	go func() {
		for d, err := range s.client.DeadLetters(ctx, 0) {
			if err == nil {
				s.buried(d)
			}
		}
	}()
	go func() {
		for entry := range lanes.Updates() {
			if entry != nil { // nil: all that was there before has been told
				s.lane(entry)
			}
		}
	}()
	return nil
}

// note changes what is known, and wakes up whoever waits for it.
func (s *script) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *script) heard(e *messages.Event) {
	s.note(func() {
		var from messages.Type
		if before := s.last[e.OrderID]; before != nil {
			from = before.State
		}
		s.last[e.OrderID], s.path[e.OrderID] = e, append(s.path[e.OrderID], e.Type)
		s.say(s.look.Line(e, from))
	})
}

func (s *script) buried(d client.DeadLetter) {
	s.note(func() {
		s.dead = append(s.dead, d)
		s.tell(d.OrderID, "dead letter", string(d.Reason)+": "+d.Error)
	})
}

// lane says that a provider's lane has closed or opened.
func (s *script) lane(entry jetstream.KeyValueEntry) {
	var l struct{ State, Reason string }
	if json.Unmarshal(entry.Value(), &l) != nil {
		return
	}
	name := strings.TrimPrefix(entry.Key(), "lane.")
	why := map[string]string{
		"closed": "our account there refuses (" + l.Reason + "): orders wait, none is burnt", "probing": "one order tries whether it is well again",
		"open": "well again: orders go on",
	}[l.State]
	s.tell(name, "lane "+l.State, why)
}

// tell writes a line that is not about an event.
func (s *script) tell(who, what, why string) {
	s.say(fmt.Sprintf("%s  %-18s %-27s %s", time.Now().Format("15:04:05.000"), who, what, why))
}

// await waits until what is known satisfies a condition. Whoever waits in vain
// is told for what.
func (s *script) await(ctx context.Context, what string, met func() bool) error {
	for {
		s.mu.Lock()
		ok, changed := met(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s: %w", what, context.Cause(ctx))
		}
	}
}

// state is an order's state; for use within await.
func (s *script) state(id string) messages.Type {
	if e := s.last[id]; e != nil {
		return e.State
	}
	return ""
}

// complete reports whether everything there will be of an order is known: its
// outcome, and for a doubt the evidence that is gathered for the operator.
func (s *script) complete(id string) bool {
	e := s.last[id]
	if e == nil || !plain.Settled(e) {
		return false
	}
	if e.State != messages.Unresolved {
		return true
	}
	_, balance := witnessed(e)
	return balance || e.Evidence["transactions"] != nil
}

func (s *script) submit(ctx context.Context, orders ...order) error {
	for _, o := range orders {
		s.note(func() { s.orders = append(s.orders, o) })
		if _, err := s.client.Forward(ctx, o.encode()); err != nil {
			return err
		}
	}
	return nil
}

// comeIn is the first act: everything at once.
func (s *script) comeIn(ctx context.Context) error { return s.submit(ctx, morning()...) }

// repeatThemselves is the second: upstream sends an order again, and then uses
// its id for something else.
func (s *script) repeatThemselves(ctx context.Context) error {
	first := morning()[slices.IndexFunc(morning(), func(o order) bool { return o.id == idFirst })]
	err := s.await(ctx, idFirst, func() bool {
		if s.complete(idFirst) {
			s.before = s.last[idFirst].N
		}
		return s.before > 0
	})
	if err != nil {
		return err
	}
	again, err := s.client.SubmitJSON(ctx, first.encode())
	if err != nil {
		return err
	}
	s.tell(idFirst, "sent again", "the same order once more, as after a crash of upstream")
	other := first
	other.body = maps.Clone(first.body)
	other.body["params"] = fields{"offer_id": offerXbox, "email": "mallory@example.com"}
	conflict, err := s.client.SubmitJSON(ctx, other.encode())
	if err != nil {
		return err
	}
	s.note(func() { s.again, s.conflict = again.Seq, conflict.Seq })
	return s.await(ctx, "the dead letter", func() bool { return s.deadLetter() != nil })
}

// deadLetter is the one that the conflict must become.
func (s *script) deadLetter() *client.DeadLetter {
	for _, d := range s.dead {
		if d.Request == s.conflict {
			return &d
		}
	}
	return nil
}

// runDry is the third: our balance at BalanceSteam is used up, orders wait, one
// is canceled in time, one gives up, and a refill lets the others through.
func (s *script) runDry(ctx context.Context) error {
	err := s.await(ctx, "BalanceSteam's first orders", func() bool {
		return !slices.ContainsFunc(s.orders, func(o order) bool { return o.provider == messages.BalanceSteam && !s.complete(o.id) })
	})
	if err != nil {
		return err
	}
	s.stage.Steam.SetBalance(emptyBalance)
	s.tell("balancesteam", "balance is "+emptyBalance, "less than any of the next orders")
	orders := drought(time.Now().Add(expiresWithin))
	if err := s.submit(ctx, orders[0]); err != nil {
		return err
	}
	if err := s.await(ctx, idWaits+" to wait", func() bool { return s.state(idWaits) == messages.Retrying }); err != nil {
		return err
	}
	if err := s.submit(ctx, orders[1:]...); err != nil {
		return err
	}
	if _, err := s.client.Cancel(ctx, idCanceled, "the customer changed their mind"); err != nil {
		return err
	}
	err = s.await(ctx, idCanceled+" and "+idExpires, func() bool {
		return s.state(idCanceled).Terminal() && s.state(idExpires).Terminal()
	})
	if err != nil {
		return err
	}
	s.stage.Steam.SetBalance(fullBalance)
	s.tell("balancesteam", "balance is "+fullBalance, "refilled")
	return nil
}

// end waits for every outcome, and for the dispatcher to be done with the
// order that was sent twice: an effect that it must not have would show by then.
func (s *script) end(ctx context.Context) error {
	err := s.await(ctx, "every outcome", func() bool {
		return !slices.ContainsFunc(s.orders, func(o order) bool { return !s.complete(o.id) })
	})
	if err != nil {
		return err
	}
	stream, err := s.js.Stream(ctx, messages.StreamOrders)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if _, err := stream.GetMsg(ctx, s.again); errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("the repeated order was never taken: %w", ctx.Err())
		}
	}
	// What the events said arrived in order; ask once more, so that nothing is
	// still on its way.
	last, err := s.client.Get(ctx, idFirst)
	if err != nil {
		return err
	}
	return s.await(ctx, idFirst, func() bool { return s.last[idFirst].N >= last.N })
}

// witnessed reads the evidence that BalanceSteam's adapter gathers.
func witnessed(e *messages.Event) (seen map[string]any, ok bool) {
	seen, _ = e.Evidence["witness"].(map[string]any)
	_, ok = seen["balance_after"]
	return seen, ok
}
