package demo

import (
	"fmt"
	"slices"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
)

// purchase is a line of a provider's books.
type purchase struct {
	provider messages.Provider
	customer string
	amount   money.Money
	undone   bool // canceled or refunded there, with the money given back
}

// books reads both providers' books.
func (s *Stage) books() []purchase {
	var all []purchase
	for _, p := range s.Steam.Purchases() {
		all = append(all, purchase{messages.BalanceSteam, p.LoginOrEmail, money.New(p.Charged, money.RUB), false})
	}
	for _, p := range s.Drop.Purchases() {
		all = append(all, purchase{messages.GamesDrop, customerOf(p), p.Price, p.Returned})
	}
	return all
}

func customerOf(p gamesdroptest.Purchase) string {
	if p.Email != "" {
		return p.Email
	}
	return p.GameUserID
}

// audit compares what Beltline says with what the books say.
type audit struct {
	Bought  int // purchases in the books that were kept
	Twice   int // orders with more than one purchase
	Lost    int // orders without an outcome, or with goods that nobody got
	Wrong   int // orders whose amount differs from the books
	Denied  int // orders that are said not to be bought, and were
	Differs []string
}

func (a *audit) differ(count *int, format string, args ...any) {
	if count != nil {
		*count++
	}
	a.Differs = append(a.Differs, fmt.Sprintf(format, args...))
}

// good reports whether everything came out as it must.
func (a *audit) good() bool { return len(a.Differs) == 0 }

// examine makes the audit of a performance.
func (s *script) examine(books []purchase) *audit {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &audit{}
	for _, p := range books {
		if !p.undone {
			a.Bought++
		}
		if !slices.ContainsFunc(s.orders, func(o order) bool { return o.provider == p.provider && o.customer == p.customer }) {
			a.differ(&a.Lost, "%s sold something to %s that nobody ordered", p.provider, p.customer)
		}
	}
	for _, o := range s.orders {
		mine := slices.DeleteFunc(slices.Clone(books), func(p purchase) bool { return p.provider != o.provider || p.customer != o.customer })
		a.order(o, s.last[o.id], mine)
	}
	switch d := s.deadLetter(); {
	case d == nil:
		a.differ(&a.Lost, "the order that took the id of %s left no dead letter", idFirst)
	case d.Reason != string(messages.ReasonOrderConflict):
		a.differ(nil, "the order that took the id of %s became a dead letter because of %s", idFirst, d.Reason)
	}
	if e := s.last[idFirst]; e != nil && e.N != s.before {
		a.differ(nil, "sending %s again had an effect: it has %d events instead of %d", idFirst, e.N, s.before)
	}
	return a
}

// order examines one order against its purchases.
func (a *audit) order(o order, e *messages.Event, mine []purchase) {
	kept := len(mine)
	for _, p := range mine {
		if p.undone {
			kept--
		}
	}
	if len(mine) > 1 {
		a.differ(&a.Twice, "%s was bought %d times", o.id, len(mine))
	}
	if e == nil || !plain.Settled(e) {
		a.differ(&a.Lost, "%s has no outcome", o.id)
		return
	}
	a.expected(o, e)
	switch {
	case e.State == messages.Succeeded && kept == 0:
		a.differ(&a.Lost, "%s is said to be bought, and %s has sold nothing", o.id, o.provider)
	case e.State == messages.Succeeded && !paid(e, mine[0].amount):
		a.differ(&a.Wrong, "%s cost %s by the books of %s, and %s by its event", o.id, mine[0].amount, o.provider, amount(e))
	case e.State != messages.Succeeded && e.State != messages.Unresolved && kept > 0:
		a.differ(&a.Denied, "%s is said to be %s, and %s has sold it", o.id, e.State, o.provider)
	case kept != o.want.bought:
		a.differ(nil, "%s stands %d times in the books of %s, expected %d", o.id, kept, o.provider, o.want.bought)
	}
}

// expected compares the outcome with the script.
func (a *audit) expected(o order, e *messages.Event) {
	code := ""
	if e.Error != nil {
		code = e.Error.Code
	}
	switch {
	case e.State != o.want.state:
		a.differ(nil, "%s is %s (%s), expected %s", o.id, e.State, plain.Why(e), o.want.state)
	case o.want.code != "" && code != o.want.code:
		a.differ(nil, "%s is %s because of %q, expected %q", o.id, e.State, code, o.want.code)
	case e.Attempt < o.want.least:
		a.differ(nil, "%s took %d attempts, expected %d", o.id, e.Attempt, o.want.least)
	}
}

// paid reports whether an event names the amount of the books. A top-up has no
// cost of its own: what was asked for is in the evidence.
func paid(e *messages.Event, booked money.Money) bool {
	if e.Cost != nil {
		return e.Cost.Equal(booked)
	}
	asked, ok := requested(e)
	return ok && asked.Equal(booked)
}

func requested(e *messages.Event) (money.Money, bool) {
	r, ok := e.Evidence["requested"].(map[string]any)
	if !ok {
		return money.Money{}, false
	}
	amount, _ := r["amount"].(string)
	currency, _ := r["currency"].(string)
	m, err := money.Parse(amount, currency)
	return m, err == nil
}

// amount is what an order cost, or what was asked for, in words.
func amount(e *messages.Event) string {
	if e.Cost != nil {
		return e.Cost.String()
	}
	if m, ok := requested(e); ok {
		return m.String()
	}
	return "-"
}
