package messages

import (
	"encoding/json"
	"time"
	"unicode/utf8"
)

// scanDepth is the deepest nesting that a scanner follows.
const scanDepth = 100

// scanner reads JSON text once, from front to back, and knows its plain forms
// only. Whatever else it meets, a fault or merely something rare, it gives up:
// then nothing it has told counts, and encoding/json decides. So it needs not
// know why a text is refused, and can never refuse or accept on its own. What
// it does not give up on must mean the same to encoding/json: a fuzz test holds
// every reader that is made of it against that.
type scanner struct {
	b      []byte
	at     int
	depth  int
	spaced bool // white space stood between tokens
	gaveUp bool
}

func (s *scanner) giveUp() { s.gaveUp = true }

// peek skips white space and returns the next byte, or 0 where there is none.
func (s *scanner) peek() byte {
	for !s.gaveUp && s.at < len(s.b) {
		switch c := s.b[s.at]; c {
		case ' ', '\t', '\r', '\n':
			s.spaced = true
			s.at++
		default:
			return c
		}
	}
	s.giveUp()
	return 0
}

// end reports whether the text was read to its end, without giving up.
func (s *scanner) end() bool {
	for !s.gaveUp && s.at < len(s.b) {
		switch s.b[s.at] {
		case ' ', '\t', '\r', '\n':
			s.spaced = true
			s.at++
		default:
			s.giveUp()
		}
	}
	return !s.gaveUp
}

// begin reads the first byte of an object or array.
func (s *scanner) begin(open byte) {
	if s.peek() != open || s.depth == scanDepth {
		s.giveUp()
		return
	}
	s.at++
	s.depth++
}

// more reports whether another member or item follows; without one it reads
// the last byte of the object or array.
func (s *scanner) more(first bool, last byte) bool {
	c := s.peek()
	switch {
	case s.gaveUp:
		return false
	case c == last:
		s.at++
		s.depth--
		return false
	case first:
		return true
	case c == ',':
		s.at++
		return true
	default:
		s.giveUp()
		return false
	}
}

// key reads a member's name and the colon, and returns the name as it stands in
// the text. Names with escapes are not plain.
func (s *scanner) key() []byte {
	name, plain := s.quoted()
	if !plain || s.peek() != ':' {
		s.giveUp()
		return nil
	}
	s.at++
	return name
}

// quoted reads a string and returns what stands between the quotes, and whether
// that is what the string says: no escapes, and nothing that is not UTF-8.
func (s *scanner) quoted() (text []byte, plain bool) {
	if s.peek() != '"' {
		s.giveUp()
		return nil, false
	}
	s.at++
	from, ascii, escaped := s.at, true, false
	for s.at < len(s.b) {
		switch c := s.b[s.at]; {
		case c == '"':
			text = s.b[from:s.at]
			s.at++
			return text, !escaped && (ascii || utf8.Valid(text))
		case c == '\\':
			escaped = true
			if s.escape(); s.gaveUp {
				return nil, false
			}
		case c < ' ':
			s.giveUp()
			return nil, false
		default:
			ascii = ascii && c < utf8.RuneSelf
			s.at++
		}
	}
	s.giveUp()
	return nil, false
}

// escape passes over one escape sequence.
func (s *scanner) escape() {
	s.at++
	if s.at == len(s.b) {
		s.giveUp()
		return
	}
	switch s.b[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
	case 'u':
		if s.at+5 > len(s.b) {
			s.giveUp()
			return
		}
		for _, c := range s.b[s.at+1 : s.at+5] {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				s.giveUp()
			}
		}
		s.at += 5
	default:
		s.giveUp()
	}
}

// text reads a string.
func (s *scanner) text() string {
	from := s.at
	text, plain := s.quoted()
	if plain || s.gaveUp {
		return string(text)
	}
	var out string
	if json.Unmarshal(s.b[from:s.at], &out) != nil {
		s.giveUp()
	}
	return out
}

// literal reads true, false or null.
func (s *scanner) literal(word string) {
	if s.peek(); s.gaveUp || len(s.b)-s.at < len(word) || string(s.b[s.at:s.at+len(word)]) != word {
		s.giveUp()
		return
	}
	s.at += len(word)
}

// null reads null, if that is what comes next.
func (s *scanner) null() bool {
	if s.peek() != 'n' {
		return false
	}
	s.literal("null")
	return true
}

func (s *scanner) boolean() bool {
	if s.peek() == 't' {
		s.literal("true")
		return true
	}
	s.literal("false")
	return false
}

// number reads a number and returns its literal.
func (s *scanner) number() []byte {
	if s.peek(); s.gaveUp {
		return nil
	}
	from := s.at
	if s.b[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.b) && s.b[s.at] == '0' {
		s.at++
	} else {
		s.digits()
	}
	if s.at < len(s.b) && s.b[s.at] == '.' {
		s.at++
		s.digits()
	}
	if s.at < len(s.b) && s.b[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.b) && (s.b[s.at] == '+' || s.b[s.at] == '-') {
			s.at++
		}
		s.digits()
	}
	return s.b[from:s.at]
}

// digits reads one digit or more.
func (s *scanner) digits() {
	from := s.at
	for s.at < len(s.b) && s.b[s.at] >= '0' && s.b[s.at] <= '9' {
		s.at++
	}
	if s.at == from {
		s.giveUp()
	}
}

// count reads a whole number that cannot be too great for any counter.
func (s *scanner) count() uint64 {
	const safe = 18 // digits that any 64 bits hold
	literal := s.number()
	if len(literal) > safe {
		s.giveUp()
	}
	var n uint64
	for _, c := range literal {
		if c < '0' || c > '9' {
			s.giveUp()
			return 0
		}
		n = 10*n + uint64(c-'0')
	}
	return n
}

// instant reads a time.
func (s *scanner) instant() (t time.Time) {
	s.peek()
	from := s.at
	if _, plain := s.quoted(); !plain || t.UnmarshalJSON(s.b[from:s.at]) != nil {
		s.giveUp()
	}
	return t
}

// skip passes over a value of any kind.
func (s *scanner) skip() {
	switch s.peek() {
	case '{':
		s.begin('{')
		for first := true; s.more(first, '}'); first = false {
			if s.quoted(); s.peek() != ':' {
				s.giveUp()
			}
			s.at++
			s.skip()
		}
	case '[':
		s.begin('[')
		for first := true; s.more(first, ']'); first = false {
			s.skip()
		}
	case '"':
		s.quoted()
	case 't', 'f':
		s.boolean()
	case 'n':
		s.literal("null")
	default:
		s.number()
	}
}

// raw passes over a value and returns it as it stands in the text.
func (s *scanner) raw() []byte {
	s.peek()
	from := s.at
	if s.skip(); s.gaveUp {
		return nil
	}
	return s.b[from:s.at]
}

// isJSON reports whether b is one JSON text, as encoding/json has it.
func isJSON(b []byte) bool {
	s := scanner{b: b}
	if s.skip(); s.end() {
		return true
	}
	return json.Valid(b)
}
