package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

const plenty = "1000000000"

// shops are the fakes. Their books are what no fault of a store can reach.
type shops struct {
	steam *balancesteamtest.Server
	skins *skinsbacktest.Server
	drop  *gamesdroptest.Server
	site  *exchangertest.Server
	doors map[messages.Provider]*providertest.Door

	// late: customers whose orders have an odd number pay from now on. Until then
	// their orders stand where they are, and meet the fault there.
	late atomic.Bool
	stop chan struct{}
	busy sync.WaitGroup
	once sync.Once
}

func openShops(seed uint64) *shops {
	faults := func(i uint64) *providertest.Faults { return providertest.NewFaults(seed*4 + i) }
	s := &shops{
		stop:  make(chan struct{}),
		steam: balancesteamtest.New(balancesteamtest.WithBalance(plenty), balancesteamtest.WithFaults(faults(0))),
		skins: skinsbacktest.New(skinsbacktest.WithFaults(faults(1))),
		drop:  gamesdroptest.New(gamesdroptest.WithFaults(faults(2))),
		site:  exchangertest.New(exchangertest.WithFaults(faults(3))),
	}
	s.drop.SetBalance(plenty)
	s.doors = map[messages.Provider]*providertest.Door{
		messages.BalanceSteam: s.steam.Door(), messages.SkinsBack: s.skins.Door(), messages.GamesDrop: s.drop.Door(), messages.Exchanger: s.site.Door(),
	}
	s.busy.Go(s.people)
	return s
}

func (s *shops) close() {
	s.once.Do(func() { close(s.stop) })
	s.busy.Wait()
	s.steam.Close()
	s.skins.Close()
	s.drop.Close()
	s.site.Close()
}

func (s *shops) adapter(p messages.Provider, http *providerhttp.Client) (providers.Provider, error) {
	switch p {
	case messages.BalanceSteam:
		return balancesteam.New(balancesteam.Config{URL: s.steam.URL(), APIKey: secret.New(balancesteamtest.APIKey), HTTP: http})
	case messages.SkinsBack:
		return skinsback.New(skinsback.Config{
			URL: s.skins.URL(), ClientID: skinsbacktest.ClientID, ClientSecret: secret.New(skinsbacktest.ClientSecret), Auth: skinsback.AuthHeaders, HTTP: http,
		})
	case messages.GamesDrop:
		return gamesdrop.New(gamesdrop.Config{URL: s.drop.URL(), TelegramURL: s.drop.TelegramURL(), Token: secret.New(gamesdroptest.Token), HTTP: http})
	default:
		return exchanger.New(exchanger.Config{
			URL: s.site.APIURL(), APILogin: secret.New(exchangertest.Login), APIKey: secret.New(exchangertest.Key), Lang: "en_US", HTTP: http,
		})
	}
}

// loseAnswers spoils some answers to requests that were executed.
func (s *shops) loseAnswers(percent int) {
	for _, d := range s.doors {
		d.Faults.Percent(providertest.Any, percent, providertest.Fault{Kind: providertest.ResetAfterCommit}, providertest.Fault{Kind: providertest.Truncated})
	}
}

// heal ends that.
func (s *shops) heal() {
	for _, d := range s.doors {
		d.Faults.Clear()
	}
}

// people are customers who pay, and staff who do what was paid for.
func (s *shops) people() {
	again := time.NewTicker(30 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-again.C:
		}
		for i, d := range s.skins.Deposits() {
			if d.Status == skinsbacktest.Pending && (i%2 == 0 || s.late.Load()) {
				_ = s.skins.Pay(d.OrderID, "10.00") // it is there: nothing is ever deleted
			}
		}
		for _, b := range s.site.Bids() {
			if b.Status != "success" && (b.ID%2 == 0 || s.late.Load()) {
				s.site.SetStatus(b.ID, "success")
			}
		}
		if s.site.Balance().Sign() == 0 {
			s.site.SetBalance("250")
		}
		for _, p := range s.site.Payouts() {
			if p.Status == 0 {
				s.site.SetPayoutStatus(p.ID, 1)
			}
		}
	}
}

// purchases is how often each account was sold something: provider and account → times.
func (s *shops) purchases() map[string]int {
	all := map[string]int{}
	for p, d := range s.doors {
		for _, e := range d.Book.Purchases() {
			all[string(p)+" "+e.OrderKey]++
		}
	}
	return all
}

// sold is how many things were sold.
func (s *shops) sold() (n int) {
	for _, d := range s.doors {
		n += len(d.Book.Purchases())
	}
	return n
}

// item is an order of the trial. Each has an account of its own, by which the
// shop's books tell whose a purchase is, whatever became of our references.
type item struct {
	id       string
	provider messages.Provider
	account  string
	body     []byte
	most     int  // purchases that are right
	acked    bool // ORDERS has said that it has it
	fresh    bool // handed in when everything was over
}

const tenant = "acme"

func (i *item) key() string { return string(i.provider) + " " + i.account }

// order makes the order number n, of the provider whose turn it is.
func newItem(random *rand.Rand, n int) *item {
	i := &item{id: fmt.Sprintf("ord-%03d", n), most: 1}
	var kind, params, rest string
	switch n % 4 {
	case 0:
		i.provider, i.account, kind = messages.BalanceSteam, fmt.Sprintf("login%03d", n), "topup"
		params = fmt.Sprintf(`{"login":%q,"amount":"%d.00"}`, i.account, 10+n)
		if random.IntN(3) == 0 {
			i.account, kind, rest = i.account+"@example.com", "gift_card", `,"max_cost":{"amount":"600.00","currency":"RUB"}`
			params = fmt.Sprintf(`{"service_id":5999,"email":%q}`, i.account)
		}
	case 1:
		i.provider, i.account, kind, i.most = messages.SkinsBack, fmt.Sprintf("7656119%010d", n), "deposit", 2 // a second one only where the link was lost
		params = fmt.Sprintf(`{"steam_id":%q,"trade_token":"i1ArBZey"}`, i.account)
	case 2:
		i.provider, i.account, kind = messages.GamesDrop, fmt.Sprintf("u%03d@example.com", n), "offer"
		offer, limit := gamesdroptest.OfferPUBG, `{"amount":"600.00","currency":"RUB"}`
		if random.IntN(2) == 0 {
			offer, limit = gamesdroptest.OfferPending, `{"amount":"10.00","currency":"USD"}`
		}
		params, rest = `{"offer_id":`+strconv.FormatInt(offer, 10)+`,"email":"`+i.account+`"}`, `,"max_cost":`+limit
	default:
		i.provider, i.account, kind = messages.Exchanger, fmt.Sprintf("TWallet%03d", n), "exchange"
		params = fmt.Sprintf(`{"direction_id":%q,"amount":"%d","amount_side":"give","account_to":%q}`, exchangertest.DirectionAddress, 1000+n, i.account)
		if random.IntN(4) == 0 {
			i.account, kind = fmt.Sprintf("TPayout%03d", n), "partner_payout"
			params = fmt.Sprintf(`{"method_id":%q,"account":%q}`, exchangertest.MethodUSDT, i.account)
		}
	}
	// Metadata of some length, so that a ledger of some tens of orders has many blocks.
	pad := fmt.Sprintf("%0*d", 200+random.IntN(1500), n)
	i.body = fmt.Appendf(nil, `{"v":1,"id":%q,"provider":%q,"kind":%q,"params":%s%s,"metadata":{"cart":%q}}`, i.id, i.provider, kind, params, rest, pad)
	return i
}
