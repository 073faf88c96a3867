package e2e_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"

	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

// fate is what people will do about an order once the shop has it: the
// customer, the shop's staff, or upstream itself.
type fate string

// The fates of a deposit.
const (
	paysAtOnce    fate = "pays"
	heldReleased  fate = "held and released"
	heldReturned  fate = "held, approved and returned"
	lateReturned  fate = "held, released and returned after all"
	tradeCanceled fate = "held until the trade is canceled"
	neverPays     fate = "timeout"
	tradeTimeout  fate = "trade_timeout"
	strangeWord   fate = "a word that no document has, then paid"
)

// The fates of an exchange.
const (
	byItself      fate = "goes its way"
	confirms      fate = "the customer confirms, the staff pays out"
	paysElsewhere fate = "the customer pays behind a link or to an address"
	withTrouble   fate = "ends in an error that the staff cures"
	canceledByUs  fate = "upstream cancels it"
	givenUp       fate = "the site cancels it"
	deleted       fate = "the site deletes it"
)

var depositFates = []fate{
	paysAtOnce, heldReleased, heldReturned, paysAtOnce, lateReturned, paysAtOnce, tradeCanceled, paysAtOnce, heldReleased, neverPays,
	paysAtOnce, lateReturned, paysAtOnce, strangeWord, heldReturned, paysAtOnce, tradeTimeout, heldReleased, paysAtOnce,
}

// depositPlan orders a deposit for the n-th Steam account, which no other order
// has.
func depositPlan(random *rand.Rand, tenant, id string, n int) plan {
	account := fmt.Sprintf("7656119%010d", 8_800_000_000+n)
	more := []string{
		"", `,"currency":"USD","min_amount":"0.1","max_amount":"99999.5","game":"cs2"`, `,"currency":"EUR","widget":true`,
		`,"currency":"RUB","custom_multiplier":"1.25"`, `,"custom_currency":"GEM","custom_currency_rate":"2.5"`,
	}[n%5]
	p := plan{
		tenant: tenant, id: id, provider: "skinsback", kind: "deposit", account: account, fate: depositFates[n%len(depositFates)],
		// What the customer will give; upstream does not know it.
		amount: fmt.Sprintf("%d.%07d", 1+random.IntN(900), random.IntN(10_000_000)),
	}
	if n%23 == 11 {
		more, p.must, p.fate = `,"currency":"USD","max_amount":"0.3"`, "failed", "" // less than the least deal
	}
	p.body = body(id, "skinsback", "deposit", fmt.Sprintf(`"steam_id":%q,"trade_token":"i1ArBZey"%s`, account, more), `,"metadata":{"cart":"7"}`)
	return p
}

// journey is a kind of exchange: where, what is given, and what becomes of it.
type journey struct {
	direction, more, rest string
	fate                  fate
	must                  string
}

var journeys = []journey{
	{direction: exchangertest.DirectionAddress, fate: byItself},
	{direction: exchangertest.DirectionCard, more: mail, fate: confirms},
	{direction: exchangertest.DirectionLink, fate: paysElsewhere},
	{direction: exchangertest.DirectionCrypto, fate: paysElsewhere},
	{direction: exchangertest.DirectionCard, more: mail, fate: canceledByUs},
	{direction: exchangertest.DirectionVerify, fate: confirms},
	{direction: exchangertest.DirectionError, fate: withTrouble},
	{direction: exchangertest.DirectionAddress, fate: byItself},
	{direction: exchangertest.DirectionCard, more: mail, fate: givenUp},
	{direction: exchangertest.DirectionCity, more: `,"fields":{"cf10":"msk & region"}`, fate: confirms},
	{direction: exchangertest.DirectionCrypto, fate: paysElsewhere},
	{direction: exchangertest.DirectionCard, more: mail + `,"min_get":"1000000"`, must: "failed"},
	{direction: exchangertest.DirectionCard, more: mail, fate: confirms},
	{direction: exchangertest.DirectionHidden, must: "failed"},
	{direction: exchangertest.DirectionCard, more: mail, fate: deleted},
	{direction: exchangertest.DirectionLink, rest: maxCost("1.00", "RUB"), must: "failed"},
	{direction: exchangertest.DirectionAddress, fate: byItself},
}

// exchangePlan orders the n-th exchange, to a wallet that no other order has.
func exchangePlan(random *rand.Rand, tenant, id string, n int) plan {
	j := journeys[n%len(journeys)]
	wallet := "TWallet-" + tenant + "-" + id
	side, amount := "give", fmt.Sprintf("%d", 1000+random.IntN(90_000)) // with 1 % on top still a sum of two places
	given := amount
	switch {
	case j.direction == exchangertest.DirectionCrypto:
		amount = fmt.Sprintf("0.%08d", 1_000_000+random.IntN(90_000_000))
		given = amount
	case n%3 == 1:
		side, amount = "give_with_fee", fmt.Sprintf("%d.%02d", 2000+random.IntN(90_000), random.IntN(100))
		given = amount
	default:
		given = percentOnTop(amount)
	}
	return plan{
		tenant: tenant, id: id, provider: "exchanger", kind: "exchange", account: wallet, amount: given, fate: j.fate, must: j.must,
		body: body(id, "exchanger", "exchange",
			fmt.Sprintf(`"direction_id":%q,"amount":%q,"amount_side":%q,"account_to":%q%s`, j.direction, amount, side, wallet, j.more), j.rest),
	}
}

// percentOnTop adds one per cent to a whole number.
func percentOnTop(whole string) string {
	return new(big.Rat).Mul(exact(whole), big.NewRat(101, 100)).FloatString(2)
}

// exact reads a decimal; what is none is 0, which no order is about.
func exact(text string) *big.Rat {
	if r, ok := new(big.Rat).SetString(text); ok && decimalText.MatchString(text) {
		return r
	}
	return new(big.Rat)
}

var decimalText = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// same reports whether two texts are the same amount, and are amounts.
func same(a, b string) bool { return exact(a).Sign() > 0 && exact(a).Cmp(exact(b)) == 0 }

// payoutPlan orders the n-th payout. Four of them have the same account, and
// must take turns.
func payoutPlan(tenant, id string, n int) plan {
	method := []string{exchangertest.MethodUSDT, exchangertest.MethodCard}[n/4%2]
	p := plan{tenant: tenant, id: id, provider: "exchanger", kind: "partner_payout", account: fmt.Sprintf("TPartner-%03d", n/4)}
	if n%19 == 18 {
		method, p.must = "9", "failed"
	}
	p.method = method
	p.body = body(id, "exchanger", "partner_payout", fmt.Sprintf(`"method_id":%q,"account":%q`, method, p.account), "")
	return p
}

// target is whom a payout is paid to, and by which way.
func (p plan) target() string { return p.method + " " + p.account }
