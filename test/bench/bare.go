package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// bare is the loop that a careful programmer would write in an afternoon:
// order → command → claim by compare-and-set → HTTP → result. It stores four
// messages and acknowledges two, validates nothing and recovers nothing.
type bare struct {
	results chan int
	shop    *httptest.Server
	stops   []func()
}

var filler = strings.Repeat("x", 330)

func bareOrder(i int) []byte {
	return fmt.Appendf(nil, `{"v":1,"id":"o%d","provider":"shop","login":"gabe","amount":"100.00","note":"%s"}`, i, filler)
}

func (b *bare) done() <-chan int { return b.results }

func (b *bare) submit(ctx context.Context, nc *nats.Conn, i int) error {
	return request(ctx, nc, "orders.o"+strconv.Itoa(i), bareOrder(i))
}

// request publishes and waits for the stream's acknowledgement.
func request(ctx context.Context, nc *nats.Conn, subject string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	reply, err := nc.RequestWithContext(ctx, subject, body)
	if err == nil && bytes.Contains(reply.Data, []byte(`"error"`)) {
		err = fmt.Errorf("%s: %s", subject, reply.Data)
	}
	return err
}

func (b *bare) start(ctx context.Context, url string) error {
	b.results = make(chan int, 100_000)
	b.shop = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"error":false,"id":1}`)
	}))
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	b.stops = append(b.stops, nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	for _, s := range []jetstream.StreamConfig{
		{Name: "ORDERS", Subjects: []string{"orders.>"}, Retention: jetstream.WorkQueuePolicy},
		{Name: "COMMANDS", Subjects: []string{"commands.>"}, Retention: jetstream.WorkQueuePolicy},
		{Name: "EVENTS", Subjects: []string{"events.>"}},
	} {
		if _, err := js.CreateStream(ctx, s); err != nil {
			return err
		}
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	steps := []struct {
		stream string
		handle func(jetstream.Msg) error
	}{
		{"ORDERS", func(m jetstream.Msg) error {
			return request(ctx, nc, "commands."+strings.TrimPrefix(m.Subject(), "orders."), m.Data())
		}},
		{"COMMANDS", func(m jetstream.Msg) error { return buy(ctx, nc, client, b.shop.URL, m) }},
	}
	for _, s := range steps {
		if err := b.consume(ctx, js, s.stream, s.handle); err != nil {
			return err
		}
	}
	_, err = nc.Subscribe("events.*.done", func(m *nats.Msg) {
		i, _ := strconv.Atoi(strings.TrimPrefix(strings.Split(m.Subject, ".")[1], "o"))
		b.results <- i
	})
	return err
}

// consume handles up to 64 messages of a stream at once.
func (b *bare) consume(ctx context.Context, js jetstream.JetStream, stream string, handle func(jetstream.Msg) error) error {
	c, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{Durable: "loop", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 10_000})
	if err != nil {
		return err
	}
	slots := make(chan struct{}, 64)
	cc, err := c.Consume(func(m jetstream.Msg) {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			if handle(m) == nil {
				_ = m.Ack()
			}
		}()
	}, jetstream.PullMaxMessages(64))
	if err == nil {
		b.stops = append(b.stops, cc.Stop)
	}
	return err
}

// buy claims the order, calls the shop and stores the result.
func buy(ctx context.Context, nc *nats.Conn, client *http.Client, url string, m jetstream.Msg) error {
	id := strings.TrimPrefix(m.Subject(), "commands.")
	claim := nats.NewMsg("events." + id + ".claim")
	claim.Data = m.Data()
	claim.Header.Set("Nats-Expected-Last-Subject-Sequence", "0")
	claim.Header.Set("Nats-Expected-Last-Subject-Sequence-Subject", "events."+id+".>")
	reply, err := nc.RequestMsgWithContext(ctx, claim)
	if err != nil || bytes.Contains(reply.Data, []byte(`"error"`)) {
		return fmt.Errorf("claim: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(m.Data()))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return request(ctx, nc, "events."+id+".done", m.Data())
}

func (b *bare) stop() {
	for i := len(b.stops) - 1; i >= 0; i-- {
		b.stops[i]()
	}
	b.shop.Close()
}
