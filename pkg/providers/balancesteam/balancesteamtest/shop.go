package balancesteamtest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// The credentials and goods of a new shop.
const (
	APIKey         = "test-apikey"
	ServiceSteam   = "5955"
	GiftCard       = "5999"
	GiftCardPrice  = "513.35075"
	InitialBalance = "100000"
	firstPayment   = 10000
)

// Option sets what differs from the document's examples, or what the document
// leaves open.
type Option func(*options)

type options struct {
	key         string
	address     string
	balance     money.Decimal
	fee         money.Decimal
	errorStatus int
	asStrings   bool
	book        *providertest.Book
	faults      *providertest.Faults
}

// WithAPIKey sets the key that the shop expects.
func WithAPIKey(key string) Option { return func(o *options) { o.key = key } }

// WithAddress sets the address to listen on; default is a free port of 127.0.0.1.
func WithAddress(address string) Option { return func(o *options) { o.address = address } }

// WithBalance sets the balance at the start.
func WithBalance(balance string) Option {
	return func(o *options) { o.balance = money.MustDecimal(balance) }
}

// WithFee sets what a top-up is charged beyond its amount.
func WithFee(fee string) Option { return func(o *options) { o.fee = money.MustDecimal(fee) } }

// WithErrorStatus sets the HTTP status of answers with error:true.
func WithErrorStatus(status int) Option { return func(o *options) { o.errorStatus = status } }

// WithStrings makes the shop write its booleans, numbers and ids as strings.
func WithStrings() Option { return func(o *options) { o.asStrings = true } }

// WithBook sets the journal, for one that is written to a file as it grows.
func WithBook(b *providertest.Book) Option { return func(o *options) { o.book = b } }

// WithFaults sets the script of misbehaviour.
func WithFaults(f *providertest.Faults) Option { return func(o *options) { o.faults = f } }

// Purchase is a line of the shop's books.
type Purchase struct {
	ID           string
	Service      string // ServiceSteam, or the number of a gift card
	LoginOrEmail string
	Amount       money.Decimal // asked for; the price of a gift card
	Charged      money.Decimal
}

// Shop is the provider behind its door, an http.Handler. It is safe for
// concurrent use.
type Shop struct {
	options
	door *providertest.Door

	mu            sync.Mutex
	stillAccepted []string // keys beside the one of the options
	prices        map[string]money.Decimal
	refused       map[string]bool
	purchases     []Purchase
}

var _ http.Handler = (*Shop)(nil)

// NewShop returns a shop that nobody serves yet.
func NewShop(opts ...Option) *Shop {
	s := &Shop{
		options: options{
			key: APIKey, address: "127.0.0.1:0", balance: money.MustDecimal(InitialBalance), errorStatus: http.StatusOK,
			book: providertest.NewBook(nil), faults: providertest.NewFaults(1),
		},
		prices:  map[string]money.Decimal{GiftCard: money.MustDecimal(GiftCardPrice)},
		refused: map[string]bool{},
	}
	for _, opt := range opts {
		opt(&s.options)
	}
	s.door = providertest.NewDoor(s.book, s.faults, endpoint, http.HandlerFunc(s.serve))
	return s
}

// Door is the shop's outside: its faults and its journal.
func (s *Shop) Door() *providertest.Door { return s.door }

// Purchases returns the books, oldest first.
func (s *Shop) Purchases() []Purchase {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.purchases)
}

// PurchasesOf returns what was bought for a login or address.
func (s *Shop) PurchasesOf(loginOrEmail string) []Purchase {
	return slices.DeleteFunc(s.Purchases(), func(p Purchase) bool { return p.LoginOrEmail != loginOrEmail })
}

// Balance returns the balance.
func (s *Shop) Balance() money.Decimal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.balance
}

// SetBalance exhausts or refills the balance. It panics on a bad number.
func (s *Shop) SetBalance(balance string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.balance = money.MustDecimal(balance)
}

// SetPrice sets the price of a gift card, as it moves every ten minutes. An
// empty price takes the card off sale.
func (s *Shop) SetPrice(serviceID, price string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if price == "" {
		delete(s.prices, serviceID)
		return
	}
	s.prices[serviceID] = money.MustDecimal(price)
}

// SetAPIKey changes the key that the shop expects: the old one is revoked,
// unless it is among those that are still accepted beside it.
func (s *Shop) SetAPIKey(key string, still ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key, s.stillAccepted = key, still
}

// Refuse makes the check of a login answer false.
func (s *Shop) Refuse(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[login] = true
}

// buy executes a create: the only place where money moves.
func (s *Shop) buy(ctx context.Context, p Purchase) (id, refusal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Service == ServiceSteam {
		p.Charged = p.Amount.Add(s.fee)
	} else {
		price, sold := s.prices[p.Service]
		if !sold {
			return "", "service not available"
		}
		p.Amount, p.Charged = price, price
	}
	if s.balance.Cmp(p.Charged) < 0 {
		return "", balanceOver
	}
	s.balance = s.balance.Sub(p.Charged)
	p.ID = strconv.Itoa(firstPayment + len(s.purchases))
	s.purchases = append(s.purchases, p)
	s.door.Commit(ctx, providertest.Entry{OrderKey: p.LoginOrEmail, Amount: p.Charged.String(), Currency: "RUB", ID: p.ID})
	return p.ID, ""
}
