package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/test/crash/check"
)

// plan is an order that upstream hands in, and what its customer does.
type plan struct {
	check.Order
	again    bool // handed in twice
	conflict bool // handed in with other content later
	cancel   bool // upstream changes its mind at once
	chance   int  // what the customer does, of 100
}

// tenants give the same ids to their orders.
var tenants = []string{"acme", "acme-2", "bolt"}

// plans makes the orders of a run. The seed fixes them.
func plans(o *Options) []*plan {
	random := rand.New(rand.NewPCG(o.Seed, 11)) //nolint:gosec // repeatable on purpose
	all := make([]*plan, 0, o.Orders)
	for i := range o.Orders {
		p := &plan{Order: check.Order{Tenant: tenants[i%len(tenants)], ID: fmt.Sprintf("s-%06d", i/len(tenants))}}
		switch chance := random.IntN(100); {
		case o.Naive || chance < 36:
			p.steam(random, o.Naive)
		case chance < 70:
			p.drop(random)
		case chance < 92:
			p.deposit(random, i)
		default: // few: to look for a lost bid means to read the list of all
			p.exchanger(random)
		}
		p.chance = random.IntN(100)
		p.again, p.conflict = random.IntN(100) < 3, random.IntN(1000) < 2
		p.cancel = p.Must == "" && random.IntN(100) < 2
		all = append(all, p)
	}
	return all
}

// name is the account of the order, which no other order has.
func (p *plan) name() string { return p.Tenant + "." + p.ID }

func (p *plan) write(provider, kind string, params, rest map[string]any) {
	p.Provider, p.Kind = provider, kind
	body := map[string]any{"v": 1, "id": p.ID, "provider": provider, "kind": kind, "params": params, "metadata": map[string]string{"cart": "7"}}
	for k, v := range rest {
		body[k] = v
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	p.Body = raw
}

func atMost(amount, currency string) map[string]any {
	return map[string]any{"max_cost": map[string]string{"amount": amount, "currency": currency}}
}

func (p *plan) steam(random *rand.Rand, topups bool) {
	switch chance := random.IntN(100); {
	case topups || chance < 70:
		p.Account, p.Amount = p.name(), fmt.Sprintf("%d.%02d", 1+random.IntN(5000), random.IntN(100))
		p.write(balanceSteam, "topup", map[string]any{"login": p.Account, "amount": p.Amount}, nil)
	case chance < 98:
		p.Account = p.name() + "@example.com"
		p.write(balanceSteam, "gift_card", map[string]any{"service_id": 5999, "email": p.Account}, atMost("600.00", "RUB"))
	default: // three places after the point are a fault
		p.Account, p.Must = p.name(), "rejected"
		p.write(balanceSteam, "topup", map[string]any{"login": p.Account, "amount": "10.005"}, nil)
	}
}

func (p *plan) deposit(random *rand.Rand, i int) {
	p.Account = fmt.Sprintf("7656119%010d", i)
	params := map[string]any{"steam_id": p.Account, "trade_token": "i1ArBZey"}
	if random.IntN(4) == 0 {
		params["currency"], params["min_amount"] = "eur", "1"
	}
	p.write(skinsBack, "deposit", params, nil)
}

// drop picks an offer of GamesDrop; some of them end otherwise than by success.
func (p *plan) drop(random *rand.Rand) {
	p.Account = p.name() + "@example.com"
	offer := func(id int64, rest map[string]any) {
		p.write(gamesDrop, "offer", map[string]any{"offer_id": id, "email": p.Account}, rest)
	}
	dollars := atMost("10.00", "USD")
	switch chance := random.IntN(100); {
	case chance < 45:
		offer(gamesdroptest.OfferPUBG, atMost("600.00", "RUB"))
	case chance < 60:
		offer(gamesdroptest.OfferPending, dollars)
	case chance < 85:
		user := []string{"143594291", "@igoryan34"}[random.IntN(2)]
		p.write(gamesDrop, "telegram_stars", map[string]any{"stars": 100, "telegram_user": user, "email": p.Account}, atMost("0.80", "USD"))
	case chance < 97:
		odd := []int64{gamesdroptest.OfferCanceled, gamesdroptest.OfferRefunded, gamesdroptest.OfferCanceledNow, gamesdroptest.OfferLateKey}
		offer(odd[random.IntN(len(odd))], dollars)
	default:
		p.Must = "failed"
		offer(gamesdroptest.OfferPUBG, atMost("0.01", "RUB"))
	}
}

func (p *plan) exchanger(random *rand.Rand) {
	if random.IntN(100) < 15 {
		p.Account = "TPayout-" + p.name()
		p.write(exchanger, "partner_payout", map[string]any{"method_id": exchangertest.MethodUSDT, "account": p.Account}, nil)
		return
	}
	p.Account = "TWallet-" + p.name()
	params := map[string]any{
		"direction_id": exchangertest.DirectionAddress, "amount": fmt.Sprint(1000 + random.IntN(9000)), "amount_side": "give", "account_to": p.Account,
	}
	if random.IntN(100) < 40 {
		params["direction_id"], params["fields"] = exchangertest.DirectionCard, map[string]string{"cf6": "a@example.com"}
	}
	p.write(exchanger, "exchange", params, nil)
}

// contrary is another order under the same id.
func (p *plan) contrary() []byte {
	var body map[string]any
	if err := json.Unmarshal(p.Body, &body); err != nil {
		panic(err) // written above
	}
	body["metadata"] = map[string]string{"cart": "8"}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return raw
}
