package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// job is one way to fulfil orders.
type job interface {
	// start prepares everything, on an empty server.
	start(ctx context.Context, url string) error
	// submit hands in order number i; it returns when the order is stored.
	submit(ctx context.Context, nc *nats.Conn, i int) error
	// done tells the numbers of the orders whose result was read.
	done() <-chan int
	stop()
}

type result struct {
	mode, job string
	figures   figures
}

func main() {
	orders := flag.Int("orders", 5000, "orders in a burst")
	steady := flag.Duration("steady", 8*time.Second, "how long to measure latency at a third of the rate")
	rounds := flag.Int("rounds", 2, "rounds; the median of each figure is shown")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the whole run, server and fakes included, to this file")
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(2)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		defer pprof.StopCPUProfile()
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := run(ctx, *orders, *rounds, *steady); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		pprof.StopCPUProfile()
		os.Exit(1)
	}
}

func run(ctx context.Context, orders, rounds int, steady time.Duration) error {
	var results []result
	for _, always := range []bool{true, false} {
		mode := "default sync"
		if always {
			mode = "sync always"
		}
		all := map[string][]figures{}
		names := []string{"bare loop", "beltline"}
		for round := range rounds {
			for _, name := range names { // interleaved, so that a noisy minute hits both
				fmt.Fprintf(os.Stderr, "%s, round %d of %d: %s\n", mode, round+1, rounds, name)
				f, err := once(ctx, name, always, orders, steady)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", name, mode, err)
				}
				all[name] = append(all[name], f)
			}
		}
		for _, name := range names {
			results = append(results, result{mode: mode, job: name, figures: median(all[name])})
		}
	}
	show(results)
	return nil
}

// once measures one job on a server of its own.
func once(ctx context.Context, name string, always bool, orders int, steady time.Duration) (figures, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "beltline-bench-")
	if err != nil {
		return figures{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	srv, err := serve(dir, always)
	if err != nil {
		return figures{}, err
	}
	defer func() { srv.Shutdown(); srv.WaitForShutdown() }()
	var j job = &bare{}
	if name == "beltline" {
		j = &pipeline{}
	}
	if err := j.start(ctx, srv.ClientURL()); err != nil {
		return figures{}, err
	}
	defer j.stop()
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		return figures{}, err
	}
	defer nc.Close()
	return measure(ctx, j, nc, orders, steady)
}

func serve(dir string, always bool) (*server.Server, error) {
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, SyncAlways: always, NoSigs: true, NoLog: true,
	})
	if err != nil {
		return nil, err
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("the server did not start")
	}
	return srv, nil
}

func show(results []result) {
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.AppendHeader(table.Row{"server", "job", "orders/s", "of bare", "p50 ms", "p99 ms", "p50 of bare"})
	var base figures
	for _, r := range results {
		if r.job == "bare loop" {
			base = r.figures
		}
		t.AppendRow(table.Row{
			r.mode, r.job, fmt.Sprintf("%.0f", r.figures.rate), fmt.Sprintf("%.2f", r.figures.rate/base.rate),
			ms(r.figures.p50), ms(r.figures.p99), fmt.Sprintf("%.2f", r.figures.p50.Seconds()/base.p50.Seconds()),
		})
	}
	t.Render()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
