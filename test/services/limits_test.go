package services_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

func TestLimit_AQuestionThatGetsNoPermitIsToldHowLongToWait(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, map[string]string{"GAMESDROP_RATE_LIMIT": "4/2m"}, programs.GamesDrop)
	answered, refused := 0, reply{}
	for i := range 6 {
		a := r.ask("svc.providers.gamesdrop.find_offer", fmt.Sprintf(`{"offer_id":%d}`, []int{1001, 999, 1002}[i%3]))
		if a.code == "429" {
			refused = a
			continue
		}
		answered++
	}
	// The limiter spreads what a burst leaves over the window, so fewer may pass.
	if sent := r.requests("gamesdrop", "find_one"); answered != sent || answered > 4 || answered == 0 {
		t.Fatalf("%d answers, %d requests, with a limit of 4 in 2 minutes", answered, sent)
	}
	wait, err := time.ParseDuration(fmt.Sprint(refused.word("error", "retry_after")))
	seconds, headerErr := strconv.Atoi(refused.header.Get(messages.HeaderRetryAfter))
	if err != nil || headerErr != nil || wait <= 0 || wait > 3*time.Minute || seconds < int(wait/time.Second) || refused.word("error", "code") != "no_permit" {
		t.Errorf("refused with %s, Retry-After %q", refused.raw, refused.header.Get(messages.HeaderRetryAfter))
	}
	status := r.mustAsk("operator", "lane", `{"provider":"gamesdrop","action":"status"}`)
	if status.word("limit", "requests") != float64(4) || status.word("limit", "in_use") != float64(answered) {
		t.Errorf("after %d requests the limit in use is %s", answered, status.raw)
	}
}

func TestLimit_EqualQuestionsAtOnceAreOneRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil, programs.GamesDrop)
	gate := r.drop.Faults()
	gate.Once("find_one", providertest.Fault{Kind: providertest.Slow, Delay: 1500 * time.Millisecond})
	var all sync.WaitGroup
	prices := make(chan string, 50)
	for range 50 {
		all.Go(func() {
			a, err := r.request("svc.providers.gamesdrop.find_offer", `{ "offer_id" : 1001 }`)
			if err != nil || a.code != "" {
				t.Errorf("%v %s", err, a.raw)
			}
			prices <- a.raw
		})
	}
	all.Wait()
	// The slow answer holds them together; on a slow machine some may come after it.
	if n := r.requests("gamesdrop", "find_one"); n > 10 {
		t.Errorf("50 equal questions made %d requests", n)
	}
	first := <-prices
	for range 49 {
		if p := <-prices; p != first {
			t.Errorf("answers differ: %s, %s", first, p)
		}
	}
	// What GamesDrop charges moves with each request: nothing is told again.
	r.drop.SetPrice("1001", "561.00")
	if a := r.mustAsk("gamesdrop", "find_offer", `{"offer_id":1001}`); a.word("price", "amount") != "561.00" {
		t.Errorf("an old price was told again: %s", a.raw)
	}
}

func TestLimit_APriceThatLivesForMinutesIsAskedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil, programs.BalanceSteam)
	first := r.mustAsk("balancesteam", "gift_card_price", `{"service_id":5999}`)
	r.steam.SetPrice("5999", "600")
	for range 5 {
		again := r.mustAsk("balancesteam", "gift_card_price", `{"service_id":5999}`)
		if again.raw != first.raw || again.header.Get(messages.HeaderAskedAt) != first.header.Get(messages.HeaderAskedAt) {
			t.Errorf("first %s (%s), then %s (%s)", first.raw, first.header.Get(messages.HeaderAskedAt), again.raw, again.header.Get(messages.HeaderAskedAt))
		}
	}
	if n := r.requests("balancesteam", "gift_card_price"); n != 1 {
		t.Errorf("six questions made %d requests", n)
	}
	r.steam.SetPrice("6000", "11.5")
	if a := r.mustAsk("balancesteam", "gift_card_price", `{"service_id":6000}`); a.word("price", "amount") != "11.50" {
		t.Errorf("another card: %s", a.raw)
	}
	// A balance is never told again.
	r.mustAsk("balancesteam", "balance", "")
	r.steam.SetBalance("1.25")
	if a := r.mustAsk("balancesteam", "balance", ""); a.word("balance", "amount") != "1.25" {
		t.Errorf("an old balance was told again: %s", a.raw)
	}
	// Nor is an error: a card that comes on sale is found at once.
	if a := r.ask("svc.providers.balancesteam.gift_card_price", `{"service_id":6001}`); a.code != "404" {
		t.Errorf("a card that is not on sale: %s", a.raw)
	}
	r.steam.SetPrice("6001", "7")
	r.mustAsk("balancesteam", "gift_card_price", `{"service_id":6001}`)
}

func TestLane_WhilePausedNothingIsAskedAndNothingIsBoughtUntilItIsResumed(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil, programs.GamesDrop)
	paused := r.mustAsk("operator", "lane", `{"provider":"gamesdrop","action":"pause","by":"ann"}`)
	if paused.word("state") != "closed" || paused.word("paused") != true || paused.word("by") != "ann" || paused.word("changed") != true ||
		paused.word("until") != nil || paused.word("reason") != "paused" {
		t.Errorf("paused: %s", paused.raw)
	}
	again := r.mustAsk("operator", "lane", `{"provider":"gamesdrop","action":"pause","by":"bob"}`)
	if again.word("changed") != false || again.word("by") != "ann" {
		t.Errorf("paused again: %s", again.raw)
	}
	a := r.ask("svc.providers.gamesdrop.find_offer", `{"offer_id":1001}`)
	if a.code != "503" || a.word("error", "code") != "lane_closed" || a.word("error", "reason") != "paused" {
		t.Errorf("asked while paused: %s %s", a.code, a.raw)
	}
	const order = `{"v":1,"id":"o1","provider":"gamesdrop","kind":"offer","params":{"offer_id":1001},"max_cost":{"amount":"600","currency":"RUB"}}`
	r.submit(order, "o1", "accepted")
	// Another provider's order goes its way meanwhile: this one has had its time.
	for i := range 3 {
		id := fmt.Sprintf("x%d", i)
		r.submit(fmt.Sprintf(`{"v":1,"id":%q,"provider":"gamesdrop","kind":"moon","params":{}}`, id), id, "rejected")
	}
	if n := len(r.book("gamesdrop").Entries()); n != 0 {
		t.Errorf("%d entries in the shop's book while paused", n)
	}
	resumed := r.mustAsk("operator", "lane", `{"provider":"gamesdrop","action":"resume","by":"ann"}`)
	if resumed.word("state") != "open" || resumed.word("paused") != false || resumed.word("changed") != true {
		t.Errorf("resumed: %s", resumed.raw)
	}
	r.reach("o1", "succeeded")
	if n := len(r.drop.Purchases()); n != 1 {
		t.Errorf("bought %d times", n)
	}
	r.mustAsk("gamesdrop", "find_offer", `{"offer_id":1001}`)
	for _, body := range []string{
		`{"provider":"gamesdrop","action":"pause"}`, `{"provider":"moon","action":"status"}`, `{"provider":"gamesdrop","action":"stop","by":"x"}`, `{}`, ``,
	} {
		if a := r.ask("svc.operator.lane", body); a.code != "400" {
			t.Errorf("%s: %s", body, a.raw)
		}
	}
}

func TestLane_TheProvidersOwnTooManyClosesItForAll(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil, programs.GamesDrop)
	r.drop.Faults().Once("find_one", providertest.TooMany(40*time.Second))
	a := r.ask("svc.providers.gamesdrop.find_offer", `{"offer_id":1001}`)
	if a.code != "429" || a.header.Get(messages.HeaderRetryAfter) != "40" {
		t.Errorf("%s %s %s", a.code, a.header.Get(messages.HeaderRetryAfter), a.raw)
	}
	status := r.mustAsk("operator", "lane", `{"provider":"gamesdrop","action":"status"}`)
	if status.word("state") != "closed" || status.word("until") == nil || status.word("paused") != false {
		t.Errorf("lane: %s", status.raw)
	}
	for range 6 { // whichever replica answers
		if a := r.ask("svc.providers.gamesdrop.balance", ""); a.code != "503" || a.header.Get(messages.HeaderRetryAfter) == "" {
			t.Errorf("%s %s", a.code, a.raw)
		}
	}
	if n := r.requests("gamesdrop", "balance"); n != 0 {
		t.Errorf("%d requests though the lane is closed", n)
	}
}
