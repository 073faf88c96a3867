package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// What tests hold the sweeper to.
const (
	Budget   = budget
	Chunk    = chunk
	Portion  = portion
	Farthest = farthest
	Gone     = gone
)

// ErrTooLarge is returned for an index that is not worth saving.
var ErrTooLarge = errTooLarge

// Index is an index that a test drives by hand.
type Index struct{ x *index }

// NewIndex is empty.
func NewIndex(o Options) Index { return Index{newIndex(o.Times, o.Grace, o.Every)} }

// Apply takes an event.
func (i Index) Apply(seq uint64, e *messages.Event) error {
	a := messages.EventAddress{Provider: e.Provider, Tenant: e.Tenant, OrderID: e.OrderID, Type: e.Type}
	return i.x.apply(seq, a, func() (*messages.Event, error) { return e, nil })
}

// Read takes an event as the follower does.
func (i Index) Read(seq uint64, a messages.EventAddress, body []byte) error {
	return i.x.read(seq, a, body)
}

// Items are the unfinished orders, each with all that is known of it.
func (i Index) Items() []string {
	var all []string
	for name, e := range i.x.items.all() {
		known := *e
		known.name = 0 // where the name lies is nobody's business
		all = append(all, fmt.Sprintf("%s %+v", name, known))
	}
	slices.Sort(all)
	return all
}

// Spoil takes an event whose body cannot be read.
func (i Index) Spoil(seq uint64, a messages.EventAddress) error {
	return i.x.apply(seq, a, func() (*messages.Event, error) { return nil, errors.New("unreadable") })
}

// Size is the number of unfinished orders.
func (i Index) Size() int { return i.x.size() }

// Position is the last event applied.
func (i Index) Position() uint64 { return i.x.position() }

// Keys are the suspects, longest overdue first.
func (i Index) Keys(now time.Time) []string {
	var keys []string
	for _, it := range i.x.suspects(now) {
		keys = append(keys, it.key)
	}
	return keys
}

// Doubt is one comparison with the queue.
func (i Index) Doubt(messages uint64, now time.Time) bool { return i.x.doubt(messages, now) }

// Save stores the index.
func (i Index) Save(ctx context.Context, kv jetstream.KeyValue, ledger time.Time) error {
	return i.x.save(ctx, kv, ledger, maxParts)
}

// SaveInto stores the index if it fits into so many parts.
func (i Index) SaveInto(ctx context.Context, kv jetstream.KeyValue, ledger time.Time, parts int) error {
	return i.x.save(ctx, kv, ledger, parts)
}

// Encoded is the size of the saved index in bytes.
func (i Index) Encoded() (int, error) {
	b, _, err := i.x.encode(time.Time{})
	return len(b), err
}

// Load fills the index.
func (i Index) Load(ctx context.Context, kv jetstream.KeyValue, ledger time.Time, lastSeq uint64) error {
	return i.x.load(ctx, kv, ledger, lastSeq)
}

// Sweep is one round over the index, without the comparison.
func (s *Sweeper) Sweep(ctx context.Context, i Index) { s.sweep(ctx, i.x) }

// Rebuild reads the whole ledger and returns when it has found so many orders.
func (s *Sweeper) Rebuild(ctx context.Context, orders int) error {
	x := newIndex(s.o.Times, s.o.Grace, s.o.Every)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	caughtUp, ended := make(chan struct{}), make(chan struct{})
	go func() { s.follow(ctx, x, caughtUp); close(ended) }()
	<-caughtUp
	cancel()
	<-ended
	if x.size() != orders {
		return fmt.Errorf("%d orders, want %d", x.size(), orders)
	}
	return nil
}

// Store is a store that a test drives by hand. What is stored is a number.
type Store struct{ s *store }

// NewStore is empty, and has blocks of four entries.
func NewStore() Store {
	s := newStore()
	s.bits = 2
	return Store{&s}
}

// NewStoreOfLargeBlocks is empty, and has blocks as in production.
func NewStoreOfLargeBlocks() Store {
	s := newStore()
	return Store{&s}
}

// Put stores a number under a name.
func (s Store) Put(name string, n uint64) { s.s.put([]byte(name), entry{seq: n}) }

// Find returns the number of a name.
func (s Store) Find(name string) (uint64, bool) {
	if e := s.s.find([]byte(name)); e != nil {
		return e.seq, true
	}
	return 0, false
}

// Remove forgets a name.
func (s Store) Remove(name string) { s.s.remove([]byte(name)) }

// All are the numbers by their names.
func (s Store) All() map[string]uint64 {
	all := make(map[string]uint64)
	for name, e := range s.s.all() {
		all[string(name)] = e.seq
	}
	return all
}

// Room is for how many entries and bytes of names the store has memory, and how
// many bytes of names are needed.
func (s Store) Room() (entries, bytes, needed int) {
	for _, b := range s.s.blocks {
		entries, bytes = entries+cap(b.entries), bytes+cap(b.names)
		for i := range b.entries {
			needed += int(b.entries[i].length)
		}
	}
	return entries, bytes, needed
}
