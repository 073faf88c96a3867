package worker

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Deliveries that killed the worker are counted; the count of deliveries is
// not, because commands are given back and delivered again in normal work, and
// a worker that dies takes the commands of many innocent orders with it.
const (
	deadlyDeliveries = 3
	// From this delivery on a command is suspect: its count is raised before it
	// is worked on and taken back after, so that a death leaves it raised. Once it
	// was there at a death it is worked on alone, so that the innocent are cleared.
	suspectDelivery = 4
)

// suspects keeps the counts in KV, where they survive the worker. They are
// counted by order and not by command, because an order that was placed goes
// on with another command, which meets the same fault.
type suspects struct {
	provider messages.Provider
	kv       jetstream.KeyValue
	alone    sync.Mutex
}

func (s *suspects) key(a messages.CommandAddress) string {
	return "suspect." + string(s.provider) + "." + a.Tenant + "." + a.OrderID
}

// enter is called before a command is worked on. tooOften: its order has killed
// its worker three times. Otherwise release must be deferred by whoever works
// on it. cleared reports whether the order has come further than its deaths, so
// that they do not add up over the days in which an order is watched, each time
// a worker dies of something else.
func (s *suspects) enter(ctx context.Context, a messages.CommandAddress, meta *jetstream.MsgMetadata, cleared func() bool) (release func(), tooOften bool, err error) {
	if meta.NumDelivered < 2 {
		return func() {}, false, nil
	}
	deaths, revision, err := s.read(ctx, a)
	if err != nil {
		return nil, false, err
	}
	if deaths >= deadlyDeliveries {
		s.clear(ctx, a) // the order ends now; a leftover key does no harm
		return func() {}, true, nil
	}
	if meta.NumDelivered < suspectDelivery {
		return func() {}, false, nil
	}
	unlock := func() {}
	if deaths > 0 {
		s.alone.Lock()
		unlock = s.alone.Unlock
	}
	if revision, err = s.write(ctx, a, deaths+1, revision); err != nil {
		unlock()
		return nil, false, err
	}
	return func() {
		defer unlock()
		if r := recover(); r != nil {
			panic(r) // counted already; the caller reports it
		}
		if deaths == 0 || cleared() {
			s.clear(ctx, a, jetstream.LastRevision(revision))
			return
		}
		_, _ = s.write(ctx, a, deaths, revision)
	}, false, nil
}

// count records one death by panic of a command that was not suspect yet.
func (s *suspects) count(ctx context.Context, a messages.CommandAddress, meta *jetstream.MsgMetadata) {
	if meta == nil || a.OrderID == "" || s.kv == nil || meta.NumDelivered >= suspectDelivery {
		return
	}
	if deaths, revision, err := s.read(ctx, a); err == nil {
		_, _ = s.write(ctx, a, deaths+1, revision) // a lost count costs one more delivery
	}
}

func (s *suspects) read(ctx context.Context, a messages.CommandAddress) (deaths int, revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	entry, err := s.kv.Get(ctx, s.key(a))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	deaths, _ = strconv.Atoi(string(entry.Value()))
	return deaths, entry.Revision(), nil
}

func (s *suspects) write(ctx context.Context, a messages.CommandAddress, deaths int, revision uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	value := []byte(strconv.Itoa(deaths))
	failpoint.Hit("suspect.write.before")
	var err error
	if revision == 0 {
		revision, err = s.kv.Create(ctx, s.key(a), value)
	} else {
		revision, err = s.kv.Update(ctx, s.key(a), value, revision)
	}
	failpoint.Hit("suspect.write.after")
	return revision, err
}

// clear forgets the count. One that stays costs a look at the next delivery.
func (s *suspects) clear(ctx context.Context, a messages.CommandAddress, o ...jetstream.KVDeleteOpt) {
	failpoint.Hit("suspect.clear.before")
	_ = s.kv.Delete(ctx, s.key(a), o...)
	failpoint.Hit("suspect.clear.after")
}
