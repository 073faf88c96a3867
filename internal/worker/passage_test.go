package worker_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// all lets in as many as there is room for now.
func all(p worker.Passage) (inside []func(inTime bool)) {
	now, cancel := context.WithCancel(context.Background())
	cancel() // nobody waits
	for {
		arrive, _, err := p.Enter(now)
		if err != nil {
			return inside
		}
		inside = append(inside, arrive)
	}
}

// A machine on which at most so many arrive in time, and nobody where there are
// more, must still get orders through: that is where it would feed itself.
func TestPassage_WhereTooManyAtOnceAreAllLateItNarrowsUntilMostArrive(t *testing.T) {
	t.Parallel()
	const most, rounds = 128, 500
	for _, fit := range []int{1, 3, 20} {
		p := worker.NewPassage(most)
		arrived, late := 0, 0
		for range rounds {
			inside := all(p)
			if len(inside) == 0 {
				t.Fatalf("%d fit: nobody is let in", fit)
			}
			for _, arrive := range inside {
				arrive(len(inside) <= fit)
			}
			if len(inside) <= fit {
				arrived += len(inside)
			} else {
				late += len(inside)
			}
		}
		if fit > 1 && arrived < 2*late {
			t.Errorf("%d fit: %d arrived, %d were late", fit, arrived, late)
		}
		if arrived < rounds/4 {
			t.Errorf("%d fit: only %d arrived in %d rounds", fit, arrived, rounds)
		}
	}
}

func TestPassage_WidensAgainOnceAllArriveInTime(t *testing.T) {
	t.Parallel()
	const most = 64
	p := worker.NewPassage(most)
	if n := len(all(p)); n != most {
		t.Fatalf("%d are let in, of %d", n, most)
	}
	p = worker.NewPassage(most)
	for range 20 {
		for _, arrive := range all(p) {
			arrive(false)
		}
	}
	inside := all(p)
	if len(inside) != 1 {
		t.Fatalf("%d are let in though nobody arrived in time", len(inside))
	}
	for range 5 * most {
		for _, arrive := range inside {
			arrive(true)
			arrive(false) // only the first counts
		}
		inside = all(p)
	}
	if len(inside) != most {
		t.Errorf("%d are let in, of %d", len(inside), most)
	}
}

// Of those who were let in together the first that is late speaks for all.
func TestPassage_ManyWhoAreLateAtOnceNarrowItOnce(t *testing.T) {
	t.Parallel()
	const most = 64
	p := worker.NewPassage(most)
	for _, arrive := range all(p) {
		arrive(false)
	}
	if n := len(all(p)); n != most/2 {
		t.Errorf("%d are let in after one bad moment of %d", n, most)
	}
}

// Whoever gives up, or is let in at the moment at which it gives up, takes no
// room away.
func TestPassage_WhoeverGivesUpTakesNoRoomAway(t *testing.T) {
	t.Parallel()
	const most = 4
	p := worker.NewPassage(most)
	var travellers sync.WaitGroup
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		travellers.Go(func() {
			_, leave, err := p.Enter(ctx)
			if err == nil {
				defer leave()
			}
		})
		if rand.N(2) == 0 {
			travellers.Go(cancel)
		} else {
			defer cancel()
		}
	}
	travellers.Wait()
	if n := len(all(p)); n != most {
		t.Errorf("%d are let in, of %d", n, most)
	}
}

// A question whose permit grew old was never asked. It is asked again at once,
// a few times; the order is put off only where that does not help.
func TestPrepare_AQuestionWhosePermitGrewOldIsAskedAgainBeforeTheOrderIsPutOff(t *testing.T) {
	t.Parallel()
	stale := &providers.Error{Op: "shop.check", Class: providers.Retryable, Code: providers.CodeNotSent, Err: ratelimit.ErrStale}
	for path, failures := range map[string][]error{
		"accepted placing succeeded":          {stale, stale},
		"accepted retrying placing succeeded": {stale, stale, stale},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			b, s := newBench(t), newShop()
			s.prepare = failures
			b.work(s, b.options(messages.GamesDrop, "w1"))
			b.submit(offer("o1"))
			if e := b.ends("o1"); e.State != messages.Succeeded || b.path("o1") != path {
				t.Errorf("%s", b.path("o1"))
			}
		})
	}
}
