package programs

import (
	"context"
	"time"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/topology"
)

type dispatcherConfig struct {
	app.Common
	Dispatching app.Dispatching `embed:""`
}

// Dispatcher is the program that checks orders and hands them to the workers.
func Dispatcher() app.Program {
	c := new(dispatcherConfig)
	return app.Program{
		Name: "dispatcher", Config: c,
		Description: "Checks the orders that upstream systems put on NATS, and puts a command on the subject of their provider.",
		Run:         func(ctx context.Context, rt *app.Runtime) error { return runDispatcher(ctx, rt, c) },
	}
}

func runDispatcher(ctx context.Context, rt *app.Runtime, c *dispatcherConfig) error {
	ready := rt.Health.Component("dispatcher")
	ready.NotReady("starting")
	settings := c.Topology()
	if !c.Dispatching.NoSetup {
		if err := setUp(ctx, rt, settings); err != nil {
			return err
		}
	}
	l, err := ledger.Open(ctx, rt.Conn, rt.JS, ledger.Options{Log: rt.Log, Registerer: rt.Metrics})
	if err != nil {
		return err
	}
	defer l.Close()
	var ackWait time.Duration
	for _, p := range settings.Providers {
		ackWait = max(ackWait, p.AckWait)
	}
	// A dispatcher buys nothing, but it remembers too what the ledger has held, and
	// cancels nothing that may have been bought.
	guard := fence.New(rt.Conn, rt.JS, fence.Options{Instance: rt.Instance, Log: rt.Log, Registerer: rt.Metrics})
	d := dispatcher.New(rt.Conn, rt.JS, guard.Around(l), queue.New(rt.JS), dispatcher.Options{
		Instance: rt.Instance, Log: rt.Log, MaxInFlight: c.MaxInFlight, PlaceBacklogMax: c.Dispatching.PlaceBacklogMax,
		Times: times(c.Times), AckWait: ackWait, DrainFor: c.HTTP.DrainTimeout, Registerer: rt.Metrics, Fence: guard,
	})
	go guard.Run(ctx)
	go follow(ctx, ready, d.Ready)
	return d.Run(ctx)
}

// setUp creates streams and consumers, and says what it did.
func setUp(ctx context.Context, rt *app.Runtime, s topology.Settings) error {
	s.Progress = func(text string) { rt.Log.Warn().Msg(text) }
	report, err := topology.Setup(ctx, rt.JS, s)
	if err != nil {
		return err
	}
	rt.Log.Info().Int("created", len(report.Created)).Int("updated", len(report.Updated)).Int(logkey.Count, len(report.Left)).
		Msg("streams and consumers are set up")
	return nil
}

func times(t app.Times) order.Times {
	return order.Times{PollFirst: t.PollFirst, PollMax: t.PollMax, BlockedMax: t.BlockedMax}
}

// follow keeps a component of the health up to date with what it says itself.
func follow(ctx context.Context, c *app.Component, ready func() error) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if err := ready(); err != nil {
			c.NotReady(err.Error())
		} else {
			c.Ready()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
