package gamesdrop

import (
	"encoding/json"
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// check reports what keeps an order from being ours, or from being one at all.
func (g goods) check(op string, o *Order, recipient string) error {
	switch {
	case !o.OrderID.Valid():
		return unreadable(op, "the answer has no order id")
	case o.OfferID != "" && o.OfferID != g.offer:
		return mismatch(op, "the answer is about another offer")
	}
	if d := o.FulfillmentData; d != nil && g.stars > 0 {
		switch {
		case d.StarsAmount.Known && d.StarsAmount.Value != g.stars:
			return mismatch(op, "the answer is about another number of Stars")
		case d.TelegramUserID.Valid() && ID(recipient).Valid() && d.TelegramUserID != ID(recipient):
			return mismatch(op, "the answer is about another Telegram user")
		}
	}
	return nil
}

// answer translates an order that is ours. Only the document's words end it;
// any other word leaves it processing, with the word as evidence.
func (p *Provider) answer(g goods, o *Order, plan providers.Plan) providers.Answer {
	a := providers.Answer{Ref: map[string]string{refOrderID: string(o.OrderID)}, Evidence: map[string]any{}}
	switch o.Status {
	case StatusCompleted:
		p.complete(&a, g, o, plan)
	case StatusSubmitted, StatusProcessing:
		a.Status = providers.StatusProcessing
	case StatusCanceled:
		a.Status, a.Code = providers.StatusFailed, string(StatusCanceled)
		a.Message = p.why(o)
		a.Evidence["refund"] = "unconfirmed"
		return a
	case StatusRefund:
		a.Status, a.Code = providers.StatusReversed, string(StatusRefund)
		a.Message = p.why(o)
		a.Evidence["refund"] = "confirmed"
		return a
	default:
		a.Status = providers.StatusProcessing
		a.Evidence["unknown_status"] = p.client.clean(string(o.Status))
	}
	if a.Cost = o.Price.money(o.Currency); a.Cost != nil {
		a.CostSource = messages.FromResponse
	}
	return a
}

// why is the provider's reason for an end without goods. A code that was
// given and taken back may still be quoted in it.
func (p *Provider) why(o *Order) string {
	text := firstOf(string(o.Message), string(o.delivery().ErrorMessage))
	if !o.Key.Empty() {
		text = strings.ReplaceAll(text, o.Key.Reveal(), "***")
	}
	return p.client.clean(text)
}

// complete fills in a COMPLETED order. It is done only when what was bought is
// there: a code that is still to come would be lost with the order's last event.
func (p *Provider) complete(a *providers.Answer, g goods, o *Order, plan providers.Plan) {
	a.Status = providers.StatusProcessing
	if g.stars > 0 {
		delivery := string(o.delivery().DeliveryStatus)
		if delivery != "" && !strings.EqualFold(delivery, "completed") {
			a.Evidence["delivery_status"] = p.client.clean(delivery)
			return
		}
		a.Deliverable = g.starsDeliverable(o)
	} else {
		if o.Key.Empty() && promised(o, plan) {
			a.Evidence["key"] = "awaited"
			return
		}
		a.Deliverable = keyDeliverable(o.Key)
	}
	a.Status, a.Finality = providers.StatusSucceeded, messages.Final
}

// promised reports whether a key is to come: by what the order says, else by what
// find-one said of the offer. Where neither says anything it may.
func promised(o *Order, plan providers.Plan) bool {
	if o.IsReturnDataForCustomer.Known {
		return o.IsReturnDataForCustomer.Value
	}
	return plan.Data[dataKeyless] != "true"
}

func (o *Order) delivery() FulfillmentData {
	if o.FulfillmentData == nil {
		return FulfillmentData{}
	}
	return *o.FulfillmentData
}

func keyDeliverable(k Key) json.RawMessage {
	if k.Empty() {
		return json.RawMessage(`{}`)
	}
	return object(map[string]any{"key": k.Reveal()})
}

func (g goods) starsDeliverable(o *Order) json.RawMessage {
	d := o.delivery()
	user := string(d.TelegramUserID)
	if !d.TelegramUserID.Valid() && ID(g.telegramUser).Valid() {
		user = g.telegramUser
	}
	return object(map[string]any{
		"stars": g.stars, "telegram_user_id": textOrNull(user), "delivery_transaction_id": textOrNull(string(d.TransactionID)),
	})
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// object renders a deliverable without HTML escapes, so that a code stays the
// code to the letter for whoever reads the bytes.
func object(fields map[string]any) json.RawMessage {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(fields); err != nil {
		panic("gamesdrop: texts and numbers always marshal: " + err.Error())
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n"))
}

// settleCost completes the cost of an answer to a create: the quote where the
// answer tells no price, and the quote as evidence where the answer differs.
func settleCost(a *providers.Answer, plan providers.Plan) {
	switch {
	case a.Status != providers.StatusProcessing && a.Status != providers.StatusSucceeded, plan.Quote == nil:
	case a.Cost == nil:
		quote := *plan.Quote
		a.Cost, a.CostSource = &quote, messages.FromQuote
	case !a.Cost.Equal(*plan.Quote):
		a.Evidence["quoted"] = plan.Quote.String()
	}
}
