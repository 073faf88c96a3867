package fence_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/pkg/messages"
)

// The negative control: what these tests do makes a worker without a fence buy
// everything a second time, and no compare-and-set on the ledger can see it.
func TestRollback_WithoutAFenceEverythingIsBoughtTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	orders := many("a", 5, topup)
	r.submit(orders...)
	older := r.copied()
	r.run(messages.BalanceSteam, "w1", false)
	r.reach(messages.Succeeded, orders...)
	r.rollBack(older)
	for _, o := range orders {
		r.eventually(o.ID+" to be bought again", func() bool { return len(r.steam.PurchasesOf(o.ID)) == 2 })
	}
}

// Ledger, queue and bucket are all of the same older copy, so that nothing on
// the server contradicts anything else. Only the processes know better.
func TestRollback_OfTheWholeStoreBuysNothingTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	orders := many("a", 5, topup)
	r.submit(orders...)
	older := r.copied()
	w1, w2 := r.fenced(messages.BalanceSteam, "w1"), r.fenced(messages.BalanceSteam, "w2")
	r.reach(messages.Succeeded, orders...)
	r.rollBack(older)
	r.tripped(fence.Older)
	for _, w := range []*node{w1, w2} {
		r.eventually("every worker to say so", func() bool { return errors.Is(w.fence.Ready(), fence.ErrStopped) })
	}
	r.boughtOnce(orders...)

	// What was accepted since waits, and so does a worker that starts now.
	later := topup("later")
	r.submit(later)
	w1.stop()
	w3 := r.fenced(messages.BalanceSteam, "w3")
	r.eventually("the new worker to know", func() bool { return errors.Is(w3.fence.Ready(), fence.ErrStopped) })
	if e := r.last(later.ID); e.Type != messages.Accepted {
		t.Errorf("%s is %s while buying is stopped", e.OrderID, e.Type)
	}
	if n := len(r.steam.Purchases()); n != len(orders) {
		t.Errorf("the books hold %d purchases of %d orders", n, len(orders))
	}
}

// After a clearing the orders whose purchase the ledger has lost are still in it
// as accepted. The shop takes no key: it would sell them again.
func TestClear_WhatMayHaveBeenBoughtGoesToTheOperatorAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	orders := many("a", 3, topup)
	r.submit(orders...)
	older := r.copied()
	w1, w2 := r.fenced(messages.BalanceSteam, "w1"), r.fenced(messages.BalanceSteam, "w2")
	r.reach(messages.Succeeded, orders...)
	r.rollBack(older)
	r.tripped(fence.Older)
	s, err := fence.Clear(r.within(), r.js, "ada", "restored from the copy of noon", true)
	if err != nil || s.Tripped || s.Cleared.By != "ada" || s.Cleared.Reason != "restored from the copy of noon" {
		t.Fatalf("%+v, %v", s, err)
	}
	r.reach(messages.Unresolved, orders...)
	for _, o := range orders {
		if e := r.last(o.ID); !e.NeedsOperator || e.NotBefore == nil || e.Error == nil || e.Error.Code != "ledger_lost" {
			t.Errorf("%s: %+v, %+v", o.ID, e, e.Error)
		}
	}
	fresh := topup("fresh")
	r.submit(fresh)
	r.reach(messages.Succeeded, fresh)
	r.boughtOnce(append(orders, fresh)...)
	r.sound(w1, w2)
	if _, err := fence.Clear(r.within(), r.js, "ada", "again", true); !errors.Is(err, fence.ErrNotTripped) {
		t.Errorf("a second clearing: %v", err)
	}
}

// What waits at a clearing may have been bought by what is gone: that a shop
// knows its reference is what was to be expected, and stops nobody again.
func TestClear_AShopThatKnowsWhatWaitedIsNoNewAlarm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	orders := many("a", 3, offer)
	r.submit(orders...)
	older := r.copied()
	w := r.fenced(messages.GamesDrop, "w1")
	for _, o := range orders {
		r.eventually(o.ID+" to be bought", func() bool { return r.last(o.ID).Attempt > 0 && r.last(o.ID).State != messages.Placing })
	}
	sold := len(r.drop.Purchases())
	r.rollBack(older)
	r.tripped(fence.Older, fence.Surprise)
	if _, err := fence.Clear(r.within(), r.js, "ada", "restored from the copy of noon", true); err != nil {
		t.Fatal(err)
	}
	r.reach(messages.Unresolved, orders...)
	r.sound(w)
	if n := len(r.drop.Purchases()); n != sold {
		t.Errorf("the books hold %d sales, and %d before the ledger was rolled back", n, sold)
	}
}

// The ledger has grown beyond what is remembered before the worker sees it
// again: no sequence shows anything, only that other events stand in their place.
func TestRollback_ThatHasGrownAgainIsSeenByWhatStandsThere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	orders := many("a", 5, topup)
	r.submit(orders...)
	older := r.copied()
	w := r.fenced(messages.BalanceSteam, "w1")
	r.reach(messages.Succeeded, orders...)
	w.gate.closed.Store(true)
	r.rollBack(older)
	for _, o := range many("b", 100, topup) {
		r.accept(o)
	}
	w.gate.closed.Store(false)
	if s := r.tripped(fence.Older); !strings.Contains(s.Found, "written on") {
		t.Errorf("found %q", s.Found)
	}
	r.boughtOnce(orders...)
}

// A process that starts knows only what the bucket remembers.
func TestRollback_OfTheLedgerAloneIsSeenByAProcessThatStarts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	orders := many("a", 5, topup)
	r.submit(orders...)
	older := r.copied()
	w := r.fenced(messages.BalanceSteam, "w1")
	r.reach(messages.Succeeded, orders...)
	r.remembered()
	w.stop()
	r.rollBackOnly(older, messages.StreamEvents, messages.StreamCommands)
	r.fenced(messages.BalanceSteam, "w2")
	r.tripped(fence.Older)
	r.boughtOnce(orders...)
}

// Nobody on our side remembers anything; the shop does.
func TestRollback_ThatNobodyRemembersIsSeenByWhatTheProviderKnows(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	orders := many("a", 3, offer)
	r.submit(orders...)
	older := r.copied()
	w := r.fenced(messages.GamesDrop, "w1")
	for _, o := range orders {
		r.eventually(o.ID+" to be bought", func() bool { return r.last(o.ID).Attempt > 0 && r.last(o.ID).State != messages.Placing })
	}
	sold := len(r.drop.Purchases())
	w.stop()
	r.rollBack(older)
	r.fenced(messages.GamesDrop, "w2")
	if s := r.tripped(fence.Surprise); !strings.Contains(s.Found, "gamesdrop") {
		t.Errorf("found %q", s.Found)
	}
	if n := len(r.drop.Purchases()); n != sold || sold != len(orders) {
		t.Errorf("the books hold %d sales, and %d before the ledger was rolled back", n, sold)
	}
}
