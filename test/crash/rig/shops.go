package rig

import (
	"fmt"
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

// shops are the fakes, all of them in this process.
type shops struct {
	opts  *Options
	steam *balancesteamtest.Server
	skins *skinsbacktest.Server
	drop  *gamesdroptest.Server
	site  *exchangertest.Server

	secrets map[string]string // by the name of their variable
	doors   map[string]*providertest.Door

	paying sync.Mutex // of what customers and staff do about deposits

	stop chan struct{}
	busy sync.WaitGroup
}

const plenty = "1000000000"

// unpaidFor is how long a bid or a deposit stands that nobody pays.
const unpaidFor = 15 * time.Second

func openShops(o *Options) *shops {
	s := &shops{opts: o, stop: make(chan struct{}), secrets: map[string]string{
		"BALANCESTEAM_API_KEY": canary(o, "apikey"), "SKINSBACK_CLIENT_SECRET": canary(o, "skins"), "GAMESDROP_TOKEN": canary(o, "token"),
		"EXCHANGER_API_LOGIN": canary(o, "login"), "EXCHANGER_API_KEY": canary(o, "exkey"), "WEBHOOK_SECRET": canary(o, "hooks"),
	}}
	faults := func(i uint64) *providertest.Faults { return providertest.NewFaults(o.Seed*4 + i) }
	s.steam = balancesteamtest.New(balancesteamtest.WithAPIKey(s.secrets["BALANCESTEAM_API_KEY"]), balancesteamtest.WithBalance(plenty),
		balancesteamtest.WithFaults(faults(0)))
	s.skins = skinsbacktest.New(skinsbacktest.WithCredentials("77", s.secrets["SKINSBACK_CLIENT_SECRET"]), skinsbacktest.WithWebhooks(skinsbacktest.Form, ""),
		skinsbacktest.WithFaults(faults(1)))
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

// canary is a secret that no other text holds, another one in each run.
func canary(o *Options, name string) string {
	return fmt.Sprintf("canary-%s-%012x", name, o.Seed+0x5c1e07)
}

func (s *shops) close() {
	close(s.stop)
	s.busy.Wait()
	s.steam.Close()
	s.skins.Close()
	s.drop.Close()
	s.site.Close()
}

// env is what a worker is told of its shop.
func (s *shops) env(provider string) map[string]string {
	env := map[string]string{}
	secret := func(names ...string) {
		for _, name := range names {
			env[name] = s.secrets[name]
		}
	}
	switch provider {
	case balanceSteam:
		env["BALANCESTEAM_URL"] = s.steam.URL()
		secret("BALANCESTEAM_API_KEY")
	case skinsBack:
		env["SKINSBACK_URL"], env["SKINSBACK_CLIENT_ID"] = s.skins.URL(), "77"
		secret("SKINSBACK_CLIENT_SECRET", "WEBHOOK_SECRET")
	case gamesDrop:
		env["GAMESDROP_URL"], env["GAMESDROP_TELEGRAM_URL"] = s.drop.URL(), s.drop.TelegramURL()
		secret("GAMESDROP_TOKEN")
	case exchanger:
		env["EXCHANGER_URL"], env["EXCHANGER_LANG"] = s.site.APIURL(), "en_US"
		secret("EXCHANGER_API_LOGIN", "EXCHANGER_API_KEY", "WEBHOOK_SECRET")
	}
	return env
}

// spoil makes a share of all requests go wrong: lost requests and lost answers
// (P2, P3, P4), answers cut short, unreadable or of another kind (P5, P6, P8),
// too many (P7), too slow (P11, P22), and redirects (P12).
func (s *shops) spoil(percent int) {
	if s.opts.lost {
		s.loseAnswers(percent)
		return
	}
	kinds := []providertest.Fault{
		{Kind: providertest.TimeoutBeforeCommit}, {Kind: providertest.TimeoutAfterCommit},
		{Kind: providertest.ResetBeforeCommit}, {Kind: providertest.ResetAfterCommit},
		{Kind: providertest.Truncated}, {Kind: providertest.HTML}, {Kind: providertest.Empty},
		{Kind: providertest.WrongTypes}, {Kind: providertest.DuplicateKeys},
		providertest.Status(502), providertest.Status(503).AfterCommit(), {Kind: providertest.StatusWithBody, Status: 500},
		providertest.TooMany(0), providertest.Redirect(307), providertest.Redirect(308).AfterCommit(),
		{Kind: providertest.Slow, Delay: s.opts.Timeout / 3}, {Kind: providertest.Slow, Delay: s.opts.Timeout * 2},
	}
	for _, d := range s.doors {
		d.Faults.Percent(providertest.Any, percent, kinds...)
	}
}

// loseAnswers spoils nothing but the answers to requests that were executed, and
// in ways that close no lane and take no time.
func (s *shops) loseAnswers(percent int) {
	for _, d := range s.doors {
		d.Faults.Percent(providertest.Any, percent, providertest.Fault{Kind: providertest.ResetAfterCommit}, providertest.Fault{Kind: providertest.Truncated},
			providertest.Status(503).AfterCommit(), providertest.Fault{Kind: providertest.Empty})
	}
}

// heal ends all misbehaviour.
func (s *shops) heal() {
	for _, d := range s.doors {
		d.Faults.Clear()
	}
}

// staff of the shops do what customers have paid for, give up what nobody pays
// for (a deposit whose pay link was lost among them), and earn the partner of
// the exchanger something for the next payout.
func (s *shops) staff() {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-again.C:
		}
		s.skinsStaff()
		s.siteStaff()
	}
}

// customer does something about a deposit, unless the shop has given it up. It
// reports whether it was done.
func (s *shops) customer(p *plan, reference string, do func(reference string) error) (done bool) {
	s.paying.Lock()
	defer s.paying.Unlock()
	for _, d := range s.skins.DepositsOf(p.Account) {
		if d.OrderID == reference && d.Status == skinsbacktest.Pending {
			if err := do(reference); err != nil {
				panic(err) // the shop has just shown it
			}
			done = true
		}
	}
	return done
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
		case p.Status != 0 || time.Since(p.At) < 300*time.Millisecond:
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

// books are the journals of all shops.
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

// price moves a price of GamesDrop, whose orders name the price they expect.
// That of a gift card at BalanceSteam stays: nothing tells afterwards what it
// was, and the event shows the quote.
func (s *shops) price(chance int) string {
	price := []string{"560.10", "559.90", "571.25"}[chance%3]
	s.drop.SetPrice(strconv.FormatInt(gamesdroptest.OfferPUBG, 10), price)
	return price
}
