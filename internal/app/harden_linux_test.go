package app_test

import (
	"fmt"
	"os"
	"regexp"
	"testing"
)

// The image of a process that died holds every secret that it knew.
func TestMain_LeavesNoCoreBehind(t *testing.T) {
	t.Parallel()
	cmd, log := probe(t, "GAMESDROP_TOKEN=x")
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`Max core file size +0 +0 `).Match(limits) {
		t.Errorf("the process may leave a core:\n%s", limits)
	}
	end(t, cmd, log)
}
