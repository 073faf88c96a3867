package messages

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of what is said about a body. Without them a body of 32 KB could ask
// for faults that do not fit into an event of 128 KB.
const (
	maxFaultBytes   = 40 << 10
	maxPointerBytes = 512
)

// checker gathers the faults of one body.
type checker struct {
	faults []Fault
	bytes  int
	unsaid int
}

func (c *checker) fault(at, format string, args ...any) {
	f := Fault{Pointer: at, Message: fmt.Sprintf(format, args...)}
	for len(f.Pointer) > maxPointerBytes {
		f.Pointer = f.Pointer[:strings.LastIndexByte(f.Pointer, '/')]
		f.Message = "in a field whose name is too long: " + f.Message
	}
	written, _ := json.Marshal(f) // a struct of two texts cannot fail
	if c.bytes+len(written) > maxFaultBytes {
		c.unsaid++
		return
	}
	c.bytes += len(written)
	c.faults = append(c.faults, f)
}

// all returns the faults, with the number of those that found no room.
func (c *checker) all() []Fault {
	if c.unsaid == 0 {
		return c.faults
	}
	return append(c.faults, Fault{Message: fmt.Sprintf("and %d more faults", c.unsaid)})
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// child is the pointer of a member. Halves of surrogate pairs cannot be
// written in JSON text and become replacement characters.
func child(at, name string) string {
	if strings.IndexByte(name, '~') < 0 && strings.IndexByte(name, '/') < 0 && utf8.ValidString(name) {
		return at + "/" + name
	}
	return at + "/" + pointerEscapes.Replace(strings.ToValidUTF8(name, "\uFFFD"))
}

// rule is what a value must be. check reports faults and returns the decoded
// value, or nil; schema says the same as a JSON Schema, as far as one can.
type rule struct {
	check  func(c *checker, at string, n node) any
	schema schema
}

// field is one row of a table: decoder and JSON Schemas are made from it.
type field struct {
	name     string
	required bool
	rule     rule
	about    string
	pointer  string // from the object that has it
}

func need(name string, r rule, about string) field {
	return field{name: name, required: true, rule: r, about: about, pointer: child("", name)}
}

func may(name string, r rule, about string) field {
	return field{name: name, rule: r, about: about, pointer: child("", name)}
}

// record is a decoded object, by the table that it was checked against. A table
// is short: to look through it costs less than a map.
type record struct {
	fields []field
	values []any  // nil where a value is missing, at fault or not certain
	stood  []bool // whether the key stands in the object
}

func (r record) find(name string) int {
	for i := range r.fields {
		if r.fields[i].name == name {
			return i
		}
	}
	return -1
}

// given reports whether a key of the table stands in the object.
func (r record) given(name string) bool {
	i := r.find(name)
	return i >= 0 && r.stood[i]
}

// value is the value of a key, or nil where there is none that is certain.
func (r record) value(name string) any {
	if i := r.find(name); i >= 0 {
		return r.values[i]
	}
	return nil
}

// object checks an object against its table: duplicate keys, unknown fields,
// faulty values in the order of the document, then what is missing.
func (c *checker) object(at string, n node, fields []field) record {
	if n.kind != objectNode {
		c.fault(at, "must be an object")
		return record{}
	}
	rec := record{fields: fields, values: make([]any, len(fields)), stood: make([]bool, len(fields))}
	var strange map[string]bool // there may be thousands
	for _, m := range n.members {
		i := rec.find(m.name)
		switch {
		case strange[m.name]:
			c.fault(child(at, m.name), "duplicate key")
		case i >= 0 && rec.stood[i]:
			c.fault(at+fields[i].pointer, "duplicate key")
			rec.values[i] = nil // which of the two is meant cannot be known
		case i < 0:
			c.fault(child(at, m.name), "unknown field")
			if strange == nil {
				strange = make(map[string]bool)
			}
			strange[m.name] = true
		default:
			rec.values[i], rec.stood[i] = fields[i].rule.check(c, at+fields[i].pointer, m.value), true
		}
	}
	for i, f := range fields {
		if f.required && !rec.stood[i] {
			c.fault(at+f.pointer, "is required")
		}
	}
	return rec
}

// get returns a value of the record, or the zero value where there is none.
func get[T any](rec record, name string) T {
	v, _ := rec.value(name).(T)
	return v
}

// optional returns a value of the record, or nil where there is none.
func optional[T any](rec record, name string) *T {
	if v, ok := rec.value(name).(T); ok {
		return &v
	}
	return nil
}
