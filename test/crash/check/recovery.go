package check

import (
	"regexp"
	"slices"
	"time"
)

var instance = regexp.MustCompile(`"instance":"([^"]+)"`)

// Recoveries tell how long each order waited that a worker had in hand when it
// was killed: from the death to the order's next event, shortest first. Those
// whose owner was not found in the logs are left out.
func Recoveries(h *History) []time.Duration {
	v := newView(h)
	process := map[string]string{} // by instance, which is another one in each life
	for name, log := range h.Logs {
		for _, m := range instance.FindAllStringSubmatch(log, -1) {
			process[m[1]] = name
		}
	}
	deaths := map[string][]time.Time{}
	for _, i := range h.Incidents {
		if i.Deed == Killed {
			deaths[i.Process] = append(deaths[i.Process], i.Time)
		}
	}
	var all []time.Duration
	for _, s := range v.stories {
		for i, e := range s.events {
			if e.Type != "placing" || i+1 == len(s.events) {
				continue
			}
			next := s.events[i+1].Stored
			for _, death := range deaths[process[e.Work.Owner]] {
				if death.After(e.Stored) {
					if next.After(death) {
						all = append(all, next.Sub(death))
					}
					break
				}
			}
		}
	}
	slices.Sort(all)
	return all
}
