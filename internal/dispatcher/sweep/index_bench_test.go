package sweep_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/dispatcher/sweep"
	"github.com/beltline-io/beltline/pkg/messages"
)

const manyOrders = 200_000

// heap is what lives on the heap.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one has found to be garbage is swept by now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkIndex_HeapOfAnOrder tells what the index keeps of each unfinished order.
func BenchmarkIndex_HeapOfAnOrder(b *testing.B) {
	o := newWorld().options()
	for b.Loop() {
		before := heap()
		x := sweep.NewIndex(o)
		for n := range uint64(manyOrders) {
			if err := x.Apply(n+1, accepted(fmt.Sprintf("ord-2026-%06d", n))); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/manyOrders, "B/order")
		if x.Size() != manyOrders {
			b.Fatalf("%d orders", x.Size())
		}
	}
}

// BenchmarkIndex_Apply tells what an event costs beside the reading of its body:
// of orders that come, move twice and end.
func BenchmarkIndex_Apply(b *testing.B) {
	x := sweep.NewIndex(newWorld().options())
	ids := make([]string, manyOrders)
	for n := range ids {
		ids[n] = fmt.Sprintf("ord-2026-%06d", n)
	}
	life := []messages.Type{messages.Accepted, messages.Placing, messages.Processing, messages.Succeeded}
	e := accepted("")
	n := 0
	for b.Loop() {
		at := n % (manyOrders * len(life))
		n++
		e.OrderID, e.State = ids[at%manyOrders], life[at/manyOrders]
		e.Type = e.State
		if err := x.Apply(uint64(n), e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIndex_Suspects tells how long events wait for the question which
// orders are to be looked at, where none is and where all are.
func BenchmarkIndex_Suspects(b *testing.B) {
	o := newWorld().options()
	x := sweep.NewIndex(o)
	for n := range uint64(manyOrders) {
		if err := x.Apply(n+1, accepted(fmt.Sprintf("ord-2026-%06d", n))); err != nil {
			b.Fatal(err)
		}
	}
	for want, wait := range map[int]time.Duration{0: 0, manyOrders: o.Grace} {
		b.Run(fmt.Sprintf("%d of %d", want, manyOrders), func(b *testing.B) {
			for b.Loop() {
				if got := len(x.Keys(start.Add(wait))); got != want {
					b.Fatalf("%d suspects", got)
				}
			}
		})
	}
}
