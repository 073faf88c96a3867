package exchanger_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

const wallet = "TWallet1"

func usdt() providers.Order { return payoutOrder(exchangertest.MethodUSDT, wallet) }

func TestPayout_GoesItsWayToTheEnd(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]providers.Answer{
		0: {Status: providers.StatusProcessing},
		1: {Status: providers.StatusSucceeded, Finality: messages.Final, Deliverable: []byte(`{"status":"1"}`)},
		2: {Status: providers.StatusFailed, Code: "2", Message: "the payout was cancelled"},
		7: {Status: providers.StatusProcessing},
	} {
		b := setup(t)
		b.AddPayout(exchangertest.MethodUSDT, wallet, "12.00", 1)
		placed, plan := b.buy(usdt())
		want.Ref, want.Evidence = map[string]string{"payout_id": "58"}, map[string]any{"payout_status": strconv.Itoa(status)}
		first := providers.Answer{Status: providers.StatusProcessing, Ref: want.Ref, Evidence: map[string]any{"payout_status": "0"}}
		if diff := cmp.Diff(first, placed); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(map[string]string{"method_id": "2", "newest_payout_id": "57"}, plan.Data); diff != "" || plan.Quote != nil {
			t.Error(diff)
		}
		b.SetPayoutStatus(58, status)
		switch status {
		case 2:
			want.Evidence["refund"] = "unconfirmed"
		case 7:
			want.Evidence["operator_hint"] = "the payout has a status that the exchanger's manual does not know"
		}
		if diff := cmp.Diff(want, b.lookup(usdt(), placed)); diff != "" {
			t.Errorf("%d: %s", status, diff)
		}
		if p := b.Payouts(); len(p) != 2 || p[1].Account != wallet || p[1].Amount != "250.00" {
			t.Errorf("payouts %+v", p)
		}
	}
}

func TestPayout_RefusesWhatCanNeverBePlaced(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		order         providers.Order
		balance       string
		code, message string
	}{
		"unknown method": {payoutOrder("9", wallet), "250", "invalid_order", "/params/method_id: the exchanger pays out by no such method"},
		"too little":     {usdt(), "9.99", "min_payout_not_met", "the balance is 9.99, the least payout 10"},
		"nothing":        {usdt(), "0", "min_payout_not_met", "the balance is 0, the least payout 10"},
	} {
		b := setup(t)
		b.SetBalance(c.balance)
		_, err := b.Prepare(t.Context(), c.order)
		if e := wantError(t, err, rejected, c.code); e.Message != c.message {
			t.Errorf("%s: %q", name, e.Message)
		}
	}
}

func TestPayout_ALostOneIsTheOneNewToItsAccount(t *testing.T) {
	t.Parallel()
	before := func(b bundle) {
		b.AddPayout(exchangertest.MethodUSDT, wallet, "1.00", 0)
		b.AddPayout(exchangertest.MethodUSDT, "TOther", "1.00", 0)
	}
	for name, c := range map[string]struct {
		fault providertest.FaultKind
		after func(bundle)
		id    string // "" where nobody can tell
	}{
		"one":                {providertest.ResetAfterCommit, func(bundle) {}, "59"},
		"none":               {providertest.ResetBeforeCommit, func(bundle) {}, ""},
		"none, others came":  {providertest.ResetBeforeCommit, func(b bundle) { b.AddPayout(exchangertest.MethodCard, wallet, "1.00", 0) }, ""},
		"one, others came":   {providertest.ResetAfterCommit, func(b bundle) { b.AddPayout(exchangertest.MethodUSDT, "TOther", "1.00", 0) }, "59"},
		"two":                {providertest.ResetAfterCommit, func(b bundle) { b.AddPayout(exchangertest.MethodUSDT, wallet, "1.00", 0) }, ""},
		"one, paid meantime": {providertest.ResetAfterCommit, func(b bundle) { b.SetPayoutStatus(57, 1) }, "59"},
	} {
		b := setup(t)
		before(b)
		order := b.lose(usdt(), exchangertest.OpAddPayout, c.fault)
		c.after(b)
		got := b.find(order)
		if got.Ref["payout_id"] != c.id || (got.Status == providers.StatusUnknown) != (c.id == "") {
			t.Errorf("%s: %+v", name, got)
		}
		if c.id == "" && got.Evidence["new_payouts"] == nil {
			t.Errorf("%s: evidence %v", name, got.Evidence)
		}
	}
}

func TestPayout_WithoutWhatWasThereBeforeNobodyCanTell(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := b.lose(usdt(), exchangertest.OpAddPayout, providertest.ResetAfterCommit)
	order.Plan = providers.Plan{}
	if got := b.find(order); got.Status != providers.StatusUnknown || got.Evidence["lookup"] == nil {
		t.Errorf("%+v", got)
	}
	blind := setup(t, exchangertest.WithoutMethods(exchangertest.OpPartnerPayouts))
	placed, plan := blind.buy(usdt())
	if plan.Data["newest_payout_id"] != "" || plan.Evidence["lookup"] == nil || placed.Ref["payout_id"] != "57" {
		t.Errorf("%+v %+v", plan, placed)
	}
	if got := blind.lookup(usdt(), placed); got.Status != providers.StatusUnknown {
		t.Errorf("%+v", got)
	}
}

// payouts renders a list of payouts from one id to another, up or down.
func payouts(from, to int) string {
	list, step := "", 1
	if from > to {
		step = -1
	}
	for id := from; id != to+step; id += step {
		list += fmt.Sprintf(`,{"id":"%d","method_id":"2","account":"other","status":"0"}`, id)
	}
	return `{"error":0,"data":{"items":[` + list[1:] + `]}}`
}

const partnerAnswer = `{"error":0,"data":{"partner_id":"7","balance":"250","min_payout":"10","items":[{"id":"2","title":"USDT","amount":"250"}]}}`

func TestPayout_AListThatMayLackTheNewestProvesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ list, newest string }{
		"few, oldest first":  {payouts(1, 99), "99"},
		"few, newest first":  {payouts(99, 1), "99"},
		"full, newest first": {payouts(500, 1), "500"},
		"full, oldest first": {payouts(1, 500), ""},
		"an id of no kind":   {`{"error":0,"data":{"items":[{"id":"x"}]}}`, ""},
		"empty":              {`{"error":0,"data":[]}`, "0"},
	} {
		s := newScript(t, map[string]string{"get_partner_info": partnerAnswer, "get_partner_payouts": c.list})
		p := s.provider(t)
		plan, err := p.Prepare(t.Context(), usdt())
		if err != nil || plan.Data["newest_payout_id"] != c.newest {
			t.Errorf("%s: %v %v", name, plan.Data, err)
		}
		order := usdt()
		order.Plan = providers.Plan{Data: map[string]string{"newest_payout_id": "0"}}
		got, err := p.Lookup(t.Context(), order)
		if err != nil || got.Status != providers.StatusUnknown || (got.Evidence["lookup"] != nil) != (c.newest == "") {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

func TestPayout_AnswersAreBelievedOnlyAsFarAsTheyAreCertain(t *testing.T) {
	t.Parallel()
	items := func(fields string) string { return `{"error":0,"data":{"items":[{` + fields + `}]}}` }
	for name, c := range map[string]struct {
		id, body string
		status   providers.Status
		code     string
	}{
		"ids as numbers":  {"5", items(`"id":5,"method_id":2,"account":" TWallet1 ","status":1`), providers.StatusSucceeded, ""},
		"another method":  {"5", items(`"id":"5","method_id":"1","account":"TWallet1","status":"1"`), 0, "answer_mismatch"},
		"another account": {"5", items(`"id":"5","method_id":"2","account":"TWallet2","status":"1"`), 0, "answer_mismatch"},
		"another payout":  {"5", items(`"id":"6","method_id":"2","account":"TWallet1","status":"1"`), providers.StatusUnknown, ""},
		"none":            {"5", `{"error":0,"data":[]}`, providers.StatusUnknown, ""},
		"no status":       {"5", items(`"id":"5","method_id":"2","account":"TWallet1"`), providers.StatusProcessing, ""},
		"no items":        {"5", `{"error":0,"data":{"id":"5"}}`, 0, "unreadable"},
		"recorded id":     {"x", `{"error":0,"data":[]}`, 0, "unreadable"},
		"an error":        {"5", `{"error":"3","error_text":"Error!","data":[]}`, 0, "3"},
	} {
		s := newScript(t, map[string]string{"get_partner_payouts": c.body})
		order := usdt()
		order.Ref = map[string]string{"payout_id": c.id}
		got, err := s.provider(t).Lookup(t.Context(), order)
		if e := providers.AsError(err); c.code != "" && (err == nil || e.Class != ambiguous || e.Code != c.code) || c.code == "" && (err != nil || got.Status != c.status) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

func TestPayout_TheClaimIsMadeOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := usdt()
	order.Plan = b.prepare(order)
	if _, err := b.Place(guarded(t), order, order.Plan); err != nil {
		t.Fatal(err)
	}
	_, err := b.Place(guarded(t), order, order.Plan) // the balance is gone
	e := wantError(t, err, rejected, "1")
	if e.Message != "Error! Less than the least payout" || errors.Is(err, exchanger.ErrNoBid) || len(b.Payouts()) != 1 {
		t.Errorf("%v, %d payouts", e, len(b.Payouts()))
	}
	order.PlacedAt = time.Now()
	if got := b.find(order); got.Ref["payout_id"] != "57" {
		t.Errorf("%+v", got)
	}
}

func TestPayout_ARefusedAccountIsThatOrdersAndNobodyElses(t *testing.T) {
	t.Parallel()
	for text, class := range map[string]providers.Class{
		"Error! Invalid wallet account": rejected,
		"Ошибка! Неверный счёт":         rejected,
		"Api disabled": blocked,
		"":             blocked,
	} {
		b := setup(t)
		plan := b.prepare(usdt())
		b.RefusePayouts(&text)
		_, err := b.Place(guarded(t), usdt(), plan)
		if e := wantError(t, err, class, "1"); e.Message != text || len(b.Payouts()) != 0 {
			t.Errorf("%q: message %q, %d payouts", text, e.Message, len(b.Payouts()))
		}
		b.RefusePayouts(nil)
		if _, err := b.Place(guarded(t), usdt(), plan); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPayout_WithoutAPartnerProgramThereIsNothingToPayOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	placed, plan := b.buy(usdt())
	b.SetPartnerProgram(false)
	_, err := b.Prepare(t.Context(), usdt())
	if e := wantError(t, err, rejected, "1"); e.Message != "no active partner program" {
		t.Errorf("message %q", e.Message)
	}
	_, err = b.Place(guarded(t), usdt(), plan)
	wantError(t, err, rejected, "1")
	lost := usdt()
	lost.Plan = plan
	for _, ref := range []map[string]string{placed.Ref, nil} { // of what was placed it proves nothing
		lost.Ref = ref
		_, err = b.Lookup(t.Context(), lost)
		wantError(t, err, ambiguous, "1")
	}
	s := newScript(t, map[string]string{
		"get_partner_info": partnerAnswer, "get_partner_payouts": `{"error":"1","error_text":"no partner id","data":[]}`,
	})
	_, err = s.provider(t).Prepare(t.Context(), usdt())
	wantError(t, err, rejected, "1")
}
