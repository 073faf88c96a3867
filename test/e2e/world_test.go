package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// world is everybody else: customers who pay where an event told them to, the
// shops' staff, and upstream, which confirms and cancels for its customers.
// What takes days there takes a few of its ticks.
type world struct {
	*rig
	random  *rand.Rand
	plans   []plan
	account map[string]plan // of deposits and exchanges, by the customer's account
	target  map[string][]plan

	mu sync.Mutex
	// paid is when, at the earliest, a deposit's status became a success.
	paid map[string]time.Time
	// idle: nothing was left to be done at the last tick.
	idle bool

	asked  map[string]int  // by order: the event that upstream has asked something about
	gaveUp map[string]bool // payouts that upstream does not wait for any more
	spells map[string]func() bool
}

// tick is how often people look. What they do then is left to chance.
const tick = 60 * time.Millisecond

func newWorld(r *rig, plans []plan, seed uint64) *world {
	w := &world{
		rig: r, plans: plans, random: rand.New(rand.NewPCG(seed, 13)), //nolint:gosec // repeatable on purpose
		account: map[string]plan{}, target: map[string][]plan{}, paid: map[string]time.Time{},
		asked: map[string]int{}, gaveUp: map[string]bool{},
	}
	for _, p := range plans {
		switch p.kind {
		case "deposit", "exchange":
			w.account[p.account] = p
		case "partner_payout":
			w.target[p.target()] = append(w.target[p.target()], p)
		}
	}
	w.spells = map[string]func() bool{
		"skinsback": spell(w.skins.SetMaintenance, func() int { return len(w.skins.Book().Select(providertest.Received, "")) }),
		"exchanger": spell(w.site.SetMaintenance, func() int { return len(w.site.Book().Select(providertest.Received, "")) }),
	}
	return w
}

// live lets the world act until ctx ends.
func (w *world) live(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			w.act()
		case <-ctx.Done():
			return
		}
	}
}

// earn refills what the partner can be paid at once after each payout. No two
// sums are equal.
func (w *world) earn(ctx context.Context) {
	for n := int64(0); ; n++ {
		w.site.SetBalance(fmt.Sprintf("%d.%02d", 100+n, n%100))
		seen := int64(0)
		if _, err := w.site.Book().Wait(ctx, func(e providertest.Entry) bool {
			if e.Phase == providertest.Committed && e.Op == exchangertest.OpAddPayout {
				seen++
			}
			return seen > n
		}); err != nil {
			return
		}
	}
}

// spell is one maintenance of a shop: it begins in the middle of the work, and
// ends when the shop has turned some requests away, or nobody asks any more. It
// reports whether it is over, or has not begun.
func spell(set func(bool), requests func() int) func() bool {
	const after, length, ticks = 300, 15, 40
	begun, lasted := 0, 0
	return func() bool {
		if begun < 0 {
			return true
		}
		switch n := requests(); {
		case begun == 0 && n > after:
			begun = n
			set(true)
		case begun > 0 && (n >= begun+length || lasted > ticks):
			begun = -1
			set(false)
		case begun > 0:
			lasted++
		}
		return begun <= 0
	}
}

func (w *world) act() {
	over := true
	for _, goOn := range w.spells {
		over = goOn() && over
	}
	left := w.deposits() + w.bids() + w.payouts()
	w.upstream()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = left == 0 && over
}

// quiet reports whether nobody has anything left to do.
func (w *world) quiet() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.idle
}

// paidSince is when the shop booked a deposit for good, at the earliest.
func (w *world) paidSince(reference string) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paid[reference]
}

// soon is true in one of three cases: what happens does not happen in step.
func (w *world) soon() bool { return w.random.IntN(3) == 0 }

func (w *world) last(p plan) event {
	if events := w.up.events(p.key()); len(events) > 0 {
		return events[len(events)-1]
	}
	return nil
}

// deposits moves all deposits on, and returns how many are not at their end.
func (w *world) deposits() (left int) {
	references := map[string]int{}
	for _, d := range w.skins.Deposits() {
		references[d.Fields["steam_id"]]++
	}
	for _, d := range w.skins.Deposits() {
		p, known := w.account[d.Fields["steam_id"]]
		if !known {
			continue // the judge will see it
		}
		act := w.depositAct(p, d, references[p.account] > 1)
		if act == nil {
			continue
		}
		left++
		if !w.soon() {
			continue
		}
		if err := act(d.OrderID); err != nil && !errors.Is(err, errNotYet) {
			w.t.Errorf("%s: %v", p.key(), err)
		}
	}
	return left
}

var errNotYet = errors.New("not yet")

// depositAct is what somebody does next about a deposit; nil where it has come
// to its end.
func (w *world) depositAct(p plan, d skinsbacktest.Deposit, another bool) func(reference string) error {
	fail := func(reason string) func(string) error {
		return func(r string) error { return w.skins.Fail(r, reason) }
	}
	switch d.Status {
	case skinsbacktest.Pending:
		if !w.canPay(p, d.OrderID) {
			return func(r string) error {
				// Nobody has its pay URL, and nobody will: the shop waits no longer.
				if e := w.last(p); !another && (e == nil || !e.final()) {
					return errNotYet
				}
				return w.skins.Fail(r, "timeout")
			}
		}
		switch p.fate {
		case heldReleased, heldReturned, lateReturned, tradeCanceled:
			return func(r string) error { return w.skins.Hold(r, p.amount) }
		case neverPays, tradeTimeout:
			return fail(string(p.fate))
		case strangeWord:
			return func(r string) error { return w.skins.SetStatus(r, "pondering") }
		default:
			return w.pay(p)
		}
	case "pondering":
		return w.pay(p)
	case skinsbacktest.InHold:
		if p.fate == tradeCanceled {
			return fail("trade_canceled")
		}
		return w.skins.Approve
	case skinsbacktest.HoldApproved:
		if p.fate == heldReturned {
			return w.skins.Return
		}
		return func(r string) error { w.books(r); return w.skins.Release(r) }
	case skinsbacktest.Success:
		if p.fate == lateReturned {
			return func(r string) error {
				if e := w.last(p); e == nil || e.state() != "succeeded" {
					return errNotYet // so that upstream sees both
				}
				return w.skins.Return(r)
			}
		}
	}
	return nil
}

func (w *world) pay(p plan) func(string) error {
	return func(r string) error { w.books(r); return w.skins.Pay(r, p.amount) }
}

// books notes that a deposit is about to become a success.
func (w *world) books(reference string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paid[reference] = time.Now()
}

// canPay reports whether the customer was told where to pay a deposit.
func (w *world) canPay(p plan, reference string) bool {
	return slices.ContainsFunc(w.up.events(p.key()), func(e event) bool {
		return e.typ() == "action_required" && e.text("provider_ref.reference") == reference && e.text("action.url") != ""
	})
}

// bids moves all bids on, and returns how many are not at their end.
func (w *world) bids() (left int) {
	for _, b := range w.site.Bids() {
		p, known := w.account[b.Account2]
		if !known {
			continue
		}
		next, open := bidStatus(p.fate, b.Status)
		if open {
			left++
		}
		if next == "" || !w.soon() {
			continue
		}
		if b.Status == "new" && (w.last(p) == nil || w.last(p).state() != "action_required") {
			continue // nobody has been told where to pay
		}
		w.site.SetStatus(b.ID, next)
	}
	return left
}

// bidStatus is what customers and staff make of a bid next, empty for nothing,
// and whether it is not at its end.
func bidStatus(f fate, status string) (next string, open bool) {
	switch status {
	case "success", "cancel", "delete":
		return "", false
	case "payed":
		if f == withTrouble {
			return "", true // time makes an error of it
		}
		return "success", true
	case "payouterror":
		return "success", true
	case "new":
		return map[fate]string{paysElsewhere: "payed", givenUp: "cancel", deleted: "delete"}[f], true
	}
	return "", true
}

// payouts lets the staff pay out, and refuse one in seven; it returns how many
// wait.
func (w *world) payouts() (left int) {
	for _, v := range w.site.Payouts() {
		if v.Status != 0 {
			continue
		}
		left++
		if w.soon() {
			w.site.SetPayoutStatus(v.ID, map[bool]int{true: 2, false: 1}[v.ID%7 == 0])
		}
	}
	return left
}

// upstream confirms and cancels exchanges for its customers, and does not wait
// for payouts behind one that only an operator can settle.
func (w *world) upstream() {
	for _, p := range w.account {
		if p.kind != "exchange" || p.fate != confirms && p.fate != canceledByUs {
			continue
		}
		e := w.last(p)
		if e == nil || e.state() != "action_required" || w.asked[p.key()] == e.n() {
			continue
		}
		switch status := e.text("evidence.bid_status"); {
		case p.fate == confirms && e.at("action.confirm") == true && status != "coldnew":
			w.ask(p, "confirm", e.n())
		case p.fate == canceledByUs && e.at("action.cancel") == true:
			w.ask(p, "cancel", e.n())
		}
	}
	for _, group := range w.target {
		if !slices.ContainsFunc(group, func(p plan) bool { e := w.last(p); return e != nil && e.needsOperator() }) {
			continue
		}
		for _, p := range group {
			if e := w.last(p); e != nil && !w.gaveUp[p.key()] && (e.state() == "accepted" || e.state() == "retrying") {
				w.gaveUp[p.key()] = true
				w.ask(p, "cancel", e.n())
			}
		}
	}
}

func (w *world) ask(p plan, what string, n int) {
	w.asked[p.key()] = n
	w.up.publish("orders."+p.tenant+"."+what, []byte(`{"v":1,"id":"`+p.id+`"}`))
}
