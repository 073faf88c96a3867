package messages_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

func ptr[T any](v T) *T { return &v }

// goldenOrders says what each golden order of version 1 means, for ever.
func goldenOrders() map[string]messages.Order {
	dec := money.MustDecimal
	return map[string]messages.Order{
		"order.topup.json": {
			ID: "ord-2026-000120", Provider: messages.BalanceSteam, Kind: messages.Topup,
			Params: messages.TopupParams{Login: "gaben_1962", Amount: dec("100.5")},
		},
		"order.gift_card.json": {
			ID: "ord-2026-000121", Provider: messages.BalanceSteam, Kind: messages.GiftCard,
			Params:  messages.GiftCardParams{ServiceID: 5999, Email: "user@gmail.com"},
			MaxCost: ptr(money.Must("520", "RUB")),
		},
		"order.deposit.json": {
			ID: "ord-2026-000122", Provider: messages.SkinsBack, Kind: messages.Deposit,
			Params: messages.DepositParams{
				SteamID: "76561198827262007", TradeToken: "Ab3_-9xZ", Currency: "usd",
				MinAmount: ptr(dec("5")), MaxAmount: ptr(dec("100")), Game: "cs2", Widget: true,
				SuccessURL: "https://shop.example/ok?order=1", FailURL: "https://shop.example/no",
				CustomMultiplier: ptr(dec("1.05")), CustomCurrency: "GEMS", CustomCurrencyRate: ptr(dec("0.1")),
			},
		},
		"order.offer.json": {
			ID: "ord-2026-000123", Provider: messages.GamesDrop, Kind: messages.Offer,
			Params:    messages.OfferParams{OfferID: 1001, Email: "user@gmail.com", GameUserID: "52357322414"},
			MaxCost:   ptr(money.Must("560.1", "RUB")),
			ExpiresAt: ptr(time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)),
			SealTo:    "XCSOBEUSWZI4E6FZO4WFNH27VG5RHWIGWRVLNDE57HOCWRAJ7CRATSUK",
			Metadata:  map[string]string{"cart": "981"},
		},
		"order.telegram_stars.json": {
			ID: "ord-2026-000124", Provider: messages.GamesDrop, Kind: messages.TelegramStars,
			Params:  messages.TelegramStarsParams{Stars: 50, TelegramUser: "@durov", Email: "user@gmail.com"},
			MaxCost: ptr(money.Must("0.8", "USD")),
		},
		"order.exchange.json": {
			ID: "ord-2026-000125", Provider: messages.Exchanger, Kind: messages.Exchange,
			Params: messages.ExchangeParams{
				DirectionID: "12", Amount: dec("3000"), AmountSide: "give_with_fee",
				AccountFrom: "2202 2000 1111 2222", AccountTo: "TXYZabc",
				Fields:    map[string]string{"cf6": "user@gmail.com", "cfgive8": "Иван Иванов"},
				PartnerID: "7", MinGet: ptr(dec("31.123456789012")),
			},
		},
		"order.partner_payout.json": {
			ID: "ord-2026-000126", Provider: messages.Exchanger, Kind: messages.PartnerPayout,
			Params: messages.PartnerPayoutParams{MethodID: "3", Account: "4100111222333"},
		},
	}
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "v1", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeOrder_GoldenOrdersMeanWhatTheyMeant(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/v1/order.*.json")
	if err != nil {
		t.Fatal(err)
	}
	want := goldenOrders()
	if len(files) != len(want) || len(want) != len(messages.Kinds()) {
		t.Fatalf("%d files, %d meanings, %d kinds", len(files), len(want), len(messages.Kinds()))
	}
	for name, order := range want {
		body := golden(t, name)
		order.Raw = body
		got, err := messages.DecodeOrder(body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(&order, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// faultsOf decodes a body that must be refused.
func faultsOf(t *testing.T, body string) *messages.InvalidError {
	t.Helper()
	order, err := messages.DecodeOrder([]byte(body))
	var invalid *messages.InvalidError
	if !errors.As(err, &invalid) || order != nil {
		t.Fatalf("DecodeOrder(%.200s) = %v, %v; want an InvalidError", body, order, err)
	}
	return invalid
}

func pointersOf(e *messages.InvalidError) []string {
	var at []string
	for _, f := range e.Faults {
		at = append(at, f.Pointer)
	}
	slices.Sort(at)
	return at
}

const (
	topup = `{"v":1,"id":"a","provider":"balancesteam","kind":"topup","params":{"login":"x","amount":"1"}}`
	offer = `{"v":1,"id":"a","provider":"gamesdrop","kind":"offer","params":{"offer_id":1},"max_cost":{"amount":"1","currency":"RUB"}}`
	stars = `{"v":1,"id":"a","provider":"gamesdrop","kind":"telegram_stars","params":{"stars":50,"telegram_user":"1"},"max_cost":{"amount":"1","currency":"USD"}}`
	card  = `{"v":1,"id":"a","provider":"balancesteam","kind":"gift_card","params":{"service_id":1,"email":"a@b.c"},"max_cost":{"amount":"1","currency":"RUB"}}`
	skins = `{"v":1,"id":"a","provider":"skinsback","kind":"deposit","params":{"steam_id":"1","trade_token":"12345678"}}`
	swap  = `{"v":1,"id":"a","provider":"exchanger","kind":"exchange","params":{"direction_id":"1","amount":"1","amount_side":"get"}}`
)

// TestDecodeOrder_NamesTheFaultyPlace changes one valid order in one way; each
// row names every pointer that must be reported, and no other may be.
func TestDecodeOrder_NamesTheFaultyPlace(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 257)
	tests := []struct{ name, base, old, new, want string }{
		{"unknown field", topup, `"v":1`, `"v":1,"priority":2`, "/priority"},
		{"unknown param", topup, `"login"`, `"speed":1,"login"`, "/params/speed"},
		{"key of another case", topup, `"login"`, `"Login"`, "/params/Login /params/login"},
		{"param of another kind", topup, `"login"`, `"email":"a@b.c","login"`, "/params/email"},
		{"key that needs escapes", topup, `"v":1`, `"v":1,"a/b~c":0`, "/a~1b~0c"},
		{"missing v", topup, `"v":1,`, ``, "/v"},
		{"version 2", topup, `"v":1`, `"v":2`, "/v"},
		{"version as text", topup, `"v":1`, `"v":"1"`, "/v"},
		{"version as fraction", topup, `"v":1`, `"v":1.0`, "/v"},
		{"missing params", topup, `,"params":{"login":"x","amount":"1"}`, ``, "/params"},
		{"null params", topup, `{"login":"x","amount":"1"}`, `null`, "/params"},
		{"list of params", topup, `{"login":"x","amount":"1"}`, `[]`, "/params"},
		{"missing kind", topup, `"kind":"topup",`, ``, "/kind"},
		{"unknown kind", topup, `"topup"`, `"moon"`, "/kind"},
		{"kind of another provider", topup, `"topup"`, `"offer"`, "/kind"},
		{"unknown provider", topup, `"balancesteam"`, `"none"`, "/provider"},
		{"missing provider", topup, `"provider":"balancesteam",`, ``, "/provider"},
		{"provider as number", topup, `"balancesteam"`, `7`, "/provider"},
		{"duplicate key", topup, `"login":"x"`, `"login":"x","login":"x"`, "/params/login"},
		{"duplicate key in other letters", topup, `"login":"x"`, `"login":"x","lo\u0067in":"y"`, "/params/login"},
		{"duplicate params", topup, `"params":`, `"params":{},"params":`, "/params"},
		{"empty text", topup, `"login":"x"`, `"login":""`, "/params/login"},
		{"null text", topup, `"login":"x"`, `"login":null`, "/params/login"},
		{"number for a text", topup, `"login":"x"`, `"login":5`, "/params/login"},
		{"long text", topup, `"login":"x"`, `"login":"` + long + `"`, "/params/login"},
		{"NUL in a text", topup, `"login":"x"`, `"login":"x\u0000"`, "/params/login"},
		{"control character", topup, `"login":"x"`, `"login":"x\u0085"`, "/params/login"},
		{"half of a surrogate pair", topup, `"login":"x"`, `"login":"x\ud800"`, "/params/login"},
		{"number for an amount", topup, `"amount":"1"`, `"amount":1`, "/params/amount"},
		{"three places", topup, `"amount":"1"`, `"amount":"1.001"`, "/params/amount"},
		{"three places, last zero", topup, `"amount":"1"`, `"amount":"1.000"`, "/params/amount"},
		{"zero", topup, `"amount":"1"`, `"amount":"0.00"`, "/params/amount"},
		{"negative", topup, `"amount":"1"`, `"amount":"-1"`, "/params/amount"},
		{"exponent", topup, `"amount":"1"`, `"amount":"1e2"`, "/params/amount"},
		{"comma", topup, `"amount":"1"`, `"amount":"1,5"`, "/params/amount"},
		{"blank before", topup, `"amount":"1"`, `"amount":" 1"`, "/params/amount"},
		{"leading zero", topup, `"amount":"1"`, `"amount":"01"`, "/params/amount"},
		{"too many digits", topup, `"amount":"1"`, `"amount":"` + strings.Repeat("9", 13) + `"`, "/params/amount"},
		{"expires_at without zone", topup, `"v":1`, `"v":1,"expires_at":"2026-12-01T10:00:00"`, "/expires_at"},
		{"expires_at with an hour of one digit", topup, `"v":1`, `"v":1,"expires_at":"2026-12-01T1:00:00Z"`, "/expires_at"},
		{"expires_at with a comma", topup, `"v":1`, `"v":1,"expires_at":"2026-12-01T10:00:00,5Z"`, "/expires_at"},
		{"expires_at on a day that is not", topup, `"v":1`, `"v":1,"expires_at":"2026-02-30T10:00:00Z"`, "/expires_at"},
		{"expires_at as number", topup, `"v":1`, `"v":1,"expires_at":1764583200`, "/expires_at"},
		{"expires_at before year 0", topup, `"v":1`, `"v":1,"expires_at":"0000-01-01T00:00:00+23:59"`, "/expires_at"},
		{"seal_to with a wrong checksum", topup, `"v":1`, `"v":1,"seal_to":"XCSOBEUSWZI4E6FZO4WFNH27VG5RHWIGWRVLNDE57HOCWRAJ7CRATSUA"`, "/seal_to"},
		{"seal_to of a user key", topup, `"v":1`, `"v":1,"seal_to":"UDVEU3DD4KOFECV66VIHWEZOYX4ZKR3WV27L464SIIPOU2IUI3JCYSJF"`, "/seal_to"},
		{"metadata with a number", topup, `"v":1`, `"v":1,"metadata":{"a":1,"b":"x","c":null}`, "/metadata/a /metadata/c"},
		{"metadata as list", topup, `"v":1`, `"v":1,"metadata":[]`, "/metadata"},
		{"metadata over 4 KB", topup, `"v":1`, `"v":1,"metadata":{"a":"` + strings.Repeat("x", 4096) + `"}`, "/metadata"},
		{"metadata with a duplicate", topup, `"v":1`, `"v":1,"metadata":{"a":"1","a":"1"}`, "/metadata/a"},
		{"metadata with a broken key", topup, `"v":1`, `"v":1,"metadata":{"\udc00":"x"}`, "/metadata/\uFFFD"},
		{"no max_cost for an offer", offer, `,"max_cost":{"amount":"1","currency":"RUB"}`, ``, "/max_cost"},
		{"no max_cost for stars", stars, `,"max_cost":{"amount":"1","currency":"USD"}`, ``, "/max_cost"},
		{"no max_cost for a gift card", card, `,"max_cost":{"amount":"1","currency":"RUB"}`, ``, "/max_cost"},
		{"null max_cost", offer, `{"amount":"1","currency":"RUB"}`, `null`, "/max_cost"},
		{"max_cost of zero", offer, `"amount":"1"`, `"amount":"0"`, "/max_cost/amount"},
		{"max_cost as number", offer, `"amount":"1"`, `"amount":560.10`, "/max_cost/amount"},
		{"max_cost in small letters", offer, `"RUB"`, `"rub"`, "/max_cost/currency"},
		{"max_cost without currency", offer, `,"currency":"RUB"`, ``, "/max_cost/currency"},
		{"max_cost with more", offer, `"currency":"RUB"`, `"currency":"RUB","x":0`, "/max_cost/x"},
		{"offer_id as text", offer, `"offer_id":1`, `"offer_id":"1"`, "/params/offer_id"},
		{"offer_id of zero", offer, `"offer_id":1`, `"offer_id":0`, "/params/offer_id"},
		{"negative offer_id", offer, `"offer_id":1`, `"offer_id":-1`, "/params/offer_id"},
		{"offer_id with a fraction", offer, `"offer_id":1`, `"offer_id":1.0`, "/params/offer_id"},
		{"offer_id with an exponent", offer, `"offer_id":1`, `"offer_id":1e3`, "/params/offer_id"},
		{"offer_id beyond int64", offer, `"offer_id":1`, `"offer_id":9223372036854775808`, "/params/offer_id"},
		{"bad e-mail", card, `"a@b.c"`, `"a@b"`, "/params/email"},
		{"e-mail with a blank", card, `"a@b.c"`, `"a b@c.d"`, "/params/email"},
		{"two e-mails", card, `"a@b.c"`, `"a@b.c,d@e.f"`, "/params/email"},
		{"60 stars", stars, `"stars":50`, `"stars":60`, "/params/stars"},
		{"stars as text", stars, `"stars":50`, `"stars":"50"`, "/params/stars"},
		{"telegram user as a link", stars, `"telegram_user":"1"`, `"telegram_user":"t.me/x"`, "/params/telegram_user"},
		{"steam_id with letters", skins, `"steam_id":"1"`, `"steam_id":"7x"`, "/params/steam_id"},
		{"short trade_token", skins, `12345678`, `1234567`, "/params/trade_token"},
		{"min without currency", skins, `"steam_id"`, `"min_amount":"1","steam_id"`, "/params/currency"},
		{"max not above min", skins, `"steam_id"`, `"currency":"usd","min_amount":"5","max_amount":"5.0","steam_id"`, "/params/max_amount"},
		{"rate without currency", skins, `"steam_id"`, `"custom_currency_rate":"1","steam_id"`, "/params/custom_currency"},
		{"currency without rate", skins, `"steam_id"`, `"custom_currency":"GEMS","steam_id"`, "/params/custom_currency_rate"},
		{"custom currency of 5", skins, `"steam_id"`, `"custom_currency":"GEMSS","custom_currency_rate":"1","steam_id"`, "/params/custom_currency"},
		{"rate below 0.1", skins, `"steam_id"`, `"custom_currency":"G","custom_currency_rate":"0.09","steam_id"`, "/params/custom_currency_rate"},
		{"multiplier above 2", skins, `"steam_id"`, `"custom_multiplier":"2.01","steam_id"`, "/params/custom_multiplier"},
		{"multiplier below 0.5", skins, `"steam_id"`, `"custom_multiplier":"0.49","steam_id"`, "/params/custom_multiplier"},
		{"widget as number", skins, `"steam_id"`, `"widget":1,"steam_id"`, "/params/widget"},
		{"old game", skins, `"steam_id"`, `"game":"csgo","steam_id"`, "/params/game"},
		{"relative URL", skins, `"steam_id"`, `"success_url":"/ok","steam_id"`, "/params/success_url"},
		{"URL of a script", skins, `"steam_id"`, `"fail_url":"javascript:alert(1)","steam_id"`, "/params/fail_url"},
		{"URL without host", skins, `"steam_id"`, `"fail_url":"https://:443/","steam_id"`, "/params/fail_url"},
		{"URL with a password", skins, `"steam_id"`, `"fail_url":"https://u:p@h/","steam_id"`, "/params/fail_url"},
		{"unknown side", swap, `"get"`, `"both"`, "/params/amount_side"},
		{"field that would overwrite ours", swap, `"amount":"1"`, `"fields":{"api_id":"1","cf1":"x","callback_url":"y"},"amount":"1"`, "/params/fields/api_id /params/fields/callback_url"},
		{"field that is a number", swap, `"amount":"1"`, `"fields":{"cf1":1},"amount":"1"`, "/params/fields/cf1"},
		{"min_get of zero", swap, `"amount":"1"`, `"min_get":"0","amount":"1"`, "/params/min_get"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := messages.DecodeOrder([]byte(tt.base)); err != nil {
				t.Fatalf("the base is refused: %v", err)
			}
			body := strings.Replace(tt.base, tt.old, tt.new, 1)
			if body == tt.base {
				t.Fatal("the change does not apply")
			}
			got := faultsOf(t, body)
			if diff := cmp.Diff(strings.Split(tt.want, " "), pointersOf(got)); diff != "" {
				t.Errorf("%v (-want +got):\n%s", got, diff)
			}
			if got.ID != "a" {
				t.Errorf("ID %q of a body whose id is usable", got.ID)
			}
		})
	}
}

func TestDecodeOrder_ReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	got := faultsOf(t, `{"v":3,"id":"ok-1","provider":"gamesdropp","kind":"offer","params":{"offer_id":"7","email":"x","colour":1},
		"max_cost":{"amount":560.1},"expires_at":"soon","seal_to":1,"metadata":{"b":"x","a":1},"note":""}`)
	want := []string{
		"/expires_at", "/max_cost/amount", "/max_cost/currency", "/metadata/a", "/note",
		"/params/colour", "/params/email", "/params/offer_id", "/provider", "/seal_to", "/v",
	}
	if diff := cmp.Diff(want, pointersOf(got)); diff != "" {
		t.Error(diff)
	}
	if got.ID != "ok-1" || got.Provider != "" || got.Kind != messages.Offer || got.Metadata != nil {
		t.Errorf("read %q %q %q %q", got.ID, got.Provider, got.Kind, got.Metadata)
	}
	for _, f := range got.Faults {
		if !strings.Contains(got.Error(), f.Pointer+": "+f.Message) {
			t.Errorf("the text of the error lacks %v", f)
		}
	}
}

func TestDecodeOrder_WithoutUsableIDNoEventCanBeWritten(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 1200) + strings.Repeat("]", 1200)
	tests := map[string]string{
		"nothing":             ``,
		"not JSON":            `hello`,
		"half of an order":    topup[:40],
		"trailing data":       topup + ` {}`,
		"two orders":          topup + "\n" + topup,
		"byte order mark":     "\uFEFF" + topup,
		"invalid UTF-8":       strings.Replace(topup, `"x"`, "\"\xff\"", 1),
		"raw NUL":             strings.Replace(topup, `"x"`, "\"\x00\"", 1),
		"a list":              `[` + topup + `]`,
		"a text":              `"order"`,
		"null":                `null`,
		"too deep":            strings.Replace(topup, `"x"`, deep, 1),
		"deeper than Go goes": strings.Repeat("[", 16000) + strings.Repeat("]", 16000),
		"too long":            strings.Replace(topup, `"x"`, `"`+strings.Repeat("x", messages.MaxOrderBytes)+`"`, 1),
		"missing id":          strings.Replace(topup, `"id":"a",`, ``, 1),
		"id as number":        strings.Replace(topup, `"a"`, `12`, 1),
		"null id":             strings.Replace(topup, `"a"`, `null`, 1),
		"empty id":            strings.Replace(topup, `"a"`, `""`, 1),
		"id with a dot":       strings.Replace(topup, `"a"`, `"a.b"`, 1),
		"id with a wildcard":  strings.Replace(topup, `"a"`, `">"`, 1),
		"id with a new line":  strings.Replace(topup, `"a"`, `"a\n"`, 1),
		"id of 65":            strings.Replace(topup, `"a"`, `"`+strings.Repeat("a", 65)+`"`, 1),
		"two equal ids":       strings.Replace(topup, `"id":"a"`, `"id":"a","id":"a"`, 1),
		"two different ids":   strings.Replace(topup, `"id":"a"`, `"id":"a","id":"b"`, 1),
		"three ids":           strings.Replace(topup, `"id":"a"`, `"id":"a","id":"b","id":"a"`, 1),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := faultsOf(t, body)
			if got.ID != "" || len(got.Faults) == 0 {
				t.Errorf("ID %q, faults %v", got.ID, got.Faults)
			}
		})
	}
}
