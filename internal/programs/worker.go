package programs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/internal/query"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/internal/webhook"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
)

// Workers lists the workers' programs, one for each provider that is built.
func Workers() []app.Program {
	return []app.Program{BalanceSteam(), SkinsBack(), GamesDrop(), Exchanger()}
}

// BalanceSteam is the worker for Steam wallet top-ups and gift cards.
func BalanceSteam() app.Program {
	c := new(struct {
		app.Common
		BalanceSteam app.BalanceSteam `embed:""`
	})
	return workerProgram(messages.BalanceSteam, BalanceSteam, c, func(t tools) (providers.Provider, error) {
		return balancesteam.New(balancesteam.Config{
			URL: c.BalanceSteam.URL.String(), APIKey: c.BalanceSteam.APIKey, Witness: c.BalanceSteam.Witness == "record", HTTP: t.http,
		})
	})
}

// SkinsBack is the worker for deposits of skins. It learns what becomes of them
// by polling, and sooner where webhooks are configured.
func SkinsBack() app.Program {
	c := new(struct {
		app.Common
		SkinsBack app.SkinsBack `embed:""`
		Webhooks  app.Webhooks  `embed:""`
	})
	hooks := &hooks{
		section: &c.Webhooks, verify: skinsbackCallback(func() secret.String { return c.SkinsBack.ClientSecret }), // not yet read here
	}
	return hookedProgram(messages.SkinsBack, SkinsBack, c, hooks, func(t tools) (providers.Provider, error) {
		return skinsback.New(skinsback.Config{
			URL: c.SkinsBack.URL.String(), ClientID: c.SkinsBack.ClientID, ClientSecret: c.SkinsBack.ClientSecret,
			Auth: cmp.Or(c.SkinsBack.Auth, skinsback.AuthHeaders), HTTP: t.http, ResultURL: t.callbackURL,
		})
	})
}

// GamesDrop is the worker for game goods, gift cards and Telegram Stars.
func GamesDrop() app.Program {
	c := new(struct {
		app.Common
		GamesDrop app.GamesDrop `embed:""`
	})
	return workerProgram(messages.GamesDrop, GamesDrop, c, func(t tools) (providers.Provider, error) {
		return gamesdrop.New(gamesdrop.Config{
			URL: c.GamesDrop.URL.String(), TelegramURL: c.GamesDrop.TelegramURL.String(), Token: c.GamesDrop.Token, HTTP: t.http,
		})
	})
}

// tools are what an adapter is made with.
type tools struct {
	http *providerhttp.Client
	// callbackURL is where the provider may call back for an order; nil without webhooks.
	callbackURL func(providers.Order) string
}

// build makes the adapter once its tools exist.
type build func(tools) (providers.Provider, error)

func workerProgram(p messages.Provider, anew func() app.Program, config app.Config, b build) app.Program {
	return hookedProgram(p, anew, config, nil, b)
}

// hookedProgram is a worker's program whose provider may call back.
func hookedProgram(p messages.Provider, anew func() app.Program, config app.Config, h *hooks, b build) app.Program {
	reg, _ := providers.Lookup(p)
	return app.Program{
		Name: "worker-" + string(p), Provider: p, Config: config, Anew: anew,
		Description: fmt.Sprintf("Fulfils orders at %s: %v.", reg.Title, reg.Kinds),
		Check:       func() error { return checkWorker(p, h, b) },
		Run:         func(ctx context.Context, rt *app.Runtime) error { return runWorker(ctx, rt, p, h, b) },
	}
}

// checkWorker makes the parts that can refuse their settings, and throws them
// away: a worker that starts, connects and only then ends looks like trouble
// with the server.
func checkWorker(p messages.Provider, h *hooks, b build) error {
	http := providerhttp.New(providerhttp.Config{Name: string(p)})
	defer http.Close()
	_, err := b(tools{http: http})
	if h == nil || h.section.Addr == "" {
		return err
	}
	_, doorErr := webhook.New(nil, nil, h.options(p, zerolog.Nop(), nil))
	return errors.Join(err, doorErr)
}

func runWorker(ctx context.Context, rt *app.Runtime, p messages.Provider, h *hooks, b build) error {
	ready := rt.Health.Component("worker")
	namespace, err := awaitSetup(ctx, rt, p, ready)
	if err != nil || ctx.Err() != nil {
		return err
	}
	l, err := ledger.Open(ctx, rt.Conn, rt.JS, ledger.Options{Log: rt.Log, Registerer: rt.Metrics})
	if err != nil {
		return err
	}
	defer l.Close()
	s, waits := rt.Config.Provider(p), rt.Config.Times
	limiter := ratelimit.New(rt.JS, ratelimit.Options{Provider: p, Instance: rt.Instance, Log: rt.Log, Registerer: rt.Metrics, Age: rt.PermitAge})
	http := providerhttp.New(providerhttp.Config{Name: string(p), Timeout: s.Timeout, Limiter: ratelimit.Patient(limiter), Observe: observe(rt.Metrics, p)})
	defer http.Close()
	orders := queue.New(rt.JS)
	door, err := h.open(rt, l, orders, p)
	if err != nil {
		return err
	}
	t := tools{http: http}
	if door != nil {
		t.callbackURL = func(o providers.Order) string { return door.CallbackURL(o.Tenant, o.ID) }
	}
	provider, err := b(t)
	if err != nil {
		return err
	}
	guard := fence.New(rt.Conn, rt.JS, fence.Options{Instance: rt.Instance, Log: rt.Log, Registerer: rt.Metrics})
	w, err := worker.New(rt.JS, guard.Around(l), orders, provider, limiter, worker.Options{
		Provider: p, Instance: rt.Instance, Namespace: namespace, MaxInFlight: rt.Config.MaxInFlight,
		Timeout: s.Timeout, Lease: s.Lease, AckWait: s.AckWait, HoldDown: waits.HoldDown, AbsenceWait: waits.AbsenceWait, Window: s.Rate.Window,
		Times: times(waits), DrainFor: rt.Config.HTTP.DrainTimeout, Log: rt.Log, Registerer: rt.Metrics, Fence: guard,
	})
	if err != nil {
		return err
	}
	stopQuestions, err := serveQuestions(ctx, rt, provider, p)
	if err != nil {
		return err
	}
	defer stopQuestions()
	go guard.Run(ctx)
	go follow(ctx, ready, w.Ready)
	go follow(ctx, rt.Health.Component("fence"), guard.Ready)
	return runBoth(ctx, rt, w, door)
}

// serveQuestions begins to answer questions to the provider, until ctx ends or
// the returned function is called.
func serveQuestions(ctx context.Context, rt *app.Runtime, provider providers.Provider, p messages.Provider) (stop func(), err error) {
	asker, ok := provider.(providers.Asker)
	if !ok {
		return func() {}, nil
	}
	s := rt.Config.Provider(p)
	questions, err := query.Serve(rt.Conn, rt.JS, asker, query.Options{
		Provider: p, Instance: rt.Instance, Log: rt.Log, Timeout: s.Timeout, Window: s.Rate.Window,
		Registerer: rt.Metrics,
	})
	if err != nil {
		return nil, err
	}
	go questions.Watch(ctx)
	context.AfterFunc(ctx, questions.Stop)
	return questions.Stop, nil
}

// awaitSetup waits until streams and consumers exist, so that programs may be
// started in any order, and returns the namespace of references. It refuses to
// run with limits that differ from those that were set up.
func awaitSetup(ctx context.Context, rt *app.Runtime, p messages.Provider, ready *app.Component) (namespace string, err error) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for told := false; ; told = true {
		if err = topology.Verify(ctx, rt.JS, p, rt.Config.Topology()); err == nil {
			namespace, err = topology.Namespace(ctx, rt.JS)
		}
		switch {
		case err == nil || ctx.Err() != nil:
			return namespace, nil
		case errors.Is(err, topology.ErrDiffers):
			return "", app.Misconfigured("", "%s", err)
		case errors.Is(err, topology.ErrNamespace):
			return "", err
		}
		if errors.Is(err, topology.ErrNotSetUp) {
			err = topology.ErrNotSetUp // and not a list of all that is missing
		}
		ready.NotReady(err.Error())
		if !told {
			rt.Log.Warn().Err(err).Msg("waiting for streams and consumers; starting the dispatcher sets them up too")
		}
		select {
		case <-ctx.Done():
			return "", nil
		case <-ticker.C:
		}
	}
}

// observe measures the requests to the provider.
func observe(r prometheus.Registerer, p messages.Provider) func(providerhttp.Call) {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "beltline", Subsystem: "provider", Name: "request_seconds",
		Help:        "Duration of requests to the provider, by operation and class of the outcome.",
		ConstLabels: prometheus.Labels{"provider": string(p)},
		Buckets:     []float64{.005, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60},
	}, []string{"op", "class"})
	r.MustRegister(seconds)
	return func(c providerhttp.Call) { seconds.WithLabelValues(c.Op, c.Class).Observe(c.Duration.Seconds()) }
}
