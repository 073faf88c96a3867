package check

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ways12 is I12: the events of an order are numbered without a gap, each was
// written on top of the one before, and the states are a way that the contract
// knows.
func ways12(v *view, say tell) (looked int) {
	for _, key := range v.keys {
		state, before := "", uint64(0)
		for i, e := range v.stories[key].events {
			looked++
			bad := func(format string, args ...any) {
				say(key, "event at "+strconv.FormatUint(e.Seq, 10)+": "+format, args...)
			}
			switch {
			case e.N != i+1:
				bad("is numbered %d and is number %d", e.N, i+1)
			case e.Expected == "":
				bad("was not written by compare-and-set")
			case e.Expected != strconv.FormatUint(before, 10):
				bad("was written on top of %s, and the one before is %d", e.Expected, before)
			case !strings.HasSuffix(e.Subject, "."+e.Tenant+"."+e.OrderID+"."+e.Type):
				bad("stands on %s", e.Subject)
			case sideTypes[e.Type]:
				if e.State != state {
					bad("%s says %s of an order that is %s", e.Type, e.State, state)
				}
			case e.State != e.Type || e.Terminal != ends[e.State]:
				bad("is %s and says state %s, terminal %t", e.Type, e.State, e.Terminal)
			case !slices.Contains(ways[state], e.State):
				bad("%s follows %q", e.State, state)
			}
			before = e.Seq
			if !sideTypes[e.Type] {
				state = e.State
			}
		}
	}
	return looked
}

// moved are the messages that a worker logs after its event was acknowledged.
var moved = map[string]bool{"order moved": true, "order needs an operator": true}

// kept is I5: what a reader was given is in the ledger, byte for byte, and so
// is every event whose acknowledgement a process has logged; and all copies of
// the ledger are equal.
func kept(v *view, say tell) (looked int) {
	have := map[uint64]string{}
	for _, m := range v.Streams["EVENTS"] {
		have[m.Seq] = m.Data
	}
	for seq, body := range v.Seen {
		looked++
		if now, ok := have[seq]; !ok {
			say("", "the event at %d was read and is gone: %.120s", seq, body)
		} else if now != body {
			say("", "the event at %d was read and is another now: %.120s", seq, body)
		}
	}
	looked += v.copies(say)
	type fact struct {
		key, typ string
		attempt  int
	}
	stored := map[fact]int{}
	for _, key := range v.keys {
		for _, e := range v.stories[key].events {
			stored[fact{key, e.Type, e.Attempt}]++
		}
	}
	logged := map[fact]int{}
	for _, log := range v.Logs {
		for line := range strings.SplitSeq(log, "\n") {
			if !strings.Contains(line, `"order moved"`) && !strings.Contains(line, `"order needs an operator"`) {
				continue
			}
			var said struct {
				Message, Event, Tenant string
				OrderID                string `json:"order_id"`
				Attempt                int
			}
			if json.Unmarshal([]byte(line), &said) == nil && moved[said.Message] {
				looked++
				logged[fact{said.Tenant + "/" + said.OrderID, said.Event, said.Attempt}]++
			}
		}
	}
	for f, n := range logged {
		if stored[f] < n {
			say(f.key, "%d acknowledged %s of attempt %d, the ledger has %d", n, f.typ, f.attempt, stored[f])
		}
	}
	return looked
}

// copies holds what each node has against what the leader has. The dump of the
// leader is older, so a copy may go on where it ends.
func (v *view) copies(say tell) (looked int) {
	whole := v.Streams["EVENTS"]
	for _, node := range slices.Sorted(maps.Keys(v.Copies)) {
		have := map[uint64]Message{}
		for _, m := range v.Copies[node] {
			have[m.Seq] = m
		}
		for _, m := range whole {
			looked++
			switch own, ok := have[m.Seq]; {
			case !ok:
				say("", "the copy of %s lacks the event at %d: %.120s", node, m.Seq, m.Data)
			case own.Data != m.Data || own.Subject != m.Subject:
				say("", "the copy of %s has another event at %d: %.120s", node, m.Seq, own.Data)
			}
			delete(have, m.Seq)
		}
		for seq, m := range have {
			if n := len(whole); n > 0 && seq < whole[n-1].Seq {
				say("", "the copy of %s alone has an event at %d: %.120s", node, seq, m.Data)
			}
		}
	}
	return looked
}
