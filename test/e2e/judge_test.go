package e2e_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// bought is a purchase by the shop's books.
type bought struct {
	id, amount, currency string
	undone               bool // the shop took it back
}

// books gathers what both shops executed, by the customer's account: that is
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

// judge holds every order's events against the books and the contract.
func (r *rig) judge(all []plan) verdict {
	r.t.Helper()
	books, counts := r.books(), verdict{}
	orders := r.up.all()
	known := map[string]bool{}
	accounts := map[string]bool{}
	for _, p := range all {
		known[p.key()], accounts[p.account] = true, true
		events := orders[p.key()]
		if faults := append(ends(p, events), agrees(p, events, books[p.account])...); len(faults) > 0 {
			r.t.Errorf("%s (%s %s): %s\n  the shop has %s\n%s", p.key(), p.provider, p.kind, strings.Join(faults, "; "),
				render(books[p.account]), story(events))
		}
		if len(events) > 0 {
			counts[label(events[len(events)-1])]++
		}
		counts["bought"] += len(books[p.account])
	}
	for key := range orders {
		if !known[key] {
			r.t.Errorf("events of an order that nobody gave: %s", key)
		}
	}
	for account := range books {
		if !accounts[account] {
			r.t.Errorf("a purchase that nobody ordered: %s", account)
		}
	}
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
	terminal := 0
	for i, e := range events {
		if e.n() != i+1 {
			found = append(found, fmt.Sprintf("event %d is numbered %d", i+1, e.n()))
		}
		if slices.Contains(terminalTypes, e.typ()) && e.typ() != "reversed" {
			terminal++
		}
		if e.text("kind") != p.kind || e.text("provider") != p.provider {
			found = append(found, "another provider or kind than ordered")
		}
	}
	last := events[len(events)-1]
	parked := last.state() == "unresolved" && last.needsOperator()
	if terminal > 1 || (terminal == 1) == parked {
		found = append(found, fmt.Sprintf("%d terminal events, last state %s", terminal, last.state()))
	}
	if p.must != "" && last.state() != p.must {
		found = append(found, "must end "+p.must)
	}
	return found
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

// checkRequests holds the creating requests that reached the shops against the
// intents: each intent allows one, counted at the socket.
func (r *rig) checkRequests() {
	r.t.Helper()
	intents := map[string]int{}
	for _, events := range r.up.all() {
		for _, e := range events {
			if e.typ() == "placing" {
				intents[e.text("provider")]++
			}
		}
	}
	steam := len(r.steam.Door().Book.Select(providertest.Received, balancesteamtest.OpTopup)) +
		len(r.steam.Door().Book.Select(providertest.Received, balancesteamtest.OpGiftCard))
	for provider, sent := range map[string]int{"balancesteam": steam, "gamesdrop": r.drop.Requests(gamesdroptest.OpCreateOrder)} {
		if sent > intents[provider] {
			r.t.Errorf("%s got %d creating requests for %d intents", provider, sent, intents[provider])
		}
	}
}
