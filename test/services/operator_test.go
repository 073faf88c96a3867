package services_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// topup is an order for a Steam wallet.
func topup(id, login string) string {
	return fmt.Sprintf(`{"v":1,"id":%q,"provider":"balancesteam","kind":"topup","params":{"login":%q,"amount":"100"}}`, id, login)
}

// stranded submits a topup whose answer is lost, and waits until an operator has it.
func (r *rig) stranded(id string, fault providertest.FaultKind) map[string]any {
	r.t.Helper()
	r.steam.Door().Faults.Once("create_topup", providertest.Fault{Kind: fault})
	r.submit(topup(id, "login-"+id), id, "unresolved")
	var last reply
	r.await(id+" needs an operator, with the evidence of the balance", func() bool {
		last = r.ask("svc.orders."+tenant+".get", `{"id":"`+id+`"}`)
		witness, _ := last.word("evidence", "witness").(map[string]any)
		return last.word("needs_operator") == true && witness["balance_after"] != nil
	})
	return last.body
}

func (r *rig) bought(id string) int { return len(r.steam.PurchasesOf("login-" + id)) }

func TestOperator_ALostAnswerIsFoundDecidedAboutAndEndsAsItWas(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil, programs.BalanceSteam)
	last := r.stranded("o1", providertest.ResetAfterCommit)
	n := fmt.Sprint(last["n"])

	list := r.mustAsk("operator", "list", `{"needs_operator":true}`)
	if orders, _ := list.word("orders").([]any); len(orders) != 1 || !strings.Contains(list.raw, `"order_id":"o1"`) {
		t.Fatalf("orders that need an operator: %s", list.raw)
	}
	if a := r.mustAsk("operator", "get", `{"tenant":"acme","id":"o1"}`); fmt.Sprint(a.word("n")) != n {
		t.Errorf("get: %s", a.raw)
	}
	history := r.mustAsk("operator", "history", `{"tenant":"acme","id":"o1"}`)
	if !strings.Contains(history.raw, `"type":"placing"`) {
		t.Errorf("history: %s", history.raw)
	}
	// Nobody may say that it was not bought while a paused worker may wake up.
	decide := func(decision, n, more string) reply {
		return r.ask("svc.operator.resolve", `{"tenant":"acme","id":"o1","expected_n":`+n+`,"decision":"`+decision+`","evidence":"seen in the cabinet","by":"ann"`+more+`}`)
	}
	for _, decision := range []string{"failed", "place_again"} {
		a := decide(decision, n, "")
		if a.code != "409" || a.word("error", "code") != "hold_down" || a.word("error", "not_before") == nil {
			t.Errorf("%s before not_before: %s %s", decision, a.code, a.raw)
		}
	}
	if a := decide("succeeded", "1", ""); a.code != "409" || a.word("error", "code") != "moved" || fmt.Sprint(a.word("error", "n")) != n {
		t.Errorf("a decision that rests on another event: %s %s", a.code, a.raw)
	}
	dry := decide("succeeded", n, `,"dry_run":true`)
	if dry.code != "" || dry.word("dry_run") != true || dry.word("event", "type") != "succeeded" {
		t.Errorf("dry run: %s %s", dry.code, dry.raw)
	}
	if a := r.mustAsk("orders", "get", `{"id":"o1"}`); fmt.Sprint(a.word("n")) != n {
		t.Fatalf("a dry run wrote: %s", a.raw)
	}
	done := r.mustAsk("operator", "resolve",
		`{"tenant":"acme","id":"o1","expected_n":`+n+`,"decision":"succeeded","evidence":{"cabinet":"payment 10000","sum":100.50},"by":"ann"}`)
	if done.word("event", "state") != "succeeded" || done.word("event", "needs_operator") != false || done.word("dry_run") != false {
		t.Errorf("resolved: %s", done.raw)
	}
	event := r.mustAsk("orders", "get", `{"id":"o1"}`)
	if event.word("evidence", "decision", "by") != "ann" || event.word("evidence", "decision", "evidence", "cabinet") != "payment 10000" ||
		event.word("finality") != "provider_accepted" || !strings.Contains(event.raw, `"sum":100.50`) {
		t.Errorf("the event does not say who decided, and why: %s", event.raw)
	}
	if a := decide("failed", fmt.Sprint(event.word("n")), ""); a.code != "409" || a.word("error", "code") != "wrong_state" {
		t.Errorf("a decision about what has ended: %s %s", a.code, a.raw)
	}
	if a := r.mustAsk("operator", "list", `{"needs_operator":true}`); a.word("cursor") != nil || !strings.Contains(a.raw, `"orders":[]`) {
		t.Errorf("still in the list: %s", a.raw)
	}
	if r.bought("o1") != 1 {
		t.Errorf("bought %d times", r.bought("o1"))
	}
}

func TestOperator_PlaceAgainBuysOnceAfterTheHoldDown(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil, programs.BalanceSteam)
	r.stranded("o2", providertest.ResetBeforeCommit) // nothing was bought, and nobody can know
	var done reply
	r.await("the hold-down is over", func() bool {
		n := fmt.Sprint(r.mustAsk("orders", "get", `{"id":"o2"}`).word("n"))
		done = r.ask("svc.operator.resolve", `{"tenant":"acme","id":"o2","expected_n":`+n+`,"decision":"place_again","new_reference":true,"evidence":"not in the cabinet","by":"ann"}`)
		return done.code == ""
	})
	if done.word("event", "type") != "retrying" || done.word("event", "evidence", "decision", "decision") != "place_again" ||
		done.word("next", "verb") != "place" || done.word("event", "evidence", "decision", "new_reference") != true {
		t.Errorf("resolved: %s", done.raw)
	}
	last := r.reach("o2", "succeeded")
	if r.bought("o2") != 1 || fmt.Sprint(last["attempt"]) != "2" {
		t.Errorf("bought %d times: %v", r.bought("o2"), last)
	}
}

func TestOperator_BadRequestsAndUnknownOrdersAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	for _, body := range []string{
		``, `{}`, `[]`, `{"tenant":"acme","id":"o1"}`,
		`{"tenant":"acme","id":"o1","expected_n":1,"decision":"paid","evidence":"x","by":"a"}`,
		`{"tenant":"acme","id":"o1","expected_n":0,"decision":"failed","evidence":"x","by":"a"}`,
		`{"tenant":"acme","id":"o1","expected_n":"1","decision":"failed","evidence":"x","by":"a"}`,
		`{"tenant":"acme","id":"o1","expected_n":1,"decision":"failed","evidence":"","by":"a"}`,
		`{"tenant":"acme","id":"o1","expected_n":1,"decision":"failed","evidence":{},"by":"a"}`,
		`{"tenant":"acme","id":"o1","expected_n":1,"decision":"failed","evidence":{"a":1,"a":2},"by":"a"}`,
		`{"tenant":"acme","id":"o1","expected_n":1,"decision":"failed","evidence":"x"}`,
		`{"tenant":"acme","id":"o1","expected_n":1,"decision":"failed","evidence":"x","by":""}`,
		`{"tenant":"acme","id":"o1","expected_n":1,"decision":"failed","evidence":"x","by":"a","new_reference":true}`,
		`{"tenant":"acme","id":"o1","expected_n":1,"decision":"failed","evidence":"x","by":"a","dry_run":"yes"}`,
		`{"tenant":"_sys","id":"o1","expected_n":1,"decision":"failed","evidence":"x","by":"a"}`,
		`{"tenant":"acme","id":"o.1","expected_n":1,"decision":"failed","evidence":"x","by":"a"}`,
		`{"tenant":"acme","id":"o1","expected_n":1,"decision":"failed","evidence":"` + strings.Repeat("x", 9000) + `","by":"a"}`,
		`{"tenant":"acme","id":"o1","expected_n":1,"decision":"failed","evidence":"x","by":"a","force":true}`,
	} {
		if a := r.ask("svc.operator.resolve", body); a.code != "400" || a.word("error", "faults") == nil {
			t.Errorf("%.120s: %s %.300s", body, a.code, a.raw)
		}
	}
	good := `{"tenant":"acme","id":"nobody","expected_n":1,"decision":"failed","evidence":"x","by":"a"}`
	if a := r.ask("svc.operator.resolve", good); a.code != "404" {
		t.Errorf("an order that is not there: %s %s", a.code, a.raw)
	}
	for _, method := range []string{"get", "history"} {
		if a := r.ask("svc.operator."+method, `{"tenant":"acme","id":"nobody"}`); a.code != "404" {
			t.Errorf("%s: %s", method, a.raw)
		}
		if a := r.ask("svc.operator."+method, `{"id":"nobody"}`); a.code != "400" {
			t.Errorf("%s: %s", method, a.raw)
		}
	}
	if a := r.ask("svc.operator.list", `{"tenant":"acme","state":"lost"}`); a.code != "400" {
		t.Errorf("list: %s", a.raw)
	}
	r.mustAsk("operator", "list", ``)
}
