package check

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// sum is an amount as it stands on the wire.
type sum struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// event is a message of EVENTS, read as the contract describes it.
type event struct {
	Seq      uint64    `json:"-"`
	Stored   time.Time `json:"-"`
	Subject  string    `json:"-"`
	Expected string    `json:"-"` // the sequence that its writer expected

	N             int               `json:"n"`
	Type          string            `json:"type"`
	State         string            `json:"state"`
	Terminal      bool              `json:"terminal"`
	Tenant        string            `json:"tenant"`
	OrderID       string            `json:"order_id"`
	Provider      string            `json:"provider"`
	Kind          string            `json:"kind"`
	Attempt       int               `json:"attempt"`
	Ref           map[string]string `json:"provider_ref"`
	Cost          *sum              `json:"cost"`
	CostSource    string            `json:"cost_source"`
	Deliverable   json.RawMessage   `json:"deliverable"`
	Evidence      map[string]any    `json:"evidence"`
	NeedsOperator bool              `json:"needs_operator"`
	LeaseUntil    *time.Time        `json:"lease_until"`
	RetryAt       *time.Time        `json:"retry_at"`
	Order         json.RawMessage   `json:"order"`
	Error         *struct {
		Class, Code, Message string
	} `json:"error"`
	Work struct {
		Nonce string `json:"nonce"`
		Owner string `json:"owner"`
	} `json:"work"`
}

const expectedHeader = "Nats-Expected-Last-Subject-Sequence"

func readEvent(m Message) (*event, error) {
	e := &event{Seq: m.Seq, Stored: m.Time, Subject: m.Subject}
	if err := json.Unmarshal([]byte(m.Data), e); err != nil {
		return nil, fmt.Errorf("the event at %d cannot be read: %w", m.Seq, err)
	}
	if v := m.Header[expectedHeader]; len(v) > 0 {
		e.Expected = v[0]
	}
	return e, nil
}

func (e *event) key() string { return e.Tenant + "/" + e.OrderID }

// parked: the operator has it.
func (e *event) parked() bool { return e.State == "unresolved" && e.NeedsOperator }

// code is the code of the event's error, or "".
func (e *event) code() string {
	if e.Error == nil {
		return ""
	}
	return e.Error.Code
}

// text reads a path of an object as text.
func text(object any, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		fields, ok := object.(map[string]any)
		if !ok {
			return ""
		}
		object = fields[name]
	}
	if object == nil {
		return ""
	}
	return fmt.Sprint(object)
}

// given reads a path of what was delivered.
func (e *event) given(path string) string {
	var object any
	if json.Unmarshal(e.Deliverable, &object) != nil {
		return ""
	}
	return text(object, path)
}

// String is a line of a timeline.
func (e *event) String() string {
	s := fmt.Sprintf("event %d %s", e.N, e.Type)
	if e.Type != e.State {
		s += " (" + e.State + ")"
	}
	s += fmt.Sprintf(", attempt %d, seq %d", e.Attempt, e.Seq)
	if e.Error != nil {
		s += fmt.Sprintf(", %s/%s %q", e.Error.Class, e.Error.Code, e.Error.Message)
	}
	if e.NeedsOperator {
		s += ", for the operator"
	}
	if len(e.Ref) > 0 {
		s += fmt.Sprintf(", ref %v", e.Ref)
	}
	return s
}

// types of events that do not change the state.
var sideTypes = map[string]bool{"cancel_refused": true, "confirm_refused": true, "late_evidence": true}

// ends are the states in which an order has ended.
var ends = map[string]bool{"rejected": true, "succeeded": true, "failed": true, "canceled": true, "expired": true, "reversed": true}

// ways are the states that may follow a state. They are the contract's, in a
// world whose ledger loses nothing.
var ways = map[string][]string{
	"":                {"accepted", "rejected"},
	"accepted":        {"placing", "retrying", "failed", "canceled", "expired"},
	"placing":         {"retrying", "action_required", "processing", "on_hold", "unresolved", "succeeded", "failed"},
	"retrying":        {"retrying", "placing", "failed", "canceled", "expired", "succeeded", "processing", "action_required", "on_hold", "unresolved"},
	"action_required": {"action_required", "processing", "on_hold", "unresolved", "succeeded", "failed", "canceled"},
	"processing":      {"processing", "action_required", "on_hold", "unresolved", "succeeded", "failed", "canceled"},
	"on_hold":         {"on_hold", "unresolved", "succeeded", "failed", "reversed"},
	"unresolved":      {"unresolved", "placing", "retrying", "action_required", "processing", "on_hold", "succeeded", "failed", "canceled"},
	"succeeded":       {"reversed"},
}
