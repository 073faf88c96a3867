package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
)

// pipeline is Beltline: the dispatcher and one worker, as the programs that
// run in production, against the strict fake of BalanceSteam.
type pipeline struct {
	results chan int
	shop    *balancesteamtest.Server
	cancel  context.CancelFunc
	running sync.WaitGroup
	stops   []func()
}

func (p *pipeline) done() <-chan int { return p.results }

func (p *pipeline) submit(ctx context.Context, nc *nats.Conn, i int) error {
	body := fmt.Appendf(nil, `{"v":1,"id":"o%d","provider":"balancesteam","kind":"topup","params":{"login":"gabe","amount":"1.00"},"metadata":{"note":"%s"}}`,
		i, filler[:290])
	return request(ctx, nc, messages.OrderSubject("bench", messages.SubmitRequest), body)
}

func (p *pipeline) start(ctx context.Context, url string) error {
	p.results = make(chan int, 100_000)
	p.shop = balancesteamtest.New(balancesteamtest.WithAPIKey("bench"), balancesteamtest.WithBalance("1000000000"))
	ctx, p.cancel = context.WithCancel(ctx)
	env := map[string]string{
		"NATS_URL": url, "LOG_LEVEL": "warn", "BALANCESTEAM_RATE_LIMIT": "1000000/1s",
		"BALANCESTEAM_URL": p.shop.URL(), "BALANCESTEAM_API_KEY": "bench", "BALANCESTEAM_WITNESS": "off",
	}
	ready := make(chan string, 2)
	for _, program := range []app.Program{programs.Dispatcher(), programs.BalanceSteam()} {
		own := map[string]string{"HTTP_ADDR": freeAddress()}
		for k, v := range env {
			own[k] = v
		}
		if program.Provider == "" {
			delete(own, "BALANCESTEAM_URL")
			delete(own, "BALANCESTEAM_API_KEY")
			delete(own, "BALANCESTEAM_WITNESS")
		}
		p.running.Go(func() {
			program.Execute(ctx, app.Process{Environ: own, Stdout: os.Stdout, Stderr: os.Stderr})
		})
		ready <- "http://" + own["HTTP_ADDR"] + "/readyz"
	}
	close(ready)
	for address := range ready {
		if err := awaitReady(ctx, address); err != nil {
			return err
		}
	}
	return p.follow(ctx, url)
}

// follow reads the results as an upstream would, from the ledger.
func (p *pipeline) follow(ctx context.Context, url string) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	p.stops = append(p.stops, nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	c, err := js.OrderedConsumer(ctx, messages.StreamEvents, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.*.bench.*.succeeded"}})
	if err != nil {
		return err
	}
	cc, err := c.Consume(func(m jetstream.Msg) {
		i, _ := strconv.Atoi(strings.TrimPrefix(strings.Split(m.Subject(), ".")[3], "o"))
		p.results <- i
	})
	if err == nil {
		p.stops = append(p.stops, cc.Stop)
	}
	return err
}

func (p *pipeline) stop() {
	p.cancel()
	p.running.Wait()
	for i := len(p.stops) - 1; i >= 0; i-- {
		p.stops[i]()
	}
	p.shop.Close()
}

// freeAddress returns a loopback address that was free a moment ago.
func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func awaitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if ok(ctx, url) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", url, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
