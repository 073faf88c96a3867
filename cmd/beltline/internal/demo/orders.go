package demo

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// want is how an order must end.
type want struct {
	state messages.Type
	code  string // of the error, where there must be one
	// bought is how often the provider's books must have it, at the end.
	bought int
	// least is how many attempts it must have taken: one that is made twice as
	// planned proves that the fault has struck.
	least int
	// via are events that it must have had, in this order.
	via []messages.Type
}

// after is the outcome of an order that takes so many attempts.
func (w want) after(attempts int) want {
	w.least = attempts
	return w
}

// by is the outcome of an order that goes a certain way.
func (w want) by(types ...messages.Type) want {
	w.via = types
	return w
}

// order is one line of the script.
type order struct {
	id, what string
	provider messages.Provider
	// customer is what the provider's books know the order by.
	customer string
	body     map[string]any
	want     want
}

// encode is the body that goes over the wire.
func (o order) encode() []byte {
	body := map[string]any{"v": messages.Version, "id": o.id, "provider": o.provider}
	for k, v := range o.body {
		body[k] = v
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // maps of texts and numbers always marshal
	}
	return b
}

type fields = map[string]any

func done(bought int) want { return want{state: messages.Succeeded, bought: bought} }

func no(code string) want { return want{state: messages.Failed, code: code} }

// doubtful orders were bought, and nobody can know it.
func doubtful(code string) want {
	return want{state: messages.Unresolved, code: code, bought: 1}
}

func topup(id, login, amount string, w want) order {
	return order{
		id: id, what: "Steam wallet, " + amount + " RUB for " + login, provider: messages.BalanceSteam, customer: login,
		body: fields{"kind": messages.Topup, "params": fields{"login": login, "amount": amount}}, want: w,
	}
}

func giftCard(id, email, most string, w want) order {
	return order{
		id: id, what: "Steam gift card for " + email, provider: messages.BalanceSteam, customer: email,
		body: fields{
			"kind": messages.GiftCard, "params": fields{"service_id": 5999, "email": email}, "max_cost": cost(most, "RUB"),
		}, want: w,
	}
}

func cost(amount, currency string) fields { return fields{"amount": amount, "currency": currency} }

// offer buys an offer for an address (with a key) or a player.
func offer(id, what string, number int, params fields, most fields, w want) order {
	o := order{id: id, what: what, provider: messages.GamesDrop, want: w}
	params["offer_id"] = number
	for _, key := range []string{"game_user_id", "email"} {
		if customer, ok := params[key].(string); ok {
			o.customer = customer
		}
	}
	o.body = fields{"kind": messages.Offer, "params": params, "max_cost": most}
	return o
}

func stars(id string, number int, user, customer string, most fields) order {
	return order{
		id: id, what: strconv.Itoa(number) + " Telegram Stars for " + user, provider: messages.GamesDrop, customer: customer,
		body: fields{"kind": messages.TelegramStars, "params": fields{"stars": number, "telegram_user": user}, "max_cost": most},
		want: done(1),
	}
}

func mail(address string) fields { return fields{"email": address} }

// The orders that the script comes back to.
const (
	idFirst    = "ord-2001"
	idLost     = "ord-1005"
	idWaits    = "ord-1101"
	idExpires  = "ord-1104"
	idCanceled = idWaits
)

// morning is what comes in at first, all at once.
func morning() []order {
	return append([]order{
		topup("ord-1001", "gordon_freeman", "500.00", done(1)),
		topup("ord-1002", "alyx_vance", "1250.50", done(1)),
		giftCard("ord-1003", "anna@example.com", "520.00", done(1)),
		topup("ord-1004", noSuchLogin, "300.00", no(providers.CodeAccountRefused)),
		topup(idLost, "eli_vance", "330.00", doubtful(providers.CodeTimeout)),
		giftCard("ord-1006", "boris@example.com", "500.00", no(providers.CodeMaxCostExceeded)),

		offer(idFirst, "PUBG Mobile 660 UC, a key by mail", offerPUBG, mail("vera@example.com"), cost("850.00", "RUB"), done(1)),
		offer("ord-2002", "Mobile Legends 706 Diamonds for a player", offerDiamonds,
			fields{"game_user_id": "128835443", "game_server_id": "2591"}, cost("13.00", "USD"), done(1)),
		stars("ord-2003", 100, telegramID, telegramID, cost("0.80", "USD")),
		stars("ord-2004", 50, "@"+telegramName, "143594291", cost("0.40", "USD")),
		offer("ord-2005", "Nintendo eShop 50 EUR, takes its time", offerNintendo, mail("gleb@example.com"), cost("55.00", "EUR"), done(1)),
		offer("ord-2006", "PlayStation 20 USD, the price moves meanwhile", offerMoving, mail("dina@example.com"), cost("20.00", "USD"), done(1).after(2)),
		offer("ord-2007", "PlayStation 50 USD, for at most 45 USD", offerDear, mail("egor@example.com"), cost("45.00", "USD"),
			no(providers.CodeMaxCostExceeded)),
		offer("ord-2008", "Valorant 1,000 VP for a player nobody knows", offerValorant, fields{"game_user_id": unknownPlayer},
			cost("9.50", "USD"), no(providers.CodeAccountRefused)),
		offer("ord-2009", "Roblox 2,000 Robux, canceled by the provider", offerCanceled, mail("zoya@example.com"), cost("24.00", "USD"),
			want{state: messages.Failed, code: "CANCELED"}),
		offer("ord-2010", "Xbox Game Pass, the answer is lost", offerXbox, mail("ivan@example.com"), cost("30.00", "USD"),
			want{state: messages.Unresolved, bought: 1}.after(2)),
		offer("ord-2011", "Xbox Game Pass, the request is lost", offerXbox, mail("kira@example.com"), cost("30.00", "USD"), done(1).after(2)),
		broken("ord-2012"),
	}, payments()...)
}

// broken has three faults, and the answer must name all of them.
func broken(id string) order {
	return order{
		id: id, what: "a gift card order with three mistakes", provider: messages.BalanceSteam, customer: "not-an-address",
		body: fields{
			"kind": messages.GiftCard, "params": fields{"service_id": "5999", "email": "not-an-address"},
			"max_cost": fields{"amount": json.Number("520.10"), "currency": "RUB"},
		},
		want: want{state: messages.Rejected, code: providers.CodeInvalidOrder},
	}
}

// drought is what comes in while our balance at BalanceSteam is used up.
func drought(expires time.Time) []order {
	late := topup(idExpires, "wallace_breen", "410.00", want{state: messages.Expired})
	late.what += "; expires in two seconds"
	late.body["expires_at"] = expires.UTC().Format(time.RFC3339Nano)
	return []order{
		topup(idWaits, "barney_calhoun", "900.00", want{state: messages.Canceled}),
		topup("ord-1102", "judith_mossman", "750.00", done(1)),
		topup("ord-1103", "isaac_kleiner", "640.00", done(1)),
		late,
	}
}
