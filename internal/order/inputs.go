package order

import "fmt"

// Input is something that happened to an order. Own… inputs are answers to the
// order's owner: whoever wrote the intent and made the call. Seen… inputs are
// what a lookup found.
type Input uint8

// The inputs.
const (
	// Accept: the dispatcher found the order valid.
	Accept Input = iota
	// Reject: the dispatcher found it unacceptable.
	Reject
	// Refuse: before any intent, a check or the price said no for good.
	Refuse
	// Postpone: before any intent, something was not available; nothing was sent.
	Postpone
	// Claim: a worker takes the order for a first request: the intent.
	Claim
	// Repeat: a worker takes it to send an unanswered request again, under the
	// same reference: an intent too.
	Repeat
	// Expire: expires_at has passed.
	Expire
	// LeaseOver: the owner has not reported within its lease.
	LeaseOver

	// OwnSucceeded: the provider did it.
	OwnSucceeded
	// OwnProcessing: the provider took the order and works on it.
	OwnProcessing
	// OwnActionRequired: the provider took the order; the customer must act.
	OwnActionRequired
	// OwnOnHold: the provider took the order and holds it.
	OwnOnHold
	// OwnFailed: the provider took the order and it has failed there.
	OwnFailed
	// OwnRefused: the provider refused the request for good.
	OwnRefused
	// OwnRetry: the request was certainly not executed and may be sent later.
	OwnRetry
	// OwnUnknown: nobody knows whether the request was executed.
	OwnUnknown
	// OwnDuplicate: the provider has seen our reference before.
	OwnDuplicate

	// SeenProcessing: a lookup found it in work.
	SeenProcessing
	// SeenActionRequired: a lookup found it waiting for the customer.
	SeenActionRequired
	// SeenOnHold: a lookup found it held.
	SeenOnHold
	// SeenSucceeded: a lookup found it done.
	SeenSucceeded
	// SeenFailed: a lookup found it failed.
	SeenFailed
	// SeenReversed: a lookup found it taken back.
	SeenReversed
	// SeenSecond: a lookup found that a second deposit of the order was paid.
	SeenSecond
	// SeenRevived: a lookup that began after the order had ended without a
	// purchase found it held or in work.
	SeenRevived
	// LinkLost: a lookup found a deposit that the customer cannot pay, because
	// the answer with its pay URL was lost. No money has moved.
	LinkLost

	// AskOperator: nothing that we can do will settle the doubt.
	AskOperator
	// AddEvidence: something was learned for the operator; nothing is decided.
	AddEvidence
	// Unprocessable: the command kills its workers.
	Unprocessable

	// CancelRequest: upstream asks to cancel.
	CancelRequest
	// ConfirmRequest: upstream says that the customer has paid.
	ConfirmRequest
	// CancelDone: the provider canceled on our request.
	CancelDone
	// CancelDenied: the provider would not.
	CancelDenied
	// ConfirmDone: the provider took the confirmation.
	ConfirmDone
	// ConfirmDenied: the provider would not.
	ConfirmDenied

	// DecideSucceeded: the operator has evidence that it was done.
	DecideSucceeded
	// DecideFailed: the operator has evidence that it was not.
	DecideFailed
	// DecidePlaceAgain: the operator has evidence that it was not, and wants it.
	DecidePlaceAgain

	inputs // their number
)

var inputNames = [inputs]string{
	Accept: "accept", Reject: "reject", Refuse: "refuse", Postpone: "postpone", Claim: "claim", Repeat: "repeat",
	Expire: "expire", LeaseOver: "lease_over",
	OwnSucceeded: "own_succeeded", OwnProcessing: "own_processing", OwnActionRequired: "own_action_required",
	OwnOnHold: "own_on_hold", OwnFailed: "own_failed", OwnRefused: "own_refused", OwnRetry: "own_retry",
	OwnUnknown: "own_unknown", OwnDuplicate: "own_duplicate",
	SeenProcessing: "seen_processing", SeenActionRequired: "seen_action_required", SeenOnHold: "seen_on_hold",
	SeenSucceeded: "seen_succeeded", SeenFailed: "seen_failed", SeenReversed: "seen_reversed",
	SeenSecond: "seen_second", SeenRevived: "seen_revived", LinkLost: "link_lost",
	AskOperator: "ask_operator", AddEvidence: "add_evidence", Unprocessable: "unprocessable",
	CancelRequest: "cancel_request", ConfirmRequest: "confirm_request", CancelDone: "cancel_done",
	CancelDenied: "cancel_denied", ConfirmDone: "confirm_done", ConfirmDenied: "confirm_denied",
	DecideSucceeded: "decide_succeeded", DecideFailed: "decide_failed", DecidePlaceAgain: "decide_place_again",
}

// Inputs lists all inputs.
func Inputs() []Input {
	all := make([]Input, inputs)
	for i := range all {
		all[i] = Input(i) //nolint:gosec // below inputs
	}
	return all
}

// String names the input as in the generated state diagram.
func (in Input) String() string {
	if in < inputs {
		return inputNames[in]
	}
	return fmt.Sprintf("input(%d)", uint8(in))
}

// own reports whether the input is an answer to the order's owner.
func (in Input) own() bool { return in >= OwnSucceeded && in <= OwnDuplicate }

// no reports whether the input is an owner's definite no: this request was not executed.
func (in Input) no() bool { return in == OwnRefused || in == OwnRetry }

// decision reports whether the input is the operator's.
func (in Input) decision() bool {
	return in == DecideSucceeded || in == DecideFailed || in == DecidePlaceAgain
}

// acted reports whether the input says that the provider acted on a request of ours.
func (in Input) acted() bool {
	switch in {
	case OwnSucceeded, OwnProcessing, OwnActionRequired, OwnOnHold, OwnFailed, OwnDuplicate,
		SeenProcessing, SeenActionRequired, SeenOnHold, SeenSucceeded, SeenReversed, SeenSecond, SeenRevived:
		return true
	default:
		return false
	}
}
