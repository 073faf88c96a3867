package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/pkg/messages"
)

// finding is what a probe has found out about our account so far.
type finding uint8

const (
	nothing finding = iota // no order of the probe has come to an answer that tells
	well                   // the provider took an order
	unclear                // asked, and not the wiser: not now
)

// longestClosure bounds the growing time for which a lane closes again after
// each probe that found nothing better.
const longestClosure = time.Minute

// gate is the provider's lane as this replica sees it. It closes for all
// replicas when our account at the provider refuses, so that orders wait
// instead of being burnt one by one; when its time is over one replica probes
// it with one order. All changes are compare-and-set on the KV key.
type gate struct {
	key      string
	instance string
	first    time.Duration // of the first closure
	probeFor time.Duration
	now      func() time.Time
	log      zerolog.Logger
	metrics  *metrics
	kv       jetstream.KeyValue
	js       jetstream.JetStream
	provider messages.Provider

	sight sight

	mu       sync.Mutex
	state    lane.State
	revision uint64
	changed  chan struct{}      // closed and replaced at each change
	closeCtx context.Context    // ends when the lane is seen not to be open
	closeFn  context.CancelFunc //
	finding  finding            // of the probe that this replica makes
}

func newGate(js jetstream.JetStream, o Options, log zerolog.Logger, m *metrics) *gate {
	l := &gate{
		js: js, provider: o.Provider,
		key: o.Provider.LaneKey(), instance: o.Instance, first: max(o.Times.PollFirst, time.Millisecond),
		probeFor: o.AckWait, now: o.Now, log: log, metrics: m, changed: make(chan struct{}),
		state: lane.State{State: lane.Open},
	}
	l.closeCtx, l.closeFn = context.WithCancel(context.Background())
	return l
}

// start follows the key until the returned function is called. It returns once
// the present value is known, so that no order is placed in ignorance of it.
func (l *gate) start(ctx context.Context, kv jetstream.KeyValue) (stop func(), err error) {
	l.kv = kv
	watch, err := kv.Watch(ctx, l.key)
	if err != nil {
		return nil, fmt.Errorf("worker: lane: %w", err)
	}
	known := make(chan struct{})
	go func() {
		first := known
		for entry := range watch.Updates() {
			if entry == nil { // all that was there has been delivered
				if first != nil {
					close(first)
					first = nil
				}
				continue
			}
			l.adopt(l.decode(entry), entry.Revision(), false)
		}
	}()
	select {
	case <-known:
	case <-ctx.Done():
		_ = watch.Stop()
		return nil, ctx.Err()
	}
	return func() { _ = watch.Stop() }, nil
}

// decode reads a value of the key. What cannot be read is taken for closed.
func (l *gate) decode(entry jetstream.KeyValueEntry) lane.State {
	if entry.Operation() != jetstream.KeyValuePut {
		return lane.State{State: lane.Open}
	}
	s, ok := lane.Decode(entry.Value())
	if !ok {
		l.log.Error().Msg("the lane cannot be read; it is taken for closed")
		s.Until = l.now().Add(longestClosure)
	}
	return s
}

// adopt takes over what is newer than what is known. proven: a compare-and-set
// has just shown that this is the present value, though its revision is lower:
// the bucket was made anew, or the key was purged from it.
func (l *gate) adopt(s lane.State, revision uint64, proven bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if revision <= l.revision && !proven {
		return
	}
	was := l.state.State
	l.state, l.revision = s, revision
	close(l.changed)
	l.changed = make(chan struct{})
	l.metrics.laneIs(s)
	if s.State == lane.Open || mutant.Is("M23") {
		if l.closeCtx.Err() != nil {
			l.closeCtx, l.closeFn = context.WithCancel(context.Background())
		}
	} else {
		l.closeFn()
	}
	if was != s.State {
		l.log.Warn().Str(logkey.Lane, s.State).Str(logkey.Reason, s.Reason).Str(logkey.Instance, s.By).Time(logkey.Until, s.Until).Msg("lane changed")
	}
}

func (l *gate) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.State == lane.Open || mutant.Is("M23")
}

// isPaused reports whether the lane stays closed until somebody opens it.
func (l *gate) isPaused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Paused() && !mutant.Is("M23")
}

// closedUntil is when the lane may be tried next; zero for an open lane. A lane
// that only an operator opens is looked at again after a while.
func (l *gate) closedUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.state.State == lane.Open:
		return time.Time{}
	case l.state.Until.IsZero():
		return l.now().Add(longestClosure)
	default:
		return l.state.Until
	}
}

// closing returns a context that ends when the lane stops being open.
func (l *gate) closing() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closeCtx
}

// wait blocks until the lane is open, or closed with its time over so that it
// may be probed; not ok when ctx ended.
func (l *gate) wait(ctx context.Context) (probe, ok bool) {
	for {
		l.mu.Lock()
		s, changed := l.state, l.changed
		l.mu.Unlock()
		if s.State == lane.Open || mutant.Is("M23") {
			return false, ctx.Err() == nil
		}
		var over <-chan time.Time // never, where no time is set
		if !s.Until.IsZero() {
			left := s.Until.Sub(l.now())
			if left <= 0 {
				return true, ctx.Err() == nil
			}
			over = time.After(left)
		}
		select {
		case <-over:
		case <-changed:
		case <-ctx.Done():
			return false, false
		}
	}
}
