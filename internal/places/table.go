package places

const (
	// partBits of a digest choose the part of the table. Each part grows by
	// itself, so that growth is spread over many calls.
	partBits = 8
	// least is the number of slots that a part begins with.
	least = 8
)

// slot is one place of a part.
type slot struct {
	tag  uint32 // the low half of the digest; its own low bits say where the slot should be
	next uint32 // the place and one; 0 is an empty slot
}

// part is a table of its own by linear probing. Its slots are none or a power
// of two.
type part struct {
	slots []slot
	used  uint32
}

// Table maps digests to places. The zero value is empty.
//
// A digest must be evenly spread over 64 bits, and not be foreseeable where
// somebody else chooses the names: hash/maphash gives such.
type Table struct {
	parts [1 << partBits]part
	used  int
}

// Len is the number of places.
func (t *Table) Len() int { return t.used }

func (t *Table) part(digest uint64) *part { return &t.parts[digest>>(64-partBits)] }

// Find returns the place that was added under the digest and of which is says that
// it is the right one.
func (t *Table) Find(digest uint64, is func(place uint32) bool) (place uint32, ok bool) {
	p, tag := t.part(digest), uint32(digest)
	if p.used == 0 {
		return 0, false
	}
	mask := uint32(len(p.slots) - 1)
	for i := tag & mask; p.slots[i].next != 0; i = (i + 1) & mask {
		if s := p.slots[i]; s.tag == tag && is(s.next-1) {
			return s.next - 1, true
		}
	}
	return 0, false
}

// Add notes a place under a digest. The place must not be in the table yet, and
// be less than the greatest uint32.
func (t *Table) Add(digest uint64, place uint32) {
	p := t.part(digest)
	if (int(p.used)+1)*8 > len(p.slots)*7 {
		p.resize(max(least, 2*len(p.slots)))
	}
	p.enter(slot{uint32(digest), place + 1})
	p.used++
	t.used++
}

// Move notes that what lay at one place now lies at another.
func (t *Table) Move(digest uint64, from, to uint32) {
	p := t.part(digest)
	if i, ok := p.where(digest, from); ok {
		p.slots[i].next = to + 1
	}
}

// Remove forgets a place that was added under the digest.
func (t *Table) Remove(digest uint64, place uint32) {
	p := t.part(digest)
	i, ok := p.where(digest, place)
	if !ok {
		return
	}
	p.empty(i)
	p.used--
	t.used--
	switch n := len(p.slots); {
	case p.used == 0:
		p.slots = nil
	case n > least && int(p.used)*4 < n:
		p.resize(n / 2)
	}
}

// where finds the slot of a place.
func (p *part) where(digest uint64, place uint32) (uint32, bool) {
	if p.used == 0 {
		return 0, false
	}
	mask := uint32(len(p.slots) - 1)
	for i := uint32(digest) & mask; p.slots[i].next != 0; i = (i + 1) & mask {
		if p.slots[i].next == place+1 {
			return i, true
		}
	}
	return 0, false
}

// enter puts a slot into the first empty one from where it should be.
func (p *part) enter(s slot) {
	mask := uint32(len(p.slots) - 1)
	i := s.tag & mask
	for p.slots[i].next != 0 {
		i = (i + 1) & mask
	}
	p.slots[i] = s
}

// empty takes a slot out, and moves those behind it nearer to where they should
// be: a search ends at the first empty slot, and would not find them any more.
func (p *part) empty(hole uint32) {
	mask := uint32(len(p.slots) - 1)
	p.slots[hole] = slot{}
	for i := (hole + 1) & mask; p.slots[i].next != 0; i = (i + 1) & mask {
		if home := p.slots[i].tag & mask; (i-home)&mask >= (i-hole)&mask {
			p.slots[hole], p.slots[i] = p.slots[i], slot{}
			hole = i
		}
	}
}

// resize gives the part another number of slots.
func (p *part) resize(n int) {
	old := p.slots
	p.slots = make([]slot, n)
	for _, s := range old {
		if s.next != 0 {
			p.enter(s)
		}
	}
}
