package check

import (
	"slices"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// maxDeposits is how many deposits an order may open: a second one only where
// the pay link of the first was lost, and no money moves by opening one.
const maxDeposits = 2

// boughtOnce is I1: at most one purchase for each order, and one more for each
// decision of an operator to place it again.
func boughtOnce(v *view, say tell) int {
	for _, s := range v.ordered() {
		allowed, what := 1, "bought"
		if s.order.Kind == "deposit" {
			allowed, what = maxDeposits, "opened"
		}
		for _, e := range s.of("retrying") {
			if text(e.Evidence, "decision") != "" {
				allowed++
			}
		}
		if len(s.bought) > allowed {
			say(s.key, "%s %d times, not %d", what, len(s.bought), allowed)
		}
		payments := 0
		for _, p := range s.bought {
			payments += p.payments
		}
		if payments > 1 {
			say(s.key, "paid %d times", payments)
		}
	}
	for _, p := range v.orphans {
		say("", "%s sold %s to %q, who ordered nothing", p.provider, p.id, p.account)
	}
	return len(v.ordered())
}

// intended is I1b: before each purchase an intent of its order was stored, with
// the reference under which it was bought.
func intended(v *view, say tell) (looked int) {
	for _, s := range v.ordered() {
		for _, p := range s.bought {
			looked++
			key := references[s.order.Kind]
			if !slices.ContainsFunc(s.intents(), func(e *event) bool {
				return e.Stored.Before(p.at) && (key == "" || e.Ref[key] == p.reference)
			}) {
				say(s.key, "%s bought as %s under %q, and no intent was stored before", p.at.Format(time.RFC3339Nano), p.id, p.reference)
			}
		}
	}
	return looked
}

// oneRequest is I4: no more creating requests arrived than intents were
// written, for each order whose requests are known and for each provider.
func oneRequest(v *view, say tell) (looked int) {
	intents := map[string]int{}
	nonces := map[string]string{}
	for _, key := range v.keys {
		s := v.stories[key]
		for _, e := range s.intents() {
			intents[e.Provider]++
			if n := e.Work.Nonce; n != "" && nonces[n] != "" {
				say(key, "its intent at %d bears a nonce of %s", e.Seq, nonces[n])
			}
			nonces[e.Work.Nonce] = key
		}
	}
	for provider, book := range v.Books {
		received := map[string]int{} // by the digest of the body
		digest := map[int64]string{}
		total := 0
		for _, e := range book {
			if e.Phase == providertest.Received && slices.Contains(creates[provider], e.Op) {
				total++
				received[e.Body]++
				digest[e.Request] = e.Body
			}
		}
		looked += total
		if total > intents[provider] {
			say("", "%s got %d creating requests for %d intents", provider, total, intents[provider])
		}
		for _, s := range v.ordered() {
			if s.order.Provider != provider {
				continue
			}
			bodies := map[string]bool{}
			for _, p := range s.bought {
				bodies[digest[p.request]] = true
			}
			sent := 0
			for body := range bodies {
				sent += received[body]
			}
			if sent > len(s.intents()) {
				say(s.key, "%d creating requests for %d intents", sent, len(s.intents()))
			}
		}
	}
	return looked
}

// balanced is I13: what the shops took equals what our events say was bought
// and what the operator holds, by provider and currency, to the last digit.
func balanced(v *view, say tell) (looked int) {
	type account struct{ provider, currency string }
	booked, told := map[account]money.Decimal{}, map[account]money.Decimal{}
	add := func(to map[account]money.Decimal, provider, amount, currency string) {
		d, err := money.ParseDecimal(amount)
		if err != nil {
			return // nothing was paid yet, or I2b names what is wrong
		}
		a := account{provider, upper(currency)}
		to[a] = to[a].Add(d)
	}
	for _, s := range v.ordered() {
		if s.order.Kind == "partner_payout" {
			continue // the event tells no sum
		}
		last := s.last()
		held := last != nil && last.parked()
		for _, p := range s.bought {
			looked++
			if p.over() || p.amount == "" || s.order.Kind == "deposit" && p.payments == 0 {
				continue
			}
			add(booked, p.provider, p.amount, p.currency)
			if held {
				add(told, p.provider, p.amount, p.currency)
			}
		}
		if last != nil && last.State == "succeeded" {
			amount, currency := last.told()
			add(told, s.order.Provider, amount, currency)
		}
	}
	for a := range told {
		if _, known := booked[a]; !known {
			booked[a] = money.Decimal{}
		}
	}
	for a, d := range booked {
		if !d.Equal(told[a]) {
			say("", "%s took %s %s; events and operator account for %s", a.provider, d, a.currency, told[a])
		}
	}
	return looked
}

// told is the sum that a success tells: where upstream names it, what was
// asked; for deposits what came in; else the cost.
func (e *event) told() (amount, currency string) {
	switch {
	case e.Kind == "topup":
		return text(e.Evidence, "requested.amount"), text(e.Evidence, "requested.currency")
	case e.Kind == "deposit":
		return e.given("amount.amount"), e.given("amount.currency")
	case e.Cost != nil:
		return e.Cost.Amount, e.Cost.Currency
	default:
		return "", ""
	}
}
