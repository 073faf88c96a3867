package fence_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Leaders come and go while the ledger grows: a follower that is behind, or a
// leader that has not caught up, is not an older ledger.
func TestCalm_OnThreeNodesLeadersThatChangeAreNoAlarm(t *testing.T) {
	t.Parallel()
	c := natstest.StartCluster(t, 3)
	js := c.JS(t)
	s := settings()
	s.Replicas = 3
	if _, err := topology.Setup(t.Context(), js, s); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var fences []*fence.Fence
	var books []*fence.Books
	for range 2 {
		nc := c.Conn(t)
		own := jsOf(t, nc)
		f := fence.New(nc, own, fence.Options{Instance: nc.Opts.Name, Every: 20 * time.Millisecond, Hearing: 100 * time.Millisecond})
		fences, books = append(fences, f), append(books, f.Around(openLedger(t, nc, own)))
		running.Go(func() { f.Run(ctx) })
	}
	written := make(chan struct{})
	running.Go(func() { writeOn(ctx, t, books, written) })
	for i := range 6 {
		for range 10 {
			select {
			case <-written:
			case <-time.After(patience):
				t.Fatal("nothing is written any more")
			}
		}
		disturb(t, c, i)
	}
	for _, f := range fences {
		if s := f.State(); s.Tripped || s.N != 0 {
			t.Errorf("false alarm: %+v", s)
		}
	}
	r := &rig{t: t, js: js}
	r.eventually("all to be allowed to buy", func() bool { return fences[0].Allows() == nil && fences[1].Allows() == nil })
	r.sound()
}

// disturb lets the leader of the ledger resign, or stops and starts its node.
func disturb(t *testing.T, c *natstest.Cluster, i int) {
	t.Helper()
	if i%2 == 0 {
		if err := c.StepDown(messages.StreamEvents); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := c.WaitCurrent(messages.StreamEvents); err != nil {
		t.Fatal(err)
	}
	leader, err := c.WaitLeader(messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	c.StopNode(leader)
	if err := c.StartNode(leader); err != nil {
		t.Fatal(err)
	}
}

// writeOn accepts orders by turns until ctx ends.
func writeOn(ctx context.Context, t *testing.T, books []*fence.Books, written chan<- struct{}) {
	for i := 0; ctx.Err() == nil; i++ {
		e, _ := order.Apply(nil, order.Change{Input: order.Accept, At: time.Now(), New: &order.Submission{
			Tenant: tenant, OrderID: many("o", i+1, topup)[i].ID, Provider: messages.BalanceSteam, Kind: messages.Topup, Order: topup("o").Raw,
		}})
		_, err := books[i%len(books)].Append(ctx, e, 0)
		if err != nil && ctx.Err() == nil {
			t.Errorf("append: %v", err)
			return
		}
		select {
		case written <- struct{}{}:
		case <-ctx.Done():
		}
	}
}
