package providerhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/beltline-io/beltline/pkg/providers"
)

// DecodeJSON reads the one JSON value of an answer into into. Unknown fields
// are allowed and numbers in an any are json.Number. Whatever could mean two
// things to two readers is unreadable, and that is Ambiguous: a duplicate key
// (keys that differ in case only are duplicates, because encoding/json fills
// one field from both), a second value, HTML, nothing at all.
func DecodeJSON(op string, r *Response, into any) *providers.Error {
	body := bytes.TrimSpace(bytes.TrimPrefix(r.Body, []byte("\xef\xbb\xbf")))
	err := checkJSON(body)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		err = wrongType(d.Decode(into))
	}
	if err == nil {
		return nil
	}
	return &providers.Error{
		Op: op, Class: providers.Ambiguous, Code: providers.CodeUnreadable, HTTPStatus: r.Status, Message: err.Error(),
	}
}

// wrongType retells a decoding error without the value that caused it.
func wrongType(err error) error {
	var t *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &t):
		return fmt.Errorf("the answer has a wrong type at %q", Shorten(t.Field))
	default:
		return errors.New("the answer has a value that cannot be read")
	}
}

// checkJSON reports what makes body other than one unambiguous JSON value.
func checkJSON(body []byte) error {
	switch {
	case len(body) == 0:
		return errors.New("the answer is empty")
	case body[0] == '<':
		return fmt.Errorf("the answer is markup of %d bytes, not JSON", len(body))
	case !json.Valid(body):
		return fmt.Errorf("the answer of %d bytes is not one JSON value", len(body))
	}
	return checkKeys(body)
}

// level is one open object or array.
type level struct {
	object  bool
	wantKey bool
	keys    keys
}

// checkKeys looks for duplicate keys in valid JSON. It keeps its own stack:
// the depth of an answer must not be the depth of our calls.
func checkKeys(body []byte) error {
	words := valid{string(body)}
	open := make([]level, 0, 4)
	for {
		word, err := words.next()
		if err != nil {
			return nil // it is the end
		}
		switch word.kind {
		case '{', '[':
			open = append(open, level{object: word.kind == '{', wantKey: word.kind == '{'})
			continue
		case '}', ']':
			open = open[:len(open)-1]
		default:
			if len(open) > 0 && open[len(open)-1].wantKey {
				top := &open[len(open)-1]
				if !top.keys.add(word.text) {
					return errors.New("the answer has a key twice")
				}
				top.wantKey = false
				continue
			}
		}
		// A value has ended: in an object a key comes next.
		if len(open) > 0 {
			open[len(open)-1].wantKey = open[len(open)-1].object
		}
	}
}

// keys are those of one object that have come so far. Most objects have few.
type keys struct {
	few  [8]string
	n    int
	many map[string]bool // folded, of an object with more
}

// add notes a key, and reports whether there was none that is held to be equal.
func (k *keys) add(key string) bool {
	if k.many == nil {
		for _, other := range k.few[:k.n] {
			if strings.EqualFold(other, key) {
				return false
			}
		}
		if k.n < len(k.few) {
			k.few[k.n] = key
			k.n++
			return true
		}
		k.many = map[string]bool{}
		for _, other := range k.few {
			k.many[fold(other)] = true
		}
	}
	folded := fold(key)
	if k.many[folded] {
		return false
	}
	k.many[folded] = true
	return true
}

// fold maps keys that encoding/json holds to be equal to one text: it compares
// them by Unicode's simple folding, where the Kelvin sign is a k.
func fold(key string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, key)
}
