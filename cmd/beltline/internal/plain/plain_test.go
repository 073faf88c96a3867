package plain_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

func TestWhy_HasWordsForEveryType(t *testing.T) {
	t.Parallel()
	seen := map[string]messages.Type{}
	for _, typ := range messages.Types() {
		e := &messages.Event{Type: typ, State: typ, Provider: messages.GamesDrop, Error: &messages.Error{Code: "X_" + string(typ)}}
		why := plain.Why(e)
		if why == "" || why == string(typ) {
			t.Errorf("%s: %q", typ, why)
		}
		if other, twice := seen[why]; twice {
			t.Errorf("%s and %s are both %q", typ, other, why)
		}
		seen[why] = typ
	}
}

func TestWhy_NeverShowsWhatWasBought(t *testing.T) {
	t.Parallel()
	for _, typ := range messages.Types() {
		e := &messages.Event{
			Type: typ, State: typ, OrderID: "a", Deliverable: []byte(`{"key":"SECRET-CODE"}`),
			Action: &messages.Action{URL: "https://pay.example.com/SECRET-CODE"},
		}
		if line := (plain.Look{}).Line(e, ""); strings.Contains(line, "SECRET-CODE") {
			t.Errorf("%s: %s", typ, line)
		}
	}
}

func TestWhy_TellsADoubtFromAFailure(t *testing.T) {
	t.Parallel()
	e := &messages.Event{Type: messages.Unresolved, State: messages.Unresolved, Provider: messages.BalanceSteam, Error: &messages.Error{Code: "timeout"}}
	looking := plain.Why(e)
	e.NeedsOperator = true
	asked := plain.Why(e)
	for _, why := range []string{looking, asked} {
		if !strings.HasPrefix(why, "perhaps bought") || strings.Contains(why, "fail") {
			t.Errorf("%q", why)
		}
	}
	if looking == asked || plain.Settled(&messages.Event{State: messages.Unresolved}) || !plain.Settled(e) {
		t.Errorf("%q, %q", looking, asked)
	}
}

func TestWhy_SaysWhatPaymentsAreAbout(t *testing.T) {
	t.Parallel()
	pay := money.Must("3030.00", "RUB")
	until := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	status := func(s string) map[string]any { return map[string]any{"deposit_status": s} }
	code := func(c string) *messages.Error { return &messages.Error{Code: c} }
	for _, tt := range []struct {
		event messages.Event
		want  string
	}{
		{messages.Event{Type: messages.ActionRequired, Kind: messages.Deposit}, "the customer must give skins at SkinsBack"},
		{messages.Event{Type: messages.OnHold, Kind: messages.Deposit, HoldUntil: &until, Evidence: status("in_hold")}, "SkinsBack holds it until 1 Dec 10:00 UTC"},
		{messages.Event{Type: messages.OnHold, Kind: messages.Deposit, Evidence: status("hold_approved")}, "SkinsBack has approved it and holds it"},
		{messages.Event{Type: messages.Reversed, Kind: messages.Deposit, Evidence: status("hold_returned"), Error: code("hold_returned")}, "SkinsBack took it back: Steam took the trade back"},
		{messages.Event{Type: messages.Failed, Kind: messages.Deposit, Evidence: status("fail"), Error: code("timeout")}, "nothing was received: the customer chose no skins in time"},
		{messages.Event{Type: messages.Unresolved, Kind: messages.Deposit, Error: code("timeout")}, "perhaps made, being looked into: no answer in time"},
		{messages.Event{Type: messages.Retrying, Kind: messages.Deposit}, "nothing was made, tried again"},
		{messages.Event{Type: messages.Retrying, Kind: messages.Deposit, Error: code("pay_url_lost")}, "its link to pay at was lost, and no money has moved; another one is asked for"},
		{messages.Event{Type: messages.Succeeded, Kind: messages.Deposit}, "received and credited by SkinsBack"},
		{messages.Event{Type: messages.ActionRequired, Kind: messages.Exchange, Action: &messages.Action{PayAmount: &pay}}, "the customer must pay 3030.00 RUB"},
		{messages.Event{Type: messages.ActionRequired, Kind: messages.Exchange, Action: &messages.Action{PayAmount: &pay, Confirm: true}}, "the customer must pay 3030.00 RUB; then it is to be confirmed"},
		{messages.Event{Type: messages.Canceled, Kind: messages.Exchange, ProviderRef: map[string]string{"id": "1234"}}, "Exchanger canceled it as asked"},
		{messages.Event{Type: messages.Canceled, Kind: messages.Exchange}, "canceled before it was made"},
		{messages.Event{Type: messages.Failed, Kind: messages.Exchange, Error: code("cancel")}, "not made: the exchange was given up there"},
		{messages.Event{Type: messages.Unresolved, Kind: messages.PartnerPayout, NeedsOperator: true, Error: code("timeout")}, "perhaps paid out; only an operator can find out: no answer in time"},
	} {
		e := tt.event
		e.State, e.Provider = e.Type, messages.Exchanger
		if e.Kind == messages.Deposit {
			e.Provider = messages.SkinsBack
		}
		if got := plain.Why(&e); got != tt.want {
			t.Errorf("%s of %s: %q, want %q", e.Type, e.Kind, got, tt.want)
		}
	}
}

func TestCause_NamesEveryFault(t *testing.T) {
	t.Parallel()
	e := &messages.Event{Error: &messages.Error{Code: "invalid_order", Message: "the order is not acceptable", Faults: []messages.Fault{
		{Pointer: "/a", Message: "is required"}, {Message: "is too long"},
	}}}
	if got := plain.Cause(e); got != "not an acceptable order: /a is required; is too long" {
		t.Errorf("%q", got)
	}
	if got := plain.Cause(&messages.Event{Error: &messages.Error{Code: "E_NEW", Message: "sold out"}}); got != "E_NEW (sold out)" {
		t.Errorf("%q", got)
	}
}

func TestLook_ColorsOnlyATerminalThatWantsThem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		terminal bool
		environ  map[string]string
		want     bool
	}{
		{true, nil, true},
		{true, map[string]string{"NO_COLOR": "1"}, false},
		{true, map[string]string{"NO_COLOR": ""}, true},
		{true, map[string]string{"TERM": "dumb"}, false},
		{false, nil, false},
	} {
		look := plain.LookOf(tt.terminal, tt.environ)
		line := look.Line(&messages.Event{Type: messages.Failed, State: messages.Failed, Time: time.Now()}, messages.Placing)
		if look.Color != tt.want || strings.Contains(line, "\x1b[") != tt.want {
			t.Errorf("%v %v: %q", tt.terminal, tt.environ, line)
		}
	}
}

func TestTable_ASCIIUsesNothingElse(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	table := plain.Look{ASCII: true}.Table("order", "words").Wrap(map[int]int{2: 10})
	table.Row("a", "as long as two lines")
	table.Write(&out)
	if strings.ContainsFunc(out.String(), func(r rune) bool { return r > 127 }) || !strings.Contains(out.String(), "| a     | as long as |") {
		t.Errorf("\n%s", out.String())
	}
}
