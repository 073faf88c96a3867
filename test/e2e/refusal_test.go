package e2e_test

import (
	"strings"
	"testing"

	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// written is an order whose body is given to the letter.
func written(provider, kind, text string) plan {
	return plan{tenant: "acme", id: "o1", provider: provider, kind: kind, account: "nobody", body: text}
}

func TestOutcome_UnacceptableOrdersAreRejectedWithAllFaultsAndNoRequest(t *testing.T) {
	t.Parallel()
	reject := func(p plan, pointers ...string) outcome {
		return outcome{
			order: p, types: "rejected", final: "rejected", said: with(failure("invalid", "invalid_order"), "attempt", "0"),
			then: func(l *local, p plan) {
				e := l.up.awaitType(p.key(), "rejected")
				told := map[string]bool{}
				faults, _ := e.at("error.faults").([]any)
				for _, f := range faults {
					told[asObject(f)["pointer"].(string)] = true
				}
				for _, pointer := range pointers {
					if !told[pointer] {
						l.t.Errorf("no fault at %s in %v", pointer, faults)
					}
				}
				if len(told) != len(pointers) {
					l.t.Errorf("faults at %v, wanted %v", told, pointers)
				}
			},
		}
	}
	checkAll(t, map[string]outcome{
		"an amount that is a JSON number": reject(written("balancesteam", "topup",
			body("o1", "balancesteam", "topup", `"login":"gabe","amount":100`, "")), "/params/amount"),
		"several faults at once": reject(written("balancesteam", "gift_card",
			body("o1", "balancesteam", "gift_card", `"service_id":"5999","email":"nobody","colour":"red"`, "")),
			"/params/service_id", "/params/email", "/params/colour", "/max_cost"),
		"a field that nobody knows": reject(written("gamesdrop", "offer",
			body("o1", "gamesdrop", "offer", `"offer_id":1001`, maxCost("1", "USD")+`,"gift":true`)), "/gift"),
		"stars that are not sold": reject(written("gamesdrop", "telegram_stars",
			body("o1", "gamesdrop", "telegram_stars", `"stars":75,"telegram_user":"1"`, maxCost("1", "USD"))), "/params/stars"),
		"a key that comes twice": reject(written("balancesteam", "topup",
			body("o1", "balancesteam", "topup", `"login":"gabe","login":"other","amount":"1.00"`, "")), "/params/login"),
		"an unknown provider": reject(written("", "", body("o1", "steamdrop", "offer", `"offer_id":1`, maxCost("1", "USD"))), "/provider"),
		"an unknown kind":     reject(written("gamesdrop", "", body("o1", "gamesdrop", "coupon", ``, "")), "/kind"),
	})
}

func TestOutcome_DefiniteRefusalsFailTheOrder(t *testing.T) {
	t.Parallel()
	refuse := func(p plan, class, code, types string, requests int) outcome {
		return outcome{order: p, types: types, final: "failed", said: with(failure(class, code), "error.retryable", "false"), requests: requests}
	}
	before, after := "accepted failed", "accepted placing failed"
	login := refuse(topup("acme", "o1", "10.00"), "rejected", "account_refused", before, 2)
	login.prepare = func(l *local) { l.steam.Refuse("acme.o1") }
	dear := refuse(giftCard("acme", "o1", 5999), "rejected", "max_cost_exceeded", before, 2)
	dear.prepare = func(l *local) { l.steam.SetPrice("5999", "600.00001") }
	checkAll(t, map[string]outcome{
		"a login that cannot be topped up": login,
		"a player who is not valid": refuse(offer("acme", "o1", gamesdroptest.OfferDirect, "75.00", "USD", `,"game_user_id":"000"`),
			"rejected", "account_refused", before, 2),
		"a Telegram name that nobody has": refuse(stars("acme", "o1", "@nobody"), "rejected", "account_refused", before, 1),
		"a Telegram name without an id":   refuse(stars("acme", "o1", "@hidden"), "rejected", "account_refused", before, 1),
		"a gift card above max_cost":      dear,
		"an offer above max_cost": refuse(offer("acme", "o1", gamesdroptest.OfferPUBG, "560.09", "RUB", ""),
			"rejected", "max_cost_exceeded", before, 1),
		"an offer in another currency": refuse(offer("acme", "o1", gamesdroptest.OfferPUBG, "99999.00", "USD", ""),
			"rejected", "currency_mismatch", before, 1),
		"an offer that is not sold": refuse(offer("acme", "o1", gamesdroptest.OfferHidden, "10.00", "USD", ""),
			"rejected", "OFFER_NOT_FOUND", before, 1),
		"a gift card that is not sold": refuse(giftCard("acme", "o1", 4242), "rejected", "service not available", before, 2),
		"a create without the player it needs": refuse(offer("acme", "o1", gamesdroptest.OfferDirect, "75.00", "USD", ""),
			"rejected", "INVALID_REQUEST_BODY", after, 2),
	})
}

func TestOutcome_CreatesThatMayHaveBoughtAreDoubts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault providertest.Fault
		code  string
	}{
		"timeout before":  {providertest.Fault{Kind: providertest.TimeoutBeforeCommit}, "timeout"},
		"timeout after":   {providertest.Fault{Kind: providertest.TimeoutAfterCommit}, "timeout"},
		"reset":           {providertest.Fault{Kind: providertest.ResetAfterCommit}, "connection_reset"},
		"502":             {providertest.Status(502), "http_502"},
		"503 after":       {providertest.Status(503).AfterCommit(), "http_503"},
		"truncated":       {providertest.Fault{Kind: providertest.Truncated}, "unreadable"},
		"a page":          {providertest.Fault{Kind: providertest.HTML}, "unreadable"},
		"nothing":         {providertest.Fault{Kind: providertest.Empty}, "unreadable"},
		"wrong types":     {providertest.Fault{Kind: providertest.WrongTypes}, "unreadable"},
		"a redirect":      {providertest.Redirect(307), "http_307"},
		"500 with an yes": {providertest.Fault{Kind: providertest.StatusWithBody, Status: 500}, "http_500"},
	} {
		bought := 0
		if c.fault.Commits() {
			bought = 1
		}
		steam := outcome{
			env: quick(), order: topup("acme", "o1", "10.00"), in: "unresolved", said: failure("ambiguous", c.code),
			prepare: func(l *local) { l.steam.Door().Faults.Once(balancesteamtest.OpTopup, c.fault) },
			final:   "unresolved", operator: true, bought: bought, requests: -1,
		}
		// GamesDrop is asked again under the same reference: it buys now, or says
		// that it had bought.
		drop := outcome{
			env: quick(), order: pubg("acme", "o1"), in: "unresolved", said: failure("ambiguous", c.code),
			prepare: func(l *local) { l.drop.Faults().Once(gamesdroptest.OpCreateOrder, c.fault) },
			final:   "unresolved", operator: true, bought: 1, requests: -1,
			types: "accepted placing unresolved placing unresolved",
		}
		if bought == 0 {
			drop.final, drop.operator, drop.types = "succeeded", false, "accepted placing unresolved placing succeeded"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkAll(t, map[string]outcome{"balancesteam": steam, "gamesdrop": drop})
		})
	}
}

func TestOutcome_DeadLettersKeepTheBodyAndSayWhy(t *testing.T) {
	t.Parallel()
	l := newPipeline(t, nil)
	p := topup("acme", "o1", "10.00")
	l.up.submit(p.tenant, p.body)
	l.up.awaitFinal(p.key())
	for _, c := range []struct{ subject, body, reason, where, id string }{
		{"orders.acme.submit", strings.Replace(p.body, "10.00", "11.00", 1), "order_conflict", "dlq.orders.acme", "o1"},
		{"orders.acme.submit", "not json", "invalid_order", "dlq.orders.acme", ""},
		{"orders.acme.submit", `{"v":1,"id":"a.b"}`, "invalid_order", "dlq.orders.acme", ""},
		{"orders._acme.submit", p.body, "invalid_order", "dlq.orders.unknown", ""},
		{"orders.unknown.submit", p.body, "invalid_order", "dlq.orders.unknown", ""},
		{"orders.acme.submit", p.body + strings.Repeat(" ", 33<<10), "invalid_order", "dlq.orders.acme", ""},
		{"orders.acme.cancel", `{"v":1}`, "invalid_order", "dlq.orders.acme", ""},
	} {
		have := len(l.up.letters())
		l.up.publish(c.subject, []byte(c.body))
		awaitTrue(t, "there is a dead letter for "+c.subject, func() bool { return len(l.up.letters()) > have })
		letter := l.up.letters()[have]
		if letter.Subject != c.where || string(letter.Data) != c.body || letter.Header.Get("Beltline-Reason") != c.reason ||
			letter.Header.Get("Beltline-Order-Id") != c.id || letter.Header.Get("Beltline-Error") == "" ||
			!strings.HasPrefix(letter.Header.Get("Beltline-Origin"), "ORDERS:") || !strings.HasSuffix(letter.Header.Get("Beltline-Origin"), ":"+c.subject) {
			t.Errorf("%.60s became %s %v", c.body, letter.Subject, letter.Header)
		}
	}
	if got := len(l.up.all()); got != 1 {
		t.Errorf("events of %d orders, not 1", got)
	}
	l.mustHaveBought(p.account, 1)
}
