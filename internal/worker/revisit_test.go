package worker_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// call brings a callback's command for the order, as the door would.
func (c *counter) call(status string) {
	c.t.Helper()
	last, err := c.ledger.Last(c.t.Context(), tenant, "o1")
	if err != nil {
		c.t.Fatal(err)
	}
	command := messages.CommandFor(last.Event, last.Seq)
	command.Hint, _ = json.Marshal(map[string]string{"received_at": time.Now().UTC().Format(time.RFC3339Nano), "status": status})
	if err := c.queue.Send(c.t.Context(), messages.SkinsBack, messages.Check, command); err != nil {
		c.t.Fatal(err)
	}
}

// claimed is the status that a callback claimed, as an event shows it.
func claimed(e *messages.Event) any {
	hint, _ := e.Evidence["webhook"].(map[string]any)
	return hint["status"]
}

// ended is a deposit that has ended and is not watched.
func ended(t *testing.T, says providers.Answer, state messages.Type) *counter {
	t.Helper()
	c := newCounter(t)
	o := c.options(messages.SkinsBack, "w1")
	o.AbsenceWait = time.Second // and so long does a callback's lookup have to find the same
	c.workWith(c.desk, o, providertest.Unlimited{})
	c.submit(deposit("o1", ""))
	c.becomes("o1", messages.ActionRequired)
	c.desk.say(1, says)
	if e := c.becomes("o1", state); e.WatchUntil != nil {
		t.Fatalf("watched until %v", e.WatchUntil)
	}
	c.awaitNoTimers()
	return c
}

func TestCallback_OfAnOrderThatNobodyWatchesIsLookedInto(t *testing.T) {
	t.Parallel()
	held := providers.Answer{Status: providers.StatusOnHold, Evidence: map[string]any{"deposit_status": "in_hold"}}
	returned := providers.Answer{Status: providers.StatusReversed, Code: "hold_returned", Evidence: map[string]any{"deposit_status": "hold_returned"}}
	for name, tc := range map[string]struct {
		was      providers.Answer
		state    messages.Type
		is       providers.Answer
		event    messages.Type
		operator bool
	}{
		"paid after it had failed":        {deadFor("timeout"), messages.Failed, paidUp, messages.LateEvidence, true},
		"held after it had failed":        {deadFor("timeout"), messages.Failed, held, messages.LateEvidence, true},
		"taken back after it succeeded":   {paidUp, messages.Succeeded, returned, messages.Reversed, false},
		"failed after it had succeeded":   {paidUp, messages.Succeeded, deadFor("trade_canceled"), messages.LateEvidence, true},
		"told again that it has failed":   {deadFor("timeout"), messages.Failed, deadFor("timeout"), "", false},
		"told again that it succeeded":    {paidUp, messages.Succeeded, paidUp, "", false},
		"pending, though it had failed":   {deadFor("timeout"), messages.Failed, providers.Answer{Status: providers.StatusActionRequired}, "", false},
		"a word that nobody knows":        {paidUp, messages.Succeeded, providers.Answer{Evidence: map[string]any{"unknown_status": "x"}}, "", false},
		"not known any more, but it paid": {paidUp, messages.Succeeded, providers.Answer{Status: providers.StatusAbsent}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := ended(t, tc.was, tc.state)
			before := c.path("o1")
			c.desk.say(1, tc.is)
			looks := c.desk.looked(c.first)
			c.call("claims")
			c.call("claims") // a second one, which writes nothing more
			c.drained()
			c.awaitNoTimers()
			// One for each callback, and two more after one that told nothing new: with
			// news, both may have told it.
			least := map[bool]int{true: 4, false: 2}[tc.event == ""]
			if n := c.desk.looked(c.first) - looks; n < least || n > 6 {
				t.Errorf("%d looks for 2 callbacks", n)
			}
			e := c.lastOf("o1")
			if tc.event == "" {
				if got := c.path("o1"); got != before || e.NeedsOperator {
					t.Errorf("%s, needs_operator %v", got, e.NeedsOperator)
				}
				return
			}
			if got := c.path("o1"); got != before+" "+string(tc.event) || e.NeedsOperator != tc.operator || claimed(e) != "claims" {
				t.Errorf("%s, needs_operator %v, claimed %v", got, e.NeedsOperator, claimed(e))
			}
		})
	}
}

func TestCallback_ALookupThatFailsDoesNotLoseIt(t *testing.T) {
	t.Parallel()
	c := ended(t, deadFor("timeout"), messages.Failed)
	c.desk.saying(1, saying{err: errBusyRead})
	c.call("success")
	c.desk.await(t, c.first, 2)
	c.desk.say(1, paidUp)
	late := c.until("the late payment", func(e *messages.Event) bool { return e.Type == messages.LateEvidence })
	if !late.NeedsOperator || claimed(late) != "success" {
		t.Errorf("needs_operator %v, claimed %v", late.NeedsOperator, claimed(late))
	}
	c.awaitNoTimers()
}

func TestCallback_WhoseLookupsFindTheOldStateIsNotForgotten(t *testing.T) {
	t.Parallel()
	c := ended(t, deadFor("timeout"), messages.Failed)
	c.desk.say(1, paidUp)
	c.desk.set(func() { c.desk.late = 2 }) // the provider's own copies are behind
	c.call("success")
	late := c.until("the late payment", func(e *messages.Event) bool { return e.Type == messages.LateEvidence })
	if !late.NeedsOperator || claimed(late) != "success" {
		t.Errorf("needs_operator %v, claimed %v", late.NeedsOperator, claimed(late))
	}
	c.awaitNoTimers()
}

// Without a callback, the commands that were left over cost no request.
func TestCallback_ALeftoverCommandOfAnEndedOrderAsksNobody(t *testing.T) {
	t.Parallel()
	c := ended(t, deadFor("timeout"), messages.Failed)
	looks := c.desk.looked(c.first)
	c.request(messages.Check, "o1")
	c.request(messages.Place, "o1")
	c.drained()
	if got := c.desk.looked(c.first); got != looks {
		t.Errorf("%d looks", got-looks)
	}
}

func TestH7_TheLookupDecidesAndTheClaimIsKeptBesideIt(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.open()
	c.becomes("o1", messages.ActionRequired)
	c.call("success")
	c.desk.await(t, c.first, 2)
	c.pathIs("accepted placing action_required")
	c.desk.say(1, deadFor("timeout"))
	c.call("success")
	c.becomes("o1", messages.Failed)
	e := c.lastOf("o1")
	if got := claimed(e); got != nil && got != "success" {
		t.Errorf("claimed %v", got)
	}
	if e.Error == nil || e.Error.Code != "timeout" || e.Deliverable != nil {
		t.Errorf("%+v, deliverable %s", e.Error, e.Deliverable)
	}
}

func TestCallback_KeepsNothingThatActsOnTheReader(t *testing.T) {
	t.Parallel()
	c := ended(t, deadFor("timeout"), messages.Failed)
	c.desk.say(1, paidUp)
	long := make([]byte, 1000)
	for i := range long {
		long[i] = 'x'
	}
	c.call("\x1b[31mred\u202e\n" + string(long))
	late := c.until("the late payment", func(e *messages.Event) bool { return e.Type == messages.LateEvidence })
	text, _ := claimed(late).(string)
	if diff := cmp.Diff("[31mred"+string(long[:193]), text); diff != "" {
		t.Error(diff)
	}
}

// standing is an order whose first pay URL was lost, and that ends before its
// second create.
func standing(t *testing.T, end order.Change) *counter {
	t.Helper()
	c := newCounter(t)
	c.accept(deposit("o1", ""))
	c.follow("o1", order.Change{Input: order.Claim, Intent: &order.Intent{
		Nonce: "n", Owner: "w0", Reference: c.first, ReferenceN: 1, LeaseUntil: time.Now().Add(lease), Plan: []byte(`{}`),
	}})
	c.follow("o1", order.Change{Input: order.OwnUnknown, Nonce: "n", RetryAt: time.Now()})
	c.follow("o1", order.Change{Input: order.LinkLost, RetryAt: time.Now().Add(time.Hour)})
	last, seq := c.follow("o1", end)
	c.desk.refs = []string{c.first}
	c.workWith(c.desk, c.options(messages.SkinsBack, "w1"), providertest.Unlimited{})
	c.send(messages.Place, last, seq) // the command that waited for the second create
	return c
}

func TestDeposit_OneLeftBehindByAnOrderThatEndedIsWatched(t *testing.T) {
	t.Parallel()
	for state, end := range map[messages.Type]order.Input{messages.Canceled: order.CancelRequest, messages.Expired: order.Expire} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			c := standing(t, order.Change{Input: end})
			c.desk.await(t, c.first, 2) // by its timer, without any callback
			if e := c.lastOf("o1"); e.State != state || e.N != 5 {
				t.Errorf("%s", c.path("o1"))
			}
			c.desk.say(1, paidUp)
			late := c.until("the late payment", func(e *messages.Event) bool { return e.Type == messages.LateEvidence })
			if late.State != state || !late.NeedsOperator {
				t.Errorf("%s, needs_operator %v", late.State, late.NeedsOperator)
			}
			c.sentAre() // nothing was created for an order that had ended
		})
	}
}
