package hooks_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// event is an event as upstream reads it, with its place in the ledger.
type event struct {
	seq    uint64
	fields map[string]any
}

// text is what stands at a path, as a string; empty where there is nothing.
func (e event) text(path string) string {
	var v any = e.fields
	for _, key := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[key]
	}
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return map[bool]string{true: "true", false: "false"}[v]
	default:
		return ""
	}
}

func (e event) n() int {
	n, _ := json.Number(e.text("n")).Int64()
	return int(n)
}

// feed reads all events as they come.
type feed struct {
	t       *testing.T
	mu      sync.Mutex
	orders  map[string][]event
	changed map[string]chan struct{} // by order, closed and replaced at every event
}

func follow(t *testing.T, js jetstream.JetStream) *feed {
	t.Helper()
	f := &feed{t: t, orders: map[string][]event{}, changed: map[string]chan struct{}{}}
	c, err := js.OrderedConsumer(t.Context(), "EVENTS", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.>"}})
	if err != nil {
		t.Fatal(err)
	}
	reading, err := c.Consume(f.take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reading.Stop)
	return f
}

func (f *feed) take(m jetstream.Msg) {
	dec := json.NewDecoder(bytes.NewReader(m.Data()))
	dec.UseNumber()
	var e event
	meta, err := m.Metadata()
	if err == nil {
		e.seq = meta.Sequence.Stream
		err = dec.Decode(&e.fields)
	}
	if err != nil {
		f.t.Errorf("%s: %v: %s", m.Subject(), err, m.Data())
		return
	}
	id := e.text("order_id")
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.ContainsFunc(f.orders[id], func(have event) bool { return have.seq == e.seq }) {
		return
	}
	f.orders[id] = append(f.orders[id], e)
	close(f.signal(id))
	delete(f.changed, id)
}

// signal is what the order's next event closes. The caller holds the lock.
func (f *feed) signal(id string) chan struct{} {
	if f.changed[id] == nil {
		f.changed[id] = make(chan struct{})
	}
	return f.changed[id]
}

func (f *feed) events(id string) []event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.orders[id])
}

// last is the order's last event so far; an empty one before the first.
func (f *feed) last(id string) event {
	f.mu.Lock()
	defer f.mu.Unlock()
	if all := f.orders[id]; len(all) > 0 {
		return all[len(all)-1]
	}
	return event{}
}

// await waits until the last event of the order is as it should be, and returns it.
func (f *feed) await(id, what string, is func(event) bool) (event, bool) {
	f.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		f.mu.Lock()
		changed := f.signal(id)
		f.mu.Unlock()
		if e := f.last(id); is(e) {
			return e, true
		}
		select {
		case <-changed:
		case <-deadline.C:
			f.t.Errorf("%s: never %s; it has\n%s", id, what, story(f.events(id)))
			return event{}, false
		case <-f.t.Context().Done():
			return event{}, false
		}
	}
}

// story tells an order's way in a few words an event.
func story(events []event) string {
	var b strings.Builder
	for _, e := range events {
		short, _ := json.Marshal(map[string]any{
			"evidence": e.fields["evidence"], "error": e.fields["error"], "ref": e.fields["provider_ref"], "watch": e.fields["watch_until"],
		})
		b.WriteString("  " + e.text("type") + " " + string(short) + "\n")
	}
	return b.String()
}
