package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

const runSetup = "run `beltline setup` with the settings of the programs"

// streams looks whether everything is there, as it was set up, and has room.
func (e *examination) streams(ctx context.Context) {
	e.found = topology.Look(ctx, e.js, e.o.Settings)
	e.settings = e.found.Adopt(e.o.Settings, e.o.Given)
	for _, where := range slices.Sorted(maps.Keys(e.found.Unknown)) {
		e.unknown(where, e.found.Unknown[where])
	}
	differ := e.found.Compare(e.settings)
	if len(e.found.Streams) == 0 && len(e.found.Unknown) == 0 {
		e.add(Finding{Fault, "streams", "nothing is set up on this server, or in this account", "no order is taken", runSetup})
		return
	}
	for _, d := range differ {
		e.add(e.differing(d))
	}
	if len(differ) == 0 && len(e.found.Unknown) == 0 {
		e.well("streams", "%d streams and %d consumers are as they were set up", len(e.found.Streams), len(e.found.Consumers))
	}
	for _, where := range slices.Sorted(maps.Keys(e.found.Streams)) {
		i := e.found.Streams[where]
		e.room(where, i)
		e.copies(where, i.Cluster)
		if i.State.Lost != nil && len(i.State.Lost.Msgs) > 0 {
			e.add(Finding{
				Fault, where, fmt.Sprintf("the server has lost %d messages of it to a damaged file", len(i.State.Lost.Msgs)),
				"orders may have lost events or commands", "restore the store from a copy, and look at the fence before anything is bought",
			})
		}
	}
	e.consumers()
}

// consumers looks whether the messages of a consumer are handed out.
func (e *examination) consumers() {
	for _, where := range slices.Sorted(maps.Keys(e.found.Consumers)) {
		switch c := e.found.Consumers[where]; {
		case c.Paused:
			e.add(Finding{
				Warning, where, fmt.Sprintf("is paused on the server for another %s; no program of ours does that", c.PauseRemaining.Round(time.Second)),
				"its messages wait", "find out who paused it; `nats consumer resume` ends the pause",
			})
		case c.Config.MaxAckPending > 0 && c.NumAckPending >= c.Config.MaxAckPending:
			e.add(Finding{
				Warning, where, fmt.Sprintf("%d messages are in hand, as many as may be", c.NumAckPending),
				"all others wait", "see why the programs do not finish what they have; MAX_IN_FLIGHT and `beltline setup` raise the limit",
			})
		}
	}
}

func (e *examination) differing(d topology.Difference) Finding {
	f := Finding{Severity: Fault, Check: d.Where, Found: "is missing", Do: runSetup}
	if !d.Missing {
		var all []string
		harmless := true
		for _, s := range d.Settings {
			all = append(all, s.String())
			harmless = harmless && (s.Name == "description" || s.Name == topology.MetaOwner || s.Name == topology.MetaSchema)
		}
		f.Found = strings.Join(all, "; ")
		if harmless {
			f.Severity = Note
			return f
		}
	}
	f.Means = meaning(d)
	if strings.HasPrefix(d.Where, "stream PERMITS_") && !d.Missing {
		f.Do = "give all programs the same rate limit and time-out; " + runSetup
	}
	return f
}

// meaning says what orders lose by it.
func meaning(d topology.Difference) string {
	kind, name, _ := strings.Cut(d.Where, " ")
	stream, _, _ := strings.Cut(name, "/")
	switch {
	case kind == "bucket":
		return "lanes, leases and the fence are kept there: without it, or with another life, nothing is bought safely"
	case kind == "consumer" && d.Missing:
		return "its messages wait; none of them is lost"
	case kind == "consumer":
		return "messages come at the wrong time, or to two at once"
	case strings.HasPrefix(stream, "PERMITS_") && d.Missing:
		return "no request is made to this provider"
	case strings.HasPrefix(stream, "PERMITS_"):
		return "a worker whose limit differs refuses to start, and the provider's limit may be overrun"
	case stream == messages.StreamEvents && d.Missing:
		return "there is no ledger: nothing is taken and nothing is bought"
	case stream == messages.StreamEvents:
		return "the ledger may forget what was bought, or be written to by others"
	case stream == messages.StreamCommands && !d.Missing:
		return "commands and timers may be dropped, or never fire"
	case stream == messages.StreamOrders && d.Missing:
		return "upstream cannot hand in orders"
	case stream == messages.StreamDLQ && d.Missing:
		return "what cannot be processed has nowhere to go, and is tried again and again"
	default:
		return "the programs rely on another one"
	}
}

// room looks how full a stream is that refuses more when it is full.
func (e *examination) room(where string, i *jetstream.StreamInfo) {
	used := percent(i.State.Bytes, i.Config.MaxBytes)
	text := fmt.Sprintf("%d %% of %s are in use", used, size(uint64(max(i.Config.MaxBytes, 0))))
	switch name := i.Config.Name; {
	case used < percentWarning*7/8:
	case name == messages.StreamEvents && used >= percentWarning:
		e.add(Finding{Fault, where, text, "above 80 % no order is taken and nothing is bought; outcomes are stored up to 100 %", "raise EVENTS_MAX_BYTES and run `beltline setup`, or archive and erase what has ended"})
	case name == messages.StreamEvents:
		e.add(Finding{Warning, where, text, "above 80 % no order is taken and nothing is bought", "raise EVENTS_MAX_BYTES and run `beltline setup`"})
	case name == messages.StreamDLQ && used >= percentFault:
		e.add(Finding{Fault, where, text, "when it is full, what cannot be processed stays in its queue", "look through the dead letters and drop what is done, or raise DLQ_MAX_BYTES"})
	case used >= percentWarning:
		e.add(Finding{Warning, where, text, "when it is full, upstream has to wait", "see whether the dispatcher keeps up; ORDERS_MAX_BYTES and DLQ_MAX_BYTES raise the limit"})
	}
}

// copies looks at the replicas of a stream.
func (e *examination) copies(where string, c *jetstream.ClusterInfo) {
	if c == nil {
		return
	}
	var away []string
	for _, r := range c.Replicas {
		if r.Offline || !r.Current {
			away = append(away, r.Name)
		}
	}
	switch {
	case c.Leader == "":
		e.add(Finding{Fault, where, "has no leader", "nothing can be written to it", "bring the servers of the cluster back"})
	case len(away) > 0:
		e.add(Finding{
			Warning, where, "copies on " + strings.Join(away, ", ") + " are away or behind",
			"the next server that is lost may stop all orders", "bring these servers back, or wait until they have caught up",
		})
	}
}

// ledger looks whether the ledger is the one that is remembered, and whether
// buying is stopped.
func (e *examination) ledger(ctx context.Context) {
	if e.found.Stream(messages.StreamEvents) == nil || len(e.found.Streams) == 0 {
		return
	}
	if _, err := topology.Namespace(ctx, e.js); err != nil {
		f := Finding{Fault, "namespace", err.Error(), "our references at the providers are made from it: nothing can be bought safely", "find out which of the two is older, before anything is bought again"}
		if errors.Is(err, topology.ErrNotSetUp) {
			f.Do = runSetup
		}
		e.add(f)
	} else {
		e.well("namespace", "one and the same in bucket and ledger")
	}
	r, finding, err := fence.Inspect(ctx, e.js)
	if err != nil {
		e.add(Finding{Fault, "fence", err.Error(), "whether buying is stopped cannot be seen; workers that cannot see it buy nothing", runSetup})
		return
	}
	switch {
	case finding != "":
		e.add(Finding{Fault, "ledger", finding, "what it has lost may have been bought: workers buy nothing", "find out who restored or recreated it before anything is bought again"})
	case r.Ledger.Epoch == "":
		e.add(Finding{Warning, "ledger", "it has no epoch", "a ledger that is made anew could not be told from this one", runSetup})
	case r.Mark == nil:
		e.note("ledger", fmt.Sprintf("%d events, epoch %s; nothing is remembered of it yet", r.Ledger.Messages, r.Ledger.Epoch),
			"a worker or the dispatcher writes it down as it starts")
	default:
		e.well("ledger", "%d events, the last at %d, of epoch %s; remembered up to %d", r.Ledger.Messages, r.Ledger.LastSeq, r.Ledger.Epoch, r.Mark.Seq)
	}
	e.fence(r.State)
}

func (e *examination) fence(s fence.State) {
	when := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case s.Tripped:
		e.add(Finding{
			Fault, "fence", fmt.Sprintf("buying is stopped since %s by %s (%s): %s", when(s.Since), s.By, s.Why, s.Found),
			"nothing is bought at any provider; outcomes are still recorded",
			"bring the right ledger back, or accept this one: `beltline fence clear --by NAME --reason TEXT`",
		})
	case s.Cleared != nil:
		e.well("fence", "open; cleared %s by %s at %d: %s", when(s.Cleared.At), s.Cleared.By, s.Cleared.Seq, s.Cleared.Reason)
	default:
		e.well("fence", "open, and never was closed")
	}
}
