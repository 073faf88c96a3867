package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// The keys of turns live in the bucket, and the bucket can be lost. A key that
// is not there says "nobody is in doubt" only while the bucket bears the mark:
// that all doubts of the ledger have their keys. Where the mark is missing, the
// keys are made anew from the ledger first. The mark's text is another one each
// time, so whoever has read one mark and finds another at the end, or none,
// knows that the bucket was lost in between, and sends nothing.

const (
	// turnPrefix begins the key of every target's turn.
	turnPrefix = "lease.payout."
	// turnsMark is the key of the mark.
	turnsMark = "lease.payouts"
	// turnTraces is how long the trace of a deleted key stays in the bucket.
	turnTraces = time.Minute
)

// turnBook is what a worker does for all turns, one task at a time.
type turnBook struct {
	mu     sync.Mutex
	tidied bool
}

// complete returns the mark, after making the keys anew where there is none.
func (t *task) complete(ctx context.Context) (string, error) {
	t.turns.mu.Lock()
	defer t.turns.mu.Unlock()
	mark, err := t.readMark(ctx)
	if err != nil {
		return "", err
	}
	if mark == "" {
		if err := t.rebuildTurns(ctx); err != nil {
			return "", err
		}
		failpoint.Hit("turn.mark.before")
		_, err := t.kv.Create(ctx, turnsMark, []byte(rand.Text()))
		failpoint.Hit("turn.mark.after")
		if err != nil && !errors.Is(err, jetstream.ErrKeyExists) { // another replica has made them as well
			return "", fmt.Errorf("the mark of the payouts' turns was not written: %w", err)
		}
		if mark, err = t.readMark(ctx); err != nil {
			return "", err
		}
		if mark == "" {
			return "", errors.New("the mark of the payouts' turns cannot be read back")
		}
	}
	if !t.turns.tidied {
		t.turns.tidied = true
		t.tidyTurns(ctx)
	}
	return mark, nil
}

// readMark returns the mark, "" for none.
func (t *task) readMark(ctx context.Context) (string, error) {
	entry, err := t.kv.Get(ctx, turnsMark)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("the mark of the payouts' turns was not read: %w", err)
	}
	return string(entry.Value()), nil
}

// rebuildTurns makes a key for every payout that the ledger knows to be in
// doubt. It reads the intents of all time, once after a loss; an intent that is
// written meanwhile belongs to somebody who cannot prove their turn.
func (t *task) rebuildTurns(ctx context.Context) error {
	t.log.Warn().Msg("the turns of payouts are not in the bucket; they are made anew from the ledger")
	seen, named := map[string]bool{}, 0
	for seq := uint64(1); ; seq++ {
		// The end of the ledger is where the mark begins to be true: it must be sure.
		intent, err := sure(ctx, firstLook, func() (*ledger.Entry, error) {
			return t.ledger.NextOf(ctx, seq, t.o.Provider, messages.Placing)
		})
		switch {
		case errors.Is(err, ledger.ErrNotFound):
			t.log.Info().Int(logkey.Count, named).Msg("the turns of payouts were made anew")
			return nil
		case errors.Is(err, ledger.ErrInvalid):
			t.log.Error().Err(err).Msg("an intent in the ledger cannot be read; if it was a payout's, nobody waits for it")
			seq = intent.Seq
			continue
		case err != nil:
			return err
		}
		seq = intent.Seq
		e := intent.Event
		if e.Kind != messages.PartnerPayout || seen[e.Key()] {
			continue
		}
		seen[e.Key()] = true
		last, err := t.ledger.Last(ctx, e.Tenant, e.OrderID)
		if err != nil {
			return err
		}
		if !doubted(last.Event) {
			continue
		}
		if err := t.nameInTurn(ctx, last.Event); err != nil {
			return err
		}
		named++
	}
}

// nameInTurn adds an order to those that its target's key names.
func (t *task) nameInTurn(ctx context.Context, e *messages.Event) error {
	o, err := messages.DecodeOrder(e.Order)
	if err != nil {
		return fmt.Errorf("a payout in doubt cannot be read: %w", err)
	}
	params, ok := o.Params.(messages.PartnerPayoutParams)
	if !ok {
		return fmt.Errorf("a payout in doubt has the params of another kind: %s", e.Key())
	}
	held, err := t.readTurn(ctx, payoutKey(params))
	if err != nil || slices.Contains(held.orders, e.Key()) {
		return err
	}
	_, err = t.writeTurn(ctx, held.key, append(held.orders, e.Key()), held.revision)
	return err
}

// stillComplete proves that the bucket was not lost since the turn was taken.
func (t *task) stillComplete(ctx context.Context) error {
	mark, err := t.readMark(ctx)
	if err == nil && mark != t.turn.mark {
		err = errors.New("the bucket was lost since the turn was taken")
	}
	return err
}

// leaveTurn deletes the key of the order's target where nobody named in it is in
// doubt: a key for every account that was ever paid would fill the bucket. It
// is a courtesy: a key that stays decides nothing, and the next one who takes
// the turn, or the next start of a worker, finds it.
func (t *task) leaveTurn(ctx context.Context) {
	params, ok := t.order.Params.(messages.PartnerPayoutParams)
	if !ok || needsTurn(t.entry.Event) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, t.o.Timeout)
	defer cancel()
	held, err := t.readTurn(ctx, payoutKey(params))
	if err == nil && slices.Contains(held.orders, t.entry.Event.Key()) {
		err = t.dropTurn(ctx, held)
	}
	if err != nil {
		t.log.Debug().Err(err).Msg("the turn of a payout was left as it is")
	}
}

// needsTurn: a payout of the order is in doubt, or may yet be made.
func needsTurn(e *messages.Event) bool {
	return doubted(e) || e.State == messages.Accepted || e.State == messages.Retrying
}

// dropTurn deletes a key unless somebody named in it may still need it, or the
// key has changed since it was read.
func (t *task) dropTurn(ctx context.Context, held heldTurn) error {
	for _, key := range held.orders {
		tenant, id, _ := strings.Cut(key, "/")
		last, err := t.ledger.Last(ctx, tenant, id)
		if err != nil {
			return err
		}
		if needsTurn(last.Event) {
			return &errNotOurTurn{key}
		}
	}
	failpoint.Hit("turn.drop.before")
	err := t.kv.Purge(ctx, held.key, jetstream.LastRevision(held.revision), jetstream.PurgeTTL(turnTraces))
	failpoint.Hit("turn.drop.after")
	return err
}

// tidyTurns drops the keys that were left behind by workers that died, and by
// doubts that an operator has ended.
func (t *task) tidyTurns(ctx context.Context) {
	list, err := t.kv.ListKeysFiltered(ctx, turnPrefix+">")
	if err != nil {
		t.log.Debug().Err(err).Msg("the turns of payouts were not tidied")
		return
	}
	defer func() { _ = list.Stop() }()
	for key := range list.Keys() {
		held, err := t.readTurn(ctx, key)
		if err == nil && len(held.orders) > 0 && strings.HasPrefix(key, turnPrefix) {
			err = t.dropTurn(ctx, held)
		}
		if err != nil {
			t.log.Debug().Err(err).Msg("the turn of a payout was left as it is")
		}
	}
}

// notOurs is the error of a request that was held back because its turn could
// not be proved.
func notOurs(err error) error {
	return &providers.Error{
		Op: "turn", Class: providers.Retryable, Code: providers.CodeNotSent,
		Message: "another payout to the same target may be under way", Err: err,
	}
}
