package gamesdroptest

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// Token is the token of a shop that was given no other.
const Token = "abcdef1234567890abcdef1234567890"

// Undone is the phase of an entry in the shop's book that takes a committed
// order back: it was canceled or refunded.
const Undone providertest.Phase = "undone"

// Purchase is an entry of the shop's own books: one order that it took.
type Purchase struct {
	OrderID       int64
	TransactionID string
	OfferID       string
	// Email and GameUserID tell whose order it was, whatever its key.
	Email, GameUserID, GameServerID string
	Price                           money.Money   // what the answer said
	Debit                           money.Decimal // what the balance lost, in USD; 0 for the test offer
	Status                          string
	Returned                        bool // the debit was given back
	At                              time.Time
}

// Shop is the provider without a listener: an [http.Handler]. It is safe for
// concurrent use.
type Shop struct {
	options

	mu          sync.Mutex
	offers      map[string]*Offer
	players     map[string]player
	telegram    map[string]telegramUser
	unreachable map[string]string // Telegram id → why Stars cannot be delivered
	balance     money.Decimal
	history     []transaction
	orders      map[int64]*order
	lastOrder   int64
	used        map[string]bool // transactionIds
	door        *providertest.Door
}

// order is an order as the shop keeps it.
type order struct {
	Purchase
	offer  *Offer
	life   []string
	polls  int
	shown  int // how many times it was shown as COMPLETED
	key    string
	reason string // why Stars could not be delivered
}

type transaction struct {
	id             int64
	amount, after  money.Decimal
	kind, describe string
	at             time.Time
}

// refusal is an error code of the document.
type refusal string

// NewShop returns a shop with the offers of this package, some players and
// Telegram users, and 1,000 USD.
func NewShop(opts ...Option) *Shop {
	s := &Shop{
		options: defaults(), offers: map[string]*Offer{}, orders: map[int64]*order{}, used: map[string]bool{},
		unreachable: map[string]string{}, lastOrder: 10222501,
		players: map[string]player{"52357322414": {"JJJ", true}, "000": {"", false}},
		telegram: map[string]telegramUser{
			"igoryan34": {143594291, "igoryan34", "Igor"},
			"hidden":    {0, "hidden", "hidden"},
		},
		balance: money.MustDecimal("1000"),
	}
	for _, opt := range opts {
		opt(&s.options)
	}
	s.door = providertest.NewDoor(s.journal, s.faults, op, http.HandlerFunc(s.serve))
	for _, o := range defaultOffers() {
		s.SetOffer(o)
	}
	return s
}

// SetOffer adds an offer, or replaces the one of its id.
func (s *Shop) SetOffer(o Offer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.telegramStarsCount = starsOf(o.ID)
	s.offers[o.ID] = &o
}

// SetPrice changes the price of an offer ("1001", "telegram_stars_100"), for
// find-one and for create-order.
func (s *Shop) SetPrice(offer, price string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.offers[offer]; o != nil {
		o.Price, o.Charge = price, ""
	}
}

// SetPlayer makes check-game-data know a player. Players it does not know are
// valid, and their login is their id.
func (s *Shop) SetPlayer(id, login string, valid bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.players[id] = player{login, valid}
}

// SetTelegramUser makes the validation of Telegram users know a name. With id
// 0 the name is valid and nothing else is known of it.
func (s *Shop) SetTelegramUser(name string, id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.telegram[strings.ToLower(name)] = telegramUser{id: id, name: name, firstName: name}
}

// SetUnreachable makes every delivery of Stars to an id fail for a reason, such
// as "bot was blocked by user".
func (s *Shop) SetUnreachable(telegramID, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreachable[telegramID] = reason
}

// SetBalance sets the balance in USD without a transaction.
func (s *Shop) SetBalance(amount string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.balance = money.MustDecimal(amount)
}

// Refill deposits an amount in USD.
func (s *Shop) Refill(amount string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.book(money.MustDecimal(amount), "DEPOSIT", "Balance refill")
}

// SetOrderStatus moves an order to a status, where it stays. Money goes back
// for REFUND, and for CANCELED as the shop's options say.
func (s *Shop) SetOrderStatus(orderID int64, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.orders[orderID]; o != nil {
		o.life = nil
		s.enter(o, status)
	}
}

// Balance returns the balance in USD.
func (s *Shop) Balance() money.Decimal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.balance
}

// Purchases returns the orders taken, oldest first.
func (s *Shop) Purchases() []Purchase {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Purchase, 0, len(s.orders))
	for _, id := range slices.Sorted(maps.Keys(s.orders)) {
		list = append(list, s.orders[id].Purchase)
	}
	return list
}

// Keys returns the goods codes of all orders: what must appear nowhere but in
// a deliverable.
func (s *Shop) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, o := range s.orders {
		if o.key != "" {
			keys = append(keys, o.key)
		}
	}
	return keys
}

// Door is the outside of the shop, which plays the faults and keeps the journal.
func (s *Shop) Door() *providertest.Door { return s.door }

// Book returns the journal of all requests and purchases.
func (s *Shop) Book() *providertest.Book { return s.door.Book }

// Faults returns the script of the shop's misbehaviour.
func (s *Shop) Faults() *providertest.Faults { return s.door.Faults }

// Requests returns how many requests an endpoint has received, whatever became
// of them.
func (s *Shop) Requests(op string) int {
	return len(s.Book().Select(providertest.Received, op))
}

// book changes the balance and writes the transaction that says so.
func (s *Shop) book(amount money.Decimal, kind, describe string) {
	s.balance = s.balance.Add(amount)
	s.history = append(s.history, transaction{
		id: int64(len(s.history) + 1), amount: amount, after: s.balance, kind: kind, describe: describe, at: s.now(),
	})
}

// take takes an order, or refuses it. Which of duplicate and price is checked
// first is an option, since nobody knows.
func (s *Shop) take(ctx context.Context, offerID, price, transactionID string, c Purchase) (*order, refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.duplicateFirst && s.used[transactionID] {
		return nil, "TRANSACTION_DUPLICATE"
	}
	offer, debit, why := s.assess(offerID, price, c)
	switch {
	case why != "" && s.burnOnReject:
		s.used[transactionID] = true
		return nil, why
	case why != "":
		return nil, why
	case s.used[transactionID]:
		return nil, "TRANSACTION_DUPLICATE"
	}
	s.used[transactionID] = true
	s.lastOrder++
	o := &order{Purchase: c, offer: offer, life: offer.Life, reason: s.unreachable[c.GameUserID]}
	o.OrderID, o.OfferID, o.TransactionID, o.At, o.Debit = s.lastOrder, offerID, transactionID, s.now(), debit
	o.Price = money.Must(firstOf(offer.Charge, offer.Price), offer.Currency)
	if offer.ReturnsKey && !offer.stars() {
		o.key = fmt.Sprintf("%012d", 1434249936+7919*(s.lastOrder-10222502))
	}
	if offer.stars() && o.reason != "" {
		o.life = []string{statusCanceled}
	}
	s.orders[o.OrderID] = o
	s.door.Commit(ctx, providertest.Entry{
		OrderKey: firstOf(c.Email, c.GameUserID), Reference: transactionID, ID: strconv.FormatInt(o.OrderID, 10),
		Amount: o.Price.AmountString(), Currency: offer.Currency,
	})
	if debit.Sign() > 0 {
		s.book(debit.Neg(), "PURCHASE", "API Purchase - "+offer.Product)
	}
	s.enter(o, o.life[0])
	return o, ""
}

// assess checks everything about a request but its transactionId.
func (s *Shop) assess(offerID, price string, c Purchase) (*Offer, money.Decimal, refusal) {
	offer := s.offers[offerID]
	var debit money.Decimal
	switch {
	case offer == nil || offer.Hidden:
		return nil, debit, "OFFER_NOT_FOUND"
	case offer.NeedsPlayer && c.GameUserID == "", offer.NeedsServer && c.GameServerID == "",
		offer.stars() && !wholeNumber.MatchString(c.GameUserID):
		return nil, debit, "INVALID_REQUEST_BODY"
	case !money.MustDecimal(price).Equal(money.MustDecimal(offer.Price)):
		return nil, debit, "WRONG_PRICE"
	}
	if !offer.Free {
		debit = inDollars(firstOf(offer.Charge, offer.Price), offer.Currency)
	}
	if s.balance.Cmp(debit) < 0 {
		return nil, debit, "INSUFFICIENT_BALANCE"
	}
	return offer, debit, ""
}

// enter gives an order its status, and the money back where that belongs to it.
func (s *Shop) enter(o *order, status string) {
	if o.Status != status && (status == statusRefund || status == statusCanceled) {
		s.Book().Append(providertest.Entry{
			Phase: Undone, OrderKey: firstOf(o.Email, o.GameUserID), Reference: o.TransactionID, ID: strconv.FormatInt(o.OrderID, 10),
		})
	}
	o.Status = status
	back := status == statusRefund || status == statusCanceled && s.refundCanceled
	if back && !o.Returned && o.Debit.Sign() > 0 {
		o.Returned = true
		s.book(o.Debit, "REFUND", "Refund - "+o.offer.Product)
	}
}

// poll shows an order, after moving it on by one step of its life.
func (s *Shop) poll(orderID int64) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[orderID]
	if o == nil {
		return "", false
	}
	if o.polls++; len(o.life) > 1 && o.polls%s.pollsPerStep == 0 {
		o.life = o.life[1:]
		s.enter(o, o.life[0])
	}
	return s.show(o), true
}

// inDollars converts at fixed rates, exactly: the balance is always in USD.
func inDollars(amount, currency string) money.Decimal {
	rates := map[string]string{"USD": "1", "EUR": "1.08", "RUB": "0.0125", "KZT": "0.0021"}
	a, okA := new(big.Rat).SetString(amount)
	r, okR := new(big.Rat).SetString(rates[currency])
	if !okA || !okR {
		panic("gamesdroptest: an offer has no price: " + strconv.Quote(amount+" "+currency))
	}
	return money.MustDecimal(a.Mul(a, r).FloatString(8))
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
