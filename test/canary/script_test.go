package canary_test

import (
	"crypto/md5" //nolint:gosec // as the fake names its pages
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// What the customers have told us. It stands in their orders, and nowhere else.
const (
	mail       = "canary.customer@mail.example"
	mailCard   = "canary.giftcard@mail.example"
	mailSite   = "canary.exchange@mail.example"
	cardFrom   = "2202200155501234"
	tradeToken = "cAnArY7t"
	backURL    = "https://shop.example/canary-back-8841"
)

type object = map[string]any

func (r *rig) publish(subject string, body any) {
	r.t.Helper()
	text, ok := body.([]byte)
	if !ok {
		text, _ = json.Marshal(body)
	}
	if _, err := r.js.Publish(r.t.Context(), subject, text); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) submit(id string, p messages.Provider, k messages.Kind, params object, more object) {
	r.t.Helper()
	body := object{"v": 1, "id": id, "provider": p, "kind": k, "params": params}
	for name, v := range more {
		body[name] = v
	}
	r.publish("orders."+tenant+".submit", body)
}

// ends waits until an order has ended in a state, or as unresolved is an operator's.
func (r *rig) ends(id string, state messages.Type) *messages.Event {
	r.t.Helper()
	return r.until(id, string(state), func(e *messages.Event) bool {
		return e.State == state && (state != messages.Unresolved || e.NeedsOperator)
	})
}

// begun waits until an order's first request to a shop has been answered, or not.
func (r *rig) begun(id string) {
	r.t.Helper()
	r.until(id, "tried", func(e *messages.Event) bool {
		return e.Attempt > 0 && e.State != messages.Placing || e.Terminal()
	})
}

func offerParams(number int64) object { return object{"offer_id": number, "email": mail} }

func most(amount, currency string) object {
	return object{"max_cost": object{"amount": amount, "currency": currency}}
}

func with(a object, key string, v any) object { a[key] = v; return a }

// offers buys codes: open and sealed, at once and later, and in answers that
// nobody can read but that have the code in them.
func (r *rig) offers(sealTo string) (wait func()) {
	const p = messages.GamesDrop
	offer := func(id string, number int64, more object) { r.submit(id, p, messages.Offer, offerParams(number), more) }
	rubles, dollars := func() object { return most("600", "RUB") }, func() object { return most("11", "USD") }
	offer("g-plain", gamesdroptest.OfferPUBG, rubles())
	offer("g-sealed", gamesdroptest.OfferPUBG, with(rubles(), "seal_to", sealTo))
	offer("g-late", gamesdroptest.OfferLateKey, dollars())
	offer("g-late-sealed", gamesdroptest.OfferLateKey, with(dollars(), "seal_to", sealTo))
	offer("g-canceled", gamesdroptest.OfferCanceled, dollars())
	r.submit("g-stars", p, messages.TelegramStars, object{"stars": 100, "telegram_user": "143594291", "email": mail}, most("1", "USD"))
	r.submit("g-nobody", p, messages.Offer, object{"offer_id": gamesdroptest.OfferDirect, "game_user_id": "000"}, most("80", "USD"))
	r.ends("g-plain", messages.Succeeded)
	r.ends("g-sealed", messages.Succeeded)
	r.ends("g-late", messages.Succeeded)
	r.ends("g-late-sealed", messages.Succeeded)
	r.ends("g-stars", messages.Succeeded)
	r.ends("g-canceled", messages.Failed)
	r.ends("g-nobody", messages.Failed)
	lost := map[string]providertest.Fault{
		"g-echo": {Kind: providertest.Echo}, "g-half": {Kind: providertest.Truncated}, "g-twice": {Kind: providertest.DuplicateKeys},
		"g-wrong": {Kind: providertest.WrongTypes}, "g-502": {Kind: providertest.StatusWithBody, Status: 502},
		"g-reset": {Kind: providertest.ResetAfterCommit}, "g-html": {Kind: providertest.HTML},
	}
	for id, fault := range lost {
		r.games.Faults().Once(gamesdroptest.OpCreateOrder, fault)
		more := rubles()
		if id == "g-wrong" || id == "g-half" {
			more = with(more, "seal_to", sealTo)
		}
		offer(id, gamesdroptest.OfferPUBG, more)
		r.begun(id)
	}
	return func() {
		for id := range lost {
			r.until(id, "settled", func(e *messages.Event) bool { return e.Terminal() || e.NeedsOperator })
		}
	}
}

func (r *rig) steamOrders() {
	const p = messages.BalanceSteam
	faults := r.steam.Door().Faults
	r.submit("b-topup", p, messages.Topup, object{"login": "gordon", "amount": "100"}, nil)
	r.submit("b-card", p, messages.GiftCard, object{"service_id": 5999, "email": mailCard}, most("600", "RUB"))
	r.ends("b-topup", messages.Succeeded)
	r.ends("b-card", messages.Succeeded)
	faults.Once(balancesteamtest.OpCheckLogin, providertest.Fault{Kind: providertest.Echo})
	r.submit("b-check", p, messages.Topup, object{"login": "alyx", "amount": "100"}, nil)
	r.ends("b-check", messages.Succeeded)
	for id, fault := range map[string]providertest.Fault{
		"b-echo": {Kind: providertest.Echo}, "b-reset": {Kind: providertest.ResetAfterCommit}, "b-500": providertest.Status(500),
	} {
		faults.Once(balancesteamtest.OpTopup, fault)
		r.submit(id, p, messages.Topup, object{"login": "eli", "amount": "100"}, nil)
		r.ends(id, messages.Unresolved)
	}
}

// deposits returns once all customers have got where to pay; wait lets them pay.
func (r *rig) deposits(sealTo string) (wait func()) {
	const p = messages.SkinsBack
	deposit := func(id string, n int, more object) {
		r.submit(id, p, messages.Deposit, object{
			"steam_id": fmt.Sprintf("7656119882726%04d", n), "trade_token": tradeToken, "currency": "USD",
			"success_url": backURL + "?ok", "fail_url": backURL + "?no",
		}, more)
	}
	for id, fault := range map[string]providertest.Fault{"s-lost": {Kind: providertest.ResetAfterCommit}, "s-echo": {Kind: providertest.Echo}} {
		r.skins.Faults().Once(skinsbacktest.OpCreate, fault)
		deposit(id, len(id), nil)
		r.begun(id)
	}
	deposit("s-paid", 1, nil)
	deposit("s-sealed", 2, object{"seal_to": sealTo})
	reference := func(id string) string { return r.ends(id, messages.ActionRequired).ProviderRef["reference"] }
	must := func(err error) {
		if err != nil {
			r.t.Error(err)
		}
	}
	r.ends("s-paid", messages.ActionRequired)
	r.skins.Faults().Once(skinsbacktest.OpStatus, providertest.Fault{Kind: providertest.Echo})
	paid, sealed := reference("s-paid"), reference("s-sealed")
	must(r.skins.Hold(paid, "12.50"))
	r.ends("s-paid", messages.OnHold)
	must(r.skins.Release(paid))
	must(r.skins.Pay(sealed, "7.75"))
	return func() {
		r.ends("s-paid", messages.Succeeded)
		r.ends("s-sealed", messages.Succeeded)
		for _, id := range []string{"s-lost", "s-echo"} {
			must(r.skins.Pay(reference(id), "3.25"))
			r.ends(id, messages.Succeeded)
		}
	}
}

func (r *rig) exchanges(sealTo string) (wait func()) {
	const p = messages.Exchanger
	exchange := func(id, direction, wallet string, more object) {
		params := object{
			"direction_id": direction, "amount": "3000", "amount_side": "give", "account_from": cardFrom, "account_to": wallet,
		}
		if direction == exchangertest.DirectionCard {
			params["fields"] = object{"cf6": mailSite}
		}
		r.submit(id, p, messages.Exchange, params, more)
	}
	for id, fault := range map[string]providertest.Fault{"e-lost": {Kind: providertest.ResetAfterCommit}, "e-echo": {Kind: providertest.Echo}} {
		r.site.Faults().Once(exchangertest.OpCreateBid, fault)
		exchange(id, exchangertest.DirectionCard, "TWallet-"+id, nil)
		r.begun(id)
	}
	exchange("e-link", exchangertest.DirectionLink, "TWallet-link", nil)
	exchange("e-paid", exchangertest.DirectionCard, "TWallet-paid", nil)
	exchange("e-sealed", exchangertest.DirectionCard, "TWallet-sealed", object{"seal_to": sealTo})
	exchange("e-gone", exchangertest.DirectionCard, "TWallet-gone", nil)
	for _, id := range []string{"e-link", "e-paid", "e-sealed", "e-gone"} {
		r.ends(id, messages.ActionRequired)
	}
	r.site.Faults().Once(exchangertest.OpBidInfo, providertest.Fault{Kind: providertest.Echo})
	r.site.Faults().Once(exchangertest.OpPayBid, providertest.Fault{Kind: providertest.Echo})
	r.publish("orders."+tenant+".cancel", object{"v": 1, "id": "e-gone"})
	for _, id := range []string{"e-paid", "e-sealed"} {
		r.publish("orders."+tenant+".confirm", object{"v": 1, "id": id})
	}
	r.submit("e-payout", p, messages.PartnerPayout, object{"method_id": exchangertest.MethodUSDT, "account": "TCanaryPartner77"}, nil)
	r.ends("e-gone", messages.Canceled)
	r.ends("e-payout", messages.Processing)
	return func() {
		for _, id := range []string{"e-paid", "e-sealed"} {
			r.ends(id, messages.Processing)
			r.succeed(id)
		}
		for _, id := range []string{"e-lost", "e-echo"} {
			r.until(id, "found", func(e *messages.Event) bool { return e.State == messages.ActionRequired || e.NeedsOperator })
		}
	}
}

// succeed lets a bid be paid out.
func (r *rig) succeed(id string) {
	for _, b := range r.site.Bids() {
		if b.Account2 == "TWallet-"+strings.TrimPrefix(id, "e-") {
			r.site.SetStatus(b.ID, "success")
		}
	}
	r.ends(id, messages.Succeeded)
}

// payURLs are where customers pay, by the shops' books: those that no answer
// has brought to us as well.
func (r *rig) payURLs() []string {
	list := []string{"pay.example/bid"}
	for _, d := range r.skins.Deposits() {
		sum := md5.Sum([]byte(d.TransactionID + " " + d.OrderID)) //nolint:gosec // see the import
		list = append(list, "pay/"+hex.EncodeToString(sum[:]))
	}
	for _, b := range r.site.Bids() {
		list = append(list, "hst_"+b.Hash)
	}
	return list
}

// callbackTokens are the secret ends of the addresses that the shops call.
func (r *rig) callbackTokens() []string {
	var list []string
	for _, d := range r.skins.Deposits() {
		list = append(list, d.ResultURL[strings.LastIndex(d.ResultURL, "/")+1:])
	}
	return list
}
