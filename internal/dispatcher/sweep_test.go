package dispatcher_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/pkg/messages"
)

// sweeping makes the sweeper quick.
func sweeping(o *dispatcher.Options) {
	o.AckWait, o.SweepEvery, o.LeaseFor = 50*time.Millisecond, 30*time.Millisecond, 400*time.Millisecond
}

// wantVerbs is what each unfinished order needs; all others need nothing.
var wantVerbs = map[string]string{
	"accepted": "place", "retrying": "place", "placing": "check", "processing": "check",
	"action_required": "check", "action_required_plain": "check", "on_hold": "check",
	"unresolved": "check", "succeeded_watched": "check",
}

func TestSweep_PurgedQueueGetsACommandForEveryUnfinishedOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	// Each order waits as it would in life: the unfinished ones have a timer.
	for state, life := range lives() {
		last := r.seed(t, "acme", state, life)
		if wantVerbs[state] != "" {
			must(t, r.queue.Schedule(t.Context(), messages.GamesDrop, messages.Check,
				messages.CommandFor(last.Event, last.Seq), time.Now().Add(time.Hour)))
		}
	}
	registry := prometheus.NewRegistry()
	d := r.run(t, sweeping, func(o *dispatcher.Options) { o.Registerer = registry })
	until(t, "orders are looked at", func() bool {
		return metric(t, registry, "beltline_dispatcher_sweep_looks_total") >= float64(len(wantVerbs))
	})
	if !d.Leading() {
		t.Error("the only dispatcher does not sweep")
	}
	if got := gauge(t, registry, "beltline_dispatcher_sweeping"); got != 1 {
		t.Errorf("the metric of who sweeps is %v", got)
	}
	until(t, "a round is told", func() bool { return gauge(t, registry, "beltline_dispatcher_sweep_last_timestamp_seconds") > 0 })
	if got := metric(t, registry, "beltline_dispatcher_sweep_finds_total"); got != 0 {
		t.Errorf("%v orders that wait were driven", got)
	}
	commands, err := r.js.Stream(t.Context(), messages.StreamCommands)
	must(t, err)
	must(t, commands.Purge(t.Context()))

	got := make(map[string]string)
	for len(got) < len(wantVerbs) {
		parts := strings.Split(next(t, r.commands).Subject, ".")
		got[parts[4]] = parts[2]
	}
	if diff := cmp.Diff(wantVerbs, got); diff != "" {
		t.Errorf("verbs (-want +got):\n%s", diff)
	}
	for state := range lives() {
		waiting, err := r.queue.Waiting(t.Context(), messages.GamesDrop, "acme", state, messages.Place)
		must(t, err)
		if waiting != (wantVerbs[state] != "") {
			t.Errorf("%s: waiting is %v", state, waiting)
		}
	}
	if !r.log.has(`"level":"warn"`, "had nothing in the queue and were driven again") {
		t.Error("the finds were not logged")
	}
}

// The worker that placed it has died, and its command lies behind the gate of a
// lane that is paused: what became of the order must not wait for the lane.
func TestSweep_AnIntentWithoutAnOwnerIsLookedIntoThoughItsCommandLiesBehindAClosedLane(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	last := r.seed(t, "acme", "o1", lives()["placing"])
	must(t, r.queue.Send(t.Context(), messages.GamesDrop, messages.Place, messages.CommandFor(last.Event, last.Seq)))
	if got := next(t, r.commands).Subject; got != "commands.gamesdrop.place.acme.o1" {
		t.Fatalf("command on %s", got)
	}
	r.run(t, sweeping)
	if got := next(t, r.commands).Subject; got != "commands.gamesdrop.check.acme.o1" {
		t.Errorf("command on %s", got)
	}
}

func TestSweep_LostExpiryTimerIsSetAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	timers := r.listen(t, "schedules.*.*.*.expire")
	r.run(t, sweeping)
	r.publish(t, "orders.acme.submit", offer("o1", `"expires_at":"2099-01-01T00:00:00Z"`))
	next(t, timers)
	r.settled(t)
	commands, err := r.js.Stream(t.Context(), messages.StreamCommands)
	must(t, err)
	must(t, commands.Purge(t.Context()))
	if got := next(t, timers).Subject; got != "schedules.gamesdrop.acme.o1.expire" {
		t.Errorf("timer on %s", got)
	}
}

func TestSweep_OnlyOneOfTwoDispatchersDoesAndTheOtherTakesOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.run(t, sweeping)
	until(t, "the first sweeps", a.Leading)
	b := r.run(t, sweeping)
	r.seed(t, "acme", "o1", lives()["accepted"])
	next(t, r.commands)
	if b.Leading() {
		t.Error("both sweep")
	}
	a.stop()
	until(t, "the second sweeps", b.Leading)
	r.seed(t, "acme", "o2", lives()["unresolved"])
	if got := next(t, r.commands).Subject; got != "commands.gamesdrop.check.acme.o2" {
		t.Errorf("command on %s", got)
	}
}
