package cli_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/cmd/beltline/internal/demo"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

// customers of the orders with the number n, one at each provider: unique, so
// that the shops' books tell whose a purchase is.
func customers(n int) map[messages.Provider]string {
	return map[messages.Provider]string{
		messages.BalanceSteam: fmt.Sprintf("login%d", n), messages.GamesDrop: fmt.Sprintf("c%d@example.com", n),
		messages.SkinsBack: fmt.Sprintf("7656119882726%04d", n), messages.Exchanger: fmt.Sprintf("TWallet%d", n),
	}
}

// ordersOf are those orders.
func ordersOf(n int) map[string]string {
	c := customers(n)
	id := func(p messages.Provider) string { return fmt.Sprintf("%s-%d", p, n) }
	return map[string]string{
		id(messages.BalanceSteam): fmt.Sprintf(`{"v":1,"id":%q,"provider":"balancesteam","kind":"topup","params":{"login":%q,"amount":"10.00"}}`,
			id(messages.BalanceSteam), c[messages.BalanceSteam]),
		id(messages.GamesDrop): fmt.Sprintf(`{"v":1,"id":%q,"provider":"gamesdrop","kind":"offer","params":{"offer_id":3107,"game_user_id":"1","email":%q},"max_cost":{"amount":"9","currency":"USD"}}`,
			id(messages.GamesDrop), c[messages.GamesDrop]),
		id(messages.SkinsBack): fmt.Sprintf(`{"v":1,"id":%q,"provider":"skinsback","kind":"deposit","params":{"steam_id":%q,"trade_token":"i1ArBZey"}}`,
			id(messages.SkinsBack), c[messages.SkinsBack]),
		id(messages.Exchanger): fmt.Sprintf(`{"v":1,"id":%q,"provider":"exchanger","kind":"exchange","params":{"direction_id":"101","amount":"3000","amount_side":"give","account_to":%q,"fields":{"cf6":"a@example.com"}}}`,
			id(messages.Exchanger), c[messages.Exchanger]),
	}
}

// created counts what all shops' books hold, by order.
func created(s *demo.Stage, most int) map[string]int {
	owner := map[string]string{}
	for n := range most {
		for p, customer := range customers(n) {
			owner[string(p)+" "+customer] = fmt.Sprintf("%s-%d", p, n)
		}
	}
	all := map[string]int{}
	for _, p := range s.Steam.Purchases() {
		all[owner["balancesteam "+p.LoginOrEmail]]++
	}
	for _, p := range s.Drop.Purchases() {
		all[owner["gamesdrop "+p.Email]]++
	}
	for _, d := range s.Skins.Deposits() {
		all[owner["skinsback "+d.Fields["steam_id"]]]++
	}
	for _, b := range s.Exchanger.Bids() {
		all[owner["exchanger "+b.Account2]]++
	}
	return all
}

// intents are the orders that have an intent in the ledger.
func intents(ctx context.Context, t *testing.T, js jetstream.JetStream) map[string]bool {
	t.Helper()
	stream, err := js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter("events.*.*.*.placing"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for subject := range info.State.Subjects {
		a, err := messages.ParseEventSubject(subject)
		if err != nil {
			t.Fatal(err)
		}
		all[a.OrderID] = true
	}
	return all
}

// Orders come all the time, at all four providers, from before the pause until
// long after it.
func TestPauseAll_OnceItHasReturnedNoShopGetsAnOrderWithoutAnEarlierIntent(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*within)
	defer cancel()
	stage, err := demo.OpenStage(ctx, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stage.Close)
	nats, err := upstream.Connect(app.NATS{URL: app.NewServers(stage.NATS())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nats.Close)
	acme, err := nats.As("acme")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(acme.Close)
	const third = 6
	submit := func(from int) {
		for n := from; n < from+third; n++ {
			for _, body := range ordersOf(n) {
				if _, err := acme.SubmitJSON(ctx, []byte(body)); err != nil {
					t.Errorf("submit: %v", err)
				}
			}
		}
	}
	submit(0)
	follow(ctx, t, acme, 1, messages.Placing)
	environ := map[string]string{"NATS_URL": stage.NATS(), "USER": "ada"}
	paused := begin(t, environ, "", "provider", "pause", "all", "--reason", "prices look wrong")
	submit(third)
	paused.ends(0)
	before := intents(ctx, t, nats.JS)
	submit(2 * third)
	const all = 4 * 3 * third
	follow(ctx, t, acme, all, messages.Accepted)
	must(t, environ, 0, "", "provider", "status", "--no-balance")
	if after := intents(ctx, t, nats.JS); len(after) != len(before) {
		t.Errorf("%d orders had an intent when the pause had returned, and %d have one now", len(before), len(after))
	}
	for id, n := range created(stage, 3*third) {
		if !before[id] || n != 1 {
			t.Errorf("%s was created %d times; had it an intent: %t", id, n, before[id])
		}
	}
	t.Logf("of %d orders %d had an intent when the pause had returned, and %d were created", all, len(before), len(created(stage, 3*third)))
	must(t, environ, 0, "", "provider", "resume", "all")
	follow(ctx, t, acme, all, messages.Placing)
}

// follow waits until so many orders have had an event of the type.
func follow(ctx context.Context, t *testing.T, acme upstream.Tenant, orders int, typ messages.Type) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := map[string]bool{}
	for e, err := range acme.Watch(ctx, client.Filter{Type: typ}) {
		if err != nil {
			continue
		}
		if seen[e.OrderID] = true; len(seen) == orders {
			return
		}
	}
	t.Fatalf("%d of %d orders were ever %s", len(seen), orders, typ)
}
