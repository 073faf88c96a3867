package lane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/pkg/messages"
)

// The states. A lane without a key is open.
const (
	Open    = "open"
	Closed  = "closed"
	Probing = "probing"
)

// Reasons of our own; all others are the providers' codes.
const (
	ReasonPaused     = "paused"
	ReasonUnreadable = "unreadable"
)

// InForce is how old a worker's last certain sight of an open lane may be when
// an intent of it is stored. Pause waits for as long, so that once it has
// returned no intent can rest on a sight from before.
const InForce = time.Second

// drift is what clocks that run at different speeds may differ by meanwhile.
const drift = InForce / 10

// tries bounds how often a change is judged anew because somebody else wrote.
const tries = 16

// State is the value of the key.
type State struct {
	V       int       `json:"v"`
	State   string    `json:"state"`
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since"`
	// Until is the time of the next probe of a closed lane, and zero where it
	// stays closed until somebody opens it; or the end of the prober's time.
	Until time.Time `json:"until,omitzero"`
	By    string    `json:"by,omitempty"` // the operator or the instance that wrote it
	// Times is how often in a row a probe found nothing better.
	Times int `json:"times,omitempty"`
	// Busy: nothing is wrong with our account, we were only to wait until then.
	Busy bool `json:"busy,omitempty"`
}

// Paused reports whether the lane stays closed until somebody opens it.
func (s State) Paused() bool { return s.State == Closed && s.Until.IsZero() }

// Over reports whether the lane is closed and its time is over: it may be tried.
func (s State) Over(now time.Time) bool {
	return s.State == Closed && !s.Until.IsZero() && !now.Before(s.Until)
}

// none is the state of a lane without a key.
func none() State { return State{V: messages.Version, State: Open} }

// Decode reads the value of the key. What cannot be read is taken for closed,
// and not ok.
func Decode(value []byte) (s State, ok bool) {
	if json.Unmarshal(value, &s) != nil || s.State != Open && s.State != Closed && s.State != Probing {
		return State{V: messages.Version, State: Closed, Reason: ReasonUnreadable}, false
	}
	return s, true
}

// Read returns the present state and the revision of its key, 0 for none.
func Read(ctx context.Context, kv jetstream.KeyValue, p messages.Provider) (State, uint64, error) {
	entry, err := kv.Get(ctx, p.LaneKey())
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return none(), 0, nil
	case err != nil:
		return State{}, 0, fmt.Errorf("lane: %s: %w", p, err)
	}
	s, ok := Decode(entry.Value())
	if !ok {
		s.Since = entry.Created()
	}
	return s, entry.Revision(), nil
}

// Change makes the next state of the present one by compare-and-set; next says
// whether anything is to change. It returns the state as it is then, and
// whether this call has changed it.
func Change(ctx context.Context, kv jetstream.KeyValue, p messages.Provider, next func(State) (State, bool)) (State, bool, error) {
	for range tries {
		have, revision, err := Read(ctx, kv, p)
		if err != nil {
			return State{}, false, err
		}
		want, ok := next(have)
		if !ok {
			return have, false, nil
		}
		want.V = messages.Version
		value, err := json.Marshal(want)
		if err != nil {
			return State{}, false, fmt.Errorf("lane: %s: %w", p, err)
		}
		failpoint.Hit("lane.change.before")
		if revision == 0 {
			_, err = kv.Create(ctx, p.LaneKey(), value)
		} else {
			_, err = kv.Update(ctx, p.LaneKey(), value, revision)
		}
		failpoint.Hit("lane.change.after")
		switch {
		case err == nil:
			return want, true, nil
		case !errors.Is(err, jetstream.ErrKeyExists) && !errors.Is(err, jetstream.ErrKeyRevisionMismatch):
			return State{}, false, fmt.Errorf("lane: %s: %w", p, err)
		}
	}
	return State{}, false, fmt.Errorf("lane: %s kept changing", p)
}

// Pause closes the lane until somebody resumes it; why is kept. Once it has
// returned without an error the pause is in force: no worker sends a request
// whose intent was not stored before. An error means that this is not known;
// the lane may be paused all the same, and pausing it again does no harm.
func Pause(ctx context.Context, kv jetstream.KeyValue, p messages.Provider, by, why string, now time.Time) (s State, changed bool, err error) {
	s, _, err = Change(ctx, kv, p, func(s State) (State, bool) {
		if changed = !s.Paused() || s.Reason != ReasonPaused; changed {
			s = State{State: Closed, Reason: ReasonPaused, Message: why, Since: messages.Stamp(now), By: by}
		}
		return s, true // written in any case: what was read may be old, and this proves it or not
	})
	if err != nil {
		return s, changed, err
	}
	timer := time.NewTimer(InForce + drift)
	defer timer.Stop()
	select {
	case <-timer.C:
		return s, changed, nil
	case <-ctx.Done():
		return s, changed, fmt.Errorf("lane: %s is paused, and workers may not have seen it yet: %w", p, context.Cause(ctx))
	}
}

// Resume opens the lane, whyever it was closed.
func Resume(ctx context.Context, kv jetstream.KeyValue, p messages.Provider, by string, now time.Time) (State, bool, error) {
	return Change(ctx, kv, p, func(s State) (State, bool) {
		if s.State == Open {
			return s, false
		}
		return State{State: Open, Since: messages.Stamp(now), By: by}, true
	})
}

// Shut closes an open lane until a time: the provider says that we ask too
// often. A lane that is not open stays as it is, unless its time is over and it
// was tried again.
func Shut(ctx context.Context, kv jetstream.KeyValue, p messages.Provider, next State, now time.Time) (State, bool, error) {
	return Change(ctx, kv, p, func(s State) (State, bool) {
		if s.State != Open && !s.Over(now) {
			return s, false
		}
		if s.State != Open && !s.Busy { // what was wrong with our account still is
			s.Until, s.By = next.Until, next.By
			return s, true
		}
		next.State = Closed
		return next, true
	})
}

// Rested opens a lane that was closed because we asked too often, once its time
// is over. Whatever else it was closed for takes an order to find out about.
func Rested(ctx context.Context, kv jetstream.KeyValue, p messages.Provider, by string, now time.Time) (State, bool, error) {
	return Change(ctx, kv, p, func(s State) (State, bool) { return s.Rested(by, now) })
}

// Rested is the state that follows one whose time of rest is over; false where
// there is none such.
func (s State) Rested(by string, now time.Time) (State, bool) {
	if !s.Busy || !s.Over(now) {
		return s, false
	}
	return State{State: Open, Since: messages.Stamp(now), By: by}, true
}
