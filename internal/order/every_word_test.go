package order_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// word is what one owner of a request has said so far.
type word byte

const (
	silent  word = 's' // nothing yet
	no      word = 'n' // certainly not executed
	unknown word = 'u' // nobody will ever know
)

// standing is an order beside what its owners have said: the truth that the
// order must not go beyond.
type standing struct {
	last  *messages.Event
	words []word
	path  string
}

// key tells standings apart in which the same may happen.
func (s standing) key() string {
	w := *s.last.Work
	w.PlacedAt, w.DoubtSince, w.BlockedSince, w.Tries = nil, nil, nil, min(w.Tries, 1)
	return fmt.Sprintf("%s|%s|%v|%+v|%s", s.last.State, s.words, s.last.NeedsOperator, w, s.last.Type)
}

// followers are all that may happen next.
func (s standing) followers(t *testing.T, most int) []standing {
	now := t0.Add(time.Duration(s.last.N) * time.Hour) // each lease is over
	var all []standing
	add := func(name string, c order.Change, i int, said word) {
		c.At, c.RetryAt, c.NotBefore = now, now, now
		e, v := order.Apply(s.last, c)
		if v != order.Write && said == silent {
			return
		}
		next := standing{last: s.last, words: append([]word(nil), s.words...), path: s.path + " " + name}
		if v == order.Write {
			next.last = wire(t, e)
		}
		if i >= 0 {
			next.words[i] = said
		}
		all = append(all, next)
	}
	if n := len(s.words); n < most {
		for _, in := range []order.Input{order.Claim, order.Repeat} {
			before := len(all)
			add(in.String(), order.Change{Input: in, Intent: intent(s.last, fmt.Sprint("a", n), now)}, -1, silent)
			if len(all) > before {
				all[before].words = append(all[before].words, silent)
			}
		}
	}
	add("lease_over", order.Change{Input: order.LeaseOver, Error: ambiguous()}, -1, silent)
	for i, w := range s.words {
		nonce := fmt.Sprint("a", i)
		if w == silent || w == no {
			add(nonce+"_refused", order.Change{Input: order.OwnRefused, Nonce: nonce, Error: refusal("X")}, i, no)
			add(nonce+"_retry", order.Change{Input: order.OwnRetry, Nonce: nonce, Error: refusal("X")}, i, no)
			add(nonce+"_requote", order.Change{Input: order.OwnRetry, Requote: true, Nonce: nonce, Error: refusal("X")}, i, no)
		}
		if w == silent || w == unknown {
			add(nonce+"_unknown", order.Change{Input: order.OwnUnknown, Nonce: nonce, Error: ambiguous()}, i, unknown)
		}
	}
	return all
}

// check holds the order against what its owners have said: "not bought" only
// when all have said so, and no doubt when all have.
func (s standing) check(t *testing.T) {
	t.Helper()
	open, doubt := 0, 0
	for i, w := range s.words {
		if w != no {
			open++
			if i < len(s.words)-1 {
				doubt++
			}
		}
	}
	e := s.last
	switch e.State {
	case messages.Retrying, messages.Failed:
		if open > 0 {
			t.Fatalf("%s, and somebody has not said no: %s\n%s", e.State, s.words, s.path)
		}
	case messages.Placing:
		if !e.Work.InDoubt && doubt > 0 {
			t.Fatalf("an earlier request may have been executed, and it is not in doubt: %s\n%s", s.words, s.path)
		}
	case messages.Unresolved:
		if open == 0 {
			t.Fatalf("all have said no, and it is in doubt: %+v\n%s", e.Work, s.path)
		}
	}
}

func TestApply_WhateverOwnersSayInWhateverOrderNoneIsPassedOver(t *testing.T) {
	t.Parallel()
	const attempts = 3
	begun := begin(t, messages.Offer)
	todo := []standing{{last: begun.last}}
	seen := map[string]bool{}
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		if seen[s.key()] {
			continue
		}
		seen[s.key()] = true
		s.check(t)
		todo = append(todo, s.followers(t, attempts)...)
	}
	if len(seen) < 100 {
		t.Errorf("only %d standings: the test has shown nothing", len(seen))
	}
}
