package rig

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
)

// Mode says which delivery dies at the point.
type Mode string

// The modes.
const (
	First Mode = "first"    // the process that takes the orders up
	Again Mode = "again"    // that one, and the next one at the same point
	Doubt Mode = "in doubt" // the first one while its request is out, the next one at the point
)

// inCall is where the first process of a doubt dies: the request has left.
const inCall = "http.write.after/create"

// Case is one point at which the workers of one provider, or the dispatcher,
// die by their own hand.
type Case struct {
	Provider string `json:"provider"` // empty: the dispatcher
	Point    string `json:"point"`    // with its detail
	Mode     Mode   `json:"mode"`
	// Deaths counts the processes that have reached the point.
	Deaths int `json:"deaths"`
	// Ends are the states that the orders of the case have come to.
	Ends map[string]int `json:"ends"`
	// Short: the ledger was too short for the scene.
	Short bool          `json:"short,omitempty"`
	Took  time.Duration `json:"took"`
	plans []*plan
	// setting and fault are those of a rare point.
	setting *setting
	fault   string
}

// details that the workers of each provider write, poll and send. What is not
// named here no order passes, or only by faults that others try.
var details = map[string]map[string][]string{
	balanceSteam: {"ledger.append": {"placing", "succeeded"}},
	skinsBack:    {"ledger.append": {"placing", "action_required", "succeeded"}},
	gamesDrop:    {"ledger.append": {"placing", "processing", "succeeded"}},
	exchanger:    {"ledger.append": {"placing", "action_required", "processing", "succeeded"}},
	"":           {"ledger.append": {"accepted"}, "queue.send": {"place"}},
}

// callbacks are what a door stands open for.
var withDoor = []string{skinsBack, exchanger}

// waitsForTimers are the providers whose orders do not end with the answer.
var waitsForTimers = []string{skinsBack, gamesDrop, exchanger}

// cases lists all of a provider, or of the dispatcher.
func cases(provider string) []*Case {
	var all []*Case
	add := func(point string) {
		for _, mode := range modes(provider, point) {
			all = append(all, &Case{Provider: provider, Point: point, Mode: mode, Ends: map[string]int{}})
		}
	}
	for _, p := range failpoint.Points() {
		if !passes(provider, p) {
			continue
		}
		of := p.Details
		if own := details[provider][p.Base]; own != nil {
			of = own
		}
		if p.Base == "queue.send" && provider != "" {
			continue // workers send at once only what is due already
		}
		for _, name := range p.Names() {
			if len(of) == 0 {
				add(name)
			}
			for _, d := range of {
				add(name + "/" + d)
			}
		}
	}
	if provider != "" { // of a doubt: it is written by whoever finds the order
		for _, name := range []string{"ledger.append.before", "ledger.append.after"} {
			all = append(all, &Case{Provider: provider, Point: name + "/unresolved", Mode: Doubt, Ends: map[string]int{}})
		}
	}
	return all
}

// passes reports whether ordinary orders of the provider pass a point.
func passes(provider string, p failpoint.Point) bool {
	switch {
	case p.Rare, p.Only != "" && p.Only != provider:
		return false
	case provider == "":
		return p.Role == failpoint.Dispatcher || p.Base == "ledger.append" || p.Base == "queue.send"
	case p.Base == "queue.schedule":
		return slices.Contains(waitsForTimers, provider)
	case p.Role == failpoint.Door:
		return slices.Contains(withDoor, provider)
	default:
		return p.Role == failpoint.Worker
	}
}

// modes of a point. A dispatcher's message comes back only after half a minute,
// so it dies once.
func modes(provider, point string) []Mode {
	switch {
	case provider == "":
		return []Mode{First}
	case point == inCall:
		return []Mode{First, Again} // in doubt is what the second is
	default:
		return []Mode{First, Again, Doubt}
	}
}

// ordersOfCase is how many orders a case hands in.
const ordersOfCase = 3

// caseFor is the longest wait for the orders of one case.
const caseFor = 90 * time.Second

// direct prepares the orders of all cases, and returns the cases by provider.
func direct(o *Options) (map[string][]*Case, []*plan) {
	random := rand.New(rand.NewPCG(o.Seed, 7)) //nolint:gosec // repeatable on purpose
	all, plans := map[string][]*Case{}, []*plan{}
	for _, provider := range append(slices.Clone(o.Providers), "") {
		for _, c := range append(cases(provider), rareCases(provider)...) {
			if o.Points != "" && !strings.HasPrefix(c.Point, o.Points) {
				continue
			}
			for range ordersOfCase {
				p := suitable(random, len(plans), c, o.Providers)
				c.plans, plans = append(c.plans, p), append(plans, p)
			}
			all[provider] = append(all[provider], c)
		}
	}
	return all, plans
}

// suitable is an order that comes as far as its provider lets it, and passes the
// point of its case.
func suitable(random *rand.Rand, i int, c *Case, providers []string) *plan {
	provider := c.Provider
	if provider == "" {
		provider = providers[i%len(providers)]
	}
	for {
		p := planOf(random, i, provider)
		p.chance = random.IntN(60) // the customer pays, or confirms
		if p.Must == "" && (len(c.plans) == ordersOfCase/2 || p.passes(c)) {
			return p
		}
	}
}

// passes reports whether an order is of a kind that comes to the point of a
// case. One of each case need not: the others die with it.
func (p *plan) passes(c *Case) bool {
	turn, detailed := strings.HasPrefix(c.Point, "turn."), strings.Contains(c.Point, "/")
	switch {
	case turn:
		return p.Kind == "partner_payout"
	case c.Provider == exchanger && detailed:
		return p.Kind == "exchange"
	case c.Provider == gamesDrop && (strings.HasPrefix(c.Point, "queue.schedule") || strings.HasSuffix(c.Point, "/processing")):
		return strings.Contains(string(p.Body), fmt.Sprintf(`"offer_id":%d}`, gamesdroptest.OfferPending))
	default:
		return true
	}
}

// DirectedResult is what came of all cases.
type DirectedResult struct {
	*Result
	Cases []*Case `json:"cases"`
}

// Directed lets the processes of each provider die at each of their points, on
// the first delivery, on the next one as well, and while an order is in doubt,
// and judges what is left as every run does. The programs must be built with the
// tag.
func Directed(ctx context.Context, o Options) (*DirectedResult, error) {
	o.Calm, o.Replicas, o.Percent = true, 1, 0
	if err := o.fill(); err != nil {
		return nil, err
	}
	byProvider, plans := direct(&o)
	o.Orders = len(plans)
	out := &DirectedResult{}
	for _, provider := range slices.Sorted(maps.Keys(byProvider)) {
		out.Cases = append(out.Cases, byProvider[provider]...)
	}
	r := &run{Options: &o, plans: plans, form: "directed"}
	r.trials = func(ctx context.Context) error { return r.tryAll(ctx, byProvider) }
	r.begin = r.setUpDying
	result, err := r.whole(ctx)
	out.Result, out.Cases = result, append(out.Cases, r.setupCases...)
	if err == nil && result.Bundle != "" {
		err = out.save(result.Bundle)
	}
	return out, err
}

// tryAll goes through the cases: the providers side by side, since none of them
// knows of the others, and then the dispatcher.
func (r *run) tryAll(ctx context.Context, all map[string][]*Case) error {
	var group sync.WaitGroup
	faults := make(chan error, len(all))
	for provider, some := range all {
		if provider == "" {
			continue
		}
		group.Go(func() {
			for i, c := range some {
				try := r.try
				if c.setting != nil {
					try = r.tryRare
				}
				if err := try(ctx, r.fleet.of(provider)[0], c); err != nil {
					faults <- fmt.Errorf("%s at %s (%s): %w", provider, c.Point, c.Mode, err)
					return
				}
				r.say("%s: %d of %d cases; %s, %s: %d deaths, %s", provider, i+1, len(some), c.Point, c.Mode, c.Deaths, states(c.Ends))
			}
		})
	}
	group.Wait()
	for _, c := range all[""] {
		try := r.tryDispatcher
		if c.setting != nil {
			try = r.tryRare
		}
		if err := try(ctx, r.fleet.of("")[0], c); err != nil {
			return err
		}
		r.say("dispatcher: %s, %s: %d deaths", c.Point, c.Mode, c.Deaths)
	}
	r.count(ctx, all[""])
	select {
	case err := <-faults:
		return err
	default:
		return ctx.Err()
	}
}

// lives are the faults of the processes of a case, one after the other.
func (c *Case) lives() []string {
	here := c.Point + "=kill"
	switch c.Mode {
	case Again:
		return []string{here, here}
	case Doubt:
		return []string{inCall + "=kill", here}
	default:
		return []string{here}
	}
}

// handed are the orders that are handed in to a life. All of the first may be in
// doubt when it ends, and the second is to come to its point on a first delivery
// as well.
func (c *Case) handed(life int) []*plan {
	switch {
	case len(c.lives()) == 1:
		return c.plans
	case life == 0:
		return c.plans[:ordersOfCase-1]
	default:
		return c.plans[ordersOfCase-1:]
	}
}

// try makes one case.
func (r *run) try(ctx context.Context, m *member, c *Case) error {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, caseFor)
	defer cancel()
	begun := time.Now()
	var open []*plan
	for i, faults := range c.lives() {
		m.Kill("to begin a case")
		if err := m.startWith(faults); err != nil {
			return err
		}
		for _, p := range c.handed(i) {
			r.up.hand(ctx, p)
			open = append(open, p)
		}
		died := r.awaitDeath(ctx, m, open)
		if whole.Err() != nil {
			return whole.Err()
		}
		if died && strings.HasPrefix(faults, c.Point+"=") {
			c.Deaths++
		}
	}
	m.Kill("to end a case")
	if err := m.startWith(""); err != nil {
		return err
	}
	if !r.up.await(ctx, func() bool { return r.up.final(c.plans) == len(c.plans) }) {
		// The judge will say which of them are left; the next case goes on.
		r.say("%s at %s: an order has not ended in %s", c.Provider, c.Point, caseFor)
	}
	c.Ends, c.Took = r.up.ends(c.plans), time.Since(begun)
	return whole.Err() // that of the case is told above
}

// awaitDeath waits until the process has died at its point, or there is nothing
// left to bring it there.
func (r *run) awaitDeath(ctx context.Context, m *member, open []*plan) (died bool) {
	for m.Running() {
		if r.up.final(open) == len(open) {
			// What comes after the last event, an acknowledgement, needs a moment.
			for until := time.Now().Add(time.Second); m.Running() && time.Now().Before(until); {
				if !pause(ctx, 20*time.Millisecond) {
					break
				}
			}
			return !m.Running()
		}
		if !pause(ctx, 20*time.Millisecond) {
			return false
		}
	}
	return true
}

// tryDispatcher lets the dispatcher die with an order in hand, and goes on to the
// next case at once: the order comes back after the ack wait of ORDERS.
func (r *run) tryDispatcher(ctx context.Context, m *member, c *Case) error {
	ctx, cancel := context.WithTimeout(ctx, caseFor)
	defer cancel()
	begun := time.Now()
	m.Kill("to begin a case")
	if err := m.startWith(c.Point + "=kill"); err != nil {
		return err
	}
	for _, p := range c.plans {
		r.up.hand(ctx, p)
	}
	if r.awaitDeath(ctx, m, c.plans) {
		c.Deaths++
	}
	c.Took = time.Since(begun)
	return m.startWith("")
}

// count waits for the orders of the dispatcher's cases and notes their ends.
func (r *run) count(ctx context.Context, some []*Case) {
	ctx, cancel := context.WithTimeout(ctx, caseFor)
	defer cancel()
	for _, c := range some {
		r.up.await(ctx, func() bool { return r.up.final(c.plans) == len(c.plans) })
		c.Ends = r.up.ends(c.plans)
	}
}
