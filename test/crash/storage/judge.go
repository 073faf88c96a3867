package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// outcome is what came of a trial.
type outcome struct {
	Seed    uint64 `json:"seed"`
	Fault   string `json:"fault"`
	Skipped string `json:"skipped,omitempty"` // why it was not done

	Orders     int      `json:"orders"`
	Purchases  int      `json:"purchases"`
	Acked      int      `json:"acknowledged_events"`
	Lost       int      `json:"lost_events"`
	Unreadable int      `json:"unreadable_events"` // on the disk, and damaged
	LostOrders int      `json:"lost_orders"`       // handed in, and neither in the ledger nor in the queue
	Tripped    bool     `json:"tripped"`
	FalseAlarm bool     `json:"false_alarm"`
	Forgotten  bool     `json:"forgotten"`       // lost something that only the dead knew
	Stranded   int      `json:"stranded_orders"` // in ORDERS, behind its consumer
	Clearings  int      `json:"clearings"`
	Twice      int      `json:"bought_twice"`
	ByOperator int      `json:"left_to_operator"`
	ByHand     bool     `json:"stream_removed_by_hand"`
	Reasons    []string `json:"reasons,omitempty"`
	Notes      []string `json:"notes,omitempty"`
	Violations []string `json:"violations,omitempty"`
	Seconds    float64  `json:"seconds"`
	Dir        string   `json:"dir,omitempty"` // the evidence
}

func (o *outcome) violate(format string, args ...any) {
	o.Violations = append(o.Violations, fmt.Sprintf(format, args...))
}

// judge holds what is left against the books of the shops and against the
// acknowledgements.
func (t *trial) judge(ctx context.Context, out *outcome) error {
	ctx, cancel := context.WithTimeout(ctx, prepareFor)
	defer cancel()
	lost, unreadable, err := t.witness.lost(ctx, t.js)
	if err != nil {
		return err
	}
	out.Acked, out.Lost, out.Unreadable, out.ByHand = len(t.witness.all()), len(lost), len(unreadable), t.byHand
	t.hidden = map[string]bool{}
	for _, f := range unreadable {
		t.hidden[strings.Split(f.subject, ".")[3]] = true
	}
	events, err := t.js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return err
	}
	forgotten := len(lost) > 0 && t.forgotten(lost)
	erased := map[string]bool{}
	for _, f := range lost {
		erased[strings.Split(f.subject, ".")[3]] = true
	}
	bought := t.shops.purchases()
	for _, i := range t.known() {
		out.Orders++
		n := bought[i.key()]
		out.Purchases += n
		if n > i.most {
			out.Twice++
			// Where nobody is left who was told, and the shop takes no key, nothing
			// in the world says that it was bought.
			if unknowable := forgotten && erased[i.id] && i.provider == messages.BalanceSteam; !t.control && !unknowable {
				out.violate("%s: %s sold to %s %d times", i.id, i.provider, i.account, n)
			}
		}
		t.ended(ctx, events, i, n, out)
	}
	switch {
	case t.control:
	case !out.Tripped && forgotten:
		out.Forgotten = true
	case out.Lost > 0 && !out.Tripped:
		out.violate("%d acknowledged events are gone and the fence is silent, the first at %d: %s, to %s", len(lost), lost[0].seq, lost[0].subject, lost[0].by)
	case out.Lost == 0 && out.Tripped:
		out.FalseAlarm = true
	}
	return t.buried(ctx, out)
}

// lately is the time within which what one node was told has certainly not come
// to another: production's is ten times as long, as its looks are.
const lately = time.Second

// forgotten reports whether all that is lost was acknowledged just before the end
// of the server to nodes that ended with it. Then nobody is left who knows, and
// no fence can trip.
func (t *trial) forgotten(lost []fact) bool {
	return !slices.ContainsFunc(lost, func(f fact) bool { return !t.dead[f.by] || t.struck.Sub(f.told) > lately })
}

// ended looks at the end of one order that n things were sold to.
func (t *trial) ended(ctx context.Context, events jetstream.Stream, i *item, n int, out *outcome) {
	l, err := lastOf(ctx, events, i.id)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		out.LostOrders++
		if (i.fresh || !t.fault.orders) && !t.hidden[i.id] {
			out.violate("%s was handed in and is lost", i.id)
		}
	case err != nil:
		out.violate("%s cannot be read: %v", i.id, err)
	case l.State == messages.Unresolved:
		out.ByOperator++
	case l.State == messages.Succeeded && n == 0:
		out.violate("%s succeeded, and nothing was sold to %s", i.id, i.account)
	case l.State != messages.Succeeded && l.Terminal && n > 0:
		out.violate("%s is %s, and %s sold it", i.id, l.State, i.provider)
	case i.fresh && l.Terminal && l.State != messages.Succeeded:
		out.violate("%s came when all was well and is %s", i.id, l.State)
	}
}

// buried looks for the dead letters: as many as were deserved.
func (t *trial) buried(ctx context.Context, out *outcome) error {
	dead, err := t.js.Stream(ctx, messages.StreamDLQ)
	if err != nil {
		return err
	}
	if n := dead.CachedInfo().State.Msgs; n < uint64(t.nonsense) { //nolint:gosec // small
		out.violate("%d of %d messages that nobody can read are in the DLQ", n, t.nonsense)
	}
	return nil
}
