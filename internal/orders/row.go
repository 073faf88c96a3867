package orders

import (
	"slices"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
)

// row is what the index keeps of an order: where its last event is, and what
// the subjects of its events tell. There are as many as the ledger has orders,
// so it has neither the order's name nor any pointer: 48 bytes that the garbage
// collector passes over.
type row struct {
	digest digest // of the order's name
	first  uint64 // sequence of its first event: the order of the list
	seq    uint64 // of its last event
	at     int64  // when that was stored, in nanoseconds since 1970
	born   uint32 // when its first event was stored, in seconds since 1970
	class  class
	absent uint8 // looks in a row that did not find its event
	late   bool  // some late evidence has come: any event may need an operator
}

// goneAfter is how many looks in a row must miss an event before its order is taken
// to be erased: a server that is closing its store says the same of what is there.
const goneAfter = 3

func (r *row) gone() bool { return r.absent >= goneAfter }

// follow takes the next event of the order in, and returns the class that the
// row has then.
func (r *row) follow(seq uint64, a messages.EventAddress, stored time.Time) class {
	r.seq, r.at, r.absent = seq, stored.UnixNano(), 0
	r.late = r.late || a.Type == messages.LateEvidence
	k := r.class.kind()
	if p := slices.Index(providers, a.Provider); p > 0 {
		k.provider = p
	}
	if s := slices.Index(states, a.Type); s > newer {
		k.state = s
	}
	k.needs = needsNone
	if r.late || k.state == untold || states[k.state] == messages.Unresolved {
		k.needs = unread
	}
	return k.class()
}

// needs is what is known of whether an order needs an operator.
type needs int

const (
	unread needs = iota // its event must be read to know
	needsNone
	needsOne
	needsAll // how many there are
)

// What comes before the states that can be asked for.
const (
	untold = iota // no event has told it
	newer         // one of a newer program
)

var (
	providers = append([]messages.Provider{""}, messages.Providers()...) // "" where no event has told one that is known
	states    = append([]messages.Type{"", "newer"}, messages.States()...)
	classes   = class(len(providers) * len(states) * int(needsAll)) //nolint:gosec // some hundred
)

// kind is all that lists tell orders apart by.
type kind struct {
	provider, state int // where they stand among the providers and states
	needs           needs
}

// class is a kind as one small number.
type class uint16

func (c class) kind() kind {
	n := int(c)
	return kind{n / int(needsAll) / len(states), n / int(needsAll) % len(states), needs(n % int(needsAll))}
}

func (k kind) class() class {
	return class((k.provider*len(states)+k.state)*int(needsAll) + int(k.needs)) //nolint:gosec // less than classes
}

// told is the kind that an event has told of an order.
func (k kind) told(e *messages.Event) kind {
	k.state, k.needs = newer, needsNone
	if s := slices.Index(states, e.State); s > newer {
		k.state = s
	}
	if e.NeedsOperator {
		k.needs = needsOne
	}
	return k
}
