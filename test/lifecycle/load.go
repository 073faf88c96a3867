package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const tenant = "acme"

// load hands orders in at a steady rate and notes when each is done. It waits
// for nobody: an order that takes long does not keep the next one back, or the
// slow moments would hardly be measured.
type load struct {
	js    jetstream.JetStream
	rate  int
	shops *shops

	group  sync.WaitGroup
	mu     sync.Mutex
	orders []order
	ended  int
	putOff int           // times that an order was put off, because nothing could be sent for it
	more   chan struct{} // something has changed
	fault  error
}

// order is one order: when it was handed in, and when which terminal event was
// read.
type order struct {
	asked, stored, done time.Time
	state               string
	shop                int
	way                 string // the events, each with the time since it was handed in
}

// newLoad follows the events from now on.
func newLoad(ctx context.Context, url string, rate int, s *shops) (*load, func(), error) {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	l := &load{js: js, rate: rate, shops: s, more: make(chan struct{}, 1)}
	consumer, err := js.OrderedConsumer(ctx, "EVENTS", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.*." + tenant + ".>"}})
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	reading, err := consumer.Consume(l.read)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return l, func() { reading.Stop(); nc.Close() }, nil
}

// read takes an event.
func (l *load) read(m jetstream.Msg) {
	parts := strings.Split(m.Subject(), ".") // events.<provider>.<tenant>.<order_id>.<type>
	i, err := strconv.Atoi(strings.TrimPrefix(parts[3], "o-"))
	if err != nil {
		return
	}
	var fault error
	if parts[4] == "action_required" {
		fault = l.shops.pay(i, m.Data())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i >= len(l.orders) {
		return
	}
	o := &l.orders[i]
	o.way += fmt.Sprintf(" %s +%s%s", parts[4], time.Since(o.asked).Round(time.Millisecond), why(m.Data()))
	if parts[4] == "retrying" {
		l.putOff++
	}
	if fault != nil {
		o.way += " (the customer could not pay: " + fault.Error() + ")"
	}
	if terminal[parts[4]] && o.state == "" {
		o.done, o.state = time.Now(), parts[4]
		l.ended++
		l.wake()
	}
}

// why is what an event gives as its reason, if it gives one.
func why(event []byte) string {
	var told struct {
		Error *struct{ Code, Message string }
	}
	if json.Unmarshal(event, &told) != nil || told.Error == nil {
		return ""
	}
	return fmt.Sprintf(" (%s: %s)", told.Error.Code, told.Error.Message)
}

var terminal = map[string]bool{"succeeded": true, "failed": true, "rejected": true, "canceled": true, "expired": true}

func (l *load) wake() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// run hands orders in until ctx ends, and waits until they are stored.
func (l *load) run(ctx context.Context) {
	tick := time.NewTicker(time.Second / time.Duration(l.rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.group.Wait()
			return
		case <-tick.C:
		}
		l.mu.Lock()
		i := len(l.orders)
		l.orders = append(l.orders, order{asked: time.Now(), shop: i % len(shopNames)})
		l.mu.Unlock()
		l.group.Go(func() { l.submit(context.WithoutCancel(ctx), i) })
	}
}

// submit hands an order in until it is stored.
func (l *load) submit(ctx context.Context, i int) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, err := l.js.Publish(ctx, "orders."+tenant+".submit", []byte(body(i)))
		switch {
		case err == nil:
			l.mu.Lock()
			defer l.mu.Unlock()
			l.orders[i].stored = time.Now()
			return
		case ctx.Err() != nil:
			l.mu.Lock()
			defer l.mu.Unlock()
			l.fault = fmt.Errorf("order %d was not stored: %w", i, err)
			return
		}
	}
}

// settle waits until every order has ended; false if it has not within patience.
func (l *load) settle() bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		l.mu.Lock()
		open := len(l.orders) - l.ended
		l.mu.Unlock()
		if open == 0 {
			return true
		}
		select {
		case <-l.more:
		case <-late.C:
			return false
		}
	}
}

// asked returns how many orders were handed in so far.
func (l *load) asked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.orders)
}

// tellSlowest writes down on which part of their way the slowest orders were.
func (l *load) tellSlowest(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slowest := slices.Clone(l.orders)
	slices.SortFunc(slowest, func(a, b order) int { return cmp.Compare(b.done.Sub(b.asked), a.done.Sub(a.asked)) })
	for _, o := range slowest[:min(3, len(slowest))] {
		_, _ = fmt.Fprintf(w, "slow: handed in at %s, stored +%s,%s\n",
			o.asked.Format(time.TimeOnly), o.stored.Sub(o.asked).Round(time.Millisecond), o.way)
	}
}
