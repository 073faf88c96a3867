package messages

import "encoding/json"

// What encoding/json makes of bodies by itself: the plain forms, which are read
// and written without it, are held against this.

// SlowDecodeEvent reads an event with encoding/json alone.
func SlowDecodeEvent(body []byte) (*Event, error) {
	var w slowEvent
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, err
	}
	return &w.Event, nil
}

type slowEvent struct{ Event }

// UnmarshalJSON leaves out the plain reader.
func (e *slowEvent) UnmarshalJSON(b []byte) error { return e.unmarshal(b) }

// SlowEncodeEvent writes an event with encoding/json alone.
func SlowEncodeEvent(e *Event) ([]byte, error) { return e.marshal() }

// PlainDecodeEvent reads an event without encoding/json, or reports that it
// gave up.
func PlainDecodeEvent(body []byte) (*Event, bool) { return readEvent(body, false) }

// PlainEncodeEvent writes an event without encoding/json, or fails.
func PlainEncodeEvent(e *Event) ([]byte, error) { return writeEvent(e) }

// SlowDecodeCommand reads a command's fields with encoding/json alone.
func SlowDecodeCommand(body []byte) (Command, error) {
	var c Command
	err := json.Unmarshal(body, &c)
	return c, err
}

// PlainDecodeCommand reads a command without encoding/json, or gives up.
func PlainDecodeCommand(body []byte) (Command, bool) { return readCommand(body) }

// SlowEncode writes a command with encoding/json alone.
func (c Command) SlowEncode() []byte { return c.encode() }

// IsJSON reports whether b is one JSON text.
func IsJSON(b []byte) bool { return isJSON(b) }

// TokenPattern is what [ValidToken] says of a text.
const TokenPattern = tokenPattern

// NoControl is what the schemas say of control characters.
const NoControl = noControl

// IsControl is what the decoder says of them.
func IsControl(r rune) bool { return isControl(r) }
