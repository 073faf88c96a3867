package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
)

// pubg orders the offer that is done at once.
func pubg(tenant, id string) plan {
	return offer(tenant, id, gamesdroptest.OfferPUBG, "560.10", "RUB", "")
}

func TestIdentity_TenantsWhoseIdsJoinToTheSameTextAreDifferentOrders(t *testing.T) {
	t.Parallel()
	l := newPipeline(t, nil)
	orders := []plan{
		pubg("a", "bc"), pubg("ab", "c"), pubg("a-b", "c"), pubg("a", "b-c"), pubg("a_b", "c"), pubg("a", "b_c"),
		pubg("acme", "same"), pubg("acme-2", "same"), pubg("Acme", "same"),
	}
	for _, p := range orders {
		l.up.submit(p.tenant, p.body)
	}
	references := map[string]string{}
	for _, p := range orders {
		last := l.up.awaitFinal(p.key())
		if last.state() != "succeeded" {
			t.Errorf("%s ended %s", p.key(), last.state())
		}
		l.mustHaveBought(p.account, 1)
		reference := last.text("provider_ref.reference")
		if other, taken := references[reference]; taken || !strings.HasPrefix(reference, "b1") || len(reference) != 26 {
			t.Errorf("%s has the reference %q of %q", p.key(), reference, other)
		}
		references[reference] = p.key()
	}
}

func TestIdentity_OneMsgIdFromTwoTenantsSwallowsNeitherOrder(t *testing.T) {
	t.Parallel()
	l := newPipeline(t, nil)
	first, second := topup("acme", "x1", "10.00"), topup("other", "x1", "10.00")
	for _, p := range []plan{first, second} {
		l.up.publish("orders."+p.tenant+".submit", []byte(p.body), nats.MsgIdHdr, "their-own-idea-of-an-id")
	}
	for _, p := range []plan{first, second} {
		if last := l.up.awaitFinal(p.key()); last.state() != "succeeded" {
			t.Errorf("%s ended %s", p.key(), last.state())
		}
		l.mustHaveBought(p.account, 1)
	}
}

// command is a body that points at an event, as our own programs write it.
func command(tenant, id string, seq, n int) []byte {
	return fmt.Appendf(nil, `{"v":1,"tenant":%q,"order_id":%q,"seq":%d,"n":%d}`, tenant, id, seq, n)
}

func TestCommand_ThatPointsElsewhereBuysNothingAndBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	l := newLocal(t, nil)
	l.dispatcher()
	l.dropWorker()
	steam, drop := topup("acme", "steam", "10.00"), pubg("acme", "drop")
	l.up.submit(steam.tenant, steam.body) // nobody is there to place it, so it stays open
	l.up.awaitType(steam.key(), "accepted")
	l.up.submit(drop.tenant, drop.body)
	l.up.awaitFinal(drop.key())

	forged := []struct{ subject, tenant, id string }{
		{"commands.gamesdrop.place.acme.steam", "acme", "steam"},  // an order of another provider
		{"commands.gamesdrop.check.acme.steam", "acme", "steam"},  //
		{"commands.gamesdrop.place.mallory.mine", "acme", "drop"}, // the subject and the body disagree
		{"commands.gamesdrop.place.mallory.none", "mallory", "none"},
	}
	for _, f := range forged {
		l.up.publish(f.subject, command(f.tenant, f.id, 1, 1))
	}
	awaitTrue(t, "all forged commands are dead letters", func() bool { return len(l.up.letters()) >= len(forged) })
	for _, letter := range l.up.letters() {
		if letter.Subject != "dlq.commands.gamesdrop" || letter.Header.Get("Beltline-Reason") != "command_unprocessable" ||
			letter.Header.Get("Beltline-Error") == "" || !strings.HasPrefix(letter.Header.Get("Beltline-Origin"), "COMMANDS:") {
			t.Errorf("dead letter on %s: %v", letter.Subject, letter.Header)
		}
	}
	l.mustHaveBought(steam.account, 0)
	l.mustHaveBought(drop.account, 1)
	l.steamWorker()
	if last := l.up.awaitFinal(steam.key()); last.state() != "succeeded" {
		t.Errorf("the order that was pointed at ended %s", last.state())
	}
	l.mustHaveBought(steam.account, 1)
}
