package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// stage is the whole of Beltline, for the examples: a server, the dispatcher and
// all workers, with fake shops. NATS_URL says where it is.
type stage struct {
	steam *balancesteamtest.Server
	drop  *gamesdroptest.Server
	skins *skinsbacktest.Server
	site  *exchangertest.Server

	nats  *server.Server
	dir   string
	stops []func()
}

// theStage is there while the tests of this package run.
var theStage *stage

func TestMain(m *testing.M) {
	var err error
	if theStage, err = openStage(); err == nil {
		err = os.Setenv("NATS_URL", theStage.nats.ClientURL())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the stage of the examples:", err)
		os.Exit(1)
	}
	code := m.Run()
	theStage.close()
	os.Exit(code)
}

func openStage() (*stage, error) {
	s := &stage{steam: balancesteamtest.New(), drop: gamesdroptest.New(), skins: skinsbacktest.New(), site: exchangertest.New()}
	var err error
	if s.dir, err = os.MkdirTemp("", "beltline-client"); err == nil {
		err = s.open()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) open() (err error) {
	s.nats, err = server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: s.dir, MaxPayload: 256 << 10, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return err
	}
	s.nats.Start()
	if !s.nats.ReadyForConnections(patience) {
		return errors.New("the server did not start")
	}
	env := map[string]string{
		"NATS_URL": s.nats.ClientURL(), "LOG_FORMAT": "json", "HTTP_ADDR": "127.0.0.1:0", "POLL_FIRST": "100ms",
		"BALANCESTEAM_RATE_LIMIT": "100000/1s", "GAMESDROP_RATE_LIMIT": "100000/1s", "SKINSBACK_RATE_LIMIT": "100000/1s", "EXCHANGER_RATE_LIMIT": "100000/1s",
		"EVENTS_MAX_BYTES": "64MiB", "ORDERS_MAX_BYTES": "16MiB", "DLQ_MAX_BYTES": "16MiB",
		"BALANCESTEAM_URL": s.steam.URL(), "BALANCESTEAM_API_KEY": balancesteamtest.APIKey,
		"GAMESDROP_URL": s.drop.URL(), "GAMESDROP_TELEGRAM_URL": s.drop.TelegramURL(), "GAMESDROP_TOKEN": gamesdroptest.Token,
		"SKINSBACK_URL": s.skins.URL(), "SKINSBACK_CLIENT_ID": skinsbacktest.ClientID, "SKINSBACK_CLIENT_SECRET": skinsbacktest.ClientSecret,
		"EXCHANGER_URL": s.site.APIURL(), "EXCHANGER_API_LOGIN": exchangertest.Login, "EXCHANGER_API_KEY": exchangertest.Key,
	}
	if err := s.run(programs.Dispatcher(), env); err != nil {
		return err
	}
	for _, p := range programs.Workers() {
		if err := s.run(p, env); err != nil {
			return err
		}
	}
	return nil
}

// run starts a program and returns when it says that it is ready.
func (s *stage) run(p app.Program, env map[string]string) error {
	ctx, cancel := context.WithCancel(context.Background())
	begun, ended := make(chan *app.Runtime, 1), make(chan int, 1)
	work := p.Run
	p.Run = func(ctx context.Context, rt *app.Runtime) error {
		begun <- rt
		return work(ctx, rt)
	}
	go func() { ended <- p.Execute(ctx, app.Process{Environ: env, Stdout: io.Discard, Stderr: io.Discard}) }()
	s.stops = append(s.stops, func() { cancel(); <-ended })
	limit := time.After(patience)
	var rt *app.Runtime
	for rt == nil || len(rt.Health.Reasons()) > 0 {
		select {
		case rt = <-begun:
		case code := <-ended:
			ended <- code
			return fmt.Errorf("%s ended with code %d", p.Name, code)
		case <-time.After(5 * time.Millisecond):
		case <-limit:
			return fmt.Errorf("%s was not ready in time", p.Name)
		}
	}
	return nil
}

func (s *stage) close() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
	if s.nats != nil {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
	}
	for _, end := range []func(){s.steam.Close, s.drop.Close, s.skins.Close, s.site.Close} {
		end()
	}
	_ = os.RemoveAll(s.dir)
}
