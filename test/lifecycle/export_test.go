package main

import (
	"context"
	"io"
	"time"
)

// Result opens what a run has shown.
type Result = result

// RollAll restarts everything under load and judges.
func RollAll(ctx context.Context, rate, before, rounds int, log io.Writer) (Result, error) {
	return rollAll(ctx, plan{rate: rate, before: before, rounds: rounds, log: log})
}

// Noticed are the orders that were lost, bought twice, and told of otherwise
// than they were bought.
func (r result) Noticed() [3]int { return [3]int{r.lost, r.twice, r.unbought} }

// Shown are the orders that ended, and those of them that were handed in while
// programs were restarted.
func (r result) Shown() (succeeded, during int) { return r.states["succeeded"], r.all.during.n }

// Compare judges orders by their states; an empty one has not ended.
func Compare(states []string, bought map[string]int) Result {
	orders := make([]order, len(states))
	for i, s := range states {
		orders[i] = order{asked: time.Unix(0, 0), state: s}
	}
	return compare(orders, books{bought, bought})
}

// Account is whose order it is.
func Account(i int) string { return account(i) }
