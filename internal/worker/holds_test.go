package worker_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// awaitNoTimers waits until nothing is left in the queue, timers included.
func (b *bench) awaitNoTimers() {
	b.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		stream, err := b.js.Stream(b.t.Context(), messages.StreamCommands)
		if err != nil {
			b.t.Fatal(err)
		}
		info, err := stream.Info(b.t.Context(), jetstream.WithSubjectFilter(">"))
		if err != nil {
			b.t.Fatal(err)
		}
		if len(info.State.Subjects) == 0 {
			return
		}
		select {
		case <-deadline.C:
			b.t.Fatalf("still there: %v", info.State.Subjects)
		default:
		}
	}
}

func TestDeposit_ASuccessIsWatchedUntilWatchUntilAndNotAfter(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.open()
	c.becomes("o1", messages.ActionRequired)
	watch := time.Now().Add(1500 * time.Millisecond)
	done := paidUp
	done.WatchUntil = &watch
	c.desk.say(1, done)
	c.becomes("o1", messages.Succeeded)
	before := c.desk.looked(c.first)
	c.awaitNoTimers()
	if time.Now().Before(watch) {
		t.Errorf("left alone %s too early", time.Until(watch))
	}
	if c.desk.looked(c.first) == before {
		t.Error("never looked at again")
	}
	c.pathIs("accepted placing action_required succeeded")
}

// Until the end of the watch the deposit can be taken back, and the look at the
// end is the only one that sees what came shortly before it.
func TestDeposit_TheLastLookOfAWatchIsMadeThoughTheProviderIsAwayThen(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.open()
	c.becomes("o1", messages.ActionRequired)
	watch := time.Now().Add(time.Second)
	done := paidUp
	done.WatchUntil = &watch
	c.desk.say(1, done)
	c.becomes("o1", messages.Succeeded)
	c.desk.saying(1, saying{err: errBusyRead})
	for time.Now().Before(watch) {
		c.desk.await(t, c.first, 1)
	}
	c.desk.await(t, c.first, 2)
	c.desk.say(1, providers.Answer{Status: providers.StatusReversed, Code: "hold_returned"})
	c.becomes("o1", messages.Reversed)
	c.awaitNoTimers()
}

// A deposit that an operator has is watched in the same way.
func TestDeposit_TheLastLookAtOneForTheOperatorIsMadeThoughTheProviderIsAwayThen(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.accept(deposit("o1", ""))
	begun := time.Now().Add(-order.DepositWatch - time.Minute)
	c.follow("o1", order.Change{Input: order.Claim, At: begun, Intent: &order.Intent{
		Nonce: "n", Owner: "w0", Reference: c.first, ReferenceN: 1, LeaseUntil: begun, Plan: []byte(`{}`),
	}})
	last, seq := c.follow("o1", order.Change{Input: order.OwnUnknown, At: begun, Nonce: "n", NeedsOperator: true})
	c.desk.refs = []string{c.first}
	c.desk.saying(1, saying{err: errBusyRead})
	c.workWith(c.desk, c.options(messages.SkinsBack, "w1"), providertest.Unlimited{})
	c.send(messages.Check, last, seq)
	c.desk.await(t, c.first, 2)
	c.desk.say(1, paidUp)
	c.becomes("o1", messages.Succeeded)
	c.awaitNoTimers()
}

func TestDeposit_WhatIsTakenBackWhileItIsWatchedIsReversed(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.open()
	c.becomes("o1", messages.ActionRequired)
	watch := time.Now().Add(time.Hour)
	c.desk.say(1, providers.Answer{Status: providers.StatusOnHold, HoldUntil: &watch, WatchUntil: &watch, Evidence: map[string]any{"deposit_status": "in_hold"}})
	c.becomes("o1", messages.OnHold)
	c.desk.say(1, paidUp)
	if e := c.becomes("o1", messages.Succeeded); e.WatchUntil == nil || !e.WatchUntil.Equal(messages.Stamp(watch)) {
		t.Errorf("watch_until %v", e.WatchUntil)
	}
	c.desk.say(1, providers.Answer{Status: providers.StatusReversed, Code: "hold_returned"})
	e := c.becomes("o1", messages.Reversed)
	if e.Error == nil || e.Error.Code != "hold_returned" {
		t.Errorf("%+v", e.Error)
	}
	c.pathIs("accepted placing action_required on_hold succeeded reversed")
}

func TestDeposit_TheHoldIsToldWithItsNewsAndItsEnd(t *testing.T) {
	t.Parallel()
	hold := time.Now().Add(time.Hour)
	held := func(word string) providers.Answer {
		return providers.Answer{Status: providers.StatusOnHold, HoldUntil: &hold, Evidence: map[string]any{"deposit_status": word}}
	}
	for name, end := range map[string]struct {
		says  providers.Answer
		state messages.Type
		code  string
	}{
		"released":    {paidUp, messages.Succeeded, ""},
		"taken back":  {providers.Answer{Status: providers.StatusReversed, Code: "hold_returned"}, messages.Reversed, "hold_returned"},
		"not to be":   {deadFor("trade_canceled"), messages.Failed, "trade_canceled"},
		"in no hurry": {deadFor("timeout"), messages.Failed, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounter(t)
			c.open()
			c.becomes("o1", messages.ActionRequired)
			c.desk.say(1, held("in_hold"))
			if e := c.becomes("o1", messages.OnHold); e.HoldUntil == nil || !e.HoldUntil.Equal(messages.Stamp(hold)) || e.Action != nil {
				t.Errorf("hold_until %v, action %v", e.HoldUntil, e.Action)
			}
			c.desk.say(1, held("hold_approved"))
			c.until("the approval", func(e *messages.Event) bool {
				return e.Type == messages.OnHold && e.Evidence["deposit_status"] == "hold_approved" && !e.Terminal()
			})
			c.desk.await(t, c.first, 2)
			c.desk.say(1, end.says)
			e := c.becomes("o1", end.state)
			if end.code != "" && (e.Error == nil || e.Error.Code != end.code) {
				t.Errorf("%+v", e.Error)
			}
			c.pathIs("accepted placing action_required on_hold on_hold " + string(end.state))
		})
	}
}

func TestDeposit_AWordThatNobodyKnowsIsShownOnceAndDecidesNothing(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.open()
	c.becomes("o1", messages.ActionRequired)
	c.desk.say(1, providers.Answer{Evidence: map[string]any{"unknown_status": "pondering"}})
	e := c.until("the word", func(e *messages.Event) bool { return e.Evidence["unknown_status"] == "pondering" })
	if e.State != messages.ActionRequired || e.Action == nil || e.NeedsOperator {
		t.Errorf("%s, action %v, needs_operator %v", e.State, e.Action, e.NeedsOperator)
	}
	c.desk.await(t, c.first, 3)
	c.pathIs("accepted placing action_required action_required")
	c.desk.say(1, paidUp)
	c.becomes("o1", messages.Succeeded)
}

func TestDeposit_AWordThatNobodyKnowsInADoubtReachesTheOperator(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.desk.lose = 1
	c.desk.say(1, providers.Answer{Evidence: map[string]any{"unknown_status": "pondering"}})
	c.open()
	e := c.ends("o1")
	if e.State != messages.Unresolved || e.Evidence["unknown_status"] != "pondering" {
		t.Errorf("%s %v", e.State, e.Evidence)
	}
	c.sentAre(c.first)
}

func TestDeposit_FailuresBearTheReason(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"timeout", "trade_timeout", "trade_canceled", "something_new"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			c := newCounter(t)
			c.open()
			c.becomes("o1", messages.ActionRequired)
			c.desk.say(1, deadFor(reason))
			e := c.becomes("o1", messages.Failed)
			if e.Error == nil || e.Error.Code != reason || e.Error.Class != "rejected" || e.NeedsOperator {
				t.Errorf("%+v", e.Error)
			}
			c.awaitNoTimers()
		})
	}
}
