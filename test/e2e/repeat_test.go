package e2e_test

import (
	"testing"

	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// quick lets a doubt be looked into soon.
func quick() map[string]string {
	return map[string]string{"GAMESDROP_TIMEOUT": "1s", "BALANCESTEAM_TIMEOUT": "1s", "LEASE": "2500ms", "ACK_WAIT": "4s", "POLL_FIRST": "50ms"}
}

// The first request bought and its answer was lost; the price has changed when
// it is sent again. Whichever of price and transactionId the shop looks at
// first, its answer speaks of the repeat only.
func TestRepeat_WrongPriceAfterALostAnswerStaysADoubt(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]gamesdroptest.Option{
		"the duplicate is checked first":                   nil,
		"the price is checked first":                       {gamesdroptest.WithPriceCheckedFirst()},
		"a refused request uses its transactionId up":      {gamesdroptest.WithPriceCheckedFirst(), gamesdroptest.WithBurntReferences()},
		"errors have another shape, and money is not kept": {gamesdroptest.WithErrors(gamesdroptest.ShapeMessage, 422), gamesdroptest.WithCanceledKept()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newPipeline(t, quick(), opts...)
			p := offer("acme", "lost", gamesdroptest.OfferPUBG, "600.00", "RUB", "")
			l.drop.Faults().Once(gamesdroptest.OpCreateOrder, providertest.Fault{Kind: providertest.ResetAfterCommit})
			l.up.submit(p.tenant, p.body)
			doubt := l.up.awaitType(p.key(), "unresolved")
			l.drop.SetPrice("1001", "570.20")
			if doubt.text("error.class") != "ambiguous" || doubt.text("error.code") != "connection_reset" {
				t.Errorf("the doubt is %s", doubt)
			}
			last := l.up.awaitFinal(p.key())
			if last.state() != "unresolved" || !last.needsOperator() || last.at("not_before") == nil {
				t.Errorf("ended\n%s", story(l.up.events(p.key())))
			}
			l.mustHaveBought(p.account, 1)
			if got := l.drop.Requests(gamesdroptest.OpCreateOrder); got != 2 {
				t.Errorf("%d creating requests, not 2", got)
			}
			for _, e := range l.up.events(p.key()) {
				if e.typ() == "retrying" && !e.stale() || e.typ() == "failed" {
					t.Errorf("a doubt became %s", e)
				}
			}
			if first := l.up.awaitType(p.key(), "placing"); last.text("provider_ref.reference") != first.text("provider_ref.reference") {
				t.Error("the repeat took another reference")
			}
		})
	}
}

func TestRepeat_ARequestThatNeverArrivedIsSentAgainUnderItsReference(t *testing.T) {
	t.Parallel()
	l := newPipeline(t, quick())
	p := pubg("acme", "gone")
	l.drop.Faults().Once(gamesdroptest.OpCreateOrder, providertest.Fault{Kind: providertest.TimeoutBeforeCommit})
	l.up.submit(p.tenant, p.body)
	if doubt := l.up.awaitType(p.key(), "unresolved"); doubt.needsOperator() || doubt.text("error.code") != "timeout" {
		t.Errorf("the doubt is %s", doubt)
	}
	last := l.up.awaitFinal(p.key())
	if last.state() != "succeeded" || last.text("attempt") != "2" {
		t.Errorf("ended\n%s", story(l.up.events(p.key())))
	}
	l.mustHaveBought(p.account, 1)
}
