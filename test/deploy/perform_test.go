package deploy_test

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
)

// purchase is an order, and how its customer is called in the books of the shop.
type purchase struct {
	order client.Order
	key   string
}

// oneOfEachKind is what is bought.
func oneOfEachKind() []purchase {
	rub := func(amount string) money.Money { return money.Must(amount, "RUB") }
	usd := func(amount string) money.Money { return money.Must(amount, "USD") }
	return []purchase{
		{client.Order{ID: "topup", Params: messages.TopupParams{Login: "gabe", Amount: money.MustDecimal("100.50")}}, "gabe"},
		{client.Order{ID: "gift-card", Params: messages.GiftCardParams{ServiceID: 5999, Email: "card@example.com"}, MaxCost: rub("600")}, "card@example.com"},
		{client.Order{ID: "deposit", Params: messages.DepositParams{SteamID: "76561198827262011", TradeToken: "i1ArBZey"}}, "76561198827262011"},
		{client.Order{
			ID: "offer", Params: messages.OfferParams{OfferID: gamesdroptest.OfferPUBG, Email: "offer@example.com", GameUserID: "52357322414"}, MaxCost: rub("560.10"),
		}, "offer@example.com"},
		{client.Order{ID: "stars", Params: messages.TelegramStarsParams{Stars: 50, TelegramUser: "777000123"}, MaxCost: usd("100")}, "777000123"},
		{client.Order{ID: "exchange", Params: messages.ExchangeParams{
			DirectionID: exchangertest.DirectionCard, Amount: money.MustDecimal("3000.00"), AmountSide: "give",
			AccountTo: "TQ5NMqJjhpQGK7YJbESKtNCo86PJ89ujio", Fields: map[string]string{"cf6": "exchange@example.com"},
		}}, "TQ5NMqJjhpQGK7YJbESKtNCo86PJ89ujio"},
		{client.Order{ID: "payout", Params: messages.PartnerPayoutParams{MethodID: exchangertest.MethodUSDT, Account: "TPartner"}}, "TPartner"},
	}
}

// oneMore is what is bought when something has ended.
func oneMore() []purchase {
	return []purchase{
		{client.Order{ID: "topup-2", Params: messages.TopupParams{Login: "alyx", Amount: money.MustDecimal("20.00")}}, "alyx"},
		{client.Order{ID: "deposit-2", Params: messages.DepositParams{SteamID: "76561198827262012", TradeToken: "i1ArBZey"}}, "76561198827262012"},
		{client.Order{
			ID: "offer-2", Params: messages.OfferParams{OfferID: gamesdroptest.OfferPUBG, Email: "more@example.com", GameUserID: "52357322415"},
			MaxCost: money.Must("560.10", "RUB"),
		}, "more@example.com"},
	}
}

// buys places orders and follows each to its end.
func (s *stage) buys(orders []purchase) {
	s.Helper()
	c, err := client.Connect(client.Options{URL: s.here("setup", "setup", []string{s.Services["setup"].Environment["NATS_URL"]})[0], Tenant: "acme"})
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	var all sync.WaitGroup
	for _, p := range orders {
		all.Go(func() {
			if err := submit(ctx, c, p.order); err != nil {
				s.Errorf("%s: %v", p.order.ID, err)
				return
			}
			if p.order.ID == "exchange" {
				asks := func(e client.Event) bool { return e.Terminal() || e.Action != nil && e.Action.Confirm }
				if _, err := c.WaitFor(ctx, p.order.ID, asks); err != nil {
					s.Errorf("%s: %v", p.order.ID, err)
					return
				}
				if _, err := c.Confirm(ctx, p.order.ID); err != nil {
					s.Errorf("%s: %v", p.order.ID, err)
				}
			}
			e, err := c.Wait(ctx, p.order.ID)
			if err != nil || e.State != messages.Succeeded {
				s.Errorf("%s: %v %+v", p.order.ID, err, e)
			}
		})
	}
	all.Wait()
}

// submit submits an order until it is stored, as upstream has to while a leader
// is being elected: to submit it again never buys it again.
func submit(ctx context.Context, c *client.Client, o client.Order) error {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := c.Submit(ctx, o)
		if !errors.Is(err, client.ErrNotStored) && !errors.Is(err, client.ErrFateUnknown) {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}

var bought = regexp.MustCompile(`(?m)^\{"shop":.*"phase":"committed".*$`)

// booksAgree reads from the shops' own books that everything was bought once.
func (s *stage) booksAgree(orders []purchase) {
	s.Helper()
	lines := bought.FindAllString(s.log("fakes"), -1)
	if len(lines) != len(orders) {
		s.Errorf("%d purchases of %d:\n%s", len(lines), len(orders), strings.Join(lines, "\n"))
	}
	for _, p := range orders {
		times := 0
		for _, line := range lines {
			if strings.Contains(line, `"order_key":"`+p.key+`"`) {
				times++
			}
		}
		if times != 1 {
			s.Errorf("%s was bought %d times:\n%s", p.order.ID, times, strings.Join(lines, "\n"))
		}
	}
}

// isHealthy lets the doctor look, who may find nothing but what is explained.
func (s *stage) isHealthy(explained ...string) {
	s.Helper()
	out, err := s.beltline("doctor", "--output", "json", "--monitor", "http://127.0.0.1:"+s.port("nats", "8222"),
		"--providers", "balancesteam,skinsback,gamesdrop,exchanger")
	if err != nil {
		s.Errorf("%v\n%s", err, out)
	}
	looked := 0
	for line := range strings.Lines(out) {
		var f struct{ Severity, Check, Found, Do string }
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			s.Fatalf("%v: %s", err, line)
		}
		looked++
		known := false
		for _, e := range explained {
			known = known || strings.Contains(f.Check+": "+f.Found, e)
		}
		if f.Severity != "ok" && !known {
			s.Errorf("the doctor finds %s", line)
		}
	}
	if looked < 10 {
		s.Errorf("the doctor has looked at %d things only:\n%s", looked, out)
	}
}

func TestCompose_OnOneNodeTheServicesRunAsTheyStandAndBuyOneOfEachKind(t *testing.T) {
	t.Parallel()
	s := perform(t, compose(t, nil, "compose.yaml", "fakes.yaml"), "fakes")
	s.buys(oneOfEachKind())
	s.booksAgree(oneOfEachKind())
	s.isHealthy()
}

// TestCompose_OnThreeNodesTheServicesRunInPairsAndAnyOneMayEnd: that is what
// there are three and two of them for.
func TestCompose_OnThreeNodesTheServicesRunInPairsAndAnyOneMayEnd(t *testing.T) {
	t.Parallel()
	s := perform(t, compose(t, nil, "compose.yaml", "cluster.yaml", "fakes.yaml"), "fakes")
	if len(s.running) != 3+5*2+1 {
		t.Errorf("%d processes: three nodes, five pairs and the fakes were to run", len(s.running))
	}
	s.buys(oneOfEachKind())
	s.isHealthy()
	for self, p := range s.running {
		if strings.HasSuffix(self, "#2") || self == "nats-3" {
			p.Kill("any one may end")
		}
	}
	s.buys(oneMore())
	s.booksAgree(slices.Concat(oneOfEachKind(), oneMore()))
}
