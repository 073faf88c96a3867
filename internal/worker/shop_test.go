package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

// shop is a provider with books of its own, scripted call by call. It knows
// references: a second purchase under one it has seen is refused as duplicate,
// unless it is a shop without keys.
type shop struct {
	keyless bool
	price   *money.Money // what Prepare quotes; nil for none

	onPrepare func(providers.Order) error           // asked before the script
	onPlace   func(providers.Order)                 // before the guard is
	onLookup  func(n int) (providers.Answer, error) // the n-th lookup, from 1

	mu       sync.Mutex
	inside   int // calls under way
	most     int // of them at once
	balance  int // purchases left; -1 for no end
	script   []step
	prepare  []error
	calls    []string            // the references of all create calls that were sent
	bought   map[string][]string // order -> ids
	orders   map[string]string   // reference -> id
	lookups  []providers.Answer
	asked    int
	prepared int
}

// step is what one create call does.
type step struct {
	buy     bool          // the provider acts
	err     error         // what the caller is told; nil for success
	hold    chan struct{} // the call returns when this is closed
	entered chan struct{} // closed when the request was sent
	answer  *providers.Answer
	panics  bool
}

func newShop() *shop {
	p := money.Must("60", "RUB")
	return &shop{price: &p, balance: -1, bought: map[string][]string{}, orders: map[string]string{}}
}

var (
	errTimeout  = &providers.Error{Op: "shop.create", Class: providers.Ambiguous, Code: providers.CodeTimeout}
	errNoMoney  = &providers.Error{Op: "shop.create", Class: providers.Blocked, Code: "INSUFFICIENT_BALANCE"}
	errPrice    = &providers.Error{Op: "shop.create", Class: providers.Retryable, Code: "WRONG_PRICE", Requote: true}
	errNo       = &providers.Error{Op: "shop.create", Class: providers.Rejected, Code: "OFFER_NOT_FOUND"}
	errTwice    = &providers.Error{Op: "shop.create", Class: providers.Ambiguous, Code: "TRANSACTION_DUPLICATE", Exists: true}
	errBusyRead = &providers.Error{Op: "shop.check", Class: providers.Ambiguous, Code: "http_502"}
)

func (s *shop) next(steps ...step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, steps...)
}

// Prepare implements [providers.Provider].
func (s *shop) Prepare(_ context.Context, o providers.Order) (providers.Plan, error) {
	if s.onPrepare != nil {
		if err := s.onPrepare(o); err != nil {
			return providers.Plan{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepared++
	if len(s.prepare) > 0 {
		err := s.prepare[0]
		s.prepare = s.prepare[1:]
		if err != nil {
			return providers.Plan{}, err
		}
	}
	return providers.Plan{Quote: s.price, Data: map[string]string{"n": strconv.Itoa(s.prepared)}}, nil
}

// Place implements [providers.Provider].
func (s *shop) Place(ctx context.Context, o providers.Order, _ providers.Plan) (providers.Answer, error) {
	if s.onPlace != nil {
		s.onPlace(o)
	}
	if guard := providers.SendGuard(ctx); guard == nil {
		return providers.Answer{}, errors.New("no guard")
	} else if err := guard(); err != nil {
		return providers.Answer{}, &providers.Error{Op: "shop.create", Class: providers.Retryable, Code: providers.CodeNotSent, Err: err}
	}
	s.count(1)
	defer s.count(-1)
	st, answer, err := s.create(o)
	if st.entered != nil {
		close(st.entered)
	}
	if st.hold != nil {
		<-st.hold
	}
	return answer, err
}

func (s *shop) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside += n
	s.most = max(s.most, s.inside)
}

func (s *shop) create(o providers.Order) (step, providers.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := step{buy: true}
	if len(s.script) > 0 {
		st, s.script = s.script[0], s.script[1:]
	}
	if st.panics {
		panic("the adapter has a bug")
	}
	s.calls = append(s.calls, o.Reference)
	if _, seen := s.orders[o.Reference]; seen && !s.keyless && (st.buy || st.err == nil) {
		return st, providers.Answer{}, errTwice
	}
	if s.balance == 0 && st.buy {
		return st, providers.Answer{}, errNoMoney
	}
	id := fmt.Sprintf("%d", 1000+len(s.orders)+len(s.calls))
	if st.buy {
		s.balance--
		s.orders[o.Reference] = id
		s.bought[o.ID] = append(s.bought[o.ID], id)
	}
	if st.err != nil {
		return st, providers.Answer{}, st.err
	}
	if st.answer != nil {
		return st, *st.answer, nil
	}
	return st, providers.Answer{Status: providers.StatusSucceeded, Ref: map[string]string{"order_id": id}, Cost: s.price,
		CostSource: messages.FromResponse, Deliverable: json.RawMessage(`{}`), Finality: messages.Final}, nil
}

// Lookup implements [providers.Provider].
func (s *shop) Lookup(context.Context, providers.Order) (providers.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.onLookup != nil {
		return s.onLookup(s.asked)
	}
	if len(s.lookups) == 0 {
		return providers.Answer{}, nil
	}
	a := s.lookups[0]
	if len(s.lookups) > 1 {
		s.lookups = s.lookups[1:]
	}
	return a, nil
}

// Witness implements [providers.Witness].
func (s *shop) Witness(context.Context, providers.Order, providers.Plan) (map[string]any, error) {
	return map[string]any{"witness": map[string]any{"balance_after": "1"}}, nil
}

// purchases returns how often the shop sold for an order, by its own books.
func (s *shop) purchases(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bought[id])
}

func (s *shop) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

// left is how many steps of the script were not taken.
func (s *shop) left() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.script) }

func (s *shop) mostAtOnce() int { s.mu.Lock(); defer s.mu.Unlock(); return s.most }

func (s *shop) refill() { s.mu.Lock(); defer s.mu.Unlock(); s.balance = -1 }

var (
	_ providers.Provider = (*shop)(nil)
	_ providers.Witness  = (*shop)(nil)
)
