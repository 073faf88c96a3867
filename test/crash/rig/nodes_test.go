package rig_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/test/crash/rig"
)

func TestNodes_EveryLeaderIsKilledAndMovedAndNoDeedStandsTwice(t *testing.T) {
	t.Parallel()
	names := rig.NodeDeeds()
	if all := slices.Compact(slices.Sorted(slices.Values(names))); len(all) != len(names) {
		t.Errorf("some deeds have one name: %q", names)
	}
	for _, what := range []string{"EVENTS", "COMMANDS", "ORDERS", "a consumer", "the cluster"} {
		for _, name := range []string{"kill the leader of " + what, "let the leader of " + what + " step down"} {
			if !slices.Contains(names, name) {
				t.Errorf("nobody does: %s", name)
			}
		}
	}
	for _, word := range []string{"isolate", "pause", "cut", "two nodes", "all nodes"} {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, word) }) {
			t.Errorf("nobody does: %s", word)
		}
	}
}

// The count of deaths of leaders must not grow by deeds that hit anybody.
func TestNodes_OnlyTheOneWhoLeadsIsCountedAsALeader(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{"EVENTS": "leader of EVENTS", "COMMANDS/worker-gamesdrop-place": "leader of COMMANDS/worker-gamesdrop-place", "": "leader of the cluster"} {
		if got := rig.LedBy(key); got != want {
			t.Errorf("%q: %q", key, got)
		}
	}
}

func TestOptions_ThereIsOneNodeOrThereAreThree(t *testing.T) {
	t.Parallel()
	for nodes, ok := range map[int]bool{0: true, 1: true, 2: false, 3: true, 5: false} {
		if _, err := rig.Plans(rig.Options{Nodes: nodes}); (err == nil) != ok {
			t.Errorf("%d nodes: %v", nodes, err)
		}
	}
}
