package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestSubmitAndWait_AnErasedOrderIsTheResultOfItsOwnContentOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect(nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	o := order("ord-1")
	body, err := o.Encode()
	if err != nil {
		t.Fatal(err)
	}
	tombstone, err := (&messages.Event{
		N: 4, Type: messages.Forgotten, State: messages.Succeeded, Time: time.Now(), Tenant: "acme", OrderID: o.ID,
		Provider: messages.Exchanger, Kind: messages.PartnerPayout,
		Evidence: map[string]any{messages.ForgottenKey: map[string]any{messages.ForgottenContent: messages.ContentDigest(body)}},
	}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.js.Publish(ctx, messages.EventSubject(messages.Exchanger, "acme", o.ID, messages.Forgotten), tombstone); err != nil {
		t.Fatal(err)
	}
	if e, err := c.SubmitAndWait(ctx, o); err != nil || !e.Forgotten() || e.State != messages.Succeeded {
		t.Errorf("the same order: %+v, %v", e, err)
	}
	other := o
	other.Params = messages.PartnerPayoutParams{MethodID: "3", Account: "another"}
	conflict := (*client.ConflictError)(nil)
	if e, err := c.SubmitAndWait(ctx, other); !errors.As(err, &conflict) {
		t.Errorf("another order under its id: %+v, %v", e, err)
	}
}
