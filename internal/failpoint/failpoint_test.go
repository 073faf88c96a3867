package failpoint_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/beltline-io/beltline/internal/failpoint"
)

var programs struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if programs.dir != "" {
		_ = os.RemoveAll(programs.dir)
	}
	os.Exit(code)
}

// build makes a program with and without the tag, once for all tests.
func build(t *testing.T, name string) string {
	t.Helper()
	programs.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "beltline-failpoint-"); programs.err != nil {
			return
		}
		for name, args := range map[string][]string{
			"victim": {"-tags", "failpoint", "./testdata/victim"}, "plain": {"./testdata/victim"}, "worker": {"../../cmd/worker-gamesdrop"},
		} {
			cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", filepath.Join(programs.dir, name)}, args...)...)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				programs.err = errors.Join(programs.err, err, errors.New(string(out)))
			}
		}
	})
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return filepath.Join(programs.dir, name)
}

// run runs the victim with faults and returns what it printed and how it ended.
func run(t *testing.T, program, faults string) (out, said string, status syscall.WaitStatus) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), build(t, program)) //nolint:gosec // built above
	cmd.Env = append(os.Environ(), "FAILPOINTS="+faults)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.Sys().(syscall.WaitStatus)
}

func TestHit_KillsTheProcessAtTheHitThatWasAskedForAndAtNoOther(t *testing.T) {
	t.Parallel()
	for faults, written := range map[string]int{
		"ledger.append.before=kill":                                      0,
		"ledger.append.before/placing=kill:3":                            2,
		"permit.publish.after=kill:2":                                    2,
		" permit.publish.after=pause:1ms , ledger.append.before=kill:2 ": 1,
	} {
		out, said, status := run(t, "victim", faults)
		if !status.Signaled() || status.Signal() != syscall.SIGKILL || strings.Count(out, "written") != written {
			t.Errorf("%s: %v after %q", faults, status, out)
		}
		if !strings.Contains(said, failpoint.Said) {
			t.Errorf("%s: said %q", faults, said)
		}
	}
}

func TestHit_EndsTheProcessInTheOtherWays(t *testing.T) {
	t.Parallel()
	if _, _, status := run(t, "victim", "permit.publish.after=term"); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("term: %v", status)
	}
	if _, said, status := run(t, "victim", "permit.publish.after=panic"); status.ExitStatus() != 2 || !strings.Contains(said, "panic: failpoint") {
		t.Errorf("panic: %v %s", status, said)
	}
}

func TestHit_DoesNothingWhereNothingIsSet(t *testing.T) {
	t.Parallel()
	for _, faults := range []string{
		"", "ledger.append.before/succeeded=kill", "ledger.append.before=kill:4", "ledger.append.after=kill", "permit.publish.after=pause:1ms:2",
	} {
		if out, _, status := run(t, "victim", faults); status.ExitStatus() != 0 || !strings.HasSuffix(out, "ended\n") {
			t.Errorf("%q: %v %q", faults, status, out)
		}
	}
}

// A fault that is not there looks like one that was survived.
func TestHit_AVariableThatCannotBeReadEndsTheProgramAtItsStart(t *testing.T) {
	t.Parallel()
	for _, faults := range []string{
		"ledger.append=kill", "no.such.before=kill", "ledger.append.before", "ledger.append.before=explode", "ledger.append.before=kill:0",
		"ledger.append.before=kill:x", "ledger.append.before=pause", "ledger.append.before=pause:2", "ledger.append.before=kill:1:2",
	} {
		if out, _, status := run(t, "victim", faults); status.ExitStatus() != 2 || out != "" {
			t.Errorf("%q: %v %q", faults, status, out)
		}
	}
}

func TestHit_ABuildWithoutTheTagBearsNoTrace(t *testing.T) {
	t.Parallel()
	if out, _, status := run(t, "plain", "ledger.append.before=kill"); status.ExitStatus() != 0 || !strings.HasSuffix(out, "ended\n") {
		t.Errorf("it obeys: %v %q", status, out)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(build(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tagged, plain, worker := read("victim"), read("plain"), read("worker")
	for _, trace := range append(failpoint.Names(), "FAILPOINTS", strings.TrimSpace(failpoint.Said), "internal/failpoint.Hit", "internal/mutant.Is") {
		for name, binary := range map[string][]byte{"victim": plain, "worker": worker} {
			if bytes.Contains(binary, []byte(trace)) {
				t.Errorf("%q is in a %s that was built without the tag", trace, name)
			}
		}
	}
	if !bytes.Contains(tagged, []byte("FAILPOINTS")) || !bytes.Contains(tagged, []byte("permit.publish.after")) {
		t.Error("the names are not in a build with the tag either: this test sees nothing")
	}
}
