package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// shops are the four shops, and the customers who pay at two of them.
type shops struct {
	steam *balancesteamtest.Server
	drop  *gamesdroptest.Server
	skins *skinsbacktest.Server
	site  *exchangertest.Server
}

func openShops() *shops {
	s := &shops{
		steam: balancesteamtest.New(balancesteamtest.WithBalance("1000000000")), drop: gamesdroptest.New(),
		skins: skinsbacktest.New(skinsbacktest.WithCredentials("77", "client-secret")), site: exchangertest.New(),
	}
	s.drop.SetBalance("1000000000")
	return s
}

func (s *shops) close() {
	for _, end := range []func(){s.steam.Close, s.drop.Close, s.skins.Close, s.site.Close} {
		end()
	}
}

// settings are what each worker is told of its shop.
func (s *shops) settings(worker string) []string {
	switch worker {
	case "worker-gamesdrop":
		return []string{"GAMESDROP_URL=" + s.drop.URL(), "GAMESDROP_TELEGRAM_URL=" + s.drop.TelegramURL(), "GAMESDROP_TOKEN=" + gamesdroptest.Token}
	case "worker-balancesteam":
		return []string{"BALANCESTEAM_URL=" + s.steam.URL(), "BALANCESTEAM_API_KEY=" + balancesteamtest.APIKey}
	case "worker-skinsback":
		return []string{"SKINSBACK_URL=" + s.skins.URL(), "SKINSBACK_CLIENT_ID=77", "SKINSBACK_CLIENT_SECRET=client-secret"}
	case "worker-exchanger":
		return []string{"EXCHANGER_URL=" + s.site.APIURL(), "EXCHANGER_API_LOGIN=" + exchangertest.Login, "EXCHANGER_API_KEY=" + exchangertest.Key}
	default:
		return nil
	}
}

// The shops take turns: order i is at the shop of number i % 4.
var shopNames = [...]string{"balancesteam", "gamesdrop", "skinsback", "exchanger"}

// account is whose order it is at the shop, whatever its key there.
func account(i int) string { return fmt.Sprintf("u%06d", i) }

// steamIDs are those of the customers of deposits, each followed by the number
// of its order.
const steamIDs = "76561198"

// body is the order number i.
func body(i int) string {
	id := fmt.Sprintf(`{"v":1,"id":"o-%d","provider":%q,`, i, shopNames[i%len(shopNames)])
	switch i % len(shopNames) {
	case 0:
		return fmt.Sprintf(`%s"kind":"topup","params":{"login":%q,"amount":"10.00"}}`, id, account(i))
	case 1:
		return fmt.Sprintf(`%s"kind":"offer","params":{"offer_id":1001,"email":"%s@example.com"},"max_cost":{"amount":"600.00","currency":"RUB"}}`, id, account(i))
	case 2:
		return fmt.Sprintf(`%s"kind":"deposit","params":{"steam_id":"%s%09d","trade_token":"AbCdEf12"}}`, id, steamIDs, i)
	default:
		return fmt.Sprintf(`%s"kind":"exchange","params":{"direction_id":%q,"amount":"3000","amount_side":"give","account_to":%q,"fields":{"cf6":"a@example.com"}}}`,
			id, exchangertest.DirectionCard, account(i))
	}
}

// pay lets the customer of an order pay as soon as they are told where, and the
// exchanger pay out at once. Being told twice changes nothing.
func (s *shops) pay(i int, event []byte) error {
	var told struct {
		Ref map[string]string `json:"provider_ref"`
	}
	if err := json.Unmarshal(event, &told); err != nil {
		return err
	}
	if shopNames[i%len(shopNames)] == "skinsback" {
		return s.skins.Pay(told.Ref["reference"], "12.50")
	}
	id, err := strconv.ParseInt(told.Ref["id"], 10, 64)
	if err != nil {
		return err
	}
	s.site.SetStatus(id, "success")
	return nil
}

// books are what the shops have of each account: what was asked for, which must
// be one thing, and what has been sold.
type books struct{ made, sold map[string]int }

func (s *shops) books() books {
	b := books{map[string]int{}, map[string]int{}}
	note := func(who string, sold bool) {
		b.made[who]++
		if sold {
			b.sold[who]++
		}
	}
	for _, p := range s.steam.Purchases() {
		note(p.LoginOrEmail, true)
	}
	for _, p := range s.drop.Purchases() {
		name, _, _ := strings.Cut(p.Email, "@")
		note(name, true)
	}
	for _, d := range s.skins.Deposits() {
		i, _ := strconv.Atoi(strings.TrimPrefix(d.SteamID, steamIDs))
		note(account(i), d.Status == skinsbacktest.Success)
	}
	for _, bid := range s.site.Bids() {
		note(bid.Account2, bid.Status == "success")
	}
	return b
}
