package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/pkg/messages"
)

// books is what dispatcher and workers need of a ledger, with a fence around it
// or without.
type books interface {
	Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error)
	Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error)
	At(ctx context.Context, seq uint64) (*ledger.Entry, error)
	History(ctx context.Context, tenant, orderID string) ([]ledger.Entry, error)
	NextOf(ctx context.Context, seq uint64, p messages.Provider, typ messages.Type) (*ledger.Entry, error)
}

// fact is an event that the ledger has acknowledged to a process.
type fact struct {
	seq     uint64
	subject string
	time    time.Time
	by      string
	told    time.Time // when it was acknowledged
}

// witness writes down every acknowledgement, outside of everything that the
// nemesis can reach.
type witness struct {
	mu    sync.Mutex
	facts []fact
}

// watched is a ledger whose acknowledgements are written down.
type watched struct {
	books
	witness *witness
	by      string
}

// Append is that of the ledger.
func (w *watched) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	seq, err := w.books.Append(ctx, e, expected)
	if err == nil {
		w.witness.mu.Lock()
		defer w.witness.mu.Unlock()
		w.witness.facts = append(w.witness.facts, fact{
			seq: seq, subject: messages.EventSubject(e.Provider, e.Tenant, e.OrderID, e.Type), time: messages.Stamp(e.Time), by: w.by, told: time.Now(),
		})
	}
	return seq, err
}

func (w *witness) all() []fact {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.facts)
}

// lost are the acknowledged events that the ledger does not hold any more.
// unreadable are those that it counts and cannot show: one record is damaged on
// the disk, and the server has not given it up yet. Nothing is stored on top of
// such a one, and once it is given up it is lost.
func (w *witness) lost(ctx context.Context, js jetstream.JetStream) (gone, unreadable []fact, err error) {
	stream, err := js.Stream(ctx, messages.StreamEvents)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return w.all(), nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("compare the ledger: %w", err)
	}
	info, err := stream.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return nil, nil, fmt.Errorf("compare the ledger: %w", err)
	}
	for _, f := range w.all() {
		found, same, err := holds(ctx, stream, f)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("compare the ledger at %d: %w", f.seq, err)
		case same:
		case found || f.seq < info.State.FirstSeq || f.seq > info.State.LastSeq || slices.Contains(info.State.Deleted, f.seq):
			gone = append(gone, f)
		default:
			unreadable = append(unreadable, f)
		}
	}
	return gone, unreadable, nil
}

// holds reports whether anything can be read where an event was acknowledged, and
// whether it is the same. No answer is an error.
func holds(ctx context.Context, stream jetstream.Stream, f fact) (found, same bool, err error) {
	for {
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		m, err := stream.GetMsg(once, f.seq)
		cancel()
		var refused *jetstream.APIError
		switch {
		case err == nil:
			var event struct {
				Time time.Time `json:"time"`
			}
			return true, m.Subject == f.subject && json.Unmarshal(m.Data, &event) == nil && event.Time.Equal(f.time), nil
		case errors.Is(err, jetstream.ErrMsgNotFound), errors.As(err, &refused):
			return false, false, nil
		case !pause(ctx, 20*time.Millisecond):
			return false, false, err
		}
	}
}

// pause waits for d; false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
