package worker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

var processing = step{buy: true, answer: &providers.Answer{Status: providers.StatusProcessing, Ref: map[string]string{"order_id": "7"}}}

func TestPoll_AnOrderInWorkIsAskedAboutUntilItEndsAndOnlyNewsIsWritten(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.next(processing)
	s.onLookup = func(n int) (providers.Answer, error) {
		switch n {
		case 1, 2:
			return providers.Answer{Status: providers.StatusProcessing}, nil
		case 3:
			return providers.Answer{}, errBusyRead
		case 4:
			return providers.Answer{}, nil // a status that the adapter does not know
		case 5:
			return providers.Answer{Status: providers.StatusAbsent}, nil
		default:
			return providers.Answer{Status: providers.StatusSucceeded, Finality: messages.Final}, nil
		}
	}
	b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	e := b.ends("o1")
	if got := b.path("o1"); got != "accepted placing processing succeeded" {
		t.Errorf("path %s", got)
	}
	if e.ProviderRef["order_id"] != "7" || e.Finality != messages.Final || len(s.sent()) != 1 {
		t.Errorf("%v, %d calls", e.ProviderRef, len(s.sent()))
	}
	b.drained()
}

func TestPoll_TheWaitBetweenLooksGrows(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	var at []time.Time
	enough := make(chan struct{})
	s.onLookup = func(n int) (providers.Answer, error) {
		if at = append(at, time.Now()); n < 6 {
			return providers.Answer{Status: providers.StatusProcessing}, nil
		}
		close(enough)
		return providers.Answer{Status: providers.StatusSucceeded}, nil
	}
	o := b.options(messages.GamesDrop, "w1")
	o.Times = order.Times{PollFirst: 300 * time.Millisecond, PollMax: time.Minute, BlockedMax: time.Minute}
	b.work(s, o)
	b.placed("o1")
	signal(t, enough)
	// A timer is never early: from the fourth look on a wait is half of an age of
	// three first waits at least.
	for i := 1; i < len(at); i++ {
		least := o.Times.PollFirst
		if age := at[i-1].Sub(at[0]) / 2; age > least {
			least = age
		}
		if wait := at[i].Sub(at[i-1]); wait < least-20*time.Millisecond {
			t.Errorf("look %d came after %s, want %s at least", i+1, wait, least)
		}
	}
}

func TestPoll_WhatTheProviderSaysOfAnOrderInWork(t *testing.T) {
	t.Parallel()
	hold := time.Now().Add(time.Hour)
	watch := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		says []providers.Answer
		end  messages.Type
		path string
		code string
	}{
		"failed":                         {[]providers.Answer{{Status: providers.StatusFailed, Code: "CANCELED"}}, messages.Failed, "accepted placing processing failed", "CANCELED"},
		"refunded before it succeeded":   {[]providers.Answer{{Status: providers.StatusReversed, Code: "REFUND"}}, messages.Failed, "accepted placing processing failed", "REFUND"},
		"refunded after it succeeded":    {[]providers.Answer{{Status: providers.StatusSucceeded, WatchUntil: &watch}, {Status: providers.StatusReversed, Code: "REFUND"}}, messages.Reversed, "accepted placing processing succeeded reversed", "REFUND"},
		"held, then taken back":          {[]providers.Answer{{Status: providers.StatusOnHold, HoldUntil: &hold}, {Status: providers.StatusReversed, Code: "hold_returned"}}, messages.Reversed, "accepted placing processing on_hold reversed", "hold_returned"},
		"held, then done":                {[]providers.Answer{{Status: providers.StatusOnHold, HoldUntil: &hold}, {Status: providers.StatusSucceeded}}, messages.Succeeded, "accepted placing processing on_hold succeeded", ""},
		"the customer must act, and did": {[]providers.Answer{{Status: providers.StatusActionRequired, Action: &messages.Action{URL: "https://pay.example/1"}}, {Status: providers.StatusSucceeded}}, messages.Succeeded, "accepted placing processing action_required succeeded", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			s.next(processing)
			s.onLookup = func(n int) (providers.Answer, error) { return c.says[min(n, len(c.says))-1], nil }
			b.work(s, b.options(messages.GamesDrop, "w1"))
			b.submit(offer("o1"))
			e := b.becomes("o1", c.end)
			if got := b.path("o1"); got != c.path || len(s.sent()) != 1 {
				t.Errorf("path %s, %d calls", got, len(s.sent()))
			}
			if c.code != "" && (e.Error == nil || e.Error.Code != c.code || e.Error.Class != "rejected") {
				t.Errorf("%+v", e.Error)
			}
			b.drained()
		})
	}
}

// An owner whose answer is no answer has learned nothing: whatever code it
// bears, the order is in doubt, and nobody looks before the lease is over.
func TestDoubt_TheEventTellsWhatWasFoundAndWhatComesNext(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		providers.CodeTimeout, providers.CodeConnectionReset, "http_502", providers.CodeUnreadable,
		"SERVICE_UNAVAILABLE", "BALANCE_UNAVAILABLE", "SOMETHING_NEW",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			s.next(step{buy: true, err: &providers.Error{Op: "shop.create", Code: code, Message: "what it said"}})
			b.work(s, b.options(messages.GamesDrop, "w1"))
			b.submit(offer("o1"))
			e := b.becomes("o1", messages.Unresolved)
			lease := b.becomes("o1", messages.Placing).LeaseUntil
			if e.Error == nil || e.Error.Class != "ambiguous" || e.Error.Code != code || e.Error.Message != "what it said" || e.Error.Retryable {
				t.Errorf("error %+v", e.Error)
			}
			if e.NeedsOperator || e.NotBefore != nil || e.RetryAt == nil || e.RetryAt.Before(*lease) || e.LeaseUntil != nil {
				t.Errorf("needs_operator %v, not_before %v, retry_at %v, lease %v", e.NeedsOperator, e.NotBefore, e.RetryAt, lease)
			}
			repeat := b.until("the repeat", func(e *messages.Event) bool { return e.Type == messages.Placing && e.Attempt == 2 })
			if repeat.Time.Before(lease.Truncate(time.Microsecond)) {
				t.Errorf("repeated %s before the lease was over", lease.Sub(repeat.Time))
			}
		})
	}
}

func TestDoubt_AnAnswerWithoutAStatusIsUnreadable(t *testing.T) {
	t.Parallel()
	for _, status := range []providers.Status{providers.StatusUnknown, providers.StatusAbsent, providers.Status(99)} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			s.next(step{buy: true, answer: &providers.Answer{Status: status}})
			b.work(s, b.options(messages.GamesDrop, "w1"))
			b.submit(offer("o1"))
			e := b.becomes("o1", messages.Unresolved)
			if e.Error.Class != "ambiguous" || e.Error.Code != providers.CodeUnreadable {
				t.Errorf("%+v", e.Error)
			}
		})
	}
}

func TestDoubt_TheOperatorsTimeIsTheHoldDownAfterTheLease(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.keyless = true
	s.next(step{buy: true, err: errTimeout})
	b.work(s, b.options(messages.BalanceSteam, "w1"))
	b.submit(topup("o1"))
	e := b.ends("o1")
	placing := b.becomes("o1", messages.Placing)
	if want := placing.LeaseUntil.Add(holdDown); !e.NotBefore.Equal(want) || e.RetryAt != nil {
		t.Errorf("not_before %v, want %v; retry_at %v", e.NotBefore, want, e.RetryAt)
	}
}

func TestDoubt_TheOperatorIsAskedWhenTheWaitIsSpent(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	for range 1000 {
		s.next(step{err: errTimeout})
	}
	o := b.options(messages.GamesDrop, "w1")
	o.AbsenceWait = 1200 * time.Millisecond
	b.work(s, o)
	b.submit(offer("o1"))
	first := b.becomes("o1", messages.Unresolved)
	e := b.ends("o1")
	if e.State != messages.Unresolved || e.Evidence["witness"] == nil || e.NotBefore == nil || e.Error.Code != providers.CodeTimeout {
		t.Errorf("%s %v not_before %v", e.State, e.Evidence, e.NotBefore)
	}
	if waited := e.Time.Sub(first.Time); waited < o.AbsenceWait {
		t.Errorf("asked after %s", waited)
	}
	b.drained()
	sent := s.sent()
	for _, reference := range sent {
		if reference != sent[0] {
			t.Errorf("references %v", sent)
		}
	}
	if len(sent) < 2 {
		t.Errorf("%d calls: it was never repeated", len(sent))
	}
}
