package order

import "github.com/beltline-io/beltline/pkg/messages"

// None is the state of an order that has no event yet.
const None messages.Type = ""

// States lists None and every state of the contract.
func States() []messages.Type { return append([]messages.Type{None}, messages.States()...) }

// Verdict is what a move asks of the caller.
type Verdict uint8

// The verdicts.
const (
	// Forbidden: the pair cannot happen; the caller is at fault. It is the zero
	// value, so that a pair nobody thought of cannot change an order.
	Forbidden Verdict = iota
	// Write: append the event, by compare-and-set on the last one.
	Write
	// Ignore: nothing changes; a duplicate, or news that came after better news.
	Ignore
	// Wait: not now; ask again when the state has changed.
	Wait
	// Ask: the provider must be asked, the answer is another input.
	Ask
	// Unknown: there is no such order.
	Unknown
)

// String names the verdict.
func (v Verdict) String() string {
	return [...]string{"forbidden", "write", "ignore", "wait", "ask", "unknown"}[v]
}

// move is one cell of the table.
type move struct {
	verdict Verdict
	event   messages.Type // for Write
}

func to(t messages.Type) move { return move{verdict: Write, event: t} }

var (
	ignore  = move{verdict: Ignore}
	wait    = move{verdict: Wait}
	ask     = move{verdict: Ask}
	unknown = move{verdict: Unknown}
	late    = to(messages.LateEvidence)
)

// row is one input's line of the table: what it does in the states named, and
// in all the rest but None, where only what is named may happen.
type row struct {
	in   map[messages.Type]move
	rest move
}

const (
	accepted       = messages.Accepted
	rejected       = messages.Rejected
	placing        = messages.Placing
	retrying       = messages.Retrying
	actionRequired = messages.ActionRequired
	processing     = messages.Processing
	onHold         = messages.OnHold
	unresolved     = messages.Unresolved
	succeeded      = messages.Succeeded
	failed         = messages.Failed
	canceled       = messages.Canceled
	expired        = messages.Expired
	reversed       = messages.Reversed
)

type states = map[messages.Type]move

// table is the state machine. What needs more than the state is in guard.go:
// whose answer it is, and whether an earlier request is in doubt.
var table = [inputs]row{
	Accept: {in: states{None: to(accepted)}, rest: ignore},
	Reject: {in: states{None: to(rejected)}, rest: ignore},

	Refuse:    {in: states{accepted: to(failed), retrying: to(failed)}, rest: ignore},
	Postpone:  {in: states{accepted: to(retrying), retrying: to(retrying)}, rest: ignore},
	Claim:     {in: states{accepted: to(placing), retrying: to(placing)}, rest: ignore},
	Repeat:    {in: states{unresolved: to(placing)}, rest: ignore},
	Expire:    {in: states{accepted: to(expired), retrying: to(expired)}, rest: ignore},
	LeaseOver: {in: states{placing: to(unresolved)}, rest: ignore},

	// In accepted and retrying no attempt is under way. An answer that the
	// provider acted still stops the next purchase there: it comes from an owner
	// that was taken for lost, or whose intent the ledger has lost.
	OwnSucceeded: {in: states{
		placing: to(succeeded), unresolved: to(succeeded), accepted: to(succeeded), retrying: to(succeeded),
		processing: to(succeeded), onHold: to(succeeded), actionRequired: to(succeeded),
	}, rest: late},
	OwnProcessing: {in: states{
		placing: to(processing), unresolved: to(processing), accepted: to(processing), retrying: to(processing),
		processing: to(processing), onHold: ignore, actionRequired: ignore,
	}, rest: late},
	OwnActionRequired: {in: states{
		placing: to(actionRequired), unresolved: to(actionRequired), accepted: to(actionRequired), retrying: to(actionRequired),
		processing: to(actionRequired), onHold: ignore, actionRequired: to(actionRequired),
	}, rest: late},
	OwnOnHold: {in: states{
		placing: to(onHold), unresolved: to(onHold), accepted: to(onHold), retrying: to(onHold),
		processing: to(onHold), actionRequired: to(onHold), onHold: to(onHold),
	}, rest: late},
	OwnFailed: {in: states{
		placing: to(failed), unresolved: to(failed), accepted: to(failed), retrying: to(failed),
		processing: to(failed), onHold: to(failed), actionRequired: to(failed), failed: ignore,
	}, rest: late},
	OwnRefused:   {in: states{placing: to(failed), unresolved: to(failed), retrying: ignore}, rest: late},
	OwnRetry:     {in: states{placing: to(retrying), unresolved: to(retrying), retrying: ignore}, rest: late},
	OwnUnknown:   {in: states{accepted: to(unresolved), placing: to(unresolved), unresolved: to(unresolved)}, rest: ignore},
	OwnDuplicate: {in: states{accepted: to(unresolved), placing: to(unresolved), unresolved: to(unresolved), retrying: to(unresolved)}, rest: late},

	// In retrying a lookup speaks that was under way when the operator decided,
	// in placing one that was under way when another attempt began.
	SeenProcessing: {in: states{
		placing:    late,
		unresolved: to(processing), actionRequired: to(processing), retrying: to(processing), processing: to(processing),
	}, rest: ignore},
	SeenActionRequired: {in: states{
		placing:    late,
		unresolved: to(actionRequired), retrying: to(actionRequired), processing: to(actionRequired),
		actionRequired: to(actionRequired),
	}, rest: ignore},
	SeenOnHold: {in: states{
		placing:    late,
		unresolved: to(onHold), processing: to(onHold), actionRequired: to(onHold), retrying: to(onHold), onHold: to(onHold),
	}, rest: ignore},
	SeenSucceeded: {in: states{
		placing:    late,
		unresolved: to(succeeded), processing: to(succeeded), onHold: to(succeeded), actionRequired: to(succeeded),
		retrying: to(succeeded), failed: late, canceled: late, expired: late,
	}, rest: ignore},
	SeenFailed: {in: states{
		unresolved: to(failed), processing: to(failed), onHold: to(failed), actionRequired: to(failed),
		succeeded: late,
	}, rest: ignore},
	SeenReversed: {in: states{
		onHold: to(reversed), succeeded: to(reversed),
		unresolved: to(failed), processing: to(failed), actionRequired: to(failed),
	}, rest: ignore},
	SeenSecond: {rest: late}, // the order has its own, and this one is somebody's money
	// A lookup that was under way when the order ended may have seen it as it
	// was before; one that began afterwards has not.
	SeenRevived: {in: states{failed: late, canceled: late, expired: late}, rest: ignore},
	LinkLost:    {in: states{unresolved: to(retrying)}, rest: ignore},

	AskOperator: {in: states{unresolved: to(unresolved)}, rest: ignore},
	AddEvidence: {in: states{unresolved: to(unresolved)}, rest: ignore},
	Unprocessable: {in: states{
		accepted: to(failed), retrying: to(failed),
		placing: to(unresolved), unresolved: to(unresolved), processing: to(unresolved),
		onHold: to(unresolved), actionRequired: to(unresolved),
	}, rest: ignore},

	CancelRequest: {in: states{
		None: unknown, accepted: to(canceled), retrying: to(canceled), placing: wait, actionRequired: ask,
	}, rest: to(messages.CancelRefused)},
	ConfirmRequest: {in: states{None: unknown, actionRequired: ask}, rest: to(messages.ConfirmRefused)},
	CancelDone: {in: states{
		actionRequired: to(canceled), processing: to(canceled), unresolved: to(canceled), succeeded: late,
	}, rest: ignore},
	CancelDenied:  {in: states{}, rest: to(messages.CancelRefused)},
	ConfirmDone:   {in: states{actionRequired: to(processing)}, rest: ignore},
	ConfirmDenied: {in: states{}, rest: to(messages.ConfirmRefused)},

	DecideSucceeded:  {in: states{unresolved: to(succeeded)}},
	DecideFailed:     {in: states{unresolved: to(failed)}},
	DecidePlaceAgain: {in: states{unresolved: to(retrying)}},
}

// lookup reads the table.
func lookup(state messages.Type, in Input) move {
	if in >= inputs {
		return move{verdict: Forbidden}
	}
	r := table[in]
	if m, ok := r.in[state]; ok {
		return m
	}
	if state == None {
		return move{verdict: Forbidden}
	}
	return r.rest
}
