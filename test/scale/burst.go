package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/test/hold/beside"
)

// publishers is how many submit at once, as upstream systems would.
const publishers = 32

// burst submits the orders as fast as they are taken, and returns how long it
// took until an upstream has read that each has succeeded. The login that an
// order tops up is its id, so that the shop's books name the order.
func (r *rig) burst(ctx context.Context, s *beside.System, ids []string) (time.Duration, error) {
	missing := make(map[string]bool, len(ids))
	for _, id := range ids {
		missing[id] = true
	}
	done := make(chan string, len(ids))
	stop, err := s.Follow(ctx, jetstream.DeliverNewPolicy, func(m jetstream.Msg) {
		if a, err := messages.ParseEventSubject(m.Subject()); err == nil && a.Provider == messages.BalanceSteam {
			done <- a.OrderID
		}
	}, messages.Succeeded)
	if err != nil {
		return 0, err
	}
	defer stop()
	r.bought = append(r.bought, ids...)
	r.ended[s] += len(ids)
	begun := time.Now()
	submitted := make(chan error, 1)
	go func() { submitted <- submitAll(ctx, s, ids) }()
	quiet := time.NewTimer(beside.Patience)
	defer quiet.Stop()
	for len(missing) > 0 {
		select {
		case id := <-done: // an event may be read twice
			delete(missing, id)
			quiet.Reset(beside.Patience)
		case <-quiet.C:
			return 0, fmt.Errorf("%s: %d of %d orders did not end\n%s", s.Name, len(missing), len(ids), s.More[0].Tail())
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	took := time.Since(begun)
	return took, <-submitted
}

func submitAll(ctx context.Context, s *beside.System, ids []string) error {
	next := make(chan string)
	errs := make(chan error, publishers)
	var group sync.WaitGroup
	for range publishers {
		group.Go(func() {
			for id := range next {
				if err := submit(ctx, s, id); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	err := func() error {
		defer group.Wait()
		defer close(next)
		for _, id := range ids {
			select {
			case next <- id:
			case err := <-errs:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}()
	close(errs)
	return errors.Join(err, <-errs)
}

// submit hands in a top-up. It is repeated until it is stored: the same order
// has no effect a second time.
func submit(ctx context.Context, s *beside.System, id string) error {
	body := fmt.Appendf(nil, `{"v":1,"id":%q,"provider":"balancesteam","kind":"topup",`+
		`"params":{"login":%q,"amount":"1.00"},"metadata":{"cart":"981","customer":"c-20251"}}`, id, id)
	m := &nats.Msg{Subject: messages.OrderSubject(beside.Tenant, messages.SubmitRequest), Data: body}
	for deadline := time.Now().Add(beside.Patience); ; beside.Pause(ctx, 5*time.Millisecond) {
		once, end := context.WithTimeout(ctx, 10*time.Second)
		_, err := s.JS.PublishMsg(once, m)
		end()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("%s: order %s was not stored: %w", s.Name, id, err)
		}
	}
}

// hold submits a deposit, has its customer give skins that are held, and
// waits until the order is on hold.
func (r *rig) hold(ctx context.Context, s *beside.System, id string) error {
	opened, held := make(chan string, 1), make(chan struct{}, 1)
	stop, err := s.Follow(ctx, jetstream.DeliverNewPolicy, func(m jetstream.Msg) {
		a, err := messages.ParseEventSubject(m.Subject())
		switch {
		case err != nil || a.OrderID != id:
		case a.Type == messages.ActionRequired:
			opened <- beside.ReferenceOf(m)
		default:
			held <- struct{}{}
		}
	}, messages.ActionRequired, messages.OnHold)
	if err != nil {
		return err
	}
	defer stop()
	if err := s.Submit(ctx, id); err != nil {
		return err
	}
	deadline := time.NewTimer(beside.Patience)
	defer deadline.Stop()
	for {
		select {
		case key := <-opened:
			if err := s.Shop.Hold(key, "20.05"); err != nil {
				return err
			}
		case <-held:
			return nil
		case <-deadline.C:
			return fmt.Errorf("%s: order %s is not on hold\n%s", s.Name, id, s.Worker.Tail())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// judge holds the shop's books against what was submitted.
func judge(submitted []string, bought []balancesteamtest.Purchase) error {
	books := map[string]int{}
	for _, p := range bought {
		books[p.LoginOrEmail]++
	}
	lost, doubled := 0, 0
	for _, id := range submitted {
		switch n := books[id]; {
		case n == 0:
			lost++
		case n > 1:
			doubled++
		}
		delete(books, id)
	}
	if lost+doubled+len(books) > 0 {
		return fmt.Errorf("of %d orders the shop's books lack %d and have %d more than once; they have %d that nobody submitted",
			len(submitted), lost, doubled, len(books))
	}
	return nil
}
