package client_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

// BenchmarkWait200000 tells what it costs to wait for an order that has ended,
// among 200,000 orders with 600,000 events, and BenchmarkWatch what an event
// costs that is read.
func BenchmarkWait200000(b *testing.B) {
	const many = 200_000
	c := filled(b, many)
	n := 0
	for b.Loop() {
		if e, err := c.Wait(b.Context(), fmt.Sprintf("o%d", n*7919%many)); err != nil || e.N != 3 {
			b.Fatalf("%+v, %v", e, err)
		}
		n++
	}
}

// BenchmarkWatch reads 30,000 events.
func BenchmarkWatch(b *testing.B) {
	const many = 10_000
	c := filled(b, many)
	read := 0
	for b.Loop() {
		for e, err := range c.Watch(b.Context(), client.Filter{}) {
			if err != nil {
				b.Fatal(err)
			}
			if read++; e.Pending == 0 {
				break
			}
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(read), "ns/event")
}

// filled is a client of a ledger with so many orders, of three events each.
func filled(b *testing.B, many int) *client.Client {
	b.Helper()
	s := natstest.Start(b)
	nc := s.Conn(b)
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(2000))
	if err != nil {
		b.Fatal(err)
	}
	natstest.CreateStream(b, js, jetstream.StreamConfig{Name: messages.StreamEvents, Subjects: []string{"events.>"}})
	for i, typ := range []messages.Type{messages.Accepted, messages.Placing, messages.Succeeded} {
		for order := range many {
			e := messages.Event{
				N: uint64(i + 1), Type: typ, State: typ, Time: time.Now(), Tenant: "acme", OrderID: fmt.Sprintf("o%d", order), Provider: messages.GamesDrop,
				Order: []byte(`{"v":1,"id":"x","provider":"gamesdrop","kind":"offer","params":{"offer_id":1001,"email":"user@example.com"},"max_cost":{"amount":"560.10","currency":"RUB"}}`),
			}
			body, err := e.MarshalJSON()
			if err != nil {
				b.Fatal(err)
			}
			if _, err := js.PublishAsync(messages.EventSubject(e.Provider, e.Tenant, e.OrderID, typ), body); err != nil {
				b.Fatal(err)
			}
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-b.Context().Done():
	}
	c, err := client.New(nc, client.Options{Tenant: "acme"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}
