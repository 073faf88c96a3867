// Package programstest runs the programs of Beltline inside a test's process:
// the real ones, with the surroundings that the test gives them.
//
// It promises that a program which [Start] returned has its connection to NATS,
// that it is drained at the end of the test if not before, and that the test
// fails if the drained program says that something went wrong. What of a process
// can die is not for it: that takes processes.
//
// Only tests may import it.
package programstest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/app"
)

const (
	// patience is for what must come. It is generous, because a loaded machine is
	// not a broken one.
	patience = 60 * time.Second
	// permitAge is how old a permit may grow here. A machine that runs all tests
	// at once may stand still for longer than a provider's limit can bear; then
	// nothing is sent, an order is tried again, and whoever counts requests or
	// attempts has counted the machine's trouble. That a limit is kept is shown
	// elsewhere, with the age that production has.
	permitAge = time.Minute
)

// Program is a program that runs.
type Program struct {
	*app.Runtime
	t     testing.TB
	stop  func()
	ended chan struct{}
	code  int // once ended is closed
}

// Start starts a program and returns as soon as it is connected.
func Start(t testing.TB, p app.Program, proc app.Process) *Program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	run := &Program{t: t, ended: make(chan struct{})}
	begun, work := make(chan *app.Runtime, 1), p.Run
	p.Run = func(ctx context.Context, rt *app.Runtime) error {
		rt.PermitAge = permitAge
		begun <- rt
		return work(ctx, rt)
	}
	go func() {
		defer close(run.ended)
		run.code = p.Execute(ctx, proc)
	}()
	run.stop = sync.OnceFunc(func() {
		cancel()
		<-run.ended
		if run.code != app.ExitOK {
			t.Errorf("%s ended with code %d", p.Name, run.code)
		}
	})
	t.Cleanup(run.stop)
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case run.Runtime = <-begun:
	case <-run.ended:
		t.Fatalf("%s ended before its work began", p.Name)
	case <-late.C:
		t.Fatalf("%s did not connect within %s", p.Name, patience)
	}
	return run
}

// Ready starts a program and waits until it says that it does its work.
func Ready(t testing.TB, p app.Program, proc app.Process) *Program {
	t.Helper()
	run := Start(t, p, proc)
	run.AwaitReady()
	return run
}

// AwaitReady waits until the program says that it does its work.
func (p *Program) AwaitReady() {
	p.t.Helper()
	late, again := time.NewTimer(patience), time.NewTicker(20*time.Millisecond)
	defer late.Stop()
	defer again.Stop()
	for len(p.Health.Reasons()) != 0 {
		select {
		case <-again.C:
		case <-p.ended:
			p.t.Fatalf("%s ended with code %d before it was ready", p.Name, p.code)
		case <-late.C:
			p.t.Fatalf("%s was not ready within %s: %v", p.Name, patience, p.Health.Reasons())
		}
	}
}

// Stop drains the program and waits for its end.
func (p *Program) Stop() {
	p.t.Helper()
	p.stop()
}
