package forget

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// atOnce is how many orders are exported, forgotten and erased together: their
// export is synced once, and the events of all are announced once.
const atOnce = 100

// Options says what is to be forgotten.
type Options struct {
	// By is who forgets; it stands in the tombstones.
	By string
	// OlderThan is how long ago the last event of an order must have been stored.
	OlderThan time.Duration
	// Tenant and Provider leave out the orders of all others; empty for all.
	Tenant   string
	Provider messages.Provider
	// Progress hears how far it has come; nil for nobody.
	Progress func(Progress)
	// Waits hears that another run holds the lease; nil for nobody.
	Waits func(by string)
	// Now is the clock [time.Now], and LeaseLasts how long a run that says nothing
	// is waited for [30s].
	Now        func() time.Time
	LeaseLasts time.Duration

	// at hears of each step, for tests that end there.
	at func(step string)
}

// Progress is how far a run has come.
type Progress struct {
	Doing      string // "reading", "checking", "forgetting"
	Done, Of   uint64
	Fault      error // of one order that was left as it is
	Tenant, ID string
}

// Eraser forgets orders of one ledger.
type Eraser struct {
	js     jetstream.JetStream
	ledger *ledger.Ledger
	stream jetstream.Stream
	kv     jetstream.KeyValue
	o      Options
	lease  *lease
	denied bool // single events cannot be deleted in this stream
	count  counter
}

// ErrDenied is returned by [Open] where the stream lets nobody erase anything.
var ErrDenied = errors.New("the stream " + messages.StreamEvents + " denies deleting and purging")

// Open looks at the ledger. It changes nothing.
func Open(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, o Options) (*Eraser, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.LeaseLasts <= 0 {
		o.LeaseLasts = 30 * time.Second
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Waits == nil {
		o.Waits = func(string) {}
	}
	if o.at == nil {
		o.at = func(string) {}
	}
	e := &Eraser{js: js, o: o}
	var err error
	if e.stream, err = js.Stream(ctx, messages.StreamEvents); err != nil {
		return nil, fmt.Errorf("forget: stream %s: %w", messages.StreamEvents, err)
	}
	config := e.stream.CachedInfo().Config
	if e.denied = config.DenyDelete; e.denied && config.DenyPurge {
		return nil, fmt.Errorf("forget: %w", ErrDenied)
	}
	if e.kv, err = js.KeyValue(ctx, messages.Bucket); err != nil {
		return nil, fmt.Errorf("forget: bucket %s: %w", messages.Bucket, err)
	}
	if e.ledger, err = ledger.Open(ctx, nc, js, ledger.Options{}); err != nil {
		return nil, fmt.Errorf("forget: %w", err)
	}
	return e, nil
}

// Close gives the lease up. It must be called once the work is done or given up.
func (e *Eraser) Close() {
	if e.lease != nil {
		e.lease.release()
	}
	e.ledger.Close()
}

// Overwrites reports whether what is erased is overwritten on the disk at once.
// In a stream with deny_delete the bytes stay until the server rewrites or
// removes the block that they are in.
func (e *Eraser) Overwrites() bool { return !e.denied }

// Summary is what a run has done.
type Summary struct {
	Forgotten int    // orders
	Kept      int    // orders that have moved, or must be kept after all
	Failed    int    // orders that could not be read or exported
	Erased    uint64 // events
	// Finished are orders that an earlier run had forgotten and not erased.
	Finished int
}

// Run forgets what was found and is not kept, and erases what earlier runs have
// left behind. It needs the lease. When ctx ends it stops between two steps, and
// the next run goes on.
func (e *Eraser) Run(ctx context.Context, found *Found, export *Export) (s Summary, err error) {
	if e.lease == nil {
		return s, errNoLease
	}
	if len(found.left) > 0 {
		erased, err := e.erase(ctx, found.left)
		s.Erased += erased
		if err != nil {
			return s, fmt.Errorf("forget: %w", err)
		}
		s.Finished = len(found.left)
	}
	all := found.orders
	for i := 0; i < len(all); i += atOnce {
		if ctx.Err() != nil {
			return s, fmt.Errorf("forget: %w", context.Cause(ctx))
		}
		if err := e.batch(ctx, all[i:min(i+atOnce, len(all))], export, &s); err != nil {
			return s, fmt.Errorf("forget: %w", err)
		}
		e.o.Progress(Progress{Doing: "forgetting", Done: uint64(min(i+atOnce, len(all))), Of: uint64(len(all))}) //nolint:gosec // at most the number of orders
	}
	return s, nil
}

// batch exports some orders, forgets them and erases their events. The order of
// the steps is the promise of the package.
func (e *Eraser) batch(ctx context.Context, rows []*row, export *Export, s *Summary) error {
	if err := e.lease.check(ctx); err != nil {
		return err
	}
	type exported struct {
		row       *row
		last      ledger.Entry
		tombstone *messages.Event
	}
	var ready []exported
	for _, r := range rows {
		history, tombstone, err := e.examine(ctx, r)
		if err == nil {
			err = export.Write(r.tenant, r.id, history)
			if err != nil {
				return err // a file that takes one order no more takes no other
			}
		}
		switch {
		case err == nil:
			r.seqs = seqsOf(history)
			ready = append(ready, exported{r, history[len(history)-1], tombstone})
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, order.ErrKept):
			s.Kept++
		default:
			s.Failed++
			e.o.Progress(Progress{Fault: err, Tenant: r.tenant, ID: r.id})
		}
	}
	e.o.at("export")
	if err := export.Sync(); err != nil {
		return err
	}
	var forgotten []*row
	for _, x := range ready {
		e.o.at("tombstone")
		seq, err := e.bury(ctx, x.tombstone, x.last.Seq)
		switch {
		case err == nil:
			x.row.tombstone = seq
			forgotten = append(forgotten, x.row)
			s.Forgotten++
		case errors.Is(err, ledger.ErrConflict):
			s.Kept++ // it has moved: what is exported of it is not all
		default:
			return err // those that are forgotten by now are erased by the next run
		}
	}
	erased, err := e.erase(ctx, forgotten)
	s.Erased += erased
	return err
}

// bury stores a tombstone. It goes on for a while after ctx has ended: one that
// is stored after the next run has looked would not be counted by it.
func (e *Eraser) bury(ctx context.Context, tombstone *messages.Event, expected uint64) (uint64, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*once)
	defer cancel()
	return e.ledger.Append(ctx, tombstone, expected)
}

// examine reads the whole order and makes its tombstone.
func (e *Eraser) examine(ctx context.Context, r *row) ([]ledger.Entry, *messages.Event, error) {
	history, err := e.ledger.History(ctx, r.tenant, r.id)
	if err != nil {
		return nil, nil, err
	}
	for i := range history {
		if history[i].Event.N != uint64(i)+1 {
			return nil, nil, fmt.Errorf("event %d of %s/%s is missing: what is not whole is not forgotten", i+1, r.tenant, r.id)
		}
	}
	last := history[len(history)-1]
	if last.Seq != r.last() {
		return nil, nil, fmt.Errorf("%w: it has moved", order.ErrKept)
	}
	tombstone, err := order.Forget(last.Event, e.o.Now(), e.o.By)
	if err != nil {
		return nil, nil, err
	}
	return history, tombstone, nil
}

func seqsOf(history []ledger.Entry) (all []uint64) {
	for i := range history {
		all = append(all, history[i].Seq)
	}
	return all
}
