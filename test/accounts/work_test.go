package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// The tenants. The second one does without our client.
const (
	acme  = "acme"
	shop2 = "shop-2"
)

// tally counts what roles had to be able to do.
type tally struct {
	t    *testing.T
	all  int
	done int
}

// must does one thing as a role.
func (c *tally) must(role, what string, do func() error) {
	c.t.Helper()
	c.all++
	if err := do(); err != nil {
		c.t.Errorf("%s cannot %s: %v", role, what, err)
		return
	}
	c.done++
}

// orders is one order of each kind, by its id.
func orders() map[string]string {
	return map[string]string{
		"topup": `{"v":1,"id":"topup","provider":"balancesteam","kind":"topup","params":{"login":"gordon","amount":"100"}}`,
		"gift_card": `{"v":1,"id":"gift_card","provider":"balancesteam","kind":"gift_card","params":{"service_id":5999,"email":"a@shop.example"},
			"max_cost":{"amount":"600","currency":"RUB"}}`,
		"offer": fmt.Sprintf(`{"v":1,"id":"offer","provider":"gamesdrop","kind":"offer","params":{"offer_id":%d,"email":"b@shop.example"},
			"max_cost":{"amount":"11","currency":"USD"}}`, gamesdroptest.OfferLateKey),
		"telegram_stars": `{"v":1,"id":"telegram_stars","provider":"gamesdrop","kind":"telegram_stars","params":{"stars":100,"telegram_user":"143594291"},
			"max_cost":{"amount":"1","currency":"USD"}}`,
		"deposit": `{"v":1,"id":"deposit","provider":"skinsback","kind":"deposit","params":{"steam_id":"76561198827262007","trade_token":"Ab3_-9xZ"}}`,
		"exchange": `{"v":1,"id":"exchange","provider":"exchanger","kind":"exchange","params":{"direction_id":"` + exchangertest.DirectionCard + `",
			"amount":"3000","amount_side":"give","account_from":"2202200155501234","account_to":"TWallet-1","fields":{"cf6":"c@shop.example"}}}`,
		"partner_payout": `{"v":1,"id":"partner_payout","provider":"exchanger","kind":"partner_payout","params":{"method_id":"` + exchangertest.MethodUSDT + `","account":"TPartner77"}}`,
	}
}

// customer does what is asked of customers and shops while orders go their way.
func (r *rig) customer(c *client.Client, e client.Event) error {
	switch {
	case e.Type == messages.ActionRequired && e.Kind == messages.Deposit:
		return r.skins.Pay(e.ProviderRef["reference"], "12.50")
	case e.Type == messages.ActionRequired && e.Kind == messages.Exchange:
		_, err := c.Confirm(r.t.Context(), e.OrderID)
		return err
	case e.Type == messages.Processing && e.Kind == messages.Exchange:
		for _, b := range r.site.Bids() {
			r.site.SetStatus(b.ID, "success")
		}
	case e.Type == messages.Processing && e.Kind == messages.PartnerPayout:
		for _, p := range r.site.Payouts() {
			r.site.SetPayoutStatus(p.ID, 1)
		}
	}
	return nil
}

// workUpstream orders all seven kinds, and follows them to their ends.
func (r *rig) workUpstream(n *tally) {
	c := r.upstream(acme)
	for id, body := range orders() {
		n.must(acme, "submit "+id, func() error { _, err := c.SubmitJSON(r.t.Context(), []byte(body)); return err })
	}
	ended := map[string]messages.Type{}
	n.must(acme, "follow its orders, and confirm", func() error {
		ctx, cancel := context.WithTimeout(r.t.Context(), patience)
		defer cancel()
		for e, err := range c.Watch(ctx, client.Filter{}) {
			if err == nil {
				err = r.customer(c, e)
			}
			if err != nil {
				return fmt.Errorf("%w, with %v ended", err, ended)
			}
			if e.Event.Terminal() {
				ended[e.OrderID] = e.State
			}
			if len(ended) == len(orders()) {
				return nil
			}
		}
		return errors.New("the watch has ended")
	})
	if r.t.Failed() {
		r.t.FailNow()
	}
	for id := range orders() {
		n.must("the programs", "fulfil "+id, func() error {
			if ended[id] != messages.Succeeded {
				return fmt.Errorf("it has ended as %q", ended[id])
			}
			return nil
		})
	}
	n.must(acme, "wait for an order", func() error { _, err := c.Wait(r.t.Context(), "topup"); return err })
	n.must(acme, "get an order", func() error { _, err := c.Get(r.t.Context(), "topup"); return err })
	n.must(acme, "read a history", func() error { _, err := c.History(r.t.Context(), "topup"); return err })
	n.must(acme, "list orders", func() error { _, err := c.List(r.t.Context(), messages.OrdersAsked{}); return err })
	n.must(acme, "cancel", func() error { _, err := c.Cancel(r.t.Context(), "topup", "too late"); return err })
	n.must(acme, "learn where the ledger ends", func() error { _, err := c.Now(r.t.Context()); return err })
	for _, q := range []messages.Query{
		messages.CheckLoginQuery{Login: "gaben"}, messages.GiftCardPriceQuery{ServiceID: 5999}, messages.FindOfferQuery{OfferID: 1001},
		messages.CheckPlayerQuery{OfferID: 1002, GameUserID: "52357322414"}, messages.TelegramUserQuery{TelegramUser: "@igoryan34"},
		messages.DirectionCurrenciesQuery{}, messages.DirectionsQuery{}, messages.DirectionQuery{DirectionID: "101"},
		messages.CalcQuery{DirectionID: "101", Amount: money.MustDecimal("3000"), AmountSide: "give"},
	} {
		p, method := q.Asks()
		n.must(acme, "ask "+string(p)+" "+method, func() error { _, err := client.Ask[map[string]any](r.t.Context(), c, q); return err })
	}
	n.must(acme, "read its dead letters", func() error {
		if _, err := r.js("tenant-"+acme).Publish(r.t.Context(), "orders.acme.submit", []byte("nonsense")); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.t.Context(), patience)
		defer cancel()
		for _, err := range c.DeadLetters(ctx, 0) {
			return err
		}
		return errors.New("there are none")
	})
}

// workPlain orders with nothing but nats.go.
func (r *rig) workPlain(n *tally) {
	js := r.js("tenant-" + shop2)
	n.must(shop2, "submit with nats.go", func() error {
		_, err := js.Publish(r.t.Context(), "orders."+shop2+".submit", []byte(strings.Replace(orders()["topup"], "gordon", "alyx", 1)))
		return err
	})
	n.must(shop2, "follow with nats.go", func() error {
		c, err := js.OrderedConsumer(r.t.Context(), "EVENTS", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.*." + shop2 + ".>"}})
		if err != nil {
			return err
		}
		msgs, err := c.Messages()
		if err != nil {
			return err
		}
		defer msgs.Stop()
		ctx, cancel := context.WithTimeout(r.t.Context(), patience)
		defer cancel()
		for {
			m, err := msgs.Next(jetstream.NextContext(ctx))
			if err != nil {
				return err
			}
			switch {
			case !strings.Contains(m.Subject(), "."+shop2+"."):
				return fmt.Errorf("got %s", m.Subject())
			case strings.HasSuffix(m.Subject(), ".succeeded"):
				return nil
			}
		}
	})
	n.must(shop2, "ask with nats.go", func() error {
		m, err := js.Conn().RequestWithContext(r.t.Context(), "svc.orders."+shop2+".get", []byte(`{"id":"topup"}`))
		if err == nil && m.Header.Get("Nats-Service-Error-Code") != "" {
			err = errors.New(string(m.Data))
		}
		return err
	})
}

// strand leaves an order to the operator: its answer is lost.
func (r *rig) strand(id string) {
	r.t.Helper()
	c := r.upstream(acme)
	r.steam.Door().Faults.Once("create_topup", providertest.Fault{Kind: providertest.ResetAfterCommit})
	body := strings.NewReplacer(`"id":"topup"`, `"id":"`+id+`"`, "gordon", "eli-"+id).Replace(orders()["topup"])
	if _, err := c.SubmitJSON(r.t.Context(), []byte(body)); err != nil {
		r.t.Fatal(err)
	}
	r.await(id+" is the operator's", func() bool {
		e, err := c.Get(r.t.Context(), id)
		return err == nil && e.NeedsOperator
	})
}

// workOperator uses the command line as the operator. doctor finds that the
// server has one copy of everything, and says so, but nothing that it may not ask.
func (r *rig) workOperator(n *tally) {
	for _, id := range []string{"lost-1", "lost-2"} {
		r.strand(id)
	}
	letter := ""
	run := func(args ...string) {
		n.must("operator", "`beltline "+strings.Join(args, " ")+"`", func() error {
			out, said, err := r.beltline("operator", args...)
			if err != nil {
				return fmt.Errorf("%w\n%s%s", err, out, said)
			}
			if args[0] == "dlq" && args[1] == "list" {
				letter, _, _ = strings.Cut(strings.TrimSpace(strings.TrimPrefix(out[strings.Index(out, `"seq":`)+len(`"seq":`):], " ")), ",")
			}
			return nil
		})
	}
	run("order", "list", "-o", "json")
	run("order", "list", "--needs-operator")
	run("order", "get", "lost-1", "--tenant", acme)
	run("order", "history", "lost-1", "--tenant", acme)
	run("order", "watch", "topup", "--tenant", acme)
	run("resolve", acme+"/lost-1")
	run("resolve", acme+"/lost-1", "--decision", "succeeded", "--evidence", "seen in the cabinet", "--by", "ada", "--yes")
	lost, err := r.upstream(acme).Get(r.t.Context(), "lost-2")
	if err != nil || lost.NotBefore == nil {
		r.t.Fatalf("nothing says when an operator may decide: %v", err)
	}
	r.await("an operator may decide", func() bool { return time.Now().After(*lost.NotBefore) })
	run("resolve", acme+"/lost-2", "--decision", "failed", "--evidence", "not in the cabinet", "--by", "ada", "--yes")
	n.must("operator", "rule an order out", func() error {
		e, err := r.upstream(acme).Get(r.t.Context(), "lost-2")
		if err == nil && e.State != messages.Failed {
			err = fmt.Errorf("it is %s", e.State)
		}
		return err
	})
	run("provider", "status")
	run("provider", "status", "-o", "json")
	run("provider", "pause", "gamesdrop", "--by", "ada", "--reason", "a test")
	run("provider", "resume", "gamesdrop", "--by", "ada")
	run("dlq", "list", "-o", "json")
	if _, err := strconv.Atoi(letter); err != nil {
		r.t.Fatalf("no number of a letter: %q", letter)
	}
	run("dlq", "show", letter)
	run("dlq", "replay", letter, "--yes")
	r.doctor(n)
}

func (r *rig) doctor(n *tally) {
	n.must("operator", "ask everything that `beltline doctor` asks", func() error {
		out, said, err := r.beltline("operator", "doctor", "-o", "json")
		for line := range strings.Lines(out) {
			if strings.Contains(line, `"unknown"`) || strings.Contains(line, "may not") {
				err = errors.Join(err, errors.New(line))
			}
		}
		if err != nil {
			return fmt.Errorf("%w\n%s%s", err, out, said)
		}
		return nil
	})
	n.must("operator", "look at the fence", func() error {
		_, said, err := r.beltline("operator", "fence", "clear", "--by", "ada", "--reason", "nothing is wrong")
		if err == nil || !strings.Contains(said, "nothing to clear") {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	})
}

// TestAccounts_EveryRoleDoesItsWorkAndGetsNothingElse runs everything with the
// shipped files, and then tries as each role what is forbidden to it.
func TestAccounts_EveryRoleDoesItsWorkAndGetsNothingElse(t *testing.T) {
	t.Parallel()
	dir := shipped(t, acme, shop2)
	node := start(t, dir, "one.conf", nil)
	r := newRig(t, dir, node.url())
	n := &tally{t: t}
	r.setUp(n)
	r.startPrograms(doorSettings(t))
	r.workUpstream(n)
	r.workPlain(n)
	r.workOperator(n)
	r.workDoor(n)
	r.workExpiry(n)
	r.workForget(n)
	r.together()
	n.must("system", "look at the server", func() error {
		_, err := r.connect("system").RequestWithContext(t.Context(), "$SYS.REQ.SERVER.PING.JSZ", nil)
		return err
	})
	n.must("the programs", "work without being refused anything", func() error {
		if d := r.denials(); len(d) > 0 {
			return errors.New(strings.Join(d, "\n"))
		}
		return nil
	})
	t.Logf("needed: %d of %d", n.done, n.all)
	r.forbidden()
}

// setUp makes streams and consumers, and the second time finds them.
func (r *rig) setUp(n *tally) {
	for i := range 2 {
		n.must("setup", "run `beltline setup`", func() error {
			out, said, err := r.beltline("setup", "setup")
			if err == nil && (i > 0 || r.replicas > 1) && strings.Contains(out, "created") {
				err = errors.New("it made something again")
			}
			if err != nil {
				return fmt.Errorf("%w\n%s%s", err, out, said)
			}
			return nil
		})
	}
}

// unchanged says what of a list is not in another, either way.
func unchanged(before, after []string) error {
	for _, s := range after {
		if !slices.Contains(before, s) {
			return fmt.Errorf("now: %s", s)
		}
	}
	for _, s := range before {
		if !slices.Contains(after, s) {
			return fmt.Errorf("no more: %s", s)
		}
	}
	return nil
}
