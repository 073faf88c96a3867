package bench

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	tenant = "bench"
	// firstAccount is the Steam account of the first deposit.
	firstAccount = 76561198000000000
)

// pipeline is Beltline: the dispatcher and some workers, with the guarantees
// and the shared rate limiter on and the limit out of the way.
type pipeline struct {
	kind     messages.Kind
	replicas int
}

func (p pipeline) name() string { return ours }

func (p pipeline) workers() int { return p.replicas }

func (p pipeline) provider() messages.Provider {
	if p.kind == messages.Deposit {
		return messages.SkinsBack
	}
	return messages.BalanceSteam
}

// params are those of order i: its customer is nobody else's.
func (p pipeline) params(i int) string {
	if p.kind == messages.Deposit {
		return `{"steam_id":"` + p.customer(i) + `","trade_token":"i1ArBZey"}`
	}
	return `{"login":"` + p.customer(i) + `","amount":"1.00"}`
}

func (p pipeline) customer(i int) string {
	if p.kind == messages.Deposit {
		return strconv.Itoa(firstAccount + i)
	}
	return customer(i)
}

func (p pipeline) order(i int) (subject string, body []byte) {
	before := `{"v":1,"id":"o` + strconv.Itoa(i) + `","provider":"` + string(p.provider()) + `","kind":"` + string(p.kind) +
		`","params":` + p.params(i) + `,"metadata":{"note":"`
	return messages.OrderSubject(tenant, messages.SubmitRequest), padded(before, `"}}`)
}

func (p pipeline) taker() (stream, consumer string) {
	return messages.StreamOrders, topology.DispatcherConsumer
}

// outcome is the event that tells upstream what came of the purchase.
func (p pipeline) outcome() messages.Type {
	if p.kind == messages.Deposit {
		return messages.ActionRequired
	}
	return messages.Succeeded
}

func (p pipeline) results() (filter string) {
	return "events." + string(p.provider()) + "." + tenant + ".*." + string(p.outcome())
}

func (p pipeline) number(subject string) (int, bool) {
	a, err := messages.ParseEventSubject(subject)
	if err != nil {
		return 0, false
	}
	i, err := strconv.Atoi(strings.TrimPrefix(a.OrderID, "o"))
	return i, err == nil
}

// settings are those of dispatcher and workers: streams follow from them.
func (p pipeline) settings(s *stage) map[string]string {
	return map[string]string{
		"NATS_URL": addresses(s.nodes), "NATS_REPLICAS": strconv.Itoa(s.mode.nodes()), "MAX_IN_FLIGHT": strconv.Itoa(s.o.InFlight),
		"HTTP_ADDR": loopback + ":0", "LOG_LEVEL": "warn", "LOG_FORMAT": "json",
		"BALANCESTEAM_RATE_LIMIT": "1000000/1s", "SKINSBACK_RATE_LIMIT": "1000000/1s",
		"ORDERS_MAX_BYTES": "8GiB", "EVENTS_MAX_BYTES": "64GiB", // reserved, not taken
		"PLACE_BACKLOG_MAX": "100000000",
	}
}

// own are the settings of a worker beside those.
func (p pipeline) own(s *stage) (role, map[string]string) {
	if p.kind == messages.Deposit {
		return roleSkinsBack, map[string]string{
			"SKINSBACK_URL": s.shop.url + skinsPath, "SKINSBACK_CLIENT_ID": "bench", "SKINSBACK_CLIENT_SECRET": "bench",
			// Most deposits are asked for again only when nobody measures any more. It is
			// also how long one waits that could not be sent in time, so where orders are
			// few it is less.
			"POLL_FIRST": min(time.Minute, 5*time.Second+time.Duration(s.o.Orders)*3*time.Millisecond).String(),
		}
	}
	return roleBalanceSteam, map[string]string{"BALANCESTEAM_URL": s.shop.url, "BALANCESTEAM_API_KEY": "bench", "BALANCESTEAM_WITNESS": "off"}
}

func (p pipeline) start(ctx context.Context, s *stage) error {
	if err := p.setUp(ctx, s); err != nil {
		return err
	}
	common := p.settings(s)
	r, own := p.own(s)
	for i := range 1 + p.replicas {
		name, t := string(roleDispatcher), task{Role: roleDispatcher, Environ: common}
		if i > 0 {
			name, t = fmt.Sprintf("%s-%d", r, i), task{Role: r, Environ: map[string]string{}}
			for _, all := range []map[string]string{common, own} {
				for k, v := range all {
					t.Environ[k] = v
				}
			}
		}
		program, err := s.spawn(name, t)
		if err != nil {
			return err
		}
		s.programs = append(s.programs, program)
	}
	for _, program := range s.programs {
		if err := program.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// setUp makes streams and consumers first, so that workers need not wait for a
// dispatcher that makes them.
func (p pipeline) setUp(ctx context.Context, s *stage) error {
	c := new(struct{ app.Common })
	if _, err := app.Load(c, app.Input{Name: "bench", Environ: p.settings(s), Stdout: io.Discard, Stderr: io.Discard}); err != nil {
		return err
	}
	_, err := topology.Setup(ctx, s.js, c.Topology())
	return err
}

// failure is what the ledger knows of an order whose result did not come.
func (p pipeline) failure(ctx context.Context, s *stage, i int) string {
	stream, err := s.js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return err.Error()
	}
	var last *jetstream.RawStreamMsg
	if last, err = stream.GetLastMsgForSubject(ctx, messages.OrderEvents(tenant, "o"+strconv.Itoa(i))); err != nil {
		return "it has no event: " + err.Error()
	}
	return fmt.Sprintf("its last event is %s %.600s", last.Subject, last.Data)
}
