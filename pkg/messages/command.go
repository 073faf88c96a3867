package messages

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Command points a worker at the event it follows. What is bought is what the
// ledger says at Seq; a command that disagrees with the ledger is refused.
type Command struct {
	V       int    `json:"v"`
	Tenant  string `json:"tenant"`
	OrderID string `json:"order_id"`
	Seq     uint64 `json:"seq"` // sequence of the event in EVENTS
	N       uint64 `json:"n"`   // the event's n
	// Hint is what the event does not say: of a check, what the webhook claimed
	// that caused it; of a cancel, why upstream asks. It decides nothing.
	Hint json.RawMessage `json:"hint,omitempty"`
}

// CommandFor points at an event stored at seq.
func CommandFor(e *Event, seq uint64) Command {
	return Command{V: Version, Tenant: e.Tenant, OrderID: e.OrderID, Seq: seq, N: e.N}
}

// Encode renders the command's body.
func (c Command) Encode() []byte {
	if c.V == Version && len(c.Hint) == 0 && ValidToken(c.Tenant) && ValidToken(c.OrderID) {
		b := append(make([]byte, 0, 192), `{"v":1,"tenant":"`...)
		b = append(append(b, c.Tenant...), `","order_id":"`...)
		b = append(append(b, c.OrderID...), `","seq":`...)
		b = append(strconv.AppendUint(b, c.Seq, 10), `,"n":`...)
		return append(strconv.AppendUint(b, c.N, 10), '}')
	}
	return c.encode()
}

// encode says how every command is written.
func (c Command) encode() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("messages: command cannot be encoded: %v", err)) // only a malformed Hint can do this
	}
	return b
}

// DecodeCommand reads a command's body and checks its tokens.
func DecodeCommand(body []byte) (Command, error) {
	c, plain := readCommand(body)
	if !plain {
		c = Command{}
		if err := json.Unmarshal(body, &c); err != nil {
			return Command{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	if c.V != Version {
		return Command{}, fmt.Errorf("%w: command version %d", ErrVersion, c.V)
	}
	if !ValidTenant(c.Tenant) || !ValidToken(c.OrderID) || c.Seq == 0 {
		return Command{}, fmt.Errorf("%w: command without a usable tenant, order_id or seq", ErrMalformed)
	}
	return c, nil
}

// readCommand reads what [Command.Encode] writes, in its order; it is not plain
// otherwise, and encoding/json decides.
func readCommand(body []byte) (c Command, plain bool) {
	s := scanner{b: body}
	field := func(name string, first bool) bool { return s.more(first, '}') && string(s.key()) == name }
	s.begin('{')
	if !field("v", true) {
		return c, false
	}
	c.V = int(s.count()) //nolint:gosec // count reads 18 digits at most
	if !field("tenant", false) {
		return c, false
	}
	c.Tenant = s.text()
	if !field("order_id", false) {
		return c, false
	}
	c.OrderID = s.text()
	if !field("seq", false) {
		return c, false
	}
	c.Seq = s.count()
	if !field("n", false) {
		return c, false
	}
	c.N = s.count()
	return c, !s.more(false, '}') && s.end()
}

// Headers of a dead letter, and what they hold.
const (
	HeaderReason  = "Beltline-Reason"
	HeaderError   = "Beltline-Error"
	HeaderOrigin  = "Beltline-Origin" // <stream>:<sequence>:<subject>
	HeaderOrderID = "Beltline-Order-Id"
	// HeaderTruncated holds the length of the original body where body and
	// headers together would not have fitted into one message.
	HeaderTruncated = "Beltline-Truncated"
)

// HeaderDue of a command that a timer has become is when the timer was due.
const HeaderDue = "Beltline-Due"

// Reason says why a message became a dead letter.
type Reason string

// The reasons of dead letters.
const (
	ReasonInvalidOrder         Reason = "invalid_order"
	ReasonOrderConflict        Reason = "order_conflict"
	ReasonUnknownOrder         Reason = "unknown_order"
	ReasonCommandUnprocessable Reason = "command_unprocessable"
)

// Origin renders the value of [HeaderOrigin].
func Origin(stream string, seq uint64, subject string) string {
	return fmt.Sprintf("%s:%d:%s", stream, seq, subject)
}
