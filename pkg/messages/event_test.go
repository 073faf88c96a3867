package messages_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
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

var update = flag.Bool("update", false, "write the golden files and the schemas anew")

func at(clock string) time.Time {
	v, err := time.Parse(time.RFC3339Nano, "2026-11-21T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return v
}

// base is the event that most samples begin from.
func base(n uint64, typ messages.Type) messages.Event {
	return messages.Event{
		N: n, Type: typ, State: typ, Time: at("20:54:01.123456"), Tenant: "acme", OrderID: "ord-2026-000123",
		Provider: messages.GamesDrop, Kind: messages.Offer, Attempt: 1,
		Metadata: map[string]string{"cart": "981"}, Order: json.RawMessage(`{"v":1}`),
		ProviderRef: map[string]string{"reference": "b16csxjaq5h2x2rdpfgcsggpuf"},
	}
}

func with(e messages.Event, change func(*messages.Event)) messages.Event {
	change(&e)
	return e
}

// goldenEvents is one event of every type, and of every shape of action.
func goldenEvents() map[string]messages.Event {
	return map[string]messages.Event{
		"accepted": with(base(1, messages.Accepted), func(e *messages.Event) {
			e.Attempt, e.ProviderRef, e.Work = 0, nil, &messages.Work{Origin: "ORDERS:17"}
		}),
		"rejected": {
			N: 1, Type: messages.Rejected, State: messages.Rejected, Time: at("20:54:01"), Tenant: "acme", OrderID: "ord-2026-000130",
			Order: json.RawMessage(`{"v":1,"id":"ord-2026-000130","provider":"moon","params":{}}`),
			Error: &messages.Error{Class: "invalid", Code: "invalid_order", Message: "2 faults", Faults: []messages.Fault{
				{Pointer: "/provider", Message: "must be one of balancesteam, skinsback, gamesdrop, exchanger"},
				{Pointer: "/kind", Message: "is required"},
			}},
		},
		"placing": with(base(2, messages.Placing), func(e *messages.Event) {
			e.LeaseUntil = ptr(at("20:54:26.123456"))
			e.Cost, e.CostSource = ptr(money.Must("560.1", "RUB")), messages.FromQuote
			e.Work = &messages.Work{Nonce: "n-1", Owner: "worker-gamesdrop-7f", ReferenceN: 1, Plan: json.RawMessage(`{"data":{"price":"560.10"}}`)}
		}),
		"retrying": with(base(3, messages.Retrying), func(e *messages.Event) {
			e.RetryAt = ptr(at("20:55:01.5"))
			e.Error = &messages.Error{Class: "blocked", Code: "INSUFFICIENT_BALANCE", Message: "refill <the> balance & wait", Retryable: true}
			e.Work = &messages.Work{BlockedSince: ptr(at("20:54:01")), Quotes: 1}
		}),
		"action_required.deposit": with(base(3, messages.ActionRequired), func(e *messages.Event) {
			e.Provider, e.Kind = messages.SkinsBack, messages.Deposit
			e.Action = &messages.Action{URL: "https://skinsback.com/_/pay/9421749033d9d3f7/"}
		}),
		"action_required.exchange": with(base(3, messages.ActionRequired), func(e *messages.Event) {
			e.Provider, e.Kind = messages.Exchanger, messages.Exchange
			e.Cost, e.CostSource = ptr(money.Must("3000", "RUB")), messages.FromResponse
			e.Action = &messages.Action{
				Type: "mypaid", URL: "https://exchange.example/hst_ab/?a=1&b=2", Instruction: "Pay < 3000 RUB", Address: "2202",
				PayAmount: ptr(money.Must("3000", "RUB")), Confirm: true, Cancel: true,
			}
		}),
		"processing": base(4, messages.Processing),
		"on_hold": with(base(4, messages.OnHold), func(e *messages.Event) {
			e.Provider, e.Kind, e.HoldUntil, e.WatchUntil = messages.SkinsBack, messages.Deposit, ptr(at("23:00:00")), ptr(at("23:59:59"))
		}),
		"unresolved": with(base(3, messages.Unresolved), func(e *messages.Event) {
			e.Provider, e.Kind, e.NeedsOperator, e.NotBefore = messages.BalanceSteam, messages.Topup, true, ptr(at("21:09:01"))
			e.Error = &messages.Error{Class: "ambiguous", Code: "timeout", Message: "no answer"}
			e.Evidence = map[string]any{"requested": "100.50", "balance_before": json.Number("1526.3599853515625"), "creates_between": json.Number("0")}
			e.Work = &messages.Work{InDoubt: true, DoubtSince: ptr(at("20:54:21")), ReferenceN: 1}
		}),
		"succeeded": with(base(3, messages.Succeeded), func(e *messages.Event) {
			e.ProviderRef = map[string]string{"reference": "b16csxjaq5h2x2rdpfgcsggpuf", "order_id": "10222502"}
			e.Cost, e.CostSource, e.Finality = ptr(money.Must("560.1", "RUB")), messages.FromResponse, messages.Final
			e.Deliverable = json.RawMessage(`{"key":"001434249936"}`)
		}),
		"failed": with(base(5, messages.Failed), func(e *messages.Event) {
			e.Error = &messages.Error{Class: "rejected", Code: "CANCELED", Message: "out of stock", Faults: []messages.Fault{}}
			e.Evidence = map[string]any{"refund": "unconfirmed"}
		}),
		"canceled": with(base(2, messages.Canceled), func(e *messages.Event) { e.Attempt, e.ProviderRef = 0, nil }),
		"expired":  with(base(2, messages.Expired), func(e *messages.Event) { e.Attempt, e.ProviderRef = 0, nil }),
		"reversed": with(base(6, messages.Reversed), func(e *messages.Event) {
			e.Error = &messages.Error{Class: "rejected", Code: "REFUND", Message: "taken back"}
		}),
		"cancel_refused":  with(base(4, messages.CancelRefused), func(e *messages.Event) { e.State = messages.Succeeded }),
		"confirm_refused": with(base(4, messages.ConfirmRefused), func(e *messages.Event) { e.State = messages.Processing }),
		"late_evidence": with(base(7, messages.LateEvidence), func(e *messages.Event) {
			e.State, e.NeedsOperator = messages.Failed, true
			e.Evidence = map[string]any{"answer": map[string]any{"order_id": "10222502", "price": json.Number("560.10")}}
		}),
		"forgotten": with(base(4, messages.Forgotten), func(e *messages.Event) {
			e.State, e.ProviderRef, e.Metadata, e.Order = messages.Succeeded, nil, nil, nil
			e.Cost, e.CostSource, e.Finality = ptr(money.Must("560.1", "RUB")), messages.FromResponse, messages.Final
			e.Evidence = map[string]any{messages.ForgottenKey: map[string]any{"by": "ada", "content": "pbkdf2-sha256$20000$c2FsdA$c3Vt"}}
		}),
	}
}

// checkGolden compares with a golden file, or writes it under -update.
func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(filepath.Join("testdata", "v1", name), append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := bytes.TrimSpace(golden(t, name)); string(want) != string(got) {
		t.Errorf("%s\n got %s\nwant %s", name, got, want)
	}
}

func TestEvent_GoldenEventsAreWrittenAndReadAsEver(t *testing.T) {
	t.Parallel()
	events := goldenEvents()
	for name, event := range events {
		b, err := event.MarshalJSON()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		file := "event." + name + ".json"
		checkGolden(t, file, b)
		read, err := messages.DecodeEvent(golden(t, file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if event.Error != nil && event.Error.Faults == nil {
			event.Error.Faults = []messages.Fault{}
		}
		if diff := cmp.Diff(&event, read); diff != "" {
			t.Errorf("%s (-written +read):\n%s", name, diff)
		}
	}
	files, err := filepath.Glob("testdata/v1/event.*.json")
	if err != nil || len(files) != len(events) {
		t.Errorf("%d golden files for %d events, %v", len(files), len(events), err)
	}
	for _, typ := range messages.Types() {
		if !slices.ContainsFunc(files, func(f string) bool { return strings.HasPrefix(filepath.Base(f), "event."+string(typ)+".") }) {
			t.Errorf("no golden event of type %s", typ)
		}
	}
}

// contractKeys are the keys of the example in the contract.
var contractKeys = strings.Fields(`v n type state terminal time tenant order_id provider kind attempt provider_ref
	cost cost_source deliverable finality action error evidence needs_operator
	lease_until retry_at hold_until not_before watch_until metadata order`)

func TestEvent_EveryKeyOfTheContractIsAlwaysPresent(t *testing.T) {
	t.Parallel()
	all := goldenEvents()
	all["empty"] = messages.Event{}
	for name, event := range all {
		b, err := event.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var keys map[string]json.RawMessage
		if err := json.Unmarshal(b, &keys); err != nil {
			t.Fatal(err)
		}
		for _, key := range contractKeys {
			if _, there := keys[key]; !there {
				t.Errorf("%s lacks %s", name, key)
			}
			delete(keys, key)
		}
		delete(keys, "work")
		if len(keys) > 0 {
			t.Errorf("%s has keys beyond the contract: %v", name, keys)
		}
	}
}

func TestEvent_IsWrittenAsTheContractShowsIt(t *testing.T) {
	t.Parallel()
	event := goldenEvents()["succeeded"]
	event.Order = json.RawMessage(`{"…":"as submitted"}`)
	got, err := event.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "v": 1, "n": 3, "type": "succeeded", "state": "succeeded", "terminal": true, "time": "2026-11-21T20:54:01.123456Z",
  "tenant": "acme", "order_id": "ord-2026-000123", "provider": "gamesdrop", "kind": "offer", "attempt": 1,
  "provider_ref": {"reference": "b16csxjaq5h2x2rdpfgcsggpuf", "order_id": "10222502"},
  "cost": {"amount": "560.10", "currency": "RUB"}, "cost_source": "response",
  "deliverable": {"key": "001434249936"}, "finality": "final",
  "action": null, "error": null, "evidence": null, "needs_operator": false,
  "lease_until": null, "retry_at": null, "hold_until": null, "not_before": null, "watch_until": null,
  "metadata": {"cart": "981"}, "order": {"…": "as submitted"}
}`
	if !messages.SameContent(got, []byte(want)) {
		t.Errorf("%s", got)
	}
}

func TestEvent_ErrorAlwaysHasAListOfFaults(t *testing.T) {
	t.Parallel()
	b, err := messages.Event{Error: &messages.Error{Class: "ambiguous", Code: "timeout"}}.MarshalJSON()
	if err != nil || !bytes.Contains(b, []byte(`"faults":[]`)) {
		t.Errorf("%s %v", b, err)
	}
}

func TestEvent_ActionHasTheKeysOfItsKind(t *testing.T) {
	t.Parallel()
	tests := map[string]messages.Action{
		`{"url":"https://x/?a=1&b=2"}`: {URL: "https://x/?a=1&b=2"},
		`{"type":"link","url":null,"instruction":null,"pay_amount":null,"address":null,"dest_tag":null,"confirm":false,"cancel":true}`: {Type: "link", Cancel: true},
	}
	for want, action := range tests {
		got, err := action.MarshalJSON()
		if err != nil || string(got) != want {
			t.Errorf("%s %v, want %s", got, err, want)
		}
		var back messages.Action
		if err := json.Unmarshal(got, &back); err != nil || !cmp.Equal(back, action) {
			t.Errorf("%+v %v", back, err)
		}
	}
}

func TestEvent_TimesAreUTCAndHoldMicroseconds(t *testing.T) {
	t.Parallel()
	local := time.Date(2026, 11, 21, 23, 54, 1, 123456789, time.FixedZone("MSK", 3*3600))
	b, err := messages.Event{Time: local, RetryAt: &local}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"time", "retry_at"} {
		if !bytes.Contains(b, []byte(`"`+key+`":"2026-11-21T20:54:01.123456Z"`)) {
			t.Errorf("%s in %s", key, b)
		}
	}
}

func TestDecodeEvent_IgnoresWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	body := strings.Replace(string(golden(t, "event.succeeded.json")), `{"v":1`, `{"mood":{"x":[1]},"v":1`, 1)
	body = strings.Replace(body, `"type":"succeeded"`, `"type":"celebrated"`, 1)
	e, err := messages.DecodeEvent([]byte(body))
	if err != nil || e.Type != "celebrated" || e.State != messages.Succeeded || !e.Terminal() || e.Key() != "acme/ord-2026-000123" {
		t.Errorf("%+v %v", e, err)
	}
}

func TestDecodeEvent_KeepsNumbersOfEvidenceLiterally(t *testing.T) {
	t.Parallel()
	e, err := messages.DecodeEvent(golden(t, "event.unresolved.json"))
	if err != nil || e.Evidence["balance_before"] != json.Number("1526.3599853515625") {
		t.Errorf("%v %v", e, err)
	}
}

func TestDecodeEvent_RefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	good := string(bytes.TrimSpace(golden(t, "event.succeeded.json")))
	tests := []struct {
		name, body string
		want       error
	}{
		{"nothing", "", messages.ErrMalformed},
		{"trailing data", good + "{}", messages.ErrMalformed},
		{"half", good[:100], messages.ErrMalformed},
		{"a list", "[]", messages.ErrMalformed},
		{"no version", "{}", messages.ErrVersion},
		{"version 2", strings.Replace(good, `"v":1`, `"v":2`, 1), messages.ErrVersion},
		{"wrong type", strings.Replace(good, `"n":3`, `"n":"3"`, 1), messages.ErrMalformed},
		{"negative n", strings.Replace(good, `"n":3`, `"n":-3`, 1), messages.ErrMalformed},
		{"cost as number", strings.Replace(good, `"amount":"560.10"`, `"amount":560.10`, 1), messages.ErrMalformed},
		{"time out of range", strings.Replace(good, `"retry_at":null`, `"retry_at":"9999-12-31T23:59:59-10:00"`, 1), messages.ErrMalformed},
	}
	for _, tt := range tests {
		if e, err := messages.DecodeEvent([]byte(tt.body)); !errors.Is(err, tt.want) || e != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestCommand_GoldenCommandsAreWrittenAndReadAsEver(t *testing.T) {
	t.Parallel()
	event := goldenEvents()["accepted"]
	hinted := messages.CommandFor(&event, 42)
	hinted.Hint = json.RawMessage(`{"status":"success","transaction_id":"13"}`)
	for name, c := range map[string]messages.Command{"command.json": messages.CommandFor(&event, 42), "command.hint.json": hinted} {
		checkGolden(t, name, c.Encode())
		read, err := messages.DecodeCommand(golden(t, name))
		if diff := cmp.Diff(c, read); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestDecodeCommand_RefusesWhatPointsNowhere(t *testing.T) {
	t.Parallel()
	tests := []struct {
		body string
		want error
	}{
		{``, messages.ErrMalformed},
		{`{"v":1}`, messages.ErrMalformed},
		{`{"v":1,"tenant":"acme","order_id":"o","seq":0,"n":1}`, messages.ErrMalformed},
		{`{"v":1,"tenant":"unknown","order_id":"o","seq":1,"n":1}`, messages.ErrMalformed},
		{`{"v":1,"tenant":"acme","order_id":"o.>","seq":1,"n":1}`, messages.ErrMalformed},
		{`{"v":1,"tenant":"acme","order_id":"o","seq":-1,"n":1}`, messages.ErrMalformed},
		{`{"v":1,"tenant":"acme","order_id":"o","seq":1,"n":1}x`, messages.ErrMalformed},
		{`{"v":2,"tenant":"acme","order_id":"o","seq":1,"n":1}`, messages.ErrVersion},
		{`{}`, messages.ErrVersion},
	}
	for _, tt := range tests {
		if c, err := messages.DecodeCommand([]byte(tt.body)); !errors.Is(err, tt.want) || !cmp.Equal(c, messages.Command{}) {
			t.Errorf("%s: %+v %v", tt.body, c, err)
		}
	}
}

func TestCommand_MalformedHintPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a command that nobody can read was written")
		}
	}()
	messages.Command{V: 1, Hint: json.RawMessage(`{`)}.Encode()
}
