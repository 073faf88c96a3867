package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/dispatcher"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// sweeping runs a pipeline whose dispatcher looks for forgotten orders all the
// time. The program sets the streams up and ends; a dispatcher of the same
// parts, with other times, takes its place.
func sweeping(t *testing.T) *local {
	t.Helper()
	l := newLocal(t, quick())
	setUp := l.run(programs.Dispatcher(), nil)
	l.up.follow()
	setUp()
	nc, js := l.server.Conn(t), l.server.JS(t)
	book, err := ledger.Open(t.Context(), nc, js, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(book.Close)
	d := dispatcher.New(nc, js, book, queue.New(js), dispatcher.Options{
		Instance: "sweeping", Log: zerolog.New(l.log), SweepEvery: 200 * time.Millisecond, AckWait: 500 * time.Millisecond,
		LeaseFor: 2 * time.Second, Times: order.Times{PollFirst: 50 * time.Millisecond, PollMax: time.Second, BlockedMax: time.Minute},
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	awaitTrue(t, "the dispatcher is ready", func() bool { return d.Ready() == nil })
	return l
}

// purge deletes messages of COMMANDS behind everybody's back and returns how many.
func (l *local) purge(filter string) int {
	l.t.Helper()
	reply, err := l.up.nc.Request("$JS.API.STREAM.PURGE.COMMANDS", fmt.Appendf(nil, `{"filter":%q}`, filter), patience)
	if err != nil {
		l.t.Fatal(err)
	}
	var answer struct {
		Purged int
		Error  *struct{ Description string }
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil || answer.Error != nil {
		l.t.Fatalf("purge: %v %s", err, reply.Data)
	}
	return answer.Purged
}

func TestSweep_AnOrderWhoseTimerVanishedEndsAllTheSame(t *testing.T) {
	t.Parallel()
	l := sweeping(t)
	l.dropWorker()
	l.drop.SetOffer(gamesdroptest.Offer{
		ID: "3001", Product: "Slow", Name: "Slow", Count: 1, Price: "10.00", Currency: "USD", ReturnsKey: true, Life: []string{"SUBMITTED"},
	})
	p := offer("acme", "forgotten", 3001, "10.00", "USD", "")
	l.up.submit(p.tenant, p.body)
	l.up.awaitType(p.key(), "processing")
	// Until a timer was deleted and nothing else stands in the queue: one that
	// fires at this moment has become a command.
	awaitTrue(t, "the order has nothing in the queue", func() bool {
		return l.purge("schedules.>") > 0 && l.up.messages("COMMANDS") == 0
	})
	asked := l.drop.Requests(gamesdroptest.OpOrderStatus)
	l.drop.SetOrderStatus(l.drop.Purchases()[0].OrderID, "COMPLETED")
	if last := l.up.awaitFinal(p.key()); last.state() != "succeeded" {
		t.Errorf("ended %s", last)
	}
	if l.drop.Requests(gamesdroptest.OpOrderStatus) <= asked {
		t.Error("the end came without a question")
	}
	l.mustHaveBought(p.account, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := l.log.await(ctx, 0, "was driven again", p.id); err != nil {
		t.Error(err)
	}
}

func TestSweep_EveryOrderEndsThoughCommandsIsPurgedAgainAndAgain(t *testing.T) {
	t.Parallel()
	l := sweeping(t)
	stops := []func(){l.steamWorker(), l.dropWorker()}
	var all []plan
	for i := range 120 {
		id := fmt.Sprintf("o%03d", i)
		all = append(all, []plan{
			topup("acme", id, "12.34"), pubg("acme", id), offer("acme", id, gamesdroptest.OfferPending, "10.00", "USD", ""),
		}[i%3])
	}
	l.drop.Faults().Percent(gamesdroptest.OpFindOne, 20, providertest.TooMany(0))
	purged := 0
	for i, p := range all {
		l.up.submit(p.tenant, p.body)
		if i%20 == 10 {
			purged += l.purge(">")
		}
	}
	// With the workers away everything stands in the queue, and is lost at once.
	for _, stop := range stops {
		stop()
	}
	rest := pubg("acme", "last")
	l.up.submit(rest.tenant, rest.body)
	awaitTrue(t, "a command was lost", func() bool { purged += l.purge(">"); return purged > 0 && l.up.messages("ORDERS") == 0 })
	l.steamWorker()
	l.dropWorker()
	for _, p := range append(all, rest) {
		if last := l.up.awaitFinal(p.key()); last.state() != "succeeded" && !last.needsOperator() {
			t.Errorf("%s ended %s", p.key(), last)
		}
		if got := l.purchases(p.account); len(got) > 1 {
			t.Errorf("%s was bought %d times", p.key(), len(got))
		}
	}
	t.Logf("%d commands and timers were deleted", purged)
}
