package demo

import (
	"context"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

// Perform plays the script on a stage, and returns what the audit finds.
func Perform(ctx context.Context, s *Stage, say func(string)) (differs []string, err error) {
	p := newScript(s, plain.Look{}, say)
	if err := p.perform(ctx); err != nil {
		return nil, err
	}
	return p.examine(s.books()).Differs, nil
}

// BookLine is a purchase in the books.
type BookLine struct {
	Customer string
	Amount   money.Money
	Undone   bool
}

// Findings are the numbers that the audit ends with.
type Findings struct {
	Twice, Lost, Wrong, Denied, Differs int
}

// Audit examines one order for BalanceSteam, known there as "gordon", that was
// to succeed and be bought once. The order that took another's id has become
// the dead letter that it must.
func Audit(e *messages.Event, lines ...BookLine) Findings {
	s := newScript(nil, plain.Look{}, nil)
	s.orders = []order{topup("ord-1", "gordon", "10.00", done(1))}
	if e != nil {
		s.last["ord-1"] = e
	}
	s.dead = []upstream.DeadLetter{{Reason: string(messages.ReasonOrderConflict)}}
	var books []purchase
	for _, l := range lines {
		books = append(books, purchase{messages.BalanceSteam, l.Customer, l.Amount, l.Undone})
	}
	a := s.examine(books)
	return Findings{a.Twice, a.Lost, a.Wrong, a.Denied, len(a.Differs)}
}
