package orders_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/orders"
	"github.com/beltline-io/beltline/pkg/messages"
)

// put stores the events that the inputs make of a new order.
func (r *rig) put(t testing.TB, tenant, id string, p messages.Provider, inputs ...order.Change) {
	t.Helper()
	kind := map[messages.Provider]messages.Kind{messages.GamesDrop: messages.Offer, messages.BalanceSteam: messages.Topup}[p]
	e, _ := order.Apply(nil, order.Change{Input: order.Accept, At: time.Now(), New: &order.Submission{
		Tenant: tenant, OrderID: id, Provider: p, Kind: kind, Order: json.RawMessage(`{"v":1}`),
	}})
	seq, err := r.ledger.Append(t.Context(), e, 0)
	must(t, err)
	for _, c := range inputs {
		c.At = time.Now()
		next, verdict := order.Apply(e, c)
		if verdict != order.Write {
			t.Fatalf("%s of %s: %s", c.Input, e.State, verdict)
		}
		seq, err = r.ledger.Append(t.Context(), next, seq)
		must(t, err)
		e = next
	}
}

func claim(nonce string) order.Change {
	return order.Change{Input: order.Claim, Intent: &order.Intent{
		Nonce: nonce, Owner: "w", Reference: "b1x", ReferenceN: 1, LeaseUntil: time.Now().Add(time.Hour),
	}}
}

// stuck are the inputs that leave an order to the operator.
func stuck(nonce string) []order.Change {
	return []order.Change{claim(nonce), {
		Input: order.OwnUnknown, Nonce: nonce, NeedsOperator: true, NotBefore: time.Now().Add(time.Hour),
		Error: &messages.Error{Class: "ambiguous", Code: "timeout"},
	}}
}

func doubted(nonce string) []order.Change {
	return []order.Change{claim(nonce), {Input: order.OwnUnknown, Nonce: nonce, Error: &messages.Error{Class: "ambiguous", Code: "timeout"}}}
}

var cancel = order.Change{Input: order.CancelRequest}

// list asks for all pages and returns the ids.
func (r *rig) list(t testing.TB, subject string, asked map[string]any) (ids []string, pages int) {
	t.Helper()
	for {
		body, err := json.Marshal(asked)
		must(t, err)
		m, err := r.nc.Request(subject, body, 20*time.Second)
		must(t, err)
		if code := m.Header.Get("Nats-Service-Error-Code"); code != "" {
			t.Fatalf("list: %s %s", code, m.Data)
		}
		var page messages.OrderPage
		must(t, json.Unmarshal(m.Data, &page))
		for _, e := range page.Orders {
			ids = append(ids, e.Key())
		}
		pages++
		if page.Cursor == "" {
			return ids, pages
		}
		asked["cursor"] = page.Cursor
	}
}

func TestList_ShowsTheOrdersOfTheTenantThatFit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	r.put(t, "acme", "a1", messages.GamesDrop)
	r.put(t, "acme", "a2", messages.GamesDrop, cancel)
	r.put(t, "bravo", "b1", messages.GamesDrop)
	r.put(t, "acme", "a3", messages.BalanceSteam, stuck("n3")...)
	r.put(t, "acme", "a4", messages.GamesDrop, doubted("n4")...)
	// Late evidence of a purchase: an order that has ended needs an operator.
	r.put(t, "acme", "a5", messages.GamesDrop, claim("n5"), order.Change{Input: order.OwnRefused, Nonce: "n5", Error: &messages.Error{Class: "rejected"}},
		order.Change{Input: order.OwnSucceeded, Nonce: "n5", Ref: map[string]string{"order_id": "1"}, Deliverable: json.RawMessage(`{}`)})
	for _, tt := range []struct {
		name string
		ask  map[string]any
		want []string
	}{
		{"all, the last first", map[string]any{}, []string{"acme/a5", "acme/a4", "acme/a3", "acme/a2", "acme/a1"}},
		{"by provider", map[string]any{"provider": "balancesteam"}, []string{"acme/a3"}},
		{"by state", map[string]any{"state": "unresolved"}, []string{"acme/a4", "acme/a3"}},
		{"ended", map[string]any{"state": "canceled"}, []string{"acme/a2"}},
		{"that need an operator", map[string]any{"needs_operator": true}, []string{"acme/a5", "acme/a3"}},
		{"that do not", map[string]any{"needs_operator": false}, []string{"acme/a4", "acme/a2", "acme/a1"}},
		{"by all of it", map[string]any{"needs_operator": true, "state": "failed", "provider": "gamesdrop"}, []string{"acme/a5"}},
		{"old ones", map[string]any{"older_than": "1h"}, nil},
		{"older than nothing", map[string]any{"older_than": "1ms"}, []string{"acme/a5", "acme/a4", "acme/a3", "acme/a2", "acme/a1"}},
		{"no such", map[string]any{"provider": "exchanger"}, nil},
	} {
		got, _ := r.list(t, "svc.orders.acme.list", tt.ask)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if got, _ := r.list(t, "svc.orders.nobody.list", map[string]any{}); got != nil {
		t.Errorf("a tenant without orders has %v", got)
	}
}

func TestList_NeverLacksAnEventThatWasSeenBefore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	for i := range 50 {
		id := fmt.Sprintf("o%d", i)
		r.put(t, "acme", id, messages.GamesDrop, cancel)
		got, _ := r.list(t, "svc.orders.acme.list", map[string]any{"limit": 1, "cursor": "18446744073709551615"})
		if len(got) != i+1 || got[0] != "acme/"+id {
			t.Fatalf("after %s was stored the list begins with %v", id, got)
		}
	}
}

func TestList_PagesShowEveryOrderOnceThoughOrdersComeAndMove(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	var want []string
	for i := range 45 {
		id := fmt.Sprintf("o%02d", i)
		r.put(t, "acme", id, messages.GamesDrop)
		want = append(want, "acme/"+id)
	}
	slices.Reverse(want)
	var got []string
	ask := map[string]any{"limit": 7}
	for n := 0; ; n++ {
		body, err := json.Marshal(ask)
		must(t, err)
		m := r.ask(t, "svc.orders.acme.list", string(body))
		wantCode(t, m, "")
		var page messages.OrderPage
		must(t, json.Unmarshal(m.Data, &page))
		for _, e := range page.Orders {
			got = append(got, e.Key())
		}
		if page.Cursor == "" {
			break
		}
		ask["cursor"] = page.Cursor
		r.put(t, "acme", fmt.Sprintf("new%d", n), messages.GamesDrop, cancel)
		last, err := r.ledger.Last(t.Context(), "acme", "o00")
		must(t, err)
		if last.Event.State == messages.Accepted {
			e, _ := order.Apply(last.Event, order.Change{Input: order.CancelRequest, At: time.Now()})
			_, err = r.ledger.Append(t.Context(), e, last.Seq)
			must(t, err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestList_PageThatWouldBeTooLongEndsBeforeAndGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	for i := range 40 {
		r.write(t, "acme", fmt.Sprintf("o%d", i), `{"v":1,"x":"`+strings.Repeat("a", 20_000)+`"}`)
	}
	got, pages := r.list(t, "svc.orders.acme.list", map[string]any{"limit": 40})
	if len(got) != 40 || pages < 3 {
		t.Errorf("%d orders on %d pages", len(got), pages)
	}
}

func TestList_BadRequestsAreRefusedWithAllFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	m := r.ask(t, "svc.orders.acme.list",
		`{"provider":"moon","state":"gone","needs_operator":"yes","older_than":"1 hour","limit":1000,"tenant":"bravo","cursor":""}`)
	wantCode(t, m, "400")
	var body messages.ProblemBody
	must(t, json.Unmarshal(m.Data, &body))
	var pointers []string
	for _, f := range body.Error.Faults {
		pointers = append(pointers, f.Pointer)
	}
	slices.Sort(pointers)
	want := []string{"/cursor", "/limit", "/needs_operator", "/older_than", "/provider", "/state", "/tenant"}
	if diff := cmp.Diff(want, pointers); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	wantCode(t, r.ask(t, "svc.orders.acme.list", `{"cursor":"next"}`), "400")
	wantCode(t, r.ask(t, "svc.orders.acme.list", `[]`), "400")
	wantCode(t, r.ask(t, "svc.orders.acme.list", ``), "")
}

func TestList_SurvivesAnErasedOrderAndARestartOfTheServer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	r.put(t, "acme", "o1", messages.GamesDrop, cancel)
	r.put(t, "acme", "o2", messages.GamesDrop, cancel)
	events, err := r.js.Stream(t.Context(), messages.StreamEvents)
	must(t, err)
	must(t, events.Purge(t.Context(), jetstreamSubject(messages.OrderEvents("acme", "o2"))))
	for range 5 {
		if got, _ := r.list(t, "svc.orders.acme.list", map[string]any{}); len(got) != 1 || got[0] != "acme/o1" {
			t.Fatalf("after o2 was erased: %v", got)
		}
	}
	r.srv.Restart(t)
	until(t, "the client is back", r.nc.IsConnected)
	r.put(t, "acme", "o3", messages.GamesDrop)
	until(t, "the new order is listed", func() bool {
		m, err := r.nc.Request("svc.orders.acme.list", nil, 5*time.Second)
		var page messages.OrderPage
		return err == nil && m.Header.Get("Nats-Service-Error-Code") == "" && json.Unmarshal(m.Data, &page) == nil && len(page.Orders) == 2
	})
}

func TestList_AnotherLedgerUnderTheSameNameIsReadAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.serve(t)
	r.put(t, "acme", "o1", messages.GamesDrop)
	if got, _ := r.list(t, "svc.orders.acme.list", map[string]any{}); len(got) != 1 {
		t.Fatalf("listed %v", got)
	}
	config := must1(r.js.Stream(t.Context(), messages.StreamEvents))(t).CachedInfo().Config
	must(t, r.js.DeleteStream(t.Context(), messages.StreamEvents))
	_, err := r.js.CreateStream(t.Context(), config)
	must(t, err)
	r.put(t, "acme", "p1", messages.GamesDrop)
	until(t, "the new ledger is listed, and nothing else", func() bool {
		m, err := r.nc.Request("svc.orders.acme.list", nil, 5*time.Second)
		var page messages.OrderPage
		return err == nil && json.Unmarshal(m.Data, &page) == nil && len(page.Orders) == 1 && page.Orders[0].OrderID == "p1"
	})
}

// TestIndex_AListOfManyReadsOnlyWhatItShows holds the promise that a list costs
// what it shows: with a hundred thousand orders in the index, a page is found
// by looking at rows, and no more events are read than it has.
func TestIndex_AListOfManyReadsOnlyWhatItShows(t *testing.T) {
	t.Parallel()
	const many = 100_000
	x := orders.NewIndex()
	for n := range uint64(many) {
		typ := messages.Succeeded
		if n%10_000 == 0 {
			typ = messages.Unresolved
		}
		x.Apply(2*n+1, "acme", fmt.Sprintf("o%d", n), messages.GamesDrop, messages.Accepted)
		x.Apply(2*n+2, "acme", fmt.Sprintf("o%d", n), messages.GamesDrop, typ)
	}
	if x.Size() != many {
		t.Fatalf("%d orders", x.Size())
	}
	found, more := x.Scan(messages.OrdersAsked{Tenant: "acme", State: messages.Unresolved}, 1<<63, 50)
	if len(found) != many/10_000 || more {
		t.Errorf("%d unresolved, more %t", len(found), more)
	}
	found, more = x.Scan(messages.OrdersAsked{}, 1<<63, 50)
	if len(found) != 50 || !more || found[0] != "acme/o99999" {
		t.Errorf("%d of all, more %t, first %v", len(found), more, found[:1])
	}
}
