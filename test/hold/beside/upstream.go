package beside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// connect follows the events as an upstream does.
func (s *System) connect(ctx context.Context) error {
	var err error
	if s.NC, err = nats.Connect(s.url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond)); err != nil {
		return err
	}
	if s.JS, err = jetstream.New(s.NC); err != nil {
		return err
	}
	_, err = s.Follow(ctx, jetstream.DeliverNewPolicy, s.open, messages.ActionRequired)
	return err
}

// Follow calls take for every event of these types.
func (s *System) Follow(ctx context.Context, from jetstream.DeliverPolicy, take func(jetstream.Msg), types ...messages.Type) (stop func(), err error) {
	config := jetstream.OrderedConsumerConfig{DeliverPolicy: from}
	for _, t := range types {
		config.FilterSubjects = append(config.FilterSubjects, "events.*."+Tenant+".*."+string(t))
	}
	c, err := s.JS.OrderedConsumer(ctx, messages.StreamEvents, config)
	if err != nil {
		return nil, err
	}
	reading, err := c.Consume(take)
	if err != nil {
		return nil, err
	}
	return reading.Stop, nil
}

// open tells whoever waits for the order.
func (s *System) open(m jetstream.Msg) {
	at := time.Now()
	id := orderOf(m)
	s.mu.Lock()
	waiting := s.waiting[id]
	delete(s.waiting, id)
	s.mu.Unlock()
	if waiting != nil {
		waiting <- opened{at, ReferenceOf(m)}
	}
}

// orderOf is whose event it is.
func orderOf(m jetstream.Msg) string {
	a, _ := messages.ParseEventSubject(m.Subject())
	return a.OrderID
}

// ReferenceOf is our reference at the shop, as the event tells it.
func ReferenceOf(m jetstream.Msg) string {
	var e struct {
		Ref struct {
			Reference string `json:"reference"`
		} `json:"provider_ref"`
	}
	_ = json.Unmarshal(m.Data(), &e) // an empty reference is noticed by the shop
	return e.Ref.Reference
}

// Submit hands in an order and returns when it is stored. What was on its way
// while a server died is lost without an answer, so it is sent again, as an
// upstream would: the same order has no effect a second time.
func (s *System) Submit(ctx context.Context, id string) error {
	body := fmt.Appendf(nil, `{"v":1,"id":%q,"provider":"skinsback","kind":"deposit",`+
		`"params":{"steam_id":"76561198827262007","trade_token":"i1ArBZey","currency":"USD"},"metadata":{"cart":"981","customer":"c-20251"}}`, id)
	msg := &nats.Msg{Subject: messages.OrderSubject(Tenant, messages.SubmitRequest), Data: body}
	ctx, cancel := context.WithTimeout(ctx, s.Worker.wait())
	defer cancel()
	for err := errors.New("there is no connection"); ; Pause(ctx, 5*time.Millisecond) {
		if s.NC.IsConnected() { // or it would wait in a buffer that the reconnect throws away
			once, end := context.WithTimeout(ctx, 2*time.Second)
			_, err = s.JS.PublishMsg(once, msg)
			end()
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: order %s was not stored: %w", s.Name, id, err)
		}
	}
}
