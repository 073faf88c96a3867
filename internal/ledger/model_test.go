package ledger_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/pkg/messages"
)

// modelled is what the ledger is meant to be: for each order a list that grows
// at its end only.
type modelled struct {
	seq   uint64
	nonce string
}

func TestLedger_BehavesAsAListForEachOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var runs atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		run := runs.Add(1) // orders of earlier runs stay in the stream
		ids := []string{fmt.Sprintf("a-%d", run), fmt.Sprintf("b-%d", run)}
		model := map[string][]modelled{}
		stamp := 0
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				id := rapid.SampledFrom(ids).Draw(rt, "order")
				list := model[id]
				after := rapid.IntRange(0, len(list)).Draw(rt, "after") // how many events the writer knows
				again := after < len(list) && rapid.Bool().Draw(rt, "again")
				stamp++
				nonce := fmt.Sprint(stamp)
				if again {
					nonce = list[after].nonce
				}
				var expected uint64
				if after > 0 {
					expected = list[after-1].seq
				}
				typ := messages.Processing
				if after == 0 {
					typ = messages.Accepted
				}
				seq, err := b.l.Append(within(t), event(id, uint64(after+1), typ, nonce), expected)
				switch {
				case again:
					if err != nil || seq != list[after].seq {
						rt.Fatalf("again: %d, %v, want %d", seq, err, list[after].seq)
					}
				case after < len(list):
					if !errors.Is(err, ledger.ErrConflict) {
						rt.Fatalf("behind: %d, %v", seq, err)
					}
				default:
					if err != nil || seq <= expected {
						rt.Fatalf("in time: %d, %v", seq, err)
					}
					model[id] = append(list, modelled{seq, nonce})
				}
			},
			"last": func(rt *rapid.T) {
				id := rapid.SampledFrom(ids).Draw(rt, "order")
				list := model[id]
				e, err := b.l.Last(within(t), tenant, id)
				if len(list) == 0 {
					if !errors.Is(err, ledger.ErrNotFound) {
						rt.Fatalf("last of nothing: %v, %v", e, err)
					}
					return
				}
				if want := list[len(list)-1]; err != nil || e.Seq != want.seq || e.Event.Work.Nonce != want.nonce {
					rt.Fatalf("last: %+v, %v, want %+v", e, err, want)
				}
			},
			"history": func(rt *rapid.T) {
				id := rapid.SampledFrom(ids).Draw(rt, "order")
				got, err := b.l.History(within(t), tenant, id)
				if err != nil && !errors.Is(err, ledger.ErrNotFound) {
					rt.Fatal(err)
				}
				if len(got) != len(model[id]) {
					rt.Fatalf("%d events, want %d", len(got), len(model[id]))
				}
				for i, want := range model[id] {
					if e := got[i]; e.Seq != want.seq || e.Event.N != uint64(i+1) || e.Event.Work.Nonce != want.nonce {
						rt.Fatalf("event %d is %+v, want %+v", i, e, want)
					}
				}
			},
		})
	})
}
