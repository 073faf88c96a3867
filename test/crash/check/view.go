package check

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// purchase is what a shop's books say of one thing bought.
type purchase struct {
	provider  string
	id        string
	account   string
	reference string
	request   int64
	at        time.Time
	amount    string
	currency  string
	payments  int  // how often the customer paid, for deposits
	undone    bool // the shop took it back
	status    string
}

// over reports whether the shop gave it up by its own word.
func (p *purchase) over() bool {
	if p.undone {
		return true
	}
	switch p.provider {
	case "exchanger":
		return p.status == "cancel" || p.status == "delete" || p.status == "2"
	case "skinsback":
		return p.status == "fail" || p.status == "hold_returned"
	default:
		return false
	}
}

// story is all that is known of one order.
type story struct {
	order  *Order // nil: nobody handed it in
	key    string
	events []*event
	bought []*purchase
}

func (s *story) last() *event {
	if len(s.events) == 0 {
		return nil
	}
	return s.events[len(s.events)-1]
}

// intents are the placing events.
func (s *story) intents() []*event { return s.of("placing") }

func (s *story) of(typ string) []*event {
	return slices.DeleteFunc(slices.Clone(s.events), func(e *event) bool { return e.Type != typ })
}

// states are the events that changed the state.
func (s *story) states() []*event {
	return slices.DeleteFunc(slices.Clone(s.events), func(e *event) bool { return sideTypes[e.Type] })
}

// view is a history in the order in which the invariants ask.
type view struct {
	*History
	stories   map[string]*story // by order
	keys      []string          // of stories, sorted
	byAccount map[string]*story
	orphans   []*purchase // that nobody ordered
	unread    []string    // events that cannot be read
}

func newView(h *History) *view {
	v := &view{History: h, stories: map[string]*story{}, byAccount: map[string]*story{}}
	for i := range h.Orders {
		o := &h.Orders[i]
		s := &story{order: o, key: o.Key()}
		v.stories[s.key], v.byAccount[o.Provider+" "+o.Account] = s, s
	}
	for _, m := range h.Streams["EVENTS"] {
		e, err := readEvent(m)
		if err != nil {
			v.unread = append(v.unread, err.Error())
			continue
		}
		s := v.stories[e.key()]
		if s == nil {
			s = &story{key: e.key()}
			v.stories[s.key] = s
		}
		s.events = append(s.events, e)
	}
	v.keys = slices.Sorted(maps.Keys(v.stories))
	for _, provider := range slices.Sorted(maps.Keys(h.Books)) {
		v.enter(provider, h.Books[provider])
	}
	return v
}

// enter gives each purchase to the order whose account it names.
func (v *view) enter(provider string, book []providertest.Entry) {
	byID := map[string]*purchase{}
	for _, e := range book {
		switch e.Phase {
		case providertest.Committed:
			p := &purchase{
				provider: provider, id: e.ID, account: e.OrderKey, reference: e.Reference, request: e.Request,
				at: e.Time, amount: e.Amount, currency: e.Currency,
			}
			byID[PurchaseID(e.Op, e.ID)] = p
			if s := v.byAccount[provider+" "+p.account]; s != nil {
				s.bought = append(s.bought, p)
			} else {
				v.orphans = append(v.orphans, p)
			}
		case paid:
			if p := byID[e.ID]; p != nil {
				p.payments++
				p.amount, p.currency = e.Amount, e.Currency
			}
		case undone:
			if p := byID[e.ID]; p != nil {
				p.undone = true
			}
		case providertest.Received, providertest.Answered:
		}
	}
	for _, s := range v.Standings {
		if p := byID[s.ID]; p != nil && s.Provider == provider {
			p.status = s.Status
		}
	}
}

// PurchaseID is how a standing names a purchase that an endpoint made: an
// exchanger numbers bids and payouts apart from each other.
func PurchaseID(op, id string) string {
	if op == "add_partner_payout" {
		return "payout/" + id
	}
	return id
}

// ordered are the stories of orders that upstream handed in.
func (v *view) ordered() []*story {
	var all []*story
	for _, key := range v.keys {
		if s := v.stories[key]; s.order != nil {
			all = append(all, s)
		}
	}
	return all
}

// incidents are those of some programs within a span of time.
func (v *view) incidents(from, to time.Time, programs ...string) []Incident {
	return slices.DeleteFunc(slices.Clone(v.Incidents), func(i Incident) bool {
		return i.Time.Before(from) || i.Time.After(to) || len(programs) > 0 && !slices.Contains(programs, i.Program)
	})
}

// same compares two amounts by value; what is no amount equals nothing.
func same(a, b string) bool {
	x, errX := money.ParseDecimal(a)
	y, errY := money.ParseDecimal(b)
	return errX == nil && errY == nil && x.Equal(y)
}

func sameSum(a string, aCurrency string, b string, bCurrency string) bool {
	return same(a, b) && strings.EqualFold(aCurrency, bCurrency)
}
