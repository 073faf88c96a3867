package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/pull"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// Ledger is what the worker needs of the ledger.
type Ledger interface {
	Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error)
	Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error)
	At(ctx context.Context, seq uint64) (*ledger.Entry, error)
	History(ctx context.Context, tenant, orderID string) ([]ledger.Entry, error)
	NextOf(ctx context.Context, seq uint64, p messages.Provider, typ messages.Type) (*ledger.Entry, error)
}

// Queue is what the worker needs of the command queue.
type Queue interface {
	Send(ctx context.Context, p messages.Provider, v messages.Verb, c messages.Command) error
	Schedule(ctx context.Context, p messages.Provider, v messages.Verb, c messages.Command, at time.Time) error
	Bury(ctx context.Context, subject string, body []byte, reason messages.Reason, cause, origin, orderID string) error
}

// Fence says whether the ledger is the one that is remembered. Nothing is
// bought while it is not.
type Fence interface {
	// Allows returns nil while an intent may be written. It makes no request.
	Allows() error
	// Wait blocks while buying is stopped; false when ctx ended.
	Wait(ctx context.Context) bool
	// Halted returns a context that ends when buying is stopped.
	Halted() context.Context
	// Held reports whether an order, by its last event, may have been bought by
	// what the ledger has lost. It calls history only where that event cannot tell.
	Held(last *ledger.Entry, history func() ([]ledger.Entry, error)) (bool, error)
	// Surprised is told of a provider that knows what the ledger does not.
	Surprised(ctx context.Context, told string)
}

// Options configure a [Worker]. All are required unless said otherwise.
type Options struct {
	Provider  messages.Provider
	Instance  string // names this process in intents and in the lane
	Namespace string // of references, from topology
	// MaxInFlight is how many orders are placed, and how many are followed, at once.
	MaxInFlight int
	// Timeout < Lease < AckWait < HoldDown: the order that design keeps.
	Timeout, Lease, AckWait, HoldDown time.Duration
	// Window is that of the provider's rate limit; 0 is the documented one.
	Window time.Duration
	// AbsenceWait bounds how long a doubt is worked on before the operator is asked.
	AbsenceWait time.Duration
	Times       order.Times
	// Fence is asked before each intent; nil for none.
	Fence Fence
	// DrainFor bounds how long Run waits for calls in flight; 0 is Lease.
	DrainFor time.Duration
	Log      zerolog.Logger
	// Registerer takes the worker's metrics; nil for none.
	Registerer prometheus.Registerer
	// Now is the clock; nil for the system's.
	Now func() time.Time
}

// Worker fulfils the orders of one provider.
type Worker struct {
	o        Options
	reg      providers.Registration
	js       jetstream.JetStream
	ledger   Ledger
	queue    Queue
	provider providers.Provider
	limiter  ratelimit.Limiter
	lane     *gate
	suspects *suspects
	passage  *passage
	metrics  *metrics
	log      zerolog.Logger
	inHand   pull.Hand
	kv       jetstream.KeyValue // the bucket, once Run has found it
	turns    turnBook
	// withdrawals are intents under which nothing was sent, as only this process knows.
	withdrawals withdrawals

	stopping  context.Context // ends with Run's: nothing new is begun
	consuming atomic.Int32    // consumers that are being read
	missing   atomic.Int32    // of them, those that are gone from the server
}

// New joins the parts of a worker. It makes no request.
func New(js jetstream.JetStream, l Ledger, q Queue, p providers.Provider, limiter ratelimit.Limiter, o Options) (*Worker, error) {
	reg, ok := providers.Lookup(o.Provider)
	if !ok {
		return nil, fmt.Errorf("worker: unknown provider %q", o.Provider)
	}
	if o.Timeout <= 0 || o.Lease <= o.Timeout || o.AckWait <= o.Lease || o.HoldDown <= o.AckWait {
		return nil, fmt.Errorf("worker: times must rise: time-out %s, lease %s, ack wait %s, hold-down %s",
			o.Timeout, o.Lease, o.AckWait, o.HoldDown)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.DrainFor <= 0 {
		o.DrainFor = o.Lease
	}
	if o.Window <= 0 {
		o.Window = reg.RateLimit.Window
	}
	if o.Fence == nil {
		o.Fence = noFence{}
	}
	o.MaxInFlight = max(o.MaxInFlight, 1)
	w := &Worker{
		o: o, reg: reg, js: js, ledger: l, queue: q, provider: p, limiter: limiter, metrics: newMetrics(o.Registerer, o.Provider),
		log: o.Log.With().Str(logkey.Provider, string(o.Provider)).Logger(),
	}
	w.stopping = context.Background()
	w.suspects = newSuspects(o.Provider, o.MaxInFlight)
	w.passage = newPassage(2*o.MaxInFlight, w.log) // as many as both consumers hand over
	w.lane = newGate(js, o, w.log, w.metrics)
	return w, nil
}

// Ready returns nil while both consumers are being read, and says what is
// missing otherwise.
func (w *Worker) Ready() error {
	switch {
	case w.consuming.Load() < 2:
		return errors.New("not consuming commands")
	case w.missing.Load() > 0:
		return errors.New("a consumer of commands is missing: run `beltline setup`")
	default:
		return nil
	}
}

// Run fulfils orders until ctx ends. Then it begins nothing more, gives back
// what it has not begun, and waits up to DrainFor for the calls in flight to be
// recorded; what is still open then is left to its lease.
func (w *Worker) Run(ctx context.Context) error {
	// Work in hand outlives ctx: a purchase that was made must be recorded.
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	w.stopping = ctx
	place, follow, stopLane, err := w.open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it began
		}
		return err
	}
	defer stopLane()
	go w.inHand.Beat(work, w.o.AckWait/3)
	var loops sync.WaitGroup
	loops.Go(func() { w.consume(ctx, work, place, true) })
	loops.Go(func() { w.consume(ctx, work, follow, false) })
	loops.Wait()
	w.drain(abandon)
	return nil
}

// open finds everything that Run needs before anything is begun. What setup
// has not made is an error; what does not answer is waited for.
func (w *Worker) open(ctx context.Context) (place, follow jetstream.Consumer, stopLane func(), err error) {
	for {
		place, follow, stopLane, err = w.find(ctx)
		missing := errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) ||
			errors.Is(err, jetstream.ErrStreamNotFound)
		switch {
		case missing:
			return nil, nil, nil, fmt.Errorf("%w; run `beltline setup`", err)
		case err == nil, ctx.Err() != nil:
			return place, follow, stopLane, err
		}
		w.log.Warn().Err(err).Msg("NATS did not answer yet")
		pause(ctx, time.Second)
	}
}

// find looks once for what Run needs.
func (w *Worker) find(ctx context.Context) (place, follow jetstream.Consumer, stopLane func(), err error) {
	kv, err := w.js.KeyValue(ctx, messages.Bucket)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("worker: bucket %s: %w", messages.Bucket, err)
	}
	w.kv, w.suspects.kv = kv, kv
	for _, c := range []struct {
		name string
		into *jetstream.Consumer
	}{{w.o.Provider.PlaceConsumer(), &place}, {w.o.Provider.FollowConsumer(), &follow}} {
		if *c.into, err = w.js.Consumer(ctx, messages.StreamCommands, c.name); err != nil {
			return nil, nil, nil, fmt.Errorf("worker: consumer %s: %w", c.name, err)
		}
	}
	stopLane, err = w.lane.start(ctx, kv)
	return place, follow, stopLane, err
}

// drain waits for work in hand, and abandons it after DrainFor: the lease then
// tells the other replicas when they may look at it. A call that hangs is not
// waited for longer, nor is it cut: its answer may still come in time to be
// recorded by what is left of this process.
func (w *Worker) drain(abandon func()) {
	done := make(chan struct{})
	go func() { w.inHand.Wait(); close(done) }()
	end := min(w.o.DrainFor/10, 500*time.Millisecond) // for what stops when it is abandoned
	abandoned := time.AfterFunc(w.o.DrainFor-end, abandon)
	defer abandoned.Stop()
	timer := time.NewTimer(w.o.DrainFor)
	defer timer.Stop()
	select {
	case <-done:
		w.log.Info().Msg("worker drained")
	case <-timer.C:
		w.log.Warn().Msg("worker stopped with calls in flight; their leases cover them")
	}
}
