package beside

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Patience is for what must come on any machine; nothing is judged by it.
const Patience = 3 * time.Minute

// Server is nats-server from the module that go.mod pins, for [Build], so that
// nothing depends on what a machine has installed.
const Server = "github.com/nats-io/nats-server/v2"

// Build builds the packages into a folder, with one call.
func Build(ctx context.Context, dir string, packages ...string) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", dir + string(filepath.Separator)}, packages...)...) //nolint:gosec // our own programs
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// moduleRoot lets the program be started from any folder of the module.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// Process is a program that can be ended and started again.
type Process struct {
	Name    string // with the system's, for errors
	Program string

	path  string
	args  []string
	env   []string
	log   string // the file that all its runs write to
	ready string // the URL that answers 200 when it does its work
	heap  string // the URL of its heap profile

	patience time.Duration

	cmd   *exec.Cmd
	ended chan struct{}
	from  int64 // the size of the log before this run
}

// Start starts the program and does not wait for it.
func (p *Process) Start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the program has its own
	info, err := log.Stat()
	if err != nil {
		return err
	}
	cmd := exec.Command(p.path, p.args...) //nolint:gosec,noctx // our own programs, ended by Stop
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.from = cmd, ended, info.Size()
	go func() {
		_ = cmd.Wait() // who asked it to end knows why it did
		close(ended)
	}()
	return nil
}

func (p *Process) wait() time.Duration {
	if p.patience > 0 {
		return p.patience
	}
	return Patience
}

func (p *Process) pid() int { return p.cmd.Process.Pid }

// End sends the signal and waits until the process is gone. One that does not
// go is killed, and that is an error.
func (p *Process) End(sig syscall.Signal) error {
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	deadline := time.NewTimer(p.wait())
	defer deadline.Stop()
	select {
	case <-p.ended:
		return nil
	case <-deadline.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s did not end after %v", p.Name, sig)
	}
}

// AwaitReady waits until the program says that it does its work.
func (p *Process) AwaitReady(ctx context.Context) error {
	return p.await(ctx, "be ready", func() (bool, error) { return answers(ctx, p.ready), nil })
}

// AwaitLog waits for a line of the present run that contains the words.
func (p *Process) AwaitLog(ctx context.Context, words string) error {
	return p.await(ctx, "log "+words, func() (bool, error) {
		lines, err := p.present()
		return bytes.Contains(lines, []byte(words)), err
	})
}

// Line is the first line of the present run's log that contains the words; empty
// for none.
func (p *Process) Line(words string) (string, error) {
	lines, err := p.present()
	for line := range bytes.Lines(lines) {
		if bytes.Contains(line, []byte(words)) {
			return string(line), err
		}
	}
	return "", err
}

// await asks every few milliseconds, less often when it takes long, and gives
// up when the process has ended.
func (p *Process) await(ctx context.Context, what string, is func() (bool, error)) error {
	deadline, again := time.NewTimer(p.wait()), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for begun := time.Now(); ; {
		if yes, err := is(); yes || err != nil {
			return err
		}
		var why error
		select {
		case <-again.C:
			again.Reset(min(max(5*time.Millisecond, time.Since(begun)/200), time.Second))
			continue
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			why = errors.New("it has ended")
		case <-deadline.C:
			why = errors.New("it takes too long")
		}
		return fmt.Errorf("%s did not %s: %w\n%s", p.Name, what, why, p.Tail())
	}
}

// present is what the present run has logged.
func (p *Process) present() ([]byte, error) {
	all, err := os.ReadFile(p.log)
	if err != nil {
		return nil, err
	}
	return all[min(p.from, int64(len(all))):], nil
}

// Tail is the end of the log, for errors.
func (p *Process) Tail() string {
	lines, _ := p.present()
	var last []string
	for scan := bufio.NewScanner(bytes.NewReader(lines)); scan.Scan(); {
		if last = append(last, scan.Text()); len(last) > 20 {
			last = last[1:]
		}
	}
	return strings.Join(last, "\n")
}

// answers asks a URL once.
func answers(ctx context.Context, url string) bool {
	body, err := get(ctx, url)
	if err == nil {
		_ = body.Close()
	}
	return err == nil
}

// freeAddress returns a loopback address that was free a moment ago. A program
// that is started again must be found where it was.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return "", err
	}
	defer l.Close() //nolint:errcheck // nothing was accepted
	return l.Addr().String(), nil
}

var errStatus = errors.New("answered with another status than 200")

// client has no connection left over from a process that was ended.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
