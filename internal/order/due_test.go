package order_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

var times = order.Times{PollFirst: 2 * time.Second, PollMax: time.Hour, BlockedMax: time.Hour}

func TestNext_SaysWhatEachStateWaitsFor(t *testing.T) {
	t.Parallel()
	now := t0.Add(time.Minute)
	soon, past, far := now.Add(10*time.Second), now.Add(-10*time.Second), now.Add(48*time.Hour)
	long := now.Add(-order.DepositWatch)
	longer, ago := long.Add(-order.LastLookFor), now.Add(-order.LastLookFor)
	for name, tc := range map[string]struct {
		event messages.Event
		verb  messages.Verb // empty for nothing
		at    time.Time
	}{
		"accepted":              {messages.Event{State: messages.Accepted}, messages.Place, now},
		"retrying":              {messages.Event{State: messages.Retrying, RetryAt: &soon}, messages.Place, soon},
		"retrying without time": {messages.Event{State: messages.Retrying}, messages.Place, now},
		"blocked":               {messages.Event{State: messages.Retrying, RetryAt: &soon, Work: &messages.Work{BlockedSince: &past}}, messages.Check, soon},
		"blocked nearly too long": {
			messages.Event{State: messages.Retrying, RetryAt: &far, Work: &messages.Work{BlockedSince: &past}},
			messages.Check, past.Add(time.Hour),
		},
		"placing":                 {messages.Event{State: messages.Placing, LeaseUntil: &soon}, messages.Check, soon},
		"placing without lease":   {messages.Event{State: messages.Placing}, messages.Check, now},
		"unresolved":              {messages.Event{State: messages.Unresolved, RetryAt: &soon}, messages.Check, soon},
		"unresolved for operator": {messages.Event{State: messages.Unresolved, NeedsOperator: true}, "", now},
		"a deposit for operator": {
			messages.Event{State: messages.Unresolved, NeedsOperator: true, Kind: messages.Deposit, Time: t0},
			messages.Check, now.Add(30 * time.Second),
		},
		"a deposit for operator at its end": {
			messages.Event{State: messages.Unresolved, NeedsOperator: true, Kind: messages.Deposit, Time: long.Add(10 * time.Second)},
			messages.Check, soon,
		},
		"a deposit after its end":   {messages.Event{State: messages.Unresolved, NeedsOperator: true, Kind: messages.Deposit, Time: long}, messages.Check, now},
		"a deposit given up by all": {messages.Event{State: messages.Unresolved, NeedsOperator: true, Kind: messages.Deposit, Time: longer}, "", now},
		"processing":                {messages.Event{State: messages.Processing, Time: t0}, messages.Check, now.Add(30 * time.Second)},
		"processing for operator":   {messages.Event{State: messages.Processing, Time: t0, NeedsOperator: true}, messages.Check, now.Add(30 * time.Second)},
		"on hold":                   {messages.Event{State: messages.OnHold, Time: now}, messages.Check, now.Add(2 * time.Second)},
		"action required":           {messages.Event{State: messages.ActionRequired, Time: now.Add(-99 * time.Hour)}, messages.Check, now.Add(time.Hour)},
		"succeeded":                 {messages.Event{State: messages.Succeeded}, "", now},
		"succeeded and watched":     {messages.Event{State: messages.Succeeded, Time: t0, WatchUntil: &far}, messages.Check, now.Add(30 * time.Second)},
		"watched to its end":        {messages.Event{State: messages.Succeeded, Time: t0, WatchUntil: &soon}, messages.Check, soon},
		"canceled and watched":      {messages.Event{State: messages.Canceled, Time: t0, WatchUntil: &far}, messages.Check, now.Add(30 * time.Second)},
		"expired and watched":       {messages.Event{State: messages.Expired, Time: t0, WatchUntil: &far}, messages.Check, now.Add(30 * time.Second)},
		"failed and watched":        {messages.Event{State: messages.Failed, Time: t0, WatchUntil: &far}, messages.Check, now.Add(30 * time.Second)},
		"failed and left alone":     {messages.Event{State: messages.Failed, Time: t0, WatchUntil: &ago}, "", now},
		"the last look":             {messages.Event{State: messages.Succeeded, Time: t0, WatchUntil: &past}, messages.Check, now},
		"no longer watched":         {messages.Event{State: messages.Succeeded, Time: t0, WatchUntil: &ago}, "", now},
		"failed":                    {messages.Event{State: messages.Failed}, "", now},
		"canceled":                  {messages.Event{State: messages.Canceled}, "", now},
		"expired":                   {messages.Event{State: messages.Expired}, "", now},
		"reversed":                  {messages.Event{State: messages.Reversed, WatchUntil: &far}, "", now},
		"rejected":                  {messages.Event{State: messages.Rejected}, "", now},
	} {
		due, ok := order.Next(&tc.event, times, now)
		if ok != (tc.verb != "") {
			t.Errorf("%s: something is due: %t", name, ok)
			continue
		}
		if ok && (due.Verb != tc.verb || !due.At.Equal(tc.at)) {
			t.Errorf("%s: %s at %s, want %s at %s", name, due.Verb, due.At, tc.verb, tc.at)
		}
	}
}

func TestNext_WithoutABlockedMaxABlockedOrderWaitsForItsRetry(t *testing.T) {
	t.Parallel()
	since, at := t0.Add(-time.Hour), t0.Add(time.Minute)
	e := messages.Event{State: messages.Retrying, RetryAt: &at, Work: &messages.Work{BlockedSince: &since}}
	if due, _ := order.Next(&e, order.Times{PollFirst: time.Second}, t0); !due.At.Equal(at) {
		t.Errorf("due at %s, want %s: anything else is a loop", due.At, at)
	}
}

func TestBackoff_GrowsWithAgeWithinItsLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		span := func(name string) time.Duration {
			return time.Duration(rapid.Int64Range(1, int64(72*time.Hour)).Draw(t, name))
		}
		limits := order.Times{PollFirst: span("first"), PollMax: span("max")}
		e := &messages.Event{Time: t0}
		now := t0.Add(span("age") - time.Hour) // the clock of another machine may be behind
		wait := order.Backoff(e, limits, now)
		if wait < limits.PollFirst || wait > max(limits.PollMax, limits.PollFirst) {
			t.Fatalf("%s is outside of %s to %s", wait, limits.PollFirst, limits.PollMax)
		}
		if more := order.Backoff(e, limits, now.Add(span("later"))); more < wait {
			t.Fatalf("a later look waits %s, less than %s", more, wait)
		}
	})
}
