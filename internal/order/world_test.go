package order_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// shop is a tiny provider with its own books. What it has sold is the truth
// that the order's events are held against.
type shop struct {
	keyed bool           // it refuses a reference that it has sold under
	sold  map[string]int // by reference
	state string         // of what was sold: "", done, working or failed
}

func (s *shop) total() (n int) {
	for _, k := range s.sold {
		n += k
	}
	return n
}

// call is one creating request: from its intent until its owner reports.
type call struct {
	nonce, reference string
	lease            time.Time
	sent             bool
	answer           order.Change // what the owner will say
}

// world is one order, its workers and its shop.
type world struct {
	t       *rapid.T
	shop    shop
	now     time.Time
	last    *messages.Event
	chain   []*messages.Event
	calls   []*call // not reported yet
	nonces  int
	lookups bool    // the shop can be asked by our reference
	seen    []sight // lookups under way: what they will tell
	wrong   int     // decisions of operators that the books did not bear out
	known   bool    // an answer that tells of a purchase has come since the last decision
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, now: t0, shop: shop{sold: map[string]int{}}}
	kind := messages.Topup
	if w.shop.keyed = rapid.Bool().Draw(t, "keyed"); w.shop.keyed {
		kind = messages.Offer
		if w.lookups = rapid.Bool().Draw(t, "lookups"); w.lookups {
			kind = messages.Exchange
		}
	}
	w.apply(order.Change{Input: order.Accept, New: submission(kind), Origin: "ORDERS:1"})
	return w
}

// apply applies a change twice, to the event in memory and to the one read
// back from the wire: a worker that restarts must come to the same.
func (w *world) apply(c order.Change) order.Verdict {
	w.t.Helper()
	c.At = w.now
	e, v := order.Apply(w.last, c)
	again, vAgain := order.Apply(wire(w.t, w.last), c)
	if v != vAgain || text(w.t, wire(w.t, e)) != text(w.t, wire(w.t, again)) {
		w.t.Fatalf("%s: %s %s in memory, %s %s from the wire", c.Input, v, text(w.t, e), vAgain, text(w.t, again))
	}
	if e == nil {
		return v
	}
	follows(w.t, w.last, e)
	w.settles(e, c)
	w.last, w.chain = e, append(w.chain, e)
	return v
}

// settles checks what a refusal must not do, and what may take a new reference.
func (w *world) settles(e *messages.Event, c order.Change) {
	if w.last == nil {
		return
	}
	if no := c.Input == order.OwnRefused || c.Input == order.OwnRetry; no && w.last.Work.InDoubt && !w.last.Work.Unheard && !e.Work.InDoubt && w.last.Work.Unsaid != c.Nonce {
		w.t.Fatalf("%s settled the doubt about an earlier request", c.Input)
	}
	from, next := order.NextReference(w.last), order.NextReference(e)
	allowed := c.Input == order.OwnRetry && c.Requote || c.Input == order.DecidePlaceAgain && c.NewReference
	if next > from && !allowed {
		w.t.Fatalf("%s moved the next reference from %d to %d", c.Input, from, next)
	}
}

// claim is a worker that finds a place command.
func (w *world) claim(*rapid.T) { w.intent(order.Claim) }

// repeat is a worker that finds a doubt at a shop that refuses what it has seen.
func (w *world) repeat(*rapid.T) { w.intent(order.Repeat) }

func (w *world) intent(in order.Input) {
	w.nonces++
	i := intent(w.last, fmt.Sprint("n", w.nonces), w.now)
	i.Reference = fmt.Sprint("ref", i.ReferenceN)
	v := w.apply(order.Change{Input: in, Intent: i})
	if v == order.Write {
		w.calls = append(w.calls, &call{nonce: i.Nonce, reference: i.Reference, lease: i.LeaseUntil})
	}
	if w.known && v == order.Write && in == order.Claim {
		w.t.Fatal("another attempt began, though it was told that the order is bought")
	}
	if in == order.Repeat && v == order.Write && !w.shop.keyed {
		w.t.Fatal("a request without a key was repeated")
	}
}

// send lets one owner make its call. The guard of the transport stops it once
// its lease is over; nothing else does, least of all the order's state.
func (w *world) send(t *rapid.T) {
	c := w.pick(t, func(c *call) bool { return !c.sent })
	if c == nil {
		return
	}
	c.sent = true
	c.answer = order.Change{Nonce: c.nonce, RetryAt: w.now.Add(time.Second), Error: refusal("X")}
	if !w.now.Before(c.lease) {
		c.answer.Input = order.OwnRetry // not sent
		return
	}
	w.serve(t, c)
	if rapid.Bool().Draw(t, "answer lost") {
		c.answer = order.Change{Input: order.OwnUnknown, Nonce: c.nonce, RetryAt: w.now, Error: ambiguous(), NeedsOperator: !w.shop.keyed}
	}
}

// serve is the shop at work.
func (w *world) serve(t *rapid.T, c *call) {
	answer := rapid.SampledFrom([]string{"done", "working", "failed", "refused", "price", "price", "blocked", "busy", "busy"}).Draw(t, "shop")
	if w.shop.keyed && w.shop.sold[c.reference] > 0 {
		if answer == "price" || answer == "blocked" { // it looks at these first
			c.answer.Input, c.answer.Requote, c.answer.Blocked = order.OwnRetry, answer == "price", answer == "blocked"
			return
		}
		c.answer.Input = order.OwnDuplicate
		return
	}
	switch answer {
	case "done", "working", "failed":
		w.shop.sold[c.reference]++
		w.shop.state = answer
		c.answer.Ref = map[string]string{"order_id": fmt.Sprint(w.shop.total())}
		c.answer.Error = nil
		c.answer.Input = map[string]order.Input{
			"done": order.OwnSucceeded, "working": order.OwnProcessing, "failed": order.OwnFailed,
		}[answer]
	case "refused":
		c.answer.Input = order.OwnRefused
	default:
		c.answer.Input, c.answer.Requote, c.answer.Blocked = order.OwnRetry, answer == "price", answer == "blocked"
		c.answer.BlockedMax = time.Hour
	}
}

// report lets one owner say what it heard, once or twice, however late.
func (w *world) report(t *rapid.T) {
	c := w.pick(t, func(c *call) bool { return c.sent })
	if c == nil {
		return
	}
	w.apply(c.answer)
	switch c.answer.Input {
	case order.OwnSucceeded, order.OwnProcessing, order.OwnDuplicate:
		w.known = true
	}
	if rapid.Bool().Draw(t, "told again") {
		if v := w.apply(c.answer); v == order.Write && w.last.Type != messages.LateEvidence {
			t.Fatalf("%s told again wrote %s", c.answer.Input, w.last.Type)
		}
	}
	w.drop(c)
}

// die loses an owner and what it heard.
func (w *world) die(t *rapid.T) {
	if c := w.pick(t, func(*call) bool { return true }); c != nil {
		w.drop(c)
	}
}

func (w *world) drop(gone *call) {
	var rest []*call
	for _, c := range w.calls {
		if c != gone {
			rest = append(rest, c)
		}
	}
	w.calls = rest
}

func (w *world) pick(t *rapid.T, ok func(*call) bool) *call {
	var fit []*call
	for _, c := range w.calls {
		if ok(c) {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return rapid.SampledFrom(fit).Draw(t, "call")
}

// tick passes time: a second, a lease, or a hold-down.
func (w *world) tick(t *rapid.T) {
	w.now = w.now.Add(rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Second, 20 * time.Minute}).Draw(t, "tick"))
}

func (w *world) leaseOver(t *rapid.T) {
	if l := w.last.LeaseUntil; l != nil && l.After(w.now) && rapid.Bool().Draw(t, "wait for the lease") {
		w.now = *l
	}
	w.apply(order.Change{Input: order.LeaseOver, RetryAt: w.now, NeedsOperator: !w.shop.keyed, Error: ambiguous()})
}

// look asks the shop about our reference, where it can be asked.
func (w *world) look(*rapid.T) {
	if !w.lookups && w.last.ProviderRef["order_id"] == "" || w.shop.total() == 0 {
		return
	}
	in := map[string]order.Input{"done": order.SeenSucceeded, "working": order.SeenProcessing, "failed": order.SeenFailed}[w.shop.state]
	w.seen = append(w.seen, sight{in, w.last.Attempt})
}

// sight is what a lookup saw, and during which attempt it was made.
type sight struct {
	input   order.Input
	attempt int
}

// tell brings what a lookup has seen to the order, perhaps long after.
func (w *world) tell(*rapid.T) {
	if len(w.seen) > 0 {
		again := w.last.Work.InDoubt || w.last.State == messages.Placing && w.last.Attempt == 1 // it will be found again
		saw := w.seen[0]
		old := w.last.Terminal() && saw.input == order.SeenProcessing // it may have ended since
		w.apply(order.Change{Input: saw.input, Attempt: saw.attempt})
		w.known = w.known || saw.input != order.SeenFailed && !again && !old
		w.seen = w.seen[1:]
	}
}

// finish lets the shop end what it works on.
func (w *world) finish(t *rapid.T) {
	if w.shop.state == "working" {
		w.shop.state = rapid.SampledFrom([]string{"done", "failed"}).Draw(t, "end")
	}
}

func (w *world) ask(*rapid.T) { w.apply(order.Change{Input: order.AskOperator}) }

func (w *world) evidence(*rapid.T) {
	w.apply(order.Change{Input: order.AddEvidence, Evidence: map[string]any{"balance": "1"}})
}

// operate is an operator who looks into the shop's books and decides by them,
// and sometimes decides blindly.
func (w *world) operate(t *rapid.T) {
	if w.last.State != messages.Unresolved || !w.last.NeedsOperator {
		return
	}
	if n := w.last.NotBefore; n.After(w.now) && rapid.Bool().Draw(t, "wait for not_before") {
		w.now = *n
	}
	blind := rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "blind")
	switch {
	case blind:
		in := rapid.SampledFrom([]order.Input{order.DecideFailed, order.DecidePlaceAgain}).Draw(t, "decision")
		if w.apply(order.Change{Input: in, NewReference: rapid.Bool().Draw(t, "new reference")}) == order.Write {
			w.known = false
			if w.shop.total() > 0 {
				w.wrong++
			}
		}
	case w.shop.total() > 0 && w.shop.state == "done":
		w.apply(order.Change{Input: order.DecideSucceeded})
	case w.shop.total() > 0 && w.shop.state == "working":
		return
	case rapid.Bool().Draw(t, "again") && w.shop.total() == 0:
		w.apply(order.Change{Input: order.DecidePlaceAgain, NewReference: rapid.Bool().Draw(t, "new reference")})
	default:
		w.apply(order.Change{Input: order.DecideFailed})
	}
}

func (w *world) upstream(t *rapid.T) {
	// A cancel that ends the order early is rare, or little else would happen.
	in := rapid.SampledFrom([]order.Input{
		order.ConfirmRequest, order.CancelDenied, order.ConfirmDenied, order.ConfirmRequest, order.CancelRequest,
	}).Draw(t, "request")
	w.apply(order.Change{Input: in, Origin: fmt.Sprint("ORDERS:", rapid.IntRange(2, 4).Draw(t, "origin"))})
}

func (w *world) dispatcher(t *rapid.T) {
	in := rapid.SampledFrom([]order.Input{
		order.Accept, order.Reject, order.Postpone, order.Postpone, order.Postpone, order.Postpone, order.Expire, order.Refuse, order.Unprocessable,
	}).Draw(t, "input")
	w.apply(order.Change{Input: in, New: submission(messages.Offer), RetryAt: w.now.Add(time.Second)})
}

// check holds the order against the shop's books.
func (w *world) check(t *rapid.T) {
	e := w.last
	if n := w.shop.total(); n > 1+w.wrong {
		t.Fatalf("bought %d times", n)
	}
	running := false
	for _, c := range w.calls {
		refused := w.shop.keyed && w.shop.sold[c.reference] > 0
		running = running || !c.sent && !refused && w.now.Before(c.lease)
	}
	switch e.State {
	case messages.Succeeded:
		if w.shop.total() == 0 {
			t.Fatal("succeeded, and nothing was bought")
		}
	case messages.Failed, messages.Canceled, messages.Expired, messages.Retrying, messages.Accepted:
		if w.shop.total() > 0 && w.shop.state != "failed" && w.wrong == 0 {
			t.Fatalf("%s, and it was bought", e.State)
		}
		if w.known && !e.NeedsOperator && w.shop.state == "done" {
			t.Fatalf("%s, though it was told that the order is bought, and no operator is asked", e.State)
		}
		if running {
			t.Fatalf("%s, while a request may still leave", e.State)
		}
	}
	due, ok := order.Next(e, order.Times{PollFirst: time.Second, PollMax: time.Hour, BlockedMax: time.Hour}, w.now)
	parked := e.State == messages.Unresolved && e.NeedsOperator
	if ok == (e.Terminal() || parked) {
		t.Fatalf("%s, needs_operator %t: next is %v %t", e.State, e.NeedsOperator, due, ok)
	}
	if ok && due.Verb != messages.Place && due.Verb != messages.Check {
		t.Fatalf("next verb %q", due.Verb)
	}
}

func TestApply_NoWorldBuysTwiceOrCallsUnknownFailed(t *testing.T) {
	t.Parallel()
	for part := range 8 {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, oneWorld)
		})
	}
}

func oneWorld(t *rapid.T) {
	w := newWorld(t)
	var steps []func(*rapid.T)
	for _, s := range []struct {
		weight int
		step   func(*rapid.T)
	}{
		{8, w.claim}, {8, w.send}, {6, w.report}, {5, w.leaseOver}, {5, w.repeat}, {5, w.operate}, {3, w.look}, {3, w.tell},
		{3, w.tick}, {2, w.finish}, {1, w.die}, {1, w.ask}, {1, w.evidence}, {1, w.upstream}, {1, w.dispatcher},
	} {
		for range s.weight {
			steps = append(steps, s.step)
		}
	}
	for range rapid.SampledFrom([]int{20, 60, 150}).Draw(t, "length") {
		rapid.SampledFrom(steps).Draw(t, "step")(t)
		w.check(t)
	}
	terminals := 0
	for i, e := range w.chain {
		if e.N != uint64(i+1) {
			t.Fatalf("event %d bears the number %d", i+1, e.N)
		}
		if e.Type.ChangesState() && e.Type.Terminal() && e.Type != messages.Reversed {
			terminals++
		}
	}
	if terminals > 1 {
		t.Fatalf("%d terminal events", terminals)
	}
}
