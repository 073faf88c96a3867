package demo

import (
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
)

// The orders that their customers come back to.
const (
	idReleased     = "ord-3001"
	idCancelsTrade = "ord-3002"
	idReturned     = "ord-3003"
	idLinkLost     = "ord-3004"
	idConfirms     = "ord-4001"
	idGivesUp      = "ord-4002"
	idBidLost      = "ord-4004"
	idPayout       = "ord-4005"
)

// What the faults are planned for.
const (
	steamOfLost  = "76561198827262014"
	walletOfLost = "TLostAnswerQ5NMqJjhpQGK7YJbESKtN4"
)

// codeTradeCanceled is SkinsBack's word for it.
const codeTradeCanceled = "trade_canceled"

// deposit takes skins of a Steam account.
func deposit(id, what, steamID string, w want) order {
	return order{
		id: id, what: "deposit of skins, " + what, provider: messages.SkinsBack, customer: steamID, want: w,
		body: fields{"kind": messages.Deposit, "params": fields{
			"steam_id": steamID, "trade_token": "i1ArBZey", "currency": "USD", "game": "cs2",
		}},
	}
}

// exchange sells the customer USDT for roubles.
func exchange(id, what, roubles, wallet, most string, w want) order {
	return order{
		id: id, what: "USDT for " + roubles + " RUB, " + what, provider: messages.Exchanger, customer: wallet, want: w,
		body: fields{
			"kind": messages.Exchange, "max_cost": cost(most, "RUB"),
			"params": fields{
				"direction_id": exchangertest.DirectionCard, "amount": roubles, "amount_side": "give", "account_to": wallet,
				"fields": fields{"cf6": "customer@example.com"},
			},
		},
	}
}

func payout(id, account string, w want) order {
	return order{
		id: id, what: "payout of what we earned as a partner", provider: messages.Exchanger, customer: account, want: w,
		body: fields{"kind": messages.PartnerPayout, "params": fields{"method_id": exchangertest.MethodUSDT, "account": account}},
	}
}

// payments is what comes in at first for the two providers at which somebody
// has to act before anything happens.
func payments() []order {
	const asked, held = messages.ActionRequired, messages.OnHold
	return []order{
		deposit(idReleased, "held and then released", "76561198827262011", done(1).by(asked, held, held, messages.Succeeded)),
		deposit(idCancelsTrade, "and the customer cancels the trade", "76561198827262012", no(codeTradeCanceled).by(asked, messages.Failed)),
		deposit(idReturned, "held and then taken back", "76561198827262013", want{state: messages.Reversed}.by(asked, held, held, messages.Reversed)),
		deposit(idLinkLost, "the link to pay at is lost", steamOfLost, done(1).after(2).by(messages.Unresolved, messages.Retrying, asked, messages.Succeeded)),

		exchange(idConfirms, "paid and confirmed", "3000.00", "TQ5NMqJjhpQGK7YJbESKtNCo86PJ89ujio", "3100.00",
			done(1).by(asked, messages.Processing, messages.Succeeded)),
		exchange(idGivesUp, "and the customer gives up", "7000.00", "TGivesUpNMqJjhpQGK7YJbESKtNCo86PJ2", "7100.00",
			want{state: messages.Canceled}.by(asked, messages.Canceled, messages.ConfirmRefused)),
		exchange("ord-4003", "for at most 50,000 RUB", "50000.00", "TTooDearNMqJjhpQGK7YJbESKtNCo86PJ3", "50000.00",
			no(providers.CodeMaxCostExceeded)),
		exchange(idBidLost, "the answer is lost", "4500.00", walletOfLost, "4600.00",
			done(1).by(messages.Unresolved, asked, messages.Processing, messages.Succeeded)),
		payout(idPayout, "TPartnerQ5NMqJjhpQGK7YJbESKtNCo865", done(1).by(messages.Processing, messages.Succeeded)),
	}
}
