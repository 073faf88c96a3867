package messages_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/pkg/messages"
)

func TestDecodeOrder_NestingWithinTheLimitIsAFaultOfTheOrder(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 900) + "1" + strings.Repeat("}", 900)
	got := faultsOf(t, strings.Replace(topup, `"v":1`, `"v":1,"x":`+deep, 1))
	if got.ID != "a" || len(got.Faults) != 1 || got.Faults[0].Pointer != "/x" {
		t.Errorf("%q %v", got.ID, got.Faults)
	}
}

func TestDecodeOrder_FaultsAlwaysFitIntoAnEvent(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	many.WriteString(`{"id":"a"`)
	for i := 0; many.Len() < messages.MaxOrderBytes-20; i++ {
		many.WriteString(`,"` + strings.Repeat("a", 1+i%3) + strings.Repeat("b", i/3%7) + `":0`)
	}
	many.WriteString("}")
	name := strings.Repeat("n", 20000)
	bodies := []string{
		many.String(),
		strings.Replace(topup, `"v":1`, `"v":1,"metadata":{"`+name+`":1,"`+name[1:9000]+`":2}`, 1),
	}
	for _, body := range bodies {
		got := faultsOf(t, body)
		event := messages.Event{
			N: 1, Type: messages.Rejected, State: messages.Rejected, Tenant: "t", OrderID: got.ID, Order: json.RawMessage(body),
			Error: &messages.Error{Class: "invalid", Code: "invalid_order", Message: "see faults", Faults: got.Faults},
		}
		b, err := event.MarshalJSON()
		if err != nil || len(b) > messages.MaxEventBytes {
			t.Errorf("an event of %d bytes with %d faults: %v", len(b), len(got.Faults), err)
		}
	}
	if last := faultsOf(t, bodies[0]).Faults; !strings.HasPrefix(last[len(last)-1].Message, "and ") {
		t.Errorf("the faults that found no room are not counted: %v", last[len(last)-1])
	}
}

func TestDecodeOrder_KeepsTextsExactly(t *testing.T) {
	t.Parallel()
	order, err := messages.DecodeOrder([]byte(strings.Replace(topup, `"x"`, `" MiXed\u0041 \ud83d\ude00 \/ "`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got := order.Params.(messages.TopupParams).Login; got != " MiXedA 😀 / " {
		t.Errorf("login %q", got)
	}
}

func TestDecodeOrder_RawIsACopy(t *testing.T) {
	t.Parallel()
	body := []byte(topup)
	order, err := messages.DecodeOrder(body)
	if err != nil {
		t.Fatal(err)
	}
	body[0] = 'X'
	if string(order.Raw) != topup {
		t.Error("the order changes with the buffer it was read from")
	}
}

func TestDecodeOrder_TakesWhatIsUnusualButRight(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"white space around":      "\r\n\t " + topup + " \n",
		"longest body":            topup + strings.Repeat(" ", messages.MaxOrderBytes-len(topup)),
		"offset in expires_at":    strings.Replace(topup, `"v":1`, `"v":1,"expires_at":"2026-12-01T10:00:00.123456789+03:00"`, 1),
		"empty metadata":          strings.Replace(topup, `"v":1`, `"v":1,"metadata":{}`, 1),
		"metadata of 4 KB":        strings.Replace(topup, `"v":1`, `"v":1,"metadata":{"a":"`+strings.Repeat("x", 4095)+`"}`, 1),
		"metadata of any text":    strings.Replace(topup, `"v":1`, `"v":1,"metadata":{"":"x","a":"\u0000","b\u0000":""}`, 1),
		"greatest offer id":       strings.Replace(offer, `"offer_id":1`, `"offer_id":9223372036854775807`, 1),
		"max_cost in USDT":        strings.Replace(offer, `"RUB"`, `"USDT"`, 1),
		"max_cost of no need":     strings.Replace(topup, `"v":1`, `"v":1,"max_cost":{"amount":"5","currency":"RUB"}`, 1),
		"fullest multiplier":      strings.Replace(skins, `"steam_id"`, `"custom_multiplier":"2.00","steam_id"`, 1),
		"smallest multiplier":     strings.Replace(skins, `"steam_id"`, `"custom_multiplier":"0.5","steam_id"`, 1),
		"min without max":         strings.Replace(skins, `"steam_id"`, `"currency":"rub","min_amount":"0.01","steam_id"`, 1),
		"name without @":          strings.Replace(stars, `"telegram_user":"1"`, `"telegram_user":"durov"`, 1),
		"e-mail of another land":  strings.Replace(card, `"a@b.c"`, `"иван+1@почта.рф"`, 1),
		"order of keys":           `{"params":{"amount":"1","login":"x"},"kind":"topup","provider":"balancesteam","id":"a","v":1}`,
		"text of 256 characters":  strings.Replace(topup, `"x"`, `"`+strings.Repeat("я", 256)+`"`, 1),
		"a place that is written": strings.Replace(topup, `"amount":"1"`, `"amount":"1.10"`, 1),
	}
	for name, body := range tests {
		if _, err := messages.DecodeOrder([]byte(body)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
