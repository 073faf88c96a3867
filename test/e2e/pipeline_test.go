package e2e_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

const (
	faultPercent = 5
	// whole is how long a whole run may take; a stuck order is found by it.
	whole = 4 * time.Minute
	// publishers is how many orders upstream hands in at once.
	publishers = 64
)

// run is one run of many orders.
type run struct {
	*rig
	plans []plan
	group sync.WaitGroup
	world *world
	rest  func() // ends the world
}

// begin starts the pipeline and lets upstream hand everything in.
func begin(t *testing.T, orders uint64, hooks skinsbacktest.Format) *run {
	t.Helper()
	seed := newSeed(t)
	r := &run{rig: newRig(t, seed, skinsbacktest.WithWebhooks(hooks, "")), plans: plans(int(fromEnv(t, "E2E_ORDERS", orders)), seed)} //nolint:gosec // few
	r.startAll()
	r.spoil(faultPercent)
	r.world = newWorld(r.rig, r.plans, seed)
	ctx, cancel := context.WithCancel(t.Context())
	var people sync.WaitGroup
	people.Go(func() { r.world.live(ctx) })
	people.Go(func() { r.world.earn(ctx) })
	r.rest = func() { cancel(); people.Wait() }
	t.Cleanup(r.rest)
	next := make(chan plan)
	for i := range publishers {
		random := rand.New(rand.NewPCG(seed, uint64(i))) //nolint:gosec // repeatable on purpose
		r.group.Go(func() {
			for p := range next {
				r.hand(p, random)
			}
		})
	}
	r.group.Go(func() {
		defer close(next)
		for _, p := range r.plans {
			next <- p
		}
	})
	return r
}

// hand hands an order in, sometimes twice and in other words.
func (r *run) hand(p plan, random *rand.Rand) {
	r.up.submit(p.tenant, p.body)
	if random.IntN(100) < 5 {
		r.up.submit(p.tenant, p.again())
	}
	if p.cancel {
		r.up.publish("orders."+p.tenant+".cancel", []byte(`{"v":1,"id":"`+p.id+`","reason":"changed my mind"}`))
	}
}

// finish waits for the end of all orders, hands some in once more, stops the
// programs and judges.
func (r *run) finish(deaths bool) verdict {
	r.t.Helper()
	r.group.Wait()
	r.awaitSettled(len(r.plans), whole)
	for i := 0; i < len(r.plans); i += 20 {
		r.up.submit(r.plans[i].tenant, r.plans[i].again())
	}
	awaitTrue(r.t, "ORDERS is empty", func() bool { return r.up.messages("ORDERS") == 0 })
	r.awaitSettled(len(r.plans), whole)
	r.awaitPeace()
	for _, letter := range r.up.letters() {
		r.t.Errorf("dead letter %s %v: %s", letter.Subject, letter.Header, letter.Data)
	}
	r.rest()
	r.stopAll()
	counts := r.judge()
	r.checkRequests(deaths)
	r.checkLogs()
	r.skinsFront.check()
	r.siteFront.check()
	r.t.Logf("%d orders, the slowest write took %s: %s", len(r.plans), r.up.slow().Round(time.Millisecond), counts)
	r.checkShown(counts)
	return counts
}

// awaitPeace waits until nobody has anything left to do, and what they did last
// has been told. What is wrong then stays wrong, and the judge tells it.
func (r *run) awaitPeace() {
	r.t.Helper()
	awaitTrue(r.t, "customers and staff are done", r.world.quiet)
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		tr, open := r.truth(), 0
		for _, p := range r.plans {
			if len(r.faults(tr, p, r.up.events(p.key()))) > 0 {
				open++
			}
		}
		if open == 0 {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			return
		}
	}
}

// checkShown fails where a run has too little in it to show anything.
func (r *run) checkShown(counts verdict) {
	r.t.Helper()
	if counts["succeeded"]*100 < len(r.plans)*55 {
		r.t.Errorf("only %d of %d orders succeeded: the run shows little", counts["succeeded"], len(r.plans))
	}
	if len(r.plans) < 10*round {
		return
	}
	for _, f := range []*front{r.skinsFront, r.siteFront} {
		f.checkShown()
	}
	for _, what := range []string{
		"topup succeeded", "gift_card succeeded", "offer succeeded", "telegram_stars succeeded", "deposit succeeded", "exchange succeeded",
		"partner_payout succeeded", "offer failed", "deposit reversed", "deposit failed", "exchange failed", "exchange canceled",
	} {
		if counts[what] == 0 {
			r.t.Errorf("no %s: the run does not show it", what)
		}
	}
}

// awaitSettled waits until so many orders have ended or are the operator's.
func (r *run) awaitSettled(n int, limit time.Duration) {
	r.t.Helper()
	if r.up.awaitChange(limit, func() bool { return r.up.settledCount() >= n }) {
		return
	}
	shown := 0
	for _, p := range r.plans {
		if events := r.up.events(p.key()); (len(events) == 0 || !events[len(events)-1].final()) && shown < 5 {
			shown++
			r.t.Logf("not ended: %s\n%s", p.key(), story(events))
		}
	}
	r.t.Fatalf("only %d of %d orders have ended", r.up.settledCount(), n)
}

func TestPipeline_2000OrdersWithFaults(t *testing.T) {
	t.Parallel()
	begin(t, 2000, skinsbacktest.Form).finish(false)
}

func TestPipeline_EveryProcessAndNATSKilledOnce(t *testing.T) {
	t.Parallel()
	r := begin(t, 600, skinsbacktest.JSON)
	for i, p := range r.procs {
		// The first dies while orders are still coming in, the last when half of
		// them have ended.
		r.awaitSettled(len(r.plans)*(i+1)/(2*len(r.procs)), whole)
		if i == len(r.procs)/2 {
			r.server.kill()
			r.server.begin()
		}
		p.kill()
		p.start()
	}
	for _, p := range r.procs {
		p.awaitReady()
	}
	r.finish(true)
}
