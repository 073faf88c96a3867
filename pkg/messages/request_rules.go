package messages

import (
	"encoding/json"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"
)

const (
	idPattern       = `^[1-9][0-9]{0,18}$`
	durationPattern = `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// maxEvidence is the most an operator may write as evidence, in bytes: it
	// stands in an event that holds the whole order as well.
	maxEvidence = 8 << 10
)

// idText is a number that names something, as text: that is how ids stand in
// every answer.
func idText() rule { return form(idPattern, "a positive whole number in a string", 19) }

func tenantToken() rule {
	return form(tokenPattern, "1 to 64 letters, digits, - and _, not reserved", 64, ValidTenant)
}

// count is an integer from 1 to most.
func count(most int64) rule {
	r := integer()
	r.schema = schema{"type": "integer", "minimum": 1, "maximum": most}
	check := r.check
	r.check = func(c *checker, at string, n node) any {
		v := check(c, at, n)
		if i, ok := v.(int64); ok && i > most {
			c.fault(at, "must be at most %d", most)
			return nil
		}
		return v
	}
	return r
}

// offset is an integer from 0.
func offset() rule {
	return rule{
		schema: schema{"type": "integer", "minimum": 0, "maximum": int64(1 << 31)},
		check: func(c *checker, at string, n node) any {
			v, err := strconv.ParseInt(n.text, 10, 32)
			if n.kind != numberNode || err != nil || v < 0 {
				c.fault(at, "must be an integer, 0 or more")
				return nil
			}
			return v
		},
	}
}

// duration is a length of time such as "90s" or "1h30m".
func duration() rule {
	re := regexp.MustCompile(durationPattern)
	return rule{
		schema: schema{"type": "string", "pattern": durationPattern, "maxLength": 32},
		check: func(c *checker, at string, n node) any {
			s, ok := stringOf(c, at, n)
			if !ok {
				return nil
			}
			d, err := time.ParseDuration(s)
			if err != nil || !re.MatchString(s) || len(s) > 32 {
				c.fault(at, `must be a length of time such as "90s" or "1h30m"`)
				return nil
			}
			return d
		},
	}
}

// evidence is whatever an operator's decision rests on: a text or an object.
func evidence() rule {
	return rule{
		schema: schema{"anyOf": []schema{
			{"type": "string", "minLength": 1}, {"type": "object", "minProperties": 1},
		}},
		check: func(c *checker, at string, n node) any {
			if n.kind != stringNode && n.kind != objectNode {
				c.fault(at, "must be a text or an object")
				return nil
			}
			if n.text == "" && len(n.members) == 0 {
				c.fault(at, "must not be empty")
				return nil
			}
			before := len(c.faults)
			v := c.plain(at, n)
			if len(c.faults) > before {
				return nil
			}
			if b, err := json.Marshal(v); err != nil || len(b) > maxEvidence {
				c.fault(at, "must have at most %d bytes in all", maxEvidence)
				return nil
			}
			return v
		},
	}
}

// plain turns a value into what encoding/json would make of it, with numbers
// kept to the letter. What could mean two things is a fault.
func (c *checker) plain(at string, n node) any {
	switch n.kind {
	case nullNode:
		return nil
	case boolNode:
		return n.text == "true"
	case numberNode:
		return json.Number(n.text)
	case stringNode:
		if n.broken || !utf8.ValidString(n.text) {
			c.fault(at, "holds half of a surrogate pair")
		}
		return n.text
	case arrayNode:
		items := make([]any, len(n.items))
		for i, item := range n.items {
			items[i] = c.plain(child(at, strconv.Itoa(i)), item)
		}
		return items
	default:
		object := make(map[string]any, len(n.members))
		for _, m := range n.members {
			here := child(at, m.name)
			if _, twice := object[m.name]; twice {
				c.fault(here, "duplicate key")
			}
			object[m.name] = c.plain(here, m.value)
		}
		return object
	}
}
