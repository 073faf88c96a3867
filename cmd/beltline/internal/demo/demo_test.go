package demo_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/cmd/beltline/internal/demo"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

// TestPerform_TheBooksHoldWhatTheEventsSay reads the books and the ledger by
// itself: the audit of the demonstration must not be its own only witness.
func TestPerform_TheBooksHoldWhatTheEventsSay(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	stage, err := demo.OpenStage(ctx, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stage.Close)
	differs, err := demo.Perform(ctx, stage, func(string) {})
	if err != nil || len(differs) > 0 {
		t.Fatalf("%v %q", err, differs)
	}
	got := map[string]string{}
	for _, p := range stage.Steam.Purchases() {
		got[p.LoginOrEmail] += p.Charged.String() + " RUB;"
	}
	for _, p := range stage.Drop.Purchases() {
		got[p.Email+p.GameUserID] += fmt.Sprintf("%s returned %t;", p.Price, p.Returned)
	}
	for _, d := range stage.Skins.Deposits() {
		got[d.Fields["steam_id"]] += fmt.Sprintf("%s %s %s;", d.Status, d.Amount, d.Currency)
	}
	for _, b := range stage.Exchanger.Bids() {
		got[b.Account2] += fmt.Sprintf("%s %s %s;", b.Status, b.AmountGive, b.CurrencyGive)
	}
	for _, p := range stage.Exchanger.Payouts() {
		got[p.Account] += fmt.Sprintf("%d %s;", p.Status, p.Amount)
	}
	want := map[string]string{
		"76561198827262011": "success 25.4 usd;", "76561198827262012": "fail 0 usd;", "76561198827262013": "hold_returned 61 usd;",
		// Two records, of which the customer could pay one.
		"76561198827262014":                  "pending 0 usd;success 12.75 usd;",
		"TQ5NMqJjhpQGK7YJbESKtNCo86PJ89ujio": "success 3030.00 RUB;", "TGivesUpNMqJjhpQGK7YJbESKtNCo86PJ2": "cancel 7070.00 RUB;",
		"TLostAnswerQ5NMqJjhpQGK7YJbESKtN4": "success 4545.00 RUB;", "TPartnerQ5NMqJjhpQGK7YJbESKtNCo865": "1 250.00;",
		"gordon_freeman": "500 RUB;", "alyx_vance": "1250.5 RUB;", "anna@example.com": "513.35075 RUB;", "eli_vance": "330 RUB;",
		"judith_mossman": "750 RUB;", "isaac_kleiner": "640 RUB;",
		"vera@example.com": "842.50 RUB returned false;", "128835443": "12.90 USD returned false;",
		"777000123": "0.78 USD returned false;", "143594291": "0.39 USD returned false;",
		"gleb@example.com": "52.10 EUR returned false;", "dina@example.com": "19.85 USD returned false;",
		"zoya@example.com": "23.75 USD returned true;", "ivan@example.com": "27.40 USD returned false;",
		"kira@example.com": "27.40 USD returned false;",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the books (-want +got):\n%s", diff)
	}
	for _, p := range []messages.Provider{messages.SkinsBack, messages.Exchanger} {
		if codes := stage.Callbacks()[p]; !slices.Contains(codes, http.StatusOK) {
			t.Errorf("no call of %s was taken: %v", p, codes)
		}
	}
	c, err := client.Connect(client.Options{URL: stage.NATS(), Tenant: demo.Tenant})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for id, want := range map[string]string{
		"ord-2001": "accepted placing succeeded", "ord-2006": "accepted placing retrying placing succeeded",
		"ord-2011": "accepted placing unresolved placing succeeded", "ord-2010": "accepted placing unresolved placing unresolved",
		"ord-1005": "accepted placing unresolved", "ord-2005": "accepted placing processing succeeded",
		"ord-1101": "accepted placing retrying canceled",
		"ord-3001": "accepted placing action_required on_hold on_hold succeeded", "ord-3002": "accepted placing action_required failed",
		"ord-3003": "accepted placing action_required on_hold on_hold reversed",
		"ord-3004": "accepted placing unresolved retrying placing action_required succeeded",
		"ord-4001": "accepted placing action_required processing succeeded",
		"ord-4002": "accepted placing action_required canceled confirm_refused", "ord-4003": "accepted failed",
		"ord-4004": "accepted placing unresolved action_required processing succeeded", "ord-4005": "accepted placing processing succeeded",
	} {
		history, err := c.History(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if got := path(history); !within(got, strings.Fields(want)) {
			t.Errorf("%s went by %s, not by %s", id, got, want)
		}
	}
}

func path(history []*messages.Event) []string {
	var types []string
	for _, e := range history {
		types = append(types, string(e.Type))
	}
	return types
}

// within reports whether all steps were made, in order, from the first to the
// last. On a slow machine there may be more: a permit that grew too old is a
// retry, and nothing was sent.
func within(got, steps []string) bool {
	if len(got) == 0 || got[0] != steps[0] || got[len(got)-1] != steps[len(steps)-1] {
		return false
	}
	for _, g := range got {
		if len(steps) > 0 && g == steps[0] {
			steps = steps[1:]
		}
	}
	return len(steps) == 0
}

func TestAudit_FindsWhatMustNeverHappen(t *testing.T) {
	t.Parallel()
	ten, eleven := money.Must("10.00", "RUB"), money.Must("11.00", "RUB")
	event := func(state messages.Type) *messages.Event {
		return &messages.Event{
			OrderID: "ord-1", Type: state, State: state, Attempt: 1, NeedsOperator: state == messages.Unresolved,
			Evidence: map[string]any{"requested": map[string]any{"amount": "10.00", "currency": "RUB"}},
		}
	}
	mine := demo.BookLine{Customer: "gordon", Amount: ten}
	tests := []struct {
		name  string
		event *messages.Event
		books []demo.BookLine
		want  demo.Findings
	}{
		{"all is well", event(messages.Succeeded), []demo.BookLine{mine}, demo.Findings{}},
		{"bought twice", event(messages.Succeeded), []demo.BookLine{mine, mine}, demo.Findings{Twice: 1, Differs: 2}},
		{"no outcome", nil, []demo.BookLine{mine}, demo.Findings{Lost: 1, Differs: 1}},
		{"stuck", event(messages.Placing), nil, demo.Findings{Lost: 1, Differs: 1}},
		{"succeeded on paper", event(messages.Succeeded), nil, demo.Findings{Lost: 1, Differs: 1}},
		{"bought and given back", event(messages.Succeeded), []demo.BookLine{{"gordon", ten, true}}, demo.Findings{Lost: 1, Differs: 1}},
		{"another amount", event(messages.Succeeded), []demo.BookLine{{"gordon", eleven, false}}, demo.Findings{Wrong: 1, Differs: 1}},
		{"bought and called failed", event(messages.Failed), []demo.BookLine{mine}, demo.Findings{Denied: 1, Differs: 2}},
		{"not what the script says", event(messages.Failed), nil, demo.Findings{Differs: 2}},
		{"in doubt, which it must not be", event(messages.Unresolved), []demo.BookLine{mine}, demo.Findings{Differs: 1}},
		{"a purchase of nobody's", event(messages.Succeeded), []demo.BookLine{mine, {"mallory", ten, false}}, demo.Findings{Lost: 1, Differs: 1}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, demo.Audit(tt.event, tt.books...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestAudit_OfADepositCountsMoneyAndNotLinks(t *testing.T) {
	t.Parallel()
	ten := money.Must("10.00", "USD")
	event := func(state messages.Type, amount string) *messages.Event {
		return &messages.Event{
			OrderID: "ord-1", Kind: messages.Deposit, Type: state, State: state, Attempt: 1,
			Deliverable: []byte(`{"amount":{"amount":"` + amount + `","currency":"USD"}}`),
		}
	}
	straight := []messages.Type{messages.ActionRequired, messages.OnHold, messages.Succeeded}
	paid, returned := demo.BookLine{Customer: "gordon", Amount: ten}, demo.BookLine{Customer: "gordon", Amount: ten, Undone: true}
	for _, tt := range []struct {
		name  string
		event *messages.Event
		path  []messages.Type
		books []demo.BookLine
		want  demo.Findings
	}{
		{"all is well", event(messages.Succeeded, "10"), straight, []demo.BookLine{paid}, demo.Findings{}},
		{"another way", event(messages.Succeeded, "10"), straight[:1], []demo.BookLine{paid}, demo.Findings{Differs: 1}},
		{"credited and never paid", event(messages.Succeeded, "10"), straight, nil, demo.Findings{Lost: 1, Differs: 1}},
		{"another sum", event(messages.Succeeded, "10.01"), straight, []demo.BookLine{paid}, demo.Findings{Wrong: 1, Differs: 1}},
		{"paid twice", event(messages.Succeeded, "10"), straight, []demo.BookLine{paid, paid}, demo.Findings{Twice: 1, Differs: 2}},
		{"credited and taken back", event(messages.Succeeded, "10"), straight, []demo.BookLine{returned}, demo.Findings{Lost: 1, Differs: 1}},
		{"said to be reversed and kept", event(messages.Reversed, "10"), straight, []demo.BookLine{paid}, demo.Findings{Denied: 1, Differs: 2}},
	} {
		if diff := cmp.Diff(tt.want, demo.AuditDeposit(tt.event, tt.path, tt.books...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestAudit_OfCallbacksForgivesAllButARefusal(t *testing.T) {
	t.Parallel()
	called, differs := demo.AuditCallbacks(map[messages.Provider][]int{messages.SkinsBack: {200, 0, 503}, messages.Exchanger: {200, 401}})
	if called != 5 || len(differs) != 1 || !strings.Contains(differs[0], "exchanger was turned away with 401") {
		t.Errorf("%d calls, %q", called, differs)
	}
}
