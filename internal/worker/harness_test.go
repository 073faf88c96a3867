package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

const tenant = "acme"

// patience is for a signal that must come; never a wait of fixed length.
var patience = mutant.Patience(60 * time.Second)

// Times of the tests keep the order of production at a fraction of its length,
// and leave a busy machine the time to write an event within a lease: an intent
// that took longer is a doubt, and rightly so.
const (
	timeout     = 800 * time.Millisecond
	lease       = 1600 * time.Millisecond
	ackWait     = 3200 * time.Millisecond
	holdDown    = 8 * time.Second
	absenceWait = 5 * time.Second
)

var times = order.Times{PollFirst: 50 * time.Millisecond, PollMax: 500 * time.Millisecond, BlockedMax: time.Minute}

// bench is one server with everything a worker stands on.
type bench struct {
	t         *testing.T
	srv       *natstest.Server
	nc        *nats.Conn
	js        jetstream.JetStream
	ledger    *ledger.Ledger
	queue     *queue.Queue
	namespace string
	settings  topology.Settings
	events    chan *messages.Event
	seen      []*messages.Event
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return benchOn(t, natstest.Start(t), func(*topology.Settings) {})
}

// patientBench has an ack wait and a lease that do not end within a test.
func patientBench(t *testing.T) *bench {
	t.Helper()
	return benchOn(t, natstest.Start(t), func(s *topology.Settings) {
		for p, ps := range s.Providers {
			ps.Lease, ps.AckWait = patience, 2*patience
			s.Providers[p] = ps
		}
	})
}

func patiently(o worker.Options) worker.Options {
	o.Lease, o.AckWait, o.HoldDown = patience, 2*patience, 3*patience
	return o
}

// benchOn is a bench on a server with its own settings of streams and consumers.
func benchOn(t *testing.T, srv *natstest.Server, edit func(*topology.Settings)) *bench {
	t.Helper()
	b := benchOver(t, srv.Conn(t), srv.JS(t), edit)
	b.srv = srv
	return b
}

// benchOver is a bench on whatever a client has reached.
func benchOver(t *testing.T, nc *nats.Conn, js jetstream.JetStream, edit func(*topology.Settings)) *bench {
	t.Helper()
	b := &bench{t: t, nc: nc, js: js, events: make(chan *messages.Event, 10_000)}
	s := topology.Default()
	for p, ps := range s.Providers {
		ps.Timeout, ps.Lease, ps.AckWait = timeout, lease, ackWait
		s.Providers[p] = ps
	}
	edit(&s)
	if _, err := topology.Setup(t.Context(), b.js, s); err != nil {
		t.Fatal(err)
	}
	b.settings = s
	var err error
	if b.namespace, err = topology.Namespace(t.Context(), b.js); err != nil {
		t.Fatal(err)
	}
	if b.ledger, err = ledger.Open(t.Context(), b.nc, b.js, ledger.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.ledger.Close)
	b.queue = queue.New(b.js)
	b.watch()
	return b
}

// watch follows the ledger as upstream would.
func (b *bench) watch() {
	b.t.Helper()
	c, err := b.js.OrderedConsumer(b.t.Context(), messages.StreamEvents, jetstream.OrderedConsumerConfig{})
	if err != nil {
		b.t.Fatal(err)
	}
	cc, err := c.Consume(func(m jetstream.Msg) {
		e, err := messages.DecodeEvent(m.Data())
		if errors.Is(err, messages.ErrVersion) {
			return // as upstream ignores what it does not know
		}
		if err != nil {
			b.t.Errorf("event %s: %v", m.Subject(), err)
			return
		}
		b.events <- e
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(cc.Stop)
}

// until follows the events until one fits.
func (b *bench) until(what string, fits func(*messages.Event) bool) *messages.Event {
	b.t.Helper()
	for _, e := range b.seen {
		if fits(e) {
			return e
		}
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		select {
		case e := <-b.events:
			b.seen = append(b.seen, e)
			if fits(e) {
				return e
			}
		case <-deadline.C:
			for _, e := range b.seen {
				b.t.Logf("%s n=%d %s state=%s needs_operator=%v error=%+v evidence=%v", e.OrderID, e.N, e.Type, e.State, e.NeedsOperator, e.Error, e.Evidence)
			}
			b.t.Fatalf("no event that is %s", what)
		}
	}
}

// ends waits for an order's terminal event, or for it to need an operator.
func (b *bench) ends(id string) *messages.Event {
	b.t.Helper()
	return b.until("the end of "+id, func(e *messages.Event) bool {
		return e.OrderID == id && (e.Terminal() || e.NeedsOperator)
	})
}

func (b *bench) becomes(id string, state messages.Type) *messages.Event {
	b.t.Helper()
	return b.until(id+" "+string(state), func(e *messages.Event) bool { return e.OrderID == id && e.State == state })
}

// signal waits for a signal that must come. Without a deadline a test that
// failed in some other way would hang, and hide how.
func signal(t *testing.T, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(2 * patience):
		t.Fatal("a signal never came")
	}
}

// path lists the types of an order's events.
func (b *bench) path(id string) string {
	b.t.Helper()
	history, err := b.ledger.History(b.t.Context(), tenant, id)
	if err != nil {
		b.t.Fatal(err)
	}
	text := ""
	for i, entry := range history {
		if entry.Event.N != uint64(i+1) { //nolint:gosec // small
			b.t.Errorf("%s: event %d has n %d", id, i+1, entry.Event.N)
		}
		if i > 0 {
			text += " "
		}
		text += string(entry.Event.Type)
	}
	return text
}

// drained waits until no command is left in the queue, timers excepted.
func (b *bench) drained() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	stream, err := b.js.Stream(ctx, messages.StreamCommands)
	if err != nil {
		b.t.Fatal(err)
	}
	for {
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter("commands.>"))
		if err != nil {
			b.t.Fatalf("commands are left over: %v", err)
		}
		if len(info.State.Subjects) == 0 {
			return
		}
	}
}

// offer is an order of a thing for at most 100 RUB.
func offer(id string) messages.Order {
	limit := money.Must("100", "RUB")
	return messages.Order{ID: id, Provider: messages.GamesDrop, Kind: messages.Offer, MaxCost: &limit,
		Raw: json.RawMessage(`{"v":1,"id":"` + id + `","provider":"gamesdrop","kind":"offer","params":{"offer_id":1001},"max_cost":{"amount":"100","currency":"RUB"}}`)}
}

func topup(id string) messages.Order {
	return messages.Order{ID: id, Provider: messages.BalanceSteam, Kind: messages.Topup,
		Raw: json.RawMessage(`{"v":1,"id":"` + id + `","provider":"balancesteam","kind":"topup","params":{"login":"gabe","amount":"100.00"}}`)}
}

// accept writes the accepted event, as the dispatcher would.
func (b *bench) accept(o messages.Order) (*messages.Event, uint64) {
	b.t.Helper()
	e, _ := order.Apply(nil, order.Change{Input: order.Accept, At: time.Now(), New: &order.Submission{
		Tenant: tenant, OrderID: o.ID, Provider: o.Provider, Kind: o.Kind, Order: o.Raw,
	}})
	seq, err := b.ledger.Append(b.t.Context(), e, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return e, seq
}

// tryAccept accepts an order if there is room for it.
func (b *bench) tryAccept(o messages.Order) bool {
	b.t.Helper()
	e, _ := order.Apply(nil, order.Change{Input: order.Accept, At: time.Now(), New: &order.Submission{
		Tenant: tenant, OrderID: o.ID, Provider: o.Provider, Kind: o.Kind, Order: o.Raw,
	}})
	_, err := b.ledger.Append(b.t.Context(), e, 0)
	if err != nil && !errors.Is(err, ledger.ErrNoRoom) {
		b.t.Fatal(err)
	}
	return err == nil
}

func (b *bench) submit(o messages.Order) {
	b.t.Helper()
	e, seq := b.accept(o)
	b.send(messages.Place, e, seq)
}

func (b *bench) send(v messages.Verb, e *messages.Event, seq uint64) {
	b.t.Helper()
	if err := b.queue.Send(b.t.Context(), e.Provider, v, messages.CommandFor(e, seq)); err != nil {
		b.t.Fatal(err)
	}
}

// follow appends what a change makes of the order's last event.
func (b *bench) follow(id string, c order.Change) (*messages.Event, uint64) {
	b.t.Helper()
	last, err := b.ledger.Last(b.t.Context(), tenant, id)
	if err != nil {
		b.t.Fatal(err)
	}
	if c.At.IsZero() {
		c.At = time.Now()
	}
	e, verdict := order.Apply(last.Event, c)
	if verdict != order.Write {
		b.t.Fatalf("%s of %s: %s", c.Input, id, verdict)
	}
	seq, err := b.ledger.Append(b.t.Context(), e, last.Seq)
	if err != nil {
		b.t.Fatal(err)
	}
	return e, seq
}

// options are those of a worker of the provider.
func (b *bench) options(p messages.Provider, name string) worker.Options {
	return worker.Options{
		Provider: p, Instance: name, Namespace: b.namespace, MaxInFlight: 16,
		Timeout: timeout, Lease: lease, AckWait: ackWait, HoldDown: holdDown, AbsenceWait: absenceWait,
		Times: times, Log: zerolog.New(zerolog.NewTestWriter(b.t)).Level(zerolog.WarnLevel),
	}
}

// work runs a worker until the test ends or stop is called.
func (b *bench) work(s *shop, o worker.Options) (stop func()) {
	b.t.Helper()
	return b.workWith(s, o, providertest.Unlimited{})
}

func (b *bench) workWith(s providers.Provider, o worker.Options, l ratelimit.Limiter) (stop func()) {
	b.t.Helper()
	return b.workOn(b.ledger, s, o, l)
}

func (b *bench) workOn(books worker.Ledger, s providers.Provider, o worker.Options, l ratelimit.Limiter) (stop func()) {
	b.t.Helper()
	return b.workOver(books, b.queue, s, o, l)
}

func (b *bench) workOver(books worker.Ledger, q worker.Queue, s providers.Provider, o worker.Options, l ratelimit.Limiter) (stop func()) {
	b.t.Helper()
	w, err := worker.New(b.js, books, q, s, l, o)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					b.t.Errorf("worker ended with %v", err)
				}
			case <-time.After(3 * patience): // longer than any DrainFor
				stacks := make([]byte, 1<<20)
				b.t.Errorf("the worker did not end:\n%s", stacks[:runtime.Stack(stacks, true)])
			}
		})
	}
	b.t.Cleanup(stop)
	return stop
}
