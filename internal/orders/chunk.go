package orders

import (
	"slices"
	"sort"
	"strings"
)

// rowBits of a place say which row of its chunk is meant.
const rowBits = 10

// chunk holds some rows of one tenant that came after each other. Rows are kept
// in chunks so that no more than one of them is ever copied at once, by its
// growth or by the removal of erased orders, and so that a list passes over
// those where nothing fits.
type chunk struct {
	shelf *shelf
	rows  []row    // by first; at least one
	live  []uint16 // how many of them are of a class and not gone
	gone  int
	since int64 // no row's last event was stored before
}

// push adds a row behind the others, and gives itself no more room than it needs:
// a tenant may have a few orders only.
func (c *chunk) push(r row, most int) {
	if len(c.rows) == cap(c.rows) {
		c.rows = append(make([]row, 0, min(most, max(4, 2*len(c.rows)))), c.rows...)
	}
	c.rows = append(c.rows, r)
	c.live[r.class]++
}

// turn gives a row another class.
func (c *chunk) turn(r *row, to class) {
	c.live[r.class]--
	c.live[to]++
	r.class = to
}

// erase takes a row for that of an erased order.
func (c *chunk) erase(r *row) {
	r.absent = goneAfter
	c.live[r.class]--
	c.gone++
}

// find returns the row whose first event is at a sequence.
func (c *chunk) find(first uint64) (int, bool) {
	i := sort.Search(len(c.rows), func(i int) bool { return c.rows[i].first >= first })
	return i, i < len(c.rows) && c.rows[i].first == first
}

// shelf is one tenant's part.
type shelf struct {
	tenant string
	chunks []uint32 // their numbers, by first
}

// compact drops the erased rows of a chunk when they are many, and the chunk
// with the last of them.
func (x *index) compact(number uint32) {
	c := x.chunks[number]
	if c.gone*4 < len(c.rows) {
		return
	}
	kept := make([]row, 0, len(c.rows)-c.gone)
	for i := range c.rows {
		r := &c.rows[i]
		if r.gone() {
			continue
		}
		if i != len(kept) {
			x.table.Move(r.digest[0], x.place(number, i), x.place(number, len(kept)))
		}
		kept = append(kept, *r)
	}
	c.rows, c.gone = kept, 0
	if len(kept) > 0 {
		return
	}
	x.chunks[number] = nil
	x.free = append(x.free, number)
	c.shelf.chunks = slices.DeleteFunc(c.shelf.chunks, func(n uint32) bool { return n == number })
	if len(c.shelf.chunks) == 0 {
		delete(x.tenants, c.shelf.tenant)
	}
}

// room returns the chunk of a tenant that takes the next row.
func (x *index) room(tenant string) (uint32, *chunk) {
	s := x.tenants[tenant]
	if s == nil {
		s = &shelf{tenant: strings.Clone(tenant)} // not the whole subject
		x.tenants[s.tenant] = s
	}
	if n := len(s.chunks); n > 0 {
		last := s.chunks[n-1]
		if c := x.chunks[last]; len(c.rows) < 1<<x.bits {
			return last, c
		}
	}
	c := &chunk{shelf: s, live: make([]uint16, classes)}
	var number uint32
	if n := len(x.free); n > 0 {
		number, x.free = x.free[n-1], x.free[:n-1]
		x.chunks[number] = c
	} else {
		number = uint32(len(x.chunks)) //nolint:gosec // of four million there would be four billion orders
		x.chunks = append(x.chunks, c)
	}
	s.chunks = append(s.chunks, number)
	return number, c
}

// place names a row in the table.
func (x *index) place(number uint32, row int) uint32 {
	return number<<x.bits | uint32(row) //nolint:gosec // less than 1<<bits
}

// at returns the row at a place, and its chunk.
func (x *index) at(place uint32) (*chunk, *row) {
	c := x.chunks[place>>x.bits]
	return c, &c.rows[place&(1<<x.bits-1)]
}
