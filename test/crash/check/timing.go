package check

import (
	"slices"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// rateKept is I3: in no window of time more requests arrived than the limit
// allows, whatever their method.
func rateKept(v *view, say tell) (looked int) {
	for provider, rate := range v.Rates {
		var arrived []time.Time
		for _, e := range v.Books[provider] {
			if e.Phase == providertest.Received {
				arrived = append(arrived, e.Time)
			}
		}
		slices.SortFunc(arrived, time.Time.Compare)
		looked += len(arrived)
		first, most := 0, 0
		var at time.Time
		for i, t := range arrived {
			for t.Sub(arrived[first]) >= rate.Window {
				first++
			}
			if n := i - first + 1; n > most {
				most, at = n, arrived[first]
			}
		}
		if rate.Requests > 0 && most > rate.Requests {
			say("", "%s got %d requests within %s from %s, not %d", provider, most, rate.Window, at.Format(time.RFC3339Nano), rate.Requests)
		}
	}
	return looked
}

// waits are the states in which an order waits for us and nobody else. In
// action_required it waits for a customer, in processing for a shop.
var waits = map[string]bool{"accepted": true, "placing": true, "retrying": true, "unresolved": true}

// moving is I8: while nothing is broken, no order stays longer than the limit
// where it waits for us.
func moving(v *view, say tell) (looked int) {
	end := v.Settled
	if end.IsZero() {
		for _, s := range v.ordered() {
			if last := s.last(); last != nil && last.Stored.After(end) {
				end = last.Stored
			}
		}
	}
	calm := [][2]time.Time{{v.Began, v.Faulty}, {v.Healed, end}}
	for _, s := range v.ordered() {
		states := s.states()
		for i, e := range states {
			if !waits[e.State] || e.parked() {
				continue
			}
			looked++
			until := end
			if i+1 < len(states) {
				until = states[i+1].Stored
			}
			from := e.Stored
			if e.RetryAt != nil && e.RetryAt.After(from) {
				from = *e.RetryAt // it waits because it was told to
			}
			for _, c := range calm {
				if d := overlap(from, until, c[0], c[1]); d > v.Limits.Stuck {
					say(s.key, "was %s for %s while nothing was broken", e.State, d.Round(time.Millisecond))
				}
			}
		}
	}
	return looked
}

func overlap(from, to, begin, end time.Time) time.Duration {
	if begin.After(from) {
		from = begin
	}
	if end.Before(to) {
		to = end
	}
	return max(0, to.Sub(from))
}

// ended is I14: after the last fault everything comes to its end in time.
func ended(v *view, say tell) int {
	switch {
	case v.Settled.IsZero():
		for _, s := range v.ordered() {
			if last := s.last(); last == nil && s.order.Acked {
				say(s.key, "has not begun")
			} else if last != nil && !ends[last.State] && !last.parked() {
				say(s.key, "is still %s %s after the last fault", last.State, v.Limits.Heal)
			}
		}
	case v.Settled.Sub(v.Healed) > v.Limits.Heal:
		say("", "the last order ended %s after the last fault, not within %s", v.Settled.Sub(v.Healed).Round(time.Millisecond), v.Limits.Heal)
	}
	return len(v.ordered())
}
