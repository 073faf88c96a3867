package providertest

import (
	"context"
	"errors"
	"fmt"

	"github.com/beltline-io/beltline/pkg/providers"
)

func (b *bench) cancelAfter() error {
	s, plan, err := b.prepared(patience)
	if err != nil {
		return err
	}
	defer s.close()
	s.Door.Faults.Once(b.sample.CreateOp, Fault{Kind: TimeoutAfterCommit})
	waiting, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	ctx, cancel := context.WithCancel(providers.WithSendGuard(b.ctx, func() error { return nil }))
	defer cancel()
	arrived := make(chan error, 1)
	go func() {
		_, err := s.Door.Book.Wait(waiting, func(e Entry) bool { return e.Phase == Committed })
		cancel()
		arrived <- err
	}()
	_, err = s.Place(ctx, b.sample.Order, plan)
	return errors.Join(<-arrived, b.wantError(err, providers.Ambiguous, ""))
}

// unsent runs Place in a context that lets nothing out.
func (b *bench) unsent(ctx context.Context) error {
	s, plan, err := b.prepared(patience)
	if err != nil {
		return err
	}
	defer s.close()
	before := s.arrivals()
	_, err = s.Place(ctx, b.sample.Order, plan)
	err = b.wantError(err, providers.Retryable, providers.CodeNotSent)
	if n := s.arrivals() - before; n != 0 {
		err = errors.Join(err, fmt.Errorf("%d requests arrived", n))
	}
	return err
}

func (b *bench) cancelBefore() error {
	ctx, cancel := context.WithCancel(providers.WithSendGuard(b.ctx, func() error { return nil }))
	cancel()
	return b.unsent(ctx)
}

func (b *bench) guardMissing() error { return b.unsent(b.ctx) }

func (b *bench) guardRefuses() error {
	return b.unsent(providers.WithSendGuard(b.ctx, func() error { return errors.New("the lease is over") }))
}

func (b *bench) guardAsked() error {
	s, plan, err := b.prepared(patience)
	if err != nil {
		return err
	}
	defer s.close()
	asked := 0
	ctx := providers.WithSendGuard(b.ctx, func() error {
		if asked++; s.creates() != 0 {
			return errors.New("the request had arrived before the guard was asked")
		}
		return nil
	})
	if _, err := s.Place(ctx, b.sample.Order, plan); err != nil {
		return err
	}
	if asked != 1 {
		return fmt.Errorf("the guard was asked %d times", asked)
	}
	return nil
}

// readingFaults are what can befall a request that changes nothing.
func readingFaults() []Fault {
	return []Fault{
		Status(500), Status(502), Status(503), Status(404), Status(403), Redirect(302), TooMany(0),
		{Kind: ResetBeforeCommit},
		{Kind: Truncated},
		{Kind: HTML},
		{Kind: Empty},
		{Kind: Huge},
		{Kind: WrongTypes},
		{Kind: DuplicateKeys},
		{Kind: Echo},
	}
}

func (b *bench) readFaults() error {
	var broken []error
	for _, fault := range readingFaults() {
		s, err := b.open(patience)
		if err != nil {
			return err
		}
		s.Door.Faults.Percent(Any, 100, fault)
		plan, err := s.Prepare(b.ctx, b.sample.Order)
		switch {
		case err != nil && providers.ClassOf(err) == providers.Rejected:
			err = fmt.Errorf("the order was refused: %w", err)
		case err != nil:
			err = b.clean("the error", err)
		default:
			err = b.clean("the plan", plan)
		}
		if s.creates() != 0 {
			err = errors.Join(err, errors.New("a creating request was sent"))
		}
		if err != nil {
			broken = append(broken, fmt.Errorf("%v: %w", fault, err))
		}
		s.close()
	}
	return errors.Join(broken...)
}

func (b *bench) lookupFaults() error {
	var broken []error
	for _, fault := range readingFaults() {
		s, plan, err := b.prepared(patience)
		if err != nil {
			return err
		}
		answer, err := s.place(plan)
		if err != nil {
			return fmt.Errorf("placing the sample: %w", err)
		}
		placed := b.sample.Order
		placed.Ref = answer.Ref
		before := s.creates()
		s.Door.Faults.Percent(Any, 100, fault)
		found, err := s.Lookup(b.ctx, placed)
		if err == nil && found.Status != providers.StatusUnknown {
			err = fmt.Errorf("a spoilt answer says %v", found.Status)
		} else if err != nil {
			if providers.ClassOf(err) == providers.Rejected {
				broken = append(broken, fmt.Errorf("%v: looking up was refused: %w", fault, err))
			}
			err = b.clean("the error", err)
		}
		if s.creates() != before {
			err = errors.Join(err, errors.New("looking up sent a creating request"))
		}
		if err != nil {
			broken = append(broken, fmt.Errorf("%v: %w", fault, err))
		}
		s.close()
	}
	return errors.Join(broken...)
}
