package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/beltline-io/beltline/test/crash/procs"
)

// nowReads is where time.Now of the standard library has read the clocks.
const nowReads = "\tsec, nsec, mono := runtimeNow()\n"

// buildSkewed builds a worker whose wall clock is wrong by d, and returns the
// path of the program. A process cannot be given a wall clock of its own, and a
// program that asks the kernel directly cannot be told another time from
// outside. So the seam is the compiler's overlay: the worker is built from its
// own sources, and time.Now adds d to what it has read. The monotonic clock is
// left as it is, as on a machine whose clock is wrong.
func (b *bench) buildSkewed(ctx context.Context, d time.Duration) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	if strings.Count(string(source), nowReads) == 0 {
		return "", errors.New("time.Now of this Go is written otherwise than is known here")
	}
	name := fmt.Sprintf("skewed%+d", int64(d.Seconds()))
	dir := filepath.Join(b.programs, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	replaced, list := filepath.Join(dir, "time.txt"), filepath.Join(dir, "overlay.json")
	skewed := strings.ReplaceAll(string(source), nowReads, nowReads+fmt.Sprintf("\tsec += %d\n", int64(d.Seconds())))
	if err := os.WriteFile(replaced, []byte(skewed), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replaced}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	say("    building a worker whose clock is wrong by %s", d)
	return filepath.Join(dir, "worker-"+skinsback), procs.Build(ctx, dir, "-overlay", list, "./cmd/worker-"+skinsback)
}
