package procs_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
	"github.com/beltline-io/beltline/test/crash/procs"
)

const patience = time.Minute

// TestMain makes this test binary a program of its own where it is told to be:
// it prints a line and then waits to be ended.
func TestMain(m *testing.M) {
	if os.Getenv("PROCS_TEST_CHILD") != "" {
		_, _ = os.Stdout.WriteString("alive\nno end of line")
		select {} // ended by a signal, or with its parent
	}
	os.Exit(m.Run())
}

// child prepares a child, and tells by a channel of each line it prints.
func child(t *testing.T) (*procs.Process, *procs.Output, <-chan string) {
	t.Helper()
	lines := make(chan string, 16)
	out, err := procs.NewOutput(filepath.Join(t.TempDir(), "out"), func(line []byte) { lines <- string(line) })
	if err != nil {
		t.Fatal(err)
	}
	p := &procs.Process{
		Program: "child", Name: "child-0", Path: os.Args[0], Env: append(os.Environ(), "PROCS_TEST_CHILD=1"),
		Output: out, Journal: &procs.Journal{},
	}
	t.Cleanup(func() { p.Kill("the test is over") })
	return p, out, lines
}

func start(t *testing.T, p *procs.Process, lines <-chan string) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case line := <-lines:
		if line != "alive" {
			t.Fatalf("it says %q", line)
		}
	case <-time.After(patience):
		t.Fatal("it says nothing")
	}
}

func deeds(p *procs.Process) string {
	var all []string
	for _, l := range p.Journal.Lines() {
		all = append(all, string(l.Deed))
	}
	return strings.Join(all, ", ")
}

func TestProcess_IsKilledPausedAndStartedAgainAndAllOfItIsWrittenDown(t *testing.T) {
	t.Parallel()
	p, out, lines := child(t)
	start(t, p, lines)
	first := p.PID()
	if !p.Stop() || p.Stop() || !p.Continue() || p.Continue() {
		t.Error("a pause begins once and ends once")
	}
	if !p.Kill("on purpose") || p.Running() || p.Kill("again") {
		t.Error("it must be gone after the kill, and cannot be killed again")
	}
	start(t, p, lines)
	if p.PID() == first || p.PID() == 0 {
		t.Errorf("pid %d after %d", p.PID(), first)
	}
	if !p.Terminate(patience) || p.Running() {
		t.Error("it must have ended")
	}
	if got, want := deeds(p), "spawned, stopped, continued, killed, spawned, asked to end"; got != want {
		t.Errorf("the journal says %q", got)
	}
	// What the first life was cut off in stands on a line of its own.
	if text, err := out.Text(); err != nil || text != "alive\nno end of line\nalive\nno end of line" {
		t.Errorf("kept %q, %v", text, err)
	}
	if got := p.Journal.Count(check.Killed); got != 1 {
		t.Errorf("%d kills", got)
	}
	if got := p.Journal.Count(check.Killed, "child"); got != 0 {
		t.Errorf("%d kills besides the child's", got)
	}
}

func TestProcess_AnEndOfItsOwnIsToldApart(t *testing.T) {
	t.Parallel()
	p, _, _ := child(t)
	p.Args = []string{"-test.run=^$"}
	p.Env = slices.DeleteFunc(p.Env, func(v string) bool { return strings.HasPrefix(v, "PROCS_TEST_CHILD") })
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(patience)
	for again := time.NewTicker(5 * time.Millisecond); p.Running(); {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("it did not end")
		}
	}
	if got := deeds(p); got != "spawned, exited" {
		t.Errorf("the journal says %q", got)
	}
}
