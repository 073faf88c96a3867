package demo

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// purchase is a line of a provider's books.
type purchase struct {
	provider messages.Provider
	customer string
	amount   money.Money
	undone   bool // canceled or refunded there, with the money given back
}

// books reads all providers' books.
func (s *Stage) books() []purchase {
	var all []purchase
	for _, p := range s.Steam.Purchases() {
		all = append(all, purchase{messages.BalanceSteam, p.LoginOrEmail, money.New(p.Charged, money.RUB), false})
	}
	for _, p := range s.Drop.Purchases() {
		all = append(all, purchase{messages.GamesDrop, customerOf(p), p.Price, p.Returned})
	}
	return append(append(all, s.deposits()...), s.exchanges()...)
}

// deposits are those that were paid: a link that nobody used moved no money.
func (s *Stage) deposits() []purchase {
	var all []purchase
	for _, d := range s.Skins.Deposits() {
		if !d.Given.IsZero() {
			all = append(all, purchase{messages.SkinsBack, d.Fields["steam_id"], inBooks(d.Amount.String(), d.Currency), d.Status == skinsbacktest.HoldReturned})
		}
	}
	return all
}

// exchanges are all bids that were opened and all payouts that were asked for:
// two of one order would be one too many, whatever became of them.
func (s *Stage) exchanges() []purchase {
	var all []purchase
	for _, b := range s.Exchanger.Bids() {
		all = append(all, purchase{messages.Exchanger, b.Account2, inBooks(b.AmountGive, b.CurrencyGive), b.Status == bidCanceled})
	}
	for _, p := range s.Exchanger.Payouts() {
		all = append(all, purchase{messages.Exchanger, p.Account, inBooks(p.Amount, payoutCurrency), p.Status == payoutCanceled})
	}
	return all
}

// inBooks is an amount of the books. One that cannot be read is zero, which no
// event says.
func inBooks(amount, currency string) money.Money {
	m, err := money.Parse(amount, strings.ToUpper(currency))
	if err != nil {
		return money.Money{}
	}
	return m
}

func customerOf(p gamesdroptest.Purchase) string {
	if p.Email != "" {
		return p.Email
	}
	return p.GameUserID
}

// callbacks examines how the workers took the providers' calls. Polling finds
// everything that a lost call would have told, so only one that was turned away
// is a fault.
func (a *audit) callbacks(answers map[messages.Provider][]int) {
	for p, codes := range answers {
		for _, code := range codes {
			a.Called++
			if code >= 400 && code < 500 {
				a.differ(nil, "a genuine call of %s was turned away with %d", p, code)
			}
		}
	}
}

// audit compares what Beltline says with what the books say.
type audit struct {
	Kept    int // entries of the books that were kept
	Twice   int // orders with more than one purchase
	Lost    int // orders without an outcome, or with goods that nobody got
	Wrong   int // orders whose amount differs from the books
	Denied  int // orders that are said not to be bought, and were
	Called  int // calls of the providers
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
			a.Kept++
		}
		if !slices.ContainsFunc(s.orders, func(o order) bool { return o.provider == p.provider && o.customer == p.customer }) {
			a.differ(&a.Lost, "%s has dealt with %s, for whom nobody ordered", p.provider, p.customer)
		}
	}
	for _, o := range s.orders {
		mine := slices.DeleteFunc(slices.Clone(books), func(p purchase) bool { return p.provider != o.provider || p.customer != o.customer })
		a.order(o, s.last[o.id], mine)
		if !within(s.path[o.id], o.want.via) {
			a.differ(nil, "%s went by %v, expected %v", o.id, s.path[o.id], o.want.via)
		}
	}
	switch d := s.deadLetter(); {
	case d == nil:
		a.differ(&a.Lost, "the order that took the id of %s left no dead letter", idFirst)
	case d.Reason != messages.ReasonOrderConflict:
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
		a.differ(&a.Lost, "%s is said to be done, and the books of %s say nothing of it", o.id, o.provider)
	case e.State == messages.Succeeded && !paid(e, mine[0].amount):
		a.differ(&a.Wrong, "%s was %s by the books of %s, and %s by its event", o.id, mine[0].amount, o.provider, amount(e))
	case e.State != messages.Succeeded && e.State != messages.Unresolved && kept > 0:
		a.differ(&a.Denied, "%s is said to be %s, and stands in the books of %s", o.id, e.State, o.provider)
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

// paid reports whether an event names the amount of the books.
func paid(e *messages.Event, booked money.Money) bool {
	m, ok := moved(e)
	return ok && m.Equal(booked)
}

// moved is the money that an event tells of. A top-up and a payout have no cost
// of their own: what was asked for, and what there was, is in the evidence. A
// deposit brings its sum as what is delivered.
func moved(e *messages.Event) (money.Money, bool) {
	switch {
	case e.Cost != nil:
		return *e.Cost, true
	case e.Kind == messages.Deposit:
		var d struct {
			Amount *money.Money `json:"amount"`
		}
		if json.Unmarshal(e.Deliverable, &d) != nil || d.Amount == nil {
			return money.Money{}, false
		}
		return *d.Amount, true
	case e.Kind == messages.PartnerPayout:
		balance, _ := e.Evidence["balance"].(string)
		m, err := money.Parse(balance, payoutCurrency)
		return m, err == nil
	default:
		return requested(e)
	}
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

// amount is the money that an event tells of, in words.
func amount(e *messages.Event) string {
	if m, ok := moved(e); ok {
		return m.String()
	}
	return "-"
}

// within reports whether all steps were made, in this order. There may be more:
// on a slow machine a permit grows too old, and nothing was sent.
func within(path, steps []messages.Type) bool {
	for _, t := range path {
		if len(steps) > 0 && t == steps[0] {
			steps = steps[1:]
		}
	}
	return len(steps) == 0
}
