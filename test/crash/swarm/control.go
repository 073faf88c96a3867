package main

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/test/crash/naive/hasty"
	"github.com/beltline-io/beltline/test/crash/swarm/life"
)

// doubles is how many orders the naive worker must have bought twice before a
// control run ends.
const doubles = 3

// naive is a program that buys without an intent, as one that dies like the
// others.
func naive(url string, l *life.Life, env map[string]string) func(context.Context) int {
	return func(ctx context.Context) int {
		nc, err := nats.Connect(url, nats.SetCustomDialer(l.NATS()), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		if err != nil {
			return app.ExitFailure
		}
		defer nc.Close()
		if err := hasty.Run(ctx, nc, env["BALANCESTEAM_URL"], env["BALANCESTEAM_API_KEY"]); err != nil {
			return app.ExitFailure
		}
		return app.ExitOK
	}
}

// caught reports whether the shop's books show enough orders that were bought
// twice.
func (s *shops) caught() bool {
	times, n := map[string]int{}, 0
	for _, p := range s.steam.Purchases() {
		if times[p.LoginOrEmail]++; times[p.LoginOrEmail] == 2 {
			n++
		}
	}
	return n >= doubles
}
