package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

// appender appends three events to each of ever new orders.
type appender struct {
	l    *ledger.Ledger
	id   string
	n    uint64
	last uint64
}

var orders atomic.Uint64

func (a *appender) append(ctx context.Context) error {
	types := []messages.Type{messages.Accepted, messages.Placing, messages.Succeeded}
	if a.n == uint64(len(types)) || a.id == "" {
		a.id, a.n, a.last = fmt.Sprintf("ord-%d", orders.Add(1)), 0, 0
	}
	a.n++
	seq, err := a.l.Append(ctx, event(a.id, a.n, types[a.n-1], "nonce"), a.last)
	a.last = seq
	return err
}

func benchmarkAppend(b *testing.B, opts ...natstest.Option) {
	b.Run("serial", func(b *testing.B) {
		a := &appender{l: setup(b, opts...).l}
		for b.Loop() {
			if err := a.append(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("256 orders at once", func(b *testing.B) {
		l := setup(b, opts...).l
		b.SetParallelism(128) // for each of two cores
		b.RunParallel(func(pb *testing.PB) {
			a := &appender{l: l}
			for pb.Next() {
				if err := a.append(b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

func BenchmarkAppend(b *testing.B)           { benchmarkAppend(b) }
func BenchmarkAppendSyncAlways(b *testing.B) { benchmarkAppend(b, natstest.SyncAlways()) }

func BenchmarkAppendThreeNodes(b *testing.B) {
	c := natstest.StartCluster(b, 3)
	createEvents(b, c.JS(b), 3, 1<<30)
	l := open(b, c.Conn(b), ledger.Options{})
	b.SetParallelism(128)
	b.RunParallel(func(pb *testing.PB) {
		a := &appender{l: l}
		for pb.Next() {
			if err := a.append(b.Context()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// fillStream appends three events to each of n orders, one step after the
// other, as a day's work would.
func fillStream(b *testing.B, l *ledger.Ledger, n int) {
	b.Helper()
	last := make([]uint64, n)
	for step, typ := range []messages.Type{messages.Accepted, messages.Placing, messages.Succeeded} {
		var g errgroup.Group
		g.SetLimit(256)
		for o := range n {
			g.Go(func() (err error) {
				last[o], err = l.Append(b.Context(), event(orderID(o), uint64(step+1), typ, "nonce"), last[o])
				return err
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAmong shows what the size of the ledger costs.
func BenchmarkAmong(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("%dOrders", n), func(b *testing.B) { benchmarkAmong(b, n) })
	}
}

func benchmarkAmong(b *testing.B, n int) {
	l := setup(b).l
	fillStream(b, l, n)
	ctx := b.Context()
	somebody := func() string { return orderID(rand.IntN(n)) } //nolint:gosec // any will do
	fresh := &appender{l: l}
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"Last", func() error { _, err := l.Last(ctx, tenant, somebody()); return err }},
		{"LastOfTheNewest", func() error { _, err := l.Last(ctx, tenant, orderID(n-1)); return err }},
		{"LastOfNothing", func() error { return only(ledger.ErrNotFound, second(l.Last(ctx, tenant, "nothing"))) }},
		{"At", func() error { _, err := l.At(ctx, 1+rand.Uint64N(uint64(3*n))); return err }}, //nolint:gosec // any will do
		{"HistoryOfThree", func() error { _, err := l.History(ctx, tenant, somebody()); return err }},
		{"AppendInVain", func() error {
			_, err := l.Append(ctx, event(somebody(), 1, messages.Accepted, "other"), 0)
			return only(ledger.ErrConflict, err)
		}},
		{"Append", func() error { return fresh.append(ctx) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// only turns the wanted error into none, and everything else into an error.
func only(want, got error) error {
	if errors.Is(got, want) {
		return nil
	}
	return fmt.Errorf("error is %v, want %v", got, want)
}
