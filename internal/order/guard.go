package order

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/internal/mutant"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Limits of going on by ourselves.
const (
	// MaxQuotes is how often an order is priced anew after WRONG_PRICE.
	MaxQuotes = 5
	// MaxLinks is how many references a deposit may take because its pay URL was lost.
	MaxLinks = 2
	// DefaultHoldDown is how long an operator must wait where the caller named
	// no time: no event that needs an operator may be decided at once, because a
	// paused worker can still wake up and send.
	DefaultHoldDown = 15 * time.Minute
)

var forbidden = move{}

// decide is the table, refined by what the state alone does not say.
func decide(last *messages.Event, c *Change) move {
	state := None
	if last != nil {
		state = last.State
		if last.Forgotten() {
			return forgotten(lookup(state, c.Input), c)
		}
	}
	m := lookup(state, c.Input)
	switch {
	case !sound(last, m, c):
		return forbidden
	case last == nil:
		return m
	case c.Input.own():
		m = answered(last, m, c)
	case outdated(last, c):
		return ignore
	default:
		m = guard(last, m, c)
	}
	return outweighed(last, m, c)
}

// outdated: a lookup that says "not bought", and began before the attempt that is
// the last one now, speaks of an earlier request. Taken for news of this one it
// would call failed what may just have been bought; the next lookup asks anew.
func outdated(last *messages.Event, c *Change) bool {
	return (c.Input == SeenFailed || c.Input == SeenReversed) && c.Attempt != 0 && c.Attempt != last.Attempt
}

// sound reports whether the change carries what it must. A caller that breaks
// one of these could buy twice without noticing.
func sound(last *messages.Event, m move, c *Change) bool {
	switch {
	case c.Input.own():
		return c.Nonce != "" // or it would pass for the answer to an attempt that never was
	case m.event == accepted, m.event == rejected:
		return c.New != nil
	case c.Input == LinkLost && m.verdict == Write:
		return last.Kind == messages.Deposit // elsewhere, found means bought
	case m.event != placing:
		return true
	case c.Input == Repeat && last.Kind.ReferenceField() == "":
		return false // without a key of ours, a repeat is a second purchase
	default:
		in := c.Intent
		return in != nil && in.Nonce != "" && in.Nonce != work(last).Nonce && !in.LeaseUntil.IsZero() &&
			in.ReferenceN == NextReference(last)
	}
}

// answered refines an answer to an order's owner.
func answered(last *messages.Event, m move, c *Change) move {
	w := work(last)
	if w.Nonce != c.Nonce {
		return foreign(last, m, c)
	}
	open := last.State == placing || last.State == unresolved
	switch {
	case w.Answered && !c.Input.acted(), w.Answered && c.Input == OwnDuplicate,
		c.Input == OwnSucceeded && last.State == succeeded && !news(last, c):
		return ignore // told again; only "it was done" may still add to what was told
	case c.Input == OwnUnknown && last.State == unresolved && !w.Unheard:
		return ignore // no news: the earlier request is in doubt already
	case !open || !c.Input.no():
		return m
	case w.InDoubt && !w.Unheard && !mutant.Is("M21") && !mutant.Is("M16"):
		// The rule for repeats: a refusal speaks of the repeat only. The first
		// request may have bought; perhaps that is why this one was refused.
		c.NeedsOperator = c.NeedsOperator || c.Input == OwnRefused || c.Requote
		return to(unresolved)
	default:
		return refused(last, m, c)
	}
}

// foreign is an answer to an attempt that is not the last one: another has
// begun, so it decides nothing. Only where no attempt is under way must "the
// provider did it" still stop the next purchase. In accepted that means that
// the ledger has lost an intent; then even "unknown" stops it.
func foreign(last *messages.Event, m move, c *Change) move {
	switch {
	case last.State == accepted, last.State == retrying && c.Input.acted():
		return m
	case c.Input == OwnUnknown:
		return ignore
	case last.State == unresolved && c.Input.no() && work(last).Answered && work(last).Unsaid == c.Nonce:
		return refused(last, m, c) // the last of all requests in doubt, and none of them was executed
	default:
		return late
	}
}

// refused is a definite no to all that was ever sent under the reference.
func refused(last *messages.Event, m move, c *Change) move {
	if c.Input == OwnRetry && (c.Requote && work(last).Quotes >= MaxQuotes || blockedTooLong(last, c)) {
		return to(failed)
	}
	return m
}

// guard refines what is not an answer to an owner.
func guard(last *messages.Event, m move, c *Change) move {
	asked := last.State == unresolved && last.NeedsOperator
	switch c.Input {
	case CancelRequest, CancelDenied, ConfirmRequest, ConfirmDenied:
		return requested(last, m, c)
	case LeaseOver:
		if m.verdict == Write && last.LeaseUntil != nil && c.At.Before(*last.LeaseUntil) {
			return wait
		}
	case Postpone:
		if m.verdict == Write && blockedTooLong(last, c) {
			return to(failed)
		}
	case Repeat, AskOperator, Unprocessable:
		if asked {
			return ignore // the operator has it
		}
	case SeenProcessing, SeenActionRequired, SeenOnHold, SeenSucceeded:
		// It is of this very request, or of the doubt that its answer will not
		// settle: the next look finds it again. Otherwise a decision was wrong.
		if last.State == placing && (last.Attempt == 1 || work(last).InDoubt) {
			return ignore
		}
	case LinkLost:
		if m.verdict == Write && (asked || work(last).ReferenceN >= MaxLinks) {
			c.NeedsOperator = true
			return to(unresolved)
		}
	case DecideFailed, DecidePlaceAgain:
		// Until not_before a paused owner may still send; while we are still
		// looking there is no such time yet.
		if m.verdict == Write && (!asked || last.NotBefore != nil && c.At.Before(*last.NotBefore)) {
			return wait
		}
	}
	return m
}

// requested refines a request of upstream, and the provider's no to it.
func requested(last *messages.Event, m move, c *Change) move {
	cancel := c.Input == CancelRequest || c.Input == CancelDenied
	answer := []messages.Type{messages.ConfirmRefused, processing}
	if cancel {
		answer = []messages.Type{messages.CancelRefused, canceled}
	}
	switch {
	case c.Origin != "" && c.Origin == work(last).Origin && slices.Contains(answer, last.Type):
		return ignore // the same request again: its acknowledgement was lost
	case m.verdict != Ask:
		return m
	case cancel && (last.Action == nil || !last.Action.Cancel):
		return to(messages.CancelRefused)
	case !cancel && (last.Action == nil || !last.Action.Confirm):
		return to(messages.ConfirmRefused)
	default:
		return m
	}
}

// outweighed drops news that is old or none, and stops whatever would say "not
// bought" while there is evidence that it was.
func outweighed(last *messages.Event, m move, c *Change) move {
	switch {
	case m == late && slices.ContainsFunc(lateEntries(last), same(lateEntry(*c))) && (work(last).Contradicted || !contradicts(last, *c)):
		return ignore // told before, and not overruled by an operator since
	case m.verdict == Write && m.event == last.State && !uncertain(m.event) && !news(last, c):
		return ignore
	case m.event == actionRequired && last.State == processing && work(last).Acted:
		return ignore // seen before the customer acted, told after
	case work(last).Contradicted && !c.Input.decision() && notBought(m.event):
		c.NeedsOperator = true
		return to(unresolved)
	default:
		return m
	}
}

// uncertain states may follow themselves without news: each is a new wait.
func uncertain(t messages.Type) bool { return t == retrying || t == unresolved }

func notBought(t messages.Type) bool {
	return t == failed || t == canceled || t == expired || t == retrying
}

func blockedTooLong(last *messages.Event, c *Change) bool {
	since := work(last).BlockedSince
	return c.Blocked && since != nil && c.BlockedMax > 0 && c.At.Sub(*since) >= c.BlockedMax
}

// news reports whether the provider said something of a state that the last
// event does not say. Evidence counts only where its key ends in "status": that
// is the provider's own word for where the order stands, which must be shown;
// other evidence may differ at each look and would make an event of each.
func news(last *messages.Event, c *Change) bool {
	for key, id := range c.Ref {
		if last.ProviderRef[key] != id {
			return true
		}
	}
	for key, word := range c.Evidence {
		if strings.HasSuffix(key, "status") && !same(last.Evidence[key])(word) {
			return true
		}
	}
	return last.State == actionRequired && c.Action != nil && !same(last.Action)(c.Action) ||
		last.State == onHold && c.HoldUntil != nil && !same(last.HoldUntil)(stamped(*c.HoldUntil)) ||
		c.Cost != nil && !same(last.Cost)(c.Cost) ||
		c.Deliverable != nil && last.Deliverable == nil // sealed anew, the same goods look different
}

// same compares as the wire does: what was read back from it equals what was written.
func same(a any) func(any) bool {
	x, err := json.Marshal(a)
	return func(b any) bool {
		y, yErr := json.Marshal(b)
		return err == nil && yErr == nil && string(x) == string(y)
	}
}

func merged[V any](known, news map[string]V) map[string]V {
	if len(news) == 0 {
		return known
	}
	out := make(map[string]V, len(known)+len(news))
	maps.Copy(out, known)
	maps.Copy(out, news)
	return out
}

func work(e *messages.Event) messages.Work {
	if e == nil || e.Work == nil {
		return messages.Work{}
	}
	return *e.Work
}
