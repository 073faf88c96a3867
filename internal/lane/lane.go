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
	Times int       `json:"times,omitempty"`
}

// Paused reports whether the lane stays closed until somebody opens it.
func (s State) Paused() bool { return s.State == Closed && s.Until.IsZero() }

// Read returns the present state and the revision of its key, 0 for none.
func Read(ctx context.Context, kv jetstream.KeyValue, p messages.Provider) (State, uint64, error) {
	entry, err := kv.Get(ctx, p.LaneKey())
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return State{V: messages.Version, State: Open}, 0, nil
	case err != nil:
		return State{}, 0, fmt.Errorf("lane: %s: %w", p, err)
	}
	var s State
	if json.Unmarshal(entry.Value(), &s) != nil || s.State != Open && s.State != Closed && s.State != Probing {
		s = State{State: Closed, Reason: ReasonUnreadable, Since: entry.Created()}
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

// Pause closes the lane until somebody resumes it.
func Pause(ctx context.Context, kv jetstream.KeyValue, p messages.Provider, by string, now time.Time) (State, bool, error) {
	return Change(ctx, kv, p, func(s State) (State, bool) {
		if s.Paused() && s.Reason == ReasonPaused {
			return s, false
		}
		return State{State: Closed, Reason: ReasonPaused, Since: messages.Stamp(now), By: by}, true
	})
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
// often. A lane that is not open stays as it is.
func Shut(ctx context.Context, kv jetstream.KeyValue, p messages.Provider, next State) (State, bool, error) {
	return Change(ctx, kv, p, func(s State) (State, bool) {
		if s.State != Open {
			return s, false
		}
		next.State = Closed
		return next, true
	})
}
