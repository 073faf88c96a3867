package skinsbacktest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// Phases of entries in the journal that are no answers to requests: a customer
// gave skins, and a shop took the money back.
const (
	Paid   providertest.Phase = "paid"
	Undone providertest.Phase = "undone"
)

// The statuses of a deposit.
const (
	Pending      = "pending"
	Success      = "success"
	Failed       = "fail"
	InHold       = "in_hold"
	HoldApproved = "hold_approved"
	HoldReturned = "hold_returned"
)

const (
	firstTransaction = 13 // as in the document's example
	holdPeriod       = 8 * 24 * time.Hour
	defaultSum       = "10"
)

// Deposit is a line of the shop's books.
type Deposit struct {
	TransactionID, OrderID, SteamID, TradeToken string
	Currency                                    string // in small letters
	ResultURL                                   string
	Fields                                      map[string]string // the whole request
	Status, Reason                              string
	Amount                                      money.Decimal // what the customer gave
	Created, Given, HeldUntil                   time.Time     // zero where it has not happened
	HideHold                                    bool          // in_hold_until is left out
}

// Shop is the provider behind its door, an [http.Handler]. It is safe for
// concurrent use.
type Shop struct {
	options
	door *providertest.Door
	post poster

	mu          sync.Mutex
	deposits    []*record
	byOrder     map[string]*record // the same, for shops with many of them
	arrivals    []time.Time
	maintenance bool
	blockedIP   bool
	inactive    bool
}

type record struct {
	Deposit
	lived int // steps of its life that were taken
}

var _ http.Handler = (*Shop)(nil)

// NewShop returns a shop that nobody serves yet.
func NewShop(opts ...Option) *Shop {
	s := &Shop{options: defaults(), byOrder: make(map[string]*record)}
	for _, opt := range opts {
		opt(&s.options)
	}
	s.post.init()
	s.door = providertest.NewDoor(s.journal, s.faults, op, http.HandlerFunc(s.serve))
	return s
}

// Close waits for the webhooks that are under way and sends no more.
func (s *Shop) Close() { s.post.close() }

// Door is the outside of the shop, which plays the faults and keeps the journal.
func (s *Shop) Door() *providertest.Door { return s.door }

// Book returns the journal of all requests, deposits and payments.
func (s *Shop) Book() *providertest.Book { return s.door.Book }

// Faults returns the script of the shop's misbehaviour.
func (s *Shop) Faults() *providertest.Faults { return s.door.Faults }

// SetMaintenance makes every request fail with -9, or ends that.
func (s *Shop) SetMaintenance(on bool) { s.set(&s.maintenance, on) }

// SetIPBlocked makes every request fail with -8, or ends that.
func (s *Shop) SetIPBlocked(on bool) { s.set(&s.blockedIP, on) }

// SetInactive makes every request fail with -4, or ends that.
func (s *Shop) SetInactive(on bool) { s.set(&s.inactive, on) }

func (s *Shop) set(flag *bool, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*flag = on
}

// SetSecret changes the secret: the old one is revoked.
func (s *Shop) SetSecret(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret = secret
}

// Deposits returns the books, oldest first.
func (s *Shop) Deposits() []Deposit {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Deposit, len(s.deposits))
	for i, d := range s.deposits {
		list[i] = d.Deposit
	}
	return list
}

// DepositsOf returns the deposits that were made for a Steam account.
func (s *Shop) DepositsOf(steamID string) []Deposit {
	return slices.DeleteFunc(s.Deposits(), func(d Deposit) bool { return d.Fields["steam_id"] != steamID })
}

// Pay has the customer of an order give skins worth amount, and the shop take
// it at once. The sum is in the order's currency, or in usd.
func (s *Shop) Pay(orderID, amount string) error {
	return s.change(orderID, func(r *record) { s.give(r, Success, amount) })
}

// Hold has the customer give skins that are held for eight days.
func (s *Shop) Hold(orderID, amount string) error {
	return s.change(orderID, func(r *record) { s.give(r, InHold, amount) })
}

// Approve approves a deposit on hold, as offer_approve does: hold_approved.
func (s *Shop) Approve(orderID string) error { return s.SetStatus(orderID, HoldApproved) }

// Release ends a hold with success.
func (s *Shop) Release(orderID string) error { return s.SetStatus(orderID, Success) }

// Return takes an approved deposit back: hold_returned.
func (s *Shop) Return(orderID string) error { return s.SetStatus(orderID, HoldReturned) }

// Fail ends a deposit without money, for a reason such as "timeout".
func (s *Shop) Fail(orderID, reason string) error {
	return s.change(orderID, func(r *record) { r.Reason = reason; s.enter(r, Failed) })
}

// SetStatus gives a deposit any status, also one that no document has.
func (s *Shop) SetStatus(orderID, status string) error {
	return s.change(orderID, func(r *record) { s.enter(r, status) })
}

// SetSteamID has the customer change the account while paying.
func (s *Shop) SetSteamID(orderID, steamID string) error {
	return s.change(orderID, func(r *record) { r.SteamID = steamID })
}

// HideHold leaves in_hold_until out of what is told of a deposit, as it may be.
func (s *Shop) HideHold(orderID string) error {
	return s.change(orderID, func(r *record) { r.HideHold = true })
}

// Advance takes the steps of every deposit's life that are due.
func (s *Shop) Advance() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.deposits {
		s.live(r)
	}
}

func (s *Shop) change(orderID string, do func(*record)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byOrder[orderID]
	if r == nil {
		return fmt.Errorf("skinsbacktest: no deposit for order %q", orderID)
	}
	do(r)
	return nil
}

// byTransaction returns the deposit with the number, or nil. Numbers are given
// in the order of the books.
func (s *Shop) byTransaction(id string) *record {
	n, err := strconv.Atoi(id)
	if i := n - firstTransaction; err == nil && i >= 0 && i < len(s.deposits) {
		return s.deposits[i]
	}
	return nil
}

// live takes the steps of a deposit's life that are due.
func (s *Shop) live(r *record) {
	for ; r.lived < len(s.life) && s.now().Sub(r.Created) >= s.life[r.lived].After; r.lived++ {
		step := s.life[r.lived]
		r.Reason = step.Reason
		if r.Given.IsZero() && step.Status != Failed && step.Status != Pending {
			if step.Amount == "" {
				step.Amount = defaultSum
			}
			s.give(r, step.Status, step.Amount)
			continue
		}
		s.enter(r, step.Status)
	}
}

// give books what the customer gave: the only place where money moves.
func (s *Shop) give(r *record, status, amount string) {
	r.Amount, r.Given = money.MustDecimal(amount), s.now()
	if status == InHold {
		r.HeldUntil = r.Given.Add(holdPeriod)
	}
	s.journal.Append(s.line(r, Paid))
	s.enter(r, status)
}

// enter gives a deposit its status, and tells whoever wants to know.
func (s *Shop) enter(r *record, status string) {
	changed := r.Status != status
	if changed && status == HoldReturned {
		s.journal.Append(s.line(r, Undone))
	}
	r.Status = status
	if changed && s.hooks {
		s.post.soon(s.webhook(r))
	}
}

func (s *Shop) line(r *record, phase providertest.Phase) providertest.Entry {
	return providertest.Entry{
		Phase: phase, Op: OpCreate, OrderKey: r.Fields["steam_id"], Reference: r.OrderID, ID: r.TransactionID,
		Amount: r.Amount.String(), Currency: r.Currency,
	}
}

// take makes a deposit, unless its order_id was used.
func (s *Shop) take(ctx context.Context, f form) (*record, refusal) {
	if s.byOrder[f["order_id"]] != nil {
		return nil, refusal{5, "order_id_already_exists"}
	}
	r := &record{Deposit: Deposit{
		TransactionID: strconv.Itoa(firstTransaction + len(s.deposits)), OrderID: f["order_id"], SteamID: f["steam_id"],
		TradeToken: f["trade_token"], Currency: firstOf(f["currency"], "usd"), ResultURL: firstOf(f["result_url"], s.resultURL),
		Fields: f, Status: Pending, Created: s.now(),
	}}
	s.deposits = append(s.deposits, r)
	s.byOrder[r.OrderID] = r
	entry := s.line(r, providertest.Committed)
	entry.Amount = ""
	s.door.Commit(ctx, entry)
	return r, refusal{}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
