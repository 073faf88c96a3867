package order_test

import (
	"slices"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// scene is one situation: a state, an input, and all that decides besides them.
type scene struct {
	state messages.Type
	input order.Input
	flags
}

// flags are what the situation is made of. Each is false unless the input's
// group varies it.
type flags struct {
	foreign      bool // the answer is to an older attempt
	earlierDoubt bool // an earlier request is in doubt
	answered     bool // the owner has answered before
	contradicted bool // evidence of a purchase stands against the state
	asked        bool // the operator has been asked
	requote      bool
	quotesSpent  bool // five new quotes were made
	blockedLong  bool // blocked, and for longer than BlockedMax
	news         bool // the provider's status word differs from the one known
	leaseRuns    bool
	heldDown     bool // not_before is to come
	keyless      bool // the provider takes no key of ours
	deposit      bool
	linksSpent   bool
	mayCancel    bool // action.cancel
	mayConfirm   bool // action.confirm
	acted        bool // the customer has done what was asked
	redelivered  bool // the request that the last event answered
}

// outcome is what must come of a scene.
type outcome struct {
	verdict  order.Verdict
	event    messages.Type
	operator bool // needs_operator; not checked for late_evidence, which has a test of its own
}

func writes(t messages.Type) outcome { return outcome{verdict: order.Write, event: t} }

var (
	ignored   = outcome{verdict: order.Ignore}
	forbidden = outcome{verdict: order.Forbidden}
	later     = outcome{verdict: order.Wait}
)

// expected says what contract.md (parts 3 to 5) and design.md (parts 2 and 7)
// ask for. It is written state by state and from the text, where the table
// under test is written input by input, so that neither can repeat a slip of
// the other.
func expected(s scene) outcome {
	if s.state == order.None {
		return expectedOfNothing(s.input)
	}
	if s.state == messages.Unresolved && s.contradicted {
		s.asked = true // that is what a contradiction asks for
	}
	var o outcome
	switch {
	case isOwn(s.input):
		o = expectedOfAnswer(s)
	case isSeen(s.input):
		o = expectedOfLookup(s)
	case isDecision(s.input):
		return expectedOfDecision(s) // an operator overrules contradictions
	case s.input >= order.CancelRequest && s.input <= order.ConfirmDenied:
		o = expectedOfRequest(s)
	default:
		o = expectedOfWork(s)
	}
	if o.verdict != order.Write {
		return o
	}
	// Nothing automatic may say "not bought" while evidence says otherwise.
	if s.contradicted && slices.Contains(notBought, o.event) {
		return outcome{order.Write, messages.Unresolved, true}
	}
	o.operator = o.operator || s.contradicted ||
		s.asked && s.state == messages.Unresolved && (o.event == messages.Unresolved || !o.event.ChangesState())
	return o
}

var notBought = []messages.Type{messages.Failed, messages.Canceled, messages.Expired, messages.Retrying}

func expectedOfNothing(in order.Input) outcome {
	switch in {
	case order.Accept:
		return writes(messages.Accepted)
	case order.Reject:
		return writes(messages.Rejected)
	case order.CancelRequest, order.ConfirmRequest:
		return outcome{verdict: order.Unknown}
	default:
		return forbidden
	}
}

// reached is where a positive answer puts an order.
var reached = map[order.Input]messages.Type{
	order.OwnSucceeded: messages.Succeeded, order.OwnProcessing: messages.Processing,
	order.OwnActionRequired: messages.ActionRequired, order.OwnOnHold: messages.OnHold, order.OwnFailed: messages.Failed,
}

func expectedOfAnswer(s scene) outcome {
	no := s.input == order.OwnRefused || s.input == order.OwnRetry
	evidence := writes(messages.LateEvidence)
	goal, positive := reached[s.input]
	switch s.state {
	case messages.Accepted, messages.Retrying:
		switch { // no attempt is under way: what was bought must not be bought again
		case positive:
			return writes(goal)
		case s.input == order.OwnDuplicate && s.state == messages.Retrying && !s.foreign && s.answered:
			return ignored
		case s.input == order.OwnDuplicate:
			return writes(messages.Unresolved)
		case s.input == order.OwnUnknown && s.state == messages.Accepted:
			return writes(messages.Unresolved)
		case s.input == order.OwnUnknown || !s.foreign:
			return ignored
		default:
			return evidence
		}
	}
	switch {
	case s.foreign && s.input == order.OwnUnknown:
		return ignored
	case s.foreign:
		return evidence
	case s.answered && !positive:
		return ignored // an owner answers once; told again it is the same answer
	case s.state == messages.Placing || s.state == messages.Unresolved:
		return expectedOfOpenAnswer(s, goal, no)
	case s.input == order.OwnUnknown:
		return ignored
	case s.state.Terminal():
		if s.input == order.OwnSucceeded && s.state == messages.Succeeded && !s.news || s.input == order.OwnFailed && s.state == messages.Failed {
			return ignored
		}
		return evidence
	case !positive:
		return evidence // a lookup has found it at the provider already
	default:
		return expectedOfProgress(s, goal)
	}
}

// expectedOfOpenAnswer: the order waits for exactly this answer.
func expectedOfOpenAnswer(s scene, goal messages.Type, no bool) outcome {
	switch {
	case s.input == order.OwnUnknown && s.state == messages.Unresolved && s.earlierDoubt:
		return ignored
	case s.input == order.OwnUnknown || s.input == order.OwnDuplicate:
		return writes(messages.Unresolved)
	case !no:
		return writes(goal)
	case s.earlierDoubt: // the rule for repeats
		return outcome{order.Write, messages.Unresolved, s.input == order.OwnRefused || s.requote}
	case s.input == order.OwnRefused, s.requote && s.quotesSpent, s.blockedLong:
		return writes(messages.Failed)
	default:
		return writes(messages.Retrying)
	}
}

// expectedOfProgress: the provider has the order; it moves on, never back.
func expectedOfProgress(s scene, goal messages.Type) outcome {
	rank := []messages.Type{messages.Processing, messages.ActionRequired, messages.OnHold, messages.Succeeded, messages.Failed}
	if goal == messages.ActionRequired && s.acted {
		return ignored
	}
	from, next := slices.Index(rank, s.state), slices.Index(rank, goal)
	if next > from || next == from && s.news {
		return writes(goal)
	}
	return ignored
}

func expectedOfLookup(s scene) outcome {
	found := map[order.Input]messages.Type{
		order.SeenSucceeded: messages.Succeeded, order.SeenProcessing: messages.Processing,
		order.SeenActionRequired: messages.ActionRequired, order.SeenOnHold: messages.OnHold, order.SeenFailed: messages.Failed,
	}[s.input]
	switch givenUp := s.state == messages.Failed || s.state == messages.Canceled || s.state == messages.Expired; {
	case s.input == order.SeenSecond: // whatever the state: it is money to account for
		return writes(messages.LateEvidence)
	case givenUp && (s.input == order.SeenSucceeded || s.input == order.SeenRevived):
		return writes(messages.LateEvidence)
	case s.input == order.SeenRevived:
		return ignored
	}
	switch s.state {
	case messages.Unresolved:
		switch s.input {
		case order.SeenReversed:
			return writes(messages.Failed)
		case order.LinkLost:
			if !s.deposit {
				return forbidden
			}
			if s.linksSpent || s.asked {
				return outcome{order.Write, messages.Unresolved, true}
			}
			return writes(messages.Retrying)
		default:
			return writes(found)
		}
	case messages.Retrying:
		if s.input == order.SeenFailed || s.input == order.SeenReversed || s.input == order.LinkLost {
			return ignored
		}
		return writes(found)
	case messages.Processing, messages.ActionRequired, messages.OnHold:
		switch {
		case s.input == order.LinkLost:
			return ignored
		case s.input == order.SeenReversed && s.state == messages.OnHold:
			return writes(messages.Reversed)
		case s.input == order.SeenReversed:
			return writes(messages.Failed)
		case s.input == order.SeenProcessing && s.state == messages.ActionRequired:
			return writes(messages.Processing) // the customer has acted
		default:
			return expectedOfProgress(s, found)
		}
	case messages.Placing:
		good := s.input != order.SeenFailed && s.input != order.SeenReversed && s.input != order.LinkLost
		if good && !s.earlierDoubt { // a decision was wrong: it was there, and another attempt has begun
			return writes(messages.LateEvidence)
		}
	case messages.Succeeded:
		switch s.input {
		case order.SeenReversed:
			return writes(messages.Reversed)
		case order.SeenFailed:
			return writes(messages.LateEvidence)
		}
	}
	return ignored
}

func expectedOfDecision(s scene) outcome {
	switch {
	case s.state != messages.Unresolved:
		return forbidden
	case s.input == order.DecideSucceeded:
		return writes(messages.Succeeded)
	case !s.asked || s.heldDown:
		return later
	case s.input == order.DecideFailed:
		return writes(messages.Failed)
	default:
		return writes(messages.Retrying)
	}
}

func expectedOfRequest(s scene) outcome {
	refused, mayAsk := messages.ConfirmRefused, s.mayConfirm
	if s.input == order.CancelRequest || s.input == order.CancelDenied {
		refused, mayAsk = messages.CancelRefused, s.mayCancel
	}
	switch s.input {
	case order.CancelDone:
		switch s.state {
		case messages.ActionRequired, messages.Processing, messages.Unresolved:
			return writes(messages.Canceled)
		case messages.Succeeded:
			return writes(messages.LateEvidence)
		}
		return ignored
	case order.ConfirmDone:
		if s.state == messages.ActionRequired {
			return writes(messages.Processing)
		}
		return ignored
	case order.CancelDenied, order.ConfirmDenied:
		if s.redelivered {
			return ignored
		}
		return writes(refused)
	}
	switch {
	case s.redelivered:
		return ignored
	case s.state == messages.ActionRequired && mayAsk:
		return outcome{verdict: order.Ask}
	case s.input == order.CancelRequest && s.state == messages.Placing:
		return later
	case s.input == order.CancelRequest && (s.state == messages.Accepted || s.state == messages.Retrying):
		return writes(messages.Canceled)
	default:
		return writes(refused)
	}
}

func expectedOfWork(s scene) outcome {
	waiting := s.state == messages.Accepted || s.state == messages.Retrying
	asked := s.state == messages.Unresolved && s.asked
	switch {
	case s.input == order.Refuse && waiting, s.input == order.Unprocessable && waiting,
		s.input == order.Postpone && waiting && s.blockedLong:
		return writes(messages.Failed)
	case s.input == order.Postpone && waiting:
		return writes(messages.Retrying)
	case s.input == order.Claim && waiting:
		return writes(messages.Placing)
	case s.input == order.Expire && waiting:
		return writes(messages.Expired)
	case s.input == order.LeaseOver && s.state == messages.Placing && s.leaseRuns:
		return later
	case s.input == order.LeaseOver && s.state == messages.Placing:
		return writes(messages.Unresolved)
	case s.input == order.Repeat && s.state == messages.Unresolved && s.keyless:
		return forbidden
	case s.input == order.Repeat && s.state == messages.Unresolved && !asked:
		return writes(messages.Placing)
	case s.input == order.AddEvidence && s.state == messages.Unresolved:
		return writes(messages.Unresolved)
	case s.input == order.AskOperator && s.state == messages.Unresolved && !asked,
		s.input == order.Unprocessable && !waiting && !s.state.Terminal() && !asked:
		return outcome{order.Write, messages.Unresolved, true}
	default:
		return ignored
	}
}

// build makes the last event and the change of a scene, and whether it can
// come about at all.
func (s scene) build() (*messages.Event, order.Change, bool) {
	c := order.Change{
		Input: s.input, At: t0, Origin: "ORDERS:7", RetryAt: t0.Add(time.Minute), BlockedMax: time.Hour,
		Requote: s.requote, Blocked: s.blockedLong, New: submission(messages.Offer), Error: refusal("X"),
	}
	if s.state == order.None {
		return nil, c, s.flags == flags{}
	}
	open := s.state == messages.Placing || s.state == messages.Unresolved
	possible := (!s.earlierDoubt || open) && (!s.acted || s.state == messages.Processing) && (!s.asked || s.state == messages.Unresolved) && !(s.keyless && s.deposit) &&
		!(s.answered && (s.state == messages.Placing || s.state == messages.Accepted)) &&
		(s.foreign || !isOwn(s.input) || s.state != messages.Accepted) &&
		!(s.contradicted && (s.state == messages.Accepted || s.state == messages.Retrying))
	last := in(s.state)
	last.Kind = messages.Offer
	if s.keyless {
		last.Kind = messages.Topup
	}
	if s.deposit {
		last.Kind = messages.Deposit
	}
	w := last.Work
	w.Answered, w.Contradicted, w.Acted = s.answered, s.contradicted, s.acted
	w.InDoubt = s.state == messages.Unresolved || s.earlierDoubt
	w.Unheard = s.state == messages.Unresolved && !s.earlierDoubt
	last.NeedsOperator = s.asked || s.contradicted
	last.Evidence = map[string]any{"status": "known"}
	w.Quotes, w.ReferenceN = 4, 1
	if s.quotesSpent {
		w.Quotes = 5
	}
	if s.linksSpent {
		w.ReferenceN = 2
	}
	since, lease, notBefore := t0.Add(-2*time.Hour), t0, t0
	w.BlockedSince = &since
	if s.leaseRuns {
		lease = t0.Add(time.Second)
	}
	if s.heldDown {
		notBefore = t0.Add(time.Second)
	}
	last.LeaseUntil, last.NotBefore = &lease, &notBefore
	last.Action = &messages.Action{Cancel: s.mayCancel, Confirm: s.mayConfirm}
	if s.redelivered {
		w.Origin, last.Type = c.Origin, messages.CancelRefused
		if s.input == order.ConfirmRequest || s.input == order.ConfirmDenied {
			last.Type = messages.ConfirmRefused
		}
	}
	c.Evidence = map[string]any{"status": "known"}
	if s.news {
		c.Evidence["status"] = "other"
	}
	c.Intent = intent(last, "a3", t0)
	if isOwn(s.input) {
		c.Nonce = w.Nonce
		if s.foreign {
			c.Nonce = "a1"
		}
	}
	return last, c, possible
}
