package skinsback

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
	"github.com/beltline-io/beltline/pkg/providers"
)

// holdPeriod is how long Steam's trade protection lasts.
const holdPeriod = 8 * 24 * time.Hour

// The keys of evidence. What ends in "status" is shown in an event of its own
// when it changes: hold_approved is news, though the order stays on hold.
const (
	evidenceStatus  = "deposit_status"
	evidenceUnknown = "unknown_status"
	evidenceSteamID = "steam_id"
)

// answer translates a deposit that is ours. Only the document's words end it; an
// unknown word says nothing.
func (p *Provider) answer(op string, o providers.Order, params messages.DepositParams, d *Deposit) (providers.Answer, error) {
	a := providers.Answer{Ref: map[string]string{refTransactionID: string(d.TransactionID)}, Evidence: map[string]any{}}
	if string(d.SteamID) != params.SteamID {
		a.Evidence[evidenceSteamID] = p.client.clean(string(d.SteamID))
	}
	switch d.Status {
	case StatusPending:
		a.Status = providers.StatusActionRequired
	case StatusSuccess:
		deliverable, err := d.deliverable(op, o.Reference)
		if err != nil {
			return providers.Answer{}, err
		}
		a.Status, a.Finality, a.Deliverable = providers.StatusSucceeded, messages.Final, deliverable
		a.Evidence[evidenceStatus] = string(d.Status)
		if until := d.InHoldUntil.Time; !until.IsZero() {
			a.WatchUntil = &until // it was on hold, whether or not a lookup ever saw that: it may still be taken back
		}
	case StatusInHold, StatusHoldApproved:
		d.held(&a)
	case StatusHoldReturned:
		a.Status, a.Code = providers.StatusReversed, string(StatusHoldReturned)
		a.Evidence[evidenceStatus] = string(d.Status)
	case StatusFail:
		a.Status, a.Code = providers.StatusFailed, p.client.clean(string(d.Reason))
		if a.Code == "" {
			a.Code = string(StatusFail)
		}
		a.Evidence[evidenceStatus] = string(d.Status)
	default:
		return providers.Answer{
			Status: providers.StatusUnknown, Evidence: map[string]any{evidenceUnknown: p.client.clean(string(d.Status))},
		}, nil
	}
	return a, nil
}

// held tells of a deposit on hold. Its sums are evidence and no deliverable:
// they must not be credited yet.
func (d *Deposit) held(a *providers.Answer) {
	a.Status = providers.StatusOnHold
	a.Evidence[evidenceStatus] = string(d.Status)
	for name, amount := range map[string]*money.Money{"amount": d.Amount.in(d.AmountCurrency), "user_amount": d.UserAmount.in(d.AmountCurrency)} {
		if amount != nil {
			a.Evidence[name] = *amount
		}
	}
	if until := d.holdUntil(); !until.IsZero() {
		a.HoldUntil, a.WatchUntil = &until, &until
	}
}

// holdUntil is when the hold ends: as announced, else eight days after the skins
// were given, or at least after the deposit was made.
func (d *Deposit) holdUntil() time.Time {
	if !d.InHoldUntil.Time.IsZero() {
		return d.InHoldUntil.Time
	}
	for _, from := range []Unix{d.SkinsSendDate, d.Date} {
		if !from.Time.IsZero() {
			return from.Time.Add(holdPeriod)
		}
	}
	return time.Time{}
}

// deliverable is what a successful deposit brought. Without a sum it is not
// told at all: a success that says nothing could only be booked wrongly.
func (d *Deposit) deliverable(op, reference string) (json.RawMessage, error) {
	amount := d.Amount.in(d.AmountCurrency)
	if amount == nil || !d.Amount.positive() {
		return nil, unreadable(op, "the deposit succeeded and its amount cannot be read")
	}
	user := d.UserAmount.in(d.AmountCurrency)
	return object(map[string]any{
		"amount": amount, "user_amount": user,
		"amount_in_currencies": texts(d.AmountInCurrencies), "user_amount_in_currencies": texts(d.UserAmountInCurrencies),
		"custom_currency_sum": d.CustomCurrencySum,
		"deposits": []map[string]any{{
			"reference": reference, "transaction_id": string(d.TransactionID), "status": string(d.Status),
			"amount": amount, "user_amount": user,
		}},
	}), nil
}

// texts renders sums as decimal texts by currency; nil, which is null, where
// there are none.
func texts(sums Amounts) map[string]string {
	if len(sums) == 0 {
		return nil
	}
	out := make(map[string]string, len(sums))
	for currency, sum := range sums {
		out[string(currency)] = money.New(sum, currency).AmountString()
	}
	return out
}

// object renders a deliverable to the letter, without HTML escapes.
func object(fields map[string]any) json.RawMessage {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(fields); err != nil {
		panic("skinsback: texts and amounts always marshal: " + err.Error())
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n"))
}
