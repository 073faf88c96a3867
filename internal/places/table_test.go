package places_test

import (
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"testing"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/places"
)

// things are names at places, as a user of the table keeps them.
type things struct {
	table  places.Table
	names  []uint64
	digest func(name uint64) uint64
}

func (w *things) find(name uint64) (uint32, bool) {
	return w.table.Find(w.digest(name), func(place uint32) bool { return w.names[place] == name })
}

func (w *things) put(name uint64) {
	w.names = append(w.names, name)
	w.table.Add(w.digest(name), uint32(len(w.names)-1))
}

// remove takes a name out and puts the last one where it lay.
func (w *things) remove(name uint64) {
	place, _ := w.find(name)
	w.table.Remove(w.digest(name), place)
	last := len(w.names) - 1
	if moved := w.names[last]; int(place) != last {
		w.table.Move(w.digest(moved), uint32(last), place)
		w.names[place] = moved
	}
	w.names = w.names[:last]
}

// Digests of few values lie on top of each other, which real ones do once in a
// blue moon: the same must come of it.
func TestTable_FindsWhatAMapWouldHoweverDigestsFall(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spread := rapid.SampledFrom([]uint64{1, 3, 64, 1 << 20}).Draw(t, "digests")
		parts := rapid.SampledFrom([]uint64{1, 256}).Draw(t, "parts")
		w := &things{digest: func(name uint64) uint64 { return name%parts<<56 | name%spread }}
		model := map[uint64]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				first, many := rapid.Uint64Range(0, 1000).Draw(t, "first"), rapid.Uint64Range(1, 60).Draw(t, "many")
				for name := first; name < first+many; name++ {
					if !model[name] {
						w.put(name)
						model[name] = true
					}
				}
			},
			"remove": func(t *rapid.T) {
				first, many := rapid.Uint64Range(0, 1000).Draw(t, "first"), rapid.Uint64Range(1, 200).Draw(t, "many")
				for name := first; name < first+many; name++ {
					if model[name] {
						w.remove(name)
						delete(model, name)
					}
				}
			},
			"": func(t *rapid.T) {
				if w.table.Len() != len(model) {
					t.Fatalf("%d places for %d names", w.table.Len(), len(model))
				}
				for name := range uint64(1100) {
					if place, ok := w.find(name); ok != model[name] || ok && w.names[place] != name {
						t.Fatalf("name %d: place %d, %t; want %t", name, place, ok, model[name])
					}
				}
			},
		})
	})
}

func TestTable_WhatWasNeverPutChangesNothing(t *testing.T) {
	t.Parallel()
	var table places.Table
	table.Remove(1, 1)
	table.Move(1, 1, 2)
	table.Add(1, 7)
	table.Remove(1, 8)
	table.Remove(2, 7)
	table.Move(1, 8, 9)
	if place, ok := table.Find(1, func(uint32) bool { return true }); !ok || place != 7 || table.Len() != 1 {
		t.Errorf("place %d, %t, of %d", place, ok, table.Len())
	}
}

// held is what lives on the heap.
func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The figures are those of the package's comment. Not parallel: it reads the heap.
func TestTable_KeepsFewBytesForAPlaceAndGivesThemBack(t *testing.T) {
	const many = 300_000
	random := rand.New(rand.NewPCG(1, 2))
	digests := make([]uint64, many)
	for i := range digests {
		digests[i] = random.Uint64()
	}
	before := held()
	table := new(places.Table)
	for i, d := range digests {
		table.Add(d, uint32(i))
	}
	if each := float64(held()-before) / many; each < 8 || each > 19 {
		t.Errorf("%.1f bytes for a place", each)
	}
	for i, d := range digests[:many-many/100] {
		table.Remove(d, uint32(i))
	}
	if left := held() - before; left > many {
		t.Errorf("%d bytes for %d places", left, table.Len())
	}
	for i, d := range digests[many-many/100:] {
		if place, ok := table.Find(d, func(uint32) bool { return true }); !ok || int(place) != many-many/100+i {
			t.Fatalf("place %d, %t", place, ok)
		}
	}
}

// BenchmarkTable tells what it costs to find one of a million places, and to
// find that a name has none.
func BenchmarkTable(b *testing.B) {
	const many = 1_000_000
	w := &things{digest: func(name uint64) uint64 { return maphash.Comparable(seed, name) }}
	for name := range uint64(many) {
		w.put(name)
	}
	for label, from := range map[string]uint64{"found": 0, "not there": many} {
		b.Run(label, func(b *testing.B) {
			for n := uint64(0); b.Loop(); n++ {
				if _, ok := w.find(from + n*7919%many); ok != (from == 0) {
					b.Fatal(ok)
				}
			}
		})
	}
}

var seed = maphash.MakeSeed()
