package queue_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestBury_KeepsTheBodyAndSaysWhy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := []byte("{\"id\":\x00\xff\r\n not json")
	subject := messages.DeadOrders("acme")
	origin := messages.Origin(messages.StreamOrders, 17, "orders.acme.submit")
	must(t, b.q.Bury(t.Context(), subject, body, messages.ReasonInvalidOrder, "/id: wrong type", origin, "o-1"))

	m := last(t, b.js, messages.StreamDLQ, "dlq.orders.acme")
	if m == nil {
		t.Fatal("not stored")
	}
	if !bytes.Equal(m.Data, body) {
		t.Errorf("body became %q", m.Data)
	}
	for header, want := range map[string]string{
		"Beltline-Reason": "invalid_order", "Beltline-Error": "/id: wrong type",
		"Beltline-Origin": "ORDERS:17:orders.acme.submit", "Beltline-Order-Id": "o-1", "Beltline-Truncated": "",
	} {
		if got := m.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}

func TestBury_ForeignTextCannotAddHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	evil := "x\r\nNats-Rollup: all\r\n\r\nbody\u2028" + strings.Repeat("é", 600)
	must(t, b.q.Bury(t.Context(), messages.DeadCommands(p), []byte("b"), messages.Reason(evil), evil, evil, evil))
	m := last(t, b.js, messages.StreamDLQ, "dlq.commands.gamesdrop")
	if m == nil || string(m.Data) != "b" {
		t.Fatalf("stored as %+v", m)
	}
	allowed := map[string]bool{
		messages.HeaderReason: true, messages.HeaderError: true, messages.HeaderOrigin: true, jetstream.MsgIDHeader: true,
	}
	for key, values := range m.Header {
		if !allowed[key] || len(values) != 1 {
			t.Errorf("header %s: %q", key, values)
		}
	}
	if got := m.Header.Get(messages.HeaderError); len(got) > queue.MaxHeaderText || !strings.HasPrefix(got, "x  Nats-Rollup: all    body") {
		t.Errorf("error header %q", got)
	}
}

func TestHeaderText_IsAlwaysOneShortReadableLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "raw")
		got := queue.HeaderText(string(raw))
		if len(got) > queue.MaxHeaderText || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("%q", got)
		}
	})
	plain := "offer 1001: price 560.10 > 560.00 — Ж"
	if got := queue.HeaderText(plain); got != plain {
		t.Errorf("%q was changed to %q", plain, got)
	}
}

func TestBury_RepeatedLeavesOneDeadLetter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bury := func(body, origin string) {
		must(t, b.q.Bury(t.Context(), messages.DeadOrders("acme"), []byte(body), messages.ReasonInvalidOrder, "x", origin, ""))
	}
	bury("a", "ORDERS:1:orders.acme.submit")
	bury("a", "ORDERS:1:orders.acme.submit")
	if got := messagesIn(t, b.js, messages.StreamDLQ); got != 1 {
		t.Errorf("%d dead letters for one message", got)
	}
	bury("a", "ORDERS:2:orders.acme.submit") // an equal body is another message
	bury("b", "ORDERS:1:orders.acme.submit") // so is another body, as after the stream was made anew
	bury("a", "")
	bury("a", "") // nothing is known of where it came from: rather two than none
	if got := messagesIn(t, b.js, messages.StreamDLQ); got != 5 {
		t.Errorf("%d dead letters instead of 5", got)
	}
}

// Upstream may publish as much as the server takes, which leaves no room for
// our headers. What cannot be buried would be delivered for ever.
func TestBury_TheLargestBodyThatUpstreamCanSendIsBuriedToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	limit := int(b.js.Conn().MaxPayload())
	for _, size := range []int{limit, limit - 1, limit - 100, limit - 600, limit - 5000} {
		body := make([]byte, size)
		_, _ = rand.Read(body)
		if _, err := b.js.Publish(t.Context(), "orders.acme.submit", body); err != nil {
			t.Fatalf("upstream itself cannot send %d: %v", size, err)
		}
		origin := messages.Origin(messages.StreamOrders, uint64(size), "orders.acme.submit")
		must(t, b.q.Bury(t.Context(), messages.DeadOrders("acme"), body, messages.ReasonInvalidOrder, strings.Repeat("x", 5000), origin, "o-1"))
		m := last(t, b.js, messages.StreamDLQ, "dlq.orders.acme")
		if !bytes.HasPrefix(body, m.Data) || len(m.Data) < min(size, limit-2000) {
			t.Errorf("%d bytes became %d", size, len(m.Data))
		}
		want := strconv.Itoa(size)
		if len(m.Data) == size {
			want = ""
		}
		if got := m.Header.Get(messages.HeaderTruncated); got != want {
			t.Errorf("%d bytes became %d, header says %q", size, len(m.Data), got)
		}
		if size == limit-5000 && want != "" {
			t.Error("a body that fits was cut")
		}
	}
}

func TestBury_AFullStreamIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s, err := b.js.Stream(t.Context(), messages.StreamDLQ)
	must(t, err)
	config := s.CachedInfo().Config
	config.MaxBytes = 2000
	_, err = b.js.UpdateStream(t.Context(), config)
	must(t, err)
	body := make([]byte, 1500)
	must(t, b.q.Bury(t.Context(), messages.DeadOrders("acme"), body, messages.ReasonInvalidOrder, "", "ORDERS:1:x", ""))
	err = b.q.Bury(t.Context(), messages.DeadOrders("acme"), body, messages.ReasonInvalidOrder, "", "ORDERS:2:x", "")
	if !errors.Is(err, queue.ErrFull) {
		t.Errorf("got %v", err)
	}
	if got := messagesIn(t, b.js, messages.StreamDLQ); got != 1 {
		t.Errorf("%d dead letters: the older one was dropped", got)
	}
}

func TestBury_OnlyIntoTheDeadLetterSubjects(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, subject := range []string{
		"", "dlq", "dlq.orders", "dlq.orders.", "dlq.orders.a.b", "dlq.orders.*", "dlq.other.acme", "events.gamesdrop.acme.o.failed",
	} {
		err := b.q.Bury(t.Context(), subject, nil, messages.ReasonInvalidOrder, "", "", "")
		if !errors.Is(err, queue.ErrInvalid) {
			t.Errorf("%q: %v", subject, err)
		}
	}
	for _, subject := range []string{messages.DeadOrders("acme"), messages.DeadOrders("no good!"), messages.DeadCommands(p), "dlq.hooks.skinsback"} {
		must(t, b.q.Bury(t.Context(), subject, nil, messages.ReasonInvalidOrder, "", "", ""))
	}
}

func TestBury_AClosedConnectionIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	js := srv.JS(t)
	js.Conn().Close()
	err := queue.New(js).Bury(t.Context(), messages.DeadOrders("acme"), nil, messages.ReasonInvalidOrder, "", "", "")
	if !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("got %v", err)
	}
}
