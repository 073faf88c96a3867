package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// upstream is a system of somebody else: it hands orders in, follows their
// events and acts for their customers. It knows the contract's text alone.
type upstream struct {
	shops *shops
	nc    *nats.Conn
	js    jetstream.JetStream
	plans map[string]*plan

	mu      sync.Mutex
	seen    map[uint64]string // all of EVENTS that was ever read
	orders  map[string]*known
	settled int
	changed chan struct{} // closed and replaced at every event

	acting sync.WaitGroup
}

// known is what upstream knows of an order.
type known struct {
	state string
	final bool
	acted bool
}

// told is what upstream reads of an event.
type told struct {
	Type          string            `json:"type"`
	State         string            `json:"state"`
	Terminal      bool              `json:"terminal"`
	Tenant        string            `json:"tenant"`
	OrderID       string            `json:"order_id"`
	Ref           map[string]string `json:"provider_ref"`
	NeedsOperator bool              `json:"needs_operator"`
	Action        *struct {
		Confirm bool `json:"confirm"`
		Cancel  bool `json:"cancel"`
	} `json:"action"`
}

func newUpstream(url string, s *shops, all []*plan) (*upstream, error) {
	nc, err := nats.Connect(url, nats.Name("upstream"), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
		nats.RetryOnFailedConnect(true), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	u := &upstream{
		shops: s, nc: nc, js: js, plans: map[string]*plan{}, seen: map[uint64]string{}, orders: map[string]*known{}, changed: make(chan struct{}),
	}
	for _, p := range all {
		u.plans[p.Key()] = p
	}
	return u, nil
}

// publishers is how many orders are handed in at once.
const publishers = 16

// handIn hands all orders in, each at its time, and returns when the last is
// stored or ctx has ended.
func (u *upstream) handIn(ctx context.Context, all []*plan) {
	begun := time.Now()
	next := make(chan *plan)
	var group sync.WaitGroup
	for range publishers {
		group.Go(func() {
			for p := range next {
				u.hand(ctx, p)
			}
		})
	}
	for _, p := range all {
		if !pause(ctx, time.Until(begun.Add(p.at))) {
			break
		}
		next <- p
	}
	close(next)
	group.Wait()
}

func (u *upstream) hand(ctx context.Context, p *plan) {
	subject := "orders." + p.Tenant + ".submit"
	stored, _ := u.publish(ctx, subject, p.Body)
	u.mu.Lock()
	p.Acked = stored
	u.mu.Unlock()
	if p.again {
		u.publish(ctx, subject, p.reworded())
	}
	if p.cancel {
		u.ask(ctx, p, "cancel")
	}
}

func (u *upstream) ask(ctx context.Context, p *plan, what string) {
	u.publish(ctx, "orders."+p.Tenant+"."+what, fmt.Appendf(nil, `{"v":1,"id":%q}`, p.ID))
}

// contradict hands in other content under ids that are used by now.
func (u *upstream) contradict(ctx context.Context) {
	for _, p := range u.plans {
		u.mu.Lock()
		begun := u.orders[p.Key()] != nil
		u.mu.Unlock()
		if !p.conflict || !begun {
			continue
		}
		_, tries := u.publish(ctx, "orders."+p.Tenant+".submit", p.contrary())
		u.mu.Lock()
		p.Conflicts += tries
		u.mu.Unlock()
	}
}

// publish hands a message over as a careful upstream does: again and again
// until the stream has it. tries counts those that may have been stored.
func (u *upstream) publish(ctx context.Context, subject string, body []byte) (stored bool, tries int) {
	for {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		reply, err := u.nc.RequestWithContext(once, subject, body)
		cancel()
		if !errors.Is(err, nats.ErrNoResponders) {
			tries++
		}
		var ack struct {
			Duplicate bool
			Error     *struct{ Description string }
		}
		if err == nil && json.Unmarshal(reply.Data, &ack) == nil && ack.Error == nil && !ack.Duplicate {
			return true, tries
		}
		if !pause(ctx, 50*time.Millisecond) {
			return false, tries
		}
	}
}

// follow reads all events until ctx ends, over whatever becomes of the server.
func (u *upstream) follow(ctx context.Context) {
	next := uint64(1)
	for ctx.Err() == nil {
		next = u.followFrom(ctx, next)
		pause(ctx, 50*time.Millisecond)
	}
	u.acting.Wait()
}

// patientFor is how many times a reader asks in vain before it begins anew.
const patientFor = 10

func (u *upstream) followFrom(ctx context.Context, next uint64) uint64 {
	once, cancel := context.WithTimeout(ctx, 5*time.Second)
	c, err := u.js.OrderedConsumer(once, "EVENTS", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"events.>"}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: next,
	})
	cancel()
	if err != nil {
		return next
	}
	// The consumer lives on one node. Where that is parted from the others it says
	// nothing, as where there is nothing to say, so silence ends it.
	for silent := 0; ctx.Err() == nil && silent < patientFor; silent++ {
		batch, err := c.Fetch(200, jetstream.FetchMaxWait(500*time.Millisecond))
		if err != nil {
			return next
		}
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil || meta.Sequence.Stream < next {
				continue
			}
			next, silent = meta.Sequence.Stream+1, 0
			u.take(ctx, meta.Sequence.Stream, m.Data())
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			return next
		}
	}
	return next
}

func (u *upstream) take(ctx context.Context, seq uint64, body []byte) {
	var e told
	err := json.Unmarshal(body, &e)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen[seq] = string(body)
	if err != nil {
		return // the check names it
	}
	key := e.Tenant + "/" + e.OrderID
	k := u.orders[key]
	if k == nil {
		k = &known{}
		u.orders[key] = k
	}
	final := e.Terminal || e.State == "unresolved" && e.NeedsOperator
	switch {
	case final && !k.final:
		u.settled++
	case !final && k.final:
		u.settled--
	}
	k.state, k.final = e.State, final
	if e.Type == "action_required" && !k.acted && u.plans[key] != nil {
		k.acted = true
		u.acting.Go(func() { u.act(ctx, u.plans[key], e) })
	}
	close(u.changed)
	u.changed = make(chan struct{})
}

// act is what the customer of an order does, once.
func (u *upstream) act(ctx context.Context, p *plan, e told) {
	reference, skins := e.Ref["reference"], u.shops.skins
	switch {
	case p.Kind == "deposit" && p.chance < 75:
		u.shops.customer(p, reference, func(r string) error { return skins.Pay(r, fmt.Sprintf("%d.%02d", 1+p.chance, p.chance)) })
	case p.Kind == "deposit" && p.chance < 85:
		u.shops.customer(p, reference, func(r string) error { return skins.Fail(r, "timeout") })
	case p.Kind == "deposit":
		if u.shops.customer(p, reference, func(r string) error { return skins.Hold(r, "17.05") }) {
			pause(ctx, 300*time.Millisecond)
			_ = skins.Release(reference) // it is there: it was held a moment ago
		}
	case e.Action == nil:
	case e.Action.Confirm && p.chance < 60:
		u.ask(ctx, p, "confirm")
	case e.Action.Cancel && p.chance < 75 && p.chance >= 60:
		u.ask(ctx, p, "cancel")
	}
}

// counts are how many orders were stored, and how many have ended or are the
// operator's.
func (u *upstream) counts() (stored, settled int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.plans {
		if p.Acked {
			stored++
		}
	}
	return stored, u.settled
}

// states counts the orders by state, the operator's apart.
func (u *upstream) states() map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := map[string]int{}
	for _, k := range u.orders {
		state := k.state
		if k.final && state == "unresolved" {
			state = "operator"
		}
		all[state]++
	}
	return all
}

// awaitSettled waits until every order that was stored has ended or is the
// operator's.
func (u *upstream) awaitSettled(ctx context.Context) bool {
	return u.await(ctx, func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		for key, p := range u.plans {
			if k := u.orders[key]; p.Acked && (k == nil || !k.final) || k != nil && !k.final {
				return false
			}
		}
		return true
	})
}

// awaitTaken waits until every message of upstream was taken: what contradicts
// an order that has ended may be in the hands of a dispatcher that has died, and
// comes back after its ack wait only.
func (u *upstream) awaitTaken(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*takenAgain)
	defer cancel()
	for ctx.Err() == nil {
		if s, err := u.js.Stream(ctx, "ORDERS"); err == nil && s.CachedInfo().State.Msgs == 0 {
			return
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// takenAgain is after how long a dispatcher that has died loses what it had in hand.
const takenAgain = 10 * time.Second

// final counts the orders that have ended or are the operator's.
func (u *upstream) final(some []*plan) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range some {
		if k := u.orders[p.Key()]; k != nil && k.final {
			n++
		}
	}
	return n
}

// ends counts some orders by their states.
func (u *upstream) ends(some []*plan) map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := map[string]int{}
	for _, p := range some {
		if k := u.orders[p.Key()]; k != nil {
			all[k.state]++
		} else {
			all["not taken"]++
		}
	}
	return all
}

// await waits until ready says so, asked after every event; false where ctx
// ended first.
func (u *upstream) await(ctx context.Context, ready func() bool) bool {
	for {
		u.mu.Lock()
		changed := u.changed
		u.mu.Unlock()
		if ready() {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// pause waits for d; false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
