package fleet_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/cmd/beltline/internal/fleet"
	"github.com/beltline-io/beltline/internal/app"
)

func start(t *testing.T, dir string) *fleet.Server {
	t.Helper()
	s, err := fleet.StartServer(fleet.ServerOptions{StoreDir: dir, MaxStore: 1 << 20, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func TestStartServer_RefusesAStoreThatIsInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, dir)
	_, err := fleet.StartServer(fleet.ServerOptions{StoreDir: dir, Log: zerolog.Nop()})
	if err == nil || !strings.Contains(err.Error(), "another process uses the store") {
		t.Fatalf("a second server on the same store: %v", err)
	}
	first.Stop()
	start(t, dir)
}

func TestCheckAddress_TakesLoopbackAddressesOnly(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"": true, "127.0.0.1:4222": true, "[::1]:0": true, "localhost:4222": true,
		"0.0.0.0:4222": false, ":4222": false, "192.0.2.1:4222": false, "example.com:4222": false,
		"127.0.0.1": false, "127.0.0.1:x": false, "127.0.0.1:70000": false,
	} {
		if err := fleet.CheckAddress(address); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// program is one that becomes ready, and ends when it is told to or with err.
func program(begun chan<- *app.Runtime, fail <-chan error) app.Program {
	return app.Program{
		Name: "probe", Config: new(struct{ app.Common }),
		Run: func(ctx context.Context, rt *app.Runtime) error {
			begun <- rt
			select {
			case <-ctx.Done():
				return nil
			case err := <-fail:
				return err
			}
		},
	}
}

func TestMember_IsReadyWhenTheProgramIsAndStopsWhenTold(t *testing.T) {
	t.Parallel()
	server := start(t, t.TempDir())
	begun := make(chan *app.Runtime, 1)
	ctx, cancel := context.WithCancel(t.Context())
	m := fleet.Start(ctx, program(begun, nil), app.Process{Environ: map[string]string{"NATS_URL": server.URL()}, Stderr: io.Discard})
	rt := <-begun
	part := rt.Health.Component("part")
	soon, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer done()
	if err := m.Ready(soon); err == nil || !strings.Contains(err.Error(), "part: starting") {
		t.Errorf("ready too early: %v", err)
	}
	part.Ready()
	if err := m.Ready(t.Context()); err != nil || m.Address() != rt.HTTPAddr {
		t.Errorf("not ready: %v, at %q", err, m.Address())
	}
	cancel() // stopping has an order, which the end of a context knows nothing of
	if nc, err := nats.Connect(server.URL()); err != nil {
		t.Error(err)
	} else {
		nc.Close()
	}
	select {
	case <-m.Ended():
		t.Error("the end of the context has ended the program")
	default:
	}
	if code := m.Stop(); code != app.ExitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestMember_TellsWithWhatCodeAProgramEnded(t *testing.T) {
	t.Parallel()
	server := start(t, t.TempDir())
	fail := make(chan error, 1)
	fail <- errors.New("no more")
	m := fleet.Start(t.Context(), program(make(chan *app.Runtime, 1), fail),
		app.Process{Environ: map[string]string{"NATS_URL": server.URL()}, Stderr: io.Discard})
	<-m.Ended()
	if m.Code() != app.ExitFailure {
		t.Errorf("exit code %d", m.Code())
	}
	bad := fleet.Start(t.Context(), program(nil, nil), app.Process{Environ: map[string]string{"NATS_URL": "gopher://x"}, Stderr: io.Discard})
	if err := bad.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "probe ended with code 2") {
		t.Errorf("a program with wrong settings: %v", err)
	}
}
