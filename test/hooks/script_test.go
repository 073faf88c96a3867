package hooks_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// pollItem in a script stands for a poll; other items are the notification of
// the path's step with that index.
const pollItem = -1

// tempo is how a script moves.
type tempo int

const (
	// settled: before the next item is delivered, the order must show where the
	// provider stands.
	settled tempo = iota
	// hurried: nothing is waited for, so lookups overlap with one another and
	// with the provider's next step.
	hurried
	// belated: the provider is through with everything before the first item comes.
	belated
	tempos
)

// script is what happens to one order: the provider's way through the path, and
// the order in which the notifications of it come.
type script struct {
	id    string
	n     int
	path  []string
	items []int
	tempo tempo
	// forgery chooses how what comes in between is forged.
	forgery int
}

func (s script) String() string {
	names := make([]string, len(s.items))
	for i, it := range s.items {
		if names[i] = "poll"; it != pollItem {
			names[i] = s.path[it]
		}
	}
	return fmt.Sprintf("%s (path %s; delivered %s; tempo %d)", s.id, strings.Join(s.path, " "), strings.Join(names, " "), s.tempo)
}

// world is the provider as a script sees it.
type world interface {
	// order is the body of the order.
	order(s script) string
	// advance takes the provider's own record to a status.
	advance(first event, s script, status string)
	// genuine is the provider's notification as its books stand now.
	genuine(first event) hook
	// forged is one that somebody else made up, saying anything but the truth.
	forged(first event, s script) hook
	// shows reports whether an event says what the books say.
	shows(e event, s script, status string) bool
	// creates is how often the order was placed, by the customer's account.
	creates(s script) int
}

// permutations are all ways to deliver five items: the notification of every
// step and a poll at least once, doubled until there are five; and all ways to
// deliver fewer, where some were lost.
func permutations(steps int) [][]int {
	base := []int{pollItem}
	for i := range steps {
		base = append(base, i)
	}
	var all [][]int
	for _, bag := range bags(base, 5-len(base)) {
		all = append(all, arrangements(append(bag, base...))...)
	}
	for mask := 1; mask < 1<<len(base)-1; mask++ {
		var kept []int
		for i, it := range base {
			if mask&(1<<i) != 0 {
				kept = append(kept, it)
			}
		}
		all = append(all, arrangements(kept)...)
	}
	return all
}

// bags are all choices of n items, any of them more than once.
func bags(from []int, n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for i, it := range from {
		for _, rest := range bags(from[i:], n-1) {
			all = append(all, append([]int{it}, rest...))
		}
	}
	return all
}

// arrangements are all different orders of the items.
func arrangements(items []int) [][]int {
	if len(items) == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for i, it := range items {
		if slices.Contains(items[:i], it) {
			continue
		}
		rest := slices.Concat(items[:i], items[i+1:])
		for _, tail := range arrangements(rest) {
			all = append(all, append([]int{it}, tail...))
		}
	}
	return all
}

// scripts are all permutations of all paths; tempos take turns.
func scripts(paths ...[]string) []script {
	var all []script
	for _, path := range paths {
		for i, items := range permutations(len(path)) {
			all = append(all, script{id: fmt.Sprintf("ord-%d", len(all)), n: len(all), path: path, items: items, tempo: tempo(i) % tempos, forgery: i / int(tempos)})
		}
	}
	return all
}

// play plays the scripts, many at a time, and judges what became of the orders.
func (r *rig) play(w world, all []script) {
	r.t.Helper()
	const atOnce = 16
	next := make(chan script)
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for s := range next {
				if !r.perform(w, s) {
					r.t.Errorf("that was %s", s)
				}
			}
		})
	}
	for _, s := range all {
		if r.t.Failed() {
			break
		}
		next <- s
	}
	close(next)
	group.Wait()
	if r.t.Failed() {
		return
	}
	r.calm()
	for _, s := range all {
		r.judge(w, s)
	}
	for _, letter := range r.letters() {
		r.t.Errorf("dead letter %s %v: %s", letter.Subject, letter.Header, letter.Data)
	}
}

// open submits an order and waits until the customer is to act.
func (r *rig) open(w world, s script) (event, bool) {
	r.t.Helper()
	r.publish("orders."+tenant+".submit", w.order(s))
	return r.feed.await(s.id, "action_required", func(e event) bool { return e.text("state") == "action_required" })
}

// perform plays one script; false where the order never showed the truth.
func (r *rig) perform(w world, s script) bool {
	first, ok := r.open(w, s)
	if !ok {
		return false
	}
	sent, stands, told := make([]hook, len(s.path)), -1, -1
	reach := func(step int) {
		for stands < step {
			stands++
			w.advance(first, s, s.path[stands])
			sent[stands] = w.genuine(first)
		}
	}
	if s.tempo == belated {
		reach(len(s.path) - 1)
	}
	for i, it := range s.items {
		if i == s.n%len(s.items) {
			r.mustRefuse(w.forged(first, s))
		}
		if it == pollItem {
			r.poll(s.id)
		} else {
			reach(it)
			r.mustTake(sent[it])
		}
		if told = stands; s.tempo == settled && !r.showsAt(w, s, stands) {
			return false
		}
	}
	if reach(len(s.path) - 1); told < stands {
		r.poll(s.id) // the last notifications were lost: then a poll brings the news
	}
	return r.showsAt(w, s, stands)
}

// showsAt waits until the order says what the provider's books say.
func (r *rig) showsAt(w world, s script, step int) bool {
	if step < 0 {
		return true
	}
	_, ok := r.feed.await(s.id, "as the provider's books: "+s.path[step], func(e event) bool { return w.shows(e, s, s.path[step]) })
	return ok
}

// judge holds an order's whole history against the books, once nothing is under way.
func (r *rig) judge(w world, s script) {
	r.t.Helper()
	events, end := r.feed.events(s.id), s.path[len(s.path)-1]
	var faults []string
	fault := func(is bool, format string, args ...any) {
		if is {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	count := map[string]int{}
	for i, e := range events {
		fault(e.n() != i+1, "event %d is numbered %d", i+1, e.n())
		fault(e.text("needs_operator") != "false" && !overtaken(e, s), "event %d needs an operator", i+1)
		count[e.text("type")]++
	}
	last := events[len(events)-1]
	fault(!w.shows(last, s, end), "the books say %s", end)
	fault(last.text("terminal") != "true", "the last event is not the end")
	fault(count["succeeded"]+count["failed"] > 1, "it ended more than once")
	// On a busy machine a permit may grow too old before its request is written.
	fault(count["placing"]-count["retrying"] != 1, "%d intents, %d of which sent nothing", count["placing"], count["retrying"])
	fault(w.creates(s) != 1, "%d requests were executed", w.creates(s))
	if len(faults) > 0 {
		r.t.Errorf("%s: %s\n%s", s, strings.Join(faults, "; "), story(events))
	}
}

// overtaken: a lookup that saw the success was overtaken by one that saw it taken
// back, before upstream was told of any money. The order has failed by then, and
// "it succeeded" contradicts that: an alarm that costs a look, and nothing else.
func overtaken(e event, s script) bool {
	return s.tempo == hurried && e.text("type") == "late_evidence" && e.text("state") == "failed" &&
		slices.Contains(s.path[:len(s.path)-1], "success")
}
