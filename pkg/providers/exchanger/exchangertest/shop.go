package exchangertest

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// Called is the phase of an entry in the shop's book that tells of a callback
// which was tried. Its Status is the HTTP status of the answer, 0 for none.
const Called providertest.Phase = "called"

// Bid is an entry of the shop's own books: one bid that was opened.
type Bid struct {
	ID                        int64
	Hash, APIID, PartnerID    string
	DirectionID               string
	Account1, Account2        string
	Fields                    map[string]string
	AmountGive, AmountGet     string // with the fees, but for that of the payment system given
	CurrencyGive, CurrencyGet string
	Status                    string
	History                   []string
	At, ChangedAt             time.Time
}

// Payout is a payout of the partner's earnings.
type Payout struct {
	ID                int64
	MethodID, Account string
	Amount            string
	Status            int // 0 waiting, 1 paid, 2 cancelled
	At                time.Time
}

// Shop is the site without a listener: an [http.Handler]. It is safe for
// concurrent use.
type Shop struct {
	options

	mu          sync.Mutex
	directions  []*Direction
	bids        []*bid
	lastBid     int64
	payouts     []*Payout
	lastPayout  int64
	balance     money.Decimal
	minPayout   money.Decimal
	maintenance bool
	apiOff      bool
	ipBlocked   bool
	refusing    map[string]string // error_fields of every create_bid
	payoutsOff  *string           // error_text of every add_partner_payout
	noPartners  bool              // there is no partner program
	door        *providertest.Door

	life      context.Context // ends the callbacks
	end       context.CancelFunc
	callbacks sync.WaitGroup
}

// bid is a bid as the shop keeps it.
type bid struct {
	Bid
	direction *Direction
	callback  string
	life      []string
	stepAt    time.Time
	times     []time.Time // of the history
}

// NewShop returns a site with the directions of this package, and 250 USD that
// the partner has earned.
func NewShop(opts ...Option) *Shop {
	life, end := context.WithCancel(context.Background())
	s := &Shop{
		options: defaults(), lastBid: 1233, lastPayout: 56, life: life, end: end,
		balance: money.MustDecimal("250"), minPayout: money.MustDecimal("10"),
	}
	for _, opt := range opts {
		opt(&s.options)
	}
	s.door = providertest.NewDoor(s.journal, s.faults, op, http.HandlerFunc(s.serve))
	for _, d := range defaultDirections() {
		s.SetDirection(d)
	}
	return s
}

// stop ends the callbacks and waits for them.
func (s *Shop) stop() {
	s.mu.Lock()
	s.end() // under the lock, so that no callback begins once they are waited for
	s.mu.Unlock()
	s.callbacks.Wait()
}

// SetDirection adds a direction, or replaces the one of its id. Bids that are
// open keep the one they were opened with.
func (s *Shop) SetDirection(d Direction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.directions {
		if s.directions[i].ID == d.ID {
			s.directions[i] = &d
			return
		}
	}
	s.directions = append(s.directions, &d)
}

// Direction returns a direction by its id.
func (s *Shop) Direction(id string) (Direction, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.direction(id); d != nil {
		return *d, true
	}
	return Direction{}, false
}

func (s *Shop) direction(id string) *Direction {
	for _, d := range s.directions {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// SetMaintenance puts the site into maintenance, or back to work.
func (s *Shop) SetMaintenance(on bool) { s.set(&s.maintenance, on) }

// SetAPIDisabled switches the API off for the key, as for a banned user.
func (s *Shop) SetAPIDisabled(off bool) { s.set(&s.apiOff, off) }

// SetIPBlocked makes the key refuse our address.
func (s *Shop) SetIPBlocked(on bool) { s.set(&s.ipBlocked, on) }

func (s *Shop) set(flag *bool, v bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*flag = v
}

// Refuse makes every create_bid fail its validation with these error_fields;
// nil ends it.
func (s *Shop) Refuse(fields map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusing = fields
}

// RefusePayouts makes every add_partner_payout fail with this text; nil ends it.
func (s *Shop) RefusePayouts(text *string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.payoutsOff = text
}

// SetPartnerProgram ends the site's partner program, or begins it again.
func (s *Shop) SetPartnerProgram(on bool) { s.set(&s.noPartners, !on) }

// SetBalance sets what the partner has earned, in USD.
func (s *Shop) SetBalance(amount string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.balance = money.MustDecimal(amount)
}

// SetStatus moves a bid to a status, where it stays, and calls back.
func (s *Shop) SetStatus(id int64, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bids {
		if b.ID == id {
			b.life = nil
			s.enter(b, status)
		}
	}
}

// SetPayoutStatus moves a payout: 0 waiting, 1 paid, 2 cancelled. The money of
// a cancelled one goes back.
func (s *Shop) SetPayoutStatus(id int64, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.payouts {
		if p.ID == id {
			if status == 2 && p.Status != 2 {
				s.balance = s.balance.Add(money.MustDecimal(p.Amount))
			}
			p.Status = status
		}
	}
}

// AddPayout enters a payout that somebody asked for by hand.
func (s *Shop) AddPayout(methodID, account, amount string, status int) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enterPayout(methodID, account, amount, status).ID
}

// AddBid enters a bid as if by another program with the same key, and returns
// its id.
func (s *Shop) AddBid(b Bid) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.direction(b.DirectionID)
	if d == nil {
		panic("exchangertest: no direction " + b.DirectionID)
	}
	return s.open(&bid{Bid: b, direction: d, life: []string{firstOf(b.Status, "new")}}).ID
}

// Bids returns the bids opened, oldest first.
func (s *Shop) Bids() []Bid {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Bid, 0, len(s.bids))
	for _, b := range s.bids {
		out = append(out, b.Bid)
	}
	return out
}

// Payouts returns the payouts, oldest first.
func (s *Shop) Payouts() []Payout {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Payout, 0, len(s.payouts))
	for _, p := range s.payouts {
		out = append(out, *p)
	}
	return out
}

// Balance returns what the partner has earned and not been paid, in USD.
func (s *Shop) Balance() money.Decimal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.balance
}

// Door is the outside of the shop, which plays the faults and keeps the journal.
func (s *Shop) Door() *providertest.Door { return s.door }

// Book returns the journal of all requests, bids, payouts and callbacks.
func (s *Shop) Book() *providertest.Book { return s.door.Book }

// Faults returns the script of the shop's misbehaviour.
func (s *Shop) Faults() *providertest.Faults { return s.door.Faults }

// Requests returns how many requests a method has received, whatever became of
// them.
func (s *Shop) Requests(op string) int { return len(s.Book().Select(providertest.Received, op)) }

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func decimalID(n int64) string { return strconv.FormatInt(n, 10) }
