package plain_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/pkg/messages"
)

// stuckOrder is the history of an order whose answer was lost, in as many events.
func stuckOrder(events uint64) (all []*messages.Event, at time.Time) {
	at = time.Date(2026, 11, 22, 5, 30, 0, 0, time.UTC)
	lease, notBefore := at.Add(3*time.Second), at.Add(15*time.Minute)
	for n := uint64(1); n <= events; n++ {
		e := &messages.Event{
			N: n, Type: messages.Unresolved, State: messages.Unresolved, Time: at.Add(time.Duration(n) * time.Millisecond), Tenant: "acme", OrderID: "a",
			Provider: messages.BalanceSteam, Kind: messages.Topup, Attempt: 1, NeedsOperator: n > 1, NotBefore: &notBefore,
			Error:       &messages.Error{Class: "ambiguous", Code: "timeout"},
			ProviderRef: map[string]string{"reference": "b1abc"},
			Deliverable: json.RawMessage(`{"key":"SECRET-CODE"}`),
			Order:       json.RawMessage(`{"v":1,"params":{"login":"gordon","amount":"100.00"},"max_cost":{"amount":"110","currency":"RUB"}}`),
			Evidence: map[string]any{
				"witness": map[string]any{"balance_before": "5000.50", "at": at, "balance_after": "4900.50", "at_after": at, "other_creates": 0},
				"http":    []any{map[string]any{"sent_at": at, "op": "create", "status": nil}},
				"repeat":  map[string]any{"code": "paid\x1b[2J"},
			},
		}
		if n == 1 {
			e.Type, e.State, e.LeaseUntil, e.Work = messages.Placing, messages.Placing, &lease, &messages.Work{Owner: "worker-1"}
		}
		all = append(all, e)
	}
	return all, at
}

func dossier(all []*messages.Event, now time.Time) string {
	var out bytes.Buffer
	plain.Look{}.Dossier(&out, all, now)
	return out.String()
}

func TestDossier_TellsWhoeverDecidesAllThatIsKnownAndNoConclusion(t *testing.T) {
	t.Parallel()
	all, at := stuckOrder(3)
	got := dossier(all, at.Add(time.Minute))
	for _, want := range []string{
		"acme/a  unresolved (operator)  event 3 of " + plain.Moment(at.Add(3*time.Millisecond)) + "\n  perhaps bought; only an operator can find out: no answer in time\n",
		"asked for\n  balancesteam topup\n  amount: 100.00\n  login: gordon\n  max cost: 110 RUB\n",
		"known to the provider as\n  reference: b1abc\n",
		"placing         attempt 1, about to call BalanceSteam; reference b1abc, may be sent until\n" + strings.Repeat(" ", 48) +
			at.Add(3*time.Second).Local().Format("15:04:05.000") + ", by worker-1\n",
		"    3  " + plain.Moment(at.Add(3*time.Millisecond)) + "  unresolved      more is known for the operator",
		"requests and answers, oldest first\n  1:\n    op: create\n    sent at: " + plain.Moment(at) + "\n    status: -\n",
		"our balance there\n  before: 5000.50, read " + plain.Moment(at) + "\n  after:  4900.50, read " + plain.Moment(at) + "\n          100 less\n  other creates: 0\n",
		"more evidence\n  repeat:\n    code: paid\\u001b[2J\n",
		"may be decided\n  succeeded           now\n  failed, place-again from " + plain.Moment(at.Add(15*time.Minute)) + " on, in 14m0s",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks\n%s", want)
		}
	}
	if strings.Contains(got, "SECRET-CODE") || strings.Contains(got, "\x1b") {
		t.Error("it shows what was bought, or drives the terminal")
	}
	if t.Failed() {
		t.Logf("\n%s", got)
	}
}

func TestDossier_OfALongHistoryShowsTheEnd(t *testing.T) {
	t.Parallel()
	all, at := stuckOrder(300)
	got := dossier(all, at)
	if !strings.Contains(got, "  …  260 earlier events are not shown") || !strings.Contains(got, "\n  300  ") || strings.Contains(got, "\n  260  ") {
		t.Errorf("\n%s", got)
	}
	if got := dossier(all[299:], at); !strings.Contains(got, "299 earlier events are not shown") {
		t.Errorf("of its last event alone:\n%s", got)
	}
}

func TestDossier_SaysWhereABalanceIsNotKnown(t *testing.T) {
	t.Parallel()
	all, at := stuckOrder(2)
	all[1].Evidence = map[string]any{"witness": map[string]any{
		"balance_before": nil, "error": "timeout", "balance_after": nil, "error_after": nil, "other_creates": nil, "news": 7,
	}}
	got := dossier(all, at)
	for _, want := range []string{"before: could not be read: timeout\n", "after:  was not read\n", "other creates: -\n", "news: 7\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestDecidable_FollowsTheStateAndTheHoldDown(t *testing.T) {
	t.Parallel()
	all, at := stuckOrder(2)
	e := *all[1]
	for _, tt := range []struct {
		change func()
		want   string
	}{
		{func() {}, "from "},
		{func() { e.NotBefore = &at }, "failed, place-again now"},
		{func() { e.NotBefore = nil }, "failed, place-again now"},
		{func() { e.NeedsOperator = false }, "not while it is still being looked up"},
		{func() { e.State = messages.Succeeded }, "nothing: the order is succeeded"},
	} {
		tt.change()
		if got := strings.Join(plain.Decidable(&e, at), "\n"); !strings.Contains(got, tt.want) {
			t.Errorf("%q, without %q", got, tt.want)
		}
	}
}
