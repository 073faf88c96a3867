package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// site is the pipeline with an exchanger at its end.
type site struct {
	*local
	shop *exchangertest.Server
}

func newSite(t *testing.T, env map[string]string, opts ...exchangertest.Option) *site {
	t.Helper()
	own := map[string]string{"EXCHANGER_TIMEOUT": "2s", "EXCHANGER_RATE_LIMIT": "100000/1s", "ABSENCE_WAIT": "2s"}
	maps.Copy(own, env)
	s := &site{local: newLocal(t, own), shop: exchangertest.New(opts...)}
	t.Cleanup(s.shop.Close)
	s.dispatcher()
	s.run(programs.Exchanger(), map[string]string{
		"EXCHANGER_URL": s.shop.APIURL(), "EXCHANGER_API_LOGIN": exchangertest.Login, "EXCHANGER_API_KEY": exchangertest.Key, "EXCHANGER_LANG": "en_US",
	})
	return s
}

// exchange orders an exchange of 3000 RUB, which with the fee is 3030 RUB.
func exchange(id, direction, more, rest string) plan {
	params := fmt.Sprintf(`"direction_id":%q,"amount":"3000","amount_side":"give","account_to":"TWallet-%s"%s`, direction, id, more)
	return plan{tenant: "acme", id: id, provider: "exchanger", kind: "exchange", account: "TWallet-" + id,
		body: body(id, "exchanger", "exchange", params, rest)}
}

// mail is the field that DirectionCard demands.
const mail = `,"fields":{"cf6":"a@example.com"}`

func (s *site) submit(p plan) {
	s.t.Helper()
	s.up.submit(p.tenant, p.body)
}

func (s *site) ask(p plan, what string) {
	s.t.Helper()
	s.up.publish("orders."+p.tenant+"."+what, []byte(fmt.Sprintf(`{"v":1,"id":%q}`, p.id)))
}

// shows waits for an event that says all of it.
func (s *site) shows(p plan, typ string, said ...string) event {
	s.t.Helper()
	return s.up.await(p.key(), fmt.Sprintf("%s with %v", typ, said), func(e event) bool {
		for i := 0; i+1 < len(said); i += 2 {
			if e.text(said[i]) != said[i+1] {
				return false
			}
		}
		return e.typ() == typ
	})
}

// says fails unless an event says all of it.
func says(t *testing.T, e event, said ...string) {
	t.Helper()
	for i := 0; i+1 < len(said); i += 2 {
		if got := e.text(said[i]); got != said[i+1] {
			t.Errorf("%s of %s is %q, not %q", said[i], e.typ(), got, said[i+1])
		}
	}
}

// bids fails unless the books hold so many bids for the order's account, opened
// by so many requests.
func (s *site) bids(p plan, want, requests int) {
	s.t.Helper()
	n := 0
	for _, b := range s.shop.Bids() {
		if b.Account2 == p.account {
			n++
		}
	}
	if got := s.shop.Requests(exchangertest.OpCreateBid); n != want || got != requests {
		s.t.Errorf("%d bids by %d requests, not %d by %d\n%s", n, got, want, requests, story(s.up.events(p.key())))
	}
}

func TestExchanger_ABidGoesAllItsWayToSuccess(t *testing.T) {
	t.Parallel()
	s, p := newSite(t, nil), exchange("o1", exchangertest.DirectionAddress, "", maxCost("3030", "RUB"))
	s.submit(p)
	last := s.up.awaitFinal(p.key())
	bid := s.shop.Bids()[0]
	if got := typesOf(s.up.events(p.key())); got != "accepted placing action_required action_required processing processing succeeded" {
		t.Errorf("events %s", got)
	}
	first := s.shows(p, "action_required", "evidence.bid_status", "new")
	says(t, first, "action.type", "address", "action.address", "TQ5NMqJjhpQGK7YJbESKtNCo86PJ89ujio", "action.dest_tag", "81",
		"action.pay_amount.amount", "3030.00", "action.pay_amount.currency", "RUB", "action.confirm", "true", "action.cancel", "true",
		"action.url", "https://exchanger.example/hst_"+bid.Hash+"/", "cost.amount", "3030.00", "cost_source", "response",
		"provider_ref.id", "1234", "provider_ref.hash", bid.Hash, "provider_ref.api_id", bid.APIID)
	if text := first.text("action.instruction"); !strings.HasPrefix(text, "Pay 3030.00 RUB") || !strings.Contains(text, "for bid 1234 & wait.") || strings.ContainsAny(text, "<>") {
		t.Errorf("instruction %q", text)
	}
	for _, status := range []string{"realpay", "coldsuccess"} {
		s.shows(p, "processing", "evidence.bid_status", status, "action", nothing)
	}
	says(t, last, "state", "succeeded", "finality", "final", "cost.amount", "3030.00", "cost.currency", "RUB", "cost_source", "response",
		"deliverable.amount_get.amount", "31.217482", "deliverable.amount_get.currency", "USDT", "deliverable.account_to", p.account, "action", nothing, "error", nothing)
	if bid.AmountGet != "31.217482" || bid.Status != "success" {
		t.Errorf("the books say %+v", bid)
	}
	s.bids(p, 1, 1)
}

func TestExchanger_AmountsKeepAllTheirPlaces(t *testing.T) {
	t.Parallel()
	s, p := newSite(t, nil), exchange("o1", exchangertest.DirectionCrypto, "", maxCost("0.12345678", "BTC"))
	p.body = strings.Replace(p.body, `"amount":"3000"`, `"amount":"0.12345678"`, 1)
	s.submit(p)
	s.shows(p, "action_required", "action.pay_amount.amount", "0.12345678", "action.pay_amount.currency", "BTC")
	s.shop.SetStatus(1234, "success")
	// 0.12345678 × 68321.5, less 0.5 %
	says(t, s.up.awaitFinal(p.key()), "state", "succeeded", "cost.amount", "0.12345678", "cost.currency", "BTC",
		"deliverable.amount_get.amount", "8392.578633", "deliverable.amount_get.currency", "USDT", "deliverable.account_to", p.account)
}

func TestExchanger_TheCustomerConfirmsOrCancels(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	paid, dropped := exchange("paid", exchangertest.DirectionCard, mail, ""), exchange("dropped", exchangertest.DirectionCard, mail, "")
	s.submit(paid)
	s.shows(paid, "action_required", "action.type", "mypaid", "action.confirm", "true")
	s.ask(paid, "confirm")
	s.shows(paid, "processing")
	if bid := s.shop.Bids()[0]; bid.Status != "payed" || s.shop.Requests(exchangertest.OpPayBid) != 1 {
		t.Errorf("the bid is %s after %d pay_bid", bid.Status, s.shop.Requests(exchangertest.OpPayBid))
	}
	s.ask(paid, "confirm")
	s.shows(paid, "confirm_refused", "state", "processing")
	s.shop.SetStatus(1234, "success")
	says(t, s.up.awaitFinal(paid.key()), "state", "succeeded", "evidence.bid_status", "success")

	s.submit(dropped)
	s.shows(dropped, "action_required", "action.cancel", "true")
	s.ask(dropped, "cancel")
	says(t, s.up.awaitFinal(dropped.key()), "state", "canceled")
	if bid := s.shop.Bids()[1]; bid.Status != "cancel" || s.shop.Requests(exchangertest.OpCancelBid) != 1 {
		t.Errorf("the bid is %s after %d cancel_bid", bid.Status, s.shop.Requests(exchangertest.OpCancelBid))
	}
	if got := len(s.shop.Bids()); got != 2 {
		t.Errorf("%d bids", got)
	}
}

func TestExchanger_WhatTheExchangerDoesNotAllowIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, exchangertest.WithStepEvery(time.Hour)) // bids stay where they are
	link, early := exchange("link", exchangertest.DirectionLink, "", ""), exchange("early", exchangertest.DirectionVerify, "", "")
	for _, p := range []plan{link, early} {
		s.submit(p)
	}
	says(t, s.shows(link, "action_required"), "action.type", "link", "action.url", "https://pay.example/bid?x=1&y=2", "action.confirm", "false", "action.cancel", "false")
	s.ask(link, "confirm")
	s.shows(link, "confirm_refused", "state", "action_required")
	s.ask(link, "cancel")
	s.shows(link, "cancel_refused", "state", "action_required")
	if n := s.shop.Requests(exchangertest.OpPayBid) + s.shop.Requests(exchangertest.OpCancelBid); n != 0 {
		t.Errorf("the exchanger was asked %d times for what it does not allow", n)
	}
	// Awaiting verification, a bid cannot be paid yet, whatever its actions say.
	s.shows(early, "action_required", "evidence.bid_status", "coldnew", "action.confirm", "false", "action.cancel", "true")
	s.ask(early, "confirm")
	s.shows(early, "confirm_refused", "state", "action_required")
	if n := s.shop.Requests(exchangertest.OpPayBid); n != 0 {
		t.Errorf("%d pay_bid", n)
	}
}

func TestExchanger_AStatusForTheStaffIsShownAndIsNoFailure(t *testing.T) {
	t.Parallel()
	s, p := newSite(t, nil), exchange("o1", exchangertest.DirectionCard, mail, "")
	s.submit(p)
	s.shows(p, "action_required")
	for _, status := range []string{"amlwait", "realpay"} {
		s.shop.SetStatus(1234, status)
		s.shows(p, "processing", "evidence.bid_status", status, "evidence.operator_hint", nothing)
	}
	for _, status := range []string{"verify", "partpay", "partpayout", "coldsuccess", "error", "payouterror", "amlerror", "mercherror", "scrpayerror", "my7", "archived"} {
		s.shop.SetStatus(1234, status)
		e := s.shows(p, "processing", "evidence.bid_status", status, "needs_operator", "false", "error", nothing)
		if e.text("evidence.operator_hint") == "" {
			t.Errorf("%s without a hint", status)
		}
	}
	s.shop.SetStatus(1234, "success")
	says(t, s.up.awaitFinal(p.key()), "state", "succeeded")
}

func TestExchanger_ABidThatIsGivenUpFailed(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"cancel", "delete"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			s, p := newSite(t, nil), exchange("o1", exchangertest.DirectionCard, mail, "")
			s.submit(p)
			s.shows(p, "action_required")
			s.shop.SetStatus(1234, status)
			says(t, s.up.awaitFinal(p.key()), "state", "failed", "error.class", "rejected", "error.code", status, "deliverable", nothing)
		})
	}
}

func TestExchanger_WhatCannotBeExchangedFailsWithoutABid(t *testing.T) {
	t.Parallel()
	card := exchangertest.DirectionCard
	for name, c := range map[string]struct {
		order    plan
		code     string
		text     string
		prepare  func(*site)
		requests int // of create_bid
	}{
		"less arrives than min_get": {order: exchange("o1", card, mail+`,"min_get":"31.3"`, ""), code: "min_get_not_met", text: "31.217482"},
		"dearer than max_cost":      {order: exchange("o1", card, mail, maxCost("3029.99", "RUB")), code: "max_cost_exceeded"},
		"another currency":          {order: exchange("o1", card, mail, maxCost("3030", "USD")), code: "currency_mismatch"},
		"a field is missing":        {order: exchange("o1", card, "", ""), code: "invalid_order", text: "/params/fields/cf6"},
		"a field too many":          {order: exchange("o1", card, `,"fields":{"cf6":"a@example.com","cf99":"x"}`, ""), code: "invalid_order", text: "cf99"},
		"no such direction":         {order: exchange("o1", "999", mail, ""), code: "direction_not_found"},
		"a direction not for us":    {order: exchange("o1", exchangertest.DirectionHidden, mail, ""), code: "direction_not_found"},
		"out of bounds": {
			order: exchange("o1", card, mail, ""), code: "amount_out_of_bounds",
			prepare: func(s *site) {
				d, _ := s.shop.Direction(card)
				d.MinGive = "5000"
				s.shop.SetDirection(d)
			},
		},
		"refused by the form": {
			order: exchange("o1", card, mail, ""), code: "3", text: "account2: wallet is not valid", requests: 1,
			prepare: func(s *site) {
				s.shop.Refuse(map[string]string{"account2": `<b>wallet</b> is not <span data-val="1">valid</span>`})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			if c.prepare != nil {
				c.prepare(s)
			}
			s.submit(c.order)
			last := s.up.awaitFinal(c.order.key())
			says(t, last, "state", "failed", "error.class", "rejected", "error.code", c.code, "cost", nothing)
			if !strings.Contains(last.text("error.message"), c.text) {
				t.Errorf("message %q does not tell of %q", last.text("error.message"), c.text)
			}
			s.bids(c.order, 0, c.requests)
		})
	}
}

func TestExchanger_MaintenanceAndASwitchedOffAPIPutTheOrderOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trouble func(*site, bool)
		class   string
		lane    string
	}{
		"maintenance":  {func(s *site, on bool) { s.shop.SetMaintenance(on) }, "retryable", ""},
		"API disabled": {func(s *site, on bool) { s.shop.SetAPIDisabled(on) }, "blocked", "closed"},
		"IP blocked":   {func(s *site, on bool) { s.shop.SetIPBlocked(on) }, "blocked", "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := newSite(t, nil), exchange("o1", exchangertest.DirectionCard, mail, "")
			c.trouble(s, true)
			s.submit(p)
			s.shows(p, "retrying", "error.class", c.class, "error.retryable", "true")
			if c.lane != "" {
				awaitTrue(t, "the lane is closed", func() bool { l := s.lane("exchanger"); return l == "closed" || l == "probing" })
			} else if got := s.lane("exchanger"); got != "" && got != "open" {
				t.Errorf("the lane is %s", got)
			}
			c.trouble(s, false)
			s.shows(p, "action_required")
			s.bids(p, 1, 1)
			if c.lane != "" {
				awaitTrue(t, "the lane is open", func() bool { return s.lane("exchanger") == "open" })
			}
		})
	}
}

func TestExchanger_ALostAnswerOpensNoSecondBid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault    providertest.Fault
		opts     []exchangertest.Option
		types    string
		requests int
	}{
		"lost after the bid was opened": {
			fault: providertest.Fault{Kind: providertest.ResetAfterCommit}, requests: 1, types: "accepted placing unresolved action_required",
		},
		"an unreadable answer, in another zone": {
			fault: providertest.Fault{Kind: providertest.HTML}, opts: []exchangertest.Option{exchangertest.WithClockOffset(11 * time.Hour)},
			requests: 1, types: "accepted placing unresolved action_required",
		},
		"lost before": {
			fault: providertest.Fault{Kind: providertest.ResetBeforeCommit}, requests: 2,
			types: "accepted placing unresolved placing action_required",
		},
		"timed out before": {
			fault: providertest.Fault{Kind: providertest.TimeoutBeforeCommit}, requests: 2,
			types: "accepted placing unresolved placing action_required",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := append(c.opts, exchangertest.WithStepEvery(time.Hour))
			s, p := newSite(t, nil, opts...), exchange("o1", exchangertest.DirectionAddress, "", "")
			s.shop.Faults().Once(exchangertest.OpCreateBid, c.fault)
			s.submit(p)
			if doubt := s.shows(p, "unresolved", "error.class", "ambiguous"); doubt.needsOperator() {
				t.Errorf("the operator was asked at once: %s", doubt)
			}
			found := s.shows(p, "action_required")
			bid := s.shop.Bids()[0]
			says(t, found, "provider_ref.id", "1234", "provider_ref.api_id", bid.APIID, "provider_ref.hash", bid.Hash, "action.address", "TQ5NMqJjhpQGK7YJbESKtNCo86PJ89ujio")
			// How often it is looked up until it counts as absent depends on the
			// machine; what it goes through does not.
			steps := slices.CompactFunc(slices.Clone(s.up.events(p.key())[:found.n()]), func(a, b event) bool {
				return a.typ() == b.typ() && a.typ() == "unresolved"
			})
			if got := typesOf(steps); got != c.types {
				t.Errorf("events %s", got)
			}
			for _, e := range s.up.events(p.key()) {
				if id := e.text("provider_ref.api_id"); id != "" && id != bid.APIID {
					t.Errorf("api_id %s in %s", id, e)
				}
			}
			s.bids(p, 1, c.requests)
			s.shop.SetStatus(1234, "success")
			says(t, s.up.awaitFinal(p.key()), "state", "succeeded")
		})
	}
}

// The list is late for so long that the bid is asked for again, and the
// exchanger says that it knows the api_id.
func TestExchanger_ADuplicateAPIIDIsLookedForAgain(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	clock := exchangertest.WithClock(func() time.Time { return time.Now().Add(time.Duration(passed.Load())) })
	s, p := newSite(t, nil, clock, exchangertest.WithListingLag(time.Hour), exchangertest.WithStepEvery(24*time.Hour)), exchange("o1", exchangertest.DirectionAddress, "", "")
	s.shop.Faults().Once(exchangertest.OpCreateBid, providertest.Fault{Kind: providertest.ResetAfterCommit})
	s.submit(p)
	doubt := s.up.await(p.key(), "refused as a duplicate", func(e event) bool { return e.text("evidence.duplicate") != "" })
	says(t, doubt, "state", "unresolved", "needs_operator", "false", "attempt", "2")
	passed.Store(int64(2 * time.Hour))
	found := s.shows(p, "action_required", "provider_ref.id", "1234")
	says(t, found, "provider_ref.api_id", s.shop.Bids()[0].APIID)
	s.bids(p, 1, 2)
}

func TestExchanger_WhatOnlyAPersonCanFindOutIsTheOperators(t *testing.T) {
	t.Parallel()
	t.Run("a key without get_exchanges", func(t *testing.T) {
		t.Parallel()
		s, p := newSite(t, nil, exchangertest.WithoutMethods(exchangertest.OpExchanges)), exchange("o1", exchangertest.DirectionCard, mail, "")
		s.shop.Faults().Once(exchangertest.OpCreateBid, providertest.Fault{Kind: providertest.ResetAfterCommit})
		s.submit(p)
		last := s.up.awaitFinal(p.key())
		says(t, last, "state", "unresolved", "needs_operator", "true", "error.code", "connection_reset")
		if !strings.Contains(last.text("evidence.lookup"), "get_exchanges is not enabled") || last.at("not_before") == nil {
			t.Errorf("it says %s", last)
		}
		s.bids(p, 1, 1)
	})
	t.Run("a bid of another amount has our api_id", func(t *testing.T) {
		t.Parallel()
		s, p := newSite(t, nil), exchange("o1", exchangertest.DirectionAddress, "", "")
		s.shop.Faults().Once(exchangertest.OpCreateBid, providertest.Fault{Kind: providertest.ResetBeforeCommit})
		s.submit(p)
		placing := s.up.awaitType(p.key(), "placing")
		s.shop.AddBid(exchangertest.Bid{DirectionID: exchangertest.DirectionAddress, APIID: placing.text("provider_ref.api_id"), AmountGive: "99.00", AmountGet: "1.000000"})
		last := s.up.awaitFinal(p.key())
		says(t, last, "state", "unresolved", "needs_operator", "true", "evidence.lookup.code", "answer_mismatch", "provider_ref.id", nothing)
		s.bids(p, 0, 1)
	})
}
