package check

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

var instance = regexp.MustCompile(`"instance":"([^"]+)"`)

// Recoveries tell how long each order waited that a worker had in hand when it
// was killed: from the death to the order's next event, shortest first. Those
// whose owner was not found in the logs are left out.
//
// What is disturbed is told apart: another fault of the server, the network, or
// a worker of that provider came in between, so that the wait is not that of
// one death.
func Recoveries(h *History) (alone, disturbed []time.Duration) {
	v := newView(h)
	process := map[string]string{} // by instance, which is another one in each life
	for name, log := range h.Logs {
		for _, m := range instance.FindAllStringSubmatch(log, -1) {
			process[m[1]] = name
		}
	}
	deaths := map[string][]Incident{}
	for _, i := range h.Incidents {
		if i.Deed == Killed {
			deaths[i.Process] = append(deaths[i.Process], i)
		}
	}
	for _, s := range v.stories {
		for i, e := range s.events {
			if e.Type != "placing" || i+1 == len(s.events) {
				continue
			}
			next := s.events[i+1].Stored
			for _, death := range deaths[process[e.Work.Owner]] {
				if !death.Time.After(e.Stored) {
					continue
				}
				if next.After(death.Time) {
					if wait := next.Sub(death.Time); disturbs(h.Incidents, death, next) {
						disturbed = append(disturbed, wait)
					} else {
						alone = append(alone, wait)
					}
				}
				break
			}
		}
	}
	slices.Sort(alone)
	slices.Sort(disturbed)
	return alone, disturbed
}

// harms are the deeds after which a process does nothing for a while.
var harms = map[Deed]bool{Killed: true, Stopped: true, Ended: true, Exited: true, Troubled: true}

// disturbs reports whether something else was broken between a death and a
// moment after it. A pause or a cut may have begun a little before.
func disturbs(incidents []Incident, death Incident, until time.Time) bool {
	const before = 5 * time.Second
	for _, i := range incidents {
		own := i.Process == death.Process && !i.Time.After(death.Time) // the death itself, and what the process had gone through
		if own || !harms[i.Deed] || i.Time.After(until) {
			continue
		}
		from := death.Time
		if i.Deed == Stopped || i.Deed == Troubled {
			from = from.Add(-before)
		}
		worker := strings.HasPrefix(i.Program, "worker-") && i.Program != death.Program
		if !worker && !strings.HasPrefix(i.Program, "dispatcher") && !i.Time.Before(from) {
			return true
		}
	}
	return false
}
