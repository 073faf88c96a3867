package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// Lane states. A lane without a key is open.
const (
	laneOpen    = "open"
	laneClosed  = "closed"
	laneProbing = "probing"
)

// longestClosure bounds the growing time for which a lane closes again after
// each probe that found nothing better.
const longestClosure = time.Minute

// laneState is the value of the KV key lane.<provider>.
type laneState struct {
	V       int       `json:"v"`
	State   string    `json:"state"`
	Reason  string    `json:"reason,omitempty"` // the provider's code
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`        // closed: the next probe; probing: the end of the prober's time
	By      string    `json:"by,omitempty"` // the instance that wrote it
	Times   int       `json:"times,omitempty"`
}

// lane is the provider's lane as this replica sees it. It closes for all
// replicas when our account at the provider refuses, so that orders wait
// instead of being burnt one by one; when its time is over one replica probes
// it with one order. All changes are compare-and-set on the KV key.
type lane struct {
	key        string
	instance   string
	first      time.Duration // of the first closure
	probeFor   time.Duration
	now        func() time.Time
	log        zerolog.Logger
	metrics    *metrics
	kv         jetstream.KeyValue
	mu         sync.Mutex
	state      laneState
	revision   uint64
	changed    chan struct{}      // closed and replaced at each change
	closeCtx   context.Context    // ends when the lane is seen not to be open
	closeFn    context.CancelFunc //
	probeWasOK bool
}

func newLane(o Options, log zerolog.Logger, m *metrics) *lane {
	l := &lane{
		key: o.Provider.LaneKey(), instance: o.Instance, first: max(o.Times.PollFirst, time.Millisecond),
		probeFor: o.AckWait, now: o.Now, log: log, metrics: m, changed: make(chan struct{}),
		state: laneState{State: laneOpen},
	}
	l.closeCtx, l.closeFn = context.WithCancel(context.Background())
	return l
}

// start follows the key until the returned function is called. It returns once
// the present value is known, so that no order is placed in ignorance of it.
func (l *lane) start(ctx context.Context, kv jetstream.KeyValue) (stop func(), err error) {
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
			l.take(entry)
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

// take adopts a value of the key, unless a newer one is known.
func (l *lane) take(entry jetstream.KeyValueEntry) {
	s := laneState{State: laneOpen}
	if entry.Operation() == jetstream.KeyValuePut {
		if err := json.Unmarshal(entry.Value(), &s); err != nil {
			l.log.Error().Err(err).Msg("the lane cannot be read; it is taken for closed")
			s = laneState{State: laneClosed, Reason: "unreadable", Until: l.now().Add(longestClosure)}
		}
	}
	l.adopt(s, entry.Revision())
}

func (l *lane) adopt(s laneState, revision uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if revision <= l.revision {
		return
	}
	was := l.state.State
	l.state, l.revision = s, revision
	close(l.changed)
	l.changed = make(chan struct{})
	if s.State == laneOpen {
		if l.closeCtx.Err() != nil {
			l.closeCtx, l.closeFn = context.WithCancel(context.Background())
		}
		l.metrics.laneClosed.Set(0)
	} else {
		l.closeFn()
		l.metrics.laneClosed.Set(1)
	}
	if was != s.State {
		l.log.Warn().Str(logkey.Lane, s.State).Str(logkey.Reason, s.Reason).Str(logkey.Instance, s.By).Time(logkey.Until, s.Until).Msg("lane changed")
	}
}

func (l *lane) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.State == laneOpen
}

// closedUntil is when the lane may be tried next; zero for an open lane.
func (l *lane) closedUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.State == laneOpen {
		return time.Time{}
	}
	return l.state.Until
}

// closing returns a context that ends when the lane stops being open.
func (l *lane) closing() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closeCtx
}

// wait blocks until the lane is open, or closed with its time over so that it
// may be probed; not ok when ctx ended.
func (l *lane) wait(ctx context.Context) (probe, ok bool) {
	for {
		l.mu.Lock()
		s, changed := l.state, l.changed
		l.mu.Unlock()
		if s.State == laneOpen {
			return false, ctx.Err() == nil
		}
		left := s.Until.Sub(l.now())
		if left <= 0 {
			return true, ctx.Err() == nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			timer.Stop()
			return false, false
		}
		timer.Stop()
	}
}

// tryProbe takes the lane for one probe; false if another replica was faster.
func (l *lane) tryProbe(ctx context.Context) bool {
	l.mu.Lock()
	s, revision := l.state, l.revision
	l.probeWasOK = false
	l.mu.Unlock()
	now := l.now()
	if s.State == laneOpen || now.Before(s.Until) {
		return false
	}
	s.State, s.By, s.Until = laneProbing, l.instance, now.Add(l.probeFor)
	return l.put(ctx, s, revision) == nil
}

// good notes that the provider answered a probe as it would in good order.
func (l *lane) good(probe bool) {
	if probe {
		l.mu.Lock()
		l.probeWasOK = true
		l.mu.Unlock()
	}
}

// endProbe opens the lane after a good probe, and closes it again after one
// that found nothing out.
func (l *lane) endProbe(ctx context.Context) {
	l.mu.Lock()
	s, revision, ok := l.state, l.revision, l.probeWasOK
	l.mu.Unlock()
	if s.State != laneProbing || s.By != l.instance {
		return // closed again by the probe itself, or taken over
	}
	now := l.now()
	if ok {
		s = laneState{State: laneOpen, By: l.instance, Since: now}
	} else {
		s.State, s.Until = laneClosed, now.Add(l.closure(s.Times))
	}
	if err := l.put(ctx, s, revision); err != nil {
		l.log.Debug().Err(err).Msg("the lane was changed by another replica")
	}
}

func (l *lane) closure(times int) time.Duration {
	return min(l.first<<min(times, 16), max(longestClosure, l.first))
}

// close closes the lane for all replicas. A lane that is closed already stays
// as it is: the answers of a whole burst must not add up.
func (l *lane) close(ctx context.Context, cause *providers.Error, after time.Duration) {
	for range 5 {
		l.mu.Lock()
		s, revision := l.state, l.revision
		l.mu.Unlock()
		now := l.now()
		if s.State == laneClosed && now.Before(s.Until) || s.State == laneProbing && s.By != l.instance {
			return
		}
		times := s.Times + 1
		if s.State == laneOpen {
			times = 0
		}
		next := laneState{
			V: messages.Version, State: laneClosed, Reason: cause.Code, Message: cause.Message,
			Since: messages.Stamp(now), Until: now.Add(max(after, l.closure(times))), By: l.instance, Times: times,
		}
		err := l.put(ctx, next, revision)
		if err == nil {
			l.log.Error().Str(logkey.Reason, cause.Code).Time(logkey.Until, next.Until).
				Msg("lane closed: our account at the provider refuses; orders wait until a probe finds it well again")
			return
		}
		if !errors.Is(err, jetstream.ErrKeyExists) {
			l.log.Warn().Err(err).Msg("the lane could not be closed")
			return
		}
		l.refresh(ctx)
	}
}

// put writes the state by compare-and-set and adopts it.
func (l *lane) put(ctx context.Context, s laneState, revision uint64) error {
	s.V = messages.Version
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	var next uint64
	if revision == 0 {
		next, err = l.kv.Create(ctx, l.key, value)
	} else {
		next, err = l.kv.Update(ctx, l.key, value, revision)
	}
	if err != nil {
		return err
	}
	l.adopt(s, next)
	return nil
}

// refresh reads the key, for a writer that lost against another.
func (l *lane) refresh(ctx context.Context) {
	if entry, err := l.kv.Get(ctx, l.key); err == nil {
		l.take(entry)
	}
}
