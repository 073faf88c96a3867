package main_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	main "github.com/beltline-io/beltline/test/crash/swarm"
)

var built struct {
	sync.Once
	dir, server string
	err         error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// server is the built nats-server.
func server(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "beltline-swarm-bin-"); built.err == nil {
			built.server, built.err = main.BuildServer(context.WithoutCancel(t.Context()), built.dir)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.server
}

// lines writes the progress of a run into the log of a test.
type lines struct{ t *testing.T }

func (l lines) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// seed is another one in each run, unless SWARM_SEED repeats one.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano()) % 1_000_000 //nolint:gosec // not negative
	if text := os.Getenv("SWARM_SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SWARM_SEED=%d", s)
	return s
}

// The short form of `make swarm`. The waits are generous, because a busy machine
// is not a broken one.
func TestSwarm_NothingIsBoughtTwiceOrLostWhileLivesEnd(t *testing.T) {
	t.Parallel()
	s := seed(t)
	result, err := main.Swarm(t.Context(), main.Options{
		Seed: s, NATSServer: server(t), Orders: 160, Open: 30, Workers: 3, Deaths: 12, Percent: 1, Timeout: time.Second,
		Heal: 4 * time.Minute, Progress: lines{t},
		Again: fmt.Sprintf("SWARM_SEED=%d go test -run TestSwarm_NothingIsBoughtTwice ./test/crash/swarm", s),
	})
	if err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	result.Write(&told)
	t.Logf("\n%s", &told)
	if !result.OK() {
		var findings bytes.Buffer
		result.Report.Write(&findings)
		t.Errorf("the evidence is in %s\n%s", result.Bundle, &findings)
	}
	if result.Deaths == 0 || result.Purchases < result.Orders/2 || result.Exits > 0 {
		t.Errorf("%d deaths, %d programs that ended by themselves and %d purchases of %d orders show nothing",
			result.Deaths, result.Exits, result.Purchases, result.Orders)
	}
}

func TestSwarm_ANaiveWorkerIsCaught(t *testing.T) {
	t.Parallel()
	result, err := main.Control(t.Context(), main.Options{Seed: seed(t), NATSServer: server(t), Open: 40, Workers: 3, Deaths: 12, Progress: lines{t}})
	if err != nil {
		t.Fatal(err)
	}
	if result.BoughtTwice == 0 || result.OK() {
		var told bytes.Buffer
		result.Write(&told)
		t.Fatalf("the judge is blind\n%s", &told)
	}
	t.Logf("bought %d of %d orders twice under %d deaths", result.BoughtTwice, result.Orders, result.Deaths)
}

func TestPlans_TheSeedFixesWhatIsOrdered(t *testing.T) {
	t.Parallel()
	planned := func(seed uint64) any { orders, _ := main.Planned(main.Options{Seed: seed, Orders: 200}); return orders }
	if !reflect.DeepEqual(planned(7), planned(7)) {
		t.Error("the same seed orders something else")
	}
	if reflect.DeepEqual(planned(7), planned(8)) {
		t.Error("another seed orders the same")
	}
}

// An order that the dispatcher refused would show nothing, and two orders for
// one account would hide a second purchase from the judge.
func TestPlans_AreOrdersThatTheContractTakesEachForItsOwnAccount(t *testing.T) {
	t.Parallel()
	kinds, accounts := map[string]int{}, map[string]bool{}
	orders, contrary := main.Planned(main.Options{Seed: 1, Orders: 4000})
	for i, o := range orders {
		kinds[o.Kind]++
		if _, err := messages.DecodeOrder(o.Body); (err != nil) != (o.Must == "rejected") {
			t.Errorf("%s: %v", o.Body, err)
		}
		if !strings.Contains(string(o.Body), `"`+o.Account+`"`) || accounts[o.Provider+o.Account] {
			t.Errorf("%s has the account %q", o.Body, o.Account)
		}
		accounts[o.Provider+o.Account] = true
		if messages.SameContent(o.Body, contrary[i]) {
			t.Errorf("%s is taken for %s", o.Body, contrary[i])
		}
	}
	for _, k := range messages.Kinds() {
		if kinds[string(k)] < 20 {
			t.Errorf("%d orders of %s", kinds[string(k)], k)
		}
	}
}

func TestOptions_TheTimesAreInTheOrderOfTheDesign(t *testing.T) {
	t.Parallel()
	env := main.Times(main.Options{Timeout: time.Second})
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

func TestStart_MoreOrdersThanOneStoreMayHoldAreRefused(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 50_001} {
		if _, err := main.Swarm(t.Context(), main.Options{Orders: n, NATSServer: "none"}); err == nil {
			t.Errorf("%d orders were taken", n)
		}
	}
}
