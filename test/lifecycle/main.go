package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	rate := flag.Int("rate", 100, "orders a second")
	before := flag.Int("before", 3000, "orders before the first restart")
	rounds := flag.Int("rounds", 3, "times that every program is restarted")
	every := flag.Duration("every", time.Second, "from the beginning of one restart to that of the next, at least")
	limit := flag.Float64("limit", 3, "the greatest ratio of the p99 during the restarts to that before, at any shop; 0 for any")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	res, err := rollAll(ctx, plan{rate: max(1, *rate), before: *before, rounds: *rounds, every: *every, log: os.Stdout})
	if err != nil {
		fmt.Fprintln(os.Stderr, "lifecycle:", err)
		os.Exit(1)
	}
	fmt.Println(res)
	if res.lost > 0 || res.twice > 0 || res.unbought > 0 || *limit > 0 && res.worst() > *limit {
		fmt.Fprintln(os.Stderr, "lifecycle: the restarts were noticed")
		os.Exit(1)
	}
}
