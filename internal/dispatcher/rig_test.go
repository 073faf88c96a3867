package dispatcher_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// patience is how long a test waits for what must happen.
var patience = mutant.Patience(90 * time.Second)

// rig is a server with everything set up, and ears on all that is published.
type rig struct {
	srv    *natstest.Server
	nc     *nats.Conn
	js     jetstream.JetStream
	ledger *ledger.Ledger
	queue  *queue.Queue
	log    *journal

	events, commands, dead chan *nats.Msg
}

func newRig(t testing.TB, edits ...func(*topology.Settings)) *rig {
	t.Helper()
	srv := natstest.Start(t)
	nc := srv.Conn(t)
	js, err := jetstream.New(nc)
	must(t, err)
	s := topology.Default()
	s.EventsMaxBytes, s.OrdersMaxBytes, s.DLQMaxBytes = 64<<20, 16<<20, 16<<20
	for _, edit := range edits {
		edit(&s)
	}
	_, err = topology.Setup(t.Context(), js, s)
	must(t, err)
	l, err := ledger.Open(t.Context(), nc, js, ledger.Options{FillInterval: 20 * time.Millisecond})
	must(t, err)
	t.Cleanup(l.Close)
	r := &rig{srv: srv, nc: nc, js: js, ledger: l, queue: queue.New(js), log: &journal{}}
	r.events, r.commands, r.dead = r.listen(t, "events.>"), r.listen(t, "commands.>"), r.listen(t, "dlq.>")
	return r
}

// listen hears what clients publish; nothing is published twice for it.
func (r *rig) listen(t testing.TB, subject string) chan *nats.Msg {
	t.Helper()
	ch := make(chan *nats.Msg, 4096)
	_, err := r.nc.ChanSubscribe(subject, ch)
	must(t, err)
	must(t, r.nc.Flush())
	return ch
}

// options are those of every test, with short times.
func (r *rig) options() dispatcher.Options {
	return dispatcher.Options{
		Instance: "test", Log: zerolog.New(r.log), MaxInFlight: 8,
		Times:   order.Times{PollFirst: 20 * time.Millisecond, PollMax: time.Minute, BlockedMax: time.Hour},
		AckWait: time.Hour, // nothing is swept unless the test says so
	}
}

// replica is a dispatcher that runs until stop is called or the test ends.
type replica struct {
	*dispatcher.Dispatcher
	stop func()
}

func (r *rig) start(t *testing.T, o dispatcher.Options, l dispatcher.Ledger, q dispatcher.Queue) *replica {
	t.Helper()
	d := dispatcher.New(r.nc, r.js, l, q, o)
	d.Hurry()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not end")
		}
	})
	t.Cleanup(stop)
	until(t, "the dispatcher is ready", func() bool { return d.Ready() == nil })
	return &replica{d, stop}
}

// run starts a dispatcher on the rig's own ledger and queue.
func (r *rig) run(t *testing.T, edits ...func(*dispatcher.Options)) *replica {
	t.Helper()
	o := r.options()
	for _, edit := range edits {
		edit(&o)
	}
	return r.start(t, o, r.ledger, r.queue)
}

func (r *rig) publish(t *testing.T, subject, body string) {
	t.Helper()
	// Upstream's rule: a duplicate was not stored, so publish it again.
	for {
		ack, err := r.js.Publish(t.Context(), subject, []byte(body))
		must(t, err)
		if !ack.Duplicate {
			return
		}
	}
}

// settled waits until everything upstream has sent was acknowledged.
func (r *rig) settled(t *testing.T) {
	t.Helper()
	until(t, "ORDERS is empty", func() bool { return r.stored(t, messages.StreamOrders) == 0 })
}

func (r *rig) stored(t *testing.T, stream string) uint64 {
	t.Helper()
	s, err := r.js.Stream(t.Context(), stream)
	must(t, err)
	return s.CachedInfo().State.Msgs
}

// history is the types of an order's events.
func (r *rig) history(t *testing.T, tenant, id string) []messages.Type {
	t.Helper()
	all, err := r.ledger.History(t.Context(), tenant, id)
	must(t, err)
	var types []messages.Type
	for _, e := range all {
		types = append(types, e.Event.Type)
	}
	return types
}

// seed writes an order's events as if they had happened, and returns the last.
func (r *rig) seed(t *testing.T, tenant, id string, changes []order.Change) *ledger.Entry {
	t.Helper()
	var last *messages.Event
	var seq uint64
	for _, c := range changes {
		c.At = time.Now()
		if c.Input == order.Accept || c.Input == order.Reject {
			c.New = &order.Submission{
				Tenant: tenant, OrderID: id, Provider: messages.GamesDrop, Kind: messages.Offer, Order: []byte(offer(id)),
			}
		}
		e, v := order.Apply(last, c)
		if v != order.Write {
			t.Fatalf("seed %s: %s is not written but %s", id, c.Input, v)
		}
		var err error
		seq, err = r.ledger.Append(t.Context(), e, seq)
		must(t, err)
		last = e
	}
	return &ledger.Entry{Seq: seq, Event: last}
}

// next returns the next message heard.
func next(t *testing.T, ch <-chan *nats.Msg) *nats.Msg {
	t.Helper()
	select {
	case m := <-ch:
		return m
	case <-time.After(patience):
		t.Fatal("nothing was published")
		return nil
	}
}

// nextEvent returns the next event heard.
func (r *rig) nextEvent(t *testing.T) *messages.Event {
	t.Helper()
	e, err := messages.DecodeEvent(next(t, r.events).Data)
	must(t, err)
	return e
}

// silent fails if something was heard. What was published before the last
// answer of the server has been heard by now.
func (r *rig) silent(t *testing.T, ch <-chan *nats.Msg) {
	t.Helper()
	must(t, r.nc.Flush())
	select {
	case m := <-ch:
		t.Errorf("heard %s: %s", m.Subject, m.Data)
	default:
	}
}

func wantDead(t *testing.T, m *nats.Msg, subject string, reason messages.Reason, body, id string) {
	t.Helper()
	if m.Subject != subject {
		t.Errorf("dead letter on %s, want %s", m.Subject, subject)
	}
	if got := m.Header.Get(messages.HeaderReason); got != string(reason) {
		t.Errorf("reason %q, want %q (%s)", got, reason, m.Header.Get(messages.HeaderError))
	}
	if got := m.Header.Get(messages.HeaderOrderID); got != id {
		t.Errorf("order id %q, want %q", got, id)
	}
	if !strings.HasPrefix(m.Header.Get(messages.HeaderOrigin), "ORDERS:") || m.Header.Get(messages.HeaderError) == "" {
		t.Errorf("headers %v lack origin or error", m.Header)
	}
	if string(m.Data) != body {
		t.Errorf("body was changed: %.100q", m.Data)
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// offer is a valid order. Each extra member, such as `"expires_at":"…"`, is added.
func offer(id string, extra ...string) string {
	return fmt.Sprintf(`{"v":1,"id":%q,"provider":"gamesdrop","kind":"offer","params":{"offer_id":1001},`+
		`"max_cost":{"amount":"560.10","currency":"RUB"}%s}`, id, strings.Join(append([]string{""}, extra...), ","))
}

// faulty has a usable id and two faults.
func faulty(id string) string {
	return fmt.Sprintf(`{"v":1,"id":%q,"provider":"gamesdrop","kind":"offer","params":{"offer_id":"x"},"max_cost":{"amount":5,"currency":"RUB"}}`, id)
}

const nonce = "nonce-1"

// lives leads an order into each state by the shortest way.
func lives() map[string][]order.Change {
	soon := time.Now().Add(time.Hour)
	accept := order.Change{Input: order.Accept}
	claim := order.Change{Input: order.Claim, Intent: &order.Intent{Nonce: nonce, Owner: "w", Reference: "b1x", ReferenceN: 1, LeaseUntil: time.Now()}}
	fault := &messages.Error{Class: "rejected", Code: "OFFER_NOT_FOUND", Message: "no"}
	own := func(in order.Input) order.Change { return order.Change{Input: in, Nonce: nonce, Error: fault} }
	watched := own(order.OwnSucceeded)
	watched.WatchUntil = &soon
	act := own(order.OwnActionRequired)
	act.Action = &messages.Action{URL: "https://pay.example/1", Cancel: true, Confirm: true}
	idle := own(order.OwnActionRequired)
	idle.Action = &messages.Action{URL: "https://pay.example/1"}
	operator := own(order.OwnUnknown)
	operator.NeedsOperator = true
	base := map[string][]order.Change{
		"accepted":              {accept},
		"rejected":              {{Input: order.Reject, Error: fault}},
		"retrying":              {accept, {Input: order.Postpone, Error: fault, RetryAt: time.Now()}},
		"canceled":              {accept, {Input: order.CancelRequest}},
		"expired":               {accept, {Input: order.Expire}},
		"placing":               {accept, claim},
		"processing":            {accept, claim, own(order.OwnProcessing)},
		"action_required":       {accept, claim, act},
		"action_required_plain": {accept, claim, idle},
		"on_hold":               {accept, claim, own(order.OwnOnHold)},
		"unresolved":            {accept, claim, own(order.OwnUnknown)},
		"unresolved_operator":   {accept, claim, operator},
		"succeeded":             {accept, claim, own(order.OwnSucceeded)},
		"succeeded_watched":     {accept, claim, watched},
		"failed":                {accept, claim, own(order.OwnRefused)},
		"reversed":              {accept, claim, own(order.OwnOnHold), {Input: order.SeenReversed, Error: fault}},
	}
	return base
}

// journal collects log lines.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

func (j *journal) has(parts ...string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.buf.String()) {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			return true
		}
	}
	return false
}
