package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// guard is a fence that the test opens and closes. It keeps no command in the
// queue, so that what is said here is said by the handling of one.
type guard struct {
	stopped atomic.Bool
	holds   bool
	halted  context.Context
	halt    context.CancelFunc
}

func newGuard(t *testing.T) *guard {
	t.Helper()
	g := &guard{}
	g.halted, g.halt = context.WithCancel(t.Context())
	return g
}

func (g *guard) stop() { g.stopped.Store(true); g.halt() }

func (g *guard) Allows() error {
	if g.stopped.Load() {
		return errors.New("the ledger is older than it was")
	}
	return nil
}

func (g *guard) Wait(ctx context.Context) bool { return ctx.Err() == nil }

func (g *guard) Halted() context.Context {
	if g.stopped.Load() {
		return g.halted
	}
	return context.Background()
}

func (g *guard) Held(*ledger.Entry, func() ([]ledger.Entry, error)) (bool, error) {
	return g.holds, nil
}

func (g *guard) Surprised(context.Context, string) {}

// bounceChecks has a check delivered and given back.
func (b *bench) bounceChecks() {
	b.t.Helper()
	c, err := b.js.Consumer(b.t.Context(), messages.StreamCommands, messages.GamesDrop.FollowConsumer())
	if err != nil {
		b.t.Fatal(err)
	}
	msg, err := c.Next(jetstream.FetchMaxWait(patience))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := msg.Nak(); err != nil {
		b.t.Fatal(err)
	}
}

// What the ledger has lost may have bought an order that waits in it. Nobody may
// call it expired or failed before somebody has said what is to become of it.
func TestFence_WhileBuyingIsStoppedNothingEndsThatWaits(t *testing.T) {
	t.Parallel()
	late := offer("o1")
	late.Raw = json.RawMessage(strings.TrimSuffix(string(late.Raw), "}") + `,"expires_at":"2026-01-01T00:00:00Z"}`)
	for name, tc := range map[string]struct {
		order  messages.Order
		deaths string
		path   string // once buying goes on
	}{
		"its time is over":           {late, "", "accepted expired"},
		"its command kills a worker": {offer("o1"), "3", "accepted failed"},
		"nothing ends it":            {offer("o1"), "", "accepted placing succeeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, g := newBench(t), newGuard(t)
			e, seq := b.accept(tc.order)
			check := func() (stop func()) {
				if tc.deaths != "" {
					if _, err := b.kv().PutString(t.Context(), "suspect.gamesdrop.acme.o1", tc.deaths); err != nil {
						t.Fatal(err)
					}
				}
				b.send(messages.Check, e, seq)
				b.bounceChecks()
				o := b.options(messages.GamesDrop, "w1")
				o.Fence = g
				return b.work(newShop(), o)
			}
			g.stop()
			stop := check()
			b.drained()
			stop()
			if got := b.path("o1"); got != "accepted" {
				t.Fatalf("while buying is stopped: %s", got)
			}
			g.stopped.Store(false)
			check()
			if b.ends("o1"); b.path("o1") != tc.path {
				t.Errorf("%s, want %s", b.path("o1"), tc.path)
			}
		})
	}
}

// refuser refuses for good what it is asked to prepare, while the ledger goes
// back behind it.
type refuser struct {
	*shop
	meanwhile func()
	asked     chan struct{}
}

func (r *refuser) Prepare(context.Context, providers.Order) (providers.Plan, error) {
	r.meanwhile()
	defer close(r.asked)
	return providers.Plan{}, &providers.Error{Op: "shop.prepare", Class: providers.Rejected, Code: "NO_SUCH_OFFER"}
}

func TestFence_ARefusalBeforeTheIntentSaysNothingOnceBuyingIsStopped(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		stop bool
		path string
	}{"stopped meanwhile": {true, "accepted"}, "allowed": {false, "accepted failed"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, g := newBench(t), newGuard(t)
			s := &refuser{shop: newShop(), asked: make(chan struct{}), meanwhile: func() {
				if tc.stop {
					g.stop()
				}
			}}
			o := b.options(messages.GamesDrop, "w1")
			o.Fence = g
			stop := b.workWith(s, o, providertest.Unlimited{})
			b.submit(offer("o1"))
			signal(t, s.asked)
			stop()
			if got := b.path("o1"); got != tc.path {
				t.Errorf("%s, want %s", got, tc.path)
			}
		})
	}
}

// A shop that can be asked by our reference says itself what it has. That it
// knows nothing under one reference does not show that nothing was bought.
func TestFence_WhatWasHeldIsLookedUpWhereTheShopCanBeAskedAndNeverSentAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		has    bool
		state  messages.Type
		person bool
	}{
		"it was paid": {true, messages.Succeeded, false},
		"not known":   {false, messages.Unresolved, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, g := newCounter(t), newGuard(t)
			g.holds = true
			if tc.has {
				c.desk.refs = []string{c.first}
				c.desk.say(1, paidUp)
			}
			o := c.options(messages.SkinsBack, "w1")
			o.Fence = g
			c.workWith(c.desk, o, providertest.Unlimited{})
			c.submit(deposit("o1", ""))
			if e := c.ends("o1"); e.State != tc.state || e.NeedsOperator != tc.person {
				t.Errorf("%s, needs_operator %v", c.path("o1"), e.NeedsOperator)
			}
			if held := c.becomes("o1", messages.Unresolved); held.NeedsOperator || held.Error == nil || held.Error.Code != "ledger_lost" {
				t.Errorf("first: needs_operator %v, %+v", held.NeedsOperator, held.Error)
			}
			c.sentAre()
		})
	}
}

// slow grants each permit after something else has happened.
type slow struct {
	providertest.Unlimited
	meanwhile func()
	asked     chan struct{}
}

func (l *slow) Take(ctx context.Context, use ratelimit.Use) (ratelimit.Permit, error) {
	if use == ratelimit.ForPlace {
		l.meanwhile()
		defer close(l.asked)
	}
	return l.Unlimited.Take(ctx, use)
}

func TestFence_WhatExpiresWhileItWaitsForItsPermitIsNotCalledExpiredOnceBuyingIsStopped(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		stop bool
		path string
	}{"stopped meanwhile": {true, "accepted"}, "allowed": {false, "accepted expired"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, g := newBench(t), newGuard(t)
			var ahead atomic.Int64
			l := &slow{asked: make(chan struct{}), meanwhile: func() {
				ahead.Store(int64(2 * time.Hour))
				if tc.stop {
					g.stop()
				}
			}}
			o := b.options(messages.GamesDrop, "w1")
			o.Fence = g
			o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			stop := b.workWith(newShop(), o, l)
			b.submitUntil("o1", time.Now().Add(time.Hour))
			signal(t, l.asked)
			stop()
			if got := b.path("o1"); got != tc.path {
				t.Errorf("%s, want %s", got, tc.path)
			}
		})
	}
}
