package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// patience is for what must come on any machine; nothing is judged by it.
const patience = 3 * time.Minute

// kept are the variables that a process is left with: what the runtime and the
// system read. All else, such as where traces go, would reach into what is measured.
var kept = []string{"PATH", "HOME", "TMPDIR", "SYSTEMROOT", "GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG", "GOCOVERDIR"}

// process is a part that this process has started.
type process struct {
	name  string
	log   string // the file with what it said on standard error
	cmd   *exec.Cmd
	stdin io.Closer
	tells chan told // its one answer
	url   string    // what it answered
	ended chan struct{}
}

// spawn starts a part and does not wait for it. Its log goes into dir.
func spawn(dir, name string, t task) (*process, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{name: name, log: filepath.Join(dir, name+".log"), tells: make(chan told, 1), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has its own
	cmd := exec.Command(self)          // #nosec G204 -- this very program, ended by end
	// Under the name that this process was started by: some executables are
	// several programs.
	cmd.Args = os.Args[:1]
	cmd.Env = append(cmd.Env, partVariable+"="+string(body))
	for _, name := range kept {
		if value, ok := os.LookupEnv(name); ok { //nolint:forbidigo // passed on as it is
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.cmd = cmd
	go p.hear(stdout)
	return p, nil
}

// hear reads the one answer, and the rest until the process ends.
func (p *process) hear(stdout io.Reader) {
	defer close(p.ended)
	lines := bufio.NewReader(stdout)
	if line, err := lines.ReadBytes('\n'); err == nil {
		var t told
		if json.Unmarshal(line, &t) == nil {
			p.tells <- t
		}
	}
	_, _ = io.Copy(io.Discard, lines)
	_ = p.cmd.Wait() // who asked it to end knows why it did
}

// await waits until the part has said where it is.
func (p *process) await(ctx context.Context) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case t := <-p.tells:
		p.url = t.URL
		return nil
	case <-p.ended:
		return p.trouble(errors.New("it has ended"))
	case <-deadline.C:
		return p.trouble(errors.New("it takes too long to start"))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitReady waits until a program of ours does its work.
func (p *process) awaitReady(ctx context.Context) error {
	if err := p.await(ctx); err != nil {
		return err
	}
	deadline, again := time.NewTimer(patience), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for {
		_, err := ask(ctx, p.url+"/readyz")
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-p.ended:
			return p.trouble(errors.New("it has ended"))
		case <-deadline.C:
			return p.trouble(fmt.Errorf("it is not ready: %w", err))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// trouble is an error with the last words of the process.
func (p *process) trouble(err error) error {
	all, _ := os.ReadFile(p.log)
	lines := strings.Split(string(bytes.TrimSpace(all)), "\n")
	return fmt.Errorf("%s: %w\n%s", p.name, err, strings.Join(lines[max(0, len(lines)-20):], "\n"))
}

// end ends the process at once: everything that it has written is thrown away.
func (p *process) end() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// asker asks what this process has started, on this machine.
var asker = &http.Client{Timeout: patience}

// ask reads a page that answers 200.
func ask(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := asker.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", url, resp.Status, body)
	}
	return body, err
}
