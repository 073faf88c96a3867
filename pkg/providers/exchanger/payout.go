package exchanger

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

const (
	dataMethod = "method_id"
	// dataNewest is the greatest id of a payout that was there before the
	// intent; "0" for none. Without it a lost payout cannot be told from an
	// older one.
	dataNewest = "newest_payout_id"
)

// payoutPage is how many payouts are asked for: there is no second page.
const payoutPage = 500

// The documented statuses of a payout.
const (
	payoutWaiting   = "0"
	payoutPaid      = "1"
	payoutCancelled = "2"
)

// preparePayout checks that there is something to pay out by the method, and
// remembers which payouts there are already.
func (p *Provider) preparePayout(ctx context.Context, params messages.PartnerPayoutParams) (providers.Plan, error) {
	const op = "exchanger.get_partner_info"
	info, err := p.client.PartnerInfo(ctx)
	if err != nil {
		return providers.Plan{}, err
	}
	var method *PayoutMethod
	for i := range info.Items {
		if info.Items[i].ID == ID(params.MethodID) {
			method = &info.Items[i]
		}
	}
	switch {
	case !info.Balance.Valid:
		return providers.Plan{}, unreadable(op, "the answer has no balance")
	case method == nil:
		return providers.Plan{}, refused(op, providers.CodeInvalidOrder, "/params/method_id: the exchanger pays out by no such method")
	case info.Balance.Value.Sign() <= 0, info.MinPayout.Valid && info.Balance.Value.Cmp(info.MinPayout.Value) < 0:
		return providers.Plan{}, refused(op, codeMinPayout, "the balance is "+info.Balance.Value.String()+", the least payout "+plain(info.MinPayout.Literal, 64))
	}
	plan := providers.Plan{
		Data:     map[string]string{dataMethod: params.MethodID},
		Evidence: map[string]any{"balance": info.Balance.Value.String(), "method": p.client.clean(string(method.Title))},
	}
	before, err := p.client.partnerPayouts(ctx, reading, PartnerPayoutsRequest{Limit: payoutPage})
	switch {
	case errors.Is(err, ErrMethodNotSupported):
		// The payout can still be asked for; only a lost answer will need a person.
		plan.Evidence["lookup"] = "get_partner_payouts is not enabled for the key"
		return plan, nil
	case err != nil:
		return providers.Plan{}, err
	}
	if newest, ok := newestPayout(before); ok {
		plan.Data[dataNewest] = strconv.FormatInt(newest, 10)
	}
	return plan, nil
}

// newestPayout returns the greatest id of a list; false where the list may lack
// the newest ones, because it is full and begins with the oldest.
func newestPayout(list []PartnerPayout) (int64, bool) {
	var newest, first, last int64
	for i, payout := range list {
		id, err := strconv.ParseInt(string(payout.ID), 10, 64)
		if err != nil || id <= 0 {
			return 0, false
		}
		if i == 0 {
			first = id
		}
		newest, last = max(newest, id), id
	}
	return newest, len(list) < leastPage || first > last
}

// placePayout sends the one add_partner_payout.
func (p *Provider) placePayout(ctx context.Context, params messages.PartnerPayoutParams, plan providers.Plan) (providers.Answer, error) {
	if plan.Data[dataMethod] != params.MethodID {
		return providers.Answer{}, invalid("exchanger.add_partner_payout", "the plan does not fit the order")
	}
	made, err := p.client.AddPartnerPayout(ctx, AddPartnerPayoutRequest{MethodID: params.MethodID, Account: params.Account})
	if err != nil {
		return providers.Answer{}, err
	}
	return paidOut(made.PayoutID, payoutWaiting), nil
}

func paidOut(id ID, status Text) providers.Answer {
	a := providers.Answer{Status: providers.StatusProcessing, Ref: map[string]string{refPayoutID: string(id)}, Evidence: map[string]any{"payout_status": plain(string(status), 64)}}
	switch status {
	case payoutWaiting:
	case payoutPaid:
		a.Status, a.Finality = providers.StatusSucceeded, messages.Final
		a.Deliverable = json.RawMessage(`{"status":"` + payoutPaid + `"}`)
	case payoutCancelled:
		a.Status, a.Code, a.Message = providers.StatusFailed, payoutCancelled, "the payout was cancelled"
		a.Evidence["refund"] = "unconfirmed" // it had been taken off what the partner has earned
	default:
		a.Evidence["operator_hint"] = "the payout has a status that the exchanger's manual does not know"
	}
	return a
}

// lookupPayout asks for a payout by its id, or for a new one that nobody has
// been told of.
func (p *Provider) lookupPayout(ctx context.Context, o providers.Order, params messages.PartnerPayoutParams) (providers.Answer, error) {
	const op = "exchanger.get_partner_payouts"
	id, in := ID(o.Ref[refPayoutID]), PartnerPayoutsRequest{Limit: payoutPage}
	switch {
	case id != "" && !id.Valid():
		return providers.Answer{}, unreadable(op, "the recorded payout id is not a number")
	case id != "":
		in = PartnerPayoutsRequest{ID: string(id)}
	}
	list, err := p.client.PartnerPayouts(ctx, in)
	switch {
	case errors.Is(err, ErrMethodNotSupported):
		return unknown("lookup", "get_partner_payouts is not enabled for the key: nobody but the exchanger can tell"), nil
	case err != nil:
		return providers.Answer{}, err
	case id == "":
		return lostPayout(o, params, list), nil
	}
	for _, payout := range list {
		switch {
		case payout.ID != id:
		case !sameTarget(payout, params):
			return providers.Answer{}, mismatch(op, "the payout is by another method or to another account")
		default:
			return paidOut(payout.ID, payout.Status), nil
		}
	}
	return unknown("lookup", "the list of payouts does not show the payout"), nil
}

func sameTarget(payout PartnerPayout, params messages.PartnerPayoutParams) bool {
	return payout.MethodID == ID(params.MethodID) && plain(string(payout.Account), maxScanned) == strings.TrimSpace(params.Account)
}

// lostPayout finds the payout of a request whose answer was lost: the one new
// payout by the method to the account. None, or two, proves nothing.
func lostPayout(o providers.Order, params messages.PartnerPayoutParams, list []PartnerPayout) providers.Answer {
	newest, err := strconv.ParseInt(o.Plan.Data[dataNewest], 10, 64)
	if err != nil {
		return unknown("lookup", "it is not known which payouts there were before")
	}
	if _, whole := newestPayout(list); !whole {
		return unknown("lookup", "the list of payouts may lack the newest")
	}
	var found []PartnerPayout
	for _, payout := range list {
		id, err := strconv.ParseInt(string(payout.ID), 10, 64)
		if err == nil && id > newest && sameTarget(payout, params) {
			found = append(found, payout)
		}
	}
	if len(found) != 1 {
		return unknown("new_payouts", strconv.Itoa(len(found)))
	}
	return paidOut(found[0].ID, found[0].Status)
}
