package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// upstream is a system of somebody else that orders over NATS and follows the
// events of its orders.
type upstream struct {
	t  *testing.T
	nc *nats.Conn
	js jetstream.JetStream

	mu      sync.Mutex
	orders  map[string][]event // by "<tenant>/<order_id>", in the order of n
	settled map[string]bool
	trail   []event       // all of them, in the order of the ledger
	slowest time.Duration // from an event's making to the moment when the ledger had it
	changed chan struct{} // closed and replaced at every event
}

// newUpstream connects. follow must be called once the streams exist.
func newUpstream(t *testing.T, url string) *upstream {
	t.Helper()
	nc, err := nats.Connect(url, nats.Name("upstream"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.Timeout(patience), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return &upstream{
		t: t, nc: nc, js: js, orders: map[string][]event{}, settled: map[string]bool{}, changed: make(chan struct{}),
	}
}

// follow reads all events from now on, and holds each against the contract.
func (u *upstream) follow() {
	u.t.Helper()
	c, err := u.js.OrderedConsumer(u.t.Context(), "EVENTS", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.>"}})
	if err != nil {
		u.t.Fatal(err)
	}
	cc, err := c.Consume(u.take)
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(cc.Stop)
}

func (u *upstream) take(m jetstream.Msg) {
	e, err := readEvent(m.Data())
	if err != nil {
		u.t.Errorf("%s: %v: %s", m.Subject(), err, m.Data())
		return
	}
	for _, fault := range e.faults(m.Subject()) {
		u.t.Errorf("%s: %s\n%s", m.Subject(), fault, m.Data())
	}
	if got := m.Headers().Get("Content-Type"); got != "application/json" {
		u.t.Errorf("%s: Content-Type is %q", m.Subject(), got)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if meta, err := m.Metadata(); err == nil {
		if at, err := time.Parse(time.RFC3339Nano, e.text("time")); err == nil {
			u.slowest = max(u.slowest, meta.Timestamp.Sub(at))
		}
	}
	events := u.orders[e.key()]
	// Delivered twice is allowed: what tells it is n.
	if slices.ContainsFunc(events, func(have event) bool { return have.n() == e.n() && have.String() == e.String() }) {
		return
	}
	if e.n() != len(events)+1 {
		u.t.Errorf("%s: event %d follows %d\n%s", e.key(), e.n(), len(events), m.Data())
	}
	u.orders[e.key()], u.trail = append(events, e), append(u.trail, e)
	if u.settled[e.key()] = e.final(); !e.final() {
		delete(u.settled, e.key())
	}
	close(u.changed)
	u.changed = make(chan struct{})
}

// events returns what is known of an order.
func (u *upstream) events(key string) []event {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.orders[key])
}

// story returns all events in the order in which the ledger holds them.
func (u *upstream) story() []event {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.trail)
}

// slow is the longest that the ledger took to store an event.
func (u *upstream) slow() time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.slowest
}

// all returns the events of all orders.
func (u *upstream) all() map[string][]event {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.orders)
}

// awaitChange waits until is holds of what has been read so far.
func (u *upstream) awaitChange(limit time.Duration, is func() bool) bool {
	u.t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		u.mu.Lock()
		changed := u.changed
		u.mu.Unlock()
		if is() {
			return true
		}
		select {
		case <-changed:
		case <-deadline.C:
			return is()
		case <-u.t.Context().Done():
			return false
		}
	}
}

// await waits for an event of an order and returns it.
func (u *upstream) await(key, what string, is func(event) bool) event {
	u.t.Helper()
	var found event
	if !u.awaitChange(patience, func() bool {
		events := u.events(key)
		if i := slices.IndexFunc(events, is); i >= 0 {
			found = events[i]
		}
		return found != nil
	}) {
		u.t.Fatalf("%s: never %s; it has\n%s", key, what, story(u.events(key)))
	}
	return found
}

// awaitType waits for an event of one of the types, but for one that tells only
// of a permit that grew too old.
func (u *upstream) awaitType(key string, types ...string) event {
	u.t.Helper()
	return u.await(key, "came one of "+typeList(types), func(e event) bool { return slices.Contains(types, e.typ()) && !e.stale() })
}

func typeList(types []string) string {
	b, _ := json.Marshal(types)
	return string(b)
}

// awaitFinal waits until an order has ended or is the operator's.
func (u *upstream) awaitFinal(key string) event {
	u.t.Helper()
	return u.await(key, "ended", event.final)
}

// settledCount is how many orders have ended or are the operator's by now.
func (u *upstream) settledCount() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.settled)
}

// publish hands a message over as a careful upstream does: again and again
// until the stream has it, and knowing that "duplicate" means not stored.
func (u *upstream) publish(subject string, body []byte, headers ...string) {
	u.t.Helper()
	m := nats.NewMsg(subject)
	m.Data = body
	for i := 0; i+1 < len(headers); i += 2 {
		m.Header.Set(headers[i], headers[i+1])
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		err := u.once(m)
		if err == nil {
			return
		}
		again := time.NewTimer(50 * time.Millisecond)
		select {
		case <-again.C:
		case <-deadline.C:
			u.t.Errorf("publish to %s: %v", subject, err)
			return
		case <-u.t.Context().Done():
			return
		}
	}
}

var errDuplicate = errors.New("not stored: taken for a duplicate")

func (u *upstream) once(m *nats.Msg) error {
	ctx, cancel := context.WithTimeout(u.t.Context(), 5*time.Second)
	defer cancel()
	reply, err := u.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return err
	}
	var ack struct {
		Duplicate bool
		Error     *struct{ Description string }
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil {
		return err
	}
	switch {
	case ack.Error != nil:
		return errors.New(ack.Error.Description)
	case ack.Duplicate:
		return errDuplicate
	default:
		return nil
	}
}

// submit hands an order in.
func (u *upstream) submit(tenant, body string) {
	u.t.Helper()
	u.publish("orders."+tenant+".submit", []byte(body))
}

// letters reads all dead letters there are.
func (u *upstream) letters() []*nats.Msg {
	u.t.Helper()
	stream, err := u.js.Stream(u.t.Context(), "DLQ")
	if err != nil {
		u.t.Fatal(err)
	}
	info := stream.CachedInfo().State
	var all []*nats.Msg
	for seq := info.FirstSeq; seq > 0 && seq <= info.LastSeq; seq++ {
		m, err := stream.GetMsg(u.t.Context(), seq)
		if err != nil {
			u.t.Fatal(err)
		}
		all = append(all, &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
	}
	return all
}

// messages is how many messages a stream holds.
func (u *upstream) messages(stream string) uint64 {
	u.t.Helper()
	s, err := u.js.Stream(u.t.Context(), stream)
	if err != nil {
		u.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}
