package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

// order is the body of an order.
func (s *system) order(id string) []byte {
	if s.provider == messages.Exchanger {
		return fmt.Appendf(nil, `{"v":1,"id":%q,"provider":"exchanger","kind":"exchange","params":{"direction_id":%q,"amount":"3000","amount_side":"give",`+
			`"account_to":"TWallet-%s","fields":{"cf6":"a@example.com"}}}`, id, exchangertest.DirectionCard, id)
	}
	return fmt.Appendf(nil, `{"v":1,"id":%q,"provider":"skinsback","kind":"deposit","params":{"steam_id":"76561198827262007","trade_token":"i1ArBZey"}}`, id)
}

// fill hands in so many orders and waits until their place commands wait.
func (s *system) fill(ctx context.Context, prefix string, n int) error {
	before, err := s.waiting(ctx)
	if err != nil {
		return err
	}
	if n > 5000 {
		say("    handing in %d orders", n)
	}
	const atOnce = 64
	var group sync.WaitGroup
	errs, next := make(chan error, atOnce), make(chan int)
	for range atOnce {
		group.Go(func() {
			for i := range next {
				if err := s.submit(ctx, fmt.Sprintf("%s-%06d", prefix, i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
		case err := <-errs:
			close(next)
			return err
		}
	}
	close(next)
	group.Wait()
	if len(errs) > 0 {
		return <-errs
	}
	return s.until(ctx, fmt.Sprintf("%d orders wait to be placed", n), func(ctx context.Context) bool {
		orders, err := s.consumer(ctx, messages.StreamOrders, "dispatcher")
		if err != nil || orders.NumPending > 0 || orders.NumAckPending > 0 {
			return false
		}
		now, err := s.waiting(ctx)
		return err == nil && (len(s.workers) > 0 && s.workers[0].PID() != 0 || now >= before+n)
	})
}

func (s *system) submit(ctx context.Context, id string) error {
	return s.say(ctx, messages.SubmitRequest, s.order(id))
}

// ask is what a customer wants of an order.
func (s *system) ask(ctx context.Context, what messages.Request, id string) error {
	return s.say(ctx, what, fmt.Appendf(nil, `{"v":1,"id":%q}`, id))
}

func (s *system) say(ctx context.Context, what messages.Request, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := s.js.Publish(ctx, messages.OrderSubject(tenant, what), body)
	return err
}

// waiting counts the place commands that wait, in hand or not.
func (s *system) waiting(ctx context.Context) (int, error) {
	c, err := s.consumer(ctx, messages.StreamCommands, s.provider.PlaceConsumer())
	if err != nil {
		return 0, err
	}
	return int(c.NumPending) + c.NumAckPending, nil
}

func (s *system) consumer(ctx context.Context, stream, name string) (*jetstream.ConsumerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := s.js.Consumer(ctx, stream, name)
	if err != nil {
		return nil, err
	}
	return c.CachedInfo(), nil
}

// follow returns a channel with the ids of orders that have an event of the type.
func (s *system) follow(ctx context.Context, t messages.Type) (<-chan string, func(), error) {
	c, err := s.js.OrderedConsumer(ctx, messages.StreamEvents, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverNewPolicy, FilterSubjects: []string{"events.*." + tenant + ".*." + string(t)},
	})
	if err != nil {
		return nil, nil, err
	}
	ids := make(chan string, 1<<16)
	reading, err := c.Consume(func(m jetstream.Msg) {
		if a, err := messages.ParseEventSubject(m.Subject()); err == nil {
			select {
			case ids <- a.OrderID:
			default: // nobody reads any more
			}
		}
	})
	if err != nil {
		return nil, nil, err
	}
	return ids, reading.Stop, nil
}
