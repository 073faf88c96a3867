package e2e_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

// exchangeFaults holds an exchange against the bids for its wallet.
func exchangeFaults(p plan, events []event, have []exchangertest.Bid) []string {
	last := events[len(events)-1]
	if len(have) > 1 {
		return []string{fmt.Sprintf("%d bids were opened", len(have))}
	}
	if p.must == "failed" && len(have) > 0 {
		return []string{"it must not be exchanged, and a bid was opened"}
	}
	status := ""
	if len(have) == 1 {
		status = have[0].Status
	}
	asked := p.cancel || p.fate == canceledByUs
	ok := map[string]bool{
		"succeeded": status == "success",
		"canceled":  asked && (status == "" || status == "cancel"),
		// A look may see a bid canceled before the answer to our own request is in.
		"failed": status == "" && p.must == "failed" || (status == "cancel" || status == "delete") && last.text("error.code") == status,
	}
	switch {
	case !ok[last.state()]: // unresolved among them: a bid can always be looked up
		return []string{fmt.Sprintf("%s, and the bid is %q", last.state(), status)}
	case last.state() == "succeeded":
		return asExchanged(p, events, have[0])
	case last.state() == "failed" && status == "cancel" && p.fate != givenUp && !asked:
		return []string{"nobody canceled it"}
	default:
		return nil
	}
}

// asExchanged compares a success with the bid, to the last digit.
func asExchanged(p plan, events []event, b exchangertest.Bid) []string {
	var found []string
	last := events[len(events)-1]
	for path, value := range map[string]string{
		"provider_ref.id": fmt.Sprint(b.ID), "provider_ref.hash": b.Hash, "provider_ref.api_id": b.APIID,
		"cost.currency": b.CurrencyGive, "cost_source": "response", "finality": "final",
		"deliverable.amount_get.currency": b.CurrencyGet, "deliverable.account_to": p.account,
	} {
		if got := last.text(path); got != value {
			found = append(found, fmt.Sprintf("%s is %q, the books say %q", path, got, value))
		}
	}
	for path, value := range map[string]string{"cost.amount": b.AmountGive, "deliverable.amount_get.amount": b.AmountGet} {
		if got := last.text(path); !same(got, value) {
			found = append(found, fmt.Sprintf("%s is %q, the books say %q", path, got, value))
		}
	}
	if !same(p.amount, b.AmountGive) {
		found = append(found, fmt.Sprintf("%s was to be given, the books say %s", p.amount, b.AmountGive))
	}
	done := events[slices.IndexFunc(events, func(e event) bool { return e.typ() == "succeeded" })].text("time")
	if at, err := time.Parse(time.RFC3339Nano, done); err != nil || at.Before(b.ChangedAt.Truncate(time.Microsecond)) {
		found = append(found, fmt.Sprintf("succeeded at %s, and the site had it at %s", done, b.ChangedAt.UTC()))
	}
	return found
}

// payoutFaults holds a payout against the books. Whose a payout is nobody but
// our events can tell; judgePayouts counts them by whom they went to.
func payoutFaults(p plan, last event, books map[string]exchangertest.Payout) []string {
	var found []string
	id := last.text("provider_ref.payout_id")
	v, there := books[id]
	switch {
	case id != "" && !there:
		return []string{"there is no payout " + id}
	case there && v.MethodID+" "+v.Account != p.target():
		found = append(found, fmt.Sprintf("payout %s went to %s %s", id, v.MethodID, v.Account))
	}
	if last["cost"] != nil {
		found = append(found, "a payout has no cost")
	}
	code := last.text("error.code")
	ok := map[string]bool{
		"succeeded": v.Status == 1 && last.text("deliverable.status") == "1" && last.text("finality") == "final",
		// What is earned may be paid out to another at this very moment.
		"failed":     v.Status == 2 && code == "2" || id == "" && (p.must == "failed" || code == "min_payout_not_met" || code == "1"),
		"canceled":   id == "",
		"unresolved": id == "" && last.needsOperator(),
	}
	if !ok[last.state()] {
		found = append(found, fmt.Sprintf("%s, and the payout is %+v", last.state(), v))
	}
	return found
}

// judgePayouts counts the payouts to each target: every one belongs to one
// order, or to one that is in doubt. And it sees to it that payouts to one
// target took turns.
func (r *run) judgePayouts(tr truth) {
	r.t.Helper()
	claimed, doubts, paid := map[string]string{}, map[string]int{}, map[string]int{}
	targets := map[string]string{}
	for _, p := range r.plans {
		events := r.up.events(p.key())
		if p.kind != "partner_payout" || len(events) == 0 {
			continue
		}
		targets[p.key()] = p.target()
		last := events[len(events)-1]
		id := last.text("provider_ref.payout_id")
		switch {
		case id == "" && last.state() == "unresolved":
			doubts[p.target()]++
		case id != "" && claimed[id] != "":
			r.t.Errorf("payout %s is told of %s and of %s", id, claimed[id], p.key())
		case id != "":
			claimed[id] = p.key()
		}
	}
	for id, v := range tr.payouts {
		if target := v.MethodID + " " + v.Account; claimed[id] == "" {
			paid[target]++
		}
	}
	for target, n := range paid {
		if n > doubts[target] {
			r.t.Errorf("%d payouts to %s belong to no order, and %d orders are in doubt", n, target, doubts[target])
		}
	}
	for _, fault := range turnFaults(r.up.story(), targets) {
		r.t.Error(fault)
	}
}

// attempt is the time from an intent to the end of its doubt, as places in the
// order of the ledger.
type attempt struct {
	order, target string
	begin, end    int
	unsent        bool
}

// turnFaults reads all events in the order of the ledger: while nobody knows
// what became of a payout, none may be asked for to the same target. One whose
// worker saw that at the last moment has sent nothing.
func turnFaults(story []event, targets map[string]string) []string {
	open, byTarget := map[string]*attempt{}, map[string][]*attempt{}
	for i, e := range story {
		target, isPayout := targets[e.key()]
		if !isPayout || slices.Contains(remarks, e.typ()) {
			continue
		}
		switch a := open[e.key()]; {
		case e.typ() == "placing":
			a = &attempt{order: e.key(), target: target, begin: i, end: len(story)}
			open[e.key()], byTarget[target] = a, append(byTarget[target], a)
		case a != nil && e.typ() != "unresolved":
			a.end, a.unsent = i, e.text("error.code") == "not_sent"
			delete(open, e.key())
		}
	}
	var found []string
	for target, all := range byTarget {
		all = slices.DeleteFunc(all, func(a *attempt) bool { return a.unsent })
		for i, a := range all {
			for _, b := range all[:i] {
				if a.begin < b.end && b.begin < a.end {
					found = append(found, fmt.Sprintf("%s and %s were both under way to %s", b.order, a.order, target))
				}
			}
		}
	}
	return found
}
