//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Enabled reports whether points do anything in this build.
const Enabled = true

// variable is where the faults are read from.
const variable = "FAILPOINTS"

var set = struct {
	sync.Mutex
	faults []*fault
}{faults: read()}

func read() []*fault {
	faults, err := parse(os.Getenv(variable))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", variable, err)
		os.Exit(2)
	}
	return faults
}

// Hit says that the process is at a point.
func Hit(name string) { HitOf(name, "") }

// HitOf is Hit with a detail that tells apart what passes the point.
func HitOf(name, detail string) {
	for _, f := range due(name, detail) {
		f.happen()
	}
}

// due counts the hit and returns what is to happen at it. It does not happen
// under the lock: who is paused must not hold up all others.
func due(name, detail string) (now []*fault) {
	set.Lock()
	defer set.Unlock()
	for _, f := range set.faults {
		if f.counts(name, detail) {
			now = append(now, f)
		}
	}
	return now
}

// happen does what was asked for. It says so first, because a process that
// kills itself cannot say it later.
func (f *fault) happen() {
	fmt.Fprintf(os.Stderr, "%s%s\n", Said, f.text)
	self := os.Getpid()
	switch f.action {
	case actionKill:
		f.send(self, syscall.SIGKILL)
		select {} // until the signal is there
	case actionStop:
		f.send(self, syscall.SIGSTOP)
	case actionTerm:
		f.send(self, syscall.SIGTERM)
	case actionPanic:
		panic("failpoint " + f.text)
	case actionPause:
		time.Sleep(f.pause)
	}
}

func (f *fault) send(pid int, sig syscall.Signal) {
	if err := syscall.Kill(pid, sig); err != nil {
		fmt.Fprintf(os.Stderr, "failpoint %s: %v\n", f.text, err)
		os.Exit(2)
	}
}
