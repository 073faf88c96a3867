package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

func dec(s string) *money.Decimal {
	d := money.MustDecimal(s)
	return &d
}

// full has every param of every kind.
func full() map[messages.Kind]messages.Params {
	return map[messages.Kind]messages.Params{
		messages.Topup:    messages.TopupParams{Login: "gaben_1962", Amount: money.MustDecimal("100.50")},
		messages.GiftCard: messages.GiftCardParams{ServiceID: 5999, Email: "user@gmail.com"},
		messages.Deposit: messages.DepositParams{
			SteamID: "76561198827262007", TradeToken: "Ab3_-9xZ", Currency: "usd", MinAmount: dec("5"), MaxAmount: dec("100.00"), Game: "cs2", Widget: true,
			SuccessURL: "https://shop.example/ok?a=1&b=<2>", FailURL: "https://shop.example/no", CustomMultiplier: dec("1.05"),
			CustomCurrency: "GEMS", CustomCurrencyRate: dec("0.1"),
		},
		messages.Offer:         messages.OfferParams{OfferID: 1001, Email: "user@gmail.com", GameUserID: "52357322414", GameServerID: "eu"},
		messages.TelegramStars: messages.TelegramStarsParams{Stars: 50, TelegramUser: "@durov", Email: "user@gmail.com"},
		messages.Exchange: messages.ExchangeParams{
			DirectionID: "12", Amount: money.MustDecimal("3000"), AmountSide: "give_with_fee", AccountFrom: "2202 2000", AccountTo: "TXYZabc",
			Fields: map[string]string{"cf6": "user@gmail.com", "cfgive8": "Иван"}, PartnerID: "7", MinGet: dec("31.123456789012"),
		},
		messages.PartnerPayout: messages.PartnerPayoutParams{MethodID: "3", Account: "4100111222333"},
	}
}

// What a builder writes is what the decoder of the dispatcher reads, and there
// is no param that a program in Go could not give.
func TestEncode_WritesEveryParamOfEveryKindAsTheContractNamesIt(t *testing.T) {
	t.Parallel()
	expires := time.Date(2031, 12, 1, 10, 0, 0, 123456000, time.UTC)
	_, sealTo, err := messages.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	kinds := full()
	if got := slices.Sorted(maps.Keys(kinds)); !slices.Equal(got, slices.Sorted(slices.Values(messages.Kinds()))) {
		t.Fatalf("the kinds of this test are %s", got)
	}
	for kind, params := range kinds {
		o := client.Order{
			ID: "ord-1", Params: params, MaxCost: money.Must("560.10", "RUB"), ExpiresAt: expires.Add(99), SealTo: sealTo, Metadata: map[string]string{"cart": "981"},
		}
		body, err := o.Encode()
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		got, err := messages.DecodeOrder(body)
		if err != nil {
			t.Errorf("%s: %v\n%s", kind, err, body)
			continue
		}
		equal := cmp.Comparer(func(a, b money.Decimal) bool { return a.Equal(b) })
		if diff := cmp.Diff(params, got.Params, equal); diff != "" || got.Kind != kind {
			t.Errorf("%s read as %s: %s", kind, got.Kind, diff)
		}
		if got.ID != o.ID || !got.MaxCost.Equal(o.MaxCost) || !got.ExpiresAt.Equal(expires) || got.SealTo != sealTo || got.Metadata["cart"] != "981" {
			t.Errorf("%s: %+v", kind, got)
		}
		var written struct{ Params map[string]json.RawMessage }
		if err := json.Unmarshal(body, &written); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(paramsOfSchema(t, got.Provider, kind), slices.Sorted(maps.Keys(written.Params))); diff != "" {
			t.Errorf("%s: the params of the schema and those that were written: %s", kind, diff)
		}
	}
}

func paramsOfSchema(t *testing.T, p messages.Provider, kind messages.Kind) []string {
	t.Helper()
	var schema struct {
		Properties struct {
			Params struct {
				Properties map[string]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(messages.Schemas()[fmt.Sprintf("order.%s.%s.json", p, kind)], &schema); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(schema.Properties.Params.Properties))
}

func TestEncode_LeavesOutWhatWasNotGiven(t *testing.T) {
	t.Parallel()
	body, err := client.Order{ID: "a", Params: messages.DepositParams{SteamID: "1", TradeToken: "Ab3_-9xZ"}}.Encode()
	want := `{"v":1,"id":"a","provider":"skinsback","kind":"deposit","params":{"steam_id":"1","trade_token":"Ab3_-9xZ"}}`
	if err != nil || string(body) != want {
		t.Errorf("%s, %v", body, err)
	}
}

// The same order must be the same content each time, whatever it is: otherwise a
// repeat is a conflict.
func TestEncode_IsReadAsItWasWrittenAndTheSameEachTime(t *testing.T) {
	t.Parallel()
	text := rapid.StringMatching(`[a-zA-Z<>&"' я-ё€]{1,40}`)
	amount := rapid.Map(rapid.StringMatching(`[1-9][0-9]{0,11}(\.[0-9]{0,17}[1-9])?`), money.MustDecimal)
	rapid.Check(t, func(t *rapid.T) {
		o := client.Order{
			ID: rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "id"),
			Params: messages.ExchangeParams{
				DirectionID: text.Draw(t, "direction"), Amount: amount.Draw(t, "amount"), AmountSide: rapid.SampledFrom([]string{"give", "get"}).Draw(t, "side"),
				AccountTo: text.Draw(t, "account"), Fields: rapid.MapOfN(rapid.StringMatching(`cf[1-9][0-9]{0,2}`), text, 1, 5).Draw(t, "fields"),
			},
			Metadata: rapid.MapOfN(text, text, 1, 5).Draw(t, "metadata"),
		}
		body, err := o.Encode()
		if err != nil {
			t.Fatalf("%v: %+v", err, o)
		}
		again, err := o.Encode()
		if err != nil || string(again) != string(body) {
			t.Fatalf("%s\n%s\n%v", body, again, err)
		}
		got, err := messages.DecodeOrder(body)
		if err != nil {
			t.Fatal(err)
		}
		equal := cmp.Comparer(func(a, b money.Decimal) bool { return a.Equal(b) })
		if diff := cmp.Diff(o.Params, got.Params, equal); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(o.Metadata, got.Metadata); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEncode_FaultsPointAtWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		order client.Order
		want  []string
	}{
		"nothing":        {client.Order{}, []string{"/params"}},
		"empty params":   {client.Order{ID: "a", Params: messages.TopupParams{}}, []string{"/params/login", "/params/amount"}},
		"no currency":    {client.Order{ID: "a", Params: full()[messages.Offer], MaxCost: money.New(money.MustDecimal("5"), "")}, []string{"/max_cost/currency"}},
		"a key mistyped": {client.Order{ID: "a", Params: full()[messages.PartnerPayout], SealTo: "XABC"}, []string{"/seal_to"}},
		"below zero":     {client.Order{ID: "a", Params: messages.TopupParams{Login: "x", Amount: money.MustDecimal("-1")}}, []string{"/params/amount"}},
	} {
		_, err := c.order.Encode()
		var invalid *messages.InvalidError
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, f := range invalid.Faults {
			got = append(got, f.Pointer)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %s", name, err)
		}
	}
}

func TestGoods_AreOpenedByTheSeedThatTheyWereSealedTo(t *testing.T) {
	t.Parallel()
	seed, sealTo, err := messages.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	plain := json.RawMessage(`{"key":"001434249936"}`)
	box, err := messages.Seal(plain, sealTo)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		deliverable json.RawMessage
		seed        []byte
		want        string
		err         error
	}{
		"sealed":      {box, seed, string(plain), nil},
		"not sealed":  {plain, nil, string(plain), nil},
		"nothing":     {nil, nil, "", nil},
		"without key": {box, nil, "", messages.ErrSealKey},
	} {
		got, err := client.Event{Event: messages.Event{Deliverable: c.deliverable}}.Goods(c.seed)
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}
