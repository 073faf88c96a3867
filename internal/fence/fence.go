package fence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Errors that callers branch on.
var (
	// ErrStopped is returned while nothing may be bought: the ledger is not the one
	// that is remembered, or looks like that.
	ErrStopped = errors.New("buying is stopped")
	// ErrUnsure is returned while the ledger has not been looked at since this
	// process connected. It passes within moments.
	ErrUnsure = errors.New("the ledger was not looked at yet since the connection was made")
)

// Options configure a [Fence]. Zero values take the default in brackets.
type Options struct {
	Instance string // names this process to the others
	Log      zerolog.Logger
	// Every is the time between two looks at the ledger [1s].
	Every time.Duration
	// Confirm is how long the ledger must look wrong before all are stopped [2s].
	// This process stops at the first sight.
	Confirm time.Duration
	// Hearing is how long nothing is bought after this process met another server
	// than before [2s]: what the server has lost, another process may know that is
	// still on its way back to it.
	Hearing time.Duration
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
}

// lookFor bounds one look.
const lookFor = 5 * time.Second

// leastLooks is how many looks in a row must find something, unless what they
// find is certain: a leader that was elected just now may not have caught up.
const leastLooks = 3

// Fence is the fence of one process.
type Fence struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	o       Options
	log     zerolog.Logger
	metrics *metrics
	memory  memory
	soon    chan struct{} // look now

	mu      sync.Mutex
	kv      jetstream.KeyValue // the bucket, once it was found
	state   State              // the latest that is known
	suspect *suspicion         // nil while nothing speaks against the ledger
	sound   bool               // a look has passed since everything was forgotten
	checked uint64             // number of the connection that the last look began on
	end     ending             // of the ledger at the last look
	server  string             // which one was met
	met     time.Time          // when, if it was another one before
	changed chan struct{}
	halted  context.Context // ends when buying is stopped
	halt    context.CancelFunc
}

// ending is where the ledger ended at a look.
type ending struct{ connection, seq uint64 }

// suspicion is what the last looks have found.
type suspicion struct {
	finding
	since time.Time
	looks int
	told  uint64 // revision of our word to the others; 0 for none
}

// New makes a fence that allows nothing until [Fence.Run] has looked.
func New(nc *nats.Conn, js jetstream.JetStream, o Options) *Fence {
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if o.Confirm <= 0 {
		o.Confirm = 2 * time.Second
	}
	if o.Hearing <= 0 {
		o.Hearing = 2 * time.Second
	}
	f := &Fence{
		nc: nc, js: js, o: o, log: o.Log.With().Str(logkey.Part, "fence").Logger(), metrics: newMetrics(o.Registerer),
		soon: make(chan struct{}, 1), changed: make(chan struct{}),
	}
	f.halted, f.halt = context.WithCancel(context.Background())
	return f
}

// Run looks at the ledger until ctx ends.
func (f *Fence) Run(ctx context.Context) {
	connected := f.nc.StatusChanged(nats.CONNECTED)
	defer f.nc.RemoveStatusListener(connected)
	for told := false; ctx.Err() == nil; {
		err := f.lookUnlessLost(ctx)
		if err != nil && ctx.Err() == nil && !told {
			f.log.Warn().Err(err).Msg("ledger could not be compared with what is remembered of it; it is tried again")
		}
		told = err != nil
		timer := time.NewTimer(f.pace())
		select {
		case <-timer.C:
		case <-connected:
		case <-f.soon:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// lookUnlessLost gives up a look whose answers cannot come any more, instead of
// waiting for them while nothing may be bought.
func (f *Fence) lookUnlessLost(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	lost := f.nc.StatusChanged(nats.RECONNECTING)
	defer f.nc.RemoveStatusListener(lost)
	done := make(chan error, 1)
	go func() { done <- f.look(ctx) }()
	select {
	case err := <-done:
		return err
	case <-lost:
		cancel()
		return <-done
	}
}

// pace is the time until the next look: short while somebody may be waiting.
func (f *Fence) pace() time.Duration {
	if f.Allows() == nil || f.State().Tripped {
		return f.o.Every
	}
	return min(f.o.Every, f.o.Confirm/4)
}

// connection numbers the connections of this process. It is raised before
// anything is sent or received on a new one.
func (f *Fence) connection() uint64 { return f.nc.Stats().Reconnects }

// Allows returns nil while this process may buy. It makes no request.
func (f *Fence) Allows() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case mutant.Is("M20"):
		return nil
	case f.state.Tripped:
		return fmt.Errorf("%w since %s: %s", ErrStopped, f.state.Since.Format(time.RFC3339), f.state.Found)
	case f.suspect != nil:
		return fmt.Errorf("%w until it has been looked at again: %s", ErrStopped, f.suspect.text)
	case !f.sound || f.connection() != f.checked:
		return ErrUnsure
	default:
		return nil
	}
}

// Wait blocks while buying is stopped; false when ctx ended.
func (f *Fence) Wait(ctx context.Context) bool {
	for {
		changed := f.change()
		f.mu.Lock()
		sound := f.sound || mutant.Is("M20")
		f.mu.Unlock()
		if err := f.Allows(); err == nil || sound && errors.Is(err, ErrUnsure) {
			return ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// Halted returns a context that ends when buying is stopped.
func (f *Fence) Halted() context.Context {
	if mutant.Is("M20") {
		return context.Background()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.halted
}

// State is what is known of the fence.
func (f *Fence) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// Ready returns nil while this process may buy, and says why not otherwise. A
// look that is under way is no reason to say anything.
func (f *Fence) Ready() error {
	err := f.Allows()
	if errors.Is(err, ErrUnsure) && f.seen() {
		return nil
	}
	return err
}

func (f *Fence) seen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sound
}

func (f *Fence) change() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *Fence) lookSoon() {
	select {
	case f.soon <- struct{}{}:
	default:
	}
}

// Surprised stops everything because a provider knows an order that the ledger
// has never placed: told says which, without anything secret.
func (f *Fence) Surprised(ctx context.Context, told string) {
	f.trip(ctx, finding{why: Surprise, certain: true, text: told})
}

// update changes what is known under the lock, and tells those who wait.
func (f *Fence) update(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	stopped := f.state.Tripped || f.suspect != nil
	switch {
	case stopped:
		f.halt()
	case f.halted.Err() != nil:
		f.halted, f.halt = context.WithCancel(context.Background())
	}
	f.metrics.show(f.state.Tripped, stopped)
	close(f.changed)
	f.changed = make(chan struct{})
}

// heard reports whether the others had time to say what they know since this
// process met another server.
func (f *Fence) heard(server string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if server != f.server && server != "" {
		if f.server != "" {
			f.met = time.Now()
		}
		f.server = server
	}
	return f.met.IsZero() || time.Since(f.met) >= f.o.Hearing
}

// pass notes that nothing speaks against the ledger, and returns the suspicion
// that there was.
func (f *Fence) pass(connection uint64, now Ledger, heard bool) (was *suspicion) {
	f.memory.passed(connection, now)
	f.update(func() {
		was, f.suspect, f.sound = f.suspect, nil, true
		if heard {
			f.checked = connection
		}
	})
	if was != nil {
		f.log.Warn().Str(logkey.Reason, was.text).Msg("ledger looked wrong for a moment; buying goes on")
	}
	return was
}

// suspected stops this process, and reports whether all others are to be
// stopped now, or to be told that they might.
func (f *Fence) suspected(found finding) (confirmed, tell bool) {
	f.update(func() {
		if f.state.Tripped {
			return // all are stopped already
		}
		if f.suspect == nil {
			f.suspect = &suspicion{since: time.Now()}
			f.log.Warn().Str(logkey.Reason, found.text).Msg("ledger looks wrong; nothing is bought until it has been looked at again")
		}
		f.suspect.finding = found
		if found.hearsay {
			return
		}
		f.suspect.looks++
		confirmed = found.certain || f.suspect.looks >= leastLooks && time.Since(f.suspect.since) >= f.o.Confirm
		tell = !confirmed && f.suspect.told == 0
	})
	return confirmed, tell
}

// trip stops all buying until a person clears it.
func (f *Fence) trip(ctx context.Context, found finding) {
	var s State
	var was *suspicion
	first := false
	f.update(func() {
		was = f.suspect
		if first = !f.state.Tripped; first {
			f.state = State{
				V: messages.Version, N: f.state.N + 1, Tripped: true, Why: found.why, Found: found.text,
				Since: messages.Stamp(time.Now()), By: f.o.Instance, Cleared: f.state.Cleared,
			}
		}
		f.suspect, s = nil, f.state
	})
	if !first {
		return
	}
	f.log.Error().Str(logkey.Reason, string(s.Why)).Str("found", s.Found).
		Msg("buying stopped for all: the ledger is not the one that is remembered; see `beltline doctor`, and `beltline fence clear`")
	timed, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookFor)
	defer cancel()
	if err := f.publish(timed); err != nil {
		f.log.Error().Err(err).Msg("that buying is stopped could not be told to the others yet; it is tried again")
	} else {
		f.takeBack(timed, was)
	}
	f.lookSoon()
}
