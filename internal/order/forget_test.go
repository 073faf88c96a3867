package order_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

const canary = "canary@mail.example"

// told is an event in which everything that can hold a text holds the canary.
func told(state messages.Type) *messages.Event {
	at := t0
	return &messages.Event{
		N: 7, Type: state, State: state, Time: at, Tenant: "acme", OrderID: "ord-1", Provider: messages.GamesDrop, Kind: messages.Offer,
		Attempt: 2, ProviderRef: map[string]string{"reference": canary}, Cost: &money.Money{}, CostSource: messages.FromResponse,
		Deliverable: []byte(`{"key":"` + canary + `"}`), Finality: messages.Final, Action: &messages.Action{URL: canary},
		Error: &messages.Error{Code: canary, Message: canary}, Evidence: map[string]any{"said": canary},
		Metadata: map[string]string{"who": canary}, Order: []byte(`{"v":1,"mail":"` + canary + `"}`),
		Work: &messages.Work{Owner: canary, Plan: []byte(`"` + canary + `"`), Origin: canary},
	}
}

func TestForget_KeepsWhatTheBusinessNeedsAndNothingThatAnybodyTold(t *testing.T) {
	t.Parallel()
	last := told(messages.Succeeded)
	e, err := order.Forget(last, t0.Add(time.Hour), "ada")
	if err != nil {
		t.Fatal(err)
	}
	body, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(body), canary) {
		t.Errorf("the canary is still there: %s", body)
	}
	if e.N != 8 || e.Type != messages.Forgotten || e.State != messages.Succeeded || !e.Terminal() || e.Provider != messages.GamesDrop ||
		e.Kind != messages.Offer || e.Cost == nil || e.Key() != "acme/ord-1" {
		t.Errorf("not what is to be kept: %s", body)
	}
	if !e.SameOrder(last.Order) || e.SameOrder([]byte(`{"v":1}`)) {
		t.Error("the content is not recognised any more")
	}
	if _, unfinished := order.Next(e, times, t0); unfinished {
		t.Error("something waits for an erased order")
	}
}

func TestForget_OfARejectedOrderTheWordsOfUpstreamGoToo(t *testing.T) {
	t.Parallel()
	last := told(messages.Rejected)
	last.Provider, last.Kind = canary, canary
	e, err := order.Forget(last, t0, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := e.MarshalJSON(); err != nil || strings.Contains(string(body), canary) {
		t.Errorf("%s, %v", body, err)
	}
}

func TestForget_LeavesWhatSomethingMayStillComeOf(t *testing.T) {
	t.Parallel()
	later := t0.Add(time.Hour)
	looked := later.Add(-order.LastLookFor)
	for why, change := range map[string]func(*messages.Event){
		"has not ended":  func(e *messages.Event) { e.State = messages.Processing },
		"not resolved":   func(e *messages.Event) { e.State = messages.Unresolved },
		"needs somebody": func(e *messages.Event) { e.NeedsOperator = true },
		"is watched":     func(e *messages.Event) { e.WatchUntil = &later },
		"is looked at":   func(e *messages.Event) { e.WatchUntil = &looked },
		"may be paid":    func(e *messages.Event) { e.Kind, e.Time = messages.Deposit, later.Add(-order.DepositWatch) },
		"is erased":      func(e *messages.Event) { e.Type = messages.Forgotten },
	} {
		last := told(messages.Failed)
		change(last)
		if e, err := order.Forget(last, later.Add(-time.Second), "ada"); !errors.Is(err, order.ErrKept) {
			t.Errorf("an order that %s: %v, %v", why, e, err)
		}
	}
	for why, change := range map[string]func(*messages.Event){
		"was watched":  func(e *messages.Event) { e.WatchUntil = &looked },
		"was not paid": func(e *messages.Event) { e.Kind, e.Time = messages.Deposit, later.Add(-order.DepositWatch) },
	} {
		last := told(messages.Failed)
		change(last)
		if _, err := order.Forget(last, later, "ada"); err != nil {
			t.Errorf("an order that %s: %v", why, err)
		}
	}
}

func TestApply_NothingIsWrittenAfterAnOrderWasErased(t *testing.T) {
	t.Parallel()
	for _, state := range messages.States() {
		if !state.Terminal() {
			continue
		}
		last, err := order.Forget(told(state), t0, "ada")
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range order.Inputs() {
			e, verdict := order.Apply(last, order.Change{
				Input: in, At: t0, Nonce: "a1", New: submission(messages.Offer), Intent: intent(last, "a9", t0),
				Ref: map[string]string{"order_id": "new"}, Evidence: map[string]any{"x_status": canary},
			})
			want := order.Ignore
			switch in {
			case order.CancelRequest, order.ConfirmRequest:
				want = order.Unknown
			case order.DecideSucceeded, order.DecideFailed, order.DecidePlaceAgain:
				want = order.Forbidden
			default:
			}
			if e != nil || verdict != want {
				t.Errorf("%s after an erased %s order: %s", in, state, verdict)
			}
		}
	}
}
