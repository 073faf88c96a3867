package worker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// crowd submits n orders whose commands were delivered often enough to be
// suspect, with a count of deaths for each; empty for none.
func (b *bench) crowd(n int, deaths string) {
	b.t.Helper()
	for i := range n {
		id := fmt.Sprintf("o%d", i)
		b.submit(offer(id))
		if deaths == "" {
			continue
		}
		if _, err := b.kv().PutString(b.t.Context(), "suspect.gamesdrop.acme."+id, deaths); err != nil {
			b.t.Fatal(err)
		}
	}
	b.bounceAll(n, 4)
}

// bounceAll has n place commands delivered and given back, all of them so often.
func (b *bench) bounceAll(n, times int) {
	b.t.Helper()
	c, err := b.js.Consumer(b.t.Context(), messages.StreamCommands, messages.GamesDrop.PlaceConsumer())
	if err != nil {
		b.t.Fatal(err)
	}
	for range times {
		var all []jetstream.Msg
		for range n {
			msg, err := c.Next(jetstream.FetchMaxWait(patience))
			if err != nil {
				b.t.Fatal(err)
			}
			all = append(all, msg)
		}
		for _, msg := range all {
			if err := msg.Nak(); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// Those that were worked on together when a worker died wait for each other in
// no line: as many as the step allows are worked on at once, and no more.
func TestPoison_SuspectsAreWorkedOnSideBySideAndApartFromOthersOnlyAfterTwoDeaths(t *testing.T) {
	t.Parallel()
	const n = 9
	for name, tc := range map[string]struct {
		deaths string
		atOnce int
	}{
		"however often delivered":        {"", n},
		"one death":                      {"0+1", 3}, // the root of all that are worked on
		"two deaths":                     {"0+2", 1},
		"one that is surely of this one": {"1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := patientBench(t), newShop()
			b.crowd(n, tc.deaths)
			inside, open := make(chan struct{}, n), make(chan struct{})
			s.onPrepare = func(providers.Order) error {
				inside <- struct{}{}
				<-open
				return nil
			}
			putOff, err := b.nc.SubscribeSync("$JS.ACK.COMMANDS." + messages.GamesDrop.PlaceConsumer() + ".>")
			if err != nil {
				t.Fatal(err)
			}
			if err := b.nc.Flush(); err != nil {
				t.Fatal(err)
			}
			o := patiently(b.options(messages.GamesDrop, "w1"))
			o.MaxInFlight = n
			b.work(s, o)
			for range tc.atOnce {
				signal(t, inside)
			}
			waiting := map[string]bool{} // commands that were given back, by their sequence
			for len(waiting) < n-tc.atOnce {
				msg, err := putOff.NextMsg(patience)
				if err != nil {
					t.Fatalf("%d of %d were put off: %v", len(waiting), n-tc.atOnce, err)
				}
				if strings.HasPrefix(string(msg.Data), "-NAK") {
					waiting[strings.Split(msg.Subject, ".")[5]] = true
				}
			}
			if len(inside) != 0 {
				t.Errorf("%d more than %d are worked on", len(inside), tc.atOnce)
			}
			close(open)
			for i := range n {
				if e := b.ends(fmt.Sprintf("o%d", i)); e.State != messages.Succeeded {
					t.Errorf("%s: %s", e.OrderID, b.path(e.OrderID))
				}
			}
			b.drained()
		})
	}
}

// life is a worker with a connection of its own. When it dies, nothing that it
// does reaches anybody any more.
type life struct {
	*shop
	die  func()
	dead chan struct{}
	over <-chan struct{}
}

// Prepare implements [providers.Provider]. The poison ends the process.
func (l *life) Prepare(ctx context.Context, o providers.Order) (providers.Plan, error) {
	if o.ID == "poison" {
		l.die()
		<-l.over
		return providers.Plan{}, context.Canceled
	}
	return l.shop.Prepare(ctx, o)
}

// live begins a life on the bench.
func (b *bench) live(s *shop, o worker.Options, over <-chan struct{}) *life {
	b.t.Helper()
	nc := b.srv.Conn(b.t)
	js, err := jetstream.New(nc)
	if err != nil {
		b.t.Fatal(err)
	}
	books, err := ledger.Open(b.t.Context(), nc, js, ledger.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(books.Close)
	l := &life{shop: s, dead: make(chan struct{}), over: over}
	l.die = sync.OnceFunc(func() { nc.Close(); close(l.dead) })
	w, err := worker.New(js, books, queue.New(js), l, &permits{}, o)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.Run(ctx) }()
	b.t.Cleanup(func() { cancel(); signal(b.t, ended) })
	return l
}

// outlives reports whether the poison does, of a life: false where it has ended.
func (b *bench) outlives(l *life) bool {
	b.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case <-l.dead:
			return true
		case e := <-b.events:
			b.seen = append(b.seen, e)
			if e.OrderID == "poison" && (e.Terminal() || e.NeedsOperator) {
				return false
			}
		case <-late.C:
			b.t.Fatal("the poison neither kills nor ends")
		}
	}
}

// A command that ends the whole process takes many others down with it, again
// and again. It alone is set aside, after as many deaths as it takes to tell it
// from the others and to blame it three times.
func TestPoison_ACommandThatEndsTheProcessIsFoundAmongTheInnocent(t *testing.T) {
	t.Parallel()
	const n, most = 30, 2 + 3
	b, s := benchOn(t, natstest.Start(t), func(s *topology.Settings) {
		for p, ps := range s.Providers {
			ps.Timeout, ps.Lease, ps.AckWait = lease/4, lease/2, lease
			s.Providers[p] = ps
		}
	}), newShop()
	b.submit(offer("poison"))
	for i := range n {
		b.submit(offer(fmt.Sprintf("o%d", i)))
	}
	b.bounceAll(n+1, 4)
	over := make(chan struct{})
	defer close(over)
	o := b.options(messages.GamesDrop, "w")
	o.Timeout, o.Lease, o.AckWait = lease/4, lease/2, lease
	deaths := 0
	for b.outlives(b.live(s, o, over)) {
		deaths++
		o.Instance = fmt.Sprintf("w%d", deaths)
	}
	if e := b.ends("poison"); e.State != messages.Failed || e.Error.Code != providers.CodeUnprocessable || deaths > most {
		t.Errorf("%s %+v after %d deaths", b.path("poison"), e.Error, deaths)
	}
	b.dead("poison")
	for i := range n {
		// One that was just bought when the poison struck may be the operator's, as at any death.
		e := b.ends(fmt.Sprintf("o%d", i))
		if e.Error != nil && e.Error.Code == providers.CodeUnprocessable || s.purchases(e.OrderID) != 1 {
			t.Errorf("%s: %s %+v, bought %d times", e.OrderID, b.path(e.OrderID), e.Error, s.purchases(e.OrderID))
		}
	}
}

// A command may have died too often while another delivery of it is at the
// provider. Nothing is said of the order before its owner's time is over.
func TestPoison_AnOwnerThatLivesIsHeardBeforeItsOrderIsSetAside(t *testing.T) {
	t.Parallel()
	b, s := patientBench(t), newShop()
	b.accept(offer("o1"))
	e, seq := b.follow("o1", order.Change{Input: order.Claim, Intent: &order.Intent{
		Nonce: "n", Owner: "w0", Reference: messages.Reference(b.namespace, tenant, "o1", 1), ReferenceN: 1,
		LeaseUntil: time.Now().Add(patience), Plan: []byte(`{}`),
	}})
	b.send(messages.Check, e, seq)
	b.bounceOn(messages.GamesDrop.FollowConsumer(), 2)
	if _, err := b.kv().PutString(t.Context(), "suspect.gamesdrop.acme.o1", "3"); err != nil {
		t.Fatal(err)
	}
	settled, err := b.nc.SubscribeSync("$JS.ACK.COMMANDS." + messages.GamesDrop.FollowConsumer() + ".>")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	b.work(s, patiently(b.options(messages.GamesDrop, "w1")))
	msg, err := settled.NextMsg(patience)
	if err != nil || !strings.HasPrefix(string(msg.Data), "-NAK") {
		t.Errorf("settled with %q, %v", msg.Data, err)
	}
	b.follow("o1", order.Change{Input: order.OwnSucceeded, Nonce: "n"})
	if got := b.path("o1"); got != "accepted placing succeeded" {
		t.Error(got)
	}
}
