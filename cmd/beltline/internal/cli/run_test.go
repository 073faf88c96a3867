package cli_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/cli"
	"github.com/beltline-io/beltline/internal/app"
)

// within is how long a test waits for something to be written.
const within = time.Minute

// running is a command in this process.
type running struct {
	t              *testing.T
	stdout, stderr *transcript
	signals        chan os.Signal
	code           chan int
}

// begin runs a command in the background.
func begin(t *testing.T, environ map[string]string, stdin string, args ...string) *running {
	t.Helper()
	return beginAt(t, false, environ, stdin, args...)
}

// beginAt runs a command as if at a terminal, or not.
func beginAt(t *testing.T, terminal bool, environ map[string]string, stdin string, args ...string) *running {
	t.Helper()
	return beginAs(t, cli.Process{
		Process: app.Process{Args: args, Environ: environ, Terminal: terminal}, Stdin: strings.NewReader(stdin), StdoutTerminal: terminal,
	})
}

// beginAs runs a command in surroundings; where it writes and by what it is
// stopped is for the test.
func beginAs(t *testing.T, proc cli.Process) *running {
	t.Helper()
	r := &running{t: t, stdout: newTranscript(), stderr: newTranscript(), signals: make(chan os.Signal, 2), code: make(chan int, 1)}
	proc.Stdout, proc.Stderr, proc.Signals = r.stdout, r.stderr, r.signals
	go func() { r.code <- cli.Run(context.Background(), proc) }()
	t.Cleanup(func() {
		select { // a test that failed half-way leaves nothing running
		case r.signals <- syscall.SIGTERM:
		default:
		}
	})
	return r
}

// ends waits for the exit code.
func (r *running) ends(want int) {
	r.t.Helper()
	select {
	case code := <-r.code:
		if code != want {
			r.t.Fatalf("exit code %d, not %d\n%s\n%s", code, want, r.stdout, r.stderr)
		}
	case <-time.After(within):
		r.t.Fatalf("it did not end\n%s\n%s", r.stdout, r.stderr)
	}
}

// must runs a command to its end.
func must(t *testing.T, environ map[string]string, want int, stdin string, args ...string) *running {
	t.Helper()
	r := begin(t, environ, stdin, args...)
	r.ends(want)
	return r
}

// transcript is what was written so far, and a way to wait for more.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

var _ io.Writer = (*transcript)(nil)

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	return w.text.Write(p)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// shows waits until a pattern was written, and returns what its group matched.
func (w *transcript) shows(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	deadline := time.After(within)
	for {
		w.mu.Lock()
		text, changed := w.text.String(), w.changed
		w.mu.Unlock()
		if m := re.FindStringSubmatch(text); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s was never written:\n%s", pattern, text)
		}
	}
}
