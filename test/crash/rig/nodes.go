package rig

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/test/crash/check"
	"github.com/beltline-io/beltline/test/crash/procs"
)

// nodes is the nemesis of a cluster. It works beside the one of the programs,
// and does one thing after the other, so that never more than one node is away
// unless a deed is about more.
type nodes struct {
	opts    *Options
	fleet   *fleet
	shops   *shops
	cluster *procs.Cluster
	random  *rand.Rand
	system  *nats.Conn // of the system account
	plain   *nats.Conn
	done    int // deeds
}

// nodeDeed is one way to break a cluster. It is over when it returns.
type nodeDeed struct {
	name string
	do   func(n *nodes, ctx context.Context) error
}

// Things that somebody leads. Any consumer is meant where none is named.
const (
	ofEvents   = "EVENTS"
	ofCommands = "COMMANDS"
	ofOrders   = "ORDERS"
	ofConsumer = "a consumer"
	ofMeta     = "the cluster"
)

// nodeDeeds is a pack of cards: each is played before any comes again.
func nodeDeeds() []nodeDeed {
	all := []nodeDeed{
		{"kill any node", func(n *nodes, ctx context.Context) error { return n.kill(ctx, n.any(), "") }},
		{"pause any node", (*nodes).pause},
		{"isolate any node", func(n *nodes, ctx context.Context) error { return n.isolate(ctx, n.any(), "") }},
		{"cut clients off from their nodes", (*nodes).cut},
		{"kill a leader when a shop has bought", (*nodes).ambush},
		{"kill two nodes", func(n *nodes, ctx context.Context) error { return n.killSome(ctx, 2) }},
		{"kill all nodes", func(n *nodes, ctx context.Context) error { return n.killSome(ctx, len(n.cluster.Nodes)) }},
		{"kill a node that has just come back", (*nodes).killTwice},
		{"kill all nodes one after the other", (*nodes).killInTurn},
	}
	for _, what := range []string{ofEvents, ofCommands, ofOrders, ofConsumer, ofMeta} {
		all = append(all,
			nodeDeed{"kill the leader of " + what, func(n *nodes, ctx context.Context) error { return n.killLeader(ctx, what) }},
			nodeDeed{"let the leader of " + what + " step down", func(n *nodes, ctx context.Context) error { return n.stepDown(ctx, what) }},
		)
	}
	for _, what := range []string{ofEvents, ofCommands} {
		all = append(all, nodeDeed{"isolate the leader of " + what, func(n *nodes, ctx context.Context) error { return n.isolateLeader(ctx, what) }},
			nodeDeed{"kill the leader of " + what + " again", func(n *nodes, ctx context.Context) error { return n.killLeader(ctx, what) }})
	}
	return all
}

func newNodes(o *Options, f *fleet, s *shops) (*nodes, error) {
	n := &nodes{opts: o, fleet: f, shops: s, cluster: f.cluster, random: rand.New(rand.NewPCG(o.Seed, 17))} //nolint:gosec // repeatable on purpose
	var err error
	opts := []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond), nats.RetryOnFailedConnect(true), nats.Timeout(time.Second)}
	if n.plain, err = nats.Connect(f.urls(), append(opts, nats.Name("nemesis"))...); err != nil {
		return nil, err
	}
	if n.system, err = nats.Connect(f.urls(), append(opts, nats.UserInfo(procs.SystemUser, procs.SystemPassword))...); err != nil {
		n.plain.Close()
		return nil, err
	}
	return n, nil
}

func (n *nodes) close() {
	n.plain.Close()
	n.system.Close()
}

// rage breaks the cluster until ctx ends.
func (n *nodes) rage(ctx context.Context) error {
	if n.opts.only != "" {
		return nil // another deed, to a program
	}
	for ctx.Err() == nil {
		pack := nodeDeeds()
		n.random.Shuffle(len(pack), func(i, j int) { pack[i], pack[j] = pack[j], pack[i] })
		for _, d := range pack {
			wait := time.Duration(n.random.ExpFloat64() * float64(n.opts.NodeEvery))
			if !pause(ctx, min(wait, 4*n.opts.NodeEvery)) {
				return nil
			}
			if err := d.do(n, ctx); err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			n.done++
		}
	}
	return nil
}

func (n *nodes) any() int { return n.random.IntN(len(n.cluster.Nodes)) }

// away is how long a node stays away: half the time it comes back at once, and
// else often long enough for the others to elect another.
func (n *nodes) away() time.Duration {
	if n.random.IntN(2) == 0 {
		return 0
	}
	return n.between(time.Second, 12*time.Second)
}

func (n *nodes) between(least, most time.Duration) time.Duration {
	return least + time.Duration(n.random.Int64N(int64(most-least)))
}

// leader finds who leads something, or -1 where nobody can be asked.
func (n *nodes) leader(ctx context.Context, what string) (node int, key string) {
	all, err := n.cluster.Leaders(ctx)
	if err != nil {
		return -1, ""
	}
	switch what {
	case ofMeta:
		key = procs.Meta
	case ofConsumer:
		var some []string
		for name := range all {
			if strings.HasPrefix(name, ofCommands+"/worker-") || name == ofOrders+"/dispatcher" {
				some = append(some, name)
			}
		}
		if len(some) == 0 {
			return -1, ""
		}
		slices.Sort(some)
		key = some[n.random.IntN(len(some))]
	default:
		key = what
	}
	return n.cluster.Node(all[key]), key
}

// leaderNote begins the note of a deed that was done to a leader.
const leaderNote = "leader of "

func ledBy(key string) string {
	if key == procs.Meta {
		key = ofMeta
	}
	return leaderNote + key
}

// kill kills a node, and starts it again after a while.
func (n *nodes) kill(ctx context.Context, i int, note string) error {
	away := n.away()
	n.cluster.Nodes[i].Kill(note)
	pause(ctx, away)
	return n.cluster.Nodes[i].Start()
}

func (n *nodes) killLeader(ctx context.Context, what string) error {
	if i, key := n.leader(ctx, what); i >= 0 {
		return n.kill(ctx, i, ledBy(key))
	}
	return nil
}

// ambush kills the leader of EVENTS when a shop has bought: the outcome is on
// its way to it.
func (n *nodes) ambush(ctx context.Context) error {
	i, key := n.leader(ctx, ofEvents)
	if i < 0 {
		return nil
	}
	provider := n.opts.Providers[n.random.IntN(len(n.opts.Providers))]
	wait, cancel := context.WithTimeout(ctx, ambushFor)
	defer cancel()
	since := time.Now()
	if _, err := n.shops.doors[provider].Book.Wait(wait, func(e providertest.Entry) bool {
		return e.Phase == providertest.Committed && e.Time.After(since)
	}); err != nil {
		return nil //nolint:nilerr // nobody has bought anything
	}
	return n.kill(ctx, i, ledBy(key)+"; "+provider+" has just bought")
}

// killSome takes the majority away, and gives it back.
func (n *nodes) killSome(ctx context.Context, some int) error {
	first, away := n.any(), n.between(time.Second, 6*time.Second)
	for i := range some {
		n.cluster.Nodes[(first+i)%len(n.cluster.Nodes)].Kill(fmt.Sprintf("one of %d", some))
	}
	pause(ctx, away)
	return n.cluster.Start()
}

// killTwice kills a node again while it catches up with what it has missed.
func (n *nodes) killTwice(ctx context.Context) error {
	i := n.any()
	away, again := n.between(time.Second, 8*time.Second), n.between(50*time.Millisecond, 2*time.Second)
	n.cluster.Nodes[i].Kill("to have it catch up")
	pause(ctx, away)
	if err := n.cluster.Nodes[i].Start(); err != nil {
		return err
	}
	pause(ctx, again)
	n.cluster.Nodes[i].Kill("while it catches up")
	return n.cluster.Nodes[i].Start()
}

// killInTurn does what a hasty upgrade does: each node, and no wait for the one
// before to have caught up.
func (n *nodes) killInTurn(ctx context.Context) error {
	first := n.any()
	for i := range n.cluster.Nodes {
		node := n.cluster.Nodes[(first+i)%len(n.cluster.Nodes)]
		node.Kill("in turn")
		if err := node.Start(); err != nil {
			return err
		}
		pause(ctx, n.between(500*time.Millisecond, 4*time.Second))
	}
	return nil
}

func (n *nodes) pause(ctx context.Context) error {
	i := n.any()
	if n.random.IntN(2) == 0 {
		if leader, _ := n.leader(ctx, ofEvents); leader >= 0 {
			i = leader
		}
	}
	d := n.between(500*time.Millisecond, 14*time.Second)
	n.cluster.Nodes[i].Stop()
	pause(ctx, d)
	n.cluster.Nodes[i].Continue()
	return nil
}

// isolate parts a node from the others, mostly for longer than they need to
// elect another leader; its clients stay with it and get nothing stored.
func (n *nodes) isolate(ctx context.Context, i int, note string) error {
	broken, d := n.random.IntN(2) == 0, n.between(2*time.Second, 18*time.Second)
	node := n.cluster.Nodes[i]
	n.fleet.journal.Note(node.Program, node.Name, check.Troubled, strings.TrimSpace(isolatedNote+" "+note))
	n.cluster.Isolate(i, broken)
	pause(ctx, d)
	n.cluster.Rejoin(i)
	n.fleet.journal.Note(node.Program, node.Name, check.Troubled, "rejoined")
	return nil
}

func (n *nodes) isolateLeader(ctx context.Context, what string) error {
	if i, key := n.leader(ctx, what); i >= 0 {
		return n.isolate(ctx, i, ledBy(key))
	}
	return nil
}

// Notes of the deeds that are counted.
const (
	isolatedNote = "isolated"
	stepDownNote = "steps down as "
)

// stepDown makes a leader resign by the API, as operators do before an upgrade.
func (n *nodes) stepDown(ctx context.Context, what string) error {
	i, key := n.leader(ctx, what)
	if i < 0 {
		return nil
	}
	conn, subject := n.plain, "$JS.API.STREAM.LEADER.STEPDOWN."+key
	stream, consumer, ofOne := strings.Cut(key, "/")
	switch {
	case key == procs.Meta:
		conn, subject = n.system, "$JS.API.META.LEADER.STEPDOWN"
	case ofOne:
		subject = "$JS.API.CONSUMER.LEADER.STEPDOWN." + stream + "." + consumer
	}
	node := n.cluster.Nodes[i]
	n.fleet.journal.Note(node.Program, node.Name, check.Troubled, stepDownNote+ledBy(key))
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, _ = conn.RequestWithContext(ctx, subject, nil) // whether it has heard shows in what follows
	return nil
}

// cut holds back what some processes and the nodes that they are connected to
// tell each other. Where the connections break too they go to other nodes.
func (n *nodes) cut(ctx context.Context) error {
	var ways []way
	for _, m := range n.fleet.members {
		if used := m.network.used(); len(used) > 0 && n.random.IntN(2) == 0 && used.hold() {
			ways = append(ways, used)
		}
	}
	if n.random.IntN(2) == 0 {
		for _, w := range ways {
			w.reset()
		}
	}
	pause(ctx, n.between(n.opts.lease(), 4*n.opts.lease()))
	for _, w := range ways {
		w.release()
	}
	return nil
}
