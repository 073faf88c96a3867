package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
)

// patience bounds every wait of these tests; none of them is expected to need it.
const patience = 20 * time.Second

// lines is a writer that can be read while it is written, and waited on.
type lines struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{}
}

func newLines() *lines { return &lines{more: make(chan struct{}, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// wait returns when the text was written.
func (l *lines) wait(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(patience)
	for !strings.Contains(l.String(), text) {
		select {
		case <-l.more:
		case <-deadline:
			t.Fatalf("%q was not written; got:\n%s", text, l)
		}
	}
}

// rig runs a program inside the test.
type rig struct {
	log     *lines
	signals chan os.Signal
	code    chan int
}

func start(t *testing.T, proc app.Process, run func(context.Context, *app.Runtime) error) *rig {
	t.Helper()
	r := &rig{log: newLines(), signals: make(chan os.Signal, 2), code: make(chan int, 1)}
	proc.Stderr, proc.Signals = r.log, r.signals
	p := app.Program{Name: "probe", Config: &workerConfig{}, Run: run}
	go func() { r.code <- p.Execute(context.WithoutCancel(t.Context()), proc) }()
	return r
}

func (r *rig) exit(t *testing.T, want int) {
	t.Helper()
	select {
	case got := <-r.code:
		if got != want {
			t.Errorf("exit code %d, want %d; log:\n%s", got, want, r.log)
		}
	case <-time.After(patience):
		t.Fatalf("the program did not end; log:\n%s", r.log)
	}
}

func inProcess(s *natstest.Server) []nats.Option { return []nats.Option{nats.InProcessServer(s)} }

func status(t *testing.T, addr, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestExecute_DrainsOnTheFirstSignalAndEndsWithZero(t *testing.T) {
	t.Parallel()
	running, draining := make(chan *app.Runtime, 1), make(chan int, 1)
	r := start(t, app.Process{Environ: env(), NATS: inProcess(natstest.Start(t))}, func(ctx context.Context, rt *app.Runtime) error {
		if got := status(t, rt.HTTPAddr, "/readyz"); got != http.StatusServiceUnavailable {
			t.Errorf("a program that has not begun says that it is ready: %d", got)
		}
		rt.Health.Component("work").Ready()
		running <- rt
		<-ctx.Done()
		draining <- status(t, rt.HTTPAddr, "/readyz")
		return rt.Hard.Err() // work in flight may go on
	})
	rt := <-running
	if got := status(t, rt.HTTPAddr, "/readyz"); got != http.StatusOK {
		t.Errorf("ready: %d", got)
	}
	if _, err := rt.JS.AccountInfo(t.Context()); err != nil {
		t.Errorf("JetStream: %v", err)
	}
	r.signals <- syscall.SIGTERM
	r.exit(t, app.ExitOK)
	if got := <-draining; got != http.StatusServiceUnavailable {
		t.Errorf("while draining /readyz answered %d", got)
	}
}

func TestExecute_EndsAtOnceOnTheSecondSignal(t *testing.T) {
	t.Parallel()
	running := make(chan struct{})
	r := start(t, app.Process{Environ: env(), NATS: inProcess(natstest.Start(t))}, func(_ context.Context, rt *app.Runtime) error {
		close(running)
		<-rt.Hard.Done() // does not care for the first signal
		return nil
	})
	<-running
	r.signals <- os.Interrupt
	r.log.wait(t, "draining")
	r.signals <- os.Interrupt
	r.exit(t, app.ExitSignal)
}

func TestExecute_CutsOffWorkThatDoesNotDrainInTime(t *testing.T) {
	t.Parallel()
	running := make(chan struct{})
	r := start(t, app.Process{Environ: env("DRAIN_TIMEOUT", "20ms"), NATS: inProcess(natstest.Start(t))}, func(_ context.Context, rt *app.Runtime) error {
		close(running)
		<-rt.Hard.Done()
		return nil
	})
	<-running
	r.signals <- syscall.SIGTERM
	r.exit(t, app.ExitFailure)
	if !strings.Contains(r.log.String(), "time for draining is over") {
		t.Errorf("log:\n%s", r.log)
	}
}

func TestExecute_MapsTheEndOfTheWorkToTheExitCode(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, app.ExitOK},
		{errors.New("broken"), app.ExitFailure},
		{fmt.Errorf("topology: %w", app.Misconfigured("GAMESDROP_RATE_LIMIT", "is 30/1s, the stream has 60/1s")), app.ExitConfig},
	} {
		r := start(t, app.Process{Environ: env(), NATS: inProcess(s)}, func(context.Context, *app.Runtime) error { return tc.err })
		r.exit(t, tc.want)
	}
}

func TestExecute_WaitsForAServerThatIsNotThereAndSaysSo(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	r := start(t, app.Process{Environ: env("NATS_URL", "nats://user:canary-password@127.0.0.1:1")}, func(context.Context, *app.Runtime) error {
		close(began)
		return nil
	})
	r.log.wait(t, "NATS was not reached")
	select {
	case <-began:
		t.Error("the work began without a connection")
	default:
	}
	var addr string
	for line := range strings.Lines(r.log.String()) {
		var entry struct{ Addr string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("not a line of JSON: %s", line)
		} else if entry.Addr != "" {
			addr = entry.Addr
		}
	}
	if status(t, addr, "/healthz") != http.StatusOK || status(t, addr, "/readyz") != http.StatusServiceUnavailable {
		t.Error("while waiting for NATS the program must be alive and not ready")
	}
	r.signals <- syscall.SIGTERM
	r.exit(t, app.ExitOK)
	if strings.Contains(r.log.String(), "canary") {
		t.Errorf("the log shows a secret:\n%s", r.log)
	}
}

func TestExecute_OutlivesARestartOfTheServer(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	running := make(chan *app.Runtime, 1)
	r := start(t, app.Process{Environ: env(), NATS: append(inProcess(s), nats.ReconnectWait(time.Millisecond))}, func(ctx context.Context, rt *app.Runtime) error {
		rt.Health.Component("work").Ready()
		running <- rt
		<-ctx.Done()
		return nil
	})
	rt := <-running
	s.Stop()
	r.log.wait(t, "connection to NATS was lost")
	if got := status(t, rt.HTTPAddr, "/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("without NATS /readyz answered %d", got)
	}
	s.Restart(t)
	r.log.wait(t, "reconnected to NATS")
	if got := status(t, rt.HTTPAddr, "/readyz"); got != http.StatusOK {
		t.Errorf("with NATS again /readyz answered %d", got)
	}
	r.signals <- syscall.SIGTERM
	r.exit(t, app.ExitOK)
}

func TestExecute_EndsWhenTheServerRefusesTheCredentials(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener(), natstest.Configure(func(o *server.Options) {
		o.Username, o.Password = "beltline", "right"
	}))
	r := start(t, app.Process{
		Environ: env("NATS_URL", strings.Replace(s.URL(), "://", "://beltline:canary-wrong@", 1)),
		NATS:    []nats.Option{nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0)},
	}, func(context.Context, *app.Runtime) error { return nil })
	r.exit(t, app.ExitFailure)
	if log := r.log.String(); !strings.Contains(log, "uthorization") || strings.Contains(log, "canary") {
		t.Errorf("log:\n%s", log)
	}
}

func TestExecute_LogsTheConfigurationWithoutSecrets(t *testing.T) {
	t.Parallel()
	r := start(t, app.Process{Environ: env("POLL_MAX", "2h"), NATS: inProcess(natstest.Start(t))}, func(context.Context, *app.Runtime) error { return nil })
	r.exit(t, app.ExitOK)
	log := r.log.String()
	for _, want := range []string{`"POLL_MAX":"2h0m0s"`, `"POLL_MAX":"env"`, `"GAMESDROP_TOKEN":"***"`, `"exchanger":{"timeout":"1m0s","lease":"1m5s","ack_wait":"1m15s"}`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	if strings.Contains(log, "canary") {
		t.Errorf("the log shows a secret:\n%s", log)
	}
	var entry struct{ Time, Level, Service string }
	if err := json.Unmarshal([]byte(log[:strings.IndexByte(log, '\n')]), &entry); err != nil {
		t.Fatal(err)
	}
	if at, err := time.Parse(time.RFC3339Nano, entry.Time); err != nil || at.Location() != time.UTC || entry.Service != "probe" {
		t.Errorf("got %+v, %v", entry, err)
	}
}

func TestExecute_AnAddressThatIsTakenIsAFailure(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	taken := strings.TrimPrefix(s.URL(), "nats://")
	r := start(t, app.Process{Environ: env("HTTP_ADDR", taken), NATS: inProcess(s)}, func(context.Context, *app.Runtime) error { return nil })
	r.exit(t, app.ExitFailure)
}

// TestMain lets the test binary be a program of its own, to see what the
// process as a whole does.
func TestMain(m *testing.M) {
	if os.Getenv("BELTLINE_TEST_PROGRAM") != "" {
		app.Main(keyed(make(chan *workerConfig, 1)))
	}
	os.Exit(m.Run())
}

func TestMain_EndsTheProcessWithTheDocumentedCode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		environ []string
		args    []string
		want    int
		text    string
	}{
		{"a fault of the configuration", []string{"LOG_LEVEL=loud"}, nil, app.ExitConfig, "LOG_LEVEL: must be one of"},
		{"an unknown flag", []string{"GAMESDROP_TOKEN=x"}, []string{"--nonsense"}, app.ExitConfig, "--nonsense: unknown flag"},
		{"help", nil, []string{"--help"}, app.ExitOK, "Usage: probe"},
		{"version", []string{"VERSION=1"}, []string{"--version"}, app.ExitOK, "go1."},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], tc.args...)
		cmd.Env = append(tc.environ, "BELTLINE_TEST_PROGRAM=1", "PATH=")
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != tc.want || !strings.Contains(string(out), tc.text) {
			t.Errorf("%s: exit code %d, want %d; output:\n%s", tc.name, got, tc.want, out)
		}
	}
}

func TestMain_StopsOnSIGTERM(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.WithListener())
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{"BELTLINE_TEST_PROGRAM=1", "GAMESDROP_TOKEN=x", "NATS_URL=" + s.URL()}
	log := newLines()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log.wait(t, "connected to NATS")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v; log:\n%s", err, log)
	}
}
