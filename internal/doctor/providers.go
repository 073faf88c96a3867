package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// question is one that changes nothing at a provider.
type question struct {
	method, about string
	body          map[string]string
}

// harmless is what is asked to see whether a provider accepts our account. At
// SkinsBack nothing but deposits can be asked for: one that does not exist is
// looked for, and that it is not found is the good answer.
var harmless = map[messages.Provider]question{
	messages.BalanceSteam: {method: "balance", about: "its balance", body: map[string]string{}},
	messages.SkinsBack:    {method: "deposit_status", about: "a deposit that does not exist", body: map[string]string{"order_id": "beltline-doctor"}},
	messages.GamesDrop:    {method: "balance", about: "its balance", body: map[string]string{}},
	messages.Exchanger:    {method: "test", about: "a test of the API key", body: map[string]string{}},
}

// lanes looks whether orders may be placed.
func (e *examination) lanes(ctx context.Context) {
	if len(e.found.Streams) == 0 {
		return
	}
	kv, err := e.js.KeyValue(ctx, messages.Bucket)
	if err != nil {
		return // it is missing, and said to be
	}
	for _, p := range e.providers() {
		s, _, err := lane.Read(ctx, kv, p)
		if err != nil {
			e.unknown("lane "+string(p), err)
			continue
		}
		e.lane(p, s)
	}
}

func (e *examination) lane(p messages.Provider, s lane.State) {
	check := "lane " + string(p)
	since, by := s.Since.UTC().Format(time.RFC3339), s.By
	const waits = "orders for it wait, and checks of placed ones go on; an order ends when its expires_at or BLOCKED_MAX has passed"
	switch {
	case s.State == lane.Open:
		e.well(check, "open")
	case s.Reason == lane.ReasonUnreadable:
		e.add(Finding{Fault, check, "its key in the bucket cannot be read", waits, "`beltline provider resume " + string(p) + "` writes it anew"})
	case s.Paused():
		e.add(Finding{
			Warning, check, strings.TrimSuffix(fmt.Sprintf("paused by %s since %s: %s", by, since, s.Message), ": "), waits, "`beltline provider resume " + string(p) + "` when the reason is gone",
		})
	default:
		e.add(Finding{
			Warning, check, fmt.Sprintf("%s since %s: %s %s; tried again at %s", s.State, since, s.Reason, s.Message, s.Until.UTC().Format(time.RFC3339)),
			waits, "see to our account there: it opens by itself when the provider accepts an order again",
		})
	}
}

// workers looks whether each provider has one.
func (e *examination) workers() {
	for _, p := range e.providers() {
		check := "worker-" + string(p)
		waiting := e.waiting(p)
		switch s := e.serving[p.Service()]; {
		case s.unknown != nil:
			e.unknown(check, s.unknown)
		case s.replicas > 0:
			e.well(check, "%s; %s", running(s.replicas), wait(waiting, "command"))
		case waiting > 0 || slices.Contains(e.o.Serving, p):
			e.add(Finding{
				Fault, check, "none runs; " + wait(waiting, "command"),
				"orders for this provider are taken and wait, and placed ones are not looked after", "start " + check,
			})
		default:
			e.note(check, "none runs, and nothing waits for one", "start it before orders for it are handed in, or say with --providers which are served")
		}
	}
}

// waiting counts the commands for a provider that nobody has finished.
func (e *examination) waiting(p messages.Provider) (n uint64) {
	for _, name := range []string{p.PlaceConsumer(), p.FollowConsumer()} {
		if c := e.found.Consumer(messages.StreamCommands, name); c != nil {
			n += c.NumPending + uint64(max(c.NumAckPending, 0)) //nolint:gosec // not negative
		}
	}
	return n
}

// accounts asks each provider that has a worker something harmless.
func (e *examination) accounts(ctx context.Context) {
	all := make([]*Finding, len(e.providers()))
	var asked sync.WaitGroup
	for i, p := range e.providers() {
		if s := e.serving[p.Service()]; s.replicas == 0 && s.unknown == nil {
			continue
		}
		asked.Go(func() {
			f := e.account(ctx, p)
			all[i] = &f
		})
	}
	asked.Wait()
	for _, f := range all {
		if f != nil {
			e.add(*f)
		}
	}
}

func (e *examination) account(ctx context.Context, p messages.Provider) Finding {
	q := harmless[p]
	f := Finding{Severity: Warning, Check: "account " + string(p), Means: "whether orders can be placed there is not known"}
	a, err := e.ask(ctx, messages.ProviderServiceSubject(p, q.method), q.body)
	switch {
	case err != nil && gone(err):
		f.Found, f.Do = "its worker has just gone", "ask again"
	case err != nil:
		f.Found, f.Do = "the worker did not answer: "+err.Error(), "look at the worker's log"
	case a.status == 0, a.status == service.NotFound:
		return Finding{Severity: OK, Check: f.Check, Found: "accepted (asked for " + q.about + ")"}
	case a.status == service.BadProvider && a.problem.Class == providers.Blocked.String():
		f.Severity = Fault
		f.Found = "refused by the provider: " + a.problem.ProviderCode
		f.Means = "nothing is bought there: orders wait until BLOCKED_MAX has passed, and then fail"
		f.Do = "check the credentials of worker-" + string(p) + ", our balance, and whether the provider allows this machine's address"
	case a.status == service.BadProvider:
		f.Found = fmt.Sprintf("the provider did not answer as it should: %s (%s)", a.problem.Message, a.problem.ProviderCode)
		f.Do = "ask again; if it stays, see whether the provider is down or its address has changed"
	case a.status == service.TooMany:
		f.Severity, f.Found, f.Do = Note, "not asked, the rate limit is in use: "+a.problem.Message, "ask again"
	case a.problem.Code == messages.ProblemLaneClosed:
		f.Severity, f.Found, f.Do = Note, "not asked: the lane is not open", "see the lane"
	default:
		f.Found, f.Do = fmt.Sprintf("the worker answered %d: %s", a.status, a.problem.Message), "look at the worker's log"
	}
	return f
}
