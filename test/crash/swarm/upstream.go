package main

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

// upstream hands orders in, keeping so many open and no more, follows all of
// them, and acts for their customers. It knows the contract's text alone, and
// never dies.
type upstream struct {
	shops *shops
	nc    *nats.Conn
	js    jetstream.JetStream
	plans map[string]*plan

	mu      sync.Mutex
	seen    map[uint64]string // all of EVENTS that was read
	orders  map[string]*known
	handed  int // orders that the server has stored
	open    int // of them, those that have not come to an end
	changed chan struct{}

	acting sync.WaitGroup
}

// known is what upstream knows of an order.
type known struct {
	state string
	acked bool
	final bool
	acted bool
}

// counts reports whether the order is open.
func (k *known) counts() bool { return k.acked && !k.final }

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
	nc, err := nats.Connect(url, nats.Name("upstream"), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	u := &upstream{
		shops: s, nc: nc, js: js, plans: map[string]*plan{}, seen: map[uint64]string{}, orders: map[string]*known{},
		changed: make(chan struct{}),
	}
	for _, p := range all {
		u.plans[p.Key()] = p
		u.orders[p.Key()] = &known{}
	}
	return u, nil
}

// publishers is how many orders are handed in at once.
const publishers = 16

// handIn hands all orders in, so many of them open at one time, and returns when
// the last is stored or ctx has ended.
func (u *upstream) handIn(ctx context.Context, all []*plan, open int) {
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
		if !u.await(ctx, func() bool { return u.open < open }) {
			break
		}
		select {
		case next <- p:
		case <-ctx.Done():
		}
	}
	close(next)
	group.Wait()
}

func (u *upstream) hand(ctx context.Context, p *plan) {
	subject := "orders." + p.Tenant + ".submit"
	stored, _ := u.publish(ctx, subject, p.Body)
	if p.again {
		u.publish(ctx, subject, p.Body)
	}
	if p.cancel {
		u.ask(ctx, p, "cancel")
	}
	if stored {
		u.note(p.Key(), func(k *known) { k.acked, p.Acked = true, true })
	}
}

func (u *upstream) ask(ctx context.Context, p *plan, what string) {
	u.publish(ctx, "orders."+p.Tenant+"."+what, fmt.Appendf(nil, `{"v":1,"id":%q}`, p.ID))
}

// contradict hands in other content under ids that are used: an event of theirs
// was read. Of two contents of which neither was accepted yet the later may be
// the order, where the dispatcher that had the other in hand has died.
func (u *upstream) contradict(ctx context.Context) {
	for _, p := range u.plans {
		if !p.conflict {
			continue
		}
		if !u.await(ctx, func() bool { return u.orders[p.Key()].state != "" }) {
			return // its time is over, and it is missed
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
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
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

// follow reads all events until ctx ends.
func (u *upstream) follow(ctx context.Context) error {
	c, err := u.js.OrderedConsumer(ctx, "EVENTS", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.>"}})
	if err != nil {
		return fmt.Errorf("follow EVENTS: %w", err)
	}
	messages, err := c.Messages(jetstream.PullMaxMessages(2000))
	if err != nil {
		return fmt.Errorf("follow EVENTS: %w", err)
	}
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		m, err := messages.Next()
		if err != nil {
			u.acting.Wait()
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("follow EVENTS: %w", err)
		}
		if meta, err := m.Metadata(); err == nil {
			u.take(ctx, meta.Sequence.Stream, m.Data())
		}
	}
}

func (u *upstream) take(ctx context.Context, seq uint64, body []byte) {
	var e told
	err := json.Unmarshal(body, &e)
	u.mu.Lock()
	u.seen[seq] = string(body)
	u.mu.Unlock()
	key := e.Tenant + "/" + e.OrderID
	p := u.plans[key]
	if err != nil || p == nil {
		return // the check names it
	}
	act := false
	u.note(key, func(k *known) {
		k.state = e.State
		k.final = e.Terminal || e.State == "unresolved" && e.NeedsOperator
		act = e.Type == "action_required" && !k.acted
		k.acted = k.acted || act
	})
	if act {
		u.acting.Go(func() { u.act(ctx, p, e) })
	}
}

// note changes what is known of an order, and tells those who wait.
func (u *upstream) note(key string, change func(*known)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	k := u.orders[key]
	before, acked := k.counts(), k.acked
	change(k)
	if k.acked && !acked {
		u.handed++
	}
	switch after := k.counts(); {
	case after && !before:
		u.open++
	case before && !after:
		u.open--
	}
	close(u.changed)
	u.changed = make(chan struct{})
}

// act is what the customer of an order does, once.
func (u *upstream) act(ctx context.Context, p *plan, e told) {
	reference, skins := e.Ref["reference"], u.shops.skins
	switch {
	case p.Kind == "deposit" && p.chance < 75:
		u.shops.customer(p.Account, reference, func(r string) error { return skins.Pay(r, fmt.Sprintf("%d.%02d", 1+p.chance, p.chance)) })
	case p.Kind == "deposit" && p.chance < 85:
		u.shops.customer(p.Account, reference, func(r string) error { return skins.Fail(r, "timeout") })
	case p.Kind == "deposit":
		if u.shops.customer(p.Account, reference, func(r string) error { return skins.Hold(r, "17.05") }) {
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

// counts are how many orders were stored, and how many of them are open.
func (u *upstream) counts() (handed, open int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.handed, u.open
}

// unfinished counts the open orders by provider and state.
func (u *upstream) unfinished() map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := map[string]int{}
	for key, k := range u.orders {
		if k.counts() {
			all[u.plans[key].Provider+" "+k.state]++
		}
	}
	return all
}

// states counts the orders by state, the operator's apart.
func (u *upstream) states() map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := map[string]int{}
	for _, k := range u.orders {
		switch {
		case k.state == "":
		case k.state == "unresolved" && k.final:
			all["operator"]++
		default:
			all[k.state]++
		}
	}
	return all
}

// operators counts the orders that are an operator's, by provider.
func (u *upstream) operators() map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := map[string]int{}
	for key, k := range u.orders {
		if k.state == "unresolved" && k.final {
			all[u.plans[key].Provider]++
		}
	}
	return all
}

// await waits until ready says so, asked under the lock after every change;
// false where ctx ended first.
func (u *upstream) await(ctx context.Context, ready func() bool) bool {
	for {
		u.mu.Lock()
		changed, is := u.changed, ready()
		u.mu.Unlock()
		if is {
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
