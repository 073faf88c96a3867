package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/dispatcher/sweep"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/operator"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/orders"
	"github.com/beltline-io/beltline/internal/pull"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Ledger is what the dispatcher needs of the ledger.
type Ledger interface {
	Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error)
	Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error)
	At(ctx context.Context, seq uint64) (*ledger.Entry, error)
	History(ctx context.Context, tenant, orderID string) ([]ledger.Entry, error)
}

// Queue is what the dispatcher needs of the command queue.
type Queue interface {
	Send(ctx context.Context, p messages.Provider, v messages.Verb, c messages.Command) error
	Schedule(ctx context.Context, p messages.Provider, v messages.Verb, c messages.Command, at time.Time) error
	ScheduleExpiry(ctx context.Context, p messages.Provider, c messages.Command, at time.Time) error
	Bury(ctx context.Context, subject string, body []byte, reason messages.Reason, cause, origin, orderID string) error
	Waiting(ctx context.Context, p messages.Provider, tenant, orderID string, due messages.Verb) (bool, error)
	PlaceBacklog(ctx context.Context, p messages.Provider) (uint64, error)
}

// Options configure a [Dispatcher]. Zero values take the default in brackets.
type Options struct {
	Instance string // names this process in the log and in the sweeper's lease
	Log      zerolog.Logger
	// MaxInFlight is how many messages are handled at once [64].
	MaxInFlight int
	// PlaceBacklogMax is how many place commands may wait for a provider before
	// no more orders are taken [100,000].
	PlaceBacklogMax int
	// Times say when an order is due; required.
	Times order.Times
	// AckWait is the longest time a worker may hold a command: before that is
	// over, an order with nothing else in the queue is not yet suspicious [75s].
	AckWait time.Duration
	// SweepEvery is how often unfinished orders are looked at [1m].
	SweepEvery time.Duration
	// UnknownFor is how long a request may wait for its order to appear [60s].
	UnknownFor time.Duration
	// LeaseFor is how long a dead sweeper is waited for [15s].
	LeaseFor time.Duration
	// HandleFor bounds the handling of one message, which is in hand for so long
	// at most [20s].
	HandleFor time.Duration
	// DrainFor bounds how long Run waits for messages in hand [10s].
	DrainFor time.Duration
	// Fence is asked before upstream is told that an order was not bought [none].
	Fence Fence
	// Now is the clock [the system's].
	Now func() time.Time
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
}

func (o Options) withDefaults() Options {
	number := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	duration := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	number(&o.MaxInFlight, 64)
	number(&o.PlaceBacklogMax, 100_000)
	duration(&o.AckWait, 75*time.Second)
	duration(&o.SweepEvery, time.Minute)
	duration(&o.UnknownFor, time.Minute)
	duration(&o.LeaseFor, 15*time.Second)
	duration(&o.HandleFor, 20*time.Second)
	duration(&o.DrainFor, 10*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Fence == nil {
		o.Fence = noFence{}
	}
	return o
}

// pace is how long the dispatcher waits before it tries something again. They
// are seconds, because each delayed message holds a place in the consumer.
type pace struct {
	placing  time.Duration // a cancel that waits for an outcome
	doubt    time.Duration // the longest step of a request that waits until the ledger is believed
	trouble  time.Duration // NATS did not do what was asked
	room     time.Duration // the ledger is full
	unknown  time.Duration // the longest step between looks for an unknown order
	pressure time.Duration // between looks at the backlog
}

var usualPace = pace{
	placing: time.Second, doubt: 10 * time.Second, trouble: 2 * time.Second, room: 5 * time.Second,
	unknown: 5 * time.Second, pressure: time.Second,
}

// Dispatcher is one replica. All replicas share one durable consumer; one of
// them sweeps.
type Dispatcher struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	ledger   Ledger
	queue    Queue
	o        Options
	pace     pace
	log      zerolog.Logger
	metrics  *metrics
	pressure *pressure
	sweeper  *sweep.Sweeper

	consuming, draining atomic.Bool
	missing             atomic.Bool // the consumer is gone from the server
	inHand              pull.Hand
}

// New joins the parts of a dispatcher. It makes no request.
func New(nc *nats.Conn, js jetstream.JetStream, l Ledger, q Queue, o Options) *Dispatcher {
	o = o.withDefaults()
	d := &Dispatcher{
		nc: nc, js: js, ledger: l, queue: q, o: o, pace: usualPace,
		log:     o.Log,
		metrics: newMetrics(o.Registerer),
	}
	d.pressure = newPressure(d)
	d.sweeper = sweep.New(js, l, q, d.driveNow, sweep.Options{
		Instance: o.Instance, Log: d.log, Times: o.Times,
		// A worker may have taken the message just before it fell due; only after
		// its AckWait and some seconds more is silence a sign.
		Grace: o.AckWait + min(5*time.Second, o.SweepEvery),
		Every: o.SweepEvery, LeaseFor: o.LeaseFor, Now: o.Now,
		Looked: d.metrics.looked.Add, Found: d.metrics.found.Add, Round: d.metrics.round.SetToCurrentTime,
	})
	watchSweeper(o.Registerer, d.sweeper.Leading)
	return d
}

// Ready returns nil while orders are being taken, or not taken on purpose
// because of a backlog; otherwise it says what is missing.
func (d *Dispatcher) Ready() error {
	switch {
	case d.draining.Load():
		return errors.New("draining")
	case d.missing.Load():
		return errors.New("the consumer of orders is missing: run `beltline setup`")
	case !d.consuming.Load():
		return errors.New("not consuming orders yet")
	case !d.nc.IsConnected():
		return errors.New("not connected to NATS")
	default:
		return nil
	}
}

// Run takes orders, sweeps and answers questions until ctx ends. Then it stops
// pulling, gives back what it has not begun, and waits up to DrainFor for what
// it has; whatever is still open then comes back to another replica. The error
// is not nil only if it could not begin.
func (d *Dispatcher) Run(ctx context.Context) error {
	consumer, err := d.open(ctx)
	if err != nil {
		return fmt.Errorf("dispatcher: %w", err)
	}
	reader := orders.NewReader(d.nc, d.js, d.ledger, d.log)
	stopServices, err := d.serve(reader)
	if err != nil {
		return fmt.Errorf("dispatcher: %w", err)
	}
	// What is in hand outlives ctx: an order that was accepted wants its command.
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	go d.inHand.Beat(work, max(consumer.CachedInfo().Config.AckWait/3, time.Millisecond))
	var loops sync.WaitGroup
	loops.Go(func() { d.pressure.watch(ctx) })
	loops.Go(func() { d.sweeper.Run(ctx) })
	loops.Go(func() { d.intake(ctx, work, consumer) })
	loops.Go(func() { newAside(d).run(ctx, work) })
	loops.Go(func() { reader.Run(ctx) })
	if d.o.Registerer != nil {
		loops.Go(func() { reader.Count(ctx, d.o.Registerer) })
		loops.Go(func() { newStock(d).run(ctx) })
	}
	loops.Wait()
	d.draining.Store(true)
	stopServices()
	d.drain(abandon)
	return nil
}

// serve begins to answer the tenants and the operators.
func (d *Dispatcher) serve(reader *orders.Reader) (stop func(), err error) {
	tenants, err := orders.Serve(d.nc, reader, orders.Options{Log: d.log})
	if err != nil {
		return nil, err
	}
	operators, err := operator.Serve(d.nc, d.js, d.ledger, reader, operator.Options{
		Log: d.log, Drive: d.driveNow, Times: d.o.Times, Now: d.o.Now,
	})
	if err != nil {
		tenants.Stop()
		return nil, err
	}
	return func() { tenants.Stop(); operators.Stop() }, nil
}

// open finds the consumer. What setup has not made is an error; what does not
// answer is waited for.
func (d *Dispatcher) open(ctx context.Context) (jetstream.Consumer, error) {
	for {
		c, err := d.js.Consumer(ctx, messages.StreamOrders, topology.DispatcherConsumer)
		switch {
		case err == nil:
			return c, nil
		case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrConsumerNotFound):
			return nil, fmt.Errorf("%w (consumer %s of %s)", topology.ErrNotSetUp, topology.DispatcherConsumer, messages.StreamOrders)
		}
		d.log.Warn().Err(err).Msg("orders stream did not answer yet")
		if !pause(ctx, d.pace.trouble) {
			return nil, context.Cause(ctx)
		}
	}
}

func (d *Dispatcher) drain(abandon func()) {
	done := make(chan struct{})
	go func() { d.inHand.Wait(); close(done) }()
	timer := time.NewTimer(d.o.DrainFor)
	defer timer.Stop()
	select {
	case <-done:
		d.log.Info().Msg("dispatcher drained")
	case <-timer.C:
		d.log.Warn().Msg("dispatcher stopped with messages in hand; they will be delivered again")
		abandon()
		<-done
	}
}

// pause waits for t and reports whether ctx is still alive.
func pause(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
