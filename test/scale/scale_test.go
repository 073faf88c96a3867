package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
)

// The measurement itself refuses what the ledger's reader, the sweeper's index
// or the lists do not take for orders. This runs all of it on few, and judges
// no time.
func TestScale_WhatIsWrittenIsReadAsRealOrdersAreAndEverythingIsMeasured(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "figures.jsonl")
	var shown strings.Builder
	o := options{ended: 200, held: 200, few: 10, sync: "default", rounds: 1, burst: 10, probes: 3, lists: 2, restarts: 1, folder: t.TempDir(), json: file}
	if err := run(t.Context(), o, &shown); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]figure{}
	for line := range bytes.Lines(b) {
		var f figure
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		found[f.Phase+": "+f.What] = f
	}
	for _, phase := range []string{"200 ended", "200 ended, 200 on hold"} {
		for _, what := range []string{
			"orders written a second", "burst of 10 new orders, mean of 1", "new order, p99", "dispatcher started until index complete",
			"list the last orders, mean", "all events of one order by a consumer, max", "dispatcher, Go heap", "nats-server, RSS", "files of EVENTS",
		} {
			if f := found[phase+": "+what]; f.Loaded <= 0 {
				t.Errorf("%s: %s was not measured: %+v", phase, what, f)
			}
			if !strings.Contains(shown.String(), what) {
				t.Errorf("the tables say nothing of %s:\n%s", what, shown.String())
			}
		}
	}
	for _, what := range []string{"worker-skinsback killed until ready", "dispatcher killed until index complete", "nats-server killed until a new order"} {
		if f := found["200 ended, 200 on hold: "+what]; f.Loaded <= 0 || f.Beside <= 0 {
			t.Errorf("%s was not measured: %+v", what, f)
		}
	}
	if f := found["200 ended: files of EVENTS"]; f.Each < 3*500 {
		t.Errorf("an order that has ended takes %f bytes of the ledger", f.Each)
	}
}

func TestScale_RefusesWhatItCannotMeasure(t *testing.T) {
	t.Parallel()
	good := options{ended: 1, few: 1, sync: "always", rounds: 1, burst: 1, probes: 1, lists: 1}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*options){
		"a word for no sync":             func(o *options) { o.sync = "never" },
		"no orders":                      func(o *options) { o.ended = 0 },
		"no new order":                   func(o *options) { o.probes = 0 },
		"more than the ledger has place": func(o *options) { o.ended, o.held = 3_000_000, 3_000_000 },
	} {
		o := good
		spoil(&o)
		if o.check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// A copy must be what the ledger itself would have written of that order.
func TestCopied_IsTheEventOfAnotherOrderAtAnotherTime(t *testing.T) {
	t.Parallel()
	const key = "b1abcdefghijklmnopqrstuvwx"
	begun := time.Date(2026, 11, 22, 8, 0, 0, 123_456_000, time.UTC)
	lease := begun.Add(25 * time.Second)
	event := func(id, key string, shift time.Duration) *messages.Event {
		until := lease.Add(shift)
		return &messages.Event{
			N: 2, Type: messages.Placing, State: messages.Placing, Time: begun.Add(shift + time.Second), Tenant: "acme", OrderID: id,
			Provider: messages.SkinsBack, Kind: messages.Deposit, Attempt: 1, ProviderRef: map[string]string{"reference": key}, LeaseUntil: &until,
			Order: json.RawMessage(`{"v":1,"id":"` + id + `"}`), Evidence: map[string]any{"text": "at 2026-11-22T08:00:00Z, as prose"},
		}
	}
	original, err := event("held--template", key, 0).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &template{begun: begun}
	body, err := tmpl.cut(original, "held--template", key)
	if err != nil {
		t.Fatal(err)
	}
	c := &copied{body: body}
	const later = 36*time.Hour + 7*time.Microsecond
	want, err := event("held--00000007", "b1zyxwvutsrqponmlkjihgfedc", later).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	got := c.write("held--00000007", "b1zyxwvutsrqponmlkjihgfedc", begun.Add(later))
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
	if same := c.write("held--template", key, begun); !bytes.Equal(same, original) {
		t.Errorf("the copy with everything of the original is\n%s\nand not\n%s", same, original)
	}
}

func TestCut_RefusesWhatTellsNoOrder(t *testing.T) {
	t.Parallel()
	if _, err := (&template{}).cut([]byte(`{"v":1}`), "held--template", "b1x"); err == nil {
		t.Error("an event without its order's id is taken for one")
	}
}

func TestJudge_SeesWhatIsLostDoubledAndInvented(t *testing.T) {
	t.Parallel()
	one := balancesteamtest.Purchase{LoginOrEmail: "one"}
	for name, c := range map[string]struct {
		submitted []string
		bought    []balancesteamtest.Purchase
		sound     bool
	}{
		"nothing":              {nil, nil, true},
		"each once":            {[]string{"one"}, []balancesteamtest.Purchase{one}, true},
		"one that is lost":     {[]string{"one", "two"}, []balancesteamtest.Purchase{one}, false},
		"one that is doubled":  {[]string{"one"}, []balancesteamtest.Purchase{one, one}, false},
		"one nobody submitted": {nil, []balancesteamtest.Purchase{one}, false},
	} {
		if err := judge(c.submitted, c.bought); (err == nil) != c.sound {
			t.Errorf("%s: %v", name, err)
		}
	}
}
