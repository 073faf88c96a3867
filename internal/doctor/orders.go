package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	// mostPages bounds what a look at one state may cost.
	mostPages = 20
	namesMost = 3
)

// dispatcher looks whether orders are taken.
func (e *examination) dispatcher(ctx context.Context) {
	waiting := uint64(0)
	if c := e.found.Consumer(messages.StreamOrders, topology.DispatcherConsumer); c != nil {
		waiting = c.NumPending + uint64(max(c.NumAckPending, 0)) //nolint:gosec // not negative
	}
	switch s := e.serving[messages.ServiceOrders]; {
	case s.unknown != nil:
		e.unknown("dispatcher", s.unknown)
	case s.replicas == 0:
		e.add(Finding{
			Fault, "dispatcher", fmt.Sprintf("none runs; %s in %s", wait(waiting, "request"), messages.StreamOrders),
			"no order is taken, nothing that was lost is driven again, and questions about orders are not answered", "start the dispatcher",
		})
		return // nobody can say how the orders are
	default:
		e.well("dispatcher", "%s; %s in %s", running(s.replicas), wait(waiting, "request"), messages.StreamOrders)
	}
	e.needOperator(ctx)
	e.unfinished(ctx)
}

// list asks for the orders that a question is for, page by page. whole is false
// where there are more.
func (e *examination) list(ctx context.Context, asked messages.OrdersAsked) (all []messages.Event, whole bool, err error) {
	asked.Limit = messages.MaxPage
	for range mostPages {
		a, err := e.ask(ctx, messages.OperatorServiceSubject("list"), asked)
		if err != nil {
			return all, false, err
		}
		if a.status != 0 {
			return all, false, fmt.Errorf("%d %s", a.status, a.problem.Message)
		}
		var page messages.OrderPage
		if err := json.Unmarshal(a.body, &page); err != nil {
			return all, false, fmt.Errorf("the answer cannot be read: %w", err)
		}
		all = append(all, page.Orders...)
		if asked.Cursor = page.Cursor; page.Cursor == "" {
			return all, true, nil
		}
	}
	return all, false, nil
}

func (e *examination) needOperator(ctx context.Context) {
	yes := true
	all, whole, err := e.list(ctx, messages.OrdersAsked{NeedsOperator: &yes})
	switch {
	case err != nil:
		e.unknown("operator", err)
	case len(all) == 0:
		e.well("operator", "no order needs one")
	default:
		e.add(Finding{
			Warning, "operator", fmt.Sprintf("an operator has to decide about %s: %s", counted(len(all), whole), names(all)),
			"nobody knows whether they were bought, or what came later contradicts it; they stay as they are until somebody has found out",
			"`beltline order list --needs-operator`, then `beltline resolve` for each",
		})
	}
}

// counted says how many orders there are.
func counted(n int, whole bool) string {
	switch {
	case !whole:
		return fmt.Sprintf("more than %d orders", n)
	case n == 1:
		return "1 order"
	default:
		return fmt.Sprintf("%d orders", n)
	}
}

func names(all []messages.Event) string {
	var some []string
	for i := range all[:min(len(all), namesMost)] {
		some = append(some, all[i].Key())
	}
	if len(all) > namesMost {
		some = append(some, "…")
	}
	return strings.Join(some, ", ")
}

// unfinished looks for orders to which nothing has happened for too long.
func (e *examination) unfinished(ctx context.Context) {
	var stuck []messages.Event
	var oldest *messages.Event
	whole := true
	for state, patience := range map[messages.Type]time.Duration{
		messages.Accepted: e.o.Stuck, messages.Placing: e.o.Stuck,
		messages.Retrying: e.o.Waiting, messages.Processing: e.o.Waiting, messages.Unresolved: e.o.Waiting,
	} {
		no := false
		all, complete, err := e.list(ctx, messages.OrdersAsked{State: state, OlderThan: patience, NeedsOperator: &no})
		if err != nil {
			e.unknown("unfinished orders", err)
			return
		}
		whole = whole && complete
		stuck = append(stuck, all...)
	}
	for i := range stuck {
		if oldest == nil || stuck[i].Time.Before(oldest.Time) {
			oldest = &stuck[i]
		}
	}
	if oldest == nil {
		e.well("unfinished orders", "none has been without news for too long")
		return
	}
	e.add(Finding{
		Warning, "unfinished orders", fmt.Sprintf("%s without news for too long; the oldest is %s of %s, %s since %s", counted(len(stuck), whole),
			oldest.Key(), oldest.Provider, oldest.State, oldest.Time.UTC().Format(time.RFC3339)),
		"they wait for a worker, a lane or a provider; none of them is lost",
		"look at the lanes and workers below, then at `beltline order history` of the oldest",
	})
}

// deadLetters looks whether something could not be processed.
func (e *examination) deadLetters(ctx context.Context) {
	if e.found.Stream(messages.StreamDLQ) == nil {
		return
	}
	state, err := e.bySubject(ctx, messages.StreamDLQ)
	if err != nil {
		e.unknown("dead letters", err)
		return
	}
	if state.Msgs == 0 {
		e.well("dead letters", "none")
		return
	}
	var all []string
	for _, subject := range slices.Sorted(maps.Keys(state.Subjects)) {
		all = append(all, fmt.Sprintf("%d on %s", state.Subjects[subject], subject))
	}
	if len(all) > namesMost {
		all = append(all[:namesMost], "…")
	}
	e.add(Finding{
		Warning, "dead letters", fmt.Sprintf("%d, the last of %s: %s", state.Msgs, state.LastTime.UTC().Format(time.RFC3339), strings.Join(all, ", ")),
		"requests that nobody acts on; each is dropped when it is 30 days old", "`beltline dlq list` shows them with their reasons",
	})
}

// bySubject is the state of a stream with the number of messages of each subject.
func (e *examination) bySubject(ctx context.Context, name string) (state jetstream.StreamState, err error) {
	stream, err := e.js.Stream(ctx, name)
	if err != nil {
		return state, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return state, err
	}
	return info.State, nil
}

// gone reports whether nobody answers on a subject.
func gone(err error) bool { return errors.Is(err, nats.ErrNoResponders) }
