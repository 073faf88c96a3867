package main_test

import (
	"fmt"
	"testing"

	"github.com/beltline-io/beltline/internal/mutant"
	main "github.com/beltline-io/beltline/test/crash"
	"github.com/beltline-io/beltline/test/crash/rig"
)

// A mutant that nothing is set against would be in the table and never caught.
func TestMutants_EachHasOneJudge(t *testing.T) {
	t.Parallel()
	for _, m := range mutant.All() {
		if inRig := rig.Scene(m.ID) != ""; inRig == (m.Test != "") {
			t.Errorf("%s: in the rig %t, by a test %q", m.ID, inRig, m.Test)
		}
	}
}

func TestMutants_TheCommitPicksTwoAndOverManyCommitsAllThatATestCatches(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for i := range 2000 {
		two, err := main.Chosen("commit", fmt.Sprintf("%012x", i*7919))
		if err != nil || len(two) != 2 || two[0].ID == two[1].ID {
			t.Fatalf("commit %d: %v %v", i, two, err)
		}
		again, _ := main.Chosen("commit", fmt.Sprintf("%012x+", i*7919))
		if again[0] != two[0] || again[1] != two[1] {
			t.Errorf("commit %d: changed files pick others", i)
		}
		seen[two[0].ID]++
		seen[two[1].ID]++
	}
	for _, m := range mutant.All() {
		if m.Test != "" && seen[m.ID] < 40 || m.Test == "" && seen[m.ID] > 0 {
			t.Errorf("%s was picked %d times of 4000", m.ID, seen[m.ID])
		}
	}
}

func TestMutants_AreNamedOrRefused(t *testing.T) {
	t.Parallel()
	if some, err := main.Chosen("M7,M21", ""); err != nil || len(some) != 2 || some[1].ID != "M21" {
		t.Errorf("%v %v", some, err)
	}
	if _, err := main.Chosen("M7,M99", ""); err == nil {
		t.Error("M99 was taken")
	}
	if all, err := main.Chosen("all", ""); err != nil || len(all) != len(mutant.All()) {
		t.Errorf("%v %v", all, err)
	}
}
