package messages_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/pkg/messages"
)

// seeds adds the golden bodies that match the pattern, and what breaks parsers.
func seeds(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "v1", pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds for %s: %v", pattern, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	for _, s := range []string{
		"", "null", "{}", "[]", `""`, "\uFEFF{}", "{}{}", `{"v":1,"v":1}`, `{"v":1,"id":"a","id":"b"}`, `{"":{"~/":0}}`,
		`{"id":"\ud800"}`, `{"\ud800":1,"\udfff":2}`, `{"v":1e0}`, "{\"v\":\xff}", strings.Repeat("[", 5000), `{"a":1e999999999}`,
	} {
		f.Add([]byte(s))
	}
}

// checkInvalid holds what every refusal promises.
func checkInvalid(t *testing.T, body []byte, err error) {
	t.Helper()
	var invalid *messages.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("%T: %v", err, err)
	}
	if len(invalid.Faults) == 0 || invalid.Error() == "" {
		t.Fatal("refused without a fault")
	}
	if invalid.ID != "" && (!messages.ValidToken(invalid.ID) || len(body) > messages.MaxOrderBytes) {
		t.Fatalf("an id that cannot be used: %q", invalid.ID)
	}
	for _, f := range invalid.Faults {
		if f.Message == "" || !utf8.ValidString(f.Pointer) || f.Pointer != "" && f.Pointer[0] != '/' {
			t.Fatalf("fault %+v", f)
		}
	}
	faults, err := json.Marshal(invalid.Faults)
	if err != nil || len(faults) > messages.MaxEventBytes-2*messages.MaxOrderBytes {
		t.Fatalf("%d bytes of faults, %v", len(faults), err)
	}
}

func FuzzDecodeOrder(f *testing.F) {
	seeds(f, "order.*.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		order, err := messages.DecodeOrder(body)
		if err != nil {
			checkInvalid(t, body, err)
			return
		}
		if !messages.ValidToken(order.ID) || !order.Provider.Known() || order.Params == nil || !bytes.Equal(order.Raw, body) {
			t.Fatalf("accepted %+v", order)
		}
		if order.MaxCost != nil && order.MaxCost.Amount.Sign() <= 0 {
			t.Fatalf("max_cost %s", order.MaxCost)
		}
		// What the ledger gives back is the same order.
		var compact bytes.Buffer
		if err := json.Compact(&compact, body); err != nil {
			t.Fatal(err)
		}
		again, err := messages.DecodeOrder(compact.Bytes())
		if err != nil || !messages.SameContent(body, compact.Bytes()) {
			t.Fatalf("the compact form: %v", err)
		}
		again.Raw = order.Raw
		if diff := cmp.Diff(order, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzDecodeRequest(f *testing.F) {
	seeds(f, "c[ao]n*.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		cancel, err := messages.DecodeCancel(body)
		if err != nil {
			checkInvalid(t, body, err)
		} else if !messages.ValidToken(cancel.ID) {
			t.Fatalf("%+v", cancel)
		}
		confirm, confirmErr := messages.DecodeConfirm(body)
		if confirmErr != nil {
			checkInvalid(t, body, confirmErr)
		} else if err != nil || confirm.ID != cancel.ID {
			t.Fatalf("a confirm is a cancel without a reason: %+v, %+v, %v", confirm, cancel, err)
		}
	})
}

func FuzzDecodeEvent(f *testing.F) {
	seeds(f, "event.*.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		sameEvent(t, body)
		event, err := messages.DecodeEvent(body)
		if err != nil {
			if !errors.Is(err, messages.ErrMalformed) && !errors.Is(err, messages.ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		first, err := event.MarshalJSON()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if slow, err := messages.SlowEncodeEvent(event); err != nil || !bytes.Equal(first, slow) {
			t.Fatalf("encoding/json writes it otherwise: %v\n%s\n%s", err, first, slow)
		}
		again, err := messages.DecodeEvent(first)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, first)
		}
		second, err := again.MarshalJSON()
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%v\n%s\n%s", err, first, second)
		}
	})
}

func FuzzDecodeCommand(f *testing.F) {
	seeds(f, "command*.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		slow, slowErr := messages.SlowDecodeCommand(body)
		if c, plain := messages.PlainDecodeCommand(body); plain && (slowErr != nil || !cmp.Equal(c, slow)) {
			t.Fatalf("%+v, encoding/json reads %+v, %v", c, slow, slowErr)
		}
		c, err := messages.DecodeCommand(body)
		if err != nil {
			if !errors.Is(err, messages.ErrMalformed) && !errors.Is(err, messages.ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		if !messages.ValidTenant(c.Tenant) || !messages.ValidToken(c.OrderID) || c.Seq == 0 {
			t.Fatalf("%+v", c)
		}
		first := c.Encode()
		again, err := messages.DecodeCommand(first)
		if err != nil || !bytes.Equal(first, again.Encode()) {
			t.Fatalf("%v\n%s", err, first)
		}
	})
}

func FuzzSameContent(f *testing.F) {
	for _, pair := range [][2]string{{`{"a":1}`, ` {"a":1.0}`}, {`{"a":1,"a":2}`, `{"a":2}`}, {`"\ud800"`, `"\udbff"`}, {`[1e5]`, `[100000]`}} {
		f.Add([]byte(pair[0]), []byte(pair[1]))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		same := messages.SameContent(a, b)
		if same != messages.SameContent(b, a) || !messages.SameContent(a, a) || !messages.SameContent(b, b) {
			t.Fatal("not an equivalence")
		}
		if json.Valid(a) != json.Valid(b) && same {
			t.Fatal("JSON is the same as what is none")
		}
		var x, y any
		if !same || json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
			return // numbers beyond a float cannot be compared this way
		}
		if !cmp.Equal(x, y) {
			t.Fatalf("%s is not %s", a, b)
		}
	})
}

func FuzzParseSubjects(f *testing.F) {
	for _, s := range []string{"orders.acme.submit", "commands.gamesdrop.place.acme.o", "events.none.acme.o.rejected", "events.*.acme.o.>", "...."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		if c, err := messages.ParseCommandSubject(subject); err == nil &&
			messages.CommandSubject(c.Provider, c.Verb, c.Tenant, c.OrderID) != subject {
			t.Fatalf("%+v", c)
		}
		if e, err := messages.ParseEventSubject(subject); err == nil &&
			(messages.EventSubject(e.Provider, e.Tenant, e.OrderID, e.Type) != subject || !messages.ValidTenant(e.Tenant)) {
			t.Fatalf("%+v", e)
		}
		if tenant, r, err := messages.ParseOrderSubject(subject); err == nil && messages.OrderSubject(tenant, r) != subject {
			t.Fatalf("%q %q", tenant, r)
		}
	})
}
