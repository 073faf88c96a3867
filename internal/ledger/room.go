package ledger

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Fill says how full the stream is, as far as this process knows.
type Fill struct {
	Used  uint64 // bytes
	Limit uint64 // bytes; 0 where the stream has no limit
}

// Intake reports whether orders and intents are still taken: the last fifth is
// kept for outcomes, because a purchase that cannot be recorded is worse than
// one that was not made.
func (f Fill) Intake() bool { return f.Limit == 0 || f.Used <= f.Limit/5*4 }

// Fill returns the present fill. The dispatcher stops taking orders by it,
// instead of taking one and having nowhere to put it.
func (l *Ledger) Fill() Fill { return l.room.fill() }

// keepsFree reports whether events of this type must leave the reserve alone.
func keepsFree(t messages.Type) bool {
	return t == messages.Accepted || t == messages.Rejected || t == messages.Placing
}

// room estimates the fill between two looks at the stream: what the server
// said, what was stored since, and what this process has on the way. The
// acknowledgements of our own events tell how many events all processes have
// stored since; those that are not ours are taken for as long as events are on
// the average.
type room struct {
	limit, base     atomic.Uint64
	since, underway atomic.Int64
	ours            atomic.Int64  // our events among those since the last look
	first, last     atomic.Uint64 // sequences: the last one then, and the last one we know of
	average         atomic.Int64  // bytes of an event
}

func (r *room) fill() Fill {
	used := int64(r.base.Load()) + r.since.Load() + r.underway.Load() + r.others() //nolint:gosec // no stream has 2^63 bytes
	return Fill{Used: uint64(max(used, 0)), Limit: r.limit.Load()}
}

// others is about how much other processes have stored since the last look.
func (r *room) others() int64 {
	events := int64(r.last.Load()) - int64(r.first.Load()) - r.ours.Load() //nolint:gosec // no stream has 2^63 events
	return max(events, 0) * r.average.Load()
}

// stored counts an event of ours.
func (r *room) stored(seq, size uint64) {
	r.since.Add(int64(size)) //nolint:gosec // at most 256 KB
	r.ours.Add(1)
	for known := r.last.Load(); known < seq && !r.last.CompareAndSwap(known, seq); known = r.last.Load() {
	}
}

// admits reports whether size more bytes would leave the reserve alone.
func (r *room) admits(size uint64) bool {
	f := r.fill()
	f.Used += size
	return f.Intake()
}

func (r *room) begin(size uint64) { r.underway.Add(int64(size)) }  //nolint:gosec // at most 256 KB
func (r *room) end(size uint64)   { r.underway.Add(-int64(size)) } //nolint:gosec // at most 256 KB

// measure asks the server for the fill.
func (l *Ledger) measure(ctx context.Context) error {
	ctx, release := l.link.bind(ctx, l.opts.Timeout)
	defer release()
	counted, ours := l.room.since.Load(), l.room.ours.Load() // before the question, so that the answer has it all
	stream, err := l.js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	l.room.limit.Store(uint64(max(info.Config.MaxBytes, 0)))
	l.room.base.Store(info.State.Bytes)
	if n := info.State.Msgs; n > 0 {
		l.room.average.Store(int64(info.State.Bytes / n)) //nolint:gosec // at most 256 KB
	}
	l.room.first.Store(info.State.LastSeq)
	l.room.since.Add(-counted)
	l.room.ours.Add(-ours)
	return nil
}

// keepMeasuring looks at the fill until the ledger is closed. While the server
// does not answer, the last figure and our own count stand.
func (l *Ledger) keepMeasuring(ctx context.Context) {
	tick := time.NewTicker(l.opts.FillInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if l.nc.IsClosed() {
			return
		}
		if err := l.measure(ctx); err != nil && ctx.Err() == nil {
			l.opts.Log.Warn().Err(err).Msg("fill of the events stream was not measured")
		}
	}
}

// storedSize is about what the store needs for m: subject, headers and body,
// and 64 bytes for the record around them.
func storedSize(m *nats.Msg) uint64 {
	n := 64 + len(m.Subject) + len(m.Data)
	for k, values := range m.Header {
		for _, v := range values {
			n += len(k) + len(v) + len(": \r\n")
		}
	}
	return uint64(n)
}

// String renders the fill for a log line or an operator.
func (f Fill) String() string {
	if f.Limit == 0 {
		return fmt.Sprintf("%d bytes, no limit", f.Used)
	}
	return fmt.Sprintf("%d of %d bytes", f.Used, f.Limit)
}
