package worker

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// A payout bears no key of ours. One whose answer was lost is known again only
// as the one new payout by its method to its account, so two of those in doubt
// at once could be taken for each other. Payouts to one target therefore take
// turns, from before their plan notes which payouts there are until nobody
// doubts what became of them.
//
// The key of a turn decides nothing by itself: it names the orders to look at,
// whose turn it is first, and the ledger tells whether one of them is in doubt.
// So no crash can leave a turn taken for good, and none can be skipped (what
// becomes of that when the keys are lost stands in turns.go):
//
//   - who takes a turn over writes the key, and then looks at the orders named
//     once more;
//   - who has written an intent writes the key again before the request leaves.
//
// Of two that do both at once, one sees the other: either the first finds the
// other's intent, or the other finds its key changed, and has sent nothing.

// turn is a turn that an order has taken.
type turn struct {
	mark     string // of the bucket, from before the key was read
	key      string
	value    []byte
	revision uint64
}

// errNotOurTurn says that another payout to the same target must come first.
type errNotOurTurn struct{ before string }

func (e *errNotOurTurn) Error() string {
	return "another payout to the same target comes first: " + e.before
}

// longestTurn bounds how rarely a waiting payout looks whether it may go on.
const longestTurn = time.Minute

// turnLook is the wait before an order that a turn names is looked for again.
// All looks for it must fit into a small part of a time-out.
const turnLook = 10 * time.Millisecond

// payoutKey names the turn of a target. What the provider might take for the
// same account must have one key; two accounts that share one merely wait.
func payoutKey(p messages.PartnerPayoutParams) string {
	account := strings.ToLower(strings.Join(strings.Fields(p.Account), ""))
	sum := sha256.Sum256([]byte(strings.TrimSpace(p.MethodID) + "\x00" + account))
	return turnPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:24])
}

// takeTurn takes the order's turn where its kind has turns, or fails with
// *errNotOurTurn.
func (t *task) takeTurn(ctx context.Context) error {
	params, ok := t.order.Params.(messages.PartnerPayoutParams)
	if !ok {
		return nil
	}
	mark, err := t.complete(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t.o.Timeout)
	defer cancel()
	held, err := t.readTurn(ctx, payoutKey(params))
	if err != nil {
		return err
	}
	defer func() {
		if t.turn != nil {
			t.turn.mark = mark
		}
	}()
	others := slices.DeleteFunc(slices.Clone(held.orders), func(key string) bool { return key == t.entry.Event.Key() })
	if err := t.lookAt(ctx, others, held); err != nil {
		return err
	}
	// The others stay named until they were looked at again: if this process
	// dies in between, the next one must look at them too.
	mine, err := t.writeTurn(ctx, held.key, append([]string{t.entry.Event.Key()}, others...), held.revision)
	if err != nil || len(others) == 0 {
		t.turn = mine
		return err
	}
	if err := t.lookAt(ctx, others, heldTurn{}); err != nil {
		return err
	}
	t.turn, err = t.writeTurn(ctx, held.key, []string{t.entry.Event.Key()}, mine.revision)
	return err
}

// heldTurn is what a key says: the orders to look at, the holder first.
type heldTurn struct {
	key      string
	orders   []string
	revision uint64
	since    time.Time
}

func (t *task) readTurn(ctx context.Context, key string) (heldTurn, error) {
	entry, err := t.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return heldTurn{key: key}, nil
	}
	if err != nil {
		return heldTurn{}, fmt.Errorf("the turn of a payout was not read: %w", err)
	}
	return heldTurn{key, strings.Fields(string(entry.Value())), entry.Revision(), entry.Created()}, nil
}

// lookAt fails with *errNotOurTurn if one of the orders must come first. The
// holder of held must, too, where it has only just taken the turn, though the
// ledger says nothing of it yet: that spares both a turn taken in vain.
func (t *task) lookAt(ctx context.Context, orders []string, held heldTurn) error {
	for _, key := range orders {
		tenant, id, ok := strings.Cut(key, "/")
		if !ok || !messages.ValidTenant(tenant) || !messages.ValidToken(id) {
			// Nobody can be looked at: somebody has written here by hand.
			t.log.Error().Str(logkey.Reason, key).Msg("the turn of a payout names no order; the payout waits until its key is deleted")
			return &errNotOurTurn{key}
		}
		last, err := t.lastOf(ctx, turnLook, tenant, id)
		if errors.Is(err, ledger.ErrNotFound) {
			t.log.Error().Str(logkey.Reason, key).Msg("the turn of a payout names an order that the ledger does not have; it is passed over")
			continue
		}
		if err != nil {
			return err
		}
		fresh := len(held.orders) > 0 && held.orders[0] == key && t.now().Sub(held.since) < t.o.Lease
		if doubted(last.Event) || fresh && t.coming(last.Event) {
			return &errNotOurTurn{key}
		}
	}
	return nil
}

// doubted: the provider may have a payout of the order that we do not know.
func doubted(e *messages.Event) bool {
	return e.State == messages.Placing || e.State == messages.Unresolved
}

// coming reports whether an order may be on its way to an intent.
func (t *task) coming(e *messages.Event) bool {
	return e.State == messages.Accepted || e.State == messages.Retrying && (e.RetryAt == nil || !t.now().Before(*e.RetryAt))
}

func (t *task) writeTurn(ctx context.Context, key string, orders []string, revision uint64) (mine *turn, err error) {
	mine = &turn{key: key, value: []byte(strings.Join(orders, " "))}
	failpoint.Hit("turn.write.before")
	if revision == 0 {
		mine.revision, err = t.kv.Create(ctx, key, mine.value)
	} else {
		mine.revision, err = t.kv.Update(ctx, key, mine.value, revision)
	}
	failpoint.Hit("turn.write.after")
	if err != nil {
		t.log.Debug().Err(err).Msg("the turn of a payout was not taken")
		return nil, &errLater{100 * time.Millisecond, "another payout took the turn"}
	}
	return mine, nil
}

// keepTurn proves, after the intent was written, that the turn is still ours.
// Where it is not, nothing may be sent.
func (t *task) keepTurn(ctx context.Context) error {
	if t.turn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.o.Timeout)
	defer cancel()
	failpoint.Hit("turn.keep.before")
	revision, err := t.kv.Update(ctx, t.turn.key, t.turn.value, t.turn.revision)
	failpoint.Hit("turn.keep.after")
	if err != nil {
		return notOurs(err)
	}
	t.turn.revision = revision
	if err := t.stillComplete(ctx); err != nil {
		return notOurs(err)
	}
	return nil
}

// awaitTurn puts a payout off whose turn has not come. It costs the order
// nothing: no attempt, no event.
func (t *task) awaitTurn(ctx context.Context, e *errNotOurTurn) error {
	t.log.Info().Str(logkey.Reason, e.before).Msg("payout waits for another one to the same target")
	now := t.now()
	at := now.Add(min(order.Backoff(t.entry.Event, t.o.Times, now), max(longestTurn, t.o.Times.PollFirst)))
	if end := t.order.ExpiresAt; end != nil {
		at = earlier(at, *end)
	}
	return t.putOff(ctx, at)
}
