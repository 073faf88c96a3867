package client_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

var checked = regexp.MustCompile("(?s)<!-- check: ([a-z ]+) -->\n```\n(.*?)```")

// streamAPI is every line about the API of JetStream.
var streamAPI = regexp.MustCompile(`(?m)^.*\$JS\.API.*\n`)

// configurations are the server's configurations that docs/upstream.md shows.
func configurations(t *testing.T) map[string]*server.Options {
	t.Helper()
	page, err := os.ReadFile("../../docs/upstream.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*server.Options{}
	for _, m := range checked.FindAllStringSubmatch(string(page), -1) {
		all[m[1]] = configuration(t, m[2])
		if m[1] == "own account" {
			all["not trusted"] = configuration(t, streamAPI.ReplaceAllString(m[2], ""))
		}
	}
	return all
}

func configuration(t *testing.T, text string) *server.Options {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return o
}

// guarded is a server with a configuration of the page, and the streams.
func guarded(t *testing.T, conf *server.Options) *rig {
	t.Helper()
	s := natstest.Start(t, natstest.WithListener(), natstest.Configure(func(o *server.Options) {
		o.Users, o.Accounts = conf.Users, conf.Accounts
	}))
	js, err := jetstream.New(s.Conn(t, nats.UserInfo("beltline", "change-me")))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, server: s, js: js}
	settings := topology.Default()
	settings.EventsMaxBytes, settings.OrdersMaxBytes, settings.DLQMaxBytes = 1<<20, 1<<20, 1<<20
	if _, err := topology.Setup(t.Context(), js, settings); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPermissions_AnUpstreamAccountCanDoWhatItMustAndReadsNobodyElses(t *testing.T) {
	t.Parallel()
	confs := configurations(t)
	for name, change := range map[string]func(*client.Options){
		"one account": func(o *client.Options) { o.InboxPrefix = "_INBOX_acme" },
		"own account": func(o *client.Options) { o.APIPrefix = "beltline" },
	} {
		if confs[name] == nil {
			t.Fatalf("docs/upstream.md has no configuration %q", name)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := guarded(t, confs[name])
			may := func(o *client.Options) {
				change(o)
				o.NATS = append(o.NATS, nats.UserInfo("acme", "change-me-too"))
			}
			c := r.connect(may)
			r.mayOrder(t, c)
			r.mayWatch(t, c)
			r.mayAsk(t, c)
			r.mayNot(t, may, name == "one account")
		})
	}
}

func (r *rig) mayOrder(t *testing.T, c *client.Client) {
	if _, err := c.Submit(within(t), order("a")); err != nil {
		t.Error(err)
	}
	if _, err := c.Cancel(within(t), "a", ""); err != nil {
		t.Error(err)
	}
	if _, err := c.Confirm(within(t), "a"); err != nil {
		t.Error(err)
	}
	for _, q := range []messages.Request{messages.SubmitRequest, messages.CancelRequest, messages.ConfirmRequest} {
		if got := r.stored(q); len(got) != 1 {
			t.Errorf("%s: %s", q, got)
		}
	}
}

func (r *rig) mayWatch(t *testing.T, c *client.Client) {
	want := r.write(0, 199) // more than is asked for at once
	r.publish("events.gamesdrop.other.x.accepted", []byte(`{"v":1,"n":1}`))
	got := take(t, watch(t, c, client.Filter{}), 200)
	if !slices.Equal(names(got), want) {
		t.Errorf("%s", names(got))
	}
	place := got[150].Seq
	if got = take(t, watch(t, c, client.Filter{After: place}), 49); !slices.Equal(names(got), want[151:]) {
		t.Errorf("after %d: %s", place, names(got))
	}
	if end, err := c.Now(within(t)); err != nil || end < 200 {
		t.Errorf("the end is %d, %v", end, err)
	}
	r.event("w", 1, messages.Succeeded)
	if e, err := c.Wait(within(t), "w"); err != nil || e.N != 1 {
		t.Errorf("%+v, %v", e, err)
	}
	r.publish(messages.DeadOrders("acme"), []byte("{}"))
	if end, err := c.NowDead(within(t)); err != nil || end != 1 {
		t.Errorf("the end of the dead letters is %d, %v", end, err)
	}
	for _, err := range c.DeadLetters(within(t), 0) {
		if err != nil {
			t.Error(err)
		}
		break
	}
}

func (r *rig) mayAsk(t *testing.T, c *client.Client) {
	nc := r.server.Conn(t, nats.UserInfo("beltline", "change-me"))
	for _, q := range openQuestions() {
		p, method := q.Asks()
		asked := answerer(t, nc, messages.ProviderServiceSubject(p, method), body("{}"))
		if _, err := client.Ask[struct{}](within(t), c, q); err != nil || asked() != 1 {
			t.Errorf("%s %s: %v", p, method, err)
		}
	}
	answerer(t, nc, "svc.orders.acme.get", body(`{"v":1,"n":4}`))
	answerer(t, nc, "svc.orders.acme.history", body(`[{"v":1,"n":4}]`))
	answerer(t, nc, "svc.orders.acme.list", body(`{"orders":[]}`))
	if e, err := c.Get(within(t), "a"); err != nil || e.N != 4 {
		t.Errorf("%+v, %v", e, err)
	}
	if all, err := c.History(within(t), "a"); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := c.List(within(t), messages.OrdersAsked{}); err != nil {
		t.Error(err)
	}
}

// openQuestions are those that pkg/messages says are open to upstream.
func openQuestions() []messages.Query {
	return []messages.Query{
		messages.CheckLoginQuery{}, messages.GiftCardPriceQuery{}, messages.FindOfferQuery{}, messages.CheckPlayerQuery{}, messages.TelegramUserQuery{},
		messages.DirectionCurrenciesQuery{}, messages.DirectionsQuery{}, messages.DirectionQuery{}, messages.CalcQuery{},
	}
}

func TestPermissions_EveryQuestionThatIsOpenToUpstreamIsAmongThem(t *testing.T) {
	t.Parallel()
	open := map[string]bool{}
	for _, q := range openQuestions() {
		p, method := q.Asks()
		open[string(p)+"."+method] = true
	}
	for _, p := range messages.Providers() {
		for _, method := range p.ServiceMethods() {
			if name := string(p) + "." + method; open[name] != messages.OpenToUpstream(method) {
				t.Errorf("%s: asked here %t, open %t", name, open[name], messages.OpenToUpstream(method))
			}
		}
	}
}

// mayNot tries what is another tenant's, or the operator's. Within one account
// the server says that it is denied; an account that has not imported it finds
// nobody there.
func (r *rig) mayNot(t *testing.T, may func(*client.Options), told bool) {
	nc := r.server.Conn(t, nats.UserInfo("beltline", "change-me"))
	asked := answerer(t, nc, "svc.>", body("{}"))
	c := r.connect(may)
	stranger := r.connect(func(o *client.Options) {
		may(o)
		o.Tenant, o.AnswerWithin = "other", time.Second
	})
	before := asked()
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || told && !errors.Is(err, client.ErrDenied) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := stranger.Submit(within(t), order("stolen"))
	refused("submit for another tenant", err)
	if !errors.Is(err, client.ErrNotStored) {
		t.Errorf("%v", err)
	}
	_, err = stranger.Get(within(t), "a")
	refused("another tenant's order", err)
	_, err = client.Ask[struct{}](within(t), c, messages.DropBalanceQuery{})
	refused("the balance", err)
	for e, err := range stranger.Watch(within(t), client.Filter{}) {
		refused("another tenant's events", err)
		if e.Seq != 0 {
			t.Errorf("%+v", e)
		}
	}
	for _, q := range r.storedOf("other") {
		t.Errorf("stored: %s", q)
	}
	if asked() != before {
		t.Errorf("%d questions were heard", asked()-before)
	}
}

// storedOf are the subjects of a tenant's requests.
func (r *rig) storedOf(tenant string) []string {
	r.t.Helper()
	s, err := r.js.Stream(within(r.t), messages.StreamOrders)
	if err != nil {
		r.t.Fatal(err)
	}
	info, err := s.Info(within(r.t), jetstream.WithSubjectFilter("orders."+tenant+".>"))
	if err != nil {
		r.t.Fatal(err)
	}
	var all []string
	for subject := range info.State.Subjects {
		all = append(all, subject)
	}
	return all
}

// Somebody who forgot the inbox prefix must not be told that the order was not
// stored: it was, and only the acknowledgement cannot be heard.
func TestPermissions_WhoCannotHearAnswersIsToldThatAndThatTheFateIsUnknown(t *testing.T) {
	t.Parallel()
	r := guarded(t, configurations(t)["one account"])
	c := r.connect(func(o *client.Options) { o.NATS = append(o.NATS, nats.UserInfo("acme", "change-me-too")) })
	_, err := c.Submit(within(t), order("a"))
	if !errors.Is(err, client.ErrDenied) || !errors.Is(err, client.ErrFateUnknown) || errors.Is(err, client.ErrNotStored) || !strings.Contains(err.Error(), "InboxPrefix") {
		t.Errorf("%v", err)
	}
	if got := r.stored(messages.SubmitRequest); len(got) != 1 {
		t.Errorf("stored: %s", got)
	}
}

// Without the API of JetStream there is nothing that an account could have
// delivered to a subject of Beltline's own, and answers go nowhere else.
func TestPermissions_ATenantThatIsNotTrustedReachesNothingButItsServices(t *testing.T) {
	t.Parallel()
	r := guarded(t, configurations(t)["not trusted"])
	may := nats.UserInfo("acme", "change-me-too")
	c := r.connect(func(o *client.Options) {
		o.NATS, o.APIPrefix, o.AnswerWithin = append(o.NATS, may), "beltline", time.Second
	})
	r.mayOrder(t, c)
	r.mayAsk(t, c)
	for e, err := range c.Watch(within(t), client.Filter{}) {
		if err == nil {
			t.Errorf("watched: %+v", e)
		}
	}
	raw := r.server.Conn(t, may)
	forged := []byte(`{"stream_name":"EVENTS","config":{"name":"x","deliver_subject":"permits.gamesdrop","filter_subject":"events.*.acme.>","ack_policy":"none"}}`)
	for _, prefix := range []string{"beltline", "$JS.API"} {
		m, err := raw.RequestWithContext(within(t), prefix+".CONSUMER.CREATE.EVENTS.x.events.*.acme.>", forged)
		if err == nil && !strings.Contains(string(m.Data), `"error"`) {
			t.Errorf("%s made a consumer: %s", prefix, m.Data)
		}
	}
	r.event("o", 1, messages.Accepted)
	if err := raw.PublishRequest("svc.orders.acme.get", "permits.gamesdrop", []byte(`{"id":"a"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := raw.RequestWithContext(within(t), "svc.orders.acme.get", []byte(`{"id":"a"}`)); err != nil { // answered after the forged one
		t.Error(err)
	}
	permits, err := r.js.Stream(within(t), messages.GamesDrop.PermitStream())
	if err != nil {
		t.Fatal(err)
	}
	if n := permits.CachedInfo().State.LastSeq; n != 0 {
		t.Errorf("%d permits were taken", n)
	}
}
