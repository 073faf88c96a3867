package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// lane is the state of a provider's lane in the bucket; empty before the first closure.
func (l *local) lane(provider string) string {
	l.t.Helper()
	kv, err := l.up.js.KeyValue(l.t.Context(), "beltline")
	if err != nil {
		l.t.Fatal(err)
	}
	entry, err := kv.Get(l.t.Context(), "lane."+provider)
	if err != nil {
		return ""
	}
	var value struct{ State string }
	if err := json.Unmarshal(entry.Value(), &value); err != nil {
		l.t.Fatal(err)
	}
	return value.State
}

// closed waits until an order was put off because of our account, and its lane
// is closed, and then repairs the account.
func closed(provider string, repair func(*local)) func(*local, plan) {
	return func(l *local, p plan) {
		l.up.awaitType(p.key(), "retrying")
		awaitTrue(l.t, "the lane is closed", func() bool { s := l.lane(provider); return s == "closed" || s == "probing" })
		repair(l)
	}
}

func untouched(*local) {}

// inTime is an order that may be placed for so long.
func inTime(p plan, d time.Duration) plan {
	at := fmt.Sprintf(`,"expires_at":%q`, time.Now().Add(d).UTC().Format(time.RFC3339Nano))
	p.body = strings.TrimSuffix(strings.Replace(p.body, far, "", 1), "}") + at + "}"
	return p
}

func TestOutcome_OurAccountsTroublesPutTheOrderOffAndCloseTheLane(t *testing.T) {
	t.Parallel()
	short := func(more ...string) map[string]string { return with(map[string]string{"BLOCKED_MAX": "1s"}, more...) }
	poor := func(l *local) { l.steam.SetBalance("5"); l.drop.SetBalance("5") }
	rich := func(l *local) { l.steam.SetBalance("500"); l.drop.SetBalance("500") }
	blocked := func(code string) map[string]string { return with(failure("blocked", code), "error.retryable", "true") }
	checkAll(t, map[string]outcome{
		"INVALID_TOKEN to the end": {
			env: short("GAMESDROP_TOKEN", "revoked"), order: pubg("acme", "o1"), final: "failed", requests: -1,
			said: blocked("INVALID_TOKEN"), then: closed("gamesdrop", untouched),
		},
		"INVALID_TOKEN for a while": {
			env: short("GAMESDROP_TOKEN", "revoked"), order: pubg("acme", "o1"), in: "retrying", final: "failed", requests: -1,
			said: blocked("INVALID_TOKEN"), then: closed("gamesdrop", untouched),
		},
		"INSUFFICIENT_BALANCE, then refilled": {
			prepare: poor, order: offer("acme", "o1", gamesdroptest.OfferDirect, "75.00", "USD", `,"game_user_id":"7"`),
			in: "retrying", said: blocked("INSUFFICIENT_BALANCE"), then: closed("gamesdrop", rich),
			final: "succeeded", bought: 1, requests: -1,
		},
		"apikey not a valid": {
			env: short("BALANCESTEAM_API_KEY", "revoked"), order: topup("acme", "o1", "10.00"), then: closed("balancesteam", untouched),
			said: blocked("apikey not a valid"), final: "failed", requests: -1,
		},
		"apikey renewed": {
			env: short("BALANCESTEAM_API_KEY", "new-key", "BLOCKED_MAX", "1m"), order: topup("acme", "o1", "10.00"),
			in: "retrying", said: blocked("apikey not a valid"),
			then:  closed("balancesteam", func(l *local) { l.steam.SetAPIKey("new-key") }),
			final: "succeeded", bought: 1, requests: -1,
		},
		"balance over, then refilled": {
			prepare: poor, order: topup("acme", "o1", "10.00"), in: "retrying", said: blocked("balance over"),
			then: closed("balancesteam", rich), final: "succeeded", bought: 1, requests: -1,
		},
	})
}

func TestOutcome_AnOrderThatOurAccountBlocksStillExpiresInTime(t *testing.T) {
	t.Parallel()
	outcome{
		prepare: func(l *local) { l.drop.SetBalance("5") }, order: inTime(pubg("acme", "o1"), 5*time.Second),
		then: closed("gamesdrop", untouched), final: "expired", said: failure("blocked", "INSUFFICIENT_BALANCE"), requests: -1,
	}.check(t)
}

func TestOutcome_WhatWasCertainlyNotDoneIsTriedAgain(t *testing.T) {
	t.Parallel()
	later := func(code string) map[string]string {
		return with(failure("retryable", code), "error.retryable", "true")
	}
	once := func(op string) func(*local) {
		return func(l *local) {
			l.steam.Door().Faults.Once(op, providertest.TooMany(0))
			l.drop.Faults().Once(op, providertest.TooMany(0))
		}
	}
	before, after := "accepted retrying placing succeeded", "accepted placing retrying placing succeeded"
	tooMany := func(p plan, op, types string, requests int) outcome {
		return outcome{
			prepare: once(op), order: p, types: types, in: "retrying", said: later("http_429"),
			final: "succeeded", bought: 1, requests: requests,
		}
	}
	checkAll(t, map[string]outcome{
		"429 to a login check":     tooMany(topup("acme", "o1", "10.00"), balancesteamtest.OpCheckLogin, before, 4),
		"429 to a topup":           tooMany(topup("acme", "o1", "10.00"), balancesteamtest.OpTopup, after, 5),
		"429 to a price":           tooMany(pubg("acme", "o1"), gamesdroptest.OpFindOne, before, 3),
		"429 to an order":          tooMany(pubg("acme", "o1"), gamesdroptest.OpCreateOrder, after, 4),
		"a check that broke off":   broken(gamesdroptest.OpFindOne, pubg("acme", "o1")),
		"a price with wrong types": broken(gamesdroptest.OpCheck, offer("acme", "o1", gamesdroptest.OfferDirect, "75.00", "USD", `,"game_user_id":"7"`)),
	})
}

// broken: a question before the intent that was not answered costs nothing but time.
func broken(op string, p plan) outcome {
	return outcome{
		env: quick(), order: p, types: "accepted retrying retrying placing succeeded", in: "retrying", final: "succeeded", bought: 1, requests: -1,
		prepare: func(l *local) {
			l.drop.Faults().Once(op, providertest.Fault{Kind: providertest.Truncated})
			l.drop.Faults().Once(op, providertest.Fault{Kind: providertest.WrongTypes})
		},
		said: failure("retryable", "unreadable"),
	}
}

func TestOutcome_AnOrderWaitsUntilItsProviderCanBeReached(t *testing.T) {
	t.Parallel()
	l := newLocal(t, nil)
	l.dispatcher()
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := reserved.Addr().String()
	if err := reserved.Close(); err != nil {
		t.Fatal(err)
	}
	l.run(programs.GamesDrop(), dropSettings("http://"+address))
	p := pubg("acme", "o1")
	l.up.submit(p.tenant, p.body)
	e := l.up.awaitType(p.key(), "retrying")
	if e.text("error.class") != "retryable" || e.text("error.code") != "not_sent" || !e.retryable() {
		t.Errorf("put off by %s", e)
	}
	late := gamesdroptest.New(gamesdroptest.WithToken(token), gamesdroptest.WithAddress(address))
	t.Cleanup(late.Close)
	if last := l.up.awaitFinal(p.key()); last.state() != "succeeded" || len(late.Purchases()) != 1 {
		t.Errorf("ended %s after %d purchases", last, len(late.Purchases()))
	}
}

// moving stands before the shop and changes the offer's price after each of the
// next n quotes: while the player is checked, which comes between quote and order.
func moving(n int) func(*local) http.Handler {
	return func(l *local) http.Handler {
		var quotes atomic.Int64
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == gamesdroptest.CheckPath {
				if i := quotes.Add(1); i <= int64(n) {
					l.drop.SetPrice("1002", fmt.Sprintf("75.%02d", i))
				}
			}
			l.drop.ServeHTTP(w, r)
		})
	}
}

func TestOutcome_WrongPriceIsQuotedAnewAtMostFiveTimes(t *testing.T) {
	t.Parallel()
	p := offer("acme", "o1", gamesdroptest.OfferDirect, "80.00", "USD", `,"game_user_id":"7"`)
	wrong := failure("retryable", "WRONG_PRICE")
	checkAll(t, map[string]outcome{
		"once": {
			env: quick(), front: moving(1), order: p, bought: 1, requests: 6,
			types: "accepted placing retrying placing succeeded", in: "retrying", said: wrong, final: "succeeded",
			then: func(l *local, p plan) {
				last := l.up.awaitFinal(p.key())
				if first := l.up.awaitType(p.key(), "placing"); last.text("provider_ref.reference") == first.text("provider_ref.reference") {
					l.t.Error("a new quote was placed under the reference of the old one")
				}
				if last.text("cost.amount") != "75.01" {
					l.t.Errorf("cost is %v", last["cost"])
				}
			},
		},
		"six times": {
			env: quick(), front: moving(6), order: p, requests: 18,
			types: "accepted" + strings.Repeat(" placing retrying", 5) + " placing failed", said: wrong, final: "failed",
		},
		"beyond max_cost": {
			env: quick(), front: moving(1), requests: 5,
			order: offer("acme", "o1", gamesdroptest.OfferDirect, "75.00", "USD", `,"game_user_id":"7"`),
			types: "accepted placing retrying failed", said: failure("rejected", "max_cost_exceeded"), final: "failed",
		},
	})
}

func TestOutcome_UpstreamsChangesOfMind(t *testing.T) {
	t.Parallel()
	l := newLocal(t, nil)
	l.dispatcher()
	early, late, over := topup("acme", "early", "10.00"), topup("acme", "late", "10.00"), inTime(topup("acme", "over", "10.00"), -time.Minute)
	for _, p := range []plan{early, late, over} {
		l.up.submit(p.tenant, p.body)
		l.up.awaitType(p.key(), "accepted")
	}
	l.up.publish("orders.acme.cancel", []byte(`{"v":1,"id":"early","reason":"too dear"}`))
	if e := l.up.awaitFinal(early.key()); e.state() != "canceled" || e.text("evidence.cancel_reason") != "too dear" {
		t.Errorf("ended %s", e)
	}
	l.steamWorker() // until now nobody was there to place anything
	if e := l.up.awaitFinal(over.key()); e.state() != "expired" {
		t.Errorf("ended %s", e)
	}
	l.up.awaitType(late.key(), "succeeded")
	for kind, refused := range map[string]string{"cancel": "cancel_refused", "confirm": "confirm_refused"} {
		l.up.publish("orders.acme."+kind, []byte(`{"v":1,"id":"late"}`))
		if e := l.up.awaitType(late.key(), refused); e.state() != "succeeded" || !e.terminal() || e.at("deliverable") == nil {
			t.Errorf("%s", e)
		}
	}
	l.mustHaveBought(early.account, 0)
	l.mustHaveBought(over.account, 0)
	l.mustHaveBought(late.account, 1)
}
