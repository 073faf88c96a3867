package deadletters_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/cmd/beltline/internal/deadletters"
	"github.com/beltline-io/beltline/cmd/beltline/internal/demo"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// patience is for what must come; never a wait of fixed length.
const patience = 2 * time.Minute

// order is one of the orders whose messages are replayed.
type order struct {
	body  string
	until func(*messages.Event) bool
}

func in(state messages.Type) func(*messages.Event) bool {
	return func(e *messages.Event) bool { return e.State == state }
}

func doubtful(e *messages.Event) bool { return e.State == messages.Unresolved && e.NeedsOperator }

// orders stand in every state that an order may rest in, at each provider.
func orders() map[string]order {
	return map[string]order{
		"bought":   {`{"v":1,"id":"bought","provider":"balancesteam","kind":"topup","params":{"login":"gordon","amount":"500.00"}}`, in(messages.Succeeded)},
		"doubtful": {`{"v":1,"id":"doubtful","provider":"balancesteam","kind":"topup","params":{"login":"alyx","amount":"500.00"}}`, doubtful},
		"refused":  {`{"v":1,"id":"refused","provider":"balancesteam","kind":"topup","params":{"login":"no_such_login","amount":"500.00"}}`, in(messages.Failed)},
		"key":      {`{"v":1,"id":"key","provider":"gamesdrop","kind":"offer","params":{"offer_id":3101,"email":"a@example.com"},"max_cost":{"amount":"900","currency":"RUB"}}`, in(messages.Succeeded)},
		"skins":    {`{"v":1,"id":"skins","provider":"skinsback","kind":"deposit","params":{"steam_id":"76561198827262099","trade_token":"i1ArBZey"}}`, in(messages.ActionRequired)},
		"swap":     {`{"v":1,"id":"swap","provider":"exchanger","kind":"exchange","params":{"direction_id":"101","amount":"3000","amount_side":"give","account_to":"TWallet1","fields":{"cf6":"a@example.com"}}}`, in(messages.ActionRequired)},
	}
}

// stage is everything that runs, and a client of it.
type stage struct {
	t *testing.T
	*demo.Stage
	client *client.Client
	js     jetstream.JetStream
	box    *deadletters.Box
	ctx    context.Context
}

func openStage(t *testing.T) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s, err := demo.OpenStage(ctx, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	nc, js, err := app.Connect(app.NATS{URL: app.NewServers(s.NATS())}, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	acme, err := client.New(nc, client.Options{Tenant: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(acme.Close)
	box, err := deadletters.Open(ctx, js)
	if err != nil {
		t.Fatal(err)
	}
	return &stage{t, s, acme, js, box, ctx}
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// reach submits an order and waits until it stands where it is to stand.
func (s *stage) reach(id string, o order) {
	s.t.Helper()
	_, err := s.client.SubmitJSON(s.ctx, []byte(o.body))
	s.must(err)
	for e, err := range s.client.Watch(s.ctx, client.Filter{ID: id}) {
		if err == nil && o.until(&e.Event) {
			return
		}
	}
	s.t.Fatalf("%s never got there", id)
}

// books counts all purchases, deposits and exchanges by customer.
func (s *stage) books() map[string]int {
	all := map[string]int{}
	for _, p := range s.Steam.Purchases() {
		all[fmt.Sprint("balancesteam ", p.LoginOrEmail)]++
	}
	all["gamesdrop"] = len(s.Drop.Purchases())
	all["skinsback"] = len(s.Skins.Deposits())
	all["exchanger"] = len(s.Exchanger.Bids())
	return all
}

// settle waits until every request and every command was worked off.
func (s *stage) settle() {
	s.t.Helper()
	for _, q := range []struct{ stream, subjects string }{{messages.StreamOrders, "orders.>"}, {messages.StreamCommands, "commands.>"}} {
		stream, err := s.js.Stream(s.ctx, q.stream)
		s.must(err)
		for {
			info, err := stream.Info(s.ctx, jetstream.WithSubjectFilter(q.subjects))
			s.must(err)
			if len(info.State.Subjects) == 0 {
				break
			}
		}
	}
}

// Every request, every command that ever was or could have been sent for an
// order, and a callback, for orders in every state: each is replayed twice.
func TestReplay_OfAnythingBuysNothingTwice(t *testing.T) {
	t.Parallel()
	s := openStage(t)
	s.Steam.Door().Faults.Once(balancesteamtest.OpTopup, providertest.Fault{Kind: providertest.TimeoutAfterCommit})
	all := orders()
	s.reach("doubtful", all["doubtful"]) // it meets the fault
	for id, o := range all {
		if id != "doubtful" {
			s.reach(id, o)
		}
	}
	s.settle()
	before := s.books()
	q := queue.New(s.js)
	for id, o := range all {
		s.must(q.Bury(s.ctx, "dlq.orders.acme", []byte(o.body), messages.ReasonOrderConflict, "", "ORDERS:1:orders.acme.submit", id))
		stream, err := s.js.Stream(s.ctx, messages.StreamEvents)
		s.must(err)
		last, err := stream.GetLastMsgForSubject(s.ctx, messages.OrderEvents("acme", id))
		s.must(err)
		history, err := s.client.History(s.ctx, id)
		s.must(err)
		p := history[0].Provider
		for _, e := range history { // what points at another order's event is no harm either
			for _, seq := range []uint64{last.Sequence, e.N} {
				for _, v := range []messages.Verb{messages.Place, messages.Check, messages.Cancel, messages.Confirm} {
					origin := messages.Origin(messages.StreamCommands, e.N, messages.CommandSubject(p, v, "acme", id))
					s.must(q.Bury(s.ctx, messages.DeadCommands(p), messages.CommandFor(e, seq).Encode(), messages.ReasonCommandUnprocessable, "", origin, id))
				}
			}
		}
		s.must(q.Bury(s.ctx, messages.DeadHooks(p), []byte("status=success"), messages.ReasonUnknownOrder, "", "WEBHOOK:0:hook."+string(p)+".acme."+id, id))
	}
	letters, _, err := s.box.Collect(s.ctx, deadletters.Filter{}, 0, nil)
	s.must(err)
	for _, keep := range []bool{true, false} {
		for _, l := range letters {
			whole, err := s.box.Get(s.ctx, l.Seq)
			s.must(err)
			way, err := s.box.Way(s.ctx, whole)
			s.must(err)
			if stored, err := s.box.Replay(s.ctx, whole, way, keep); err != nil || !stored {
				t.Fatalf("%d: %t, %v", l.Seq, stored, err)
			}
		}
		s.settle()
	}
	for _, l := range letters {
		if _, err := s.box.Get(s.ctx, l.Seq); err == nil {
			t.Errorf("%d is still there", l.Seq)
		}
	}
	// The orders that come next are bought all the same.
	s.reach("next", order{`{"v":1,"id":"next","provider":"balancesteam","kind":"topup","params":{"login":"eli","amount":"500.00"}}`, in(messages.Succeeded)})
	before["balancesteam eli"] = 1
	after := s.books()
	t.Logf("%d letters, replayed twice; books %v", len(letters), after)
	for who, n := range after {
		if n != before[who] {
			t.Errorf("%s: %d purchases, and %d before", who, n, before[who])
		}
	}
	if before["balancesteam alyx"] != 1 || before["gamesdrop"] != 1 || before["skinsback"] != 1 || before["exchanger"] != 1 || before["balancesteam gordon"] != 1 {
		t.Errorf("the orders were not bought to begin with: %v", before)
	}
}

// A letter stays where it is when nobody takes it.
func TestReplay_ALetterThatIsNotStoredStays(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	l := b.bury("dlq.orders.acme", `{"v":1,"id":"o1"}`, "ORDERS:1:orders.acme.confirm")
	if err := b.js.DeleteStream(t.Context(), messages.StreamOrders); err != nil {
		t.Fatal(err)
	}
	way, err := b.box.Way(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	if stored, err := b.box.Replay(t.Context(), l, way, false); stored || err == nil {
		t.Fatalf("%t, %v", stored, err)
	}
	if _, err := b.box.Get(t.Context(), l.Seq); err != nil {
		t.Errorf("the letter is gone: %v", err)
	}
}

// The letter's own bytes go back, and its origin decides where to.
func TestWay_SendsTheBodyToTheLetterAndTheCommandByTheQueuesRules(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const odd = "{\"v\":1,\"id\":\"o1\"} \x00\xff\n"
	l := b.bury("dlq.orders.acme", odd, "ORDERS:1:orders.acme.submit")
	way, err := b.box.Way(t.Context(), l)
	if err != nil || way.Subject != "orders.acme.submit" {
		t.Fatalf("%+v, %v", way, err)
	}
	if _, err := b.box.Replay(t.Context(), l, way, false); err != nil {
		t.Fatal(err)
	}
	if got := b.last(messages.StreamOrders, "orders.acme.submit"); string(got.Data) != odd || len(got.Header) != 1 {
		t.Errorf("%q with headers %v", got.Data, got.Header)
	}
	c := messages.Command{V: 1, Tenant: "acme", OrderID: "o2", Seq: 3, N: 1, Hint: json.RawMessage(`{"status":"success"}`)}
	l = b.bury("dlq.commands.skinsback", string(c.Encode()), "COMMANDS:5:commands.skinsback.check.acme.o2")
	if way, err = b.box.Way(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if _, err := b.box.Replay(t.Context(), l, way, false); err != nil {
		t.Fatal(err)
	}
	if got := b.last(messages.StreamCommands, "commands.skinsback.check.acme.o2"); string(got.Data) != string(c.Encode()) {
		t.Errorf("%s", got.Data)
	}
}
