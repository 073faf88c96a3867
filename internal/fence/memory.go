package fence

import (
	"sync"

	"github.com/beltline-io/beltline/pkg/messages"
)

// memory is what this process saw of the ledger. It is the only witness where
// ledger and bucket were rolled back together.
//
// The highest event is kept for each connection since the last look: a server
// that was rolled back is met on a new connection, and what it says must not take
// the place of what it has lost.
type memory struct {
	mu      sync.Mutex
	age     uint64          // raised when everything before is forgotten on purpose
	created Ledger          // which stream, once it was found sound
	gone    *int64          // the most events that were missing in it by then
	marks   map[uint64]Mark // by connection
}

// moment is what was known before something was written.
type moment struct {
	age, high, connection uint64
}

func (m *memory) now(connection uint64) moment {
	m.mu.Lock()
	defer m.mu.Unlock()
	return moment{m.age, m.highest().Seq, connection}
}

func (m *memory) highest() (high Mark) {
	for _, mark := range m.marks {
		if mark.Seq > high.Seq {
			high = mark
		}
	}
	return high
}

// markOf is the mark of an event at seq.
func markOf(seq uint64, e *messages.Event) Mark {
	return Mark{Seq: seq, Time: messages.Stamp(e.Time), Subject: messages.EventSubject(e.Provider, e.Tenant, e.OrderID, e.Type)}
}

// saw remembers an event that was acknowledged between before and now. Of one
// that was under way while the connection was lost, nobody knows which server
// stored it: it is held against the one that is there now, which has promised it,
// or has lost it. What is of a ledger that was given up stays forgotten.
func (m *memory) saw(before moment, connection uint64, mark Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before.age != m.age || mark.Seq <= m.marks[connection].Seq {
		return
	}
	if m.marks == nil {
		m.marks = make(map[uint64]Mark)
	}
	m.marks[connection] = mark
}

// passed notes that all marks of connections up to this one stood in the ledger:
// the highest is enough from now on.
func (m *memory) passed(connection uint64, l Ledger) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.created.Epoch == "" || !m.created.Created.Equal(l.Created) {
		m.created = l // a ledger of before epochs gets one at the next setup
	}
	if m.gone == nil || l.Gone > *m.gone {
		m.gone = &l.Gone
	}
	var high Mark
	for of, mark := range m.marks {
		if of > connection {
			continue
		}
		if mark.Seq > high.Seq {
			high = mark
		}
		delete(m.marks, of)
	}
	if high.Seq > 0 {
		m.marks[connection] = high
	}
}

// forget begins anew: an operator took another ledger for the truth.
func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.age++
	m.created, m.gone, m.marks = Ledger{}, nil, nil
}

// all returns what the ledger is to be held against.
func (m *memory) all() []*Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := []*Mark{{Created: m.created.Created, Epoch: m.created.Epoch, Gone: m.gone}}
	for _, mark := range m.marks {
		mark.Created, mark.Epoch = m.created.Created, m.created.Epoch
		list = append(list, &mark)
	}
	return list
}

func (m *memory) top() Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.highest()
}
