package worker

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Deliveries that killed the worker are counted; the count of deliveries is
// not, because commands are given back and delivered again in normal work, and
// a worker that dies takes the commands of many innocent orders with it.
const (
	deadlyDeliveries = 3
	// From this delivery on a command is suspect and is worked on alone, with
	// its count raised beforehand, so that a death can be blamed on it.
	suspectDelivery = 4
)

// suspects keeps the counts in KV, where they survive the worker.
type suspects struct {
	provider messages.Provider
	kv       jetstream.KeyValue
	alone    sync.Mutex
}

func (s *suspects) key(meta *jetstream.MsgMetadata) string {
	return "suspect." + string(s.provider) + "." + strconv.FormatUint(meta.Sequence.Stream, 10)
}

// enter is called before a command is worked on. tooOften: it has killed its
// worker three times. Otherwise release must be called when the work has ended
// in any way but death.
func (s *suspects) enter(ctx context.Context, meta *jetstream.MsgMetadata) (release func(), tooOften bool, err error) {
	if meta.NumDelivered < 2 {
		return func() {}, false, nil
	}
	deaths, revision, err := s.read(ctx, meta)
	if err != nil {
		return nil, false, err
	}
	if deaths >= deadlyDeliveries {
		_ = s.kv.Delete(ctx, s.key(meta)) // the command ends now; a leftover key does no harm
		return func() {}, true, nil
	}
	if meta.NumDelivered < suspectDelivery {
		return func() {}, false, nil
	}
	s.alone.Lock()
	if err := s.write(ctx, meta, deaths+1, revision); err != nil {
		s.alone.Unlock()
		return nil, false, err
	}
	return func() {
		defer s.alone.Unlock()
		if r := recover(); r != nil {
			panic(r) // counted already; the caller reports it
		}
		_ = s.kv.Delete(ctx, s.key(meta))
	}, false, nil
}

// count records one death by panic of a command that was not suspect yet.
func (s *suspects) count(ctx context.Context, meta *jetstream.MsgMetadata) {
	if meta == nil || s.kv == nil || meta.NumDelivered >= suspectDelivery {
		return
	}
	if deaths, revision, err := s.read(ctx, meta); err == nil {
		_ = s.write(ctx, meta, deaths+1, revision) // a lost count costs one more delivery
	}
}

func (s *suspects) read(ctx context.Context, meta *jetstream.MsgMetadata) (deaths int, revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	entry, err := s.kv.Get(ctx, s.key(meta))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	deaths, _ = strconv.Atoi(string(entry.Value()))
	return deaths, entry.Revision(), nil
}

func (s *suspects) write(ctx context.Context, meta *jetstream.MsgMetadata, deaths int, revision uint64) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	value := []byte(strconv.Itoa(deaths))
	var err error
	if revision == 0 {
		_, err = s.kv.Create(ctx, s.key(meta), value)
	} else {
		_, err = s.kv.Update(ctx, s.key(meta), value, revision)
	}
	return err
}
