package rig

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// Rarely is the mode of a case at a point that no ordinary order passes: a
// scene is set that brings a process there.
const Rarely Mode = "rarely"

// setting is a scene that brings a process to a rare point.
type setting struct {
	point string // begins the names of the points
	// role is "" for workers and dispatchers alike.
	role failpoint.Role
	only string // provider; empty for any
	hits int    // the first so many hits are cases of their own; 0 is 1
	// before are faults of the lives that come first.
	before []string
	// events is how many the ledger must hold for the scene.
	events int
	// luck: the scene leads there only where a command is in hand at the moment
	// when the lane closes.
	luck bool
	// env is what the life that is to die is told besides.
	env string
	// open sets the scene before any order is handed in, reach goes on when all
	// are, and end undoes what would last.
	open, reach func(r *run, ctx context.Context, m *member) error
	end         func(r *run, ctx context.Context, m *member)
}

// settings lists the scenes. A lane that was closed is probed and opened again:
// three writes of its key.
func settings() []setting {
	// A command is suspect from its fourth delivery on. Some of these lives may
	// end at a timer of another case.
	dying := slices.Repeat([]string{"command.begin=kill"}, 5)
	sweeps := func(point string, events int) setting {
		return setting{point: point, events: events, role: failpoint.Dispatcher, open: (*run).forgetIndex, reach: (*run).endLeader}
	}
	return []setting{
		{point: "lane.put", role: failpoint.Worker, hits: 3, open: (*run).tooMany},
		{point: "command.nak", role: failpoint.Worker, open: (*run).tooMany, luck: true},
		{point: "suspect.write", role: failpoint.Worker, before: dying},
		{point: "suspect.clear", role: failpoint.Worker, before: dying},
		{point: "fence.save"},
		{point: "turn.mark", role: failpoint.Worker, only: exchanger, open: (*run).forgetTurns},
		{point: "order.nak", role: failpoint.Dispatcher, open: (*run).cancelUnknown},
		{point: "queue.bury", role: failpoint.Dispatcher, open: (*run).handNonsense},
		{point: "sweep.take", role: failpoint.Dispatcher}, {point: "sweep.renew", role: failpoint.Dispatcher},
		sweeps("sweep.part", worthSaving), sweeps("sweep.pointer", worthSaving), sweeps("sweep.release", 0),
		{point: "lane.change", role: failpoint.Dispatcher, reach: (*run).pauseLane, end: (*run).resumeLane},
		{point: "setup.epoch", role: failpoint.Dispatcher, open: (*run).forgetEpoch},
		{point: "setup.shut", role: failpoint.Dispatcher, env: "BALANCESTEAM_RATE_LIMIT=20000/12s"},
	}
}

// setups are the faults at which the dispatcher dies, one after the other, that
// makes the streams of a fresh store: each life goes on where the last one ended.
func setups() []string {
	return []string{
		"setup.step.before=kill:1", "setup.step.after=kill:1", "setup.step.before=kill:4", "setup.step.after=kill:6",
		"setup.namespace.before=kill", "setup.namespace.after=kill", "setup.metadata.before=kill", "setup.metadata.after=kill",
	}
}

// Untried are the rare points to which no scene leads, and why.
func Untried() map[string]string {
	return map[string]string{
		"fence.doubt":    "the ledger must look wrong, and then right again",
		"fence.withdraw": "the ledger must look wrong, and then right again",
		"fence.remark":   "the program of an operator writes it, who runs it again",
		"commit.batch":   "its worker must store in batches: the nemesis of a run by seed kills it there",
		"commit.last":    "its worker must store in batches: the nemesis of a run by seed kills it there",
		// internal/forget ends a run at each of its steps and goes on with another.
		"forget.lease":    "the program of an operator writes it, who runs it again",
		"forget.announce": "the program of an operator writes it, who runs it again",
		"forget.erase":    "the program of an operator writes it, who runs it again",
		"forget.purge":    "the program of an operator writes it, who runs it again",
		"forget.release":  "the program of an operator writes it, who runs it again",
	}
}

// rareCases lists those of a provider's workers, or of the dispatcher.
func rareCases(provider string) []*Case {
	var all []*Case
	for _, s := range settings() {
		if s.role != "" && (s.role == failpoint.Dispatcher) != (provider == "") || s.only != "" && s.only != provider {
			continue
		}
		for hit := range max(s.hits, 1) {
			for _, side := range []string{".before", ".after"} {
				c := &Case{Provider: provider, Point: s.point + side, Mode: Rarely, Ends: map[string]int{}, setting: &s}
				c.fault = c.Point + "=kill"
				if hit > 0 {
					c.fault, c.Mode = fmt.Sprintf("%s:%d", c.fault, hit+1), Mode(fmt.Sprintf("%s, %d", Rarely, hit+1))
				}
				all = append(all, c)
			}
		}
	}
	return all
}

// reachFor is how long a process has to come to a rare point: a sweeper takes
// over when the lease of one that died is over.
const reachFor = 45 * time.Second

// tryRare makes one case at a rare point.
func (r *run) tryRare(ctx context.Context, m *member, c *Case) error {
	begun, s, whole := time.Now(), c.setting, ctx
	ctx, cancel := context.WithTimeout(ctx, caseFor+reachFor)
	defer cancel()
	if c.Short = r.up.read() < s.events; c.Short {
		r.say("%s: not tried before the ledger holds %d events", c.Point, s.events)
		for _, p := range c.plans {
			r.up.hand(ctx, p)
		}
		return ctx.Err()
	}
	left := c.plans
	for _, faults := range s.before {
		m.Kill("to begin a case")
		if err := m.startWith(faults); err != nil {
			return err
		}
		for _, p := range left {
			r.up.hand(ctx, p)
		}
		left = nil
		r.awaitDeath(ctx, m, c.plans)
	}
	m.Kill("to begin a case")
	said := m.said(c.fault)
	m.Env = append(slices.Clone(m.sound), "FAILPOINTS="+c.fault)
	if s.env != "" {
		m.Env = append(m.Env, s.env)
	}
	if s.open != nil {
		if err := s.open(r, ctx, m); err != nil && ctx.Err() == nil {
			return err
		}
	}
	m.began = len(m.printed(0))
	if err := m.Start(); err != nil {
		return err
	}
	for _, p := range left {
		r.up.hand(ctx, p)
	}
	reached, done := context.WithTimeout(ctx, reachFor)
	defer done()
	if s.reach != nil {
		_ = s.reach(r, reached, m) // whether it has led there is seen below
	}
	for m.said(c.fault) == said && pause(reached, 20*time.Millisecond) {
	}
	if m.said(c.fault) > said {
		c.Deaths++
	}
	m.Kill("to end a case")
	if door := r.shops.doors[m.provider]; door != nil {
		door.Faults.Clear() // nothing that was planned for this case is left for the next
	}
	if err := m.startWith(""); err != nil {
		return err
	}
	if s.end != nil {
		s.end(r, ctx, m)
	}
	if !r.up.await(ctx, func() bool { return r.up.final(c.plans) == len(c.plans) }) {
		r.say("%s at %s: an order has not ended in %s", c.Provider, c.Point, caseFor)
	}
	c.Ends, c.Took = r.up.ends(c.plans), time.Since(begun)
	return whole.Err()
}

// said counts how often the member has said that it comes to a fault.
func (m *member) said(fault string) int {
	text, err := m.Output.Text()
	if err != nil {
		return 0
	}
	return strings.Count(text, failpoint.Said+fault+"\n")
}

// printed is what the member has printed over all its lives, from an offset on.
func (m *member) printed(from int) string {
	text, err := m.Output.Text()
	if err != nil || from > len(text) {
		return ""
	}
	return text[from:]
}

// tooMany lets the shop ask for less: it closes the lane of its orders.
func (r *run) tooMany(_ context.Context, m *member) error {
	r.shops.doors[m.provider].Faults.Next(providertest.Any, ordersOfCase, providertest.TooMany(time.Second))
	return nil
}

// worthSaving is how many events a sweeper must have seen for its index to be
// saved when it ends.
const worthSaving = 1000

// read is how many events have been read.
func (u *upstream) read() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.seen)
}

// forgetIndex takes away the saved index, so that the next one is all new.
func (r *run) forgetIndex(ctx context.Context, _ *member) error {
	kv, err := r.up.js.KeyValue(ctx, "beltline")
	if err != nil {
		return err
	}
	return kv.Delete(ctx, "sweeper")
}

// forgetTurns takes away the mark that says that all payouts in doubt are known.
func (r *run) forgetTurns(ctx context.Context, _ *member) error {
	kv, err := r.up.js.KeyValue(ctx, "beltline")
	if err != nil {
		return err
	}
	return kv.Delete(ctx, "lease.payouts")
}

// forgetEpoch edits the ledger's stream as somebody does who thinks little of
// what stands in its metadata. The next setup puts the epoch back.
func (r *run) forgetEpoch(ctx context.Context, _ *member) error {
	stream, err := r.up.js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return err
	}
	config := stream.CachedInfo().Config
	delete(config.Metadata, topology.MetaEpoch)
	_, err = r.up.js.UpdateStream(ctx, config)
	return err
}

// cancelUnknown cancels an order that nobody has handed in.
func (r *run) cancelUnknown(ctx context.Context, _ *member) error {
	r.up.publish(ctx, "orders.acme.cancel", []byte(`{"v":1,"id":"nobody-has-ordered-this"}`))
	return nil
}

// handNonsense hands in what is no order.
func (r *run) handNonsense(ctx context.Context, _ *member) error {
	r.up.publish(ctx, "orders.acme.submit", []byte(`this is no order`))
	return nil
}

// endLeader asks the dispatcher to end once it sweeps for all: it saves its
// index then, and gives its lease up.
func (r *run) endLeader(ctx context.Context, m *member) error {
	const leads = "index of unfinished orders is complete"
	for m.Running() && !strings.Contains(m.printed(m.began), leads) {
		if !pause(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
	m.Terminate(10 * r.Timeout)
	return nil
}

// pauseLane asks the operator's service to pause a lane, until one hears it.
func (r *run) pauseLane(ctx context.Context, m *member) error {
	for m.Running() && !r.asked(ctx, "pause") {
		if !pause(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

// resumeLane opens it again: whether it was closed, nobody was told.
func (r *run) resumeLane(ctx context.Context, _ *member) {
	for !r.asked(ctx, "resume") && pause(ctx, 100*time.Millisecond) {
	}
}

// asked reports whether a request to the operator's service was answered well.
func (r *run) asked(ctx context.Context, action string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	reply, err := r.up.nc.RequestWithContext(ctx, "svc.operator.lane",
		fmt.Appendf(nil, `{"provider":%q,"action":%q,"by":"rig","reason":"a case"}`, r.Providers[0], action))
	return err == nil && reply.Header.Get("Nats-Service-Error-Code") == ""
}

// setUps counts the lives in which the member has made all streams, or found them.
func (m *member) setUps() int {
	text, _ := m.Output.Text()
	return strings.Count(text, `"streams and consumers are set up"`)
}

// setUpDying makes the streams by dispatchers that die over it.
func (r *run) setUpDying(ctx context.Context) error {
	if err := r.fleet.startServers(ctx); err != nil {
		return err
	}
	m := r.fleet.of("")[0]
	for _, fault := range setups() {
		if !strings.HasPrefix(fault, r.Points) {
			continue
		}
		said, before := m.said(fault), m.setUps()
		if err := m.startWith(fault); err != nil {
			return err
		}
		// One that gets past the point works on, and is ready.
		for m.Running() && m.said(fault) == said && m.setUps() == before {
			if !pause(ctx, 20*time.Millisecond) {
				return ctx.Err()
			}
		}
		point, _, _ := strings.Cut(fault, "=")
		c := &Case{Point: point, Mode: Mode("setup, " + fault[strings.Index(fault, "=")+1:]), Ends: map[string]int{}}
		if m.said(fault) > said {
			c.Deaths++
		}
		m.Kill("to end a case")
		r.setupCases = append(r.setupCases, c)
		r.say("dispatcher: %s: %d deaths", fault, c.Deaths)
	}
	m.Env = m.sound
	return nil
}
