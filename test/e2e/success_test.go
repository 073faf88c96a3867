package e2e_test

import (
	"testing"

	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
)

const nothing = "" // what text tells of null

func TestOutcome_SuccessesCarryWhatTheContractLists(t *testing.T) {
	t.Parallel()
	final := func(source, amount, currency string, more ...string) map[string]string {
		return with(map[string]string{
			"finality": "final", "cost_source": source, "cost.amount": amount, "cost.currency": currency,
			"error": nothing, "action": nothing, "lease_until": nothing, "retry_at": nothing, "not_before": nothing,
		}, more...)
	}
	direct := func(l *local) { l.drop.SetPlayer("52357322414", "JJJ", true) }
	checkAll(t, map[string]outcome{
		"a topup": {
			order: topup("acme", "o1", "100.10"), types: "accepted placing succeeded", final: "succeeded", bought: 1, requests: 3,
			said: map[string]string{
				"finality": "provider_accepted", "cost": nothing, "cost_source": nothing, "deliverable": "map[]",
				"provider_ref.id": "10000", "evidence.requested.amount": "100.10", "evidence.requested.currency": "RUB",
				"metadata.cart": "7", "order.params.amount": "100.10", "attempt": "1",
			},
		},
		"a gift card": {
			order: giftCard("acme", "o1", 5999), types: "accepted placing succeeded", final: "succeeded", bought: 1, requests: 3,
			said: map[string]string{
				"finality": "provider_accepted", "cost.amount": "513.35075", "cost.currency": "RUB", "cost_source": "quote",
				"deliverable": "map[]", "provider_ref.id": "10000",
			},
		},
		"an offer with a key": {
			order: pubg("acme", "o1"), types: "accepted placing succeeded", final: "succeeded", bought: 1, requests: 2,
			said: final("response", "560.10", "RUB", "deliverable.key", "001434249936", "provider_ref.order_id", "10222502"),
		},
		"an offer without a key": {
			order: offer("acme", "o1", gamesdroptest.OfferDirect, "75", "USD", `,"game_user_id":"52357322414"`), prepare: direct,
			types: "accepted placing succeeded", final: "succeeded", bought: 1, requests: 3,
			said: final("response", "75.00", "USD", "deliverable", "map[]", "provider_ref.order_id", "10222502"),
		},
		"an offer for a player on a server": {
			order: offer("acme", "o1", gamesdroptest.OfferServer, "12.50", "USD", `,"game_user_id":"7","game_server_id":"eu"`),
			types: "accepted placing succeeded", final: "succeeded", bought: 1, requests: 3,
			said: final("response", "12.50", "USD", "deliverable", "map[]"),
		},
		"an offer that takes its time": {
			order: offer("acme", "o1", gamesdroptest.OfferPending, "10.00", "USD", ""),
			types: "accepted placing processing succeeded", final: "succeeded", bought: 1, requests: -1,
			said: final("response", "10.00", "USD", "deliverable.key", "001434249936"),
		},
		"an offer whose key comes later": {
			order: offer("acme", "o1", gamesdroptest.OfferLateKey, "10.00", "USD", ""),
			types: "accepted placing processing succeeded", final: "succeeded", bought: 1, requests: -1,
			said: final("response", "10.00", "USD", "deliverable.key", "001434249936"),
		},
		"an offer in a status that no document has": {
			order: offer("acme", "o1", gamesdroptest.OfferStrange, "10.00", "USD", ""), in: "processing",
			types: "accepted placing processing succeeded", final: "succeeded", bought: 1, requests: -1,
			said: map[string]string{"evidence.unknown_status": "FROZEN", "deliverable": nothing, "finality": nothing},
		},
		"stars by a numeric id": {
			order: stars("acme", "o1", "143594291"), types: "accepted placing succeeded", final: "succeeded", bought: 1, requests: 2,
			said: final("response", "0.78", "USD", "deliverable.stars", "100", "deliverable.telegram_user_id", "143594291",
				"deliverable.delivery_transaction_id", "tg_tx_10222502", "evidence.quoted", "0.77 USD"),
		},
		"stars by a name": {
			order: stars("acme", "o1", "@IgorYan34"), types: "accepted placing succeeded", final: "succeeded", bought: 1, requests: 3,
			said: final("response", "0.78", "USD", "deliverable.telegram_user_id", "143594291"),
		},
		"stars charged above max_cost": {
			order: plan{
				tenant: "acme", id: "o1", provider: "gamesdrop", kind: "telegram_stars", account: "a@example.com",
				body: body("o1", "gamesdrop", "telegram_stars", `"stars":100,"telegram_user":"143594291","email":"a@example.com"`, maxCost("0.77", "USD")),
			},
			types: "accepted placing succeeded", final: "succeeded", bought: 1, requests: 2,
			said: final("response", "0.78", "USD", "evidence.price_violation.max_cost.amount", "0.77"),
		},
	})
}

func TestOutcome_WhatTheProviderTakesBackFailedWithTheRefund(t *testing.T) {
	t.Parallel()
	taken := func(id int64, code, refund, types string) outcome {
		return outcome{
			order: offer("acme", "o1", id, "10.00", "USD", ""), types: types, final: "failed", bought: 1, requests: -1,
			said: with(failure("rejected", code), "evidence.refund", refund, "deliverable", nothing, "provider_ref.order_id", "10222502"),
		}
	}
	checkAll(t, map[string]outcome{
		"canceled at once":    taken(gamesdroptest.OfferCanceledNow, "CANCELED", "unconfirmed", "accepted placing failed"),
		"canceled in the end": taken(gamesdroptest.OfferCanceled, "CANCELED", "unconfirmed", "accepted placing processing failed"),
		"refunded at once":    taken(gamesdroptest.OfferRefundedNow, "REFUND", "confirmed", "accepted placing failed"),
		"refunded in the end": taken(gamesdroptest.OfferRefunded, "REFUND", "confirmed", "accepted placing processing failed"),
		"stars to who blocked the bot": {
			prepare: func(l *local) { l.drop.SetUnreachable("143594291", "bot was blocked by user") },
			order:   stars("acme", "o1", "igoryan34"), types: "accepted placing failed", final: "failed", bought: 1, requests: 3,
			said: with(failure("rejected", "CANCELED"), "evidence.refund", "unconfirmed"),
		},
	})
}
