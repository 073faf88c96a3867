package order_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
)

// vary lists, for an input, the flags that may matter to it.
func vary(f *flags, in order.Input) []*bool {
	switch {
	case isOwn(in):
		return []*bool{
			&f.foreign, &f.earlierDoubt, &f.answered, &f.contradicted, &f.asked, &f.requote, &f.quotesSpent, &f.blockedLong, &f.news, &f.acted,
		}
	case isDecision(in):
		return []*bool{&f.asked, &f.heldDown, &f.contradicted, &f.earlierDoubt}
	case in >= order.CancelRequest && in <= order.ConfirmDenied:
		return []*bool{&f.mayCancel, &f.mayConfirm, &f.redelivered, &f.contradicted, &f.asked, &f.leaseRuns}
	default:
		return []*bool{
			&f.earlierDoubt, &f.contradicted, &f.asked, &f.blockedLong, &f.news, &f.leaseRuns, &f.keyless, &f.deposit, &f.linksSpent, &f.acted,
		}
	}
}

// check applies a scene and compares with what the contract asks for.
func check(t interface {
	Helper()
	Errorf(string, ...any)
}, s scene) bool {
	t.Helper()
	last, c, possible := s.build()
	if !possible {
		return false
	}
	e, v := order.Apply(last, c)
	got, want := outcome{verdict: v}, expected(s)
	if e != nil {
		got.event, got.operator = e.Type, e.NeedsOperator
		if e.Type == messages.LateEvidence {
			got.operator, want.operator = false, false
		}
		follows(t, last, e)
	}
	if got != want {
		t.Errorf("%q + %s %+v:\n got %+v\nwant %+v", s.state, s.input, s.flags, got, want)
	}
	return true
}

// follows checks what must hold between any event and the one before it.
func follows(t interface {
	Helper()
	Errorf(string, ...any)
}, last, e *messages.Event) {
	t.Helper()
	fail := func(what string) { t.Helper(); t.Errorf("%s: after %+v came %+v", what, last, e) }
	if e.Type.ChangesState() && e.State != e.Type {
		fail("the state is not the type of the last event that changed it")
	}
	if e.State == messages.Unresolved && e.NeedsOperator && e.NotBefore == nil {
		fail("an operator is asked without not_before")
	}
	if e.State == messages.Unresolved && !e.Work.InDoubt || e.State.Terminal() && e.Work.InDoubt || e.State == messages.Retrying && e.Work.InDoubt {
		fail("doubt and state disagree")
	}
	if last == nil {
		if e.N != 1 {
			fail("the first event is not number 1")
		}
		return
	}
	if e.N != last.N+1 {
		fail("the numbers have a gap")
	}
	if !e.Type.ChangesState() && e.State != last.State {
		fail("an event that changes no state changed it")
	}
	if e.Type.ChangesState() && last.State.Terminal() && !(last.State == messages.Succeeded && e.State == messages.Reversed) {
		fail("a terminal state was left")
	}
	if e.Tenant != last.Tenant || e.OrderID != last.OrderID || e.Provider != last.Provider || e.Kind != last.Kind ||
		string(e.Order) != string(last.Order) || fmt.Sprint(e.Metadata) != fmt.Sprint(last.Metadata) {
		fail("what the order is has changed")
	}
	if (e.Attempt != last.Attempt) != (e.Type == messages.Placing) {
		fail("an attempt is counted exactly when it begins")
	}
}

func TestApply_EveryStateAndInputDoesWhatTheContractAsks(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, state := range order.States() {
		for _, input := range order.Inputs() {
			s := scene{state: state, input: input}
			bits := vary(&s.flags, input)
			for mask := range 1 << len(bits) {
				for i, bit := range bits {
					*bit = mask&(1<<i) != 0
				}
				if check(t, s) {
					checked++
				}
			}
			if t.Failed() {
				return // one pair at a time
			}
		}
	}
	if checked < 50000 {
		t.Errorf("only %d scenes were possible", checked)
	}
	t.Logf("%d scenes", checked)
}

// Flags that do not belong to an input must not matter to it.
func TestApply_NothingElseMatters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := scene{
			state: rapid.SampledFrom(order.States()[1:]).Draw(t, "state"),
			input: rapid.SampledFrom(order.Inputs()).Draw(t, "input"),
		}
		f := &s.flags
		for i, bit := range []*bool{
			&f.foreign, &f.earlierDoubt, &f.answered, &f.contradicted, &f.asked, &f.requote, &f.quotesSpent, &f.blockedLong, &f.news,
			&f.leaseRuns, &f.heldDown, &f.keyless, &f.deposit, &f.linksSpent, &f.mayCancel, &f.mayConfirm, &f.redelivered, &f.acted,
		} {
			*bit = rapid.Bool().Draw(t, fmt.Sprint("flag", i))
		}
		check(t, s)
		last, c, _ := s.build()
		before := text(t, last)
		order.Apply(last, c)
		if text(t, last) != before {
			t.Fatalf("%q + %s changed the event before it", s.state, s.input)
		}
	})
}

func TestApply_AnInputThatIsNoneIsForbidden(t *testing.T) {
	t.Parallel()
	if _, v := order.Apply(in(messages.Accepted), order.Change{Input: order.Input(len(order.Inputs()))}); v != order.Forbidden {
		t.Errorf("verdict %s, want forbidden", v)
	}
}

func isOwn(in order.Input) bool  { return in >= order.OwnSucceeded && in <= order.OwnDuplicate }
func isSeen(in order.Input) bool { return in >= order.SeenProcessing && in <= order.LinkLost }
func isDecision(in order.Input) bool {
	return in == order.DecideSucceeded || in == order.DecideFailed || in == order.DecidePlaceAgain
}
