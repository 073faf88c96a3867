package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// depositFaults holds an order of a deposit against the shop's deposits for its
// Steam account. A second reference is allowed, a second payment is not.
func (r *run) depositFaults(p plan, events []event, have []skinsbacktest.Deposit) []string {
	var paid, stand, open []skinsbacktest.Deposit // with money, with money that was not taken back, with no end
	for _, d := range have {
		if !d.Given.IsZero() {
			paid = append(paid, d)
		}
		switch d.Status {
		case skinsbacktest.Success:
			stand = append(stand, d)
		case skinsbacktest.Failed, skinsbacktest.HoldReturned:
		default:
			open = append(open, d)
		}
	}
	last := events[len(events)-1]
	found := trailFaults(events)
	switch {
	case len(have) > 2:
		found = append(found, fmt.Sprintf("%d deposits were made", len(have)))
	case len(paid) > 1:
		found = append(found, fmt.Sprintf("paid %d times", len(paid)))
	}
	switch last.state() {
	case "succeeded":
		if len(stand) != 1 {
			return append(found, "succeeded and the shop has no success")
		}
		return append(found, r.asPaid(p, events, stand[0])...)
	case "reversed":
		if len(stand) > 0 || len(paid) != 1 || paid[0].Status != skinsbacktest.HoldReturned {
			found = append(found, "reversed and the shop took nothing back")
		}
	case "failed":
		if len(have) == 0 && p.must != "failed" {
			found = append(found, "failed and the shop has not even refused it")
		}
		if len(stand)+len(open) > 0 {
			found = append(found, "failed and a deposit stands")
		}
		if len(have) > 0 && !slices.ContainsFunc(have, func(d skinsbacktest.Deposit) bool { return failureOf(d) == last.text("error.code") }) {
			found = append(found, "failed for another reason than the shop's")
		}
	case "canceled":
		if len(paid) > 0 {
			found = append(found, "canceled and was paid")
		}
	default:
		if p.must != "failed" || !refusedRepeat(last) || len(have) > 0 {
			found = append(found, "a deposit can be looked up: "+last.state())
		}
	}
	return found
}

// failureOf is why a deposit brought nothing. One whose hold nobody has seen, and
// which was taken back, has failed as far as upstream can tell.
func failureOf(d skinsbacktest.Deposit) string {
	if d.Status == skinsbacktest.HoldReturned {
		return d.Status
	}
	return d.Reason
}

// trailFaults tells what is wrong with the way of a deposit, whatever its end.
func trailFaults(events []event) []string {
	var found []string
	for i, e := range events {
		if e.needsOperator() && i == len(events)-1 && !refusedRepeat(e) {
			found = append(found, "an operator is asked about a deposit")
		}
		if e.typ() == "reversed" && !slices.ContainsFunc(events[:i], func(b event) bool { return b.typ() == "on_hold" || b.typ() == "succeeded" }) {
			found = append(found, "reversed from nothing")
		}
		if e.typ() == "on_hold" && e["deliverable"] != nil {
			found = append(found, "a deposit on hold is told as delivered")
		}
	}
	return found
}

// asPaid compares a success with the deposit, to the last digit and in all
// currencies, and with the time at which the shop booked it.
func (r *run) asPaid(p plan, events []event, d skinsbacktest.Deposit) []string {
	var found []string
	last := events[len(events)-1]
	want := func(path, value string, is func(a, b string) bool) {
		if got := last.text(path); !is(got, value) {
			found = append(found, fmt.Sprintf("%s is %q, the books say %q", path, got, value))
		}
	}
	equal := func(a, b string) bool { return a == b }
	if !same(p.amount, d.Amount.String()) {
		found = append(found, fmt.Sprintf("the customer gave %s, the books say %s", p.amount, d.Amount))
	}
	told, err := r.toldBy(d.OrderID)
	if err != nil {
		return append(found, err.Error())
	}
	currency := strings.ToUpper(told["amount_currency"])
	want("provider_ref.reference", d.OrderID, equal)
	want("provider_ref.transaction_id", d.TransactionID, equal)
	want("finality", "final", equal)
	want("cost", "", equal)
	for _, sum := range []string{"amount", "user_amount"} {
		want("deliverable."+sum+".amount", told[sum], same)
		want("deliverable."+sum+".currency", currency, equal)
		all, n := asObject(last.at("deliverable."+sum+"_in_currencies")), 0
		for name, value := range told {
			if code, isSum := strings.CutPrefix(name, sum+"_in_currencies["); isSum {
				n++
				want("deliverable."+sum+"_in_currencies."+strings.ToUpper(strings.TrimSuffix(code, "]")), value, same)
			}
		}
		if len(all) != n || n == 0 {
			found = append(found, fmt.Sprintf("%d sums in currencies, the shop tells %d", len(all), n))
		}
	}
	if sum := told["custom_currency_sum"]; sum != "" {
		want("deliverable.custom_currency_sum", sum, same)
	}
	return append(found, r.bookedBefore(events, r.world.paidSince(d.OrderID))...)
}

// bookedBefore tells of a success that was told before the shop had it.
func (r *run) bookedBefore(events []event, booked time.Time) []string {
	i := slices.IndexFunc(events, func(e event) bool { return e.typ() == "succeeded" })
	at, err := time.Parse(time.RFC3339Nano, events[i].text("time"))
	if err != nil || booked.IsZero() || at.Before(booked.Truncate(time.Microsecond)) {
		return []string{fmt.Sprintf("succeeded at %s, and the shop booked it at %s", events[i].text("time"), booked.UTC())}
	}
	return nil
}

// toldBy is what the shop itself tells of a deposit, as texts. Sums by currency
// are named as a form does, whatever the format.
func (r *rig) toldBy(reference string) (map[string]string, error) {
	hook, err := r.skins.Webhook(reference)
	if err != nil {
		return nil, err
	}
	told := map[string]string{}
	if hook.ContentType == "application/json" {
		e, err := readEvent([]byte(hook.Body))
		for name, value := range e {
			told[name] = fmt.Sprint(value)
			for code, sum := range asObject(value) {
				told[name+"["+code+"]"] = sum.(json.Number).String() //nolint:forcetypeassert // the shop writes numbers
			}
		}
		return told, err
	}
	form, err := url.ParseQuery(hook.Body)
	for name := range form {
		told[name] = form.Get(name)
	}
	return told, err
}
