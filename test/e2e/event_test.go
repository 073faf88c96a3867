package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/beltline-io/beltline/internal/ratelimit"
)

// event is an event as upstream reads it: what the bytes say, and no type of ours.
type event map[string]any

// eventKeys are the keys of contract.md part 4, copied by hand.
var eventKeys = []string{
	"v", "n", "type", "state", "terminal", "time", "tenant", "order_id", "provider", "kind", "attempt",
	"provider_ref", "cost", "cost_source", "deliverable", "finality", "action", "error", "evidence", "needs_operator",
	"lease_until", "retry_at", "hold_until", "not_before", "watch_until", "metadata", "order",
}

// innerKey is the pipeline's own part of an event: the contract wants the
// owner's nonce in it and names no key for it.
const innerKey = "work"

var terminalTypes = []string{"rejected", "succeeded", "failed", "canceled", "expired", "reversed"}

// remarks are the types that leave the state as it is.
var remarks = []string{"cancel_refused", "confirm_refused", "late_evidence"}

// readEvent decodes with numbers kept as they stand.
func readEvent(body []byte) (event, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var e event
	err := dec.Decode(&e)
	return e, err
}

// at follows a path such as "error.code"; nil where there is nothing.
func (e event) at(path string) any {
	var v any = map[string]any(e)
	for _, key := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// text is what stands at a path, as a string; empty where there is nothing.
func (e event) text(path string) string {
	if v := e.at(path); v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

func (e event) typ() string         { return e.text("type") }
func (e event) state() string       { return e.text("state") }
func (e event) key() string         { return e.text("tenant") + "/" + e.text("order_id") }
func (e event) needsOperator() bool { return e["needs_operator"] == true }
func (e event) terminal() bool      { return e["terminal"] == true }
func (e event) final() bool         { return e.terminal() || e.state() == "unresolved" && e.needsOperator() }
func (e event) n() int              { n, _ := e["n"].(json.Number).Int64(); return int(n) }
func (e event) retryable() bool     { return e.at("error.retryable") == true }
func (e event) String() string      { b, _ := json.Marshal(map[string]any(e)); return string(b) }

// faults holds an event against the contract, and tells all that is wrong.
func (e event) faults(subject string) []string {
	var found []string
	fault := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for _, key := range eventKeys {
		if _, there := e[key]; !there {
			fault("key %q is missing", key)
		}
	}
	for key := range maps.Keys(e) {
		if key != innerKey && !slices.Contains(eventKeys, key) {
			fault("key %q is not in the contract", key)
		}
	}
	provider := e.text("provider")
	if provider == "" {
		provider = "none"
	}
	if want := "events." + provider + "." + e.text("tenant") + "." + e.text("order_id") + "." + e.typ(); subject != want {
		fault("subject is %s, body says %s", subject, want)
	}
	if e.text("v") != "1" {
		fault("v is %v", e["v"])
	}
	if e.terminal() != slices.Contains(terminalTypes, e.state()) {
		fault("terminal is %v in state %s", e["terminal"], e.state())
	}
	if !slices.Contains(remarks, e.typ()) && e.state() != e.typ() {
		fault("type %s leads to state %s", e.typ(), e.state())
	}
	for _, key := range []string{"time", "lease_until", "retry_at", "hold_until", "not_before", "watch_until"} {
		if text, isText := e[key].(string); e[key] != nil && (!isText || !utcMicroseconds(text)) {
			fault("%s is %v", key, e[key])
		}
	}
	for key := range asObject(e["provider_ref"]) {
		if _, isText := e.at("provider_ref." + key).(string); !isText {
			fault("provider_ref.%s is no string", key)
		}
	}
	return append(found, e.stateFaults()...)
}

func utcMicroseconds(text string) bool {
	at, err := time.Parse(time.RFC3339Nano, text)
	return err == nil && strings.HasSuffix(text, "Z") && at.Equal(at.Truncate(time.Microsecond))
}

// stateFaults tells which field the state demands and the event lacks.
func (e event) stateFaults() []string {
	needs := map[string][]string{
		"placing":   {"lease_until", innerKey + ".nonce"},
		"retrying":  {"retry_at", "error.code"},
		"failed":    {"error.class", "error.code"},
		"rejected":  {"error.class", "error.code", "error.faults"},
		"succeeded": {"deliverable", "finality"},
	}[e.typ()]
	if e.typ() == "unresolved" {
		needs = []string{"retry_at", "error.class", "error.code"}
		if e.needsOperator() {
			needs[0] = "not_before"
		}
	}
	var found []string
	for _, path := range needs {
		if e.at(path) == nil {
			found = append(found, fmt.Sprintf("%s without %s", e.typ(), path))
		}
	}
	if e.needsOperator() && e.state() != "unresolved" && e.typ() != "late_evidence" && e.at(innerKey+".contradicted") != true {
		found = append(found, "needs_operator in state "+e.state())
	}
	return found
}

func asObject(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// story renders the events of an order for people.
func story(events []event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	return b.String()
}

// stale reports whether the event tells of a permit that grew too old on a busy
// machine: nothing was sent.
func (e event) stale() bool {
	return e.typ() == "retrying" && strings.Contains(e.text("error.message"), ratelimit.ErrStale.Error())
}

// typesOf are the types of an order's events, in their order.
//
// A permit that grew too old on a busy machine sends nothing, and the order is
// placed again: such a round is left out.
func typesOf(events []event) string {
	var types []string
	for i, e := range events {
		if e.stale() || e.typ() == "placing" && i+1 < len(events) && events[i+1].stale() {
			continue
		}
		types = append(types, e.typ())
	}
	return strings.Join(types, " ")
}

// tail is the end of a text.
func tail(text string, n int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
