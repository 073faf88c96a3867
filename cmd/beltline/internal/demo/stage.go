package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"path/filepath"
	"strconv"

	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/cmd/beltline/internal/fleet"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// maxStore is what the streams of the stage may reserve altogether.
const maxStore = 1 << 30

// Stage is everything that runs, without an order yet.
type Stage struct {
	Steam     *balancesteamtest.Shop
	Skins     *skinsbacktest.Shop
	Drop      *gamesdroptest.Shop
	Exchanger *exchangertest.Server

	server     *fleet.Server
	steam      *shop
	skins      *shop
	drop       *shop
	exchanger  *shop
	dispatcher *fleet.Member
	workers    []*fleet.Member
}

// OpenStage starts everything and returns when all of it is ready. dir keeps
// the streams; log gets what the programs log, as lines of JSON.
func OpenStage(ctx context.Context, dir string, log io.Writer) (*Stage, error) {
	lines := fleet.NewLines(log)
	s := &Stage{
		Steam: newBalanceSteam(), Skins: skinsbacktest.NewShop(skinsbacktest.WithWebhooks(skinsbacktest.Form, "")),
		Drop: newGamesDrop(), Exchanger: exchangertest.New(),
	}
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
	if s.skins, err = openShop(ctx, s.Skins, skinsKey); err != nil {
		return err
	}
	if s.drop, err = openShop(ctx, changePrice(s.Drop), dropKey); err != nil {
		return err
	}
	if s.exchanger, err = openShop(ctx, s.Exchanger.Shop, exchangerKey); err != nil {
		return err
	}
	doors, err := doorAddresses(ctx, 2)
	if err != nil {
		return err
	}
	proc := app.Process{Environ: s.environ(), Stderr: log}
	s.dispatcher = fleet.Start(ctx, programs.Dispatcher(), proc)
	if err := s.dispatcher.Ready(ctx); err != nil {
		return err
	}
	for _, p := range programs.Workers() {
		own := proc
		switch p.Provider {
		case messages.SkinsBack:
			own.Environ = withDoor(proc.Environ, doors[0])
		case messages.Exchanger:
			own.Environ = withDoor(proc.Environ, doors[1])
		case messages.BalanceSteam, messages.GamesDrop: // never call back
		default:
			continue // its shop is not on this stage, and the real one must not be reached
		}
		s.workers = append(s.workers, fleet.Start(ctx, p, own))
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
		"BALANCESTEAM_TIMEOUT": "2s", "GAMESDROP_TIMEOUT": "2s", "SKINSBACK_TIMEOUT": "2s", "EXCHANGER_TIMEOUT": "2s", "LEASE": "3s", "ACK_WAIT": "5s",
		"POLL_FIRST": "300ms", "HOLD_DOWN": "15m", "DRAIN_TIMEOUT": "5s",
		"BALANCESTEAM_RATE_LIMIT": "200/1s", "GAMESDROP_RATE_LIMIT": "200/1s", "SKINSBACK_RATE_LIMIT": "200/1s", "EXCHANGER_RATE_LIMIT": "200/1s",
		"BALANCESTEAM_URL": s.steam.url(), "BALANCESTEAM_API_KEY": balancesteamtest.APIKey,
		"GAMESDROP_URL": s.drop.url(), "GAMESDROP_TELEGRAM_URL": s.drop.url() + gamesdroptest.TelegramPath,
		"GAMESDROP_TOKEN": gamesdroptest.Token,
		"SKINSBACK_URL":   s.skins.url() + skinsbacktest.Path, "SKINSBACK_CLIENT_ID": skinsbacktest.ClientID,
		"SKINSBACK_CLIENT_SECRET": skinsbacktest.ClientSecret,
		"EXCHANGER_URL":           s.exchanger.url() + exchangertest.Path, "EXCHANGER_API_LOGIN": exchangertest.Login, "EXCHANGER_API_KEY": exchangertest.Key,
	}
}

// withDoor adds a door for callbacks to a worker's configuration.
func withDoor(environ map[string]string, address string) map[string]string {
	environ = maps.Clone(environ)
	environ["WEBHOOK_ADDR"], environ["WEBHOOK_PUBLIC_URL"], environ["WEBHOOK_SECRET"] = address, "http://"+address, rand.Text()
	return environ
}

// The ports among which doors are put. A worker must be told its public address
// before it listens, so nobody else may take the port in between: these are
// below those that systems give to outgoing connections.
const (
	firstDoor = 20000
	doors     = 10000
	looks     = 100
)

// doorAddresses finds free addresses on the loopback interface.
func doorAddresses(ctx context.Context, n int) (free []string, err error) {
	var lc net.ListenConfig
	for range looks {
		var l net.Listener
		l, err = lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(firstDoor+mathrand.IntN(doors)))) // #nosec G404 -- any will do
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // at the end, so that none is found twice
		if free = append(free, l.Addr().String()); len(free) == n {
			return free, nil
		}
	}
	return nil, fmt.Errorf("no free port for callbacks: %w", err)
}

// Callbacks are the HTTP statuses with which the workers have answered the
// providers' calls so far; 0 where there was no answer.
func (s *Stage) Callbacks() map[messages.Provider][]int {
	all := map[messages.Provider][]int{}
	for _, d := range s.Skins.Deliveries() {
		all[messages.SkinsBack] = append(all[messages.SkinsBack], d.Code)
	}
	for _, e := range s.Exchanger.Book().Select(exchangertest.Called, "callback") {
		all[messages.Exchanger] = append(all[messages.Exchanger], e.Status)
	}
	return all
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
	s.Skins.Close()
	s.Exchanger.Close()
	for _, shop := range []*shop{s.steam, s.skins, s.drop, s.exchanger} {
		if shop != nil {
			shop.close()
		}
	}
}
