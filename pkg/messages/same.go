package messages

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// SameContent reports whether two bodies are the same order: equal JSON
// values, whatever the white space, the order of keys, the spelling of numbers
// (1, 1.0, 1e0) and the escapes in strings.
//
// Where a key stands twice, the order of the keys counts as well, because
// readers disagree on which one is meant. Bodies that are not JSON are the
// same only byte for byte.
func SameContent(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := parseTree(a)
	y, errY := parseTree(b)
	return errX == nil && errY == nil && sameNode(x, y)
}

func sameNode(a, b node) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case objectNode:
		return sameMembers(a.members, b.members)
	case arrayNode:
		return slices.EqualFunc(a.items, b.items, sameNode)
	case numberNode:
		return canonicalNumber(a.text) == canonicalNumber(b.text)
	case nullNode, boolNode, stringNode:
		return a.text == b.text
	default:
		return false
	}
}

func sameMembers(a, b []member) bool {
	if len(a) != len(b) {
		return false
	}
	byName := make(map[string]node, len(b))
	for _, m := range b {
		byName[m.name] = m.value
	}
	if len(byName) < len(b) || hasDuplicate(a) {
		return slices.EqualFunc(a, b, func(x, y member) bool { return x.name == y.name && sameNode(x.value, y.value) })
	}
	for _, m := range a {
		if v, ok := byName[m.name]; !ok || !sameNode(m.value, v) {
			return false
		}
	}
	return true
}

func hasDuplicate(members []member) bool {
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		if seen[m.name] {
			return true
		}
		seen[m.name] = true
	}
	return false
}

// canonicalNumber writes equal numbers equally, without ever expanding an
// exponent: 1e999999999 must not cost memory.
func canonicalNumber(literal string) string {
	const tooFar = 1 << 53
	body, negative := strings.CutPrefix(literal, "-")
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(body), "e")
	var exp int64
	if scientific {
		var err error
		exp, err = strconv.ParseInt(exponent, 10, 64)
		if err != nil || exp > tooFar || exp < -tooFar {
			return literal
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	exp -= int64(len(fraction))
	short := strings.TrimRight(digits, "0")
	exp += int64(len(digits) - len(short))
	switch {
	case short == "":
		return "0"
	case negative:
		return "-" + short + "e" + strconv.FormatInt(exp, 10)
	default:
		return short + "e" + strconv.FormatInt(exp, 10)
	}
}
