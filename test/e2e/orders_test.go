package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
)

// plan is an order that upstream will hand in, and what is known of it beforehand.
type plan struct {
	tenant, id     string
	provider, kind string
	body           string
	account        string // how the shop's books know it
	amount         string // what the customer pays or is to get, where that is known
	method         string // of a payout
	fate           fate   // what people will do about it
	must           string // the one state it may end in; empty where faults decide
	cancel         bool   // upstream changes its mind at once
}

func (p plan) key() string { return p.tenant + "/" + p.id }

// again is the same order in other words: other order of keys, other white space.
func (p plan) again() string {
	return "{ " + strings.TrimSuffix(strings.TrimPrefix(p.body, `{"v":1,`), "}") + ` , "v" : 1 }`
}

// fromEnv reads a number that overrides a setting of a test.
func fromEnv(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// newSeed is a seed of its own for each run, unless E2E_SEED repeats one.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := fromEnv(t, "E2E_SEED", uint64(time.Now().UnixNano())%1_000_000) //nolint:gosec // not negative
	t.Logf("E2E_SEED=%d", seed)
	return seed
}

// body writes an order by hand.
func body(id, provider, kind, params, rest string) string {
	return fmt.Sprintf(`{"v":1,"id":%q,"provider":%q,"kind":%q,"params":{%s}%s}`, id, provider, kind, params, rest)
}

const far = `,"expires_at":"2099-01-01T00:00:00Z"`

func maxCost(amount, currency string) string {
	return fmt.Sprintf(`,"max_cost":{"amount":%q,"currency":%q}`, amount, currency)
}

// topup orders a top-up of an account that no other order has.
func topup(tenant, id, amount string) plan {
	account := tenant + "." + id
	return plan{
		tenant: tenant, id: id, provider: "balancesteam", kind: "topup", account: account, amount: amount,
		body: body(id, "balancesteam", "topup", fmt.Sprintf(`"login":%q,"amount":%q`, account, amount), `,"metadata":{"cart":"7"}`),
	}
}

// giftCard orders a card; at a limit of 600 RUB unless told otherwise.
func giftCard(tenant, id string, service int) plan {
	account := tenant + "." + id + "@example.com"
	return plan{
		tenant: tenant, id: id, provider: "balancesteam", kind: "gift_card", account: account,
		body: body(id, "balancesteam", "gift_card", fmt.Sprintf(`"service_id":%d,"email":%q`, service, account), maxCost("600.00", "RUB")),
	}
}

// offer orders an offer of GamesDrop.
func offer(tenant, id string, offerID int64, limit, currency, more string) plan {
	account := tenant + "." + id + "@example.com"
	return plan{
		tenant: tenant, id: id, provider: "gamesdrop", kind: "offer", account: account,
		body: body(id, "gamesdrop", "offer", fmt.Sprintf(`"offer_id":%d,"email":%q%s`, offerID, account, more), maxCost(limit, currency)+far),
	}
}

// stars orders 100 Stars, whose price the shop charges a cent more than it quotes.
func stars(tenant, id, user string) plan {
	account := tenant + "." + id + "@example.com"
	return plan{
		tenant: tenant, id: id, provider: "gamesdrop", kind: "telegram_stars", account: account,
		body: body(id, "gamesdrop", "telegram_stars",
			fmt.Sprintf(`"stars":100,"telegram_user":%q,"email":%q`, user, account), maxCost("0.80", "USD")),
	}
}

// plans makes orders of every kind for two tenants who give the same ids.
func plans(n int, seed uint64) []plan {
	random := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // repeatable on purpose
	all := make([]plan, 0, n)
	for i := range n {
		tenant, id := []string{"acme", "acme-2"}[i%2], fmt.Sprintf("ord-%06d", i/2)
		p := planOf(random, tenant, id, i)
		p.cancel = p.must == "" && random.IntN(100) < 3
		all = append(all, p)
	}
	return all
}

// round is how many orders have their turns among the providers: of 40, 25 are
// for BalanceSteam and GamesDrop, 7 are deposits, 6 exchanges and 2 payouts.
const round = 40

func planOf(random *rand.Rand, tenant, id string, i int) plan {
	turn, at := i/round, i%round
	switch {
	case at < 25:
		return purchasePlan(random, tenant, id)
	case at < 32:
		return depositPlan(random, tenant, id, 7*turn+at-25)
	case at < 38:
		return exchangePlan(random, tenant, id, 6*turn+at-32)
	default:
		return payoutPlan(tenant, id, 2*turn+at-38)
	}
}

// purchasePlan orders something that is bought at once.
func purchasePlan(random *rand.Rand, tenant, id string) plan {
	switch chance := random.IntN(100); {
	case chance < 30:
		return topup(tenant, id, fmt.Sprintf("%d.%02d", 1+random.IntN(5000), random.IntN(100)))
	case chance < 40:
		return giftCard(tenant, id, 5999)
	case chance < 58:
		return offer(tenant, id, gamesdroptest.OfferPUBG, "560.10", "RUB", "")
	case chance < 66:
		return offer(tenant, id, gamesdroptest.OfferPending, "10", "USD", "")
	case chance < 70:
		return offer(tenant, id, gamesdroptest.OfferDirect, "80.00", "USD", `,"game_user_id":"52357322414"`)
	case chance < 78:
		return stars(tenant, id, "143594291")
	case chance < 86:
		return stars(tenant, id, "@igoryan34")
	default:
		return oddPlan(random, tenant, id)
	}
}

// oddPlan is an order that ends otherwise than by success.
func oddPlan(random *rand.Rand, tenant, id string) plan {
	switch random.IntN(8) {
	case 0:
		return offer(tenant, id, gamesdroptest.OfferCanceled, "10.00", "USD", "")
	case 1:
		return offer(tenant, id, gamesdroptest.OfferRefunded, "10.00", "USD", "")
	case 2:
		return offer(tenant, id, gamesdroptest.OfferCanceledNow, "10.00", "USD", "")
	case 3:
		return offer(tenant, id, gamesdroptest.OfferLateKey, "10.00", "USD", "")
	case 4:
		return offer(tenant, id, gamesdroptest.OfferStrange, "10.00", "USD", "")
	case 5:
		p := offer(tenant, id, gamesdroptest.OfferPUBG, "560.09", "RUB", "")
		p.must = "failed"
		return p
	case 6:
		p := offer(tenant, id, gamesdroptest.OfferDirect, "80.00", "USD", `,"game_user_id":"000"`)
		p.must = "failed"
		return p
	default:
		p := topup(tenant, id, "10.005")
		p.must = "rejected"
		return p
	}
}
