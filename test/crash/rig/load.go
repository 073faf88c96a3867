package rig

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/test/crash/check"
)

// plan is an order that upstream will hand in, and what it will do about it.
type plan struct {
	check.Order
	at       time.Duration // after the begin
	again    bool          // handed in twice, in other words
	conflict bool          // handed in with other content later
	cancel   bool          // upstream changes its mind at once
	chance   int           // what the customer does, of 100
}

// tenants give the same ids to their orders.
var tenants = []string{"acme", "acme-2", "bolt"}

// plans makes the orders of a run.
func plans(o *Options) []*plan {
	random := rand.New(rand.NewPCG(o.Seed, 7)) //nolint:gosec // repeatable on purpose
	all := make([]*plan, 0, o.Orders)
	for i := range o.Orders {
		p := planOf(random, i, o.Providers[random.IntN(len(o.Providers))])
		p.at = o.Span * time.Duration(i) / time.Duration(o.Orders)
		p.chance = random.IntN(100)
		p.again, p.conflict = random.IntN(100) < 5, random.IntN(100) < 2
		p.cancel = p.Must == "" && random.IntN(100) < 3
		all = append(all, p)
	}
	return all
}

func planOf(random *rand.Rand, i int, provider string) *plan {
	p := &plan{Order: check.Order{Tenant: tenants[i%len(tenants)], ID: fmt.Sprintf("ord-%06d", i/len(tenants)), Provider: provider}}
	switch provider {
	case balanceSteam:
		p.steam(random)
	case skinsBack:
		p.deposit(random, i)
	case gamesDrop:
		p.drop(random)
	default:
		p.exchanger(random)
	}
	return p
}

// name is the account of the order, which no other order has.
func (p *plan) name() string { return p.Tenant + "." + p.ID }

// write makes the order's body. params and rest are alternating keys and values.
func (p *plan) write(kind string, params map[string]any, rest map[string]any) {
	p.Kind = kind
	body := map[string]any{"v": 1, "id": p.ID, "provider": p.Provider, "kind": kind, "params": params, "metadata": map[string]string{"cart": "7"}}
	for k, v := range rest {
		body[k] = v
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	p.Body = raw
}

func limit(amount, currency string) map[string]any {
	return map[string]any{"max_cost": map[string]string{"amount": amount, "currency": currency}}
}

func (p *plan) steam(random *rand.Rand) {
	switch chance := random.IntN(100); {
	case chance < 72:
		p.Account, p.Amount = p.name(), fmt.Sprintf("%d.%02d", 1+random.IntN(5000), random.IntN(100))
		p.write("topup", map[string]any{"login": p.Account, "amount": p.Amount}, nil)
	case chance < 97:
		p.Account = p.name() + "@example.com"
		p.write("gift_card", map[string]any{"service_id": 5999, "email": p.Account}, limit("600.00", "RUB"))
	default: // three places after the point are a fault
		p.Account, p.Must = p.name(), "rejected"
		p.write("topup", map[string]any{"login": p.Account, "amount": "10.005"}, nil)
	}
}

func (p *plan) deposit(random *rand.Rand, i int) {
	p.Account = fmt.Sprintf("7656119%010d", i)
	params := map[string]any{"steam_id": p.Account, "trade_token": "i1ArBZey"}
	if random.IntN(4) == 0 {
		params["currency"], params["min_amount"] = "eur", "1"
	}
	p.write("deposit", params, nil)
}

// drop picks an offer of GamesDrop; some of them end otherwise than by success.
func (p *plan) drop(random *rand.Rand) {
	p.Account = p.name() + "@example.com"
	offer := func(id int64, rest map[string]any, more ...string) {
		params := map[string]any{"offer_id": id, "email": p.Account}
		for i := 0; i+1 < len(more); i += 2 {
			params[more[i]] = more[i+1]
		}
		p.write("offer", params, rest)
	}
	stars := func(user string) {
		p.write("telegram_stars", map[string]any{"stars": 100, "telegram_user": user, "email": p.Account}, limit("0.80", "USD"))
	}
	dollars := limit("10.00", "USD")
	switch chance := random.IntN(100); {
	case chance < 30:
		offer(gamesdroptest.OfferPUBG, limit("600.00", "RUB"))
	case chance < 45:
		offer(gamesdroptest.OfferPending, dollars)
	case chance < 55:
		offer(gamesdroptest.OfferDirect, limit("80.00", "USD"), "game_user_id", "52357322414")
	case chance < 65:
		stars("143594291")
	case chance < 75:
		stars("@igoryan34")
	case chance < 90:
		odd := []int64{gamesdroptest.OfferCanceled, gamesdroptest.OfferRefunded, gamesdroptest.OfferCanceledNow, gamesdroptest.OfferLateKey, gamesdroptest.OfferStrange}
		offer(odd[random.IntN(len(odd))], dollars)
	case chance < 95:
		p.Must = "failed"
		offer(gamesdroptest.OfferPUBG, limit("0.01", "RUB"))
	default:
		p.Must = "failed"
		offer(gamesdroptest.OfferDirect, limit("80.00", "USD"), "game_user_id", "000")
	}
}

func (p *plan) exchanger(random *rand.Rand) {
	if random.IntN(100) < 10 {
		p.Account = "TPayout-" + p.name()
		p.write("partner_payout", map[string]any{"method_id": exchangertest.MethodUSDT, "account": p.Account}, nil)
		return
	}
	p.Account = "TWallet-" + p.name()
	params := map[string]any{
		"direction_id": exchangertest.DirectionAddress, "amount": fmt.Sprint(1000 + random.IntN(9000)), "amount_side": "give", "account_to": p.Account,
	}
	if random.IntN(100) < 40 {
		params["direction_id"], params["fields"] = exchangertest.DirectionCard, map[string]string{"cf6": "a@example.com"}
	}
	p.write("exchange", params, nil)
}

// reworded is the same order in other words: other order of keys, other white space.
func (p *plan) reworded() []byte {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(p.Body, &fields); err != nil {
		panic(err) // written above
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	slices.Reverse(names)
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf(" %q :\t%s", name, fields[name]))
	}
	return []byte("{" + strings.Join(parts, ",\n") + " }")
}

// contrary is another order under the same id.
func (p *plan) contrary() []byte {
	return []byte(strings.Replace(string(p.Body), `"cart":"7"`, `"cart":"8"`, 1))
}
