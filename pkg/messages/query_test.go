package messages_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// queries has every kind of question with all its fields.
func queries() []messages.Query {
	window := messages.TimeWindow{StartTime: &noon, EndTime: &noon, Limit: 10}
	currencies := messages.CurrencyFilter{GiveID: "1", GetID: "2"}
	return []messages.Query{
		messages.SteamBalanceQuery{}, messages.CheckLoginQuery{Login: "gaben"}, messages.GiftCardPriceQuery{ServiceID: 5999, Email: "a@b.cd"},
		messages.DepositStatusQuery{OrderID: "b1x"}, messages.DepositStatusQuery{TransactionID: "13"},
		messages.DropBalanceQuery{}, messages.BalanceTransactionsQuery{Page: 2, Limit: 20}, messages.FindOfferQuery{OfferID: 1001}, messages.FindOfferQuery{Stars: 50},
		messages.OrderStatusQuery{OrderID: "10222502"}, messages.CheckPlayerQuery{OfferID: 1, GameUserID: "u", GameServerID: "s"}, messages.TelegramUserQuery{TelegramUser: "@x"},
		messages.ExchangerTestQuery{}, messages.DirectionCurrenciesQuery{CurrencyFilter: currencies}, messages.DirectionsQuery{CurrencyFilter: currencies},
		messages.DirectionQuery{DirectionID: "12"},
		messages.CalcQuery{DirectionID: "12", Amount: money.MustDecimal("3000.5"), AmountSide: "give", AccountFrom: "a", AccountTo: "b", Fields: map[string]string{"cf6": "x"}},
		messages.ExchangesQuery{TimeWindow: window, IP: "127.0.0.1", ID: "1", APIID: "77", StatusHistory: true, Offset: 100},
		messages.BidInfoQuery{ID: "1"}, messages.BidInfoQuery{Hash: "ab12"}, messages.PartnerInfoQuery{}, messages.PartnerLinksQuery{TimeWindow: window, IP: "::1"},
		messages.PartnerExchangesQuery{TimeWindow: window, IP: "::1", ID: "2", StatusHistory: true}, messages.PartnerPayoutsQuery{TimeWindow: window, ID: "57"},
	}
}

func TestDecodeQuery_EveryQuestionSurvivesTheWire(t *testing.T) {
	t.Parallel()
	asked := map[string]bool{}
	for _, q := range queries() {
		p, method := q.Asks()
		asked[string(p)+"."+method] = true
		body, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := messages.DecodeQuery(p, method, body)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if diff := cmp.Diff(q, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
		if err := validate(compile(t, "svc."+string(p)+"."+method+".request.json"), body); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if err := validate(compile(t, "svc.providers.request.json"), body); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, p := range messages.Providers() {
		for _, m := range p.ServiceMethods() {
			if !asked[string(p)+"."+m] {
				t.Errorf("no question of %s.%s", p, m)
			}
		}
	}
	if _, err := messages.DecodeQuery(messages.GamesDrop, "buy", []byte(`{}`)); !errors.Is(err, messages.ErrMalformed) {
		t.Errorf("a method that is not there: %v", err)
	}
}

func TestDecodeQuery_IsNeverLaxerThanTheSchema(t *testing.T) {
	t.Parallel()
	all := queries()
	var accepted, refused atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		q := all[rapid.IntRange(0, len(all)-1).Draw(rt, "query")]
		p, method := q.Asks()
		body, err := json.Marshal(q)
		if err != nil {
			rt.Fatal(err)
		}
		var object map[string]any
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		if err := dec.Decode(&object); err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(0, 2).Draw(rt, "changes") {
			mutate(rt, object)
		}
		if body, err = json.Marshal(object); err != nil {
			rt.Fatal(err)
		}
		_, decodeErr := messages.DecodeQuery(p, method, body)
		schemaErr := validate(compile(t, "svc."+string(p)+"."+method+".request.json"), body)
		switch {
		case decodeErr == nil && schemaErr != nil:
			rt.Fatalf("the decoder accepts what the schema refuses: %s %s\n%v", method, body, schemaErr)
		case decodeErr == nil:
			accepted.Add(1)
		default:
			refused.Add(1)
		}
	})
	if accepted.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d accepted, %d refused: the mutations show nothing", accepted.Load(), refused.Load())
	}
}

func TestOrdersAsked_SurvivesTheWireOfBothServices(t *testing.T) {
	t.Parallel()
	yes := true
	want := messages.OrdersAsked{
		Tenant: "acme", Provider: messages.GamesDrop, State: messages.Unresolved, NeedsOperator: &yes, OlderThan: 90 * time.Minute, Limit: 7, Cursor: "12",
	}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := messages.DecodeOperatorList(body)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := messages.DecodeOrdersList(body); err == nil || !strings.Contains(err.Error(), "tenant") {
		t.Errorf("a tenant in the body of a tenant's question: %v", err)
	}
	if got, err := messages.DecodeOrdersList(nil); err != nil || !reflect.DeepEqual(got, messages.OrdersAsked{Limit: messages.DefaultPage}) {
		t.Errorf("no body: %+v, %v", got, err)
	}
}

func TestDecodeResolve_ReadsWhatADecisionRestsOnToTheLetter(t *testing.T) {
	t.Parallel()
	body := `{"tenant":"acme","id":"o1","expected_n":4,"decision":"place_again","new_reference":true,"by":"ann","dry_run":true,
		"evidence":{"sum":100.50,"rows":[1,"x",null,true],"deep":{"a":"b"}}}`
	got, err := messages.DecodeResolve([]byte(body))
	want := messages.Resolve{
		Tenant: "acme", ID: "o1", ExpectedN: 4, Decision: messages.DecidedPlaceAgain, NewReference: true, By: "ann", DryRun: true,
		Evidence: map[string]any{"sum": json.Number("100.50"), "rows": []any{json.Number("1"), "x", nil, true}, "deep": map[string]any{"a": "b"}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	again, err := json.Marshal(got)
	if err != nil || !messages.SameContent([]byte(body), again) {
		t.Errorf("written again: %s, %v", again, err)
	}
}

func TestDecodeResolve_TakesANewReferenceThatIsNotAskedForWithAnyDecision(t *testing.T) {
	t.Parallel()
	for _, decision := range []messages.Decision{messages.DecidedSucceeded, messages.DecidedFailed, messages.DecidedPlaceAgain} {
		body := `{"tenant":"acme","id":"o1","expected_n":4,"decision":"` + string(decision) + `","new_reference":%t,"evidence":"x","by":"ann","dry_run":false}`
		if got, err := messages.DecodeResolve(fmt.Appendf(nil, body, false)); err != nil || got.NewReference || got.Decision != decision {
			t.Errorf("%s without one: %+v, %v", decision, got, err)
		}
		if _, err := messages.DecodeResolve(fmt.Appendf(nil, body, true)); (err == nil) != (decision == messages.DecidedPlaceAgain) {
			t.Errorf("%s with one: %v", decision, err)
		}
	}
}

func TestInterfaces_AreCompleteInThemselves(t *testing.T) {
	t.Parallel()
	check := func(name string, i messages.Interface) {
		for _, schema := range [][]byte{i.Request, i.Answer} {
			if bytes.Contains(schema, []byte(".json")) || !json.Valid(schema) {
				t.Errorf("%s: %s", name, schema)
			}
		}
	}
	for _, m := range messages.OrdersMethods() {
		check(m, messages.OrdersInterface(m))
	}
	for _, m := range messages.OperatorMethods() {
		check(m, messages.OperatorInterface(m))
	}
	for _, p := range messages.Providers() {
		for _, m := range p.ServiceMethods() {
			check(m, messages.QueryInterface(p, m))
		}
	}
	// What is discovered takes what is stored.
	c := newCompiler()
	if err := c.AddResource("list.json", mustJSON(t, messages.OrdersInterface("history").Answer)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("list.json")
	if err != nil {
		t.Fatal(err)
	}
	event := string(mustRead(filepath.Join("testdata", "v1", "event.succeeded.json")))
	if err := validate(s, []byte("["+event+"]")); err != nil {
		t.Error(err)
	}
	if validate(s, []byte(`[{"v":1}]`)) == nil {
		t.Error("anything is taken for an event")
	}
}

func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return c
}

func mustJSON(t *testing.T, b []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
