package ratelimit_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/pkg/messages"
)

// conns opens n connections to the server.
func conns(t *testing.T, s *natstest.Server, n int) (all []*nats.Conn) {
	t.Helper()
	for range n {
		all = append(all, s.Conn(t))
	}
	return all
}

func TestStream_SaturatedByFourItHoldsInEveryWindowAndIsFairAndQuiet(t *testing.T) {
	t.Parallel()
	s, d := natstest.Start(t), openDoor(t)
	setUp(t, s.JS(t), small, 1)
	all := flood(t, d, conns(t, s, 4)...)
	d.await(t, 4*small.limit)
	for _, r := range all {
		r.end()
	}
	d.judge(t, small)
	sent, permits := uint64(0), 0.0
	for _, r := range all {
		// What a connection says beside requests: two for the inbox of its answers.
		sent += r.conn.Stats().OutMsgs
		permits += r.counter(t, "beltline_permits_granted_total")
	}
	took, checks := d.by(small.limit) // what came first was a burst
	counts := slices.Sorted(maps.Values(took))
	t.Logf("messages to NATS per permit %.2f, by replica %v, %d checks of %d", float64(sent)/permits, counts, checks, d.count()-small.limit)
	if float64(sent) > 4*permits {
		t.Errorf("%d messages to NATS for %.0f permits, want at most 4 for each", sent, permits)
	}
	if len(counts) != 4 || float64(counts[3]) > 1.5*float64(counts[0]) {
		t.Errorf("replicas took %v", took)
	}
	if 6*checks < d.count()-small.limit {
		t.Errorf("checks got %d of %d permits, want a quarter", checks, d.count()-small.limit)
	}
}

func TestStream_ARestartOfTheServerGrantsNothingTwice(t *testing.T) {
	t.Parallel()
	s, d := natstest.Start(t), openDoor(t)
	setUp(t, s.JS(t), small, 1)
	flood(t, d, conns(t, s, 3)...)
	for _, n := range []int{small.limit / 2, small.limit * 3 / 2} {
		d.await(t, n)
		s.Restart(t)
	}
	d.await(t, 3*small.limit)
	d.judge(t, small)
}

func TestStream_OnThreeNodesMovingAndStoppedLeadersGrantNothingTwice(t *testing.T) {
	t.Parallel()
	c, d := natstest.StartCluster(t, 3), openDoor(t)
	setUp(t, c.JS(t), small, 3)
	var conns []*nats.Conn
	for range 3 {
		conns = append(conns, c.Conn(t))
	}
	flood(t, d, conns...)
	stream := messages.SkinsBack.PermitStream()
	d.await(t, small.limit/2)
	if err := c.StepDown(stream); err != nil {
		t.Fatal(err)
	}
	d.await(t, small.limit*3/2)
	leader, err := c.WaitLeader(stream)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WaitCurrent(stream); err != nil {
		t.Fatal(err)
	}
	c.StopNode(leader)
	d.await(t, small.limit*5/2)
	if err := c.StartNode(leader); err != nil {
		t.Fatal(err)
	}
	d.await(t, 3*small.limit)
	d.judge(t, small)
}

func TestStream_ConnectionsThatAreCutGrantNothingTwice(t *testing.T) {
	t.Parallel()
	s, d := natstest.Start(t, natstest.WithListener()), openDoor(t)
	setUp(t, s.JS(t), small, 1)
	wires := openWires(t, s.URL())
	var conns []*nats.Conn
	for range 3 {
		conns = append(conns, wires.conn(t))
	}
	flood(t, d, conns...)
	for n := small.limit / 4; n < 5*small.limit/2; n += small.limit / 2 {
		d.await(t, n)
		wires.cut()
	}
	d.await(t, 3*small.limit)
	d.judge(t, small)
}

// Permits of a replica that dies are burnt: they neither come back early nor
// keep the others from going on. Those that join late get their share.
func TestStream_AReplicaThatDiesBurnsItsPermitsAndLateOnesGetTheirShare(t *testing.T) {
	t.Parallel()
	s, d := natstest.Start(t), openDoor(t)
	setUp(t, s.JS(t), small, 1)
	dying := join(t, d, "dying", s.Conn(t))
	for range small.limit / 4 {
		if _, err := dying.limiter.Take(t.Context(), ratelimit.ForPlace); err != nil {
			t.Fatal(err)
		}
	}
	dying.work(t)
	first := flood(t, d, conns(t, s, 2)...)
	d.await(t, small.limit)
	dying.conn.Close() // its waiters stand in the order of turns, and it takes none
	dying.leave()
	late := make([]*replica, 2)
	for i := range late {
		late[i] = join(t, d, fmt.Sprintf("late%d", i+1), s.Conn(t))
		late[i].work(t)
	}
	// One whole life of the permits is for the late ones to find their place.
	d.await(t, 2*small.limit)
	before := d.count()
	d.await(t, before+2*small.limit)
	d.judge(t, small)
	took, _ := d.by(before)
	for _, r := range append(first, late...) {
		if took[r.name] < small.limit/5 {
			t.Errorf("%s got %d of %d permits", r.name, took[r.name], 2*small.limit)
		}
	}
}

// A worker that wakes up with permits of a window that is long over throws them
// away where the request would be written.
func TestStream_APausedHolderThrowsItsOldPermitsAway(t *testing.T) {
	t.Parallel()
	s, d := natstest.Start(t), openDoor(t)
	setUp(t, s.JS(t), small, 1)
	paused := join(t, d, "paused", s.Conn(t))
	var old []ratelimit.Permit
	for range small.limit / 4 {
		p, err := paused.limiter.Take(t.Context(), ratelimit.ForPlace)
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, p)
	}
	flood(t, d, conns(t, s, 2)...)
	d.await(t, 2*small.limit) // more than a window: theirs are long in use again
	for _, p := range old {
		if err := paused.spend(t.Context(), p); err == nil {
			t.Error("an old permit was used")
		}
	}
	d.await(t, d.count()+small.limit)
	d.judge(t, small)
	if took, _ := d.by(0); took["paused"] > 0 {
		t.Errorf("%d requests with old permits arrived", took["paused"])
	}
	if n := paused.counter(t, "beltline_permits_thrown_away_total"); int(n) != len(old) {
		t.Errorf("%.0f permits counted as thrown away, want %d", n, len(old))
	}
}

func TestStream_ALimitThatIsChangedHoldsFromItsFirstRequestOn(t *testing.T) {
	t.Parallel()
	low, high := rule{small.limit / 2, small.window}, rule{2 * small.limit, small.window}
	s, d := natstest.Start(t), openDoor(t)
	js := s.JS(t)
	setUp(t, js, small, 1)
	flood(t, d, conns(t, s, 3)...)
	d.await(t, small.limit*3/2)

	setUp(t, js, low, 1)
	lowered := time.Now()
	d.await(t, d.count()+2*low.limit)

	raised := time.Now()
	setUp(t, js, high, 1)
	d.await(t, d.count()+3*high.limit/2)

	times := d.times()
	most := map[rule]int{}
	for i, n := range within(times, small.window) {
		r := high
		switch at := times[i]; {
		case at.Before(lowered.Add(ratelimit.Margin)): // what was granted before may still be on its way
			r = small
		case at.Before(raised):
			r = low
		}
		most[r] = max(most[r], n)
		if n > r.limit {
			t.Errorf("request %d was number %d of its window, with a limit of %d", i, n, r.limit)
		}
	}
	t.Logf("the fullest windows: %v", most)
	if most[high] <= small.limit {
		t.Errorf("at most %d in a window after the limit was raised to %d: it had no effect", most[high], high.limit)
	}
}
