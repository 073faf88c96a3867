package sweep_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/dispatcher/sweep"
	"github.com/beltline-io/beltline/pkg/messages"
)

// An order that the store mixes up with another one is driven by nobody.
func TestStore_HoldsWhatAMapWouldHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, model, n := sweep.NewStore(), map[string]uint64{}, uint64(0)
		name := func(t *rapid.T) string {
			i := rapid.IntRange(0, 40).Draw(t, "name")
			return fmt.Sprintf("acme/%d%s", i, strings.Repeat("x", i))
		}
		put := func(t *rapid.T) {
			n++
			at := name(t)
			s.Put(at, n)
			model[at] = n
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": put, "put too": put, "put as well": put,
			"remove": func(t *rapid.T) {
				at := name(t)
				s.Remove(at)
				delete(model, at)
			},
			"remove many": func(t *rapid.T) {
				of := slices.Sorted(maps.Keys(model))
				for _, at := range of[:rapid.IntRange(0, len(of)).Draw(t, "many")] {
					s.Remove(at)
					delete(model, at)
				}
			},
			"": func(t *rapid.T) {
				if diff := cmp.Diff(model, s.All()); diff != "" {
					t.Fatalf("(-want +got):\n%s", diff)
				}
				at := name(t)
				got, ok := s.Find(at)
				if want, there := model[at]; got != want || ok != there {
					t.Fatalf("%s: %d, %t; want %d, %t", at, got, ok, want, there)
				}
			},
		})
	})
}

// Orders come and end all the time: what they leave behind must not add up.
func TestStore_GivesBackTheMemoryOfWhatEnds(t *testing.T) {
	t.Parallel()
	s, next := sweep.NewStoreOfLargeBlocks(), 0
	name := func(n int) string { return fmt.Sprintf("acme/%d-%s", n, strings.Repeat("x", n%40)) }
	for range 20_000 {
		s.Put(name(next), uint64(next))
		next++
	}
	for range 100_000 { // always as many, of which the oldest one ends
		s.Put(name(next), uint64(next))
		s.Remove(name(next - 20_000))
		next++
	}
	if entries, bytes, needed := s.Room(); entries > 22_000 || bytes > 3*needed {
		t.Errorf("room for %d entries and %d bytes of names, of which %d are needed", entries, bytes, needed)
	}
	for n := next - 20_000; n < next-10; n++ {
		s.Remove(name(n))
	}
	if entries, bytes, _ := s.Room(); entries > 1024 || bytes > 1000 || len(s.All()) != 10 {
		t.Errorf("room for %d entries and %d bytes of names, for %d orders", entries, bytes, len(s.All()))
	}
}

// Before its grace is over an order is being worked on, though it be by less
// than the index can tell.
func TestIndex_OrderIsNoSuspectAFractionOfAMillisecondTooEarly(t *testing.T) {
	t.Parallel()
	w := newWorld()
	x := sweep.NewIndex(w.options())
	e := accepted("o1")
	e.Time = start.Add(300 * time.Microsecond)
	must(t, x.Apply(1, e))
	if got := x.Keys(start.Add(time.Minute + 299*time.Microsecond)); len(got) > 0 {
		t.Errorf("suspects %v too early", got)
	}
	if got := x.Keys(start.Add(time.Minute + time.Millisecond)); len(got) != 1 {
		t.Errorf("suspects %v a millisecond later", got)
	}
}

// Whatever a saved index loses is not swept, or swept at the wrong time.
func TestSave_EveryKindOfUnfinishedOrderComesBackWhole(t *testing.T) {
	t.Parallel()
	_, js := setUp(t)
	kv, err := js.KeyValue(t.Context(), messages.Bucket)
	must(t, err)
	w := newWorld()
	x := sweep.NewIndex(w.options())
	for i, p := range messages.Providers() {
		for j, state := range messages.States() {
			e := accepted(fmt.Sprintf("o-%d-%d", i, j))
			e.Provider, e.State, e.Type, e.Time = p, state, state, start.Add(time.Duration(i*j)*1777*time.Microsecond)
			must(t, x.Apply(x.Position()+1, e))
		}
	}
	if x.Size() < 7*len(messages.Providers()) {
		t.Fatalf("%d orders", x.Size())
	}
	must(t, x.Save(t.Context(), kv, start))
	y := sweep.NewIndex(w.options())
	must(t, y.Load(t.Context(), kv, start, x.Position()))
	if diff := cmp.Diff(x.Items(), y.Items()); diff != "" {
		t.Errorf("(-saved +loaded):\n%s", diff)
	}
}
