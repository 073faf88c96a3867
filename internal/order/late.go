package order

import "github.com/beltline-io/beltline/pkg/messages"

// maxLate bounds the late answers that an event carries; the history has them all.
const maxLate = 16

// remark fills in an event that does not change the state.
func remark(e, last *messages.Event, c Change) {
	if e.Type == messages.LateEvidence {
		testify(e, last, c)
		return
	}
	e.Evidence = merged(e.Evidence, c.Evidence)
	if last.Error == nil || c.Error == nil || !bearsError(last.State) {
		e.Error = c.Error
		if c.Error == nil && bearsError(last.State) {
			e.Error = last.Error
		}
		return
	}
	// The error belongs to the state, and the last event must be enough to know
	// it: the reason of the refusal goes beside it.
	e.Error = last.Error
	e.Evidence = merged(e.Evidence, map[string]any{string(e.Type): wireError(c.Error)})
}

// bearsError: an error in this state says how the order came to be in it.
func bearsError(state messages.Type) bool {
	return uncertain(state) || state == failed || state == rejected || state == expired || state == reversed
}

func wireError(e *messages.Error) map[string]any {
	return map[string]any{"class": e.Class, "code": e.Code, "message": e.Message}
}

// testify records an answer that came too late to decide.
func testify(e, last *messages.Event, c Change) {
	e.Error = last.Error
	if c.Input.no() {
		lift(e, last, c.Nonce)
	}
	if contradicts(last, c) {
		e.Work.Contradicted, e.NeedsOperator = true, true
		if e.State == unresolved {
			e.RetryAt = nil
			holdDown(e, last, c)
		}
	} else if c.Input.acted() {
		learn(e, Change{Ref: c.Ref, Cost: c.Cost, CostSource: c.CostSource, Finality: c.Finality})
	}
	if e.Deliverable == nil {
		// Goods that were paid for are kept, whatever the state says of them.
		e.Deliverable = c.Deliverable
	}
	entries := append(lateEntries(last), lateEntry(c))
	entries = entries[max(0, len(entries)-maxLate):]
	e.Evidence = merged(e.Evidence, map[string]any{"late": entries})
}

// lateEntries are the late answers that the event carries. The slice is the
// caller's to append to.
func lateEntries(e *messages.Event) []any {
	known, _ := e.Evidence["late"].([]any)
	return append([]any(nil), known...)
}

func lateEntry(c Change) any {
	seen := map[string]any{"input": c.Input.String()}
	if c.Nonce != "" {
		seen["nonce"] = c.Nonce
	}
	if len(c.Ref) > 0 {
		seen["provider_ref"] = c.Ref
	}
	if c.Cost != nil {
		seen["cost"] = c.Cost
	}
	if c.Error != nil {
		seen["error"] = wireError(c.Error)
	}
	if len(c.Evidence) > 0 {
		seen["evidence"] = c.Evidence
	}
	return seen
}

// contradicts reports whether late news cannot be true together with the state.
func contradicts(last *messages.Event, c Change) bool {
	if c.Input.no() {
		// "Not this request" contradicts only if there was no other.
		return c.Nonce == work(last).Nonce && last.Attempt == 1 && bought(last.State)
	}
	if c.Input == SeenSecond {
		return true
	}
	if !bought(last.State) {
		return c.Input.acted() && c.Input != OwnFailed
	}
	if c.Input.acted() && c.Input != OwnFailed {
		return elsewhere(last, c) // bought under another id: perhaps twice
	}
	// It failed, or was canceled: of another record that is no news for this one.
	return last.State != reversed && !elsewhere(last, c)
}

// bought: in these states the provider has the order.
func bought(state messages.Type) bool {
	switch state {
	case succeeded, processing, onHold, actionRequired, reversed:
		return true
	default:
		return false
	}
}

// elsewhere reports whether an answer bears another id than the one known.
func elsewhere(last *messages.Event, c Change) bool {
	for key, id := range c.Ref {
		if known, ok := last.ProviderRef[key]; ok && known != id {
			return true
		}
	}
	return false
}
