package main_test

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/test/crash/rig"
)

var built struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// programs returns the folder of the programs, which are built at the first call.
func programs(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "beltline-crash-bin-"); built.err == nil {
			built.err = rig.Build(context.WithoutCancel(t.Context()), built.dir)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.dir
}

// seed is another one in each run, unless CRASH_SEED repeats one.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano()) % 1_000_000 //nolint:gosec // not negative
	if text := os.Getenv("CRASH_SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("CRASH_SEED=%d", s)
	return s
}

// lines writes the progress of a run into the log of a test.
type lines struct{ t *testing.T }

func (l lines) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// The short form of `make crash`: few orders, and not for long. The waits are
// generous, because a busy machine is not a broken one.
func TestCrash_NothingIsBoughtTwiceOrLostWhileEverythingDies(t *testing.T) {
	t.Parallel()
	s := seed(t)
	result, err := rig.Run(t.Context(), rig.Options{
		Seed: s, Programs: programs(t), Orders: 240, Quiet: time.Second, For: 8 * time.Second, DispatcherUntil: 2 * time.Second,
		Heal: 3 * time.Minute, Stuck: 3 * time.Minute, Rate: 4, Percent: 4, Timeout: 800 * time.Millisecond, Progress: lines{t},
		Again: "CRASH_SEED=" + strconv.FormatUint(s, 10) + " go test -run TestCrash_NothingIsBoughtTwice ./test/crash",
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
	if result.Deaths == 0 || result.Purchases < result.Orders/2 {
		t.Errorf("%d deaths and %d purchases of %d orders show nothing", result.Deaths, result.Purchases, result.Orders)
	}
}

// The short form of the three nodes of `make crash`: some of the deeds, each
// over before the next, and the same judge, who also holds all copies of the
// ledger against each other.
func TestCrash_OnThreeNodesNothingIsBoughtTwiceOrLostWhileLeadersDie(t *testing.T) {
	t.Parallel()
	s := seed(t)
	result, err := rig.Run(t.Context(), rig.Options{
		Seed: s, Programs: programs(t), Nodes: 3, NodeEvery: 500 * time.Millisecond, Providers: []string{"balancesteam", "gamesdrop"},
		Orders: 100, Quiet: time.Second, For: 15 * time.Second, DispatcherUntil: 2 * time.Second,
		Heal: 4 * time.Minute, Stuck: 4 * time.Minute, Rate: 1, Percent: 4, Timeout: 800 * time.Millisecond, Progress: lines{t},
		Again: "CRASH_SEED=" + strconv.FormatUint(s, 10) + " go test -run TestCrash_OnThreeNodes ./test/crash",
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
	if result.NodeDeeds == 0 || result.Purchases < result.Orders/2 {
		t.Errorf("%d deeds to nodes and %d purchases of %d orders show nothing", result.NodeDeeds, result.Purchases, result.Orders)
	}
}

func TestCrash_ANaiveWorkerIsCaught(t *testing.T) {
	t.Parallel()
	result, err := rig.Control(t.Context(), rig.Options{Seed: seed(t), Programs: programs(t), Progress: lines{t}})
	if err != nil {
		t.Fatal(err)
	}
	if result.BoughtTwice == 0 || result.OK() {
		var told bytes.Buffer
		result.Write(&told)
		t.Fatalf("the judge is blind\n%s", &told)
	}
	t.Logf("bought %d of %d orders twice under %d kills", result.BoughtTwice, result.Orders, result.Deaths+result.ServerKills)
}
