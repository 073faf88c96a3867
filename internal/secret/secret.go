// Package secret holds credentials in a type that cannot be printed, logged
// or marshalled: every way of rendering it gives "***". The text itself leaves
// only through [String.Reveal], at the moment a request is signed or sent.
package secret

import (
	"fmt"
	"io"
)

const hidden = "***"

// String is a secret text. Its zero value is the empty secret.
type String struct{ text string }

// New wraps a text.
func New(text string) String { return String{text: text} }

// Reveal returns the text. Call it where the text goes on the wire, nowhere else.
func (s String) Reveal() string { return s.text }

// Empty reports whether there is no text.
func (s String) Empty() bool { return s.text == "" }

// String returns "***", or "" for the empty secret, so that a missing one can be seen.
func (s String) String() string {
	if s.text == "" {
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
	s.text = string(b)
	return nil
}
