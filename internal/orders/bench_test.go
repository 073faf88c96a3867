package orders_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/orders"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// BenchmarkList100000 tells what a page of 50 costs where a hundred thousand
// orders of 200,000 events are known, and how long a new replica takes to know
// them.
func BenchmarkList100000(b *testing.B) {
	const many = 100_000
	srv := natstest.Start(b)
	nc := srv.Conn(b)
	js, err := jetstream.New(nc)
	must(b, err)
	s := topology.Default()
	s.EventsMaxBytes = 1 << 30
	_, err = topology.Setup(b.Context(), js, s)
	must(b, err)
	l, err := ledger.Open(b.Context(), nc, js, ledger.Options{})
	must(b, err)
	b.Cleanup(l.Close)
	r := &rig{srv, nc, js, l}
	var all sync.WaitGroup
	for lane := range 64 {
		all.Go(func() {
			for n := lane; n < many; n += 64 {
				e, _ := order.Apply(nil, order.Change{Input: order.Accept, At: time.Now(), New: &order.Submission{
					Tenant: "acme", OrderID: fmt.Sprintf("ord-2026-%06d", n), Provider: messages.GamesDrop, Kind: messages.Offer,
					Order: json.RawMessage(`{"v":1}`),
				}})
				seq, err := l.Append(b.Context(), e, 0)
				if err == nil && n%1000 != 0 {
					e, _ = order.Apply(e, order.Change{Input: order.CancelRequest, At: time.Now()})
					_, err = l.Append(b.Context(), e, seq)
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	begun := time.Now()
	reader := orders.NewReader(nc, js, l, zerolog.Nop())
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go reader.Run(ctx)
	service, err := orders.Serve(nc, reader, orders.Options{Log: zerolog.Nop()})
	must(b, err)
	defer service.Stop()
	must(b, nc.Flush())
	for {
		m, err := nc.Request("svc.orders.acme.list", []byte(`{"limit":1}`), 20*time.Second)
		if err == nil && m.Header.Get("Nats-Service-Error-Code") == "" {
			break
		}
	}
	known := time.Since(begun)
	for b.Loop() {
		if got, _ := r.list(b, "svc.orders.acme.list", map[string]any{"state": "accepted", "limit": 200}); len(got) != many/1000 {
			b.Fatalf("%d orders", len(got))
		}
	}
	b.ReportMetric(float64(known.Milliseconds()), "ms-to-know")
}
