package demo

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/cmd/beltline/internal/fleet"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
)

// maxStore is what the streams of the stage may reserve altogether.
const maxStore = 1 << 30

// Stage is everything that runs, without an order yet.
type Stage struct {
	Steam *balancesteamtest.Shop
	Drop  *gamesdroptest.Shop

	server     *fleet.Server
	steam      *shop
	drop       *shop
	dispatcher *fleet.Member
	workers    []*fleet.Member
}

// OpenStage starts everything and returns when all of it is ready. dir keeps
// the streams; log gets what the programs log, as lines of JSON.
func OpenStage(ctx context.Context, dir string, log io.Writer) (*Stage, error) {
	lines := fleet.NewLines(log)
	s := &Stage{Steam: newBalanceSteam(), Drop: newGamesDrop()}
	err := s.open(ctx, dir, lines)
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Stage) open(ctx context.Context, dir string, log io.Writer) (err error) {
	s.server, err = fleet.StartServer(fleet.ServerOptions{
		StoreDir: filepath.Join(dir, "nats"), MaxStore: maxStore, Log: zerolog.New(log).With().Timestamp().Logger(),
	})
	if err != nil {
		return err
	}
	if s.steam, err = openShop(ctx, s.Steam, steamKey); err != nil {
		return err
	}
	if s.drop, err = openShop(ctx, changePrice(s.Drop), dropKey); err != nil {
		return err
	}
	proc := app.Process{Environ: s.environ(), Stderr: log}
	s.dispatcher = fleet.Start(ctx, programs.Dispatcher(), proc)
	if err := s.dispatcher.Ready(ctx); err != nil {
		return err
	}
	// Only those whose shops are on the stage: another worker would have none to ask.
	for _, p := range []app.Program{programs.BalanceSteam(), programs.GamesDrop()} {
		s.workers = append(s.workers, fleet.Start(ctx, p, proc))
	}
	for _, w := range s.workers {
		if err := w.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// environ is the configuration of all programs. The times are short, so that a
// person need not wait, and in the order that production has them in. Beyond
// what is set here only defaults count: the demonstration must not depend on,
// nor reach, whatever the person's own environment is configured for.
func (s *Stage) environ() map[string]string {
	return map[string]string{
		"NATS_URL": s.server.URL(), "LOG_FORMAT": "json", "HTTP_ADDR": "127.0.0.1:0",
		"EVENTS_MAX_BYTES": "256MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
		"BALANCESTEAM_TIMEOUT": "2s", "GAMESDROP_TIMEOUT": "2s", "LEASE": "3s", "ACK_WAIT": "5s",
		"POLL_FIRST": "300ms", "HOLD_DOWN": "15m", "DRAIN_TIMEOUT": "5s",
		"BALANCESTEAM_RATE_LIMIT": "200/1s", "GAMESDROP_RATE_LIMIT": "200/1s",
		"BALANCESTEAM_URL": s.steam.url(), "BALANCESTEAM_API_KEY": balancesteamtest.APIKey,
		"GAMESDROP_URL": s.drop.url(), "GAMESDROP_TELEGRAM_URL": s.drop.url() + gamesdroptest.TelegramPath,
		"GAMESDROP_TOKEN": gamesdroptest.Token,
	}
}

// NATS is where the stage's server listens.
func (s *Stage) NATS() string { return s.server.URL() }

// Addresses says where each program serves health and metrics.
func (s *Stage) Addresses() []string {
	var all []string
	for _, m := range append([]*fleet.Member{s.dispatcher}, s.workers...) {
		all = append(all, fmt.Sprintf("%-22s http://%s/metrics", m.Name(), m.Address()))
	}
	return all
}

// Close drains the workers, then the dispatcher, and then closes the server and
// the shops, so that nobody loses what they still have to write.
func (s *Stage) Close() {
	for _, w := range s.workers {
		w.Stop()
	}
	if s.dispatcher != nil {
		s.dispatcher.Stop()
	}
	if s.server != nil {
		s.server.Stop()
	}
	for _, shop := range []*shop{s.steam, s.drop} {
		if shop != nil {
			shop.close()
		}
	}
}
