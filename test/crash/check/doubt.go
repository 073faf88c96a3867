package check

import (
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// honest is I15: an order is the operator's only where an answer was really
// lost; and where the provider can be asked, only for what asking cannot tell.
func honest(v *view, say tell) (looked int) {
	for _, s := range v.ordered() {
		last := s.last()
		if last == nil || !last.parked() {
			continue
		}
		looked++
		intents := s.intents()
		if len(intents) == 0 {
			say(s.key, "is the operator's, and was never placed")
			continue
		}
		if !v.troubled(s, intents[0].Stored, last.Stored) {
			say(s.key, "is the operator's (%s), and nothing went wrong between intent and answer", last.code())
		}
		if last.code() == "command_unprocessable" && v.deaths(s, last.Stored) >= deadly {
			continue // as the contract says; that others were killed with it cannot be known
		}
		switch s.order.Kind {
		case "exchange":
			say(s.key, "is the operator's (%s), though the exchanger can be asked", last.code())
		case "deposit":
			// Two links lost are the operator's by design: a third deposit would not end it.
			if len(s.bought) < maxDeposits {
				say(s.key, "is the operator's (%s) with %d deposits, though SkinsBack can be asked", last.code(), len(s.bought))
			}
		}
	}
	return looked
}

// Parked counts the orders that ended as the operator's, by provider, kind and code:
// "exchanger partner_payout no_answer".
func Parked(h *History) map[string]int {
	all := map[string]int{}
	for _, s := range newView(h).ordered() {
		if last := s.last(); last != nil && last.parked() {
			all[s.order.Provider+" "+s.order.Kind+" "+last.code()]++
		}
	}
	return all
}

// deadly is how many deaths of its workers it takes before an order is set
// aside: two until it is worked on apart from all others, and the three of the
// contract. None of them panics here, which would be known at once.
const deadly = 5

// deaths counts the workers of the order's provider that died in its lifetime,
// or were paused: for as long as that lasts nobody can tell the one from the other.
func (v *view) deaths(s *story, until time.Time) (n int) {
	for _, i := range v.incidents(s.events[0].Stored, until, "worker-"+s.order.Provider) {
		if i.Deed == Killed || i.Deed == Exited || i.Deed == Stopped {
			n++
		}
	}
	return n
}

// troubled reports whether a process that could have worked on the order was
// hit in the time, or a creating request to its shop was spoilt.
func (v *view) troubled(s *story, from, to time.Time) bool {
	provider := s.order.Provider
	for _, i := range v.incidents(from.Add(-around), to, "worker-"+provider, "nats-server", Network) {
		cut := i.Program == Network && strings.HasPrefix(i.Process, "worker-"+provider+"-")
		// Nodes that are parted and leaders that move are no deed to a process.
		cut = cut || i.Program == "nats-server" && i.Deed == Troubled
		if cut || i.Deed == Killed || i.Deed == Stopped || i.Deed == Ended || i.Deed == Exited {
			return true
		}
	}
	answered, open := map[int64]bool{}, map[int64]bool{}
	for _, e := range v.Books[provider] {
		if e.Time.Before(from) || e.Time.After(to) || !slices.Contains(creates[provider], e.Op) {
			continue
		}
		switch e.Phase {
		case providertest.Received:
			open[e.Request] = true
		case providertest.Answered:
			answered[e.Request] = true
			if e.Fault != "" {
				return true
			}
		case providertest.Committed:
		}
	}
	for request := range open {
		if !answered[request] {
			return true
		}
	}
	if v.unanswered(s) {
		return true
	}
	// On a starved machine an answer that was sent is not read in time.
	return slices.ContainsFunc(s.events, func(e *event) bool { return e.code() == "timeout" })
}

// unanswered reports whether a worker has said that it was not told whether an
// event of the order is stored: on a starved machine, or while a leader moves,
// the ledger's answer about an intent is lost like a shop's.
func (v *view) unanswered(s *story) bool {
	tenant, id := `"tenant":"`+s.order.Tenant+`"`, `"order_id":"`+s.order.ID+`"`
	for _, log := range v.Logs {
		for line := range strings.SplitSeq(log, "\n") {
			if strings.Contains(line, "not known whether the event is stored") && strings.Contains(line, tenant) && strings.Contains(line, id) {
				return true
			}
		}
	}
	return false
}
