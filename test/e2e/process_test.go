package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is for what must come; never a wait of fixed length. It is generous
// because a loaded machine is not a broken one.
const patience = 60 * time.Second

// process is a program that can be killed and started again.
type process struct {
	t    *testing.T
	name string // tells two replicas apart in logs of ours
	path string
	args []string
	env  []string
	log  *lines

	mu      sync.Mutex
	cmd     *exec.Cmd
	begun   int           // lines that were there before this start
	exited  chan struct{} // closed when it has ended and was waited for
	exitErr error
}

// spawn runs f on one thread that lives as long as the tests: Linux ends a
// child by its death signal when the thread ends that started it.
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

// start starts the program; it is ended with the test.
func (p *process) start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(p.path, p.args...) //nolint:gosec // our own programs
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = p.env, p.log, p.log, attributes()
	p.begun = p.log.count()
	if err := spawn()(cmd.Start); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	if p.cmd == nil {
		p.t.Cleanup(func() { p.signal(syscall.SIGKILL); p.wait() })
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.exitErr = err
		close(exited)
	}()
}

// signal sends a signal to this process and no other. One that has ended
// already is no error.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("%s: %v: %v", p.name, sig, err)
	}
}

// wait waits for the end of the process and returns its exit code.
func (p *process) wait() int {
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()
	if cmd == nil {
		return 0
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case <-exited:
	case <-deadline.C:
		p.t.Errorf("%s did not end", p.name)
		_ = cmd.Process.Kill()
		<-exited
	}
	return cmd.ProcessState.ExitCode()
}

// kill ends the process as a power cut would, without a chance to tidy up.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	p.wait()
}

// awaitDrained waits for the end after one SIGTERM, and expects it to be a good
// one. A second signal would cut the draining short.
func (p *process) awaitDrained() {
	p.t.Helper()
	if code := p.wait(); code != 0 {
		p.t.Errorf("%s ended with code %d after SIGTERM", p.name, code)
	}
}

// awaitLine waits for a line of the present run.
func (p *process) awaitLine(words ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	p.mu.Lock()
	begun := p.begun
	p.mu.Unlock()
	line, err := p.log.await(ctx, begun, words...)
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", p.name, err, tail(p.log.text(), 30))
	}
	return line
}

// awaitReady waits until the program says that it does its work.
func (p *process) awaitReady() {
	p.t.Helper()
	awaitReady(p.t, p.name, p.awaitLine("health and metrics were served"))
}

// door is where the present run listens for callbacks; empty while it does not.
func (p *process) door() string {
	p.mu.Lock()
	begun := p.begun
	p.mu.Unlock()
	var opened struct {
		Addr string `json:"addr"`
	}
	_ = json.Unmarshal([]byte(p.log.first(begun, "door for callbacks opened")), &opened) // no line yet: no address
	return opened.Addr
}

// awaitReady asks /readyz at the address that a line of the log tells.
func awaitReady(t *testing.T, name, line string) {
	t.Helper()
	var served struct {
		Addr string `json:"addr"`
	}
	if err := json.Unmarshal([]byte(line), &served); err != nil || served.Addr == "" {
		t.Fatalf("%s: no address in %q: %v", name, line, err)
	}
	awaitTrue(t, name+" is ready", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+served.Addr+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// awaitTrue asks again and again, for what cannot be waited for otherwise.
func awaitTrue(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline, again := time.NewTimer(patience), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("never came true: %s", what)
		case <-t.Context().Done():
			t.Fatalf("the test ended first: %s", what)
		}
	}
}
