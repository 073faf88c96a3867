package worker_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// counterShop is a shop whose customers may still cancel and confirm.
type counterShop struct {
	*shop
	onAsk func(n int) error // the n-th request, from 1; nil for done

	mu    sync.Mutex
	asked []string // "cancel <reference>"
}

// Cancel implements [providers.Follower].
func (s *counterShop) Cancel(_ context.Context, o providers.Order) error { return s.ask("cancel", o) }

// Confirm implements [providers.Follower].
func (s *counterShop) Confirm(_ context.Context, o providers.Order) error { return s.ask("confirm", o) }

func (s *counterShop) ask(what string, o providers.Order) error {
	s.mu.Lock()
	s.asked = append(s.asked, what+" "+o.Reference+" "+o.Ref["order_id"])
	n := len(s.asked)
	s.mu.Unlock()
	if s.onAsk == nil {
		return nil
	}
	return s.onAsk(n)
}

func (s *counterShop) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

var _ providers.Follower = (*counterShop)(nil)

// waiting is what a shop says of an order that waits for its customer.
func waiting() *providers.Answer {
	return &providers.Answer{
		Status: providers.StatusActionRequired, Ref: map[string]string{"order_id": "7"},
		Action: &messages.Action{Type: "address", URL: "https://pay.example/7", Cancel: true, Confirm: true},
	}
}

// newCounterShop is a bench with an order that waits for its customer.
func newCounterShop(t *testing.T, onAsk func(int) error) (*bench, *counterShop) {
	t.Helper()
	b := newBench(t)
	s := &counterShop{shop: newShop(), onAsk: onAsk}
	s.next(step{buy: true, answer: waiting()})
	s.onLookup = func(int) (providers.Answer, error) { return *waiting(), nil }
	b.workWith(s, b.options(messages.GamesDrop, "w1"), providertest.Unlimited{})
	b.submit(offer("o1"))
	b.becomes("o1", messages.ActionRequired)
	return b, s
}

// request gives the worker a request of the customer, as the dispatcher would.
func (b *bench) request(v messages.Verb, id string) {
	b.t.Helper()
	last, err := b.ledger.Last(b.t.Context(), tenant, id)
	if err != nil {
		b.t.Fatal(err)
	}
	b.send(v, last.Event, last.Seq)
}

// answered waits for an event of a type, which need not change the state.
func (b *bench) answered(typ messages.Type) *messages.Event {
	b.t.Helper()
	return b.until(string(typ), func(e *messages.Event) bool { return e.Type == typ })
}

var (
	errClosed = &providers.Error{Op: "shop.cancel", Class: providers.Rejected, Code: "1", Message: "too late"}
	errAway   = &providers.Error{Op: "shop.cancel", Class: providers.Ambiguous, Code: providers.CodeTimeout}
)

func TestCustomer_WhatTheProviderDoesOnRequestIsTheState(t *testing.T) {
	t.Parallel()
	for verb, state := range map[messages.Verb]messages.Type{messages.Cancel: messages.Canceled, messages.Confirm: messages.Processing} {
		t.Run(string(verb), func(t *testing.T) {
			t.Parallel()
			b, s := newCounterShop(t, nil)
			b.request(verb, "o1")
			b.becomes("o1", state)
			b.drained()
			if got := b.path("o1"); got != "accepted placing action_required "+string(state) {
				t.Errorf("path %s", got)
			}
			want := []string{string(verb) + " " + messages.Reference(b.namespace, tenant, "o1", 1) + " 7"}
			if diff := cmp.Diff(want, s.requests()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCustomer_WhyUpstreamCancelsStandsInTheAnswer(t *testing.T) {
	t.Parallel()
	for refused, typ := range map[bool]messages.Type{false: messages.Canceled, true: messages.CancelRefused} {
		t.Run(string(typ), func(t *testing.T) {
			t.Parallel()
			b, _ := newCounterShop(t, func(int) error {
				if refused {
					return errClosed
				}
				return nil
			})
			last, err := b.ledger.Last(t.Context(), tenant, "o1")
			if err != nil {
				t.Fatal(err)
			}
			c := messages.CommandFor(last.Event, last.Seq)
			c.Hint = []byte(`{"cancel_reason":"too dear","status":"x"}`)
			if err := b.queue.Send(t.Context(), messages.GamesDrop, messages.Cancel, c); err != nil {
				t.Fatal(err)
			}
			e := b.answered(typ)
			if diff := cmp.Diff(map[string]any{"cancel_reason": "too dear"}, e.Evidence); diff != "" {
				t.Error(diff)
			}
			b.drained()
		})
	}
}

func TestCustomer_ANoOfTheProviderIsToldWithItsReason(t *testing.T) {
	t.Parallel()
	for verb, refused := range map[messages.Verb]messages.Type{messages.Cancel: messages.CancelRefused, messages.Confirm: messages.ConfirmRefused} {
		t.Run(string(verb), func(t *testing.T) {
			t.Parallel()
			b, s := newCounterShop(t, func(int) error { return errClosed })
			b.request(verb, "o1")
			e := b.answered(refused)
			if e.State != messages.ActionRequired || e.Action == nil || e.Error == nil || e.Error.Code != "1" || e.Error.Class != "rejected" {
				t.Errorf("%s, action %v, %+v", e.State, e.Action, e.Error)
			}
			b.drained()
			if len(s.requests()) != 1 {
				t.Errorf("asked %d times", len(s.requests()))
			}
		})
	}
}

func TestCustomer_AProviderThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	t.Parallel()
	for verb, state := range map[messages.Verb]messages.Type{messages.Cancel: messages.Canceled, messages.Confirm: messages.Processing} {
		t.Run(string(verb), func(t *testing.T) {
			t.Parallel()
			b, s := newCounterShop(t, func(n int) error {
				if n < 3 {
					return errAway
				}
				return nil
			})
			b.request(verb, "o1")
			b.becomes("o1", state)
			if got := b.path("o1"); got != "accepted placing action_required "+string(state) || len(s.requests()) != 3 {
				t.Errorf("path %s, asked %d times", got, len(s.requests()))
			}
		})
	}
}

// While the provider is silent the order may end by itself; then it is not
// asked any more.
func TestCustomer_AnOrderThatMovesOnMeanwhileIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{}, 1000)
	b, s := newCounterShop(t, func(int) error {
		silent <- struct{}{}
		return errAway
	})
	b.request(messages.Cancel, "o1")
	signal(t, silent)
	b.follow("o1", order.Change{Input: order.SeenSucceeded, Deliverable: []byte(`{}`)})
	if e := b.answered(messages.CancelRefused); e.State != messages.Succeeded {
		t.Errorf("refused in %s", e.State)
	}
	b.drained()
	asked := len(s.requests())
	b.request(messages.Cancel, "o1")
	b.until("a second refusal", func(e *messages.Event) bool { return e.Type == messages.CancelRefused && e.N == 6 })
	if len(s.requests()) != asked {
		t.Error("the provider was asked about an order that has ended")
	}
}

// What the provider answers counts for the state that it meets.
func TestCustomer_AnAnswerThatMeetsAnotherStateContradictsOrIsARefusal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		says     error
		typ      messages.Type
		operator bool
	}{
		"canceled though it succeeded": {nil, messages.LateEvidence, true},
		"too late":                     {errClosed, messages.CancelRefused, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entered, leave := make(chan struct{}), make(chan struct{})
			b, _ := newCounterShop(t, func(int) error {
				close(entered)
				<-leave
				return c.says
			})
			b.request(messages.Cancel, "o1")
			signal(t, entered)
			b.follow("o1", order.Change{Input: order.SeenSucceeded, Deliverable: []byte(`{}`)})
			close(leave)
			if e := b.answered(c.typ); e.State != messages.Succeeded || e.NeedsOperator != c.operator {
				t.Errorf("%s, needs_operator %v", e.State, e.NeedsOperator)
			}
			b.drained()
		})
	}
}

func TestCustomer_AProviderThatCannotBeAskedRefuses(t *testing.T) {
	t.Parallel()
	for verb, refused := range map[messages.Verb]messages.Type{messages.Cancel: messages.CancelRefused, messages.Confirm: messages.ConfirmRefused} {
		t.Run(string(verb), func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			s.next(step{buy: true, answer: waiting()})
			s.onLookup = func(int) (providers.Answer, error) { return *waiting(), nil }
			b.work(s, b.options(messages.GamesDrop, "w1"))
			b.submit(offer("o1"))
			b.becomes("o1", messages.ActionRequired)
			b.request(verb, "o1")
			if e := b.answered(refused); e.State != messages.ActionRequired || e.Action == nil {
				t.Errorf("%s, action %v", e.State, e.Action)
			}
			b.drained()
		})
	}
}

// The acknowledgement of a command was lost after its answer was recorded: it
// is delivered again, to an order that may have moved on.
func TestCustomer_ARequestDeliveredAgainWritesNothingTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		verb   messages.Verb
		answer order.Input
		then   []order.Input
	}{
		"canceled":                       {messages.Cancel, order.CancelDone, nil},
		"cancel refused":                 {messages.Cancel, order.CancelDenied, nil},
		"confirmed":                      {messages.Confirm, order.ConfirmDone, nil},
		"confirmed, and done since":      {messages.Confirm, order.ConfirmDone, []order.Input{order.SeenSucceeded}},
		"confirm refused":                {messages.Confirm, order.ConfirmDenied, nil},
		"cancel refused, and held since": {messages.Cancel, order.CancelDenied, []order.Input{order.SeenOnHold}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.accept(offer("o1"))
			b.follow("o1", order.Change{Input: order.Claim, Intent: &order.Intent{
				Nonce: "n", Owner: "w0", Reference: messages.Reference(b.namespace, tenant, "o1", 1), ReferenceN: 1,
				LeaseUntil: time.Now().Add(lease), Plan: []byte(`{}`),
			}})
			b.follow("o1", order.Change{Input: order.OwnActionRequired, Nonce: "n", Action: waiting().Action, Ref: waiting().Ref})
			b.request(c.verb, "o1")
			subject := "commands.gamesdrop." + string(c.verb) + "." + tenant + ".o1"
			stream, err := b.js.Stream(t.Context(), messages.StreamCommands)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := stream.GetLastMsgForSubject(t.Context(), subject)
			if err != nil {
				t.Fatal(err)
			}
			b.follow("o1", order.Change{Input: c.answer, Origin: messages.Origin(messages.StreamCommands, msg.Sequence, subject)})
			for _, in := range c.then {
				b.follow("o1", order.Change{Input: in, Deliverable: []byte(`{}`)})
			}
			before := b.path("o1")
			s := &counterShop{shop: newShop()}
			s.onLookup = func(int) (providers.Answer, error) { return providers.Answer{Status: providers.StatusUnknown}, nil }
			b.workWith(s, b.options(messages.GamesDrop, "w1"), providertest.Unlimited{})
			b.drained()
			if after := b.path("o1"); after != before {
				t.Errorf("path %s, was %s", after, before)
			}
			if asked := s.requests(); len(asked) != 0 {
				t.Errorf("the provider was asked again: %v", asked)
			}
		})
	}
}
