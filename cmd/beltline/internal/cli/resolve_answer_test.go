package cli_test

import (
	"encoding/json"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

// service stands in for the service operator: it shows an order and answers
// decisions as a test has it.
type service struct {
	env     map[string]string
	history atomic.Pointer[[]*messages.Event] // nil answers with 503
	decide  atomic.Pointer[func(messages.Resolve, *nats.Msg)]
}

// doubtful is an order that an operator has.
func doubtful() []*messages.Event {
	now := time.Now()
	base := messages.Event{
		Time: now, Tenant: "acme", OrderID: "a", Provider: messages.BalanceSteam, Kind: messages.Topup, Attempt: 1,
		Order: json.RawMessage(`{"v":1,"id":"a"}`),
	}
	placing, doubt := base, base
	placing.N, placing.Type, placing.State = 1, messages.Placing, messages.Placing
	doubt.N, doubt.Type, doubt.State, doubt.NeedsOperator, doubt.NotBefore = 2, messages.Unresolved, messages.Unresolved, true, &now
	return []*messages.Event{&placing, &doubt}
}

// then is an order with one more event.
func then(all []*messages.Event, change func(*messages.Event)) []*messages.Event {
	e := *all[len(all)-1]
	e.N++
	change(&e)
	return append(append([]*messages.Event{}, all...), &e)
}

func serve(t *testing.T) *service {
	t.Helper()
	srv := natstest.Start(t, natstest.WithListener())
	s := &service{env: map[string]string{"NATS_URL": srv.URL(), "USER": "ada"}}
	s.shows(doubtful())
	nc := srv.Conn(t)
	on := func(method string, answer func(*nats.Msg)) {
		t.Helper()
		if _, err := nc.Subscribe(messages.OperatorServiceSubject(method), answer); err != nil {
			t.Fatal(err)
		}
	}
	on("history", func(m *nats.Msg) {
		all := s.history.Load()
		if all == nil {
			problem(m, "503", messages.Problem{Code: messages.ProblemUnavailable, Message: "the ledger does not answer; ask again"})
			return
		}
		body, err := json.Marshal(*all)
		if err != nil {
			t.Error(err)
		}
		_ = m.Respond(body)
	})
	on("resolve", func(m *nats.Msg) {
		asked, err := messages.DecodeResolve(m.Data)
		if err != nil {
			t.Error(err)
		}
		(*s.decide.Load())(asked, m)
	})
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *service) shows(all []*messages.Event) { s.history.Store(&all) }

func (s *service) answers(answer func(messages.Resolve, *nats.Msg)) { s.decide.Store(&answer) }

func problem(m *nats.Msg, status string, p messages.Problem) {
	body, err := json.Marshal(messages.ProblemBody{Error: p})
	if err != nil {
		panic(err)
	}
	_ = m.RespondMsg(&nats.Msg{Header: nats.Header{"Nats-Service-Error-Code": {status}, "Nats-Service-Error": {p.Message}}, Data: body})
}

// decided is the event that a decision leads to.
func decided(asked messages.Resolve) func(*messages.Event) {
	return func(e *messages.Event) {
		e.Type, e.State, e.NeedsOperator = messages.Failed, messages.Failed, false
		e.Evidence = map[string]any{"decision": map[string]any{
			"decision": string(asked.Decision), "by": asked.By, "evidence": asked.Evidence, "expected_n": asked.ExpectedN,
		}}
	}
}

var failing = []string{"resolve", "acme/a", "--decision", "failed", "--evidence", `{"seen": "nothing", "sum": 1.50}`, "--yes"}

func TestResolve_EveryRefusalIsExplainedWithWhatToDo(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(10 * time.Minute)
	s := serve(t)
	for _, tt := range []struct {
		status  string
		problem messages.Problem
		code    int
		says    []string
	}{
		{"409", messages.Problem{Code: messages.ProblemHoldDown, Message: "early", N: 2, NotBefore: &soon}, app.ExitFailure, []string{
			"nothing was written: it is too early for failed", "It may be decided from .* on, in (9m|10m).*give the same command again then",
		}},
		{"409", messages.Problem{Code: messages.ProblemHoldDown, Message: "early", N: 2}, app.ExitFailure, []string{
			"nothing was written: it is too early", "still being looked up", "beltline order watch a --tenant acme",
		}},
		{"409", messages.Problem{Code: messages.ProblemWrongState, Message: "the order is retrying: no", N: 2}, app.ExitFailure, []string{
			"nothing was written: the order is retrying: no",
		}},
		{"400", messages.Problem{Code: messages.ProblemBadRequest, Message: "bad", Faults: []messages.Fault{
			{Pointer: "/evidence", Message: "must have at most 8192 bytes in all"}, {Pointer: "/by", Message: "must not be empty"},
		}}, app.ExitConfig, []string{"nothing was written", "^  --evidence: must have at most 8192 bytes in all$", "^  --by: must not be empty$"}},
		{"404", messages.Problem{Code: messages.ProblemNotFound, Message: "no such order"}, 3, []string{"nothing was written: no such order: acme/a"}},
	} {
		s.answers(func(_ messages.Resolve, m *nats.Msg) { problem(m, tt.status, tt.problem) })
		r := must(t, s.env, tt.code, "", failing...)
		for _, text := range tt.says {
			r.stderr.shows(t, text)
		}
	}
}

func TestResolve_ADecisionOfUnknownFateIsNeverCalledRefused(t *testing.T) {
	t.Parallel()
	lost := func(_ messages.Resolve, m *nats.Msg) {
		problem(m, "503", messages.Problem{Code: messages.ProblemUnavailable, Message: "it is not known whether the decision was written"})
	}
	run := func(t *testing.T, s *service, code int, more ...string) *running {
		t.Helper()
		r := must(t, s.env, code, "", append(failing, more...)...)
		r.stderr.shows(t, "it is not known whether the decision was written")
		return r
	}
	t.Run("it was written, and the ledger says so", func(t *testing.T) {
		t.Parallel()
		s := serve(t)
		s.answers(func(asked messages.Resolve, m *nats.Msg) {
			s.shows(then(doubtful(), decided(asked)))
			lost(asked, m)
		})
		r := run(t, s, app.ExitOK)
		r.stderr.shows(t, "^The decision was written all the same$")
		r.stdout.shows(t, `^acme/a\tfailed\tevent 3, decided by ada$`)
		r = must(t, s.env, app.ExitOK, "", append(failing, "--expected-n", "2")...)
		r.stderr.shows(t, "^this decision had been written already$")
		must(t, s.env, app.ExitFailure, "", failing...).stderr.shows(t, "nothing was written: acme/a is failed")
	})
	t.Run("it was not written, and something else was", func(t *testing.T) {
		t.Parallel()
		s := serve(t)
		s.answers(func(asked messages.Resolve, m *nats.Msg) {
			other := asked
			other.By = "bob"
			s.shows(then(doubtful(), decided(other)))
			lost(asked, m)
		})
		r := run(t, s, app.ExitFailure)
		r.stderr.shows(t, "^The decision was not written, and cannot be any more: the order has moved since event 2$")
		r.stderr.shows(t, "^  event 3, .*: failed: ")
	})
	t.Run("it may come yet", func(t *testing.T) {
		t.Parallel()
		s := serve(t)
		s.answers(lost)
		r := run(t, s, app.ExitFailure)
		r.stderr.shows(t, "^It is not known whether the decision will be written: so far it is not, event 2 is still the last$")
		r.stderr.shows(t, "^Give the same command again with --expected-n 2: .*written once or not at all$")
		run(t, s, app.ExitFailure, "--dry-run").stderr.shows(t, "^It was a dry run: nothing is written by it")
	})
	t.Run("nobody can say", func(t *testing.T) {
		t.Parallel()
		s := serve(t)
		s.answers(func(asked messages.Resolve, m *nats.Msg) {
			s.history.Store(nil)
			lost(asked, m)
		})
		r := run(t, s, app.ExitFailure)
		r.stderr.shows(t, "^It is not known whether the decision was written, and the order is not to be seen now: .*ask again$")
		r.stderr.shows(t, "^Give the same command again with --expected-n 2: ")
	})
	t.Run("somebody did not wait for the answer", func(t *testing.T) {
		t.Parallel()
		s, asked := serve(t), make(chan struct{})
		s.answers(func(r messages.Resolve, _ *nats.Msg) {
			s.shows(then(doubtful(), decided(r)))
			close(asked)
		})
		r := begin(t, s.env, "", failing...)
		<-asked
		r.signals <- syscall.SIGINT
		r.ends(app.ExitOK)
		r.stderr.shows(t, "^The decision was written all the same$")
	})
	t.Run("no answer at all", func(t *testing.T) {
		t.Parallel()
		s := serve(t)
		s.answers(func(asked messages.Resolve, _ *nats.Msg) { s.shows(then(doubtful(), decided(asked))) })
		r := must(t, s.env, app.ExitOK, "", failing...)
		r.stderr.shows(t, "no answer came on svc.operator.resolve")
		r.stderr.shows(t, "^The decision was written all the same$")
	})
}

func TestResolve_TheSameDecisionAgainIsToldThatItStands(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.answers(func(asked messages.Resolve, m *nats.Msg) {
		// Another of the same has come first, between the look and the decision.
		s.shows(then(doubtful(), decided(asked)))
		problem(m, "409", messages.Problem{Code: messages.ProblemMoved, Message: "moved", N: 3})
	})
	r := must(t, s.env, app.ExitOK, "", append(failing, "-o", "json")...)
	r.stderr.shows(t, "^this decision had been written already$")
	var answer messages.Resolution
	if err := json.Unmarshal([]byte(r.stdout.String()), &answer); err != nil || answer.Event.N != 3 || answer.DryRun {
		t.Errorf("%v: %s", err, r.stdout)
	}

	s.shows(doubtful())
	s.answers(func(_ messages.Resolve, m *nats.Msg) {
		s.shows(then(doubtful(), func(e *messages.Event) { e.Evidence = map[string]any{"more": "evidence"} }))
		problem(m, "409", messages.Problem{Code: messages.ProblemMoved, Message: "moved", N: 3})
	})
	r = must(t, s.env, app.ExitFailure, "", failing...)
	r.stderr.shows(t, "nothing was written: the order has moved since event 2")
	r.stderr.shows(t, "^Look at it again before you decide: `beltline resolve acme/a`$")

	s.shows(doubtful())
	s.answers(func(_ messages.Resolve, m *nats.Msg) {
		s.history.Store(nil)
		problem(m, "409", messages.Problem{Code: messages.ProblemMoved, Message: "moved", N: 7})
	})
	must(t, s.env, app.ExitFailure, "", failing...).stderr.shows(t, "its last event is 7, and the decision rests on 2")
}

func TestResolve_SaysWhatIsLeftToDoWhereAnEndIsContradicted(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.shows(then(doubtful(), func(e *messages.Event) {
		e.Type, e.State = messages.LateEvidence, messages.Failed
	}))
	r := must(t, s.env, app.ExitFailure, "", failing...)
	r.stderr.shows(t, "nothing was written: acme/a is failed")
	r.stderr.shows(t, "^It has ended as failed, and an answer that came late contradicts that. Settle it with the provider")
}
