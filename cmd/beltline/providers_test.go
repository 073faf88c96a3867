package main_test

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/pkg/messages"
)

// books says how many purchases, deposits, exchanges and payouts all shops
// together must have in their books: N.
func books(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	s := stageOf(ts)
	all := map[messages.Provider]int{
		messages.BalanceSteam: len(s.Steam.Purchases()), messages.GamesDrop: len(s.Drop.Purchases()),
		messages.SkinsBack: len(s.Skins.Deposits()), messages.Exchanger: len(s.Exchanger.Bids()) + len(s.Exchanger.Payouts()),
	}
	sum := 0
	for _, n := range all {
		sum += n
	}
	if sum != want {
		ts.Fatalf("the books hold %d purchases, not %d: %v", sum, want, all)
	}
}

// closes waits until a provider's lane is closed for a reason: PROVIDER REASON.
func closes(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	kv, err := jetStream(ts).KeyValue(ctx, messages.Bucket)
	ts.Check(err)
	watch, err := kv.Watch(ctx, messages.Provider(args[0]).LaneKey())
	ts.Check(err)
	for entry := range watch.Updates() {
		var s lane.State
		if entry != nil && json.Unmarshal(entry.Value(), &s) == nil && s.Reason == args[1] {
			return
		}
	}
	ts.Fatalf("the lane of %s was never closed because of %s", args[0], args[1])
}
