package worker

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// A deposit may have taken two references: the pay URL of the first was lost,
// so no customer can pay it, but its record stands at the provider. Both are
// watched, because a second paid one is money that somebody must account for.

// lookup asks what has become of the order, under every reference it has taken.
// second is another reference that was paid too.
func (t *task) lookup(ctx context.Context) (answer providers.Answer, second *providers.Answer, err error) {
	n := 1
	if w := t.entry.Event.Work; w != nil {
		n = max(n, w.ReferenceN)
	}
	answer, err = t.lookupReference(ctx, n)
	if err != nil || t.entry.Event.Kind != messages.Deposit || n == 1 {
		return answer, nil, err
	}
	answers := []providers.Answer{answer}
	for ; n > 1; n-- {
		earlier, err := t.lookupReference(ctx, n-1)
		if err != nil {
			return answer, nil, err
		}
		answers = append(answers, earlier)
	}
	answer, second = t.combine(answers)
	return answer, second, nil
}

func (t *task) lookupReference(ctx context.Context, n int) (providers.Answer, error) {
	e := t.entry.Event
	reference := messages.Reference(t.o.Namespace, e.Tenant, e.OrderID, n)
	if e.Kind == messages.Exchange {
		reference = messages.APIID(t.o.Namespace, e.Tenant, e.OrderID, n)
	}
	answer, err := t.provider.Lookup(ctx, t.purchase(reference))
	if err == nil && e.Kind == messages.Deposit && answer.Status > providers.StatusAbsent {
		ref := map[string]string{e.Kind.ReferenceField(): reference}
		maps.Copy(ref, answer.Ref)
		answer.Ref = ref
	}
	return answer, err
}

// combine makes one answer of those for several references, the last one
// first. The one that was paid decides, and of two paid ones the one that the
// ledger has named; where none was paid, the order goes on as long as any does.
func (t *task) combine(answers []providers.Answer) (providers.Answer, *providers.Answer) {
	field := messages.Deposit.ReferenceField()
	named := t.entry.Event.ProviderRef[field]
	var paid []providers.Answer
	best := answers[0]
	for _, a := range answers {
		switch {
		case isPaid(a) && a.Ref[field] == named:
			paid = append([]providers.Answer{a}, paid...)
		case isPaid(a):
			paid = append(paid, a)
		case best.Status == providers.StatusFailed && goesOn(a):
			best = a
		}
	}
	if len(paid) == 0 {
		return best, nil
	}
	best = paid[0]
	best.Deliverable = withDeposits(best.Deliverable, answers)
	for _, a := range answers {
		if a.Ref[field] != best.Ref[field] && goesOn(a) && best.WatchUntil == nil {
			// The other may still be paid: it is watched until it has ended too.
			until := t.o.Now().Add(orphanWatch)
			best.WatchUntil = &until
		}
	}
	if len(paid) > 1 {
		return best, &paid[1]
	}
	return best, nil
}

func isPaid(a providers.Answer) bool {
	return a.Status == providers.StatusSucceeded || a.Status == providers.StatusOnHold
}

func goesOn(a providers.Answer) bool {
	return a.Status == providers.StatusActionRequired || a.Status == providers.StatusProcessing || a.Status == providers.StatusUnknown
}

// withDeposits lists every deposit of the order in the deliverable.
func withDeposits(deliverable json.RawMessage, answers []providers.Answer) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(deliverable, &object) != nil || object == nil {
		return deliverable
	}
	all := make([]json.RawMessage, 0, len(answers))
	for i := len(answers) - 1; i >= 0; i-- { // the first reference first
		a := answers[i]
		var its struct {
			Deposits []json.RawMessage `json:"deposits"`
		}
		if json.Unmarshal(a.Deliverable, &its) == nil && len(its.Deposits) > 0 {
			all = append(all, its.Deposits...)
			continue
		}
		if a.Status == providers.StatusAbsent {
			continue
		}
		entry := map[string]string{"status": a.Status.String()}
		maps.Copy(entry, a.Ref)
		if text, err := json.Marshal(entry); err == nil {
			all = append(all, text)
		}
	}
	list, err := json.Marshal(all)
	if err != nil {
		return deliverable
	}
	object["deposits"] = list
	out, err := json.Marshal(object)
	if err != nil {
		return deliverable
	}
	return out
}

// withoutLink: a deposit that was found but whose pay URL nobody has is no use
// to the customer. No money has moved, so another reference may be taken.
func (t *task) withoutLink(c order.Change) order.Change {
	if c.Input == order.SeenActionRequired && c.Action == nil &&
		t.entry.Event.Kind == messages.Deposit && t.entry.Event.State == messages.Unresolved {
		c.Input, c.RetryAt, c.NotBefore = order.LinkLost, t.o.Now(), t.notBefore()
	}
	return c
}
