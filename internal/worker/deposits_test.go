package worker_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// counter is a bench with a desk, and the references of its one order.
type counter struct {
	*bench
	desk          *desk
	first, second string
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	b := newBench(t)
	return &counter{
		bench: b, desk: newDesk(),
		first: messages.Reference(b.namespace, tenant, "o1", 1), second: messages.Reference(b.namespace, tenant, "o1", 2),
	}
}

// open starts the worker and gives it the order.
func (c *counter) open() {
	c.t.Helper()
	c.workWith(c.desk, c.options(messages.SkinsBack, "w1"), providertest.Unlimited{})
	c.submit(deposit("o1", ""))
}

// bothOpen is an order whose first pay URL was lost, and whose second is known.
func bothOpen(t *testing.T) *counter {
	t.Helper()
	c := newCounter(t)
	c.desk.lose = 1
	c.open()
	c.becomes("o1", messages.ActionRequired)
	return c
}

func (c *counter) sentAre(want ...string) {
	c.t.Helper()
	if diff := cmp.Diff(want, c.desk.sent()); diff != "" {
		c.t.Errorf("references of the creates (-want +got):\n%s", diff)
	}
}

func (c *counter) pathIs(want string) {
	c.t.Helper()
	if got := c.path("o1"); got != want {
		c.t.Errorf("path %s, want %s", got, want)
	}
}

// others renders what an event says of the other references.
func others(e *messages.Event) string {
	b, _ := json.Marshal(e.Evidence["other_deposits_status"])
	return string(b)
}

func other(reference, id, status string, ended bool) string {
	return fmt.Sprintf(`[{"ended":%t,"provider_ref":{"reference":%q,"transaction_id":%q},"status":%q}]`, ended, reference, id, status)
}

func TestDeposit_ALostPayURLTakesASecondReference(t *testing.T) {
	t.Parallel()
	c := bothOpen(t)
	e := c.becomes("o1", messages.ActionRequired)
	c.pathIs("accepted placing unresolved retrying placing action_required")
	c.sentAre(c.first, c.second)
	if e.Action == nil || e.Action.URL != "https://pay.example/14" || e.NeedsOperator {
		t.Errorf("action %+v, needs_operator %v", e.Action, e.NeedsOperator)
	}
	if diff := cmp.Diff(map[string]string{"reference": c.second, "transaction_id": "14"}, e.ProviderRef); diff != "" {
		t.Error(diff)
	}
	if got := others(e); got != other(c.first, "13", "action_required", false) {
		t.Errorf("the first deposit: %s", got)
	}
	if lost := c.becomes("o1", messages.Retrying); lost.Error == nil || lost.Error.Code != "pay_url_lost" || !lost.Error.Retryable {
		t.Errorf("%+v", lost.Error)
	}
	placing := c.until("the second intent", func(e *messages.Event) bool { return e.Type == messages.Placing && e.Attempt == 2 })
	if placing.ProviderRef["transaction_id"] != "" {
		t.Errorf("the second intent bears the first one's id: %v", placing.ProviderRef)
	}
	// Both are watched, each under its own id, and nothing new writes nothing.
	c.desk.await(t, c.first, 2)
	c.desk.await(t, c.second, 2)
	c.pathIs("accepted placing unresolved retrying placing action_required")
	if c.desk.known(c.first) != "13" || c.desk.known(c.second) != "14" {
		t.Errorf("looked for as %v and %v", c.desk.known(c.first), c.desk.known(c.second))
	}
}

func TestDeposit_ASecondLostPayURLIsTheOperatorsAndThereIsNoThird(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.desk.lose = 2
	c.open()
	e := c.ends("o1")
	if e.State != messages.Unresolved || e.NotBefore == nil || e.ProviderRef["transaction_id"] != "14" ||
		e.Error == nil || e.Error.Code != "pay_url_lost" || e.Error.Class != "ambiguous" {
		t.Errorf("%s, not_before %v, %v, %+v", e.State, e.NotBefore, e.ProviderRef, e.Error)
	}
	const path = "accepted placing unresolved retrying placing unresolved unresolved"
	c.desk.await(t, c.first, 3)
	c.desk.await(t, c.second, 3)
	c.pathIs(path)
	c.sentAre(c.first, c.second)
	// Nobody could pay, and once the provider has closed both, nobody can.
	c.desk.say(1, deadFor("timeout"))
	c.desk.await(t, c.second, 1)
	c.desk.say(2, deadFor("timeout"))
	e = c.becomes("o1", messages.Failed)
	if e.NeedsOperator || e.Error == nil || e.Error.Code != "timeout" {
		t.Errorf("needs_operator %v, %+v", e.NeedsOperator, e.Error)
	}
	c.sentAre(c.first, c.second)
}

func TestDeposit_TheFirstIsPaidAfterAll(t *testing.T) {
	t.Parallel()
	c := bothOpen(t)
	c.desk.say(1, paidUp)
	e := c.becomes("o1", messages.Succeeded)
	if diff := cmp.Diff(map[string]string{"reference": c.first, "transaction_id": "13"}, e.ProviderRef); diff != "" {
		t.Error(diff)
	}
	if e.NeedsOperator || e.WatchUntil == nil || e.WatchUntil.Before(time.Now().Add(8*24*time.Hour)) {
		t.Errorf("needs_operator %v, watch_until %v", e.NeedsOperator, e.WatchUntil)
	}
	want := fmt.Sprintf(`{"amount":%s,"deposits":[{"amount":%s,"reference":%q,"status":"succeeded","transaction_id":"13"},`+
		`{"reference":%q,"status":"action_required","transaction_id":"14"}]}`, sum(1), sum(1), c.first, c.second)
	if got := string(e.Deliverable); got != want {
		t.Errorf("deliverable\n%s, want\n%s", got, want)
	}
	c.sentAre(c.first, c.second)
}

func TestDeposit_BothPaidIsLateEvidenceForTheOperatorOnce(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]int{"the first one later": 1, "the second one later": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := bothOpen(t)
			c.desk.say(3-second, paidUp)
			done := c.becomes("o1", messages.Succeeded)
			c.desk.say(second, paidUp)
			late := c.until("the second payment", func(e *messages.Event) bool { return e.Type == messages.LateEvidence })
			if !late.NeedsOperator || late.State != messages.Succeeded {
				t.Errorf("needs_operator %v, %s", late.NeedsOperator, late.State)
			}
			if diff := cmp.Diff(done.ProviderRef, late.ProviderRef); diff != "" || string(done.Deliverable) != string(late.Deliverable) {
				t.Errorf("the second payment changed what the order stands on: %s", diff)
			}
			text, _ := json.Marshal(late.Evidence["late"])
			if !strings.Contains(string(text), []string{"", c.first, c.second}[second]) || !strings.Contains(string(text), sum(second)) {
				t.Errorf("who paid what is not told: %s", text)
			}
			c.desk.await(t, c.first, 3)
			c.desk.await(t, c.second, 3)
			c.pathIs("accepted placing unresolved retrying placing action_required succeeded late_evidence")
			// What the order stands on may still be taken back: the other payment does not hide it.
			c.desk.say(3-second, providers.Answer{Status: providers.StatusReversed, Code: "hold_returned"})
			if e := c.becomes("o1", messages.Reversed); !e.NeedsOperator {
				t.Error("the other payment is forgotten")
			}
		})
	}
}

func TestDeposit_BothPaidAtOneLookEndsByTheOneThatIsNamed(t *testing.T) {
	t.Parallel()
	c := bothOpen(t)
	c.desk.set(func() { c.desk.says[1], c.desk.says[2] = saying{answer: paidUp}, saying{answer: paidUp} })
	e := c.becomes("o1", messages.Succeeded)
	if e.ProviderRef["reference"] != c.second {
		t.Errorf("ended by %v", e.ProviderRef)
	}
	var goods struct {
		Deposits []struct{ Reference, Status string }
	}
	if err := json.Unmarshal(e.Deliverable, &goods); err != nil || len(goods.Deposits) != 2 || goods.Deposits[0].Reference != c.first ||
		goods.Deposits[0].Status != "succeeded" || goods.Deposits[1].Status != "succeeded" {
		t.Errorf("%v: %s", err, e.Deliverable)
	}
	if late := c.until("the second payment", func(e *messages.Event) bool { return e.Type == messages.LateEvidence }); !late.NeedsOperator {
		t.Error("nobody was told")
	}
}

func TestDeposit_ASecondPaymentWhileTheFirstIsHeldIsNotLost(t *testing.T) {
	t.Parallel()
	c := bothOpen(t)
	hold := time.Now().Add(time.Hour)
	c.desk.say(2, providers.Answer{Status: providers.StatusOnHold, HoldUntil: &hold, Evidence: map[string]any{"deposit_status": "in_hold"}})
	c.becomes("o1", messages.OnHold)
	c.desk.say(1, paidUp)
	if e := c.until("the other payment", func(e *messages.Event) bool { return e.Type == messages.LateEvidence }); !e.NeedsOperator || e.State != messages.OnHold || e.Deliverable != nil {
		t.Errorf("needs_operator %v, %s, %s", e.NeedsOperator, e.State, e.Deliverable)
	}
	c.desk.say(2, providers.Answer{Status: providers.StatusReversed, Code: "hold_returned", Evidence: map[string]any{"deposit_status": "hold_returned"}})
	if e := c.becomes("o1", messages.Succeeded); e.ProviderRef["reference"] != c.first || !e.NeedsOperator {
		t.Errorf("%v, needs_operator %v", e.ProviderRef, e.NeedsOperator)
	}
}

func TestDeposit_OneThatHasEndedIsToldOnceAndNotAskedAboutAgain(t *testing.T) {
	t.Parallel()
	c := bothOpen(t)
	c.desk.say(1, deadFor("timeout"))
	e := c.until("the end of the first", func(e *messages.Event) bool { return others(e) == other(c.first, "13", "failed", true) })
	if e.State != messages.ActionRequired || e.Action == nil || e.Action.URL != "https://pay.example/14" {
		t.Errorf("%s %+v", e.State, e.Action)
	}
	asked := c.desk.looked(c.first)
	c.desk.await(t, c.second, 3)
	if again := c.desk.looked(c.first); again != asked {
		t.Errorf("asked about %d times more", again-asked)
	}
	c.pathIs("accepted placing unresolved retrying placing action_required action_required")
	c.desk.say(2, deadFor("trade_canceled"))
	if e := c.becomes("o1", messages.Failed); e.Error.Code != "trade_canceled" {
		t.Errorf("%+v", e.Error)
	}
}

func TestDeposit_TheOrderGoesOnWhileEitherDoes(t *testing.T) {
	t.Parallel()
	c := bothOpen(t)
	c.desk.say(2, deadFor("timeout"))
	if e := c.becomes("o1", messages.Processing); e.Action != nil || e.ProviderRef["reference"] != c.first || others(e) != other(c.second, "14", "failed", true) {
		t.Errorf("action %v, %v, %s", e.Action, e.ProviderRef, others(e))
	}
	c.desk.await(t, c.first, 3)
	c.pathIs("accepted placing unresolved retrying placing action_required processing")
	c.desk.say(1, paidUp)
	if e := c.becomes("o1", messages.Succeeded); e.ProviderRef["transaction_id"] != "13" || e.WatchUntil != nil {
		t.Errorf("%v, watch_until %v", e.ProviderRef, e.WatchUntil)
	}
}

func TestDeposit_ALookupThatFailsDoesNotKeepTheOtherFromBeingRecorded(t *testing.T) {
	t.Parallel()
	c := bothOpen(t)
	c.desk.saying(1, saying{err: errBusyRead})
	c.desk.say(2, paidUp)
	e := c.becomes("o1", messages.Succeeded)
	if e.WatchUntil == nil || e.ProviderRef["transaction_id"] != "14" {
		t.Errorf("watch_until %v, %v", e.WatchUntil, e.ProviderRef)
	}
	// But a failure of the one is none of the order while nobody knows of the other.
	c = bothOpen(t)
	c.desk.saying(1, saying{err: errBusyRead})
	c.desk.say(2, deadFor("timeout"))
	c.desk.await(t, c.second, 2)
	if e := c.lastOf("o1"); e.State != messages.ActionRequired {
		t.Errorf("%s", e.State)
	}
}

func TestDeposit_ARecordThatShowsLateIsFoundWhenTheRepeatMeetsIt(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.desk.lose, c.desk.hidden = 1, true
	c.workWith(c.desk, c.options(messages.SkinsBack, "w1"), providertest.Unlimited{})
	c.submit(deposit("o1", ""))
	lost := c.becomes("o1", messages.Unresolved)
	repeat := c.until("the repeat", func(e *messages.Event) bool { return e.Type == messages.Placing && e.Attempt == 2 })
	if waited := repeat.Time.Sub(lost.Time); waited < absenceWait-lease {
		t.Errorf("sent again after %s", waited)
	}
	if asked := c.desk.looked(c.first); asked < 3 {
		t.Errorf("sent again after %d looks", asked)
	}
	c.until("the duplicate", func(e *messages.Event) bool { return e.Evidence["duplicate"] != nil })
	c.desk.set(func() { c.desk.hidden = false })
	e := c.becomes("o1", messages.ActionRequired)
	c.sentAre(c.first, c.first, c.second)
	if e.Action.URL != "https://pay.example/14" || e.NeedsOperator {
		t.Errorf("%+v, needs_operator %v", e.Action, e.NeedsOperator)
	}
}

func TestDeposit_ALostSecondCreateIsSentAgainUnderTheSecondReference(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.desk.lose = 1
	c.workWith(c.desk, c.options(messages.SkinsBack, "w1"), providertest.Unlimited{})
	c.submit(deposit("o1", ""))
	c.until("the lost link", func(e *messages.Event) bool {
		if e.State == messages.Retrying {
			c.desk.set(func() { c.desk.drop = 1 })
			return true
		}
		return false
	})
	e := c.becomes("o1", messages.ActionRequired)
	if got := c.desk.sent(); len(got) == 3 {
		c.sentAre(c.first, c.second, c.second)
	} else { // the second create was faster than this test
		c.sentAre(c.first, c.second)
	}
	if e.Action.URL != "https://pay.example/14" {
		t.Errorf("%+v", e.Action)
	}
}

func TestDeposit_ARestartLosesNeitherTheWaitNorWhatIsWatched(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.desk.lose = 1
	permits := providertest.Unlimited{}
	stop := c.workWith(c.desk, c.options(messages.SkinsBack, "w1"), permits)
	c.submit(deposit("o1", ""))
	c.becomes("o1", messages.ActionRequired)
	stop()
	c.desk.say(1, paidUp)
	stop = c.workWith(c.desk, c.options(messages.SkinsBack, "w2"), permits)
	c.becomes("o1", messages.Succeeded)
	stop()
	c.desk.say(2, paidUp)
	c.workWith(c.desk, c.options(messages.SkinsBack, "w3"), permits)
	c.until("the second payment", func(e *messages.Event) bool { return e.Type == messages.LateEvidence && e.NeedsOperator })
	c.sentAre(c.first, c.second)
}
