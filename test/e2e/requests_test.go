package e2e_test

import (
	"slices"

	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// till is where a shop takes purchases, as its book tells.
type till struct {
	book *providertest.Book
	ops  []string // the methods that create
}

func (r *rig) tills() map[string]till {
	return map[string]till{
		"balancesteam": {r.steam.Door().Book, []string{balancesteamtest.OpTopup, balancesteamtest.OpGiftCard}},
		"gamesdrop":    {r.drop.Book(), []string{gamesdroptest.OpCreateOrder}},
		"skinsback":    {r.skins.Book(), []string{skinsbacktest.OpCreate}},
		"exchanger":    {r.site.Book(), []string{exchangertest.OpCreateBid, exchangertest.OpAddPayout}},
	}
}

// creates counts the creating requests that arrived, and those of them whose
// answer was lost or spoilt.
func (c till) creates() (arrived, spoilt int) {
	for _, op := range c.ops {
		well := map[int64]bool{}
		for _, e := range c.book.Select(providertest.Answered, op) {
			well[e.Request] = e.Fault == ""
		}
		for _, e := range c.book.Select(providertest.Received, op) {
			arrived++
			if !well[e.Request] {
				spoilt++
			}
		}
	}
	return arrived, spoilt
}

// checkRequests holds the creating requests that reached the shops against the
// intents: each intent allows one, counted at the socket. And it holds the
// orders that only an operator can settle against what went wrong: without a
// lost answer, a death between intent and outcome, or a ledger that stood still
// meanwhile, nobody has to be asked.
func (r *run) checkRequests(deaths bool) {
	r.t.Helper()
	intents, parked, stood := map[string]int{}, map[string]int{}, r.up.slow() > lease/2
	for _, events := range r.up.all() {
		for _, e := range events {
			if e.typ() == "placing" {
				intents[e.text("provider")]++
			}
		}
		last := events[len(events)-1]
		silent := slices.ContainsFunc(events, func(e event) bool { return e.text("error.code") == "no_answer" })
		switch {
		case last.state() != "unresolved":
		case !silent:
			parked[last.text("provider")]++
		case !deaths && !stood:
			r.t.Errorf("nobody died, the ledger was there, and %s has no answer\n%s", last.key(), story(events))
		}
	}
	for provider, c := range r.tills() {
		arrived, spoilt := c.creates()
		if arrived == 0 || spoilt == 0 && len(r.plans) >= 40*round { // of few, chance may spare all
			r.t.Errorf("%s got %d creating requests, %d of them spoilt: the run shows nothing of it", provider, arrived, spoilt)
		}
		if arrived > intents[provider] {
			r.t.Errorf("%s got %d creating requests for %d intents", provider, arrived, intents[provider])
		}
		if parked[provider] > spoilt {
			r.t.Errorf("%s: %d orders are the operator's, and only %d answers were spoilt", provider, parked[provider], spoilt)
		}
	}
}
