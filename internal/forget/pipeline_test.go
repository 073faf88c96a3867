package forget_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/forget"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// letters waits for dead letters, and returns their reasons.
func (r *rig) letters(n uint64) map[string]int {
	r.t.Helper()
	all := map[string]int{}
	s, err := r.js.Stream(r.within(), messages.StreamDLQ)
	if err != nil {
		r.t.Fatal(err)
	}
	r.eventually("dead letters", func() bool {
		info, err := s.Info(r.within())
		return err == nil && info.State.Msgs >= n
	})
	for seq := uint64(1); seq <= n; seq++ {
		m, err := s.GetMsg(r.within(), seq)
		if err != nil {
			r.t.Fatal(err)
		}
		all[m.Header.Get(messages.HeaderReason)]++
	}
	return all
}

func TestForgotten_TheIdStaysUsedAndNothingIsBoughtForIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f, reader := r.pipeline()
	r.submit(body("a"))
	r.reach("a", messages.Succeeded)
	r.drained(messages.StreamOrders)
	r.drained(messages.StreamCommands)
	first, err := r.books.History(r.within(), tenant, "a")
	if err != nil {
		t.Fatal(err)
	}
	r.run()
	r.forgotten("a")
	tombstone := r.last("a")

	// The same content in another form, and other content.
	r.submit(strings.Replace(body("a"), `"v":1,`, ` "v":1.0, `, 1))
	r.submit(body("a"))
	r.submit(strings.Replace(body("a"), "100.00", "100.01", 1))
	if got := r.letters(1); got[string(messages.ReasonOrderConflict)] != 1 {
		t.Errorf("dead letters: %v", got)
	}
	r.publish("orders.acme.cancel", `{"v":1,"id":"a","reason":"`+canary+`"}`)
	r.drained(messages.StreamOrders)
	if got := r.letters(2); got[string(messages.ReasonUnknownOrder)] != 1 {
		t.Errorf("dead letters: %v", got)
	}

	// Commands that were on their way all the time, and one that a callback made.
	for _, verb := range []messages.Verb{messages.Place, messages.Check, messages.Cancel, messages.Confirm} {
		for i := range first {
			c := messages.CommandFor(first[i].Event, first[i].Seq)
			c.Hint = json.RawMessage(`{"status":"success"}`)
			if err := r.queue.Send(r.within(), messages.BalanceSteam, verb, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.drained(messages.StreamCommands)
	if last := r.last("a"); last.Seq != tombstone.Seq {
		t.Errorf("after the tombstone came %+v", last.Event)
	}
	if n := len(r.steam.PurchasesOf(canary + "a")); n != 1 {
		t.Errorf("the books hold %d purchases", n)
	}

	// What upstream and operators are told, and that nobody is alarmed.
	for name, ask := range map[string]func() (any, error){
		"get":     func() (any, error) { a, err := reader.Last(r.within(), tenant, "a"); return a.Body, err },
		"history": func() (any, error) { a, err := reader.History(r.within(), tenant, "a"); return a.Body, err },
		"list": func() (any, error) {
			a, err := reader.List(r.within(), messages.OrdersAsked{Tenant: tenant, Limit: 10})
			return a.Body, err
		},
	} {
		answer, err := ask()
		text, _ := json.Marshal(answer) //nolint:errchkjson // shown below
		if err != nil || strings.Count(string(text), `"type":"forgotten"`) != 1 || strings.Contains(string(text), canary) {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
	if report, finding, err := fence.Inspect(r.within(), r.js); err != nil || finding != "" || report.State.Tripped || report.Ledger.Gone != 0 {
		t.Errorf("false alarm: %+v, %q, %v", report, finding, err)
	}
	r.submit(body("next"))
	r.reach("next", messages.Succeeded)
	r.eventually("the fence to be calm", func() bool { return f.Ready() == nil })
}

// Others write to the same orders while they are forgotten: whoever comes first
// wins, and no order ends up with a part of each.
func TestForgotten_WritersThatRaceFindItWholeOrForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ids := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	r.done(ids...)
	var racing sync.WaitGroup
	begun := make(chan struct{})
	for _, id := range ids {
		racing.Go(func() {
			<-begun
			for n := range 20 { // as the dispatcher does with a cancel that comes too late
				last, err := r.books.Last(r.within(), tenant, id)
				if err != nil {
					t.Error(err)
					return
				}
				e, verdict := order.Apply(last.Event, order.Change{Input: order.CancelRequest, At: last.Event.Time, Origin: messages.Origin("ORDERS", uint64(n)+100, "x")})
				if verdict == order.Write {
					_, err = r.books.Append(r.within(), e, last.Seq)
				}
				if err != nil && !isConflict(err) {
					t.Error(err)
				}
			}
		})
	}
	close(begun)
	whole := 0
	for range 3 {
		s, path := r.run()
		all := r.exported(path)
		if len(all) < s.Forgotten {
			t.Errorf("%d were forgotten and %d exported", s.Forgotten, len(all))
		}
	}
	racing.Wait()
	s, _ := r.run()
	for _, id := range ids {
		history, err := r.books.History(r.within(), tenant, id)
		if err != nil {
			t.Fatal(err)
		}
		if len(history) != 1 || !history[0].Event.Forgotten() {
			whole++
		}
	}
	if whole > 0 {
		t.Errorf("%d orders are left after %+v", whole, s)
	}
	r.forgotten(ids...)
	if _, finding, err := fence.Inspect(r.within(), r.js); err != nil || finding != "" {
		t.Errorf("the fence finds %q, %v", finding, err)
	}
}

func isConflict(err error) bool { return errors.Is(err, ledger.ErrConflict) }

// A setup that had read the metadata before writes it back afterwards.
func TestRun_ACountThatWasWrittenOverIsWrittenAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.done("a", "b")
	before := r.events().Config
	s, _ := r.run(func(o *forget.Options) {
		o.At(func(step string) {
			if step == "erased" {
				if _, err := r.js.UpdateStream(r.within(), before); err != nil {
					t.Error(err)
				}
			}
		})
	})
	if got := r.events().Config.Metadata[fence.MetaErased]; s.Forgotten != 2 || got != "6" {
		t.Errorf("%+v, counted %q", s, got)
	}
}
