package messages

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/beltline-io/beltline/pkg/money"
)

// Patterns are written so that Go and ECMA-262 (JSON Schema) read them alike.
const (
	noControl      = `^[^\x00-\x1f\x7f-\x9f]*$`
	tokenPattern   = `^[A-Za-z0-9_-]{1,64}$` // #nosec G101 -- of subjects; no credential
	emailPattern   = `^[^@\x00-\x20\x7f-\x9f]+@[^@\x00-\x20\x7f-\x9f]+\.[^@\x00-\x20\x7f-\x9f]+$`
	urlPattern     = `^https?://[!-~]+$`
	xkeyPattern    = `^X[A-Z2-7]{55}$`
	capitalsOrNums = `^[A-Z0-9]{2,10}$`
)

// Lengths of texts, in characters.
const (
	maxText  = 256
	maxEmail = 254
	maxURL   = 2048
)

type schema = map[string]any

// stringOf reads a JSON string; every text rule begins with it.
func stringOf(c *checker, at string, n node) (string, bool) {
	switch {
	case n.kind != stringNode:
		c.fault(at, "must be a string")
	case n.broken:
		c.fault(at, "holds half of a surrogate pair")
	default:
		return n.text, true
	}
	return "", false
}

// text is any text of 1 to limit characters without control characters. It is
// kept exactly as submitted.
func text(limit int) rule {
	return rule{
		schema: schema{"type": "string", "minLength": 1, "maxLength": limit, "pattern": noControl},
		check: func(c *checker, at string, n node) any {
			s, ok := stringOf(c, at, n)
			switch {
			case !ok:
			case s == "":
				c.fault(at, "must not be empty")
			case utf8.RuneCountInString(s) > limit:
				c.fault(at, "must have at most %d characters", limit)
			case strings.ContainsFunc(s, isControl):
				c.fault(at, "must not hold control characters")
			default:
				return s
			}
			return nil
		},
	}
}

// remark is any text at all, cut to limit characters and with a space for each
// control character: what is only shown to people is no reason to refuse what it
// was sent with.
func remark(limit int) rule {
	return rule{
		schema: schema{"type": "string"},
		check: func(c *checker, at string, n node) any {
			s, ok := stringOf(c, at, n)
			if !ok {
				return nil
			}
			s = strings.Map(func(r rune) rune {
				if isControl(r) {
					return ' '
				}
				return r
			}, s)
			if utf8.RuneCountInString(s) > limit {
				s = string([]rune(s)[:limit])
			}
			return strings.TrimSpace(s)
		},
	}
}

// isControl is what [noControl] keeps out.
func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// form is a text of a certain form; what names the form for the fault.
func form(pattern, what string, limit int, more ...func(string) bool) rule {
	matches := regexp.MustCompile(pattern).MatchString
	if pattern == tokenPattern {
		matches = ValidToken // the same, for what stands in every body
	}
	return rule{
		schema: schema{"type": "string", "pattern": pattern, "minLength": 1, "maxLength": limit},
		check: func(c *checker, at string, n node) any {
			s, ok := stringOf(c, at, n)
			if !ok {
				return nil
			}
			good := utf8.RuneCountInString(s) <= limit && matches(s)
			for _, also := range more {
				good = good && also(s)
			}
			if !good {
				c.fault(at, "must be %s", what)
				return nil
			}
			return s
		},
	}
}

func email() rule { return form(emailPattern, "an e-mail address", maxEmail) }

func webURL() rule {
	r := form(urlPattern, "an absolute http or https URL", maxURL, func(s string) bool {
		u, err := url.Parse(s)
		return err == nil && u.Hostname() != "" && u.User == nil
	})
	r.schema["format"] = "uri"
	return r
}

func sealKey() rule {
	return form(xkeyPattern, "an xkey public key (X and 55 characters, with a right checksum)", 56, validXKey)
}

// oneOf is one of a closed set of texts.
func oneOf[T ~string](all ...T) rule {
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = string(v)
	}
	return rule{
		schema: schema{"enum": texts},
		check: func(c *checker, at string, n node) any {
			s, ok := stringOf(c, at, n)
			if !ok {
				return nil
			}
			if !slices.Contains(texts, s) {
				c.fault(at, "must be one of %s", strings.Join(texts, ", "))
				return nil
			}
			return T(s)
		},
	}
}

// integer is a positive JSON integer without fraction or exponent, or one of a set.
func integer(among ...int64) rule {
	s := schema{"type": "integer", "minimum": 1, "maximum": int64(1<<63 - 1)}
	if len(among) > 0 {
		s = schema{"type": "integer", "enum": among}
	}
	return rule{
		schema: s,
		check: func(c *checker, at string, n node) any {
			if n.kind != numberNode {
				c.fault(at, "must be an integer")
				return nil
			}
			v, err := strconv.ParseInt(n.text, 10, 64)
			switch {
			case err != nil:
				c.fault(at, "must be an integer without fraction and exponent, at most %d", int64(1<<63-1))
			case len(among) > 0 && !slices.Contains(among, v):
				c.fault(at, "must be one of %s", join(among))
			case v <= 0:
				c.fault(at, "must be greater than 0")
			default:
				return v
			}
			return nil
		},
	}
}

func join(numbers []int64) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(texts, ", ")
}

func boolean() rule {
	return rule{schema: schema{"type": "boolean"}, check: func(c *checker, at string, n node) any {
		if n.kind != boolNode {
			c.fault(at, "must be true or false")
			return nil
		}
		return n.text == "true"
	}}
}

// bounds narrows a decimal; nil means no bound of that kind.
type bounds struct {
	least, most *money.Decimal
	places      int // at most so many; 0 means as many as money can hold
}

// Digits of an amount: together no more than pkg/money can hold.
const (
	maxWhole  = 12
	maxPlaces = 18
)

// decimal is an amount: a string, never a JSON number, and greater than 0.
func decimal(b bounds) rule {
	places := b.places
	if places == 0 {
		places = maxPlaces
	}
	pattern := fmt.Sprintf(`^(0|[1-9][0-9]{0,%d})(\.[0-9]{1,%d})?$`, maxWhole-1, places)
	re := regexp.MustCompile(pattern)
	return rule{
		schema: schema{"type": "string", "pattern": pattern, "not": schema{"pattern": `^[0.]+$`}},
		check: func(c *checker, at string, n node) any {
			if n.kind == numberNode {
				c.fault(at, `must be a decimal in a string, such as "560.10", not a number`)
				return nil
			}
			s, ok := stringOf(c, at, n)
			if !ok {
				return nil
			}
			d, err := money.ParseDecimal(s)
			switch {
			case err == nil && d.Sign() <= 0:
				c.fault(at, "must be greater than 0")
			case err != nil || !re.MatchString(s):
				c.fault(at, `must be a decimal such as "560.10", with at most %d digits before the point and %d after it`, maxWhole, places)
			case b.least != nil && d.Cmp(*b.least) < 0:
				c.fault(at, "must be at least %s", b.least)
			case b.most != nil && d.Cmp(*b.most) > 0:
				c.fault(at, "must be at most %s", b.most)
			default:
				return d
			}
			return nil
		},
	}
}

func instant() rule {
	// time.Parse alone would take an hour of one digit and a comma for the point.
	const pattern = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	re := regexp.MustCompile(pattern)
	return rule{
		schema: schema{"type": "string", "format": "date-time", "pattern": pattern},
		check: func(c *checker, at string, n node) any {
			s, ok := stringOf(c, at, n)
			if !ok {
				return nil
			}
			t, err := time.Parse(time.RFC3339, s)
			if err != nil || !re.MatchString(s) || !writable(t) {
				c.fault(at, "must be a time as RFC 3339 has it, such as 2026-12-01T10:00:00Z")
				return nil
			}
			return t
		},
	}
}

// writable reports whether t, in UTC, has a year that JSON can hold.
func writable(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 0 && y <= 9999
}

// texts is an object of strings. Keys match the pattern, and where there is one
// no value holds a NUL; together keys and values have at most limit bytes.
func texts(keys string, limit int) rule {
	re, value := regexp.MustCompile(keys), schema{"type": "string", "maxLength": limit}
	describes := schema{"type": "object", "additionalProperties": value}
	if keys != "" {
		describes["propertyNames"], value["pattern"] = schema{"pattern": keys}, `^[^\x00]*$`
	}
	return rule{
		schema: describes,
		check: func(c *checker, at string, n node) any {
			before := len(c.faults) + c.unsaid
			if n.kind != objectNode {
				c.fault(at, "must be an object of strings")
				return nil
			}
			out, size := make(map[string]string, len(n.members)), 0
			for _, m := range n.members {
				here := child(at, m.name)
				if _, twice := out[m.name]; twice {
					c.fault(here, "duplicate key")
				}
				if !re.MatchString(m.name) || !utf8.ValidString(m.name) {
					c.fault(here, "has a name that is not allowed here")
				}
				s, ok := stringOf(c, here, m.value)
				if ok && keys != "" && strings.ContainsRune(s, 0) {
					c.fault(here, "must not hold the NUL character")
				}
				size += len(m.name) + len(s)
				out[m.name] = s
			}
			if size > limit {
				c.fault(at, "must have at most %d bytes in all", limit)
			}
			if len(c.faults)+c.unsaid > before {
				return nil
			}
			return out
		},
	}
}

// object is a nested object with its own table; made builds its value when
// nothing in it is at fault.
func object(fields []field, made func(record) any) rule {
	return rule{
		schema: objectSchema(fields),
		check: func(c *checker, at string, n node) any {
			before := len(c.faults) + c.unsaid
			rec := c.object(at, n, fields)
			if len(c.faults)+c.unsaid > before {
				return nil
			}
			return made(rec)
		},
	}
}

// anyObject is an object whose table is chosen later, by provider and kind.
func anyObject() rule {
	return rule{schema: schema{"type": "object"}, check: func(c *checker, at string, n node) any {
		if n.kind != objectNode {
			c.fault(at, "must be an object")
			return nil
		}
		return n
	}}
}

// objectSchema is the closed schema of a table.
func objectSchema(fields []field) schema {
	properties, required := schema{}, []string{}
	for _, f := range fields {
		s := schema{}
		for k, v := range f.rule.schema {
			s[k] = v
		}
		if f.about != "" {
			s["description"] = f.about
		}
		properties[f.name] = s
		if f.required {
			required = append(required, f.name)
		}
	}
	return schema{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}
