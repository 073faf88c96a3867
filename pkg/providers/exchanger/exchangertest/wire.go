package exchangertest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const maxBody = 64 << 10

// params are the parameters of a request, as $_POST has them: of any body but
// a form there are none.
type params struct {
	values url.Values
	asked  map[string]bool
}

func readParams(r *http.Request) params {
	p := params{values: url.Values{}, asked: map[string]bool{}}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return p
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return p
	}
	if values, err := url.ParseQuery(string(body)); err == nil {
		p.values = values
	}
	return p
}

// get returns a parameter and notes that there may be one.
func (p params) get(name string) string {
	p.asked[name] = true
	return p.values.Get(name)
}

// number returns a parameter as an integer, 0 for anything else, as PHP does.
func (p params) number(name string) int64 {
	n, err := strconv.ParseInt(p.get(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// strange names a parameter that the method does not have, or that came twice.
func (p params) strange() string {
	for name, values := range p.values {
		if !p.asked[name] || len(values) != 1 {
			return name
		}
	}
	return ""
}

// object builds JSON in the order in which the manual lists it.
type object struct{ b strings.Builder }

func (o *object) raw(name, value string) *object {
	if o.b.Len() > 0 {
		o.b.WriteByte(',')
	}
	o.b.WriteString(quote(name) + ":" + value)
	return o
}

func (o *object) text(name, value string) *object { return o.raw(name, quote(value)) }

// texts writes pairs of names and values.
func (o *object) texts(pairs ...string) *object {
	for i := 0; i+1 < len(pairs); i += 2 {
		o.text(pairs[i], pairs[i+1])
	}
	return o
}

func (o *object) String() string { return "{" + o.b.String() + "}" }

// quote writes a text as PHP does: in ASCII.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always marshals
	}
	var out strings.Builder
	for _, r := range string(b) {
		switch {
		case r < utf8.RuneSelf:
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

func array(list []string) string { return "[" + strings.Join(list, ",") + "]" }

// items wraps a list as most methods do; an empty one is an empty array.
func items(list []string) string {
	if len(list) == 0 {
		return "[]"
	}
	return (&object{}).raw("items", array(list)).String()
}

func bit(v bool) string {
	if v {
		return "1"
	}
	return "0"
}

// reply is what a method answers.
type reply struct {
	code    string // "0" is none
	integer bool   // write the code as a number
	text    string
	fields  string // error_fields; "" where the method has none
	data    string
}

// good is an answer of a method that writes its error as a string.
func good(data string) reply { return reply{code: "0", data: data} }

// fine is an answer of a method that writes its error as a number.
func fine(data string) reply { return reply{code: "0", integer: true, data: data} }

func bad(code, text string) reply { return reply{code: code, text: text, data: "[]"} }

func gate(code, text string) reply { return reply{code: code, integer: true, text: text, data: "[]"} }

func (r reply) String() string {
	o := &object{}
	if r.integer {
		o.raw("error", r.code)
	} else {
		o.text("error", r.code)
	}
	o.text("error_text", r.text)
	if r.fields != "" {
		o.raw("error_fields", r.fields)
	}
	return o.raw("data", r.data).String()
}
