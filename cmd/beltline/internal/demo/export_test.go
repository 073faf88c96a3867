package demo

import (
	"context"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

// Command opens how this program is started again.
func Command(arg0 string) string { return command(arg0) }

// Perform plays the script on a stage, and returns what the audit finds.
func Perform(ctx context.Context, s *Stage, say func(string)) (differs []string, err error) {
	p := newScript(s, plain.Look{}, say)
	if err := p.perform(ctx); err != nil {
		return nil, err
	}
	a := p.examine(s.books())
	a.callbacks(s.Callbacks())
	return a.Differs, nil
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
	return examined(topup("ord-1", "gordon", "10.00", done(1)), e, nil, lines)
}

// AuditDeposit is Audit for a deposit that was to go by a hold. path are the
// types of its events.
func AuditDeposit(e *messages.Event, path []messages.Type, lines ...BookLine) Findings {
	return examined(deposit("ord-1", "", "gordon", done(1).by(messages.OnHold)), e, path, lines)
}

func examined(o order, e *messages.Event, path []messages.Type, lines []BookLine) Findings {
	s := newScript(nil, plain.Look{}, nil)
	s.orders = []order{o}
	if e != nil {
		s.last[o.id], s.path[o.id] = e, path
	}
	s.dead = []client.DeadLetter{{Reason: messages.ReasonOrderConflict}}
	var books []purchase
	for _, l := range lines {
		books = append(books, purchase{o.provider, l.Customer, l.Amount, l.Undone})
	}
	a := s.examine(books)
	return Findings{a.Twice, a.Lost, a.Wrong, a.Denied, len(a.Differs)}
}

// AuditCallbacks examines the answers to callbacks.
func AuditCallbacks(answers map[messages.Provider][]int) (called int, differs []string) {
	a := &audit{}
	a.callbacks(answers)
	return a.Called, a.Differs
}
