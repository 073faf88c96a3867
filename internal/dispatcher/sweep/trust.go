package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
)

// fenceKey is where package fence counts how often the ledger was found to have
// lost something, and how often a person took it for right again.
const fenceKey = "fence.events"

// fenced reads that count. An index that was made under another one tells of
// events that may be gone: an order whose end was lost is unfinished again, and
// nothing else would drive it.
func fenced(ctx context.Context, kv jetstream.KeyValue) (uint64, error) {
	entry, err := kv.Get(ctx, fenceKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("key %s: %w", fenceKey, err)
	}
	var state struct {
		N uint64 `json:"n"`
	}
	if err := json.Unmarshal(entry.Value(), &state); err != nil {
		return 0, nil // nothing is bought while nobody can read it, and it is written anew
	}
	return state.N, nil
}

// outdated reports whether the ledger was found to have lost something, or was
// taken for right again, since the index was begun.
func (s *Sweeper) outdated(ctx context.Context, kv jetstream.KeyValue, x *index) bool {
	n, err := fenced(ctx, kv)
	if err != nil || n == x.fence {
		return s.overtaken(ctx, x) // of a bucket that does not answer the next round hears
	}
	s.log.Warn().Msg("the ledger has lost events, or an operator took it for right again; the index of unfinished orders is built anew")
	return true
}

// overtaken reports whether the ledger has lost the event that the index ends
// with, whether anybody else has noticed or not. One that was erased is no sign.
func (s *Sweeper) overtaken(ctx context.Context, x *index) bool {
	seq, at := x.end()
	stream, err := s.js.Stream(ctx, messages.StreamEvents)
	if err != nil || seq == 0 {
		return false
	}
	lost := stream.CachedInfo().State.LastSeq < seq
	if !lost && !at.IsZero() {
		m, err := stream.GetMsg(ctx, seq)
		lost = err == nil && !m.Time.Equal(at)
	}
	if lost {
		s.log.Warn().Uint64(logkey.StreamSeq, seq).
			Msg("the ledger does not hold the event any more that the index of unfinished orders ends with; it is built anew")
	}
	return lost
}
