package ledger

import (
	"context"
	"fmt"

	"github.com/beltline-io/beltline/pkg/messages"
)

// NextOf returns the first event of the provider with the type that is stored
// at seq or after it, from the leader; ErrNotFound where there is none. With
// ErrInvalid it returns an entry that has nothing but its sequence, so that a
// reader can go on behind it.
//
// Each answer makes the server search its blocks. It is meant for what happens
// after a disaster, and not for anything that happens to every order.
func (l *Ledger) NextOf(ctx context.Context, seq uint64, p messages.Provider, typ messages.Type) (*Entry, error) {
	subject := "events." + string(p) + ".*.*." + string(typ)
	r, err := l.insist(ctx, getRequest{Seq: max(seq, 1), NextFor: subject})
	if err != nil {
		return nil, fmt.Errorf("ledger: next %s event of %s from %d: %w", typ, p, seq, err)
	}
	e, err := r.entry()
	if err != nil {
		return &Entry{Seq: r.seq}, err
	}
	return e, nil
}
