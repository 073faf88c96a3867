package worker

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// A deposit may have taken two references: the pay URL of the first was lost,
// so no customer can pay it, but its record stands at the provider. Both are
// watched, because a second paid one is money that somebody must account for.

// codeURLLost is the code of a deposit that was found without its pay URL.
const codeURLLost = "pay_url_lost"

// otherDeposits is the evidence about the references that the event itself does
// not name. Its name ends in "status", so that a change of it is news: that one
// of them has ended is written once, and it is not asked about again.
const otherDeposits = "other_deposits_status"

// otherDeposit is what the evidence says of one of them. Its fields stand in the
// order of their names, as they are read back: or each look would be news.
type otherDeposit struct {
	Ended  bool              `json:"ended"`
	Ref    map[string]string `json:"provider_ref"`
	Status string            `json:"status"`
}

// referenceField is the key of a deposit's reference in provider_ref.
var referenceField = messages.Deposit.ReferenceField()

// watched is one reference of a deposit and what the provider says of it.
type watched struct {
	reference string
	answer    providers.Answer
	err       error // it did not answer
	asked     bool  // false where the ledger knows that it has ended
}

// lookup asks what has become of the order, under every reference it has taken.
// seconds are deposits that were paid besides the one that the answer is about.
func (t *task) lookup(ctx context.Context) (answer providers.Answer, seconds []providers.Answer, err error) {
	n := t.recordedN()
	if t.entry.Event.Kind != messages.Deposit {
		asked, told := t.answering(ctx, lookingUp, "lookup")
		answer, err = t.provider.Lookup(asked, t.purchase(t.referenceOf(n)))
		told(err)
		return answer, nil, err
	}
	all := t.lookupAll(ctx, n)
	main := t.choose(all)
	for i := range all {
		if i != main && isPaid(all[i].answer) {
			seconds = append(seconds, t.asSecond(all[i].answer))
		}
	}
	if all[main].err != nil && len(seconds) == 0 {
		return answer, nil, all[main].err
	}
	return t.joint(all, main), seconds, nil
}

// lookupAll asks about each reference, the first one first. One that cannot be
// learned about does not keep what is known of the other from being recorded.
func (t *task) lookupAll(ctx context.Context, n int) []watched {
	e, known := t.entry.Event, t.others()
	all := make([]watched, n)
	for i := range all {
		w := &all[i]
		w.reference = t.referenceOf(i + 1)
		ref := map[string]string{referenceField: w.reference}
		o, seen := known[w.reference]
		maps.Copy(ref, o.Ref)
		if seen && o.Ended && e.ProviderRef[referenceField] != w.reference {
			w.answer = providers.Answer{Status: providers.StatusFailed, Ref: ref}
			continue
		}
		w.asked = true
		p := t.purchase(w.reference)
		if e.ProviderRef[referenceField] != w.reference {
			p.Ref = ref // the ids known of the order are the other one's
		}
		asked, told := t.answering(ctx, lookingUp, "lookup")
		w.answer, w.err = t.provider.Lookup(asked, p)
		told(w.err)
		if w.err != nil {
			w.answer = providers.Answer{Ref: ref}
			if i < n-1 {
				e := providers.AsError(w.err)
				t.log.Warn().Str(logkey.Class, e.Class.String()).Str(logkey.Code, e.Code).Err(e).Msg("the lookup of an earlier reference failed")
				t.tellLane(ctx, e)
			}
			continue
		}
		maps.Copy(ref, w.answer.Ref)
		w.answer.Ref = ref
	}
	return all
}

// choose finds the deposit that the order is about: the one that the ledger has
// named, unless that one has ended without money and another has not, or another
// one was paid. Once an order has succeeded, what it succeeded by decides.
func (t *task) choose(all []watched) int {
	main := len(all) - 1
	named := t.entry.Event.ProviderRef[referenceField]
	for i := range all {
		if all[i].reference == named {
			main = i
		}
	}
	if t.entry.Event.State == messages.Succeeded {
		return main
	}
	for i := range all {
		if weight(all[i].answer) > weight(all[main].answer) {
			main = i
		}
	}
	return main
}

// weight: what was paid comes before what may yet be, and that before what was not.
func weight(a providers.Answer) int {
	switch {
	case isPaid(a):
		return 2
	case hasFailed(a):
		return 0
	default:
		return 1
	}
}

func isPaid(a providers.Answer) bool {
	return a.Status == providers.StatusSucceeded || a.Status == providers.StatusOnHold
}

func hasFailed(a providers.Answer) bool {
	return a.Status == providers.StatusFailed || a.Status == providers.StatusReversed
}

// joint is the answer for the order: that of its deposit, with what is known of
// the others beside it.
func (t *task) joint(all []watched, main int) providers.Answer {
	a := all[main].answer
	a.Deliverable = withDeposits(a.Deliverable, all)
	known := t.others()
	var others []otherDeposit
	for i, w := range all {
		if i == main {
			continue
		}
		if before, ok := known[w.reference]; ok && (w.err != nil || !w.asked) {
			others = append(others, before)
		} else if w.answer.Status > providers.StatusAbsent {
			others = append(others, otherDeposit{hasFailed(w.answer), w.answer.Ref, w.answer.Status.String()})
		}
		open := w.err != nil || !hasFailed(w.answer) && w.answer.Status != providers.StatusAbsent
		if a.Status == providers.StatusSucceeded && open {
			// It may still be paid: it is watched until it has ended too.
			until := t.o.Now().Add(order.DepositWatch)
			if a.WatchUntil != nil {
				until = later(until, *a.WatchUntil)
			}
			a.WatchUntil = &until
		}
	}
	if len(others) > 0 {
		a.Evidence = joined(a.Evidence, map[string]any{otherDeposits: others})
	}
	return a
}

// others reads what the ledger knows of the other references.
func (t *task) others() map[string]otherDeposit {
	var list []otherDeposit
	if text, err := json.Marshal(t.entry.Event.Evidence[otherDeposits]); err != nil || json.Unmarshal(text, &list) != nil {
		return nil // what cannot be read is asked about again
	}
	known := make(map[string]otherDeposit, len(list))
	for _, o := range list {
		known[o.Ref[referenceField]] = o
	}
	return known
}

// asSecond makes evidence of a deposit that was paid besides the order's own.
func (t *task) asSecond(a providers.Answer) providers.Answer {
	if goods := depositsIn(a.Deliverable); len(goods) > 0 && t.order.SealTo == "" {
		a.Evidence = joined(a.Evidence, map[string]any{"deposits": goods})
	}
	a.Deliverable = nil // it is not what the order brought
	return a
}

// withDeposits lists every deposit of the order in the deliverable, each with
// its status in the words of our states.
func withDeposits(deliverable json.RawMessage, all []watched) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(deliverable, &object) != nil || object == nil {
		return deliverable
	}
	list := make([]map[string]json.RawMessage, 0, len(all))
	for _, w := range all {
		entries := depositsIn(w.answer.Deliverable)
		if len(entries) == 0 && w.answer.Status != providers.StatusAbsent {
			entry := map[string]json.RawMessage{}
			for key, id := range w.answer.Ref {
				entry[key] = text(id)
			}
			entries = append(entries, entry)
		}
		for _, entry := range entries {
			entry["status"] = text(w.answer.Status.String())
			list = append(list, entry)
		}
	}
	// Every part is JSON already: sums keep their literals to the last digit.
	object["deposits"], _ = json.Marshal(list)
	out, err := json.Marshal(object)
	if err != nil {
		return deliverable
	}
	return out
}

func text(s string) json.RawMessage {
	b, _ := json.Marshal(s) // a string always marshals
	return b
}

// depositsIn reads the deposits that an adapter's deliverable lists.
func depositsIn(deliverable json.RawMessage) []map[string]json.RawMessage {
	var its struct {
		Deposits []map[string]json.RawMessage `json:"deposits"`
	}
	if json.Unmarshal(deliverable, &its) != nil {
		return nil
	}
	return its.Deposits
}

// found turns an answer into what is recorded of it; false where that is nothing.
func (t *task) found(a providers.Answer) (order.Change, bool) {
	e := t.entry.Event
	c, ok := seen(a)
	switch {
	case givenUp(e) && (c.Input == order.SeenOnHold || c.Input == order.SeenProcessing):
		c.Input = order.SeenRevived
		return c, true
	case e.Kind != messages.Deposit:
		return c, ok
	case !ok && a.Status == providers.StatusUnknown && len(a.Evidence) > 0:
		// A word that nobody knows changes nothing, but it is shown, once.
		c.Input, ok = map[messages.Type]order.Input{
			messages.ActionRequired: order.SeenActionRequired, messages.OnHold: order.SeenOnHold,
		}[e.State]
		return c, ok
	case c.Input != order.SeenActionRequired || c.Action != nil:
		return c, ok
	case e.State == messages.ActionRequired && c.Ref[referenceField] != e.ProviderRef[referenceField]:
		// The one with the pay URL has ended: there is nothing left for the
		// customer to do, and the other one still stands.
		c.Input = order.SeenProcessing
		return c, true
	case e.State != messages.Unresolved:
		return c, ok
	case e.NeedsOperator:
		return c, false // told already
	}
	return t.withoutLink(c), true
}

// withoutLink: a deposit that was found but whose pay URL nobody has is no use
// to the customer. No money has moved, so another reference may be taken. Its
// ids do not stay the order's then: the next reference has others.
func (t *task) withoutLink(c order.Change) order.Change {
	c.Input, c.RetryAt, c.NotBefore = order.LinkLost, t.o.Now(), t.notBefore()
	c.Error = &messages.Error{
		Class: providers.Ambiguous.String(), Code: codeURLLost, Message: "the deposit was made, and its pay URL was lost with the answer",
	}
	if t.recordedN() < order.MaxLinks {
		c.Error.Class, c.Error.Retryable = providers.Retryable.String(), true
		lost := otherDeposit{Ref: c.Ref, Status: providers.StatusActionRequired.String()}
		c.Evidence, c.Ref = joined(c.Evidence, map[string]any{otherDeposits: []otherDeposit{lost}}), nil
	}
	return c
}
