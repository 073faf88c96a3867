package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/bench"
	"github.com/beltline-io/beltline/pkg/messages"
)

// benchCommand is `bench`.
type benchCommand struct {
	output
	Orders   int           `name:"orders" default:"20000" help:"Orders in the burn-down, and again in the steady part."`
	Rounds   int           `name:"rounds" default:"3" help:"Rounds; the median of each figure is shown."`
	Mode     []string      `name:"mode" sep:"," placeholder:"MODE" help:"one-always, one-default or three-always; may be repeated. Without it all three are measured."`
	Workers  []int         `name:"workers" sep:"," default:"1" help:"Replicas of the worker; each number is measured, as in 1,2,4."`
	Kind     string        `name:"kind" default:"topup" help:"Kind of the orders: topup or deposit."`
	Floor    bool          `name:"floor" help:"Measure as well a loop that stores the same messages as the pipeline, of the same size, and does nothing else."`
	Rate     float64       `name:"rate" help:"Orders a second under which latency is measured, instead of 30 % of what was reached."`
	Latency  time.Duration `name:"latency" default:"8s" help:"How long each measurement of latency takes."`
	InFlight int           `name:"in-flight" default:"64" help:"Messages in work at one time, in each program of both sides."`
	Profile  string        `name:"profile" placeholder:"PATH" help:"Measure nothing, and write CPU and allocation profiles of dispatcher, worker and nats-server into this folder, taken under the steady load for as long as --latency says."`
	Dir      string        `name:"dir" placeholder:"PATH" help:"Below which the servers keep their files, on the disk that is meant; default is where temporary files are."`
}

// Help is shown below the flags.
func (*benchCommand) Help() string {
	return "Measures the pipeline beside a bare JetStream loop that does the same job: an order of 400 bytes is stored, an intent is stored, " +
		"a POST goes to an instant shop, its outcome is stored, and another consumer reads it. Both run on nats-servers of their own, by turns. " +
		"Servers, dispatcher, workers, the two steps of the bare loop and the shop are processes, started from this program; upstream is this process. " +
		"The guarantees are all on, and so is the shared rate limiter, with its limit out of the way.\n\n" +
		"burn-down: all orders are stored before anything takes them, then the time until all results are read. " +
		"steady: 32 publishers submit as fast as orders are taken, until all results are read. " +
		"p50 and p99: orders are submitted at a fixed rate whatever comes back, and timed from the moment each was due: at 30 % of its own steady rate (or at --rate), " +
		"and at 30 % of the bare loop's, the same load for both. " +
		"CPU and allocations are of the steady part, without upstream's own; allocations are of dispatcher and workers. Bytes are of all orders, on each node. " +
		"The targets are those that this project has set itself, as ratios to the bare loop of the same round; shown is the median of the rounds' ratios. " +
		"What other programs computed meanwhile, and how fast the raw disk synced before, say how quiet the machine was.\n\n" +
		"--floor shows how much of the difference lies in the messages, and how much in what the pipeline does with them: a loop that stores an order's three events, " +
		"each as long as ours and by compare-and-set, its command and its permits, each by itself, has the events followed twice, and neither reads, checks nor recovers anything.\n\n" +
		"topup is final at once, and costs two requests, because the login is checked before it is paid for; deposit costs one, as the bare loop's purchase does, " +
		"its result is action_required, and it leaves a timer behind.\n\n" +
		"An order that is missing, or that the shop's books do not hold exactly once, is an error. CPU is measured on Linux only.\n\n" +
		"With --profile it shows of each profile the packages that most of it is of; `go tool pprof` reads the files.\n\n" +
		"Exit codes: 0 measured, 1 not measured, or an order was missing or bought twice, 2 wrong usage, 130 Ctrl-C.\n\n" +
		"Examples:\n\n" +
		"  beltline bench\n" +
		"  beltline bench --orders 2000 --rounds 1 --mode one-always\n" +
		"  beltline bench --mode one-default --floor\n" +
		"  beltline bench --mode one-default --workers 1,2,4 -o json\n" +
		"  beltline bench --mode one-always --profile profiles"
}

// Check applies the rules of the command.
func (c *benchCommand) Check(f *app.Faults) {
	for _, m := range c.Mode {
		if !slices.Contains(bench.Modes(), bench.Mode(m)) {
			f.Add("--mode", "must be one of %s", joined(bench.Modes()))
			return
		}
	}
	if !slices.Contains(bench.Kinds(), messages.Kind(c.Kind)) {
		f.Add("--kind", "must be one of %s", joined(bench.Kinds()))
		return
	}
	if err := c.options().Check(); err != nil {
		f.Add("", "%s", err)
	}
}

func (c *benchCommand) options() bench.Options {
	o := bench.Options{
		Orders: c.Orders, Rounds: c.Rounds, Modes: bench.Modes(), Workers: c.Workers, Kind: messages.Kind(c.Kind), Floor: c.Floor,
		Rate: c.Rate, Latency: c.Latency, InFlight: c.InFlight, Dir: c.Dir,
	}
	if len(c.Mode) > 0 {
		o.Modes = nil
		for _, m := range c.Mode {
			o.Modes = append(o.Modes, bench.Mode(m))
		}
	}
	return o
}

func (c *benchCommand) run(ctx context.Context, s *session) int {
	o := c.options()
	o.Say = s.say
	if c.Profile != "" {
		return c.profile(ctx, s, o)
	}
	report, err := bench.Run(ctx, o)
	if c.json() {
		if jsonErr := report.JSON(s.Stdout); err == nil {
			err = jsonErr
		}
	} else {
		var tables strings.Builder
		report.Tables(&tables)
		s.tell("%s", strings.TrimSpace(tables.String()))
	}
	if err != nil {
		return s.stopped(ctx, err)
	}
	return app.ExitOK
}

func (c *benchCommand) profile(ctx context.Context, s *session, o bench.Options) int {
	all, err := bench.Profile(ctx, o, c.Profile)
	switch {
	case err != nil:
		return s.stopped(ctx, err)
	case !c.json():
		bench.ProfileTables(s.Stdout, all)
		return app.ExitOK
	}
	for _, p := range all {
		if err := s.tellJSON(p); err != nil {
			return s.failed(err)
		}
	}
	return app.ExitOK
}
