package procs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/beltline-io/beltline/test/crash/check"
)

// Process is a program that can be killed and started again, many times.
type Process struct {
	Program string // worker-gamesdrop
	Name    string // worker-gamesdrop-1
	Path    string
	Args    []string
	Env     []string
	Output  *Output
	Journal *Journal

	mu      sync.Mutex
	cmd     *exec.Cmd
	exited  chan struct{} // closed when it has ended and was waited for
	meant   bool          // its end was our doing
	stopped bool
}

// spawn runs f on one thread that lives as long as this process: Linux sends a
// child its death signal when the thread ends that started it.
var spawn = sync.OnceValue(func() func(f func() error) error {
	type job struct {
		f    func() error
		done chan error
	}
	jobs := make(chan job)
	go func() {
		runtime.LockOSThread()
		for j := range jobs {
			j.done <- j.f()
		}
	}()
	return func(f func() error) error {
		j := job{f, make(chan error, 1)}
		jobs <- j
		return <-j.done
	}
})

// Start starts the program unless it runs.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return nil
	}
	cmd := exec.Command(p.Path, p.Args...) //nolint:gosec // our own programs
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = p.Env, p.Output, p.Output, attributes()
	p.Output.fresh()
	p.Journal.Note(p.Program, p.Name, check.Spawned, "")
	if err := spawn()(cmd.Start); err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited, p.meant, p.stopped = cmd, exited, false, false
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.meant {
			p.Journal.Note(p.Program, p.Name, check.Exited, fmt.Sprint(err))
		}
		close(exited)
	}()
	return nil
}

// running reports whether the process has been started and not ended.
func (p *Process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Running reports whether the process runs; one that is paused does.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running()
}

// PID is the number of the running process, or 0.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return 0
	}
	return p.cmd.Process.Pid
}

// signal writes the deed down and sends a signal to this process and no other.
// false: it does not run.
func (p *Process) signal(sig syscall.Signal, deed check.Deed, note string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return false
	}
	p.Journal.Note(p.Program, p.Name, deed, note)
	if sig == syscall.SIGKILL || sig == syscall.SIGTERM {
		p.meant = true
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return false
	}
	return true
}

// Kill ends the process as a power cut would, without a chance to tidy up, and
// waits until it is gone.
func (p *Process) Kill(note string) bool {
	if !p.signal(syscall.SIGKILL, check.Killed, note) {
		return false
	}
	p.wait(0)
	return true
}

// Stop pauses the process.
func (p *Process) Stop() bool { return p.pause(syscall.SIGSTOP, check.Stopped, true) }

// Continue lets it go on.
func (p *Process) Continue() bool { return p.pause(syscall.SIGCONT, check.Continued, false) }

func (p *Process) pause(sig syscall.Signal, deed check.Deed, on bool) bool {
	p.mu.Lock()
	same := p.stopped == on
	p.stopped = on
	p.mu.Unlock()
	return !same && p.signal(sig, deed, "")
}

// Terminate asks the process to end, and kills it if it has not within patience.
func (p *Process) Terminate(patience time.Duration) bool {
	if !p.signal(syscall.SIGTERM, check.Ended, "") {
		return false
	}
	if !p.wait(patience) {
		p.Kill("it did not end")
	}
	return true
}

// wait waits for the end; false if it has not come within patience. 0 waits as
// long as it takes.
func (p *Process) wait(patience time.Duration) bool {
	p.mu.Lock()
	exited := p.exited
	p.mu.Unlock()
	if exited == nil {
		return true
	}
	if patience <= 0 {
		<-exited
		return true
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-exited:
		return true
	case <-timer.C:
		return false
	}
}
