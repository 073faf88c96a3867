package gamesdrop_test

import (
	"context"
	"testing"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// readings are the ways in which the silent places of the document can be read.
func readings() map[string][]gamesdroptest.Option {
	return map[string][]gamesdroptest.Option{
		"as given":            nil,
		"price first":         {gamesdroptest.WithPriceCheckedFirst()},
		"burnt":               {gamesdroptest.WithBurntReferences()},
		"price first, burnt":  {gamesdroptest.WithPriceCheckedFirst(), gamesdroptest.WithBurntReferences()},
		"words under 409":     {gamesdroptest.WithErrors(gamesdroptest.ShapeWord, 409)},
		"codes under 200":     {gamesdroptest.WithErrors(gamesdroptest.ShapeCode, 200)},
		"messages under 422":  {gamesdroptest.WithErrors(gamesdroptest.ShapeMessage, 422)},
		"canceled money kept": {gamesdroptest.WithCanceledKept()},
	}
}

// lost places an order whose answer never comes, after it was executed.
func (b bundle) lost(o providers.Order, plan providers.Plan) {
	b.t.Helper()
	b.Faults().Once(gamesdroptest.OpCreateOrder, providertest.Fault{Kind: providertest.ResetAfterCommit})
	_, err := b.Place(guarded(b.t), o, plan)
	wantError(b.t, err, ambiguous, "connection_reset")
}

func TestPlace_ARepeatAfterALostAnswerBuysNothingMore(t *testing.T) {
	t.Parallel()
	for name, opts := range readings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, opts...)
			order := sample()
			plan := b.prepare(order)
			b.lost(order, plan)
			for range 3 {
				_, err := b.Place(guarded(t), order, plan)
				if e := wantError(t, err, ambiguous, "TRANSACTION_DUPLICATE"); !e.Exists {
					t.Error("it does not say that the reference exists")
				}
			}
			if n := len(b.Purchases()); n != 1 {
				t.Errorf("%d purchases", n)
			}
		})
	}
}

func TestPlace_ARepeatAfterARequestThatNeverArrivedBuys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := sample()
	plan := b.prepare(order)
	b.Faults().Once(gamesdroptest.OpCreateOrder, providertest.Fault{Kind: providertest.ResetBeforeCommit})
	_, err := b.Place(guarded(t), order, plan)
	wantError(t, err, ambiguous, "connection_reset")
	answer, err := b.Place(guarded(t), order, plan)
	if err != nil || answer.Status != providers.StatusSucceeded || len(b.Purchases()) != 1 {
		t.Errorf("%v, %v, %d purchases", answer.Status, err, len(b.Purchases()))
	}
}

// After a lost purchase the balance may be empty and the price another. Where
// the shop looks at those first, its answer to a repeat speaks of the repeat
// only; the adapter reports it as it is, and the rule for repeats of the
// pipeline keeps it from settling the doubt. The books must stay at one.
func TestPlace_ADefiniteNoToARepeatComesAsItIsAndBuysNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(bundle)
		opts   []gamesdroptest.Option
		code   string
		class  providers.Class
	}{
		"price, duplicate first":   {func(b bundle) { b.SetPrice("1001", "570") }, nil, "TRANSACTION_DUPLICATE", ambiguous},
		"price, price first":       {func(b bundle) { b.SetPrice("1001", "570") }, []gamesdroptest.Option{gamesdroptest.WithPriceCheckedFirst()}, "WRONG_PRICE", retryable},
		"balance, duplicate first": {func(b bundle) { b.SetBalance("0") }, nil, "TRANSACTION_DUPLICATE", ambiguous},
		"balance, price first":     {func(b bundle) { b.SetBalance("0") }, []gamesdroptest.Option{gamesdroptest.WithPriceCheckedFirst()}, "INSUFFICIENT_BALANCE", blocked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, c.opts...)
			order := sample()
			plan := b.prepare(order)
			b.lost(order, plan)
			c.change(b)
			_, err := b.Place(guarded(t), order, plan)
			wantError(t, err, c.class, c.code)
			if n := len(b.Purchases()); n != 1 {
				t.Errorf("%d purchases", n)
			}
		})
	}
}

func TestPlace_AWrongPriceAsksForAQuoteAndANewReference(t *testing.T) {
	t.Parallel()
	for name, opts := range readings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, opts...)
			order := sample()
			plan := b.prepare(order)
			b.SetPrice("1001", "570.00")
			_, err := b.Place(guarded(t), order, plan)
			if e := wantError(t, err, retryable, "WRONG_PRICE"); !e.Requote {
				t.Error("it does not ask for a new quote")
			}
			order.Reference = "b1zzzzzzzzzzzzzzzzzzzzzzzz"
			answer, _ := b.buy(order)
			if answer.Status != providers.StatusSucceeded || answer.Cost.String() != "570.00 RUB" || len(b.Purchases()) != 1 {
				t.Errorf("%v for %v, %d purchases", answer.Status, answer.Cost, len(b.Purchases()))
			}
		})
	}
}

// A reference that a refused attempt has used up answers "duplicate" although
// nothing was bought: another reason why "duplicate" is no proof of success.
func TestPlace_ABurntReferenceIsInDoubt(t *testing.T) {
	t.Parallel()
	b := setup(t, gamesdroptest.WithBurntReferences())
	order := sample()
	plan := b.prepare(order)
	b.SetBalance("0")
	_, err := b.Place(guarded(t), order, plan)
	wantError(t, err, blocked, "INSUFFICIENT_BALANCE")
	b.Refill("1000")
	_, err = b.Place(guarded(t), order, plan)
	wantError(t, err, ambiguous, "TRANSACTION_DUPLICATE")
	if n := len(b.Purchases()); n != 0 {
		t.Errorf("%d purchases", n)
	}
}

func TestPlace_AnEmptyBalanceBlocksUntilItIsRefilled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := sample()
	plan := b.prepare(order)
	b.SetBalance("7.00")
	_, err := b.Place(guarded(t), order, plan)
	wantError(t, err, blocked, "INSUFFICIENT_BALANCE")
	b.Refill("0.00125")
	if answer, err := b.Place(guarded(t), order, plan); err != nil || answer.Status != providers.StatusSucceeded {
		t.Errorf("%v, %v", answer.Status, err)
	}
	if left := b.Balance(); left.Sign() != 0 {
		t.Errorf("%v USD are left", left)
	}
}

func TestPlace_AWrongTokenBlocks(t *testing.T) {
	t.Parallel()
	b := setup(t, gamesdroptest.WithToken("another"))
	_, err := b.Prepare(t.Context(), sample())
	wantError(t, err, blocked, "INVALID_TOKEN")
	_, err = b.Place(guarded(t), sample(), plan())
	wantError(t, err, blocked, "INVALID_TOKEN")
}

func TestPlace_DefiniteNosToAFirstRequestAreRejected(t *testing.T) {
	t.Parallel()
	for name, opts := range readings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, opts...)
			needsPlayer := offerOrder(messages.OfferParams{OfferID: gamesdroptest.OfferDirect})
			plan := b.prepare(needsPlayer)
			_, err := b.Place(guarded(t), needsPlayer, plan)
			wantError(t, err, rejected, "INVALID_REQUEST_BODY")
			gone := sample()
			gone.Reference = "b1zzzzzzzzzzzzzzzzzzzzzzzz"
			plan = b.prepare(gone)
			b.SetOffer(gamesdroptest.Offer{ID: "1001", Hidden: true})
			_, err = b.Place(guarded(t), gone, plan)
			wantError(t, err, rejected, "OFFER_NOT_FOUND")
			if n := len(b.Purchases()); n != 0 {
				t.Errorf("%d purchases", n)
			}
		})
	}
}

func TestLookup_AnOrderTheyDoNotKnowIsNotFailed(t *testing.T) {
	t.Parallel()
	for name, opts := range readings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, opts...)
			o := sample()
			o.Ref = map[string]string{"order_id": "4711"}
			_, err := b.Lookup(t.Context(), o)
			wantError(t, err, ambiguous, "ORDER_NOT_FOUND")
		})
	}
}

func TestRequests_TakeAPermitForReadingAndAGuardForBuying(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := sample()
	plan := b.prepare(order)
	before := len(b.Book().Entries())
	if _, err := b.Place(context.WithoutCancel(t.Context()), order, plan); providers.ClassOf(err) != retryable {
		t.Errorf("without a guard: %v", err)
	}
	if after := len(b.Book().Entries()); after != before {
		t.Error("something arrived without a guard")
	}
}
