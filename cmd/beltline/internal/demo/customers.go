package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// What the customers give at SkinsBack, in dollars.
const (
	givenReleased = "25.40"
	givenReturned = "61.00"
	givenLost     = "12.75"
)

// stories are the orders in which people act: the customer, Steam, or the
// exchanger's staff. Each acts when upstream is told that it is their turn, and
// never because some time has passed.
func (s *script) stories() map[string]func(context.Context, string) error {
	return map[string]func(context.Context, string) error{
		idReleased: s.givesAndIsApproved, idCancelsTrade: s.cancelsTheTrade, idReturned: s.getsItBack, idLinkLost: s.paysByTheSecondLink,
		idConfirms: s.pays, idGivesUp: s.givesUp, idBidLost: s.pays, idPayout: s.isPaidOut,
	}
}

// customers lets all of them begin. A story that goes wrong ends the whole
// performance. wait returns when all have ended.
func (s *script) customers(ctx context.Context, fail context.CancelCauseFunc) (wait func()) {
	var all sync.WaitGroup
	for id, act := range s.stories() {
		all.Go(func() {
			if err := act(ctx, id); err != nil {
				fail(fmt.Errorf("the story of %s: %w", id, err))
			}
		})
	}
	return all.Wait
}

// becomes waits until an order is in a state, and returns its last event.
func (s *script) becomes(ctx context.Context, id string, state messages.Type) (e *messages.Event, err error) {
	err = s.await(ctx, id+" to be "+string(state), func() bool {
		if s.state(id) == state {
			e = s.last[id]
		}
		return e != nil
	})
	return e, err
}

// gives has the customer of a deposit give skins, which Steam holds for a while.
func (s *script) gives(ctx context.Context, id, amount string) (reference string, err error) {
	e, err := s.becomes(ctx, id, messages.ActionRequired)
	if err != nil {
		return "", err
	}
	reference = e.ProviderRef[e.Kind.ReferenceField()]
	s.tell(id, "the customer", "gives skins worth "+amount+" USD; Steam holds the trade")
	return reference, s.stage.Skins.Hold(reference, amount)
}

// approved has the customer give skins, and SkinsBack approve the deposit
// before the hold is over. That is shown, and is no success yet.
func (s *script) approved(ctx context.Context, id, amount string) (reference string, err error) {
	if reference, err = s.gives(ctx, id, amount); err != nil {
		return "", err
	}
	if _, err = s.becomes(ctx, id, messages.OnHold); err != nil {
		return "", err
	}
	s.tell("skinsback", "approves", id+", though the hold goes on")
	if err = s.stage.Skins.Approve(reference); err != nil {
		return "", err
	}
	return reference, s.await(ctx, id+" to be approved", func() bool {
		return s.last[id].Evidence["deposit_status"] == skinsbacktest.HoldApproved
	})
}

func (s *script) givesAndIsApproved(ctx context.Context, id string) error {
	reference, err := s.approved(ctx, id, givenReleased)
	if err != nil {
		return err
	}
	s.tell("skinsback", "releases", id+": the eight days are over")
	return s.stage.Skins.Release(reference)
}

func (s *script) getsItBack(ctx context.Context, id string) error {
	reference, err := s.approved(ctx, id, givenReturned)
	if err != nil {
		return err
	}
	s.tell("skinsback", "returns", id+": Steam has taken the trade back")
	return s.stage.Skins.Return(reference)
}

func (s *script) cancelsTheTrade(ctx context.Context, id string) error {
	e, err := s.becomes(ctx, id, messages.ActionRequired)
	if err != nil {
		return err
	}
	s.tell(id, "the customer", "cancels the trade in Steam")
	return s.stage.Skins.Fail(e.ProviderRef[e.Kind.ReferenceField()], codeTradeCanceled)
}

// paysByTheSecondLink: the first link was lost with the answer to the create,
// so that there is no other for the customer.
func (s *script) paysByTheSecondLink(ctx context.Context, id string) error {
	e, err := s.becomes(ctx, id, messages.ActionRequired)
	if err != nil {
		return err
	}
	s.tell(id, "the customer", "gives skins worth "+givenLost+" USD, by the second link")
	return s.stage.Skins.Pay(e.ProviderRef[e.Kind.ReferenceField()], givenLost)
}

// pays: the customer pays the exchanger and says so, and the exchanger sends
// what was bought.
func (s *script) pays(ctx context.Context, id string) error {
	e, err := s.becomes(ctx, id, messages.ActionRequired)
	if err != nil {
		return err
	}
	if e.Action == nil || e.Action.PayAmount == nil || !e.Action.Confirm {
		return errors.New("nobody tells the customer what to pay")
	}
	s.tell(id, "the customer", "has paid "+e.Action.PayAmount.String()+", and upstream says so: confirm")
	if _, err := s.client.Confirm(ctx, id); err != nil {
		return err
	}
	if e, err = s.becomes(ctx, id, messages.Processing); err != nil {
		return err
	}
	number, err := strconv.ParseInt(e.ProviderRef["id"], 10, 64)
	if err != nil {
		return err
	}
	s.tell("exchanger", "sends", "what "+id+" has bought")
	s.stage.Exchanger.SetStatus(number, bidDone)
	return nil
}

// givesUp: the customer cancels, and then claims to have paid all the same.
func (s *script) givesUp(ctx context.Context, id string) error {
	if _, err := s.becomes(ctx, id, messages.ActionRequired); err != nil {
		return err
	}
	if _, err := s.client.Cancel(ctx, id, "the customer found a better rate"); err != nil {
		return err
	}
	if _, err := s.becomes(ctx, id, messages.Canceled); err != nil {
		return err
	}
	if _, err := s.client.Confirm(ctx, id); err != nil {
		return err
	}
	return s.await(ctx, id+" not to be confirmed", func() bool { return slices.Contains(s.path[id], messages.ConfirmRefused) })
}

// isPaidOut: the exchanger's staff pay what the partner has earned.
func (s *script) isPaidOut(ctx context.Context, id string) error {
	e, err := s.becomes(ctx, id, messages.Processing)
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(e.ProviderRef["payout_id"], 10, 64)
	if err != nil {
		return err
	}
	s.tell("exchanger", "pays", "what its partner has earned")
	s.stage.Exchanger.SetPayoutStatus(number, payoutPaid)
	return nil
}
