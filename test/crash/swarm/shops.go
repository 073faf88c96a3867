package main

import (
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
	"github.com/beltline-io/beltline/test/crash/check"
)

const (
	// plenty is more than all orders cost.
	plenty = "1000000000"
	// unpaidFor is how long a bid or a deposit stands that nobody pays.
	unpaidFor = 4 * time.Second
	// round is how often the staff of the shops look what is to be done.
	round = 250 * time.Millisecond
)

// shops are the fakes. They outlive every worker, and so do their books.
type shops struct {
	timeout time.Duration
	steam   *balancesteamtest.Server
	skins   *skinsbacktest.Server
	drop    *gamesdroptest.Server
	site    *exchangertest.Server
	secrets map[string]string // by the name of their variable
	doors   map[string]*providertest.Door

	paying sync.Mutex // of what customers and staff do about deposits
	stop   chan struct{}
	busy   sync.WaitGroup
}

func openShops(o *Options) *shops {
	// No other text holds them, and each run has others.
	secret := func(name string) string { return fmt.Sprintf("canary-%s-%012x", name, o.Seed+0x5a3a91) }
	s := &shops{timeout: o.Timeout, stop: make(chan struct{}), secrets: map[string]string{
		"BALANCESTEAM_API_KEY": secret("apikey"), "SKINSBACK_CLIENT_SECRET": secret("skins"), "GAMESDROP_TOKEN": secret("token"),
		"EXCHANGER_API_LOGIN": secret("login"), "EXCHANGER_API_KEY": secret("exkey"),
	}}
	faults := func(i uint64) *providertest.Faults { return providertest.NewFaults(o.Seed*4 + i) }
	s.steam = balancesteamtest.New(balancesteamtest.WithAPIKey(s.secrets["BALANCESTEAM_API_KEY"]), balancesteamtest.WithBalance(plenty),
		balancesteamtest.WithFaults(faults(0)))
	s.skins = skinsbacktest.New(skinsbacktest.WithCredentials("77", s.secrets["SKINSBACK_CLIENT_SECRET"]), skinsbacktest.WithFaults(faults(1)))
	s.drop = gamesdroptest.New(gamesdroptest.WithToken(s.secrets["GAMESDROP_TOKEN"]), gamesdroptest.WithFaults(faults(2)))
	s.site = exchangertest.New(exchangertest.WithCredentials(s.secrets["EXCHANGER_API_LOGIN"], s.secrets["EXCHANGER_API_KEY"]),
		exchangertest.WithFaults(faults(3)))
	s.drop.SetBalance(plenty)
	s.doors = map[string]*providertest.Door{
		balanceSteam: s.steam.Door(), skinsBack: s.skins.Door(), gamesDrop: s.drop.Door(), exchanger: s.site.Door(),
	}
	s.busy.Go(s.staff)
	return s
}

func (s *shops) close() {
	close(s.stop)
	s.busy.Wait()
	s.steam.Close()
	s.skins.Close()
	s.drop.Close()
	s.site.Close()
}

// address is where the shop of a provider listens.
func (s *shops) address(provider string) string {
	raw := map[string]string{
		balanceSteam: s.steam.URL(), skinsBack: s.skins.URL(), gamesDrop: s.drop.URL(), exchanger: s.site.APIURL(),
	}[provider]
	u, err := url.Parse(raw)
	if err != nil {
		panic(err) // written by the fake
	}
	return u.Host
}

// env is what a worker is told of its shop, which it is to look for at front.
func (s *shops) env(provider, front string) map[string]string {
	at := func(raw string) string {
		u, err := url.Parse(raw)
		if err != nil {
			panic(err) // written by the fake
		}
		u.Host = front
		return u.String()
	}
	switch provider {
	case balanceSteam:
		return map[string]string{"BALANCESTEAM_URL": at(s.steam.URL()), "BALANCESTEAM_API_KEY": s.secrets["BALANCESTEAM_API_KEY"]}
	case skinsBack:
		return map[string]string{
			"SKINSBACK_URL": at(s.skins.URL()), "SKINSBACK_CLIENT_ID": "77", "SKINSBACK_CLIENT_SECRET": s.secrets["SKINSBACK_CLIENT_SECRET"],
		}
	case gamesDrop:
		return map[string]string{
			"GAMESDROP_URL": at(s.drop.URL()), "GAMESDROP_TELEGRAM_URL": at(s.drop.TelegramURL()), "GAMESDROP_TOKEN": s.secrets["GAMESDROP_TOKEN"],
		}
	default:
		return map[string]string{
			"EXCHANGER_URL": at(s.site.APIURL()), "EXCHANGER_LANG": "en_US",
			"EXCHANGER_API_LOGIN": s.secrets["EXCHANGER_API_LOGIN"], "EXCHANGER_API_KEY": s.secrets["EXCHANGER_API_KEY"],
		}
	}
}

// spoil makes a share of all requests go wrong. What closes a lane for a whole
// window (too many requests, no balance) is left to the rig of processes: here
// all would wait for it.
func (s *shops) spoil(percent int) {
	kinds := []providertest.Fault{
		{Kind: providertest.ResetBeforeCommit}, {Kind: providertest.ResetAfterCommit},
		{Kind: providertest.TimeoutBeforeCommit}, {Kind: providertest.TimeoutAfterCommit},
		{Kind: providertest.Truncated}, {Kind: providertest.HTML}, {Kind: providertest.Empty},
		{Kind: providertest.WrongTypes}, {Kind: providertest.DuplicateKeys},
		providertest.Status(502), providertest.Status(503).AfterCommit(), providertest.Redirect(307), providertest.Redirect(308).AfterCommit(),
		{Kind: providertest.Slow, Delay: s.timeout / 3},
	}
	for _, d := range s.doors {
		d.Faults.Percent(providertest.Any, percent, kinds...)
	}
}

func (s *shops) heal() {
	for _, d := range s.doors {
		d.Faults.Clear()
	}
}

// staff do what customers have paid for, give up what nobody pays for (a
// deposit whose pay link was lost among them), move a price, and earn the
// partner of the exchanger something for the next payout.
func (s *shops) staff() {
	again := time.NewTicker(round)
	defer again.Stop()
	for n := 0; ; n++ {
		select {
		case <-s.stop:
			return
		case <-again.C:
		}
		if n%20 == 0 { // orders name the price that they expect
			price := []string{"560.10", "559.90", "571.25"}[n/20%3]
			s.drop.SetPrice(strconv.FormatInt(gamesdroptest.OfferPUBG, 10), price)
		}
		s.skinsStaff()
		s.siteStaff()
	}
}

func (s *shops) skinsStaff() {
	s.paying.Lock()
	defer s.paying.Unlock()
	for _, d := range s.skins.Deposits() {
		if d.Status == skinsbacktest.Pending && time.Since(d.Created) > unpaidFor {
			_ = s.skins.Fail(d.OrderID, "timeout") // it is there: nothing is ever deleted
		}
	}
}

func (s *shops) siteStaff() {
	if s.site.Balance().Sign() == 0 {
		s.site.SetBalance("250")
	}
	for _, p := range s.site.Payouts() {
		switch {
		case p.Status != 0 || time.Since(p.At) < round:
		case p.ID%7 == 0:
			s.site.SetPayoutStatus(p.ID, 2) // cancelled: the money goes back
		default:
			s.site.SetPayoutStatus(p.ID, 1)
		}
	}
	for _, b := range s.site.Bids() {
		switch {
		case b.Status == "payed":
			s.site.SetStatus(b.ID, "success")
		case b.Status == "new" && b.DirectionID == exchangertest.DirectionCard && time.Since(b.At) > unpaidFor:
			s.site.SetStatus(b.ID, "delete")
		}
	}
}

// customer does something about a deposit, unless the shop has given it up. It
// reports whether it was done.
func (s *shops) customer(account, reference string, do func(reference string) error) (done bool) {
	s.paying.Lock()
	defer s.paying.Unlock()
	for _, d := range s.skins.DepositsOf(account) {
		if d.OrderID == reference && d.Status == skinsbacktest.Pending {
			if err := do(reference); err != nil {
				panic(err) // the shop has just shown it
			}
			done = true
		}
	}
	return done
}

func (s *shops) books() map[string][]providertest.Entry {
	all := map[string][]providertest.Entry{}
	for provider, d := range s.doors {
		all[provider] = d.Book.Entries()
	}
	return all
}

// standings tell where each purchase stands by the shops' own books.
func (s *shops) standings() []check.Standing {
	var all []check.Standing
	for _, d := range s.skins.Deposits() {
		all = append(all, check.Standing{Provider: skinsBack, ID: d.TransactionID, Status: d.Status})
	}
	for _, p := range s.drop.Purchases() {
		all = append(all, check.Standing{Provider: gamesDrop, ID: strconv.FormatInt(p.OrderID, 10), Status: p.Status})
	}
	for _, b := range s.site.Bids() {
		all = append(all, check.Standing{Provider: exchanger, ID: strconv.FormatInt(b.ID, 10), Status: b.Status})
	}
	for _, p := range s.site.Payouts() {
		id := check.PurchaseID(exchangertest.OpAddPayout, strconv.FormatInt(p.ID, 10))
		all = append(all, check.Standing{Provider: exchanger, ID: id, Status: strconv.Itoa(p.Status)})
	}
	return all
}
