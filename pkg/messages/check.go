package messages

import (
	"encoding/json"
	"fmt"
	"strings"
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
}

func need(name string, r rule, about string) field {
	return field{name: name, required: true, rule: r, about: about}
}

func may(name string, r rule, about string) field {
	return field{name: name, rule: r, about: about}
}

// record is a decoded object. given holds every key that stands in it, values
// only those whose value is certain and without fault.
type record struct {
	given  map[string]bool
	values map[string]any
}

// object checks an object against its table: duplicate keys, unknown fields,
// faulty values in the order of the document, then what is missing.
func (c *checker) object(at string, n node, fields []field) record {
	rec := record{given: map[string]bool{}, values: map[string]any{}}
	if n.kind != objectNode {
		c.fault(at, "must be an object")
		return rec
	}
	rules := make(map[string]rule, len(fields))
	for _, f := range fields {
		rules[f.name] = f.rule
	}
	for _, m := range n.members {
		here := child(at, m.name)
		r, known := rules[m.name]
		switch {
		case rec.given[m.name]:
			c.fault(here, "duplicate key")
			delete(rec.values, m.name) // which of the two is meant cannot be known
		case !known:
			c.fault(here, "unknown field")
		default:
			if v := r.check(c, here, m.value); v != nil {
				rec.values[m.name] = v
			}
		}
		rec.given[m.name] = true
	}
	for _, f := range fields {
		if f.required && !rec.given[f.name] {
			c.fault(child(at, f.name), "is required")
		}
	}
	return rec
}

// get returns a value of the record, or the zero value where there is none.
func get[T any](rec record, name string) T {
	v, _ := rec.values[name].(T)
	return v
}

// optional returns a value of the record, or nil where there is none.
func optional[T any](rec record, name string) *T {
	if v, ok := rec.values[name].(T); ok {
		return &v
	}
	return nil
}
