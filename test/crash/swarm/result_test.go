package main_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
	"github.com/beltline-io/beltline/test/crash/rig"
	main "github.com/beltline-io/beltline/test/crash/swarm"
	"github.com/beltline-io/beltline/test/crash/swarm/life"
)

func TestRecover_CountsTheIntentsWhoseOwnerDiedBeforeTheirAnswer(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	var events []check.Message
	add := func(ms int, order, typ, owner, code string) {
		body := fmt.Sprintf(`{"type":%q,"tenant":"t","order_id":%q,"work":{"owner":%q},"error":{"code":%q}}`, typ, order, owner, code)
		events = append(events, check.Message{Seq: uint64(len(events) + 1), Time: at(ms), Data: body}) //nolint:gosec // not negative
	}
	for i, order := range []string{"answered", "dead", "dead too", "slow", "open"} {
		add(i, order, "placing", []string{"a", "b", "b", "c", "b"}[i], "")
	}
	add(50, "answered", "succeeded", "a", "") // a dies after it has said what came of it
	add(300, "dead", "unresolved", "b", "no_answer")
	add(500, "dead too", "unresolved", "b", "no_answer")
	add(510, "slow", "unresolved", "c", "no_answer") // c lives
	got := main.Recover(events, map[string]time.Time{"a": at(100), "b": at(100)})
	if got.InDoubt != 1 || got.DoubtOrders != 2 || got.Slow != 1 {
		t.Errorf("%d deaths left %d intents, and %d were of the slow; want 1, 2 and 1", got.InDoubt, got.DoubtOrders, got.Slow)
	}
	if want := (rig.Recovery{Orders: 2, P50: 400, P99: 400, Max: 400, AckWait: 900, InTime: 2}); got.Recovery != want {
		t.Errorf("recovered in %+v, want %+v", got.Recovery, want)
	}
}

func TestPlace_EveryPointAndRandomMomentsArePicked(t *testing.T) {
	t.Parallel()
	picked := map[string]int{}
	for _, p := range main.Places(3, 1000) {
		picked[p]++
	}
	for _, p := range life.Points() {
		if picked[p.String()] < 100 {
			t.Errorf("%s: %d of 1000", p, picked[p.String()])
		}
	}
	if len(picked) != len(life.Points())+1 || picked[""] < 50 {
		t.Errorf("%v", picked)
	}
}
