package messages_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/messages"
)

const schemaFolder = "../../docs/schemas"

func TestSchemas_CheckedInFilesAreThoseOfTheTables(t *testing.T) {
	t.Parallel()
	want := messages.Schemas()
	if *update {
		for name, body := range want {
			if err := os.WriteFile(filepath.Join(schemaFolder, name), body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(schemaFolder)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(want) {
		t.Errorf("%d files, %d schemas", len(files), len(want))
	}
	for name, body := range want {
		got, err := os.ReadFile(filepath.Join(schemaFolder, name))
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s is not up to date (%v): run go generate ./pkg/messages", name, err)
		}
	}
}

// compile reads the checked-in schema as a stranger would: from the files, with
// the meta-schema and the formats asserted.
func compile(t testing.TB, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(filepath.Join(schemaFolder, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

func validate(s *jsonschema.Schema, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func TestSchemas_AreValidAndTakeTheGoldenBodies(t *testing.T) {
	t.Parallel()
	for name := range messages.Schemas() {
		compile(t, name)
	}
	for pattern, name := range map[string]string{
		"order.*.json": "order.json", "cancel*.json": "cancel.json", "confirm*.json": "confirm.json",
		"command*.json": "command.json", "event.*.json": "event.json",
	} {
		s := compile(t, name)
		files, err := filepath.Glob(filepath.Join("testdata", "v1", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			if err := validate(s, golden(t, filepath.Base(file))); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

func TestSchemas_OfEventsAreOpenForLaterVersions(t *testing.T) {
	t.Parallel()
	s := compile(t, "event.json")
	good := string(golden(t, "event.succeeded.json"))
	for _, body := range []string{
		strings.Replace(good, `{"v":1`, `{"new":true,"v":1`, 1),
		strings.Replace(good, `"type":"succeeded"`, `"type":"celebrated"`, 1),
	} {
		if err := validate(s, []byte(body)); err != nil {
			t.Errorf("%v", err)
		}
	}
	for _, key := range contractKeys {
		var event map[string]json.RawMessage
		if err := json.Unmarshal([]byte(good), &event); err != nil {
			t.Fatal(err)
		}
		delete(event, key)
		body, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		if validate(s, body) == nil {
			t.Errorf("an event without %s is valid", key)
		}
	}
}

// beyondSchemas are the faults that a schema cannot see.
var beyondSchemas = []string{
	"must be greater than min_amount", "must be at least", "must be at most", "bytes in all", "must be an xkey public key",
	"must be an integer without fraction", "must be 1", "half of a surrogate pair", "must be an absolute http", "not allowed here",
	"must be a time",
}

func explained(err error) bool {
	var invalid *messages.InvalidError
	if !errors.As(err, &invalid) {
		return false
	}
	return !slices.ContainsFunc(invalid.Faults, func(f messages.Fault) bool {
		return !slices.ContainsFunc(beyondSchemas, func(s string) bool { return strings.Contains(f.Message, s) })
	})
}

// pool holds values on both sides of every rule.
func pool() *rapid.Generator[any] {
	texts := []any{
		"", "0", "0.0", "1", "1.005", "-1", "01", "1e5", "560.10", "2", "0.5", "0.09", "a@b.c", "a@b", "http://x/", "https://", "/x",
		"x\x00", "x\x1f", "\u0085", "é", "2026-12-01T10:00:00Z", "2026-12-01", "cs2", "csgo", "give", "usd", "USD", "RUBLES_NOT_A_CODE",
		"12345678", "@name", "t.me/x", "GEMS", "GEMSS", "XCSOBEUSWZI4E6FZO4WFNH27VG5RHWIGWRVLNDE57HOCWRAJ7CRATSUK",
		"XCSOBEUSWZI4E6FZO4WFNH27VG5RHWIGWRVLNDE57HOCWRAJ7CRATSUA", strings.Repeat("x", 256), strings.Repeat("я", 257), strings.Repeat("9", 13),
		"offer", "topup", "gamesdrop", "exchanger", "none", "a b", "2026-12-01T10:00:00,5Z", "2026-12-01T1:00:00Z",
		nil, true, false, map[string]any{}, []any{}, map[string]any{"cf1": "x"}, map[string]any{"a": 1}, map[string]any{"amount": "1", "currency": "RUB"},
	}
	for _, n := range []string{"0", "1", "-1", "50", "60", "1.0", "1e2", "1.5", "9223372036854775807", "9223372036854775808", "2"} {
		texts = append(texts, json.Number(n))
	}
	return rapid.SampledFrom(texts)
}

// mutate changes one thing somewhere in an object.
func mutate(t *rapid.T, object map[string]any) {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 {
		object["x"] = pool().Draw(t, "first")
		return
	}
	name := rapid.SampledFrom(names).Draw(t, "name")
	if inner, ok := object[name].(map[string]any); ok && rapid.IntRange(0, 3).Draw(t, "deeper") > 0 {
		mutate(t, inner)
		return
	}
	switch rapid.IntRange(0, 4).Draw(t, "change") {
	case 0:
		delete(object, name)
	case 1:
		more := []string{"x", "", "email", "max_cost", "expires_at", "seal_to", "metadata", "currency", "min_amount", "max_amount", "min_get", "fields", "cf1", "a\x00"}
		object[rapid.SampledFrom(more).Draw(t, "more")] = pool().Draw(t, "added")
	default:
		object[name] = pool().Draw(t, "value")
	}
}

func TestDecodeOrder_IsNeverLaxerThanTheSchema(t *testing.T) {
	t.Parallel()
	s := compile(t, "order.json")
	names := make([]string, 0, len(goldenOrders()))
	for name := range goldenOrders() {
		names = append(names, name)
	}
	slices.Sort(names)
	var accepted, refused, stricter atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		dec := json.NewDecoder(bytes.NewReader(mustRead(filepath.Join("testdata", "v1", rapid.SampledFrom(names).Draw(t, "order")))))
		dec.UseNumber()
		var order map[string]any
		if err := dec.Decode(&order); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			mutate(t, order)
		}
		body, err := json.Marshal(order)
		if err != nil {
			t.Fatal(err)
		}
		_, decodeErr := messages.DecodeOrder(body)
		schemaErr := validate(s, body)
		switch {
		case decodeErr == nil && schemaErr != nil:
			t.Fatalf("the decoder accepts what the schema refuses: %s\n%v", body, schemaErr)
		case decodeErr == nil:
			accepted.Add(1)
		case schemaErr != nil:
			refused.Add(1)
		case !explained(decodeErr):
			t.Fatalf("the schema accepts what it could refuse: %s\n%v", body, decodeErr)
		default:
			stricter.Add(1)
		}
	})
	if accepted.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d accepted, %d refused, %d refused by the decoder alone: the mutations show nothing", accepted.Load(), refused.Load(), stricter.Load())
	}
	t.Logf("%d accepted, %d refused by both, %d by the decoder alone", accepted.Load(), refused.Load(), stricter.Load())
}

func mustRead(file string) []byte {
	b, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	return b
}
