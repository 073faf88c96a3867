package messages_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

// goldenBodies are the golden bodies whose names match.
func goldenBodies(t testing.TB, pattern string) [][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "v1", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d bodies, %v", len(files), err)
	}
	var all [][]byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// sameEvent holds the plain reader against encoding/json: what it reads must be
// the same to the last nil, and what both refuse is refused.
func sameEvent(t interface {
	Helper()
	Fatalf(string, ...any)
}, body []byte) (plain bool) {
	t.Helper()
	want, wantErr := messages.SlowDecodeEvent(body)
	got, plain := messages.PlainDecodeEvent(body)
	switch {
	case plain && wantErr != nil:
		t.Fatalf("read what encoding/json refuses: %v\n%s", wantErr, body)
	case plain && !reflect.DeepEqual(got, want):
		t.Fatalf("%s\n%s", cmp.Diff(want, got), body)
	}
	whole, err := messages.DecodeEvent(body)
	standing, standingErr := messages.DecodeStanding(body)
	if (err == nil) != (wantErr == nil) || (standingErr == nil) != (wantErr == nil) {
		t.Fatalf("encoding/json: %v, whole: %v, standing: %v\n%s", wantErr, err, standingErr, body)
	}
	if err != nil {
		return plain
	}
	whole.Order, whole.Metadata, whole.ProviderRef, whole.Deliverable, whole.Evidence = nil, nil, nil, nil, nil
	if whole.Work != nil {
		whole.Work.Plan = nil
	}
	if !reflect.DeepEqual(standing, whole) {
		t.Fatalf("standing: %s\n%s", cmp.Diff(whole, standing), body)
	}
	return plain
}

func TestDecodeEvent_WhatWeWriteIsReadPlainlyAndAlike(t *testing.T) {
	t.Parallel()
	for _, body := range goldenBodies(t, "event.*.json") {
		if !sameEvent(t, body) {
			t.Errorf("not plain: %s", body)
		}
	}
}

// oddValues are JSON values, and things that look like some.
var oddValues = []string{
	`null`, `true`, `false`, `0`, `1`, `-0`, `-1`, `01`, `1.0`, `1e0`, `1E+2`, `1.`, `.5`, `-`, `999999999999999999`, `1000000000000000000`,
	`18446744073709551615`, `18446744073709551616`, `""`, `"a"`, `"\u00e9\n"`, `"\ud800"`, `"\ud83d\ude00"`, "\"\xff\"", "\"\x01\"", `"\x"`, `"\u12g4"`,
	`"é"`, `"2026-11-21T20:54:01.123456Z"`, `"2026-11-21T20:54:01+03:00"`, `"9999-12-31T23:59:59-10:00"`, `"2026-11-21T2:54:01Z"`, `"0000-01-01T00:00:00+01:00"`,
	`"succeeded"`, `"gamesdrop"`, `{}`, `[]`, `[1,]`, `[,1]`, `[1 2]`, `{"a":1,}`, `{"a" 1}`, `{"a":"b","a":"c"}`, `{"a":null}`, `{"\u0061":"b"}`, `{"a":{"b":[1,{"c":"d"}]}}`,
	`{"amount":"1.10","currency":"RUB"}`, `{"amount":"1.10","amount":"2","currency":"RUB"}`, `{"Amount":"1.10","currency":"RUB"}`, `{"amount":"01","currency":"RUB"}`,
	`{"amount":1.10,"currency":"RUB"}`, `{"amount":"1.10"}`, `{"nonce":"x","nonce":"y"}`, `{"Nonce":"x"}`, `{"plan":null}`, `{"plan":{ "a" : 1 }}`, `{"quotes":-1}`,
	`{"placed_at":"9999-12-31T23:59:59-10:00"}`, `{"blocked_since":"2026-11-21T20:54:01Z","tries":3}`, `{"faults":null}`, `{"url":"<&>"}`, ` { } `, "\t[\n]\r",
	strings.Repeat("[", 99) + strings.Repeat("]", 99), strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300), `"`, `{`, ``, `nul`, `truefalse`,
}

var member = regexp.MustCompile(`"([a-z_]+)":`)

// spoiled draws a body that was one of ours before something happened to it.
func spoiled(bodies [][]byte) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		body := bytes.TrimSpace(rapid.SampledFrom(bodies).Draw(t, "body"))
		for range rapid.IntRange(1, 3).Draw(t, "times") {
			names := member.FindAllSubmatchIndex(body, -1)
			if len(names) == 0 {
				return body
			}
			m := rapid.SampledFrom(names).Draw(t, "member")
			value := rapid.SampledFrom(oddValues).Draw(t, "value")
			switch rapid.SampledFrom([]string{"value", "value", "value", "again", "name", "space", "cut", "byte", "tail"}).Draw(t, "what") {
			case "value":
				var old json.RawMessage
				if json.NewDecoder(bytes.NewReader(body[m[1]:])).Decode(&old) == nil {
					body = slices.Concat(body[:m[1]], []byte(value), body[m[1]+len(old):])
				}
			case "again":
				name := body[m[2]:m[3]]
				body = slices.Concat(body[:m[0]], []byte(`"`), name, []byte(`":`+value+`,`), body[m[0]:])
			case "name":
				odd := rapid.SampledFrom([]string{"mood", "V", "Order_ID", "ſtate", `\u0076`, "", "n"}).Draw(t, "name")
				body = slices.Concat(body[:m[2]], []byte(odd), body[m[3]:])
			case "space":
				body = slices.Concat(body[:m[1]], []byte(" \t\r\n"), body[m[1]:])
			case "cut":
				body = body[:m[1]]
			case "byte":
				body = slices.Clone(body)
				body[rapid.IntRange(0, len(body)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			case "tail":
				body = append(slices.Clone(body), value...)
			}
		}
		return body
	})
}

// Each field, of the event and of what is in it, with each odd value, in the
// place of the one that it had and beside it.
func TestDecodeEvent_ReadsTheSameAsEncodingJSONWithEachOddValueOnceAndTwice(t *testing.T) {
	t.Parallel()
	full, err := messages.PlainEncodeEvent(fullEvent(t))
	if err != nil {
		t.Fatal(err)
	}
	const twice = 20 // of the values are enough to tell which of two counts
	values := append([]string{`{"b":"x","c":"y"}`, `{"in_doubt":true}`, `{"code":"x"}`, `{"url":"x"}`, `"x"`, "\"a\xffb\""}, oddValues...)
	seen := map[string]bool{}
	for _, m := range member.FindAllSubmatchIndex(full, -1) {
		name := string(full[m[2]:m[3]])
		if seen[name] {
			continue
		}
		seen[name] = true
		var old json.RawMessage
		if err := json.NewDecoder(bytes.NewReader(full[m[1]:])).Decode(&old); err != nil {
			t.Fatal(err)
		}
		for i, value := range values {
			if len(value) > 100 {
				continue // the deep ones, which depth alone decides about
			}
			after := full[m[1]+len(old):]
			sameEvent(t, slices.Concat(full[:m[1]], []byte(value), after))
			if i >= twice {
				continue
			}
			sameEvent(t, slices.Concat(full[:m[1]+len(old)], []byte(","), full[m[0]:m[1]], []byte(value), after))
		}
	}
}

func TestDecodeEvent_ReadsTheSameAsEncodingJSONWhateverTheBody(t *testing.T) {
	t.Parallel()
	bodies := goldenBodies(t, "event.*.json")
	full, err := messages.PlainEncodeEvent(fullEvent(t))
	if err != nil {
		t.Fatal(err)
	}
	bodies = append(bodies, full)
	rapid.Check(t, func(t *rapid.T) { sameEvent(t, spoiled(bodies).Draw(t, "spoiled")) })
}

func TestDecodeCommand_ReadsTheSameAsEncodingJSONWhateverTheBody(t *testing.T) {
	t.Parallel()
	bodies := goldenBodies(t, "command*.json")
	if c, plain := messages.PlainDecodeCommand(golden(t, "command.json")); !plain || c.OrderID == "" {
		t.Errorf("not plain: %+v", c)
	}
	rapid.Check(t, func(t *rapid.T) {
		body := spoiled(bodies).Draw(t, "spoiled")
		want, err := messages.SlowDecodeCommand(body)
		if got, plain := messages.PlainDecodeCommand(body); plain && (err != nil || !reflect.DeepEqual(got, want)) {
			t.Fatalf("%+v, want %+v, %v", got, want, err)
		}
	})
}

func TestCommand_IsWrittenAsEncodingJSONWritesIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := messages.Command{
			V: rapid.SampledFrom([]int{1, 1, 1, 0, 2}).Draw(t, "v"), Tenant: oddText().Draw(t, "tenant"), OrderID: oddText().Draw(t, "id"),
			Seq: rapid.Uint64().Draw(t, "seq"), N: rapid.Uint64().Draw(t, "n"),
			Hint: json.RawMessage(rapid.SampledFrom([]string{"", `{ "a" : "<" }`, "null"}).Draw(t, "hint")),
		}
		if got, want := c.Encode(), c.SlowEncode(); !bytes.Equal(got, want) {
			t.Fatalf("%s\n%s", got, want)
		}
	})
}

// fullEvent is an event of which nothing is missing.
func fullEvent(t testing.TB) *messages.Event {
	t.Helper()
	var e messages.Event
	fill(t, reflect.ValueOf(&e).Elem())
	e.Evidence = map[string]any{messages.EvidenceHTTP: []messages.HTTPRecord{{}, {}}}
	fill(t, reflect.ValueOf(&e.Evidence[messages.EvidenceHTTP].([]messages.HTTPRecord)[0]).Elem())
	return &e
}

// fill sets all that can be set.
func fill(t testing.TB, v reflect.Value) {
	t.Helper()
	switch at := v.Addr().Interface().(type) {
	case *time.Time:
		*at = time.Date(2026, 11, 21, 20, 54, 1, 123456000, time.UTC)
		return
	case *money.Money:
		*at = money.Must("560.10", "RUB")
		return
	case *json.RawMessage:
		*at = json.RawMessage(`{"a":[1,{"b":null}]}`)
		return
	case *map[string]string:
		*at = map[string]string{"b": "1", "a": "2"}
		return
	case *map[string]any:
		*at = map[string]any{"a": "1"}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("some")
	case reflect.Int:
		v.SetInt(7)
	case reflect.Uint64:
		v.SetUint(8)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0))
		fill(t, v.Index(1))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	default:
		t.Fatalf("a field of a kind that is new here: %s", v.Type())
	}
}

func TestEvent_EveryFieldIsWrittenAndReadPlainly(t *testing.T) {
	t.Parallel()
	e := fullEvent(t)
	want, err := messages.SlowEncodeEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := messages.PlainEncodeEvent(e)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	if !sameEvent(t, want) {
		t.Errorf("not plain: %s", want)
	}
}
