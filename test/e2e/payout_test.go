package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// payoutOrder pays out to an account.
func payoutOrder(id, account string) plan {
	return plan{tenant: "acme", id: id, provider: "exchanger", kind: "partner_payout", account: account,
		body: body(id, "exchanger", "partner_payout", fmt.Sprintf(`"method_id":%q,"account":%q`, exchangertest.MethodUSDT, account), "")}
}

func (s *site) payouts(account string, want, requests int) {
	s.t.Helper()
	n := 0
	for _, e := range s.shop.Book().Select(providertest.Committed, exchangertest.OpAddPayout) {
		if e.OrderKey == account {
			n++
		}
	}
	if got := s.shop.Requests(exchangertest.OpAddPayout); n != want || got != requests {
		s.t.Errorf("%d payouts by %d requests, not %d by %d", n, got, want, requests)
	}
}

func TestExchanger_PayoutsArePaidOrCancelled(t *testing.T) {
	t.Parallel()
	for status, want := range map[int][]string{
		1: {"state", "succeeded", "deliverable.status", "1", "finality", "final", "cost", nothing, "provider_ref.payout_id", "57"},
		2: {"state", "failed", "error.class", "rejected", "error.code", "2", "deliverable", nothing, "provider_ref.payout_id", "57"},
	} {
		t.Run(want[1], func(t *testing.T) {
			t.Parallel()
			s, p := newSite(t, nil), payoutOrder("o1", "TPartner")
			s.submit(p)
			s.shows(p, "processing", "provider_ref.payout_id", "57", "evidence.balance", "250")
			s.shop.SetPayoutStatus(57, status)
			says(t, s.up.awaitFinal(p.key()), want...)
			s.payouts(p.account, 1, 1)
		})
	}
}

func TestExchanger_APayoutThatCannotBeMadeFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.shop.SetBalance("9.99")
	little, unknown := payoutOrder("little", "TPartner"), payoutOrder("unknown", "TOther")
	unknown.body = strings.Replace(unknown.body, `"method_id":"2"`, `"method_id":"9"`, 1)
	s.submit(little)
	says(t, s.up.awaitFinal(little.key()), "state", "failed", "error.class", "rejected", "error.code", "min_payout_not_met")
	s.submit(unknown)
	says(t, s.up.awaitFinal(unknown.key()), "state", "failed", "error.class", "rejected", "error.code", "invalid_order")
	s.payouts("TPartner", 0, 0)
}

func TestExchanger_ALostPayoutIsFoundOrIsTheOperators(t *testing.T) {
	t.Parallel()
	const account = "TPartner"
	for name, c := range map[string]struct {
		fault   providertest.FaultKind
		before  func(*site) // the order
		doubted func(*site)
		opts    []exchangertest.Option
		said    []string
		made    int
	}{
		"one new payout is it": {
			fault: providertest.ResetAfterCommit, before: func(s *site) { s.shop.AddPayout("2", account, "5.00", 1) },
			doubted: func(s *site) { s.shop.SetPayoutStatus(58, 1) },
			said:    []string{"state", "succeeded", "provider_ref.payout_id", "58", "needs_operator", "false"}, made: 1,
		},
		"two new payouts prove nothing": {
			fault: providertest.ResetAfterCommit, doubted: func(s *site) { s.shop.AddPayout("2", account, "5.00", 1) },
			said: []string{"state", "unresolved", "needs_operator", "true", "evidence.new_payouts", "2", "provider_ref.payout_id", nothing}, made: 1,
		},
		"none proves nothing either": {
			fault: providertest.ResetBeforeCommit,
			said:  []string{"state", "unresolved", "needs_operator", "true", "evidence.new_payouts", "0", "error.code", "connection_reset"},
		},
		"a key without get_partner_payouts": {
			fault: providertest.ResetAfterCommit, opts: []exchangertest.Option{exchangertest.WithoutMethods(exchangertest.OpPartnerPayouts)},
			said: []string{"state", "unresolved", "needs_operator", "true",
				"evidence.lookup", "get_partner_payouts is not enabled for the key: nobody but the exchanger can tell"}, made: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := newSite(t, nil, c.opts...), payoutOrder("o1", account)
			if c.before != nil {
				c.before(s)
			}
			s.shop.Faults().Once(exchangertest.OpAddPayout, providertest.Fault{Kind: c.fault})
			s.submit(p)
			s.shows(p, "unresolved", "error.class", "ambiguous")
			if c.doubted != nil {
				c.doubted(s)
			}
			says(t, s.up.awaitFinal(p.key()), c.said...)
			s.payouts(account, c.made, 1)
		})
	}
}

func TestExchanger_APayoutInDoubtHoldsUpItsOwnTargetOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	lost, next, other := payoutOrder("lost", "TPartner"), payoutOrder("next", "TPartner"), payoutOrder("other", "TOther")
	s.shop.Faults().Once(exchangertest.OpAddPayout, providertest.Fault{Kind: providertest.ResetBeforeCommit})
	s.submit(lost)
	s.shows(lost, "unresolved")
	s.submit(next)
	s.up.awaitType(next.key(), "accepted")
	s.submit(other)
	s.shows(other, "processing", "provider_ref.payout_id", "57")
	says(t, s.up.awaitFinal(lost.key()), "state", "unresolved", "needs_operator", "true")
	s.shop.SetBalance("80")
	if got := typesOf(s.up.events(next.key())); got != "accepted" {
		t.Errorf("the next one has %s", got)
	}
	s.payouts("TPartner", 0, 2)
	kv, err := s.up.js.KeyValue(t.Context(), "beltline")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := kv.ListKeysFiltered(t.Context(), "lease.payout.>")
	if err != nil {
		t.Fatal(err)
	}
	holders := map[string]bool{}
	for key := range keys.Keys() {
		entry, err := kv.Get(t.Context(), key)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		holders[string(entry.Value())] = true
	}
	// The key of the other one, which is known to be under way, is about to be deleted.
	delete(holders, "acme/other")
	if text, _ := json.Marshal(holders); !holders["acme/lost"] || len(holders) != 1 {
		t.Errorf("turns are held by %s", text)
	}
}
