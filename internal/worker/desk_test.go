package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// desk is a provider of deposits that tells of each reference what the test has
// it tell. What it takes down is its books, which no answer of ours can change.
type desk struct {
	mu      sync.Mutex
	changed chan struct{}
	drop    int              // creates to lose before they arrive
	lose    int              // answers to lose after that
	hidden  bool             // lookups find nothing yet
	late    int              // lookups that are yet told what was said before
	calls   []string         // references of all creates
	refs    []string         // of those that arrived, in their order
	says    map[int]saying   // by the place in refs, from 1
	said    map[int]saying   // what was said before that
	looks   map[string]int   // by reference
	ids     map[string][]any // what the caller knew of a reference's id at each look
}

// saying is what the desk says of one deposit.
type saying struct {
	answer providers.Answer
	err    error
}

func newDesk() *desk {
	return &desk{changed: make(chan struct{}), says: map[int]saying{}, said: map[int]saying{}, looks: map[string]int{}, ids: map[string][]any{}}
}

const firstID = 13

var errExists = &providers.Error{Op: "desk.create", Code: "5", Message: "order_id_already_exists", Exists: true}

// Prepare implements [providers.Provider].
func (s *desk) Prepare(context.Context, providers.Order) (providers.Plan, error) {
	return providers.Plan{}, nil
}

// Place implements [providers.Provider].
func (s *desk) Place(ctx context.Context, o providers.Order, _ providers.Plan) (providers.Answer, error) {
	if guard := providers.SendGuard(ctx); guard == nil {
		return providers.Answer{}, errors.New("no guard")
	} else if err := guard(); err != nil {
		return providers.Answer{}, &providers.Error{Op: "desk.create", Class: providers.Retryable, Code: providers.CodeNotSent, Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, o.Reference)
	if s.drop > 0 {
		s.drop--
		return providers.Answer{}, errTimeout
	}
	if s.place(o.Reference) > 0 {
		return providers.Answer{}, errExists
	}
	s.refs = append(s.refs, o.Reference)
	if s.lose > 0 {
		s.lose--
		return providers.Answer{}, errTimeout
	}
	id := s.id(len(s.refs))
	return providers.Answer{
		Status: providers.StatusActionRequired, Ref: map[string]string{"transaction_id": id},
		Action: &messages.Action{URL: "https://pay.example/" + id},
	}, nil
}

// place is where a reference stands in refs, from 1; 0 for nowhere.
func (s *desk) place(reference string) int {
	for i, r := range s.refs {
		if r == reference {
			return i + 1
		}
	}
	return 0
}

func (s *desk) id(place int) string { return strconv.Itoa(firstID + place - 1) }

// Lookup implements [providers.Provider].
func (s *desk) Lookup(_ context.Context, o providers.Order) (providers.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks[o.Reference]++
	s.ids[o.Reference] = append(s.ids[o.Reference], o.Ref["transaction_id"])
	close(s.changed)
	s.changed = make(chan struct{})
	place := s.place(o.Reference)
	if place == 0 || s.hidden {
		return providers.Answer{Status: providers.StatusAbsent}, nil
	}
	said, told := s.says[place]
	if s.late > 0 {
		s.late--
		said = s.said[place]
	}
	if !told {
		said.answer.Status = providers.StatusActionRequired
	}
	a := said.answer
	a.Ref = map[string]string{"transaction_id": s.id(place)}
	if a.Status == providers.StatusSucceeded {
		a.Deliverable = json.RawMessage(fmt.Sprintf(`{"amount":%s,"deposits":[{"reference":%q,"transaction_id":%q,"status":"success","amount":%s}]}`,
			sum(place), o.Reference, s.id(place), sum(place)))
	}
	return a, said.err
}

// sum is what a deposit brought: more digits than a float holds.
func sum(place int) string {
	return fmt.Sprintf(`{"amount":"%d.123456789012345678","currency":"USD"}`, place)
}

// say has the desk tell of the deposit that was made in that place.
func (s *desk) say(place int, a providers.Answer) { s.saying(place, saying{answer: a}) }

func (s *desk) saying(place int, what saying) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said[place], s.says[place] = s.says[place], what
}

func (s *desk) set(do func()) { s.mu.Lock(); defer s.mu.Unlock(); do() }

func (s *desk) looked(reference string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks[reference]
}

func (s *desk) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

// known is what the caller knew of a reference's id at the last look.
func (s *desk) known(reference string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ids := s.ids[reference]; len(ids) > 0 {
		return ids[len(ids)-1]
	}
	return nil
}

// await waits until a reference has been asked about n times more, and what
// came of it is recorded: that the next look has begun proves it of the last.
func (s *desk) await(t *testing.T, reference string, n int) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	s.mu.Lock()
	goal := s.looks[reference] + n + 1
	s.mu.Unlock()
	for {
		s.mu.Lock()
		have, changed := s.looks[reference], s.changed
		s.mu.Unlock()
		if have >= goal {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("%s was asked about %d times, not %d", reference, have, goal)
		}
	}
}

var (
	deadFor = func(reason string) providers.Answer {
		return providers.Answer{Status: providers.StatusFailed, Code: reason, Evidence: map[string]any{"deposit_status": "fail"}}
	}
	paidUp = providers.Answer{Status: providers.StatusSucceeded, Finality: messages.Final, Evidence: map[string]any{"deposit_status": "success"}}
)

var _ providers.Provider = (*desk)(nil)
