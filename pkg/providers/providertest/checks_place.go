package providertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/beltline-io/beltline/pkg/providers"
)

func (b *bench) placesOnce() error {
	s, plan, err := b.prepared(patience)
	if err != nil {
		return err
	}
	defer s.close()
	answer, err := s.place(plan)
	if err != nil {
		return fmt.Errorf("placing the sample: %w", err)
	}
	if s.creates() != 1 || s.bought() != 1 {
		return fmt.Errorf("%d creating requests and %d purchases, want 1 and 1", s.creates(), s.bought())
	}
	return errors.Join(understood(answer), b.clean("the answer", answer))
}

// understood reports an answer that a worker could not record.
func understood(a providers.Answer) error {
	switch a.Status {
	case providers.StatusSucceeded:
		var object map[string]any
		if json.Unmarshal(a.Deliverable, &object) != nil || object == nil {
			return fmt.Errorf("succeeded with %q instead of an object as deliverable", a.Deliverable)
		}
		if a.Finality == "" {
			return errors.New("succeeded without a finality")
		}
	case providers.StatusActionRequired:
		if a.Action == nil {
			return errors.New("an action is required, and none is given")
		}
	case providers.StatusProcessing, providers.StatusOnHold:
	case providers.StatusUnknown, providers.StatusAbsent, providers.StatusFailed, providers.StatusReversed:
		return fmt.Errorf("placing the sample gave %v", a.Status)
	}
	if len(a.Ref) == 0 {
		return errors.New("no id of the provider is kept")
	}
	return nil
}

func (b *bench) preparesOnly() error {
	s, _, err := b.prepared(patience)
	if err != nil {
		return err
	}
	defer s.close()
	if s.creates() != 0 || len(s.Door.Book.Purchases()) != 0 {
		return fmt.Errorf("preparing sent %d creating requests", s.creates())
	}
	return nil
}

func (b *bench) repeatsFromPlan() error {
	s, plan, err := b.prepared(patience)
	if err != nil {
		return err
	}
	defer s.close()
	first, err := json.Marshal(plan)
	if err != nil {
		return fmt.Errorf("the plan cannot be recorded: %w", err)
	}
	var recorded providers.Plan
	if err := json.Unmarshal(first, &recorded); err != nil {
		return fmt.Errorf("the recorded plan cannot be read: %w", err)
	}
	if second, err := json.Marshal(recorded); err != nil || string(second) != string(first) {
		return fmt.Errorf("the plan changes by being recorded: %s, then %s (%w)", first, second, err)
	}
	// The first creating request is lost, so that the second is as good as new.
	s.Door.Faults.Once(b.sample.CreateOp, Fault{Kind: ResetBeforeCommit})
	_, _ = s.place(plan)
	if _, err := s.place(recorded); err != nil {
		return fmt.Errorf("placing with the recorded plan: %w", err)
	}
	sent := s.Door.Book.Select(Received, b.sample.CreateOp)
	if len(sent) != 2 || sent[0].Body != sent[1].Body {
		return fmt.Errorf("the recorded plan sent other bytes: %+v", sent)
	}
	return nil
}

// eachFault places the prepared sample once under each fault, on a fake of its
// own, and hands the outcome to judge.
func (b *bench) eachFault(timeout time.Duration, faults []Fault, judge func(Fault, error) error) error {
	var broken []error
	for _, fault := range faults {
		sent, err := b.underFault(timeout, fault, judge)
		for wait := 4 * timeout; !sent && wait < patience; wait *= 4 {
			// So busy a machine that the time-out passed before anything left.
			sent, err = b.underFault(wait, fault, judge)
		}
		if err != nil {
			broken = append(broken, fmt.Errorf("%v: %w", fault, err))
		}
	}
	return errors.Join(broken...)
}

// underFault returns whether anything was sent, and what is broken.
func (b *bench) underFault(timeout time.Duration, fault Fault, judge func(Fault, error) error) (sent bool, err error) {
	s, plan, err := b.prepared(timeout)
	if err != nil {
		return true, err
	}
	defer s.close()
	before := s.arrivals()
	s.Door.Faults.Once(b.sample.CreateOp, fault)
	_, err = s.place(plan)
	err = judge(fault, err)
	n := s.arrivals() - before
	if n != 1 {
		err = errors.Join(err, fmt.Errorf("%d requests arrived for one call of Place", n))
	}
	return n > 0, err
}

func (b *bench) ambiguous(code string) func(Fault, error) error {
	return func(_ Fault, err error) error { return b.wantError(err, providers.Ambiguous, code) }
}

// statusTable tries every status with a page instead of an answer, on one
// fake: none of them executes anything. 401 may be taken for our credentials
// being refused, which closes the lane and does not fail the order.
func (b *bench) statusTable() error {
	s, plan, err := b.prepared(patience)
	if err != nil {
		return err
	}
	defer s.close()
	var broken []error
	for status := 300; status <= 599; status++ {
		class := providers.Ambiguous
		if status == 429 {
			class = providers.Retryable
		}
		s.Door.Faults.Once(b.sample.CreateOp, Status(status))
		before := s.creates()
		_, err := s.place(plan)
		code := fmt.Sprintf("http_%d", status)
		if status == 401 && providers.AsError(err).Class == providers.Blocked {
			class, code = providers.Blocked, ""
		}
		if err := b.wantError(err, class, code); err != nil {
			broken = append(broken, fmt.Errorf("status %d: %w", status, err))
		}
		if n := s.creates() - before; n != 1 {
			broken = append(broken, fmt.Errorf("status %d: %d creating requests", status, n))
		}
	}
	return errors.Join(broken...)
}

func (b *bench) serverErrors() error {
	var faults []Fault
	for _, status := range []int{500, 501, 502, 503, 504, 507, 520, 524, 599} {
		faults = append(faults, Fault{Kind: StatusWithBody, Status: status}, Fault{Kind: StatusWithBody, Status: status}.BeforeCommit())
	}
	return b.eachFault(patience, faults, b.ambiguous(""))
}

func (b *bench) tooMany() error {
	return b.eachFault(patience, []Fault{TooMany(0), TooMany(7 * time.Second)}, func(f Fault, err error) error {
		if broken := b.wantError(err, providers.Retryable, ""); broken != nil {
			return broken
		}
		if got := providers.AsError(err).RetryAfter; got != f.RetryAfter {
			return fmt.Errorf("retry after %v, want %v", got, f.RetryAfter)
		}
		return nil
	})
}

func (b *bench) unanswered() error {
	return errors.Join(
		b.eachFault(impatience, []Fault{{Kind: TimeoutBeforeCommit}, {Kind: TimeoutAfterCommit}}, b.ambiguous(providers.CodeTimeout)),
		b.eachFault(patience, []Fault{{Kind: ResetBeforeCommit}, {Kind: ResetAfterCommit}}, b.ambiguous(providers.CodeConnectionReset)),
	)
}

func (b *bench) unreadable() error {
	return b.eachFault(patience, []Fault{
		{Kind: Truncated},
		{Kind: HTML},
		{Kind: Empty},
		{Kind: Huge},
		{Kind: WrongTypes},
		{Kind: DuplicateKeys},
		{Kind: Echo},
		Fault{Kind: StatusWithBody, Status: 200}.BeforeCommit(), // an empty object
	}, b.ambiguous(providers.CodeUnreadable))
}

func (b *bench) redirects() error {
	var faults []Fault
	for _, status := range []int{301, 302, 303, 307, 308} {
		faults = append(faults, Redirect(status))
	}
	return b.eachFault(patience, faults, b.ambiguous(""))
}

func (b *bench) sameReference() error {
	s, plan, err := b.prepared(patience)
	if err != nil {
		return err
	}
	defer s.close()
	s.Door.Faults.Once(b.sample.CreateOp, Fault{Kind: ResetAfterCommit})
	if _, err := s.place(plan); err == nil {
		return errors.New("a lost answer gave no error")
	}
	if _, err = s.place(plan); err != nil && !providers.AsError(err).Exists {
		return fmt.Errorf("the repeat gave %w, and does not say that the reference exists", err)
	}
	if s.bought() != 1 {
		return fmt.Errorf("bought %d times under one reference", s.bought())
	}
	if kind := b.sample.Order.Kind; kind.ReferenceField() == "" {
		// The pipeline would take the kind for one without a key: whatever was
		// lost on its way would end at the operator.
		return fmt.Errorf("the kind %q has a key, and messages.Kind.ReferenceField names no field for it", kind)
	}
	return b.clean("the error", err)
}
