package cli_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

// accounts gives the programs everything, and each tenant what docs/upstream.md
// says that an upstream system needs.
func accounts(tenants ...string) natstest.Option {
	return natstest.Configure(func(o *server.Options) {
		o.Users = []*server.User{{Username: "beltline", Password: "pw"}}
		for _, tenant := range tenants {
			o.Users = append(o.Users, &server.User{Username: tenant, Password: "pw", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Allow: []string{
					"orders." + tenant + ".submit", "orders." + tenant + ".cancel", "orders." + tenant + ".confirm", "svc.orders." + tenant + ".*",
					"$JS.API.CONSUMER.CREATE.EVENTS.*.events.*." + tenant + ".>", "$JS.API.CONSUMER.MSG.NEXT.EVENTS.*",
					"$JS.API.CONSUMER.CREATE.DLQ.*.dlq.orders." + tenant, "$JS.API.CONSUMER.MSG.NEXT.DLQ.*",
				}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_" + tenant + ".>"}},
			}})
		}
	})
}

func TestOrders_ATenantsAccountReachesItsOwnOrdersAndNobodyElses(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, "beltline", nil, accounts("acme", "other"))
	p.worker(p.url("beltline"))
	env := func(user, tenant string) map[string]string {
		return map[string]string{"NATS_URL": p.url(user), "NATS_INBOX_PREFIX": "_INBOX_" + user, "BELTLINE_TENANT": tenant}
	}
	must(t, env("acme", "acme"), app.ExitOK, topup("a"), "order", "submit", "-")
	must(t, env("other", "other"), app.ExitOK, topup("b"), "order", "submit", "-")

	for _, args := range [][]string{{"get", "a"}, {"history", "a"}, {"watch", "a"}, {"list"}} {
		r := must(t, env("acme", "acme"), app.ExitOK, "", append([]string{"order"}, args...)...)
		r.stdout.shows(t, "succeeded")
		// The same question of the same account, about another tenant's orders.
		r = must(t, env("other", "acme"), app.ExitFailure, "", append([]string{"order"}, args...)...)
		r.stderr.shows(t, `^beltline: .*the account has no permission: .*svc\.orders\.acme\.`)
		if got := r.stdout.String(); got != "" {
			t.Errorf("%v: the other account reads\n%s", args, got)
		}
	}
	// What changes an order is as much its own.
	must(t, env("acme", "acme"), app.ExitFailure, "", "order", "cancel", "a").stdout.shows(t, "too late to cancel")
	must(t, env("acme", "acme"), app.ExitFailure, "", "order", "confirm", "a").stdout.shows(t, "nothing to confirm")
	watch := must(t, env("other", "acme"), app.ExitFailure, "", "order", "watch")
	watch.stderr.shows(t, `the account has no permission: .*events\.\*\.acme\.`)
	submit := must(t, env("other", "acme"), app.ExitFailure, topup("c")+"\n"+topup("e"), "order", "submit", "-", "--wait", "none")
	submit.stdout.shows(t, `^c\tnot_sent\t-\t.*not stored: the account has no permission: .*orders\.acme\.submit`)
	submit.stdout.shows(t, `^e\tnot_sent\t-\tnot tried after this: .*"c": not stored: `)

	// A name of its own does not help: whose orders are listed is in the subject.
	own := must(t, env("other", "other"), app.ExitOK, "", "order", "list", "-o", "json").stdout.String()
	if strings.Count(own, "\n") != 1 || !strings.Contains(own, `"order_id":"b"`) {
		t.Errorf("the other's own orders:\n%s", own)
	}
	for _, args := range [][]string{
		{"order", "list", "--all-tenants"}, {"resolve", "acme/a"},
		{"resolve", "acme/a", "--decision", "failed", "--evidence", "x", "--by", "eve", "--yes"},
	} {
		r := must(t, env("other", "other"), app.ExitFailure, "", args...)
		r.stderr.shows(t, `the account has no permission: .*svc\.operator\.`)
		if got := r.stdout.String(); got != "" {
			t.Errorf("%v: a tenant reads\n%s", args, got)
		}
	}
	// Its rights are enough to go on after the server was away.
	follower := begin(t, env("acme", "acme"), "", "order", "watch")
	follower.stderr.shows(t, "following all orders of acme")
	p.server.Restart(t)
	must(t, env("acme", "acme"), app.ExitOK, topup("d"), "order", "submit", "-")
	follower.stdout.shows(t, "d +placing → succeeded")
	p.mustHaveBought("a", 1)
	p.mustHaveBought("c", 0)
	p.mustHaveBought("d", 1)
}

// pages answers lists as a service whose pages are short, and may be empty.
func pages(t *testing.T, orders, size int) map[string]string {
	t.Helper()
	srv := natstest.Start(t, natstest.WithListener())
	nc := srv.Conn(t)
	first := true
	_, err := nc.Subscribe(messages.OrdersServiceSubject("acme", "list"), func(m *nats.Msg) {
		if first {
			first = false
			problem(m, "503", messages.Problem{Code: messages.ProblemUnavailable, Message: "not yet", RetryAfter: "10ms"})
			return
		}
		asked, err := messages.DecodeOrdersList(m.Data)
		if err != nil {
			t.Error(err)
			return
		}
		begin, empty := 0, false
		if asked.Cursor != "" {
			_, _ = fmt.Sscanf(asked.Cursor, "%d-%t", &begin, &empty)
		}
		page := messages.OrderPage{Orders: []messages.Event{}}
		for i := begin; !empty && i < min(begin+min(asked.Limit, size), orders); i++ {
			page.Orders = append(page.Orders, messages.Event{
				N: 1, Type: messages.Accepted, State: messages.Accepted, Tenant: "acme", OrderID: fmt.Sprintf("o%03d", i),
			})
		}
		if end := begin + len(page.Orders); end < orders || !empty {
			page.Cursor = fmt.Sprintf("%d-%t", end, !empty)
		}
		body, err := json.Marshal(page)
		if err != nil {
			t.Error(err)
		}
		_ = m.Respond(body)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"NATS_URL": srv.URL(), "BELTLINE_TENANT": "acme"}
}

func TestList_ReadsAllPagesThoughTheyAreShortOrEmpty(t *testing.T) {
	t.Parallel()
	env := pages(t, 523, 100)
	all := must(t, env, app.ExitOK, "", "order", "list", "--all", "-o", "json")
	all.stderr.shows(t, "^523 orders$")
	seen := map[string]bool{}
	for line := range strings.Lines(all.stdout.String()) {
		e, err := messages.DecodeEvent([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		seen[e.OrderID] = true
	}
	if len(seen) != 523 {
		t.Errorf("%d different orders", len(seen))
	}
	some := must(t, env, app.ExitOK, "", "order", "list", "--limit", "250", "-o", "json")
	some.stderr.shows(t, "^250 orders, and there are more")
	if n := strings.Count(some.stdout.String(), "\n"); n != 250 {
		t.Errorf("%d lines of 250", n)
	}
	terminal := beginAt(t, true, maps.Clone(env), "", "order", "list", "--limit", "3")
	terminal.ends(app.ExitOK)
	terminal.stdout.shows(t, `o002.*accepted.*valid and stored`)
}
