package fence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// StateKey is where the bucket says whether buying is stopped.
const StateKey = "fence.events"

// Reason says why buying was stopped.
type Reason string

// The reasons.
const (
	// Older: the ledger ends before, or differs from, what is remembered of it.
	Older Reason = "ledger_older"
	// Another: the stream is not the one that is remembered.
	Another Reason = "another_ledger"
	// Holed: events are missing that were there, before the end of the ledger.
	Holed Reason = "ledger_holed"
	// Surprise: a provider knows a reference whose first request this was.
	Surprise Reason = "provider_knows_more"
)

// State is the value of [StateKey]. A ledger without one is not stopped.
type State struct {
	V int `json:"v"`
	// N counts trips and clearings, so that a bucket that was rolled back is not
	// taken for a clearing.
	N       uint64    `json:"n"`
	Tripped bool      `json:"tripped"`
	Why     Reason    `json:"why,omitempty"`
	Found   string    `json:"found,omitempty"` // in words
	Since   time.Time `json:"since,omitzero"`
	By      string    `json:"by,omitempty"` // the process that found it
	Cleared *Clearing `json:"cleared,omitempty"`
}

// Clearing says who took the ledger for right again.
type Clearing struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	// Seq is the end of the ledger at that time. What waits before it may have been
	// placed by the part that was lost; HoldWaiting says that it is to be asked about.
	Seq         uint64 `json:"seq"`
	HoldWaiting bool   `json:"hold_waiting"`
}

// Mark is what all processes together remember of the ledger: the value of
// [topology.LedgerMarkKey].
type Mark struct {
	V       int       `json:"v"`
	Created time.Time `json:"created"`
	Epoch   string    `json:"epoch,omitempty"`
	Seq     uint64    `json:"seq"`
	// Subject and Time are those of the event at Seq, if known: another event in
	// its place was written after the ledger had been rolled back.
	Subject string    `json:"subject,omitempty"`
	Time    time.Time `json:"time,omitzero"`
	// Gone is how many events were missing before the end; nil where it was written
	// before they were counted.
	Gone *int64 `json:"gone,omitempty"`
	By   string `json:"by"`
}

// load reads a JSON value; revision 0 and no error where there is none.
func load(ctx context.Context, kv jetstream.KeyValue, key string, into any) (revision uint64, err error) {
	entry, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("key %s: %w", key, err)
	}
	if err := json.Unmarshal(entry.Value(), into); err != nil {
		return entry.Revision(), fmt.Errorf("key %s: %w: %w", key, errUnreadable, err)
	}
	return entry.Revision(), nil
}

var errUnreadable = errors.New("value cannot be read")

// save writes a JSON value by compare-and-set on its revision.
func save(ctx context.Context, kv jetstream.KeyValue, key string, value any, revision uint64) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	failpoint.Hit("fence.save.before")
	if revision == 0 {
		_, err = kv.Create(ctx, key, body)
	} else {
		_, err = kv.Update(ctx, key, body, revision)
	}
	failpoint.Hit("fence.save.after")
	if err != nil {
		return fmt.Errorf("key %s: %w", key, err)
	}
	return nil
}

// raced reports whether another writer was faster.
func raced(err error) bool {
	return errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch)
}

// Report is what is known of the ledger and of what is remembered.
type Report struct {
	Ledger Ledger
	Mark   *Mark // nil where nothing is remembered
	State  State
}

// Ledger is the stream as its leader describes it.
type Ledger struct {
	Created  time.Time
	Epoch    string
	LastSeq  uint64
	Messages uint64
	// Gone is how many events are missing before LastSeq and were not erased on purpose.
	Gone int64
}

// Inspect looks at the ledger and at what is remembered of it, for a person.
// Finding is what speaks against the ledger now, or empty.
func Inspect(ctx context.Context, js jetstream.JetStream) (r Report, finding string, err error) {
	kv, err := js.KeyValue(ctx, messages.Bucket)
	if err != nil {
		return r, "", fmt.Errorf("fence: bucket %s: %w", messages.Bucket, err)
	}
	if r.Ledger, err = ledgerNow(ctx, js); err != nil {
		return r, "", fmt.Errorf("fence: %w", err)
	}
	if _, err = load(ctx, kv, StateKey, &r.State); err != nil {
		return r, "", fmt.Errorf("fence: %w", err)
	}
	var m Mark
	if revision, err := load(ctx, kv, topology.LedgerMarkKey, &m); err != nil {
		return r, "", fmt.Errorf("fence: %w", err)
	} else if revision > 0 {
		r.Mark = &m
	}
	found, err := judge(ctx, js, r.Mark, r.Ledger)
	if err != nil {
		return r, "", fmt.Errorf("fence: %w", err)
	}
	if found != nil {
		finding = found.text
	}
	return r, finding, nil
}

// ErrNotTripped is returned by [Clear] where nothing is stopped.
var ErrNotTripped = errors.New("buying is not stopped")

// Clear takes the ledger as it is for the truth, and lets buying go on. What
// waits in it may have been bought by the part that was lost: with holdWaiting it
// is looked up at its provider, or goes to the operator, instead of being placed.
func Clear(ctx context.Context, js jetstream.JetStream, by, reason string, holdWaiting bool) (State, error) {
	kv, err := js.KeyValue(ctx, messages.Bucket)
	if err != nil {
		return State{}, fmt.Errorf("fence: bucket %s: %w", messages.Bucket, err)
	}
	for {
		var s State
		revision, err := load(ctx, kv, StateKey, &s)
		if err != nil {
			return s, fmt.Errorf("fence: %w", err)
		}
		if !s.Tripped {
			return s, ErrNotTripped
		}
		now, err := ledgerNow(ctx, js)
		if err != nil {
			return s, fmt.Errorf("fence: %w", err)
		}
		// The mark first: a process that sees the clearing compares with it at once.
		if err := remark(ctx, kv, Mark{V: messages.Version, Created: now.Created, Epoch: now.Epoch, Seq: now.LastSeq, Gone: &now.Gone, By: by}); err != nil {
			return s, fmt.Errorf("fence: %w", err)
		}
		s.V, s.N, s.Tripped = messages.Version, s.N+1, false
		s.Cleared = &Clearing{By: by, Reason: reason, At: messages.Stamp(time.Now()), Seq: now.LastSeq, HoldWaiting: holdWaiting}
		if err = save(ctx, kv, StateKey, s, revision); err == nil {
			return s, nil
		}
		if !raced(err) {
			return s, fmt.Errorf("fence: %w", err)
		}
	}
}

// remark writes the mark over whatever is there.
func remark(ctx context.Context, kv jetstream.KeyValue, m Mark) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	failpoint.Hit("fence.remark.before")
	_, err = kv.Put(ctx, topology.LedgerMarkKey, body)
	failpoint.Hit("fence.remark.after")
	return err
}
