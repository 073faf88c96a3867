package canary_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// play lets everything happen once, and returns what is secret and all that was
// left behind.
func play(t *testing.T, r *rig, seed []byte, sealTo string) (secrets, []place) {
	t.Helper()
	deposits, exchanges := r.deposits(sealTo), r.exchanges(sealTo)
	offers := r.offers(sealTo)
	r.steamOrders()
	deposits()
	exchanges()
	offers()
	r.publish("orders."+tenant+".submit", []byte("no order, but "+mail))
	r.publish("orders."+tenant+".submit", []byte(`{"v":1,"id":"bad","provider":"gamesdrop","kind":"offer","params":{"email":"`+mail+`"},"max_cost":1.5}`))
	r.ends("bad", messages.Rejected)
	places := r.questions()
	// Our account is refused: the lane closes, with the refusal as its reason.
	r.steam.SetAPIKey("another")
	r.submit("b-revoked", messages.BalanceSteam, messages.Topup, object{"login": "barney", "amount": "100"}, nil)
	r.ends("b-revoked", messages.Retrying)
	places = append(places, r.ask("svc.operator.lane", object{"provider": "balancesteam", "action": "status", "by": "test"}))

	places = append(places, r.pages()...)
	for _, stop := range slices.Backward(r.stops) {
		stop()
	}
	places = append(places, r.messages()...)
	places = append(places, r.said()...)
	places = append(places, r.traces.places()...)
	files, err := disk(r.store)
	if err != nil {
		t.Fatal(err)
	}
	return r.secrets(seed), append(places, files...)
}

// questions asks every service, those of the shops also while these echo.
func (r *rig) questions() (places []place) {
	const games, skins = "svc.providers.gamesdrop.", "svc.providers.skinsback."
	const steam, site = "svc.providers.balancesteam.", "svc.providers.exchanger."
	deposit := r.ends("s-paid", messages.Succeeded).ProviderRef
	bid := r.ends("e-paid", messages.Succeeded).ProviderRef
	bought := r.ends("g-plain", messages.Succeeded).ProviderRef
	for range 2 { // the second time with the shops' echoes
		places = append(places,
			r.ask(games+"find_offer", object{"offer_id": 1001}), r.ask(games+"order_status", object{"order_id": bought["order_id"]}),
			r.ask(games+"balance_transactions", object{}), r.ask(skins+"deposit_status", object{"order_id": deposit["reference"]}),
			r.ask(steam+"balance", object{}), r.ask(steam+"check_login", object{"login": "gordon"}),
			r.ask(site+"exchanges", object{}), r.ask(site+"bid_info", object{"id": bid["id"]}), r.ask(site+"partner_payouts", object{}),
		)
		echo := providertest.Fault{Kind: providertest.Echo}
		for _, op := range []string{gamesdroptest.OpFindOne, gamesdroptest.OpOrderStatus, gamesdroptest.OpTransactions} {
			r.games.Faults().Once(op, echo)
		}
		r.skins.Faults().Once(skinsbacktest.OpStatus, echo)
		for _, op := range []string{balancesteamtest.OpBalance, balancesteamtest.OpCheckLogin} {
			r.steam.Door().Faults.Once(op, echo)
		}
		for _, op := range []string{exchangertest.OpExchanges, exchangertest.OpPartnerPayouts} {
			r.site.Faults().Once(op, echo)
		}
	}
	places = append(places, r.events("svc.orders."+tenant+".list", object{"limit": 20})...)
	for _, id := range []string{"g-plain", "g-sealed", "g-echo", "s-lost", "e-paid", "b-echo"} {
		places = append(places, r.events("svc.orders."+tenant+".history", object{"id": id})...)
		places = append(places, r.events("svc.operator.get", object{"tenant": tenant, "id": id})...)
	}
	return append(places, r.ask("svc.orders."+tenant+".get", object{"id": "nobody"}))
}

// secrets are the canaries of this run. A code that was sealed, or that nobody
// could read, may be told nowhere.
func (r *rig) secrets(seed []byte) secrets {
	r.t.Helper()
	s := secrets{nowhere: map[string]string{string(seed): "the seed of the seal"}, action: r.payURLs(), order: []string{mail, mailCard, mailSite, cardFrom, tradeToken, "canary-back-8841"}}
	for what, value := range credentials {
		s.nowhere[value] = what
	}
	for _, token := range r.callbackTokens() {
		s.nowhere[token] = "the token of a callback's address"
	}
	open := map[string]bool{}
	for _, id := range []string{"g-plain", "g-late"} {
		var got struct{ Key string }
		if err := json.Unmarshal(r.ends(id, messages.Succeeded).Deliverable, &got); err != nil || got.Key == "" {
			r.t.Fatalf("%s: %v", id, err)
		}
		open[got.Key] = true
	}
	sealed := map[string]bool{}
	for _, id := range []string{"g-sealed", "g-late-sealed"} {
		opened, err := messages.Unseal(r.ends(id, messages.Succeeded).Deliverable, seed)
		var got struct{ Key string }
		if err != nil || json.Unmarshal(opened, &got) != nil || got.Key == "" {
			r.t.Fatalf("%s: %s, %v", id, opened, err)
		}
		sealed[got.Key] = true
	}
	for _, key := range r.games.Keys() {
		if open[key] {
			s.deliverable = append(s.deliverable, key)
		} else {
			s.nowhere[key] = fmt.Sprintf("a goods code (sealed: %v)", sealed[key])
		}
	}
	if len(open) != 2 || len(sealed) != 2 || len(r.games.Keys()) < 9 {
		r.t.Fatalf("%d open and %d sealed codes of %d", len(open), len(sealed), len(r.games.Keys()))
	}
	return s
}

func TestCanary_NothingIsToldWhereItDoesNotBelong(t *testing.T) {
	t.Parallel()
	seed, sealTo, err := messages.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	s, places := play(t, newRig(t), seed, sealTo)
	leaks, seen := judge(s, places)
	for _, l := range append(leaks, onDiskAsStored(s, places)...) {
		t.Error(l)
	}
	everythingWasThere(t, s, places, seen)
	plantedLeaksAreSeen(t, s, places)
}

// everythingWasThere: a place that was not read, or a canary that was never
// told where it belongs, would make the test prove nothing.
func everythingWasThere(t *testing.T, s secrets, places []place, seen map[string]int) {
	t.Helper()
	kinds, records := map[string]int{}, map[string]int{}
	for _, p := range places {
		kinds[p.kind]++
		if p.kind != inEvents {
			continue
		}
		e, err := messages.DecodeEvent(p.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range messages.HTTPRecords(e) {
			records[string(e.Provider)]++
			records[r.Op]++
		}
	}
	t.Logf("read: %v", kinds)
	for _, kind := range []string{inEvents, inOrders, inStreams, inLogs, inPages, inAnswers, inTraces, onDisk} {
		if kinds[kind] == 0 {
			t.Errorf("nothing was read of %s", kind)
		}
	}
	for _, op := range []string{
		"balancesteam", "skinsback", "gamesdrop", "exchanger", "balancesteam.create", "balancesteam.create_gift_card", "gamesdrop.create_order",
		"gamesdrop.order_status", "gamesdrop.check_game_data", "skinsback.create", "skinsback.order_status", "exchanger.create_bid",
		"exchanger.bid_info", "exchanger.pay_bid", "exchanger.cancel_bid", "exchanger.add_partner_payout",
	} {
		if records[op] == 0 {
			t.Errorf("no event has a record of %s", op)
		}
	}
	for _, canary := range slices.Concat(s.deliverable, s.order) {
		if seen[canary] == 0 {
			t.Errorf("%s was never told where it belongs", canary)
		}
	}
	told := slices.DeleteFunc(slices.Clone(s.action), func(u string) bool { return seen[u] == 0 })
	if len(told) < 8 {
		t.Errorf("%d of %d addresses to pay at were told", len(told), len(s.action))
	}
}

// plantedLeaksAreSeen spoils a copy of what was found, a leak at a time.
func plantedLeaksAreSeen(t *testing.T, s secrets, places []place) {
	t.Helper()
	planted := 0
	stored := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return p.kind != inEvents })
	for _, kind := range []string{inEvents, inOrders, inStreams, inLogs, inPages, inAnswers, inTraces, onDisk} {
		i := slices.IndexFunc(places, func(p place) bool {
			return p.kind == kind && len(p.text) > 0 && (kind != onDisk || strings.HasSuffix(p.name, ".blk"))
		})
		if i < 0 {
			t.Fatalf("nowhere to plant a leak in %s", kind)
		}
		for _, canary := range []string{credentials["the key of BalanceSteam"], s.deliverable[0], s.action[1], mail} {
			for _, form := range forms(canary) {
				if kind == onDisk && canary == mail || kind == inOrders && canary == mail {
					continue // it may stand there
				}
				spoiled := places[i]
				if kind == inEvents {
					spoiled.text = []byte(strings.Replace(string(spoiled.text), "{", `{"evidence_of_a_leak":"`+form+`",`, 1))
				} else {
					spoiled.text = append(slices.Clone(spoiled.text), form...)
				}
				leaks, _ := judge(s, []place{spoiled})
				if kind == onDisk {
					one := secrets{deliverable: []string{canary}}
					leaks = append(leaks, onDiskAsStored(one, append(slices.Clone(stored), spoiled))...)
				}
				if len(leaks) == 0 {
					t.Errorf("a leak of %s as %s in %s was not seen", canary, form, kind)
				}
				planted++
			}
		}
	}
	t.Logf("%d planted leaks", planted)
}
