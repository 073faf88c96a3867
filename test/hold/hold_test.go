package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A measurement that nobody runs is broken when it is needed. This runs all of
// it on few orders, and judges no time.
func TestHold_MeasuresEverythingOnFewOrders(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "report.json")
	var shown strings.Builder
	err := run(t.Context(), options{orders: 40, provider: "skinsback", sync: "default", probes: 3, restarts: 0, json: file}, &shown)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if r.Orders != 40 || r.Fill <= 0 || r.Latency.Orders != 3 || r.Latency.P50 <= 0 || r.Noise.P99 <= 0 {
		t.Errorf("the latency of new orders: %+v, %+v", r.Noise, r.Latency)
	}
	if len(r.Memory) != 3 || len(r.Idle.Programs) != 3 {
		t.Errorf("%d programs are weighed and %d timed, not %d", len(r.Memory), len(r.Idle.Programs), 3)
	}
	for _, m := range r.Memory {
		if m.Loaded.RSS <= 0 || m.Loaded.Heap <= 0 || m.Empty.RSS <= 0 || m.Empty.Heap <= 0 {
			t.Errorf("%s weighs nothing: %+v", m.Program, m)
		}
	}
	// Every order on hold has four events in the ledger, which the empty system lacks.
	for _, s := range r.Disk {
		if s.Stream == "EVENTS" && s.Loaded-s.Empty < 40*4*500 {
			t.Errorf("40 orders on hold take %d bytes of the ledger", s.Loaded-s.Empty)
		}
	}
	for _, title := range []string{"latency of a new order", "memory", "files", "computing", "restart"} {
		if !strings.Contains(shown.String(), title) {
			t.Errorf("the tables say nothing of %s:\n%s", title, shown.String())
		}
	}
}

func TestHold_RefusesWhatItCannotMeasure(t *testing.T) {
	t.Parallel()
	good := options{orders: 1, provider: "skinsback", sync: "always", probes: 1}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*options){
		"a shop that holds nothing": func(o *options) { o.provider = "gamesdrop" },
		"a word for no sync":        func(o *options) { o.sync = "never" },
		"less than no orders":       func(o *options) { o.orders = -1 },
		"no new order":              func(o *options) { o.probes = 0 },
	} {
		o := good
		spoil(&o)
		if o.check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
