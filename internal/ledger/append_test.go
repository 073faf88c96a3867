package ledger_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestAppend_StoresTheEventAsTheContractHasIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := open(t, b.srv.Conn(t), ledger.Options{})
	first := mustAppend(t, l, event("ord-1", 1, messages.Accepted, ""), 0)
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	traced := telemetry.Extract(within(t), nats.Header{"traceparent": {parent}, "tracestate": {"shop=1"}})
	second, err := l.Append(traced, event("ord-1", 2, messages.Placing, "a"), first)
	if err != nil {
		t.Fatal(err)
	}

	s, err := b.js.Stream(t.Context(), messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	if want := "events.gamesdrop.acme.ord-1.placing"; m.Subject != want {
		t.Errorf("subject %s, want %s", m.Subject, want)
	}
	for header, want := range map[string]string{
		"Content-Type":                          "application/json",
		"traceparent":                           parent,
		"tracestate":                            "shop=1",
		jetstream.ExpectedLastSubjSeqHeader:     fmt.Sprint(first),
		jetstream.ExpectedLastSubjSeqSubjHeader: "events.*.acme.ord-1.>",
	} {
		if got := m.Header.Get(header); got != want {
			t.Errorf("header %s is %q, want %q", header, got, want)
		}
	}
	want := nats.Header{"traceparent": {parent}, "tracestate": {"shop=1"}}
	for name, read := range map[string]func() (*ledger.Entry, error){
		"the leader":    func() (*ledger.Entry, error) { return l.Last(within(t), tenant, "ord-1") },
		"the next node": func() (*ledger.Entry, error) { return l.At(within(t), second) },
	} {
		entry, err := read()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, entry.Trace); diff != "" {
			t.Errorf("trace as %s tells it (-want +got):\n%s", name, diff)
		}
	}
	if entry, err := l.At(within(t), first); err != nil || entry.Trace != nil {
		t.Errorf("an event without a trace has %v, %v", entry.Trace, err)
	}
}

func TestAppend_RefusesWhatBreaksTheContractBeforeItIsSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		change   func(*messages.Event)
		expected uint64
	}{
		"n is 0":                {func(e *messages.Event) { e.N = 0 }, 0},
		"n 1 follows something": {func(*messages.Event) {}, 7},
		"n 2 follows nothing":   {func(e *messages.Event) { e.N = 2 }, 0},
		"an intent follows nothing": {func(e *messages.Event) {
			e.N, e.Attempt, e.Type, e.State, e.Work = 2, 1, messages.Placing, messages.Placing, &messages.Work{Nonce: "n1", Answered: true}
		}, 0},
		"what was never sent follows nothing": {func(e *messages.Event) {
			e.N, e.Type, e.State, e.Work = 3, messages.Unresolved, messages.Unresolved, &messages.Work{Nonce: "n1", Answered: true}
		}, 0},
		"a lookup that says not bought follows nothing": {func(e *messages.Event) {
			e.N, e.Attempt, e.Type, e.State, e.Work = 3, 1, messages.Failed, messages.Failed, &messages.Work{Nonce: "n1"}
		}, 0},
		"an answer to upstream follows nothing": {func(e *messages.Event) {
			e.N, e.Attempt, e.Type, e.State, e.Work = 3, 1, messages.CancelRefused, messages.Processing, &messages.Work{Nonce: "n1", Answered: true}
		}, 0},
		"an order accepted again follows nothing": {func(e *messages.Event) {
			e.N, e.Attempt, e.Work = 3, 1, &messages.Work{Nonce: "n1", Answered: true}
		}, 0},
		"a tombstone follows nothing": {func(e *messages.Event) {
			e.N, e.Attempt, e.Type, e.State, e.Work = 3, 1, messages.Forgotten, messages.Failed, &messages.Work{Nonce: "n1", Answered: true}
		}, 0},
		"order id is a wildcard":     {func(e *messages.Event) { e.OrderID = ">" }, 0},
		"order id adds a token":      {func(e *messages.Event) { e.OrderID = "a.b" }, 0},
		"tenant is reserved":         {func(e *messages.Event) { e.Tenant = "unknown" }, 0},
		"unknown type":               {func(e *messages.Event) { e.Type, e.State = "paid", "paid" }, 0},
		"type and state disagree":    {func(e *messages.Event) { e.State = messages.Failed }, 0},
		"no provider, not rejected":  {func(e *messages.Event) { e.Provider = "" }, 0},
		"too long":                   {func(e *messages.Event) { filler(e, messages.MaxEventBytes) }, 0},
		"evidence cannot be encoded": {func(e *messages.Event) { e.Evidence = map[string]any{"c": make(chan int)} }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e := event("ord-1", 1, messages.Accepted, "")
			c.change(e)
			_, err := b.l.Append(within(t), e, c.expected)
			wantErr(t, err, ledger.ErrInvalid)
		})
	}
	if got := stored(t, b.js); got != 0 {
		t.Errorf("%d messages are stored", got)
	}
}

func TestAppend_TakesTheLongestEventAndReadsItBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := filler(event("ord-1", 1, messages.Accepted, ""), 0)
	body, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	filler(e, messages.MaxEventBytes-len(body))
	seq := mustAppend(t, b.l, e, 0)
	last, err := b.l.Last(within(t), tenant, "ord-1")
	if err != nil {
		t.Fatal(err)
	}
	if last.Seq != seq || len(last.Event.Metadata["filler"]) != len(e.Metadata["filler"]) {
		t.Errorf("read back sequence %d with %d bytes", last.Seq, len(last.Event.Metadata["filler"]))
	}
	_, err = b.l.Append(within(t), filler(e, len(e.Metadata["filler"])+1), seq)
	wantErr(t, err, ledger.ErrInvalid)
}

func TestAppend_ARejectedOrderOfAnUnknownProviderStandsUnderNone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := event("ord-1", 1, messages.Rejected, "")
	e.Provider = ""
	seq := mustAppend(t, b.l, e, 0)
	if _, err := b.l.At(within(t), seq); err != nil {
		t.Error(err)
	}
	// The compare-and-set spans all providers: the id is used up for every one.
	_, err := b.l.Append(within(t), event("ord-1", 1, messages.Accepted, ""), 0)
	wantErr(t, err, ledger.ErrConflict)
}

func TestAppend_OfAnEventThatIsStoredAlreadyReturnsItsSequence(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := mustAppend(t, b.l, event("ord-1", 1, messages.Accepted, ""), 0)
	second := mustAppend(t, b.l, event("ord-1", 2, messages.Placing, "a"), first)
	mustAppend(t, b.l, event("ord-1", 3, messages.Succeeded, "a"), second)

	if again := mustAppend(t, b.l, event("ord-1", 2, messages.Placing, "a"), first); again != second {
		t.Errorf("the second append says sequence %d, want %d", again, second)
	}
	_, err := b.l.Append(within(t), event("ord-1", 2, messages.Placing, "b"), first)
	wantErr(t, err, ledger.ErrConflict)
	if got := stored(t, b.js); got != 3 {
		t.Errorf("%d messages are stored, want 3", got)
	}
}

func TestAppend_AfterASequenceThatIsNotTheOrdersIsAConflict(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := open(t, b.srv.Conn(t), ledger.Options{Timeout: 100 * time.Millisecond})
	first := mustAppend(t, b.l, event("ord-1", 1, messages.Accepted, ""), 0)
	mustAppend(t, b.l, event("ord-2", 1, messages.Accepted, ""), 0)
	_, err := l.Append(within(t), event("ord-1", 2, messages.Placing, ""), first+1)
	wantErr(t, err, ledger.ErrConflict)
	_, err = l.Append(within(t), event("ord-3", 2, messages.Placing, ""), first)
	wantErr(t, err, ledger.ErrConflict)
}

func TestAppend_OrdersWhoseIdsContainEachOtherDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, id := range []string{"a", "aa", "a-a", "A", "acme", "events"} {
		mustAppend(t, b.l, event(id, 1, messages.Accepted, ""), 0)
	}
	other := event("a", 1, messages.Accepted, "")
	other.Tenant = "a"
	mustAppend(t, b.l, other, 0)
}

// race lets writers append to orders at the same time, each step by all of
// them, as long as more says so, and returns who won: winners[order][n]. It
// calls won at every victory.
func race(t *testing.T, ledgers []*ledger.Ledger, orders int, more func(n uint64) bool, won func()) map[string][]string {
	t.Helper()
	var mu sync.Mutex
	winners := make(map[string][]string)
	var wg sync.WaitGroup
	for o := range orders {
		wg.Go(func() {
			id, last := orderID(o), uint64(0)
			for n := uint64(1); more(n); n++ {
				nonce, seq, ok := contest(t, ledgers, id, n, last)
				if !ok {
					return
				}
				won()
				last = seq
				mu.Lock()
				winners[id] = append(winners[id], nonce)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return winners
}

// contest lets every ledger append another n-th event to the order. Exactly
// one must win, and all others must be told that they lost.
func contest(t *testing.T, ledgers []*ledger.Ledger, id string, n, last uint64) (nonce string, seq uint64, ok bool) {
	t.Helper()
	type result struct {
		nonce string
		seq   uint64
		err   error
	}
	typ := messages.Processing
	if n == 1 {
		typ = messages.Accepted
	}
	results := make(chan result, len(ledgers))
	for w, l := range ledgers {
		go func() {
			nonce := fmt.Sprintf("%d-%d", w, n)
			seq, err := l.Append(within(t), event(id, n, typ, nonce), last)
			results <- result{nonce, seq, err}
		}()
	}
	var won []result
	for range ledgers {
		switch r := <-results; {
		case r.err == nil:
			won = append(won, r)
		case !errors.Is(r.err, ledger.ErrConflict):
			t.Errorf("order %s, n %d: %v", id, n, r.err)
		}
	}
	if len(won) != 1 {
		t.Errorf("order %s, n %d: %d winners: %v", id, n, len(won), won)
		return "", 0, false
	}
	return won[0].nonce, won[0].seq, true
}

func nobody() {}

func upTo(n uint64) func(uint64) bool { return func(i uint64) bool { return i <= n } }

// checkWinners compares what the racers were told with what is stored.
func checkWinners(t *testing.T, l *ledger.Ledger, winners map[string][]string) {
	t.Helper()
	for id, nonces := range winners {
		history, err := l.History(within(t), tenant, id)
		if err != nil {
			t.Fatal(err)
		}
		if len(history) != len(nonces) {
			t.Errorf("order %s: %d events are stored, %d were acknowledged", id, len(history), len(nonces))
			continue
		}
		for i, e := range history {
			if e.Event.N != uint64(i+1) || e.Event.Work.Nonce != nonces[i] {
				t.Errorf("order %s: event %d has n %d by %s, want %s", id, i, e.Event.N, e.Event.Work.Nonce, nonces[i])
			}
		}
	}
}

func TestAppend_OfManyRacersExactlyOneWins(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	js := srv.JS(t)
	createEvents(t, js, 1, 1<<30)
	var ledgers []*ledger.Ledger
	for i := range 4 {
		ledgers = append(ledgers, open(t, srv.Conn(t), ledger.Options{}))
		if i%2 == 1 { // two write alone, two together
			ledger.Together(ledgers[i])
		}
	}
	winners := race(t, ledgers, 25, upTo(8), nobody)
	checkWinners(t, ledgers[0], winners)
	checkChains(t, js)
}
