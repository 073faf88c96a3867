package messages_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/messages"
)

func TestSubjects_AreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		messages.OrderSubject("acme", messages.SubmitRequest):                           "orders.acme.submit",
		messages.OrderSubject("acme", messages.CancelRequest):                           "orders.acme.cancel",
		messages.OrderSubject("acme", messages.ConfirmRequest):                          "orders.acme.confirm",
		messages.CommandSubject(messages.GamesDrop, messages.Place, "acme", "o1"):       "commands.gamesdrop.place.acme.o1",
		messages.ScheduleSubject(messages.GamesDrop, "acme", "o1"):                      "schedules.gamesdrop.acme.o1",
		messages.ExpireSubject(messages.GamesDrop, "acme", "o1"):                        "schedules.gamesdrop.acme.o1.expire",
		messages.EventSubject(messages.GamesDrop, "acme", "o1", messages.Succeeded):     "events.gamesdrop.acme.o1.succeeded",
		messages.EventSubject("", "acme", "o1", messages.Rejected):                      "events.none.acme.o1.rejected",
		messages.EventSubject("moon.>", "acme", "o1", messages.Rejected):                "events.none.acme.o1.rejected",
		messages.OrderEvents("acme", "o1"):                                              "events.*.acme.o1.>",
		messages.DeadOrders("acme"):                                                     "dlq.orders.acme",
		messages.DeadCommands(messages.SkinsBack):                                       "dlq.commands.skinsback",
		messages.DeadHooks(messages.Exchanger):                                          "dlq.hooks.exchanger",
		messages.BalanceSteam.PermitSubject():                                           "permits.balancesteam",
		messages.BalanceSteam.TurnSubject():                                             "turns.balancesteam",
		messages.BalanceSteam.PermitStream():                                            "PERMITS_BALANCESTEAM",
		messages.BalanceSteam.LaneKey():                                                 "lane.balancesteam",
		messages.BalanceSteam.PlaceConsumer():                                           "worker-balancesteam-place",
		messages.BalanceSteam.FollowConsumer():                                          "worker-balancesteam-follow",
		messages.OrdersServiceSubject("acme", "get"):                                    "svc.orders.acme.get",
		messages.OperatorServiceSubject("resolve"):                                      "svc.operator.resolve",
		messages.ProviderServiceSubject(messages.GamesDrop, "find_offer"):               "svc.providers.gamesdrop.find_offer",
		messages.GamesDrop.Service():                                                    "provider-gamesdrop",
		messages.Origin(messages.StreamOrders, 17, "orders.acme.submit"):                "ORDERS:17:orders.acme.submit",
		strings.Join([]string{messages.StreamCommands, messages.StreamEvents}, ","):     "COMMANDS,EVENTS",
		strings.Join([]string{messages.StreamDLQ, messages.Bucket}, ","):                "DLQ,beltline",
		messages.HeaderReason + " " + messages.HeaderError:                              "Beltline-Reason Beltline-Error",
		messages.HeaderOrigin + " " + messages.HeaderOrderID:                            "Beltline-Origin Beltline-Order-Id",
		string(messages.ReasonInvalidOrder) + " " + string(messages.ReasonUnknownOrder): "invalid_order unknown_order",
	}
	for got, want := range tests {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestValidTenant_KeepsReservedNamesAndInjectionsOut(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"acme", "A-1_b", "a", strings.Repeat("x", 64), "unknown1", "Unknown", "-", "a_"} {
		if !messages.ValidTenant(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{
		"", "unknown", "_", "_sys", "a.b", "*", ">", "a b", "a\n", "a\x00", "é", strings.Repeat("x", 65), "a>", "$SYS", "..", "a/b", "a\n.submit",
	} {
		if messages.ValidTenant(bad) {
			t.Errorf("%q is a tenant", bad)
		}
		if got := messages.DeadOrders(bad); got != "dlq.orders.unknown" {
			t.Errorf("the dead letters of %q go to %s", bad, got)
		}
	}
	if !messages.ValidToken("_x") || !messages.ValidToken("unknown") {
		t.Error("an order id may be what a tenant may not")
	}
}

func TestSubjects_OfValidTokensCanBeTakenApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tenant := rapid.StringMatching(`[A-Za-z0-9-][A-Za-z0-9_-]{0,63}`).Filter(messages.ValidTenant).Draw(t, "tenant")
		id := rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "id")
		p := rapid.SampledFrom(messages.Providers()).Draw(t, "provider")
		typ := rapid.SampledFrom(messages.Types()).Draw(t, "type")
		verb := rapid.SampledFrom([]messages.Verb{messages.Place, messages.Check, messages.Cancel, messages.Confirm}).Draw(t, "verb")
		req := rapid.SampledFrom([]messages.Request{messages.SubmitRequest, messages.CancelRequest, messages.ConfirmRequest}).Draw(t, "request")

		e, err := messages.ParseEventSubject(messages.EventSubject(p, tenant, id, typ))
		if want := (messages.EventAddress{Provider: p, Tenant: tenant, OrderID: id, Type: typ}); err != nil || e != want {
			t.Fatalf("%+v, %v", e, err)
		}
		c, err := messages.ParseCommandSubject(messages.CommandSubject(p, verb, tenant, id))
		if want := (messages.CommandAddress{Provider: p, Verb: verb, Tenant: tenant, OrderID: id}); err != nil || c != want {
			t.Fatalf("%+v, %v", c, err)
		}
		gotTenant, gotReq, err := messages.ParseOrderSubject(messages.OrderSubject(tenant, req))
		if err != nil || gotTenant != tenant || gotReq != req {
			t.Fatalf("%s %s %v", gotTenant, gotReq, err)
		}
	})
}

func TestParseSubjects_RefuseWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{
		"", "orders", "orders.acme", "orders.acme.submit.x", "events.gamesdrop.acme.o1", "commands.gamesdrop.place.acme",
		"events.moon.acme.o1.placing", "commands.none.place.acme.o1", "commands.moon.place.acme.o1",
		"commands.gamesdrop.place.unknown.o1", "commands.gamesdrop.place._x.o1", "commands.gamesdrop.place.acme.",
		"events.gamesdrop.unknown.o1.placing", "events.gamesdrop.acme.*.placing", "events.gamesdrop.acme.o1.>",
		"commands.gamesdrop.place.acme.o1.x", "svc.orders.acme.get", "command.gamesdrop.place.acme.o1",
	} {
		if _, err := messages.ParseEventSubject(subject); !errors.Is(err, messages.ErrMalformed) {
			t.Errorf("%q is an event's: %v", subject, err)
		}
		if _, err := messages.ParseCommandSubject(subject); !errors.Is(err, messages.ErrMalformed) {
			t.Errorf("%q is a command's: %v", subject, err)
		}
		if _, _, err := messages.ParseOrderSubject(subject); !errors.Is(err, messages.ErrMalformed) {
			t.Errorf("%q is an order's: %v", subject, err)
		}
	}
	if tenant, _, err := messages.ParseOrderSubject("orders._sys.submit"); err != nil || tenant != "_sys" {
		t.Errorf("a reserved tenant must reach the dispatcher's log: %q %v", tenant, err)
	}
	if _, err := messages.ParseEventSubject("events.none.acme.o1.rejected"); err != nil {
		t.Errorf("a rejected event of an unknown provider: %v", err)
	}
	if _, err := messages.ParseEventSubject("events.gamesdrop.acme.o1.a_type_of_tomorrow"); err != nil {
		t.Errorf("an event of a later version: %v", err)
	}
}

func TestServices_UpstreamMayAskAboutGoodsOnly(t *testing.T) {
	t.Parallel()
	open := map[string]bool{}
	for _, p := range messages.Providers() {
		if len(p.ServiceMethods()) == 0 {
			t.Errorf("%s has no methods", p)
		}
		for _, m := range p.ServiceMethods() {
			if !messages.ValidToken(m) {
				t.Errorf("%q cannot stand in a subject", m)
			}
			if messages.OpenToUpstream(m) {
				open[m] = true
			}
		}
	}
	if len(open) != 9 {
		t.Errorf("open to upstream: %v", open)
	}
	for _, m := range []string{"balance", "balance_transactions", "order_status", "deposit_status", "exchanges", "bid_info", "partner_payouts", ""} {
		if messages.OpenToUpstream(m) {
			t.Errorf("%q is open to upstream", m)
		}
	}
	if messages.NoProvider.ServiceMethods() != nil || messages.Provider("moon").ServiceMethods() != nil {
		t.Error("a provider that is none has methods")
	}
}

func TestVocabulary_TypesAndStates(t *testing.T) {
	t.Parallel()
	terminal := map[messages.Type]bool{
		messages.Rejected: true, messages.Succeeded: true, messages.Failed: true,
		messages.Canceled: true, messages.Expired: true, messages.Reversed: true,
	}
	noState := map[messages.Type]bool{messages.CancelRefused: true, messages.ConfirmRefused: true, messages.LateEvidence: true, messages.Forgotten: true}
	if len(messages.Types()) != 17 || len(messages.States()) != 13 {
		t.Errorf("%d types, %d states", len(messages.Types()), len(messages.States()))
	}
	for _, typ := range messages.Types() {
		if typ.Terminal() != terminal[typ] || typ.ChangesState() == noState[typ] {
			t.Errorf("%s: terminal %v, changes the state %v", typ, typ.Terminal(), typ.ChangesState())
		}
	}
	if messages.NoProvider.Known() || messages.Provider("").Known() {
		t.Error("no provider is known")
	}
}
