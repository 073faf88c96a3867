package balancesteam_test

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// recorded returns the plan as it comes back from the ledger.
func recorded(t *testing.T, plan providers.Plan) providers.Plan {
	t.Helper()
	b, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var back providers.Plan
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// seen returns the witness part of evidence, without its times.
func seen(t *testing.T, evidence map[string]any) map[string]any {
	t.Helper()
	w, ok := evidence["witness"].(map[string]any)
	if !ok {
		t.Fatalf("no witness in %v", evidence)
	}
	for _, at := range []string{"at", "at_after"} {
		if v, ok := w[at]; ok && v != nil && v != "" {
			w[at] = "time"
		}
	}
	delete(w, "note")
	return w
}

func TestWitness_ShowsTheBalanceBeforeAndAfterALostAnswer(t *testing.T) {
	t.Parallel()
	s := openShop(t, balancesteamtest.WithBalance("1000.5"))
	p := newProvider(t, s.URL(), true)
	o := topup("gabe", "100")
	plan, err := p.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s.Door().Faults.Once(balancesteamtest.OpTopup, providertest.Fault{Kind: providertest.ResetAfterCommit})
	_, err = p.Place(allowed(t), o, plan)
	mustFail(t, err, providers.Ambiguous, providers.CodeConnectionReset)

	evidence, err := p.Witness(t.Context(), o, recorded(t, plan))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"balance_before": "1000.5", "at": "time", "creates": 0}, seen(t, plan.Evidence)); diff != "" {
		t.Error(diff)
	}
	want := map[string]any{"balance_before": "1000.5", "at": "time", "balance_after": "900.5", "at_after": "time", "other_creates": 0}
	if diff := cmp.Diff(want, seen(t, evidence)); diff != "" {
		t.Error(diff)
	}
}

func TestWitness_CountsTheCreatesThatMayHaveChangedTheBalance(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	p := newProvider(t, s.URL(), true)
	first, err := p.Prepare(t.Context(), topup("a", "1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"a", "b", "c"} {
		if _, err := p.Place(allowed(t), topup(login, "1"), first); err != nil {
			t.Fatal(err)
		}
	}
	later, err := p.Prepare(t.Context(), topup("d", "1"))
	if err != nil {
		t.Fatal(err)
	}
	if got := seen(t, later.Evidence)["creates"]; got != 3 {
		t.Errorf("creates %v since the shared balance, want 3", got)
	}
	evidence, err := p.Witness(t.Context(), topup("a", "1"), recorded(t, first))
	if err != nil {
		t.Fatal(err)
	}
	if got := seen(t, evidence)["other_creates"]; got != 2 {
		t.Errorf("other_creates %v, want 2: b and c", got)
	}
	restarted := newProvider(t, s.URL(), true)
	evidence, err = restarted.Witness(t.Context(), topup("a", "1"), recorded(t, first))
	if err != nil {
		t.Fatal(err)
	}
	if got := seen(t, evidence); got["other_creates"] != nil || got["balance_before"] != "100000" || got["balance_after"] != "99997" {
		t.Errorf("%v: another process cannot know how many creates there were", got)
	}
}

func TestWitness_SharesOneBalanceBetweenOrders(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	p := newProvider(t, s.URL(), true)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := p.Prepare(t.Context(), topup("gabe", "1")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(s.Door().Book.Select(providertest.Received, balancesteamtest.OpBalance)); n != 1 {
		t.Errorf("%d requests for the balance, want 1", n)
	}
}

func TestWitness_AMissingBalanceStopsNoOrder(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	p := newProvider(t, s.URL(), true)
	s.Door().Faults.Next(balancesteamtest.OpBalance, 2, providertest.Status(503))
	o := topup("gabe", "100")
	plan, err := p.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"balance_before": nil, "at": nil, "error": "http_503", "creates": 0}
	if diff := cmp.Diff(want, seen(t, plan.Evidence)); diff != "" {
		t.Error(diff)
	}
	if _, err := p.Place(allowed(t), o, plan); err != nil {
		t.Fatal(err)
	}
	evidence, err := p.Witness(t.Context(), o, recorded(t, plan))
	if err == nil {
		t.Error("the missing balance is not reported")
	}
	want = map[string]any{
		"balance_before": nil, "at": nil, "error": "http_503",
		"balance_after": nil, "error_after": "http_503", "at_after": "time", "other_creates": 0,
	}
	if diff := cmp.Diff(want, seen(t, evidence)); diff != "" {
		t.Error(diff)
	}
}

func TestWitness_OffAsksNothing(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	p := newProvider(t, s.URL(), false)
	plan, err := p.Prepare(t.Context(), topup("gabe", "1"))
	if err != nil || plan.Evidence["witness"] != nil || plan.Data != nil {
		t.Errorf("got %+v, %v", plan, err)
	}
	if evidence, err := p.Witness(t.Context(), topup("gabe", "1"), plan); evidence != nil || err != nil {
		t.Errorf("got %v, %v", evidence, err)
	}
	if n := len(s.Door().Book.Select(providertest.Received, balancesteamtest.OpBalance)); n != 0 {
		t.Errorf("%d requests for the balance", n)
	}
}
