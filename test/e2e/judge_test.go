package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// bought is a purchase by the shop's books.
type bought struct {
	id, amount, currency string
	undone               bool // the shop took it back
}

// books gathers what the shops executed that sell at once, by the customer's account: that is
// not chosen by our keys, so a lost key cannot hide a second purchase.
func (r *rig) books() map[string][]*bought {
	byAccount, byID := map[string][]*bought{}, map[string]*bought{}
	for i, entries := range [][]providertest.Entry{r.steam.Door().Book.Entries(), r.drop.Book().Entries()} {
		for _, e := range entries {
			id := fmt.Sprint(i, "/", e.ID)
			switch e.Phase {
			case providertest.Committed:
				byID[id] = &bought{id: e.ID, amount: e.Amount, currency: e.Currency}
				byAccount[e.OrderKey] = append(byAccount[e.OrderKey], byID[id])
			case gamesdroptest.Undone:
				byID[id].undone = true
			case providertest.Received, providertest.Answered:
			}
		}
	}
	return byAccount
}

// verdict counts how the orders of a run ended.
type verdict map[string]int

func (v verdict) String() string {
	var parts []string
	for state, n := range v {
		parts = append(parts, fmt.Sprintf("%s %d", state, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// truth is what the shops' books hold, when nothing moves in them any more.
type truth struct {
	bought   map[string][]*bought // by the customer's account
	deposits map[string][]skinsbacktest.Deposit
	bids     map[string][]exchangertest.Bid
	payouts  map[string]exchangertest.Payout // by id
}

func (r *run) truth() truth {
	tr := truth{
		bought: r.books(), deposits: map[string][]skinsbacktest.Deposit{}, bids: map[string][]exchangertest.Bid{},
		payouts: map[string]exchangertest.Payout{},
	}
	for _, d := range r.skins.Deposits() {
		tr.deposits[d.Fields["steam_id"]] = append(tr.deposits[d.Fields["steam_id"]], d)
	}
	for _, b := range r.site.Bids() {
		tr.bids[b.Account2] = append(tr.bids[b.Account2], b)
	}
	for _, p := range r.site.Payouts() {
		tr.payouts[fmt.Sprint(p.ID)] = p
	}
	return tr
}

// of renders what the books hold of an order.
func (tr truth) of(p plan, events []event) string {
	switch p.kind {
	case "deposit":
		return fmt.Sprintf("%+v", tr.deposits[p.account])
	case "exchange":
		return fmt.Sprintf("%+v", tr.bids[p.account])
	case "partner_payout":
		if len(events) == 0 {
			return "nothing to know it by"
		}
		return fmt.Sprintf("%+v", tr.payouts[events[len(events)-1].text("provider_ref.payout_id")])
	default:
		return render(tr.bought[p.account])
	}
}

// faults tells all that is wrong with one order.
func (r *run) faults(tr truth, p plan, events []event) []string {
	found := ends(p, events)
	if len(events) == 0 {
		return found
	}
	last := events[len(events)-1]
	switch p.kind {
	case "deposit":
		return append(found, r.depositFaults(p, events, tr.deposits[p.account])...)
	case "exchange":
		return append(found, exchangeFaults(p, events, tr.bids[p.account])...)
	case "partner_payout":
		return append(found, payoutFaults(p, last, tr.payouts)...)
	default:
		return append(found, agrees(p, events, tr.bought[p.account])...)
	}
}

// judge holds every order's events against the books and the contract.
func (r *run) judge() verdict {
	r.t.Helper()
	tr, counts, orders := r.truth(), verdict{}, r.up.all()
	known, accounts, shown := map[string]bool{}, map[string]bool{}, 0
	for _, p := range r.plans {
		known[p.key()], accounts[p.account] = true, true
		events := orders[p.key()]
		if faults := r.faults(tr, p, events); len(faults) > 0 {
			if shown++; shown <= 10 {
				r.t.Errorf("%s (%s %s %s): %s\n  the shop has %s\n%s", p.key(), p.provider, p.kind, p.fate, strings.Join(faults, "; "),
					tr.of(p, events), story(events))
			}
			counts["WRONG"]++
		}
		if len(events) > 0 {
			counts[p.kind+" "+label(events[len(events)-1])]++
			counts[label(events[len(events)-1])]++
		}
	}
	for key := range orders {
		if !known[key] {
			r.t.Errorf("events of an order that nobody gave: %s", key)
		}
	}
	for _, account := range slices.Concat(slices.Collect(maps.Keys(tr.bought)), slices.Collect(maps.Keys(tr.deposits)), slices.Collect(maps.Keys(tr.bids))) {
		if !accounts[account] {
			r.t.Errorf("a purchase that nobody ordered: %s", account)
		}
	}
	r.judgePayouts(tr)
	counts["in the books"] = len(slices.Concat(slices.Collect(maps.Values(tr.bought))...)) + len(r.skins.Deposits()) + len(r.site.Bids()) + len(tr.payouts)
	return counts
}

func label(last event) string {
	if last.needsOperator() {
		return last.state() + " (operator)"
	}
	return last.state()
}

func render(list []*bought) string {
	if len(list) == 0 {
		return "nothing"
	}
	var texts []string
	for _, b := range list {
		texts = append(texts, fmt.Sprintf("%+v", *b))
	}
	return strings.Join(texts, ", ")
}

// ends tells what is wrong with the chain of an order's events.
func ends(p plan, events []event) []string {
	if len(events) == 0 {
		return []string{"lost: there is no event"}
	}
	var found []string
	terminal, reversed := 0, 0
	for i, e := range events {
		if e.n() != i+1 {
			found = append(found, fmt.Sprintf("event %d is numbered %d", i+1, e.n()))
		}
		switch {
		case e.typ() == "reversed":
			reversed++
		case slices.Contains(terminalTypes, e.typ()):
			terminal++
		}
		if e.text("kind") != p.kind || e.text("provider") != p.provider {
			found = append(found, "another provider or kind than ordered")
		}
	}
	last := events[len(events)-1]
	parked := last.state() == "unresolved" && last.needsOperator()
	if terminal > 1 || reversed > 1 || (terminal+reversed > 0) == parked || !parked && !last.terminal() {
		found = append(found, fmt.Sprintf("%d terminal events and %d reversals, last state %s", terminal, reversed, last.state()))
	}
	if p.must != "" && last.state() != p.must && !refusedRepeat(last) {
		found = append(found, "must end "+p.must)
	}
	return found
}

// refusedRepeat: the answer to the first request was lost, and a definite no to
// the repeat speaks of the repeat only, so nobody but an operator may say "failed".
func refusedRepeat(last event) bool {
	return last.state() == "unresolved" && last.needsOperator() && last.text("evidence.repeat.class") == "rejected"
}

// agrees tells where the last event and the books do not say the same.
func agrees(p plan, events []event, have []*bought) []string {
	if len(events) == 0 {
		return nil
	}
	last := events[len(events)-1]
	switch {
	case len(have) > 1:
		return []string{fmt.Sprintf("bought %d times", len(have))}
	case last.state() == "succeeded":
		if len(have) != 1 {
			return []string{"succeeded and was not bought"}
		}
		return asBought(p, last, have[0])
	case last.state() == "failed" && len(have) == 1 && have[0].undone:
		if refund := last.text("evidence.refund"); refund != "confirmed" && refund != "unconfirmed" {
			return []string{"the shop took it back, and evidence.refund is " + refund}
		}
		return nil
	case last.terminal() && len(have) > 0:
		return []string{last.state() + " and was bought"}
	default:
		return nil
	}
}

// asBought compares a success with the purchase, to the last digit.
func asBought(p plan, last event, b *bought) []string {
	var found []string
	want := func(path, value string) {
		if got := last.text(path); got != value {
			found = append(found, fmt.Sprintf("%s is %q, the books say %q", path, got, value))
		}
	}
	switch p.kind {
	case "topup":
		want("provider_ref.id", b.id)
		want("evidence.requested.amount", p.amount)
		want("evidence.requested.currency", b.currency)
		if last["cost"] != nil {
			found = append(found, "a topup has no cost")
		}
		if b.amount != strings.TrimRight(strings.TrimRight(p.amount, "0"), ".") {
			found = append(found, fmt.Sprintf("ordered %s, the books say %s", p.amount, b.amount))
		}
	case "gift_card":
		want("provider_ref.id", b.id)
		want("cost.amount", b.amount)
		want("cost.currency", b.currency)
		want("cost_source", "quote")
	default:
		want("provider_ref.order_id", b.id)
		want("cost.amount", b.amount)
		want("cost.currency", b.currency)
		want("cost_source", "response")
	}
	return found
}
