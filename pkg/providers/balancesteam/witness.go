package balancesteam

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/beltline-io/beltline/pkg/providers"
)

const (
	// snapshotAge is how long a balance, or the failure to read it, is shared
	// between orders: the evidence must not cost a permit for every order.
	snapshotAge = 30 * time.Second
	// snapshotTimeout bounds how long an order waits for its evidence.
	snapshotTimeout = 5 * time.Second
)

// The keys of a plan's data. What the witness computes with is kept as text in
// the data, not in the evidence: that is read back as any, with floats.
const (
	dataBalance = "witness_balance"
	dataAt      = "witness_at"
	dataMark    = "witness_mark"
	dataProcess = "witness_process"
	dataError   = "witness_error"
)

const witnessNote = "counts the creates of this process only; other processes and people may have spent as well"

// witness gathers evidence about the balance. A nil witness gathers none.
type witness struct {
	client  *Client
	process string        // tells apart the counters of two processes
	turn    chan struct{} // holds one token: who reads the balance

	mu       sync.Mutex
	begun    int // creates begun
	ended    int // creates ended
	snapshot snapshot
}

// snapshot is a balance and how many creates had ended before it was asked for:
// all others may have changed it, or may change it after.
type snapshot struct {
	balance string
	failure string // the code of the error; empty if there is a balance
	at      time.Time
	mark    int
}

func newWitness(c *Client) *witness {
	w := &witness{client: c, process: rand.Text()[:8], turn: make(chan struct{}, 1)}
	w.turn <- struct{}{}
	return w
}

// begin counts a create; the function returned ends it.
func (w *witness) begin() func() {
	if w == nil {
		return func() {}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended++
	}
}

// before returns a plan that holds what is known of the balance.
func (w *witness) before(ctx context.Context) providers.Plan {
	plan := providers.Plan{Evidence: map[string]any{}}
	if w == nil {
		return plan
	}
	s := w.recent(ctx)
	w.mu.Lock()
	creates := w.begun - s.mark
	w.mu.Unlock()
	plan.Data = map[string]string{dataProcess: w.process, dataMark: strconv.Itoa(s.mark)}
	if s.failure != "" {
		plan.Data[dataError] = s.failure
	} else {
		plan.Data[dataBalance], plan.Data[dataAt] = s.balance, stamp(s.at)
	}
	seen := seenBefore(plan)
	seen["creates"] = creates
	plan.Evidence["witness"] = seen
	return plan
}

// seenBefore tells from a plan, also one that was recorded, what was seen.
func seenBefore(plan providers.Plan) map[string]any {
	if code := plan.Data[dataError]; code != "" {
		return map[string]any{"balance_before": nil, "at": nil, "error": code}
	}
	return map[string]any{"balance_before": plan.Data[dataBalance], "at": plan.Data[dataAt]}
}

// recent returns the shared snapshot, or takes a new one. One order reads, the
// others wait for it.
func (w *witness) recent(ctx context.Context) snapshot {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	select {
	case <-w.turn:
		defer func() { w.turn <- struct{}{} }()
	case <-ctx.Done():
		return snapshot{failure: providers.CodeTimeout, mark: w.mark()}
	}
	w.mu.Lock()
	s := w.snapshot
	w.mu.Unlock()
	if !s.at.IsZero() && time.Since(s.at) < snapshotAge {
		return s
	}
	s = w.read(ctx)
	w.mu.Lock()
	w.snapshot = s
	w.mu.Unlock()
	return s
}

// mark is the number of creates that have ended.
func (w *witness) mark() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

func (w *witness) read(ctx context.Context) snapshot {
	s := snapshot{at: time.Now(), mark: w.mark()}
	balance, err := w.client.Balance(ctx)
	if err != nil {
		s.failure = providers.AsError(err).Code
		return s
	}
	s.balance = balance.Balance.String()
	return s
}

// after adds the balance as it is now. other_creates counts the creates of this
// process that may lie between the two balances, without the order's own; it is
// null where another process noted the first balance.
func (w *witness) after(ctx context.Context, plan providers.Plan) (map[string]any, error) {
	if w == nil {
		return nil, nil
	}
	seen := map[string]any{}
	if plan.Data[dataProcess] != "" {
		maps.Copy(seen, seenBefore(plan))
	}
	now := w.read(ctx)
	seen["note"], seen["other_creates"] = witnessNote, nil
	if mark, err := strconv.Atoi(plan.Data[dataMark]); err == nil && plan.Data[dataProcess] == w.process {
		w.mu.Lock()
		seen["other_creates"] = max(0, w.begun-mark-1)
		w.mu.Unlock()
	}
	seen["balance_after"], seen["at_after"] = now.balance, stamp(now.at)
	evidence := map[string]any{"witness": seen}
	if now.failure != "" {
		seen["balance_after"], seen["error_after"] = nil, now.failure
		return evidence, errors.New("balancesteam: the balance cannot be read: " + now.failure)
	}
	return evidence, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
