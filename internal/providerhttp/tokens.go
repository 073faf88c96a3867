package providerhttp

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// token is a word of JSON. Its kind is the sign itself of '{', '}', '[' and
// ']', and else the first letter of what it may be: '"' of a text, '0' of any
// number, 't', 'f' and 'n' of true, false and null.
type token struct {
	kind byte
	text string // of a text, as it is meant; else as it is written
}

// tokensOf reads a body word by word, and as far as it can be read: what comes
// before the fault of one that was cut short is told.
func tokensOf(body []byte) func() (token, error) {
	if json.Valid(body) {
		return (&valid{string(body)}).next
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return func() (token, error) {
		word, err := d.Token()
		return tokenOf(word), err
	}
}

func tokenOf(word json.Token) token {
	switch v := word.(type) {
	case json.Delim:
		return token{kind: byte(v), text: v.String()} //nolint:gosec // one of four signs
	case string:
		return token{kind: '"', text: v}
	case json.Number:
		return token{kind: '0', text: v.String()}
	case bool:
		text := strconv.FormatBool(v)
		return token{kind: text[0], text: text}
	default:
		return token{kind: 'n', text: "null"}
	}
}

// valid reads JSON that is known to be one valid value, and nothing else: signs
// that the grammar calls for are passed over. It tells what json.Decoder would,
// without a buffer, and without a value of its own for each word.
type valid struct{ rest string }

// next returns [io.EOF] after the last word.
func (v *valid) next() (token, error) {
	rest := strings.TrimLeft(v.rest, " \t\r\n,:")
	if rest == "" {
		v.rest = ""
		return token{}, io.EOF
	}
	t, n := token{kind: rest[0]}, 1
	switch t.kind {
	case '"':
		t.text, n = textOf(rest)
		v.rest = rest[n:]
		return t, nil
	case '{', '}', '[', ']':
	case 't', 'n':
		n = len("true")
	case 'f':
		n = len("false")
	default:
		if n = strings.IndexAny(rest, " \t\r\n,]}"); n < 0 {
			n = len(rest)
		}
		t.kind = '0'
	}
	t.text, v.rest = rest[:n], rest[n:]
	return t, nil
}

// textOf is what the quoted text means that rest begins with, and its length in
// rest. All that is more than quotes around it is left to encoding/json.
func textOf(rest string) (string, int) {
	n, plain := 1, true
	for ; rest[n] != '"'; n++ {
		if rest[n] == '\\' {
			n++ // whatever it is, it ends nothing
			plain = false
		}
	}
	n++
	if text := rest[1 : n-1]; plain && utf8.ValidString(text) {
		return text, n
	}
	var text string
	_ = json.Unmarshal([]byte(rest[:n]), &text) // a valid one always unmarshals
	return text, n
}
