package order

import "github.com/beltline-io/beltline/pkg/messages"

// The words of docs/state-machine.md. They stand beside the table so that who
// changes the one sees the other; a test fails where a word is missing.

var stateTexts = map[messages.Type]string{
	None:           "There is no event of this order yet.",
	accepted:       "The order is valid and durable. A place command waits for a worker. Nothing has been sent.",
	rejected:       "The order itself was unacceptable. It never cost a request. The end.",
	placing:        "A worker has written its intent: its nonce, the attempt, the reference and `lease_until`. Only this worker may send, and only until its lease is over. From here on a request may have left.",
	retrying:       "Every request so far was answered by a definite no (or an operator decided so). The order is placed again at `retry_at`.",
	actionRequired: "The provider has the order and waits for the customer; `action` says for what.",
	processing:     "The provider has the order and works on it. It is looked at again and again, ever more slowly.",
	onHold:         "The provider holds the goods or the money back, `hold_until` says until when if it is known.",
	unresolved:     "Nobody knows whether the provider acted. Either it is being looked up or repeated (`retry_at`), or an operator must decide (`needs_operator`, not before `not_before`).",
	succeeded:      "Done. Where the provider may still take it back, the order is watched until `watch_until`.",
	failed:         "It certainly was not delivered. The end.",
	canceled:       "Canceled before it was placed, or by the provider on request. The end.",
	expired:        "`expires_at` passed before it was placed. The end.",
	reversed:       "The provider took it back: from hold, or after it had succeeded. The end.",
}

var inputTexts = [inputs]string{
	Accept:   "The dispatcher found the order valid.",
	Reject:   "The dispatcher found it unacceptable; the event names all faults.",
	Refuse:   "Before any intent, a check of the account or the price said no for good.",
	Postpone: "Before any intent, something was not to be had just now. Nothing was sent.",
	Claim:    "A worker takes the order for a first request: the intent. Its reference must be the one that is next.",
	Repeat:   "A worker sends an unanswered request again, under the same reference and with the same plan. Only where the provider takes a key of ours: elsewhere a repeat would be a second purchase.",
	Expire:   "`expires_at` has passed. An order that may have been sent does not expire.",
	LeaseOver: "The owner has not reported within its lease. It may have sent and may still report; until then " +
		"nobody knows.",

	OwnSucceeded:      "The provider's answer to the owner: done.",
	OwnProcessing:     "The provider took the order and works on it.",
	OwnActionRequired: "The provider took the order; the customer must act.",
	OwnOnHold:         "The provider took the order and holds it.",
	OwnFailed:         "The provider took the order and it has failed there.",
	OwnRefused:        "The provider refused this request for good. It speaks of this request only.",
	OwnRetry:          "This request was certainly not executed and may be sent later: never sent, too many, our account, the price.",
	OwnUnknown:        "The answer was lost, unreadable or not known to be definite.",
	OwnDuplicate:      "The provider has seen our reference before. Somebody bought; a lookup or an operator must find out what.",

	SeenProcessing:     "A lookup found the order in work.",
	SeenActionRequired: "A lookup found it waiting for the customer.",
	SeenOnHold:         "A lookup found it held.",
	SeenSucceeded:      "A lookup found it done.",
	SeenFailed:         "A lookup found it failed.",
	SeenReversed:       "A lookup found it taken back. Before success that means: it failed.",
	SeenSecond:         "A lookup found that a second deposit of the order was paid, besides the one that it stands on.",
	SeenRevived:        "A lookup that began after the order had failed, or was canceled, or had expired, found it held or in work: perhaps a callback told of it.",
	LinkLost:           "A lookup found a deposit that the customer cannot pay, because the answer with its pay URL was lost. No money has moved, so a second reference may be taken, once.",

	AskOperator:   "Nothing that we can do will settle the doubt.",
	AddEvidence:   "Something was learned for the operator. It decides nothing.",
	Unprocessable: "The command has killed its workers three times.",

	CancelRequest:  "Upstream asks to cancel. While a request is under way the answer waits for the outcome.",
	ConfirmRequest: "Upstream says that the customer has paid.",
	CancelDone:     "The provider canceled on our request.",
	CancelDenied:   "The provider would not cancel.",
	ConfirmDone:    "The provider took the confirmation.",
	ConfirmDenied:  "The provider would not take it.",

	DecideSucceeded:  "The operator has evidence that it was done.",
	DecideFailed:     "The operator has evidence that it was not done.",
	DecidePlaceAgain: "The operator has evidence that it was not done, and wants it placed again.",
}

// guardTexts are the rules of guard.go, the most important first.
var guardTexts = []struct{ title, text string }{
	{"The rule for repeats", "While an earlier request is in doubt, `own_refused` and `own_retry` speak of the repeat only: the order stays `unresolved`. " +
		"The price may be wrong and the balance too low because the first request bought."},
	{"The doubt ends with its last request", "Where all that is in doubt are requests whose owners have not been heard, the order remembers them. A definite no that comes late from one of them " +
		"takes it off the list, beside whatever attempt is under way; with the last of them nothing is in doubt any more, and the no decides as if it had come in time."},
	{"Whose answer", "An answer counts as the owner's while the attempt that it answers is the last one, after its lease too. Once another attempt has begun it is `late_evidence`. " +
		"In `retrying` no attempt is under way, so there \"the provider did it\" of any attempt still stops the next one."},
	{"Evidence of a purchase", "Late evidence that cannot be true together with the state sets `needs_operator`. While it stands, everything that would say \"not bought\" " +
		"(`failed`, `canceled`, `expired`, `retrying`) becomes `unresolved` for the operator."},
	{"A sound intent", "`claim` and `repeat` are forbidden without a fresh nonce, a lease, and exactly the next reference; `repeat` without a key of ours; `link_lost` for anything but a deposit."},
	{"The hold-down", "`decide_failed` and `decide_place_again` wait until the operator has been asked and `not_before` has come: until then a paused worker may wake up and send."},
	{"The operator has it", "In `unresolved` with `needs_operator`, `repeat`, `ask_operator` and `unprocessable` are ignored, and it stays so until the state is known."},
	{"Limits", "The sixth WRONG_PRICE to a first request is `failed`, and so is a cause on our side that has lasted `BLOCKED_MAX`. A second lost link is `unresolved` for the operator."},
	{"The lease runs", "`lease_over` before `lease_until` waits."},
	{"Cancel and confirm", "In `action_required` the provider is asked only where `action.cancel` or `action.confirm` allows it; otherwise the request is refused. A request delivered again after its answer is ignored."},
	{"The end of a deposit", "One that ends without a lookup while a reference of it stands at the provider (its pay URL was lost, or the operator decided) is watched until `watch_until`: " +
		"should it be paid after all, that is `late_evidence`. No other order is watched that was not bought."},
	{"An erased order", "After `forgotten` nothing is written: a request of upstream finds no order, a decision is refused, and whatever else comes is ignored."},
	{"News only", "A check, or an owner's answer told again, that changes nothing writes no event. `action_required` after the customer has acted is old news. " +
		"In `placing`, what a lookup found is ignored while the repeat is in doubt anyway."},
}
