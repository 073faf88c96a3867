package webhook

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of what is kept of a callback.
const (
	maxValueBytes = 200
	maxHintBytes  = 4 << 10
)

// receivedAt is the one field that is ours; a provider cannot set it.
const receivedAt = "received_at"

// hint renders the fields that may be kept, and when they came. What does not
// fit is left out, the longest first: statuses and ids are short, and they are
// what somebody will look for.
//
// The size is that of the escaped form, which is the one in the command.
func hint(fields map[string]string, at time.Time) json.RawMessage {
	kept := map[string]string{receivedAt: at.UTC().Format(time.RFC3339Nano)}
	size := len("{}") + encodedLen(receivedAt, kept[receivedAt])
	type field struct{ key, value string }
	var all []field
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if key != "" {
			all = append(all, field{short(key), short(fields[key])})
		}
	}
	slices.SortStableFunc(all, func(a, b field) int {
		return cmp.Compare(len(a.key)+len(a.value), len(b.key)+len(b.value))
	})
	for _, f := range all {
		if n := encodedLen(f.key, f.value); size+n <= maxHintBytes {
			if _, taken := kept[f.key]; !taken { // by us, or by a longer name that was cut to this one
				kept[f.key], size = f.value, size+n
			}
		}
	}
	return encoded(kept)
}

// short cuts a text to maxValueBytes, between two characters.
func short(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxValueBytes {
		return s
	}
	s = s[:maxValueBytes]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

// encodedLen is what a member takes in an object, with its colon and comma.
func encodedLen(key, value string) int { return len(encoded(key)) + len(encoded(value)) + 2 }

func encoded(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("webhook: texts cannot be encoded: " + err.Error()) // nothing but strings comes here
	}
	return b
}
