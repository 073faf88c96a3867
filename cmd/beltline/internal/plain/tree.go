package plain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// TimeForm is how moments are shown, in the time of this machine.
const TimeForm = "2006-01-02 15:04:05.000"

// Moment renders a moment in the time of this machine.
func Moment(t time.Time) string { return t.Local().Format(TimeForm) }

// indent is one step of a tree.
const indent = "  "

// Tree renders what evidence holds, whatever that is: one value a line, behind
// its name, what is inside of something indented below it. Numbers and texts
// are those that were recorded, moments are in the time of this machine, and
// lines are broken at width.
func Tree(v any, width int) string {
	lines := branch(literal(v), "", max(width, 20))
	return strings.Join(lines, "\n")
}

// literal turns a value into what JSON makes of it, with numbers to the letter.
func literal(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		return string(text)
	}
	return out
}

// branch renders a value as lines that begin with a margin.
func branch(v any, margin string, width int) []string {
	switch v := v.(type) {
	case map[string]any:
		if text, ok := flat(v); ok {
			return wrapped(text, margin, width)
		}
		var lines []string
		for _, name := range names(v) {
			lines = append(lines, twig(strings.ReplaceAll(name, "_", " "), v[name], margin, width)...)
		}
		return lines
	case []any:
		if text, ok := flat(v); ok {
			return wrapped(text, margin, width)
		}
		var lines []string
		for i, item := range v {
			lines = append(lines, twig(strconv.Itoa(i+1), item, margin, width)...)
		}
		return lines
	default:
		text, _ := flat(v)
		return wrapped(text, margin, width)
	}
}

// ofRequest is the order in which the record of a request tells its story.
var ofRequest = []string{
	"op", "purpose", "attempt", "method", "path", "sent_at", "request", "answered_at", "status", "error", "answer",
}

// names are the names in a value in the order in which they are read: that of
// the alphabet, but for the record of a request.
func names(v map[string]any) []string {
	sorted := slices.Sorted(maps.Keys(v))
	if _, sent := v["sent_at"]; !sent {
		return sorted
	}
	rank := func(name string) int {
		if i := slices.Index(ofRequest, name); i >= 0 {
			return i
		}
		return len(ofRequest)
	}
	slices.SortStableFunc(sorted, func(a, b string) int { return rank(a) - rank(b) })
	return sorted
}

// twig renders a value behind its name: on its line where it fits there.
func twig(name string, v any, margin string, width int) []string {
	name = Clean(name)
	if text, ok := flat(v); ok && !strings.Contains(text, "\n") && len([]rune(margin+name+text))+2 <= width {
		return []string{margin + name + ": " + text}
	}
	return append([]string{margin + name + ":"}, branch(v, margin+indent, width)...)
}

// flat renders what needs no lines of its own: plain values, amounts of money,
// and lists of plain values.
func flat(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "-", true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return Moment(at), true
		}
		return Clean(v), true
	case map[string]any:
		amount, one := v["amount"].(string)
		currency, two := v["currency"].(string)
		if len(v) == 0 {
			return "{}", true
		}
		return Clean(amount + " " + currency), one && two && len(v) == 2
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			text, ok := flat(item)
			if !ok {
				return "", false
			}
			texts[i] = text
		}
		if len(v) == 0 {
			return "none", true
		}
		return strings.Join(texts, ", "), true
	default:
		return Clean(fmt.Sprint(v)), true
	}
}

// wrapped breaks a text into lines that begin with a margin. What has no space
// to break at is cut anywhere: an answer in JSON may be one long word.
func wrapped(text, margin string, width int) []string {
	room := max(width-len(margin), 20)
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		rest := []rune(line)
		for len(rest) > room {
			at := room
			for i := room; i > room/2; i-- {
				if rest[i] == ' ' {
					at = i
					break
				}
			}
			lines = append(lines, margin+string(rest[:at]))
			rest = []rune(strings.TrimPrefix(string(rest[at:]), " "))
		}
		lines = append(lines, margin+string(rest))
	}
	return lines
}

// Clean makes a text safe to write to a terminal: what a provider has answered,
// or a tenant has written, must not move the cursor, change colors or turn the
// reading round. Such characters are shown as their codes; line breaks stay.
func Clean(text string) string {
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case hidden(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
