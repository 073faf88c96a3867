package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// tryProbe takes the lane for one probe; false if another replica was faster,
// or the lane is open again. A prober that dies is followed by the next when
// its time is over.
func (l *gate) tryProbe(ctx context.Context) bool {
	l.mu.Lock()
	l.finding = nothing
	l.mu.Unlock()
	won, err := l.change(ctx, func(s lane.State) (lane.State, bool) {
		now := l.now()
		if s.State == lane.Open || s.Until.IsZero() || now.Before(s.Until) {
			return s, false
		}
		s.State, s.By, s.Until = lane.Probing, l.instance, now.Add(l.probeFor)
		return s, true
	})
	if err != nil {
		l.log.Debug().Err(err).Msg("the lane could not be taken for a probe")
	}
	return won
}

// rest opens a lane that nothing waits behind, where only time had to pass.
func (l *gate) rest(ctx context.Context) {
	_, err := l.change(ctx, func(s lane.State) (lane.State, bool) { return s.Rested(l.instance, l.now()) })
	if err != nil {
		l.log.Debug().Err(err).Msg("the lane could not be opened; it is tried again")
	}
}

// probing reports whether this replica's probe goes on: it has found out
// nothing yet, and its time is not over.
func (l *gate) probing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ours(l.state) && l.finding == nothing && l.now().Before(l.state.Until)
}

func (l *gate) ours(s lane.State) bool { return s.State == lane.Probing && s.By == l.instance }

// found notes what a probe has found out. That our account is refused is not
// noted: it closes the lane.
func (l *gate) found(f finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finding = f
}

// endProbe opens the lane after a good probe, and closes it again after one
// that found nothing out.
func (l *gate) endProbe(ctx context.Context) {
	l.mu.Lock()
	f := l.finding
	l.mu.Unlock()
	_, err := l.change(ctx, func(s lane.State) (lane.State, bool) {
		if !l.ours(s) {
			return s, false // closed again by the probe itself, or taken over
		}
		now := l.now()
		switch f {
		case well:
			return lane.State{State: lane.Open, By: l.instance, Since: messages.Stamp(now)}, true
		case unclear:
			s.Until = now.Add(l.closure(s.Times))
		default:
			s.Until = now.Add(l.first)
		}
		s.State = lane.Closed
		return s, true
	})
	if err != nil {
		l.log.Debug().Err(err).Msg("the probe's end could not be written; its time runs out")
	}
}

func (l *gate) closure(times int) time.Duration {
	return min(l.first<<min(times, 16), max(longestClosure, l.first))
}

// close closes the lane for all replicas. A lane that is closed already stays
// as it is: the answers of a whole burst must not add up.
func (l *gate) close(ctx context.Context, cause *providers.Error, after time.Duration) {
	var next lane.State
	closed, err := l.change(ctx, func(s lane.State) (lane.State, bool) {
		now := l.now()
		if s.State == lane.Closed && (s.Until.IsZero() || now.Before(s.Until)) {
			// The provider's own word on how long counts also where it comes late.
			longer := after > 0 && !s.Until.IsZero() && s.Until.Before(now.Add(after))
			if s.Until = now.Add(after); longer {
				next = s
			}
			return s, longer
		}
		if s.State == lane.Probing && !l.ours(s) {
			return s, false
		}
		times := s.Times + 1
		if s.State == lane.Open {
			times = 0
		}
		next = lane.State{
			State: lane.Closed, Reason: cause.Code, Message: cause.Message,
			Since: messages.Stamp(now), Until: now.Add(max(after, l.closure(times))), By: l.instance, Times: times,
			Busy: cause.Class == providers.Retryable && (s.State == lane.Open || s.Busy),
		}
		return next, true
	})
	switch {
	case err != nil:
		l.log.Error().Err(err).Msg("the lane could not be closed; orders go on being placed until it is")
	case closed:
		l.log.Error().Str(logkey.Reason, cause.Code).Time(logkey.Until, next.Until).
			Msg("lane closed: our account at the provider refuses; orders wait until a probe finds it well again")
	}
}

// change makes the next state of the present one by compare-and-set; next says
// whether anything is to change. What another writer did in between is read,
// adopted and judged anew.
func (l *gate) change(ctx context.Context, next func(lane.State) (lane.State, bool)) (changed bool, err error) {
	l.mu.Lock()
	s, revision := l.state, l.revision
	l.mu.Unlock()
	behind := false
	for range 8 {
		n, ok := next(s)
		if !ok && !behind {
			return false, nil
		}
		// A value with a lower revision than the one known: the bucket was made
		// anew, or a replica of it answered that is late. To write it back by
		// compare-and-set tells which.
		if !ok {
			n = s
		}
		if err = l.put(ctx, n, revision, behind); err == nil {
			return ok, nil
		}
		if !errors.Is(err, jetstream.ErrKeyExists) && !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			return false, err
		}
		if s, revision, behind, err = l.read(ctx); err != nil {
			return false, err
		}
	}
	return false, fmt.Errorf("the lane %s kept changing", l.key)
}

// read asks for the present value. behind: its revision is lower than the one known.
func (l *gate) read(ctx context.Context) (s lane.State, revision uint64, behind bool, err error) {
	s = lane.State{State: lane.Open} // without a key it is open
	entry, err := l.kv.Get(ctx, l.key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
	case err != nil:
		return s, 0, false, err
	default:
		s, revision = l.decode(entry), entry.Revision()
		l.adopt(s, revision, false)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return s, revision, revision < l.revision, nil
}

// put writes the state by compare-and-set and adopts it.
func (l *gate) put(ctx context.Context, s lane.State, revision uint64, proven bool) error {
	s.V = messages.Version
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	failpoint.Hit("lane.put.before")
	if revision == 0 {
		revision, err = l.kv.Create(ctx, l.key, value)
	} else {
		revision, err = l.kv.Update(ctx, l.key, value, revision)
	}
	failpoint.Hit("lane.put.after")
	if err == nil {
		l.adopt(s, revision, proven)
	}
	return err
}
