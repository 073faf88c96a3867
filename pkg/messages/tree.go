package messages

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is the deepest nesting that is read at all. The deepest value of
// the contract lies at 3; what is deeper than this limit would make the event
// that bears the order unreadable to other parsers.
const maxDepth = 1000

type nodeKind uint8

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	stringNode
	arrayNode
	objectNode
)

// node is one JSON value with everything that decides about acceptance and
// that encoding/json throws away: duplicate keys, the literal text of numbers,
// and halves of surrogate pairs.
type node struct {
	kind    nodeKind
	text    string // the text of a string, or the literal of anything else that is not nested
	broken  bool   // a string that holds half of a surrogate pair
	members []member
	items   []node
}

type member struct {
	name  string
	value node
}

// parseTree reads exactly one JSON text. What is JSON is decided before; the
// walk after it meets valid input only.
func parseTree(body []byte) (node, error) {
	if !utf8.Valid(body) {
		return node{}, errors.New("is not UTF-8")
	}
	if !isJSON(body) {
		var whole json.RawMessage
		return node{}, fmt.Errorf("is not JSON: %w", json.Unmarshal(body, &whole))
	}
	w := walker{src: string(body)}
	return w.value(0)
}

type walker struct {
	src string // what is read is part of it, and not copied
	pos int
	// open are the members of the objects that have begun and not ended: only at
	// its end it is known how many an object has.
	open []member
}

var errTooDeep = fmt.Errorf("is nested deeper than %d levels", maxDepth)

// next skips white space, commas and colons: the input is valid, so nothing
// can be told from them.
func (w *walker) next() byte {
	for {
		switch c := w.src[w.pos]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
			w.pos++
		default:
			return c
		}
	}
}

func (w *walker) value(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errTooDeep
	}
	switch c := w.next(); c {
	case '{':
		return w.object(depth)
	case '[':
		return w.array(depth)
	case '"':
		text, broken := w.str()
		return node{kind: stringNode, text: text, broken: broken}, nil
	case 't', 'f':
		return node{kind: boolNode, text: w.literal()}, nil
	case 'n':
		return node{kind: nullNode, text: w.literal()}, nil
	default:
		return node{kind: numberNode, text: w.literal()}, nil
	}
}

func (w *walker) object(depth int) (node, error) {
	n, from := node{kind: objectNode}, len(w.open)
	w.pos++
	for w.next() != '}' {
		name, _ := w.str()
		v, err := w.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		w.open = append(w.open, member{name: name, value: v})
	}
	w.pos++
	n.members = slices.Clone(w.open[from:])
	w.open = w.open[:from]
	return n, nil
}

func (w *walker) array(depth int) (node, error) {
	n := node{kind: arrayNode}
	w.pos++
	for w.next() != ']' {
		v, err := w.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, v)
	}
	w.pos++
	return n, nil
}

func (w *walker) literal() string {
	from := w.pos
	for w.pos < len(w.src) {
		switch w.src[w.pos] {
		case ' ', '\t', '\r', '\n', ',', ']', '}':
			return w.src[from:w.pos]
		default:
			w.pos++
		}
	}
	return w.src[from:]
}

// str reads a string. Half of a surrogate pair is kept as its own three bytes,
// so that two different halves stay different texts.
func (w *walker) str() (text string, broken bool) {
	w.pos++
	var out []byte
	for {
		from := w.pos
		for w.src[w.pos] != '"' && w.src[w.pos] != '\\' {
			w.pos++
		}
		run := w.src[from:w.pos]
		if w.src[w.pos] == '"' {
			w.pos++
			if out == nil { // as nearly always: nothing was escaped
				return run, broken
			}
			return string(append(out, run...)), broken
		}
		out = append(out, run...)
		r, whole := w.escape()
		if !whole {
			broken = true
			out = append(out, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F) //nolint:gosec // r is a surrogate: 16 bits
			continue
		}
		out = utf8.AppendRune(out, r)
	}
}

var shortEscapes = map[byte]rune{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads one escape sequence, both halves of a surrogate pair included.
func (w *walker) escape() (r rune, whole bool) {
	c := w.src[w.pos+1]
	if c != 'u' {
		w.pos += 2
		if r, ok := shortEscapes[c]; ok {
			return r, true
		}
		return rune(c), true // the quote and both slashes stand for themselves
	}
	r = w.hex()
	if !utf16.IsSurrogate(r) {
		return r, true
	}
	if after := w.src[w.pos:]; len(after) >= 6 && after[0] == '\\' && after[1] == 'u' {
		back := w.pos
		if pair := utf16.DecodeRune(r, w.hex()); pair != utf8.RuneError {
			return pair, true
		}
		w.pos = back
	}
	return r, false
}

func (w *walker) hex() rune {
	v, err := strconv.ParseUint(w.src[w.pos+2:w.pos+6], 16, 16)
	if err != nil {
		panic("messages: walking over JSON that was not valid: " + err.Error())
	}
	w.pos += 6
	return rune(v)
}
