package sweep_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/dispatcher/sweep"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/money"
)

// anyEvent is an event of any type in any state, whether the state machine
// would ever write it or not.
func anyEvent() *rapid.Generator[*messages.Event] {
	moment := rapid.Map(rapid.Int64Range(-int64(20*24*time.Hour), int64(20*24*time.Hour)), func(d int64) time.Time {
		return messages.Stamp(start.Add(time.Duration(d)))
	})
	return rapid.Custom(func(t *rapid.T) *messages.Event {
		maybe := func(label string) *time.Time { return rapid.Ptr(moment, true).Draw(t, label) }
		e := &messages.Event{
			N: rapid.Uint64Range(1, 9).Draw(t, "n"), Type: rapid.SampledFrom(messages.Types()).Draw(t, "type"),
			State: rapid.SampledFrom(append(messages.States(), "of a newer version", "")).Draw(t, "state"),
			Time:  moment.Draw(t, "time"), Tenant: "acme", OrderID: rapid.SampledFrom([]string{"o1", "o2", "o3"}).Draw(t, "id"),
			Provider: rapid.SampledFrom(messages.Providers()).Draw(t, "provider"), Kind: rapid.SampledFrom(messages.Kinds()).Draw(t, "kind"),
			NeedsOperator: rapid.Bool().Draw(t, "operator"), LeaseUntil: maybe("lease"), RetryAt: maybe("retry"), HoldUntil: maybe("hold"),
			NotBefore: maybe("not before"), WatchUntil: maybe("watch"),
			Order: json.RawMessage(`{"v":1,"params":{"a":[1,"\u00e9"]}}`), Metadata: map[string]string{"a": rapid.String().Draw(t, "metadata")},
		}
		if rapid.Bool().Draw(t, "more") {
			cost := money.Must("560.10", "RUB")
			e.Cost, e.Deliverable, e.ProviderRef = &cost, json.RawMessage(`{"key":"1"}`), map[string]string{"id": "1"}
			e.Evidence = map[string]any{"a": []any{json.Number("1"), nil}, messages.EvidenceHTTP: []messages.HTTPRecord{{Op: "x"}}}
			e.Error = &messages.Error{Code: "x"}
			e.Work = &messages.Work{Nonce: "n", BlockedSince: maybe("blocked"), PlacedAt: maybe("placed"), Plan: json.RawMessage(`{"a":1}`)}
		}
		return e
	})
}

// What the follower leaves out of an event must never matter to when its order
// is due, or an order would be looked at too late, or never.
func TestIndex_WhatIsLeftOutOfAnEventNeverMatters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := newWorld().options()
		whole, slim := sweep.NewIndex(o), sweep.NewIndex(o)
		for seq := range uint64(rapid.IntRange(1, 12).Draw(t, "events")) {
			e := anyEvent().Draw(t, "event")
			body, err := e.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			read, err := messages.DecodeEvent(body)
			if err != nil {
				t.Fatal(err)
			}
			a := messages.EventAddress{Provider: e.Provider, Tenant: e.Tenant, OrderID: e.OrderID, Type: e.Type}
			if err := whole.Apply(seq+1, read); err != nil {
				t.Fatal(err)
			}
			if err := slim.Read(seq+1, a, body); err != nil {
				t.Fatal(err)
			}
			standing, err := messages.DecodeStanding(body)
			if err != nil {
				t.Fatal(err)
			}
			now := start.Add(time.Duration(rapid.Int64Range(-int64(30*24*time.Hour), int64(30*24*time.Hour)).Draw(t, "now")))
			want, wantOK := order.Next(read, o.Times, now)
			if got, ok := order.Next(standing, o.Times, now); got != want || ok != wantOK {
				t.Fatalf("%+v %v, want %+v %v for %s", got, ok, want, wantOK, body)
			}
		}
		if diff := cmp.Diff(whole.Items(), slim.Items()); diff != "" {
			t.Fatalf("(-whole +slim):\n%s", diff)
		}
	})
}

// A body that is not what this program would write is read all the same.
func TestIndex_AnEventOfANewerProgramIsFollowed(t *testing.T) {
	t.Parallel()
	o := newWorld().options()
	x := sweep.NewIndex(o)
	e := accepted("o1")
	body, err := e.MarshalJSON()
	must(t, err)
	newer := append([]byte(`{"mood":{"V":2}, "Order":{"x":1}, `), body[1:]...)
	must(t, x.Read(1, messages.EventAddress{Provider: e.Provider, Tenant: e.Tenant, OrderID: e.OrderID, Type: e.Type}, newer))
	if x.Size() != 1 {
		t.Errorf("%d orders", x.Size())
	}
}
