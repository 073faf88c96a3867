package gamesdroptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

const maxBody = 64 << 10

var (
	errBody       = errors.New("the body is not what the document describes")
	wholeNumber   = regexp.MustCompile(`^(0|[1-9][0-9]{0,18})$`)
	decimalNumber = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)
)

// fields is a strict reader of one JSON object: whoever has asked for all the
// fields there may be calls done, which finds the ones that may not be.
type fields struct {
	values map[string]json.RawMessage
	asked  map[string]bool
	wrong  bool
}

// readBody reads the object of a request.
func readBody(r *http.Request) (*fields, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, errBody
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return nil, errBody
	}
	return readObject(body)
}

// readObject takes an object apart and refuses a key that comes twice.
func readObject(raw []byte) (*fields, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errBody
	}
	f := &fields{values: map[string]json.RawMessage{}, asked: map[string]bool{}}
	for d.More() {
		key, err := d.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return nil, errBody
		}
		var value json.RawMessage
		if _, twice := f.values[name]; twice || d.Decode(&value) != nil {
			return nil, errBody
		}
		f.values[name] = value
	}
	if _, err := d.Token(); err != nil || d.Decode(&struct{}{}) != io.EOF {
		return nil, errBody
	}
	return f, nil
}

func (f *fields) get(name string, required bool) (string, bool) {
	f.asked[name] = true
	raw, there := f.values[name]
	if !there && required {
		f.wrong = true
	}
	return string(raw), there
}

// text reads a string; a required one must not be empty.
func (f *fields) text(name string, required bool) string {
	raw, there := f.get(name, required)
	if !there {
		return ""
	}
	var s string
	if !strings.HasPrefix(raw, `"`) || json.Unmarshal([]byte(raw), &s) != nil || s == "" {
		f.wrong = true
	}
	return s
}

// number reads a literal that is a number and not a string.
func (f *fields) number(name string, form *regexp.Regexp) string {
	raw, there := f.get(name, true)
	if there && !form.MatchString(raw) {
		f.wrong = true
		return ""
	}
	return raw
}

// offer reads an offerId: a number, or a string for Stars, and never the other.
func (f *fields) offer() string {
	raw, there := f.get("offerId", true)
	if !there || wholeNumber.MatchString(raw) {
		return raw
	}
	if text := f.text("offerId", true); strings.HasPrefix(text, "telegram_stars_") {
		return text
	}
	f.wrong = true
	return ""
}

// object reads an object within; nil where there is none.
func (f *fields) object(name string) *fields {
	raw, there := f.get(name, false)
	if !there {
		return nil
	}
	inner, err := readObject([]byte(raw))
	if err != nil {
		f.wrong = true
		return nil
	}
	return inner
}

// done reports whether every field was there, right and asked for.
func (f *fields) done() bool {
	for name := range f.values {
		if !f.asked[name] {
			return false
		}
	}
	return !f.wrong
}

// object builds JSON in the order in which the document prints it.
type object struct{ b strings.Builder }

func (o *object) raw(name, value string) *object {
	if o.b.Len() > 0 {
		o.b.WriteByte(',')
	}
	o.b.WriteString(quote(name) + ":" + value)
	return o
}

func (o *object) text(name, value string) *object { return o.raw(name, quote(value)) }

func (o *object) number(name string, n int64) *object { return o.raw(name, strconv.FormatInt(n, 10)) }

func (o *object) flag(name string, v bool) *object { return o.raw(name, strconv.FormatBool(v)) }

func (o *object) String() string { return "{" + o.b.String() + "}" }

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(b)
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
