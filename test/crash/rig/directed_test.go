package rig_test

import (
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/test/crash/rig"
)

// A point that no case tries is one at which nobody ever dies.
func TestDirected_EveryPointThatOrdersPassIsTried(t *testing.T) {
	t.Parallel()
	tried := map[string]map[string]bool{}
	for _, provider := range append(rig.Providers(), "") {
		for _, c := range rig.Cases(provider) {
			name, _, _ := strings.Cut(c.Point, "/")
			if tried[name] == nil {
				tried[name] = map[string]bool{}
			}
			tried[name][c.Provider] = true
		}
	}
	for _, p := range failpoint.Points() {
		for _, name := range p.Names() {
			on := tried[name]
			switch {
			case p.Rare:
			case p.Role == failpoint.Dispatcher && !on[""], p.Only != "" && !on[p.Only]:
				t.Errorf("%s is tried at %v only", name, on)
			case p.Role == failpoint.Worker && p.Only == "" && len(on) < 3 && p.Base != "queue.send":
				t.Errorf("%s is tried at %v only", name, on)
			case len(on) == 0:
				t.Errorf("%s is not tried", name)
			}
			delete(tried, name)
		}
	}
	for name := range tried {
		t.Errorf("%s is tried and is no point", name)
	}
}

// A rare point has a scene that leads to it, or a reason why it has none.
func TestDirected_EveryRarePointHasASceneOrAReason(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for _, provider := range append(rig.Providers(), "") {
		for _, c := range rig.RareCases(provider) {
			tried[c.Point] = true
		}
	}
	for _, fault := range rig.Setups() {
		name, _, _ := strings.Cut(fault, "=")
		tried[name] = true
	}
	for _, p := range failpoint.Points() {
		for _, name := range p.Names() {
			reason := rig.Untried()[p.Base]
			switch {
			case p.Rare && tried[name] == (reason != ""):
				t.Errorf("%s is tried: %t; reason why not: %q", name, tried[name], reason)
			case !p.Rare && tried[name]:
				t.Errorf("%s is passed by ordinary orders", name)
			}
			delete(tried, name)
		}
	}
	for name := range tried {
		t.Errorf("%s is tried and is no point", name)
	}
}

func TestDirected_EveryWorkerDiesBesideItsIntentItsRequestAndItsOutcomeInEveryMode(t *testing.T) {
	t.Parallel()
	for _, provider := range rig.Providers() {
		modes := map[string]int{}
		for _, c := range rig.Cases(provider) {
			modes[c.Point]++
		}
		for _, point := range []string{
			"command.begin", "permit.publish.after", "ledger.append.before/placing", "ledger.append.after/placing", "http.write.before/create",
			"http.answer/create", "ledger.append.before/succeeded", "ledger.append.after/succeeded", "command.ack.before", "command.ack.after",
		} {
			if modes[point] != 3 {
				t.Errorf("%s: %s is tried in %d modes", provider, point, modes[point])
			}
		}
		if modes["http.write.after/create"] != 2 || modes["ledger.append.before/unresolved"] != 1 {
			t.Errorf("%s: %v", provider, modes)
		}
	}
}
