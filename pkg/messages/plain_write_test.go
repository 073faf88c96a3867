package messages_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

func oddText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{
			"", "acme", "o-1", "succeeded", "<b>&\"'\\/", "\x00\x01\b\f\n\r\t\x1f\x7f", "\u2028\u2029\u202a", "é\xff\xfe", "\xed\xa0\x80", "a\xc3", "😀", "\uFFFD",
		}),
		rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
}

func oddRaw() *rapid.Generator[json.RawMessage] {
	return rapid.Map(rapid.SampledFrom(append([]string{"-"}, oddValues...)), func(s string) json.RawMessage {
		if s == "-" {
			return nil
		}
		return json.RawMessage(s)
	})
}

func oddInstant() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		year := rapid.SampledFrom([]int{2026, 2026, 2026, 0, 9999, -1, 10000, 1}).Draw(t, "year")
		zone := rapid.SampledFrom([]*time.Location{time.UTC, time.UTC, time.FixedZone("", 3*3600), time.FixedZone("", 90), time.FixedZone("", 25*3600)}).Draw(t, "zone")
		return time.Date(year, 11, 21, 23, 4, 5, rapid.IntRange(0, 999_999_999).Draw(t, "ns"), zone)
	})
}

func oddMoney() *rapid.Generator[money.Money] {
	return rapid.Custom(func(t *rapid.T) money.Money {
		currency := rapid.SampledFrom([]money.Currency{"RUB", "USDT", "", "R<B", "р"}).Draw(t, "currency")
		return money.New(money.MustDecimal(rapid.SampledFrom([]string{"0", "560.1", "-3", "12.345678"}).Draw(t, "amount")), currency)
	})
}

// oddEvidence is whatever an adapter may have put there.
func oddEvidence(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		most := 12
		if depth == 0 {
			most = 8
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.Int().Draw(t, "int")
		case 3:
			return json.Number(rapid.SampledFrom([]string{"", "0", "-1.5e3", "01", "x", " 1", "1 "}).Draw(t, "number"))
		case 4:
			return oddMoney().Draw(t, "money")
		case 5:
			return map[string]string{oddText().Draw(t, "name"): oddText().Draw(t, "value"), "a": "b"}
		case 6:
			return rapid.SampledFrom([]any{map[string]any(nil), []any(nil), []any{}, map[string]string(nil), []messages.HTTPRecord(nil), []string{"a"}}).Draw(t, "empty")
		case 7:
			text := oddText().Draw(t, "text")
			at := oddInstant().Draw(t, "at")
			return []messages.HTTPRecord{{Op: text, SentAt: &at, Error: &text, Request: messages.HTTPBody{Text: text}, Answer: &messages.HTTPBody{SHA256: &text}}, {}}
		case 8:
			return oddText().Draw(t, "text")
		case 9, 10:
			return []any{oddEvidence(depth-1).Draw(t, "item"), oddEvidence(depth-1).Draw(t, "other")}
		default:
			return map[string]any{oddText().Draw(t, "name"): oddEvidence(depth-1).Draw(t, "value"), "b": "c"}
		}
	})
}

func oddEvent() *rapid.Generator[*messages.Event] {
	return rapid.Custom(func(t *rapid.T) *messages.Event {
		text, instant := oddText(), oddInstant()
		maybe := func(label string) *time.Time { return rapid.Ptr(instant, true).Draw(t, label) }
		e := &messages.Event{
			N: rapid.Uint64().Draw(t, "n"), Type: messages.Type(text.Draw(t, "type")), State: messages.Type(text.Draw(t, "state")),
			Time: instant.Draw(t, "time"), Tenant: text.Draw(t, "tenant"), OrderID: text.Draw(t, "id"),
			Provider: messages.Provider(text.Draw(t, "provider")), Attempt: rapid.Int().Draw(t, "attempt"),
			ProviderRef: rapid.MapOfN(text, text, -1, 3).Draw(t, "ref"), Cost: rapid.Ptr(oddMoney(), true).Draw(t, "cost"),
			Deliverable: oddRaw().Draw(t, "deliverable"), Order: oddRaw().Draw(t, "order"), NeedsOperator: rapid.Bool().Draw(t, "needs"),
			LeaseUntil: maybe("lease"), RetryAt: maybe("retry"), HoldUntil: maybe("hold"), NotBefore: maybe("not before"), WatchUntil: maybe("watch"),
		}
		if rapid.Bool().Draw(t, "error") {
			e.Error = &messages.Error{Code: text.Draw(t, "code"), Message: text.Draw(t, "message"), Faults: []messages.Fault{{Pointer: text.Draw(t, "pointer")}}}
		}
		if rapid.Bool().Draw(t, "action") {
			e.Action = &messages.Action{Type: text.Draw(t, "action type"), URL: text.Draw(t, "url"), PayAmount: e.Cost}
		}
		if rapid.Bool().Draw(t, "evidence") {
			e.Evidence = map[string]any{text.Draw(t, "name"): oddEvidence(3).Draw(t, "value"), "z": oddEvidence(1).Draw(t, "z")}
		}
		if rapid.Bool().Draw(t, "work") {
			e.Work = &messages.Work{
				Nonce: text.Draw(t, "nonce"), PlacedAt: maybe("placed"), Answered: rapid.Bool().Draw(t, "answered"),
				Tries: rapid.Int().Draw(t, "tries"), BlockedSince: maybe("blocked"), Plan: oddRaw().Draw(t, "plan"), Origin: text.Draw(t, "origin"),
			}
		}
		return e
	})
}

func TestEvent_IsWrittenAsEncodingJSONWritesIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := oddEvent().Draw(t, "event")
		want, wantErr := messages.SlowEncodeEvent(e)
		if got, err := messages.PlainEncodeEvent(e); err == nil && (wantErr != nil || !bytes.Equal(got, want)) {
			t.Fatalf("%v\n got %s\nwant %s", wantErr, got, want)
		} else if err != nil && wantErr == nil {
			t.Fatalf("gave up on what can be written: %v\n%s", err, want)
		}
		if got, err := e.MarshalJSON(); (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%v, want %v", err, wantErr)
		}
		if wantErr == nil {
			sameEvent(t, want)
		}
	})
}

func TestEvent_EvidenceThatHoldsItselfIsAnError(t *testing.T) {
	t.Parallel()
	endless := map[string]any{}
	endless["again"] = endless
	if b, err := (messages.Event{Evidence: endless}).MarshalJSON(); err == nil {
		t.Errorf("%d bytes", len(b))
	}
}

func TestValidToken_IsWhatThePatternSays(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(messages.TokenPattern)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(oddText(), rapid.StringMatching(`[A-Za-z0-9_.*>-]{0,3}`), rapid.StringMatching(`[A-Za-z0-9_-]{62,66}`)).Draw(t, "s")
		if messages.ValidToken(s) != pattern.MatchString(s) {
			t.Fatalf("%q", s)
		}
	})
}

func TestIsControl_IsWhatThePatternSays(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(messages.NoControl)
	for r := range rune(0x3000) {
		if messages.IsControl(r) == pattern.MatchString(string(r)) {
			t.Errorf("%U", r)
		}
	}
}

func TestIsJSON_IsWhatEncodingJSONSays(t *testing.T) {
	t.Parallel()
	for _, s := range oddValues {
		for _, text := range []string{s, " " + s + "\n", "[" + s + "]", `{"a":` + s + `}`, s + s} {
			if messages.IsJSON([]byte(text)) != json.Valid([]byte(text)) {
				t.Errorf("%q", text)
			}
		}
	}
}
