package orders_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/orders"
	"github.com/beltline-io/beltline/pkg/messages"
)

const manyOrders = 200_000

// life is what the subjects tell of an order that goes well.
var life = []messages.Type{messages.Accepted, messages.Placing, messages.Processing, messages.Succeeded}

// heap is what lives on the heap.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one has found to be garbage is swept by now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkIndex_HeapOfAnOrder tells what the index keeps of each order.
func BenchmarkIndex_HeapOfAnOrder(b *testing.B) {
	for b.Loop() {
		before := heap()
		x := orders.NewIndex()
		for n := range uint64(manyOrders) {
			a := messages.EventAddress{Provider: messages.GamesDrop, Tenant: "acme", OrderID: fmt.Sprintf("ord-2026-%06d", n), Type: messages.Succeeded}
			x.Take(n+1, a, time.Unix(0, int64(n)))
		}
		b.ReportMetric(float64(heap()-before)/manyOrders, "B/order")
		if x.Size() != manyOrders {
			b.Fatalf("%d orders", x.Size())
		}
	}
}

// BenchmarkIndex_Apply tells what an event costs: the first, of an order that
// is not known, and those that follow, of an order long not touched.
func BenchmarkIndex_Apply(b *testing.B) {
	ids := make([]string, manyOrders)
	for n := range ids {
		ids[n] = fmt.Sprintf("ord-2026-%06d", n)
	}
	stored := time.Unix(1_800_000_000, 0)
	var x orders.Index
	n := 0
	for b.Loop() {
		at := n % (manyOrders * len(life))
		if at == 0 {
			x = orders.NewIndex()
		}
		x.Take(uint64(n)+1, messages.EventAddress{
			Provider: messages.GamesDrop, Tenant: "acme", OrderID: ids[at%manyOrders], Type: life[at/manyOrders],
		}, stored)
		n++
	}
}

// BenchmarkIndex_ScanForARareState tells how long events wait for a list of a
// state that one order in ten thousand has, and for one of a state that none has.
func BenchmarkIndex_ScanForARareState(b *testing.B) {
	x := orders.NewIndex()
	for n := range uint64(manyOrders) {
		state := messages.Succeeded
		if n%10_000 == 0 {
			state = messages.OnHold
		}
		x.Take(n+1, messages.EventAddress{Provider: messages.GamesDrop, Tenant: "acme", OrderID: fmt.Sprintf("ord-2026-%06d", n), Type: state}, time.Unix(0, 0))
	}
	for state, want := range map[messages.Type]int{messages.OnHold: manyOrders / 10_000, messages.Placing: 0} {
		for _, tenant := range []string{"", "acme"} {
			b.Run(fmt.Sprintf("%s of %q", state, tenant), func(b *testing.B) {
				for b.Loop() {
					if found, _ := x.Scan(messages.OrdersAsked{Tenant: tenant, State: state}, 1<<63, 50); len(found) != want {
						b.Fatalf("%d orders", len(found))
					}
				}
			})
		}
	}
}
