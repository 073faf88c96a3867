package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
)

const hidden = "***"

// String is a secret text. Its zero value is the empty secret. Compare with
// [String.Equal]: == compares where two secrets are kept, not what they are.
// Copies share what they hold, so that [Replace] reaches all of them.
//
// The text is behind two pointers on purpose. fmt cannot call the methods of a
// value in an unexported field; it prints the field as it lies in memory, and
// that would be the text, for anybody who logs a client with %+v. Some verbs
// follow the first pointer; none follows the second.
type String struct{ held *held }

// New wraps a text.
func New(text string) String {
	if text == "" {
		return String{}
	}
	return String{held: &held{&texts{now: text}}}
}

// Reveal returns the text. Call it where the text goes on the wire, nowhere
// else, and once for each request: the next call may return another one.
func (s String) Reveal() string { return RevealAll(s)[0] }

// Empty reports whether there is no text.
func (s String) Empty() bool { return s.held == nil }

// Equal compares two secrets in a time that does not depend on where they differ.
func (s String) Equal(o String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// String returns "***", or "" for the empty secret, so that a missing one can be seen.
func (s String) String() string {
	if s.Empty() {
		return ""
	}
	return hidden
}

// GoString hides the text from %#v.
func (s String) GoString() string { return s.String() }

// Format hides the text from every verb of fmt, those for reflection included.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides the text from encoding/json, YAML and zerolog.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text from configuration.
func (s *String) UnmarshalText(b []byte) error {
	*s = New(string(b))
	return nil
}
