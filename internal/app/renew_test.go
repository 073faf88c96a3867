package app_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
)

// keyed makes the program of the renewal tests. Every call makes its own
// configuration; the one that runs gives it to running.
func keyed(running chan<- *workerConfig) app.Program {
	c := &workerConfig{}
	return app.Program{
		Name: "probe", Config: c, Anew: func() app.Program { return keyed(nil) },
		Check: func() error {
			if strings.HasPrefix(c.GamesDrop.Token.Reveal(), "bad") {
				return errors.New("no usable token")
			}
			return nil
		},
		Run: func(ctx context.Context, rt *app.Runtime) error {
			rt.Health.Component("work").Ready()
			running <- c
			<-ctx.Done()
			return nil
		},
	}
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReload_TakesOverAllSecretsOrNothing(t *testing.T) {
	t.Parallel()
	tokenFile, settings := write(t, "canary-first\n"), write(t, "max_in_flight: 3\n")
	reload, signals, running := make(chan os.Signal), make(chan os.Signal, 2), make(chan *workerConfig, 1)
	r := &rig{log: newLines(), signals: signals, code: make(chan int, 1)}
	proc := app.Process{
		Args:    []string{"--config", settings},
		Environ: map[string]string{"GAMESDROP_TOKEN_FILE": tokenFile}, Stderr: r.log, Signals: signals, Reload: reload,
		NATS: inProcess(natstest.Start(t)),
	}
	go func() { r.code <- keyed(running).Execute(context.WithoutCancel(t.Context()), proc) }()
	c := <-running
	held := c.GamesDrop.Token // as a client keeps it

	rewrite(t, tokenFile, "canary-second\n")
	reload <- syscall.SIGHUP
	r.log.wait(t, `"changed":["GAMESDROP_TOKEN"]`)
	if held.Reveal() != "canary-second" {
		t.Error("the client still has the first token")
	}

	// What would not start must not be taken over either, and be told with a reason.
	for text, says := range map[string]string{
		"": "names an empty file", "two\nlines": "holds a control character", "bad-canary": "no usable token",
	} {
		rewrite(t, tokenFile, text)
		reload <- syscall.SIGHUP
		r.log.wait(t, says)
		if held.Reveal() != "canary-second" {
			t.Errorf("%q was taken over", text)
		}
	}

	rewrite(t, tokenFile, "canary-third")
	rewrite(t, settings, "max_in_flight: 4\n")
	reload <- syscall.SIGHUP
	r.log.wait(t, `"settings":["MAX_IN_FLIGHT"]`)
	if held.Reveal() != "canary-third" || c.MaxInFlight != 3 {
		t.Errorf("%d in flight, and the token was taken over: %t", c.MaxInFlight, held.Reveal() == "canary-third")
	}
	signals <- syscall.SIGTERM
	r.exit(t, app.ExitOK)
	if strings.Contains(r.log.String(), "canary") {
		t.Errorf("a secret was logged:\n%s", r.log)
	}
}

func TestReload_AProgramWithoutSecretsLivesOn(t *testing.T) {
	t.Parallel()
	reload := make(chan os.Signal)
	running := make(chan struct{})
	r := start(t, app.Process{Environ: env(), NATS: inProcess(natstest.Start(t)), Reload: reload}, func(ctx context.Context, _ *app.Runtime) error {
		close(running)
		<-ctx.Done()
		return nil
	})
	<-running
	reload <- syscall.SIGHUP
	r.log.wait(t, "no secrets to read again")
	r.signals <- syscall.SIGTERM
	r.exit(t, app.ExitOK)
}

// probe starts the test binary as a program of its own and returns its log once
// it is connected.
func probe(t *testing.T, environ ...string) (*exec.Cmd, *lines) {
	t.Helper()
	s := natstest.Start(t, natstest.WithListener())
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(environ, "BELTLINE_TEST_PROGRAM=1", "NATS_URL="+s.URL())
	log := newLines()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log.wait(t, "connected to NATS")
	return cmd, log
}

func end(t *testing.T, cmd *exec.Cmd, log *lines) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v; log:\n%s", err, log)
	}
}

func TestMain_SIGHUPReadsTheSecretsAgainAndEndsNothing(t *testing.T) {
	t.Parallel()
	path := write(t, "first")
	cmd, log := probe(t, "GAMESDROP_TOKEN_FILE="+path)
	rewrite(t, path, "second")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	log.wait(t, `"changed":["GAMESDROP_TOKEN"]`)
	end(t, cmd, log)
}
