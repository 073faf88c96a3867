package sweep

import (
	"hash/maphash"
	"iter"
	"slices"
	"time"

	"github.com/beltline-io/beltline/internal/places"
	"github.com/beltline-io/beltline/pkg/messages"
)

// entry is what the index keeps of an unfinished order: 40 bytes in which
// nothing points anywhere, so that the garbage collector passes over as many as
// there are. Moments are milliseconds since 1970, as in the saved index.
type entry struct {
	seq      uint64 // of its last event
	due      int64  // when it becomes a suspect
	look     int64  // when it is looked at next
	step     uint32 // milliseconds between the last look and the next
	name     uint32 // where its name begins among those of its block
	length   uint8  // of its name
	provider uint8  // among those that are known
	verb     uint8  // of the command that is due
	absent   uint8  // looks in a row that found no event of it in the ledger
}

var (
	providers = append([]messages.Provider{messages.NoProvider}, messages.Providers()...) // the first is for all others
	verbs     = []messages.Verb{"", messages.Place, messages.Check, messages.Cancel, messages.Confirm}
)

// code is where something stands in a list, and 0 where it does not.
func code[T comparable](list []T, v T) uint8 {
	return uint8(max(0, slices.Index(list, v))) //nolint:gosec // a handful
}

// millis is the first millisecond that is not before t: an order must not become
// a suspect before its grace is over.
func millis(t time.Time) int64 {
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

// blockBits of a place say which entry of its block is meant.
const blockBits = 10

// block is some entries and their names.
type block struct {
	entries []entry
	names   []byte // each "<tenant>/<order_id>"
	waste   int    // how many of these bytes are of no entry any more
}

func (b *block) name(e *entry) []byte { return b.names[e.name:][:e.length] }

// push adds an entry with its name. Only the last block may have room for more,
// and takes it as it is needed: most indexes have few orders.
func (b *block) push(e entry, name []byte, most int) {
	if len(b.entries) == cap(b.entries) {
		b.entries = append(make([]entry, 0, min(most, max(4, 2*len(b.entries)))), b.entries...)
	}
	b.entries = append(b.entries, b.keep(e, name))
}

// keep stores an entry's name.
func (b *block) keep(e entry, name []byte) entry {
	e.name, e.length = uint32(len(b.names)), uint8(len(name)) //nolint:gosec // a name has 129 bytes at most
	b.names = append(b.names, name...)
	return e
}

// discard notes that a name is not needed any more, and writes the others anew
// when most are not.
func (b *block) discard(length uint8) {
	if b.waste += int(length); 2*b.waste <= len(b.names) {
		return
	}
	old := b.names
	b.names, b.waste = make([]byte, 0, len(old)-b.waste), 0
	for i := range b.entries {
		e := &b.entries[i]
		*e = b.keep(*e, old[e.name:][:e.length])
	}
}

// store holds entries by their names, densely: the last one takes the place of
// one that goes, so that memory is given back block by block.
type store struct {
	seed   maphash.Seed
	bits   uint         // how many bits of a place say which entry of its block is meant
	table  places.Table // where the entry of a name's digest lies
	blocks []*block
	size   int
}

func newStore() store { return store{seed: maphash.MakeSeed(), bits: blockBits} }

// at returns the entry at a place, and its block.
func (s *store) at(place uint32) (*block, *entry) {
	b := s.blocks[place>>s.bits]
	return b, &b.entries[place&(1<<s.bits-1)]
}

func (s *store) place(name []byte) (place uint32, ok bool) {
	return s.table.Find(maphash.Bytes(s.seed, name), func(place uint32) bool {
		b, e := s.at(place)
		return string(b.name(e)) == string(name)
	})
}

// find returns the entry of a name, nil if there is none. It is good until the
// next put or remove.
func (s *store) find(name []byte) *entry {
	place, ok := s.place(name)
	if !ok {
		return nil
	}
	_, e := s.at(place)
	return e
}

// put stores an entry, in place of the one that the name had.
func (s *store) put(name []byte, e entry) {
	if have := s.find(name); have != nil {
		e.name, e.length = have.name, have.length
		*have = e
		return
	}
	if s.size == len(s.blocks)<<s.bits {
		s.blocks = append(s.blocks, &block{})
	}
	s.blocks[len(s.blocks)-1].push(e, name, 1<<s.bits)
	s.table.Add(maphash.Bytes(s.seed, name), uint32(s.size)) //nolint:gosec // four billion unfinished orders are more than memory
	s.size++
}

// remove forgets the entry of a name.
func (s *store) remove(name []byte) {
	place, ok := s.place(name)
	if !ok {
		return
	}
	s.table.Remove(maphash.Bytes(s.seed, name), place)
	s.size--
	last := uint32(s.size) //nolint:gosec // a place
	b, hole := s.at(place)
	end, e := s.at(last)
	gone, moved := hole.length, *e
	end.entries = end.entries[:len(end.entries)-1]
	if place != last {
		s.table.Move(maphash.Bytes(s.seed, end.name(&moved)), last, place)
		*hole = moved
		if b != end {
			*hole = b.keep(moved, end.name(&moved))
			end.discard(moved.length)
		}
	}
	b.discard(gone)
	if len(end.entries) == 0 {
		s.blocks[len(s.blocks)-1] = nil // or it would not be given back
		s.blocks = s.blocks[:len(s.blocks)-1]
	}
}

// all goes through the entries with their names, which are good until the next
// step.
func (s *store) all() iter.Seq2[[]byte, *entry] {
	return func(yield func([]byte, *entry) bool) {
		for _, b := range s.blocks {
			for i := range b.entries {
				if e := &b.entries[i]; !yield(b.name(e), e) {
					return
				}
			}
		}
	}
}
