package messages_test

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/messages"
)

func TestSameContent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, a, b string
		same       bool
	}{
		{"white space", `{"a":[1,2]}`, " {\n\"a\" : [ 1 ,\t2 ] }\r\n", true},
		{"order of keys", `{"a":1,"b":{"c":2,"d":3}}`, `{"b":{"d":3,"c":2},"a":1}`, true},
		{"order in a list", `[1,2]`, `[2,1]`, false},
		{"spelling of one", `[1,1,1,1,1]`, `[1.0,1e0,10E-1,0.1e+1,100e-2]`, true},
		{"zeros", `[0,0,0]`, `[-0,0.00,0e99]`, true},
		{"hundred", `100`, `1e2`, true},
		{"minus", `1`, `-1`, false},
		{"ten times", `1`, `10`, false},
		{"beyond the digits of a float", `9007199254740993`, `9007199254740992`, false},
		{"a long fraction", `0.1`, `0.1000000000000000055511151231257827`, false},
		{"huge exponents", `1e999999999999`, `10e999999999998`, true},
		{"exponents beyond all", `1e99999999999999999999`, `1e99999999999999999998`, false},
		{"same exponents beyond all", `[1e99999999999999999999]`, ` [1e99999999999999999999]`, true},
		{"escapes", `"é/😀"`, `"\u00e9\/\ud83d\ude00"`, true},
		{"escaped key", `{"a":1}`, `{"\u0061":1}`, true},
		{"halves of pairs differ", `"\ud800"`, `"\ud801"`, false},
		{"half and replacement character differ", `"\ud800"`, `"\ufffd"`, false},
		{"half before another escape", `"\ud800\u0041"`, `"\ud800A"`, true},
		{"number and text", `1`, `"1"`, false},
		{"true and false", `true`, `false`, false},
		{"null and missing", `{"a":null}`, `{}`, false},
		{"other key", `{"a":1}`, `{"b":1}`, false},
		{"one more key", `{"a":1}`, `{"a":1,"b":2}`, false},
		{"duplicate against single", `{"a":1,"a":1}`, `{"a":1}`, false},
		{"duplicates in the same order", `{"a":1,"a":2}`, `{ "a":1, "a":2 }`, true},
		{"duplicates in another order", `{"a":1,"a":2}`, `{"a":2,"a":1}`, false},
		{"duplicate against other keys", `{"a":1,"b":1}`, `{"a":1,"a":1}`, false},
		{"equal bytes that are not JSON", `{`, `{`, true},
		{"not JSON", `{`, ` {`, false},
		{"empty and not", ``, `{}`, false},
		{"too deep to tell", strings.Repeat("[", 2000) + strings.Repeat("]", 2000), " " + strings.Repeat("[", 2000) + strings.Repeat("]", 2000), false},
	}
	for _, tt := range tests {
		if got := messages.SameContent([]byte(tt.a), []byte(tt.b)); got != tt.same {
			t.Errorf("%s: %v", tt.name, got)
		}
		if got := messages.SameContent([]byte(tt.b), []byte(tt.a)); got != tt.same {
			t.Errorf("%s, the other way round: %v", tt.name, got)
		}
	}
}

func TestSameContent_KnowsAnOrderAgainFromItsEvent(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		string(golden(t, "order.exchange.json")),
		`{ "id": "a", "note": "<&>\u2028", "x": 1, "x": 2 }`, // rejected, yet its repeat must not be a conflict
	} {
		event := messages.Event{N: 1, Type: messages.Rejected, State: messages.Rejected, Order: json.RawMessage(body)}
		stored, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		read, err := messages.DecodeEvent(stored)
		if err != nil {
			t.Fatal(err)
		}
		if !messages.SameContent(read.Order, []byte(body)) {
			t.Errorf("%s is not %s", read.Order, body)
		}
	}
}

// anyJSON draws a JSON value as Go has it.
func anyJSON(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(),
		rapid.Map(rapid.Int64Range(-1000, 1000), func(i int64) any { return json.Number(fmt.Sprint(i)) }),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	inner := anyJSON(depth - 1)
	return rapid.OneOf(append(leaves,
		rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(rapid.StringN(0, 4, -1), inner, 0, 4).AsAny())...)
}

// respell writes v with keys in any order and with other white space, escapes
// and spellings of numbers.
func respell(b *strings.Builder, v any, rnd *rand.Rand) {
	blank := func() { b.WriteString([]string{"", " ", "\n", "\t "}[rnd.Intn(4)]) }
	blank()
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		b.WriteByte('{')
		for i, name := range names {
			if i > 0 {
				b.WriteByte(',')
			}
			respell(b, name, rnd)
			b.WriteByte(':')
			respell(b, v[name], rnd)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			respell(b, item, rnd)
		}
		b.WriteByte(']')
	case string:
		b.WriteByte('"')
		for _, r := range v {
			if r < 0x10000 && (r < ' ' || r == '"' || r == '\\' || rnd.Intn(3) == 0) {
				fmt.Fprintf(b, `\u%04X`, r)
			} else {
				b.WriteRune(r)
			}
		}
		b.WriteByte('"')
	case json.Number:
		spelling := []string{"", ".0", "e0", ".00E+0", "0e-1"}[rnd.Intn(5)]
		if v == "0" && spelling == "0e-1" {
			spelling = "e7" // 00e-1 would not be JSON
		}
		b.WriteString(v.String() + spelling)
	default:
		fmt.Fprint(b, map[any]string{nil: "null", true: "true", false: "false"}[v])
	}
	blank()
}

func TestSameContent_SpellingNeverMatters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := anyJSON(3).Draw(t, "value")
		rnd := rand.New(rand.NewSource(rapid.Int64().Draw(t, "spelling"))) //nolint:gosec // not a secret
		var a, b strings.Builder
		respell(&a, v, rnd)
		respell(&b, v, rnd)
		if !messages.SameContent([]byte(a.String()), []byte(b.String())) {
			t.Fatalf("%s is not %s", a.String(), b.String())
		}
	})
}

func TestSameContent_AgreesWithDecodedValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, y := anyJSON(2).Draw(t, "x"), anyJSON(2).Draw(t, "y")
		a, errA := json.Marshal(x)
		b, errB := json.Marshal(y)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		// json.Marshal sorts keys and has one spelling for each value drawn here.
		if got, want := messages.SameContent(a, b), string(a) == string(b); got != want {
			t.Fatalf("SameContent(%s, %s) = %v", a, b, got)
		}
	})
}
