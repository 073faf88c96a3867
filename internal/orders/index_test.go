package orders_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/orders"
	"github.com/beltline-io/beltline/pkg/messages"
)

// known is what an index should know of an order, kept as plainly as can be.
type known struct {
	key, tenant string
	provider    messages.Provider
	state       messages.Type
	first, seq  uint64
	at, born    time.Time
	needs       *bool // nil where the event must be read
	late        bool
	absent      int
}

// book is an index beside which a map is kept.
type book struct {
	x      orders.Index
	orders map[string]*known
	seq    uint64
	seen   []orders.Seen // by any list before
	past   int           // how many of these are of a ledger before
}

func (b *book) event(t *rapid.T) {
	a := messages.EventAddress{
		Provider: rapid.SampledFrom(append(messages.Providers(), messages.NoProvider)).Draw(t, "provider"),
		Tenant:   rapid.SampledFrom([]string{"acme", "bravo", "charlie"}).Draw(t, "tenant"),
		OrderID:  rapid.SampledFrom([]string{"o1", "o2", "o3", "o4", "o5", "o6", "o7", "o8", "o9", "o10", "o11"}).Draw(t, "id"),
		Type:     rapid.SampledFrom(append(messages.Types(), "of_a_newer_program")).Draw(t, "type"),
	}
	stored := time.Unix(rapid.Int64Range(1_000, 1_009).Draw(t, "stored"), 0)
	b.seq += rapid.Uint64Range(1, 3).Draw(t, "gap")
	b.x.TakeNamed(b.seq, a, stored)
	key := a.Tenant + "/" + a.OrderID
	o := b.orders[key]
	if o == nil {
		o = &known{key: key, tenant: a.Tenant, first: b.seq, born: stored}
		b.orders[key] = o
	}
	o.seq, o.at, o.absent = b.seq, stored, 0
	if a.Provider.Known() {
		o.provider = a.Provider
	}
	if slices.Contains(messages.States(), a.Type) {
		o.state = a.Type
	}
	o.late = o.late || a.Type == messages.LateEvidence
	o.needs = new(bool)
	if o.late || o.state == "" || o.state == messages.Unresolved {
		o.needs = nil
	}
}

// again delivers an event that was there before.
func (b *book) again(t *rapid.T) {
	if b.seq == 0 {
		return
	}
	a := messages.EventAddress{Provider: messages.Exchanger, Tenant: "acme", OrderID: "old", Type: messages.Accepted}
	b.x.Take(rapid.Uint64Range(1, b.seq).Draw(t, "old"), a, time.Unix(1, 0))
}

// may are the orders that may be in a list, the last ones first.
func (b *book) may(w messages.OrdersAsked, stored time.Time, before uint64) []*known {
	fits := func(o *known) bool {
		return o.first < before && (w.Tenant == "" || o.tenant == w.Tenant) &&
			(w.Provider == "" || o.provider == "" || o.provider == w.Provider) &&
			(w.State == "" || o.state == "" || o.state == w.State) &&
			(w.OlderThan <= 0 || !o.at.After(stored)) &&
			(w.NeedsOperator == nil || o.needs == nil || *o.needs == *w.NeedsOperator)
	}
	all := slices.DeleteFunc(slices.Collect(maps.Values(b.orders)), func(o *known) bool { return !fits(o) })
	slices.SortFunc(all, func(a, b *known) int { return int(b.first) - int(a.first) })
	return all
}

func (b *book) list(t *rapid.T) {
	w := messages.OrdersAsked{
		Tenant:        rapid.SampledFrom([]string{"", "", "acme", "bravo", "nobody"}).Draw(t, "of"),
		Provider:      rapid.SampledFrom(append(messages.Providers(), "", "", "", messages.NoProvider)).Draw(t, "provider"),
		State:         rapid.SampledFrom(append(messages.States(), "", "", "", "", "", "")).Draw(t, "state"),
		NeedsOperator: rapid.SampledFrom([]*bool{nil, nil, new(bool), ptr(true)}).Draw(t, "needs"),
		OlderThan:     rapid.SampledFrom([]time.Duration{0, 1, 1}).Draw(t, "older"),
	}
	stored := time.Unix(rapid.Int64Range(999, 1_009).Draw(t, "stored"), 0)
	before, most := rapid.Uint64Range(0, b.seq+2).Draw(t, "before"), rapid.IntRange(1, 12).Draw(t, "most")
	found, more := b.x.Look(w, stored, before, most)
	want := b.may(w, stored, before)
	if more != (len(want) > most) {
		t.Errorf("more %t, of %d orders with a page of %d", more, len(want), most)
	}
	want = want[:min(len(want), most)]
	got := make([]string, 0, most)
	for _, s := range found {
		got = append(got, fmt.Sprint(s.Key, s.First, s.Seq))
	}
	should := make([]string, 0, most)
	for _, o := range want {
		should = append(should, fmt.Sprint(o.key, o.first, o.seq))
	}
	if diff := cmp.Diff(should, got); diff != "" {
		t.Fatalf("%+v (-want +got):\n%s", w, diff)
	}
	b.seen = append(b.seen, found...)
}

func ptr[T any](v T) *T { return &v }

// read tells the index what came of reading the events of lists before, some of
// which have moved since.
func (b *book) read(t *rapid.T) {
	for range rapid.IntRange(1, 30).Draw(t, "reads") {
		if len(b.seen) == 0 {
			return
		}
		i := rapid.IntRange(0, len(b.seen)-1).Draw(t, "of")
		s := b.seen[i]
		o := b.orders[s.Key]
		moved := i < b.past || o == nil || o.first != s.First || o.seq != s.Seq
		if rapid.IntRange(0, 3).Draw(t, "there") > 0 {
			b.x.Learned(s, nil)
			if moved {
				continue
			}
			if o.absent++; o.absent == 3 {
				delete(b.orders, s.Key)
			}
			continue
		}
		e := &messages.Event{State: rapid.SampledFrom(append(messages.States(), "of_a_newer_program")).Draw(t, "state"), NeedsOperator: rapid.Bool().Draw(t, "needs")}
		b.x.Learned(s, e)
		if !moved {
			o.state, o.needs, o.absent = e.State, &e.NeedsOperator, 0
		}
	}
}

func (b *book) count(t *rapid.T) {
	want := orders.Counted{Orders: map[string]int{}, Needy: map[string]int{}, Oldest: map[string]int64{}}
	for _, o := range b.orders {
		p, state := o.provider, o.state
		if p == "" {
			p = messages.NoProvider
		}
		if state == "" {
			continue
		}
		if state == "of_a_newer_program" {
			state = "newer"
		}
		at := string(p) + " " + string(state)
		want.Orders[at]++
		switch {
		case o.needs == nil:
			want.Unread = append(want.Unread, o.seq)
		case *o.needs:
			want.Needy[string(p)]++
		}
		if have, ok := want.Oldest[at]; !state.Terminal() && (!ok || o.born.Unix() < have) {
			want.Oldest[at] = o.born.Unix()
		}
	}
	slices.Sort(want.Unread)
	if diff := cmp.Diff(want, b.x.Count(), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("counted (-want +got):\n%s", diff)
	}
}

func (b *book) reset(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "really") > 0 {
		return
	}
	b.x.Reset()
	clear(b.orders)
	b.seq, b.past = 0, len(b.seen)
}

// A list that lacks an order would have an operator overlook it.
func TestIndex_KnowsWhatAMapWouldKnow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := &book{x: orders.NewIndexOfSmallChunks(), orders: map[string]*known{}}
		t.Repeat(map[string]func(*rapid.T){
			"event": b.event, "event too": b.event, "event as well": b.event, "event again": b.again, "list": b.list, "list too": b.list,
			"read": b.read, "count": b.count, "reset": b.reset,
			"": func(t *rapid.T) {
				if b.x.Size() != len(b.orders) {
					t.Fatalf("%d orders, want %d", b.x.Size(), len(b.orders))
				}
				if r := b.x.Room(); r.Digests != len(b.orders) || r.Rows < len(b.orders) || r.Tenants > len(b.orders) {
					t.Fatalf("%+v for %d orders", r, len(b.orders))
				}
			},
		})
	})
}

// A page may be read while the ledger is replaced by another one, in which orders
// have the same sequences.
func TestIndex_WhatWasReadOfALedgerBeforeChangesNothing(t *testing.T) {
	t.Parallel()
	x := orders.NewIndex()
	x.Apply(1, "acme", "a", messages.GamesDrop, messages.Accepted)
	before, _ := x.Look(messages.OrdersAsked{}, time.Time{}, 1<<63, 1)
	x.Reset()
	for range 3 {
		x.Learned(before[0], nil) // there is none yet
	}
	x.Apply(1, "acme", "a", messages.GamesDrop, messages.Accepted)
	for range 3 {
		x.Learned(before[0], nil)
	}
	if x.Size() != 1 {
		t.Error("an order was taken to be erased because one of a ledger before is")
	}
}

// What beltline forget has erased must not be kept for as long as the process
// lives, nor be looked at by every list.
func TestIndex_ErasedOrdersGiveTheirMemoryBack(t *testing.T) {
	t.Parallel()
	const many, kept = 20_000, 500
	x := orders.NewIndex()
	for n := range uint64(many) {
		x.Apply(n+1, fmt.Sprintf("t%d", n%3), fmt.Sprintf("o%d", n), messages.GamesDrop, messages.Succeeded)
	}
	for range 3 {
		rows, more := x.Look(messages.OrdersAsked{}, time.Time{}, 1<<63, many)
		if more {
			t.Fatal("there are more than all")
		}
		for _, r := range rows {
			if r.First > kept {
				x.Learned(r, nil)
			}
		}
	}
	if r := x.Room(); x.Size() != kept || r.Digests != kept || r.Rows > 2*kept {
		t.Errorf("%+v for %d orders, want %d", r, x.Size(), kept)
	}
	x.Apply(many+1, "t0", "o700", messages.GamesDrop, messages.Accepted)
	if keys, _ := x.Scan(messages.OrdersAsked{}, 1<<63, 2); !slices.Equal(keys, []string{"t0/o700", "t1/o499"}) {
		t.Errorf("the list begins with %v", keys)
	}
}

// Places have 32 bits: those of erased orders are taken again.
func TestIndex_OrdersThatComeAndAreErasedForEverNeedNoMorePlaces(t *testing.T) {
	t.Parallel()
	x, seq := orders.NewIndexOfSmallChunks(), uint64(0)
	for day := range 50 {
		for n := range 40 {
			seq++
			x.Apply(seq, fmt.Sprintf("t%d", day), fmt.Sprintf("o%d", n), messages.GamesDrop, messages.Succeeded)
		}
		for range 3 {
			rows, _ := x.Look(messages.OrdersAsked{}, time.Time{}, 1<<63, 40)
			for _, r := range rows {
				x.Learned(r, nil)
			}
		}
	}
	if r := x.Room(); x.Size() != 0 || r.Tenants != 0 || r.Chunks > 10 {
		t.Errorf("%+v for %d orders", r, x.Size())
	}
}
