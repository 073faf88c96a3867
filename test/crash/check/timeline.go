package check

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// around is how much of the time before and after an order is shown with it.
const around = time.Second

type line struct {
	at   time.Time
	from string
	text string
}

// Timeline writes everything that happened to an order, by time: its events,
// the shop's entries, what was done to processes that could have worked on it,
// and what they logged of it.
func (r *Report) Timeline(w io.Writer, key string) {
	s := r.view.stories[key]
	if s == nil {
		return
	}
	lines := r.view.lines(s)
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	fmt.Fprintf(w, "  timeline of %s\n", key)
	if s.order != nil {
		fmt.Fprintf(w, "    %s\n", s.order.Body)
	}
	for _, l := range lines {
		fmt.Fprintf(w, "    %s %-11s %s\n", l.at.UTC().Format("15:04:05.000000"), l.from, l.text)
	}
}

func (v *view) lines(s *story) []line {
	var all []line
	for _, e := range s.events {
		all = append(all, line{e.Stored, "ledger", e.String()})
	}
	if s.order != nil {
		all = append(all, v.entries(s)...)
	}
	if len(all) == 0 {
		return nil
	}
	from, to := all[0].at, all[0].at
	for _, l := range all {
		if l.at.Before(from) {
			from = l.at
		}
		if l.at.After(to) {
			to = l.at
		}
	}
	for _, i := range v.incidents(from.Add(-around), to.Add(around)) {
		if s.concerns(i) {
			all = append(all, line{i.Time, "nemesis", strings.TrimSpace(fmt.Sprintf("%s %s %s", i.Process, i.Deed, i.Note))})
		}
	}
	return append(all, v.logged(s)...)
}

// concerns reports whether what was done to a process or a shop can have
// touched the order: a dispatcher only until the order was placed.
func (s *story) concerns(i Incident) bool {
	provider := s.provider()
	if i.Program == Network {
		return strings.HasPrefix(i.Process, "worker-"+provider+"-")
	}
	if i.Program == "dispatcher" {
		intents := s.intents()
		return len(intents) == 0 || i.Time.Before(intents[0].Stored)
	}
	return slices.Contains([]string{"nats-server", "worker-" + provider, "naive", provider}, i.Program)
}

// provider is the order's, as upstream named it or as its first event does.
func (s *story) provider() string {
	if s.order != nil {
		return s.order.Provider
	}
	if len(s.events) > 0 {
		return s.events[0].Provider
	}
	return ""
}

// logged is what the processes said of the order.
func (v *view) logged(s *story) []line {
	tenant, id, _ := strings.Cut(s.key, "/")
	var all []line
	for process, log := range v.Logs {
		for text := range strings.SplitSeq(log, "\n") {
			if !strings.Contains(text, `"`+id+`"`) {
				continue
			}
			var said struct {
				Time                          time.Time
				Tenant, Message, Error, Input string
				OrderID                       string `json:"order_id"`
			}
			if json.Unmarshal([]byte(text), &said) == nil && said.Tenant == tenant && said.OrderID == id {
				all = append(all, line{said.Time, "log", strings.TrimSpace(process + ": " + said.Message + " " + said.Input + " " + said.Error)})
			}
		}
	}
	return all
}

// entries are the shop's own lines: the purchases, and the requests that made
// them with their answers.
func (v *view) entries(s *story) []line {
	requests, bodies, ids := map[int64]bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range s.bought {
		requests[p.request], ids[p.id] = p.request > 0, true
	}
	book := v.Books[s.order.Provider]
	for _, e := range book {
		if e.Body != "" && requests[e.Request] {
			bodies[e.Body] = true
		}
	}
	for _, e := range book { // repeats of the same request, which bought nothing
		if bodies[e.Body] {
			requests[e.Request] = true
		}
	}
	var all []line
	for _, e := range book {
		own := e.OrderKey != "" && e.OrderKey == s.order.Account || requests[e.Request] || e.Request == 0 && ids[e.ID]
		if own {
			all = append(all, line{e.Time, "shop", entryText(e)})
		}
	}
	return all
}

func entryText(e providertest.Entry) string {
	t := fmt.Sprintf("%s %s", e.Phase, e.Op)
	if e.Request != 0 {
		t += fmt.Sprintf(", request %d", e.Request)
	}
	for _, f := range [][2]string{
		{"id", e.ID}, {"for", e.OrderKey}, {"reference", e.Reference}, {"sum", strings.TrimSpace(e.Amount + " " + e.Currency)}, {"fault", e.Fault},
	} {
		if f[1] != "" {
			t += ", " + f[0] + " " + f[1]
		}
	}
	if e.Status != 0 {
		t += fmt.Sprintf(", HTTP %d", e.Status)
	}
	return t
}
