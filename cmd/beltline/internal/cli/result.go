package cli

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/beltline-io/beltline/cmd/beltline/internal/plain"
)

// result is what is told of an order that has no event to show.
type result struct {
	OrderID string `json:"order_id,omitempty"`
	Type    string `json:"type"`
	Line    int    `json:"line"`
	Seq     uint64 `json:"seq,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Error   string `json:"error,omitempty"`
	State   string `json:"state,omitempty"` // the last one known
}

// resultOf says what became of an order where its last event does not.
func (u *submitter) resultOf(o *submission) (result, bool) {
	r := result{OrderID: o.id, Line: o.line, Seq: o.seq}
	switch {
	case o.dead != nil:
		r.Type, r.Reason, r.Error = "dead_letter", string(o.dead.Reason), o.dead.Error
	case o.err != nil && o.seq == 0:
		r.Type, r.Error = "not_sent", o.err.Error()
	case o.err != nil:
		r.Type, r.Error = "pending", o.err.Error()
		if o.last != nil {
			r.State = string(o.last.State)
		}
	case o.last == nil:
		r.Type = "stored"
	default:
		return r, false
	}
	return r, true
}

// write writes the one line of an order.
func (u *submitter) write(o *submission) {
	r, without := u.resultOf(o)
	switch {
	case !without && u.c.json():
		if err := u.writeEvent(o.last); err != nil {
			u.say("line %d: %s", o.line, err)
		}
	case !without:
		u.tell("%s\t%s\t%s\t%s", o.id, u.look.Paint(o.last.State, string(o.last.State)), cmp.Or(plain.Spent(o.last), "-"), plain.Why(o.last))
	case u.c.json():
		body, err := json.Marshal(r)
		if err != nil {
			u.say("line %d: %s", o.line, err)
			return
		}
		u.tell("%s", body)
	default:
		u.tell("%s\t%s\t-\t%s", cmp.Or(o.id, fmt.Sprintf("line %d", o.line)), r.Type, r.words())
	}
}

// words is the result for people.
func (r result) words() string {
	switch {
	case r.Reason != "":
		return r.Reason + ": " + r.Error
	case r.State != "":
		return r.Error + " (it is " + r.State + ")"
	case r.Error != "":
		return r.Error
	default:
		return fmt.Sprintf("number %d in ORDERS", r.Seq)
	}
}
