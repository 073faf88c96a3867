package rig_test

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/test/crash/rig"
)

func planned(t *testing.T, o rig.Options) []rig.Planned {
	t.Helper()
	all, err := rig.Plans(o)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPlans_TheSeedFixesWhatIsOrdered(t *testing.T) {
	t.Parallel()
	one, again, other := planned(t, rig.Options{Seed: 7, Orders: 200}), planned(t, rig.Options{Seed: 7, Orders: 200}), planned(t, rig.Options{Seed: 8, Orders: 200})
	if !reflect.DeepEqual(one, again) {
		t.Error("the same seed orders something else")
	}
	if reflect.DeepEqual(one, other) {
		t.Error("another seed orders the same")
	}
}

// An order that the dispatcher refused would show nothing, and two orders for
// one account would hide a second purchase from the judge.
func TestPlans_AreOrdersThatTheContractTakesEachForItsOwnAccount(t *testing.T) {
	t.Parallel()
	kinds, accounts := map[string]int{}, map[string]bool{}
	for _, p := range planned(t, rig.Options{Seed: 1, Orders: 3000}) {
		kinds[p.Kind]++
		_, err := messages.DecodeOrder(p.Body)
		if (err != nil) != (p.Must == "rejected") {
			t.Errorf("%s: %v", p.Body, err)
		}
		if !strings.Contains(string(p.Body), `"`+p.Account+`"`) || accounts[p.Provider+p.Account] {
			t.Errorf("%s has the account %q", p.Body, p.Account)
		}
		accounts[p.Provider+p.Account] = true
	}
	for _, k := range messages.Kinds() {
		if kinds[string(k)] < 20 {
			t.Errorf("%d orders of %s", kinds[string(k)], k)
		}
	}
}

func TestPlans_OtherWordsAreTheSameOrderAndContraryOnesAreNot(t *testing.T) {
	t.Parallel()
	for _, p := range planned(t, rig.Options{Seed: 2, Orders: 100}) {
		if !messages.SameContent(p.Body, p.Reworded) || string(p.Body) == string(p.Reworded) {
			t.Errorf("%s is not %s", p.Body, p.Reworded)
		}
		if messages.SameContent(p.Body, p.Contrary) {
			t.Errorf("%s is taken for %s", p.Body, p.Contrary)
		}
	}
}

func TestOptions_TheTimesAreInTheOrderOfTheDesign(t *testing.T) {
	t.Parallel()
	env := rig.Times(rig.Options{Timeout: time.Second})
	var waits []time.Duration
	for _, name := range []string{"GAMESDROP_TIMEOUT", "LEASE", "ACK_WAIT", "ABSENCE_WAIT", "HOLD_DOWN"} {
		d, err := time.ParseDuration(env[name])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		waits = append(waits, d)
	}
	if !slices.IsSorted(waits) || waits[0] != time.Second || len(slices.Compact(slices.Clone(waits))) != 5 {
		t.Errorf("%v", waits)
	}
}

func TestOptions_AProviderThatDoesNotExistIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := rig.Plans(rig.Options{Providers: []string{"steam"}}); err == nil {
		t.Error("it was taken")
	}
	if _, err := rig.Plans(rig.Options{Naive: "gamesdrop"}); err == nil {
		t.Error("the naive worker cannot buy there")
	}
}

// A callback that is called forged and is genuine would make the judge cry wolf.
func TestCallbacks_AForgedOneIsNeverGenuine(t *testing.T) {
	t.Parallel()
	for chance := range 20 {
		for _, path := range []string{"/hook/exchanger/acme/o1/abcdefgh", "/hook/exchanger/acme/o1/abcdefgz", "/hook/exchanger/acme/o1/abcdefga"} {
			if forged := rig.ForgeSite(path, "bid_id=1&status=new", chance); forged == path || len(forged) != len(path) {
				t.Errorf("%s became %s", path, forged)
			}
		}
	}
	order := func(address string, client url.Values) {
		form := url.Values{"method": {"create"}, "order_id": {"ref1"}, "steam_id": {"76561198000000000"}, "trade_token": {"i1ArBZey"}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for name := range client {
			r.Header.Set(name, client.Get(name))
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
	}
	for chance := range 2 {
		for _, status := range []string{"pending", "success"} {
			body, ok := rig.ForgeSkins(rig.Options{}, "ref1", status, chance, order)
			form, err := url.ParseQuery(body)
			if !ok || err != nil || form.Get("status") == status {
				t.Errorf("%q forged as %q, %t: %v", status, body, ok, err)
			}
		}
	}
}
