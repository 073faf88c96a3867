package deadletters_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/cmd/beltline/internal/deadletters"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// bench is a server with everything set up, on which nothing runs.
type bench struct {
	t   *testing.T
	srv *natstest.Server
	js  jetstream.JetStream
	box *deadletters.Box
}

func newBench(t *testing.T) *bench {
	t.Helper()
	srv := natstest.Start(t)
	b := &bench{t: t, srv: srv, js: srv.JS(t)}
	if _, err := topology.Setup(t.Context(), b.js, topology.Default()); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.box, err = deadletters.Open(t.Context(), b.js); err != nil {
		t.Fatal(err)
	}
	return b
}

// bury puts a letter into the stream and reads it.
func (b *bench) bury(subject, body, origin string) *deadletters.Letter {
	b.t.Helper()
	if err := queue.New(b.js).Bury(b.t.Context(), subject, []byte(body), messages.ReasonInvalidOrder, "no good", origin, "o1"); err != nil {
		b.t.Fatal(err)
	}
	l, err := b.box.Get(b.t.Context(), b.last(messages.StreamDLQ, subject).Sequence)
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

func (b *bench) last(stream, subject string) *jetstream.RawStreamMsg {
	b.t.Helper()
	s, err := b.js.Stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	m, err := s.GetLastMsgForSubject(b.t.Context(), subject)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

func TestWay_GoesNowhereThatTheContractDoesNotKnow(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	command := func(tenant, id string) string {
		return string(messages.Command{V: 1, Tenant: tenant, OrderID: id, Seq: 1, N: 1}.Encode())
	}
	for name, c := range map[string]struct{ subject, body, origin, why string }{
		"no origin":            {"dlq.orders.acme", `{}`, "", "origin"},
		"origin of no number":  {"dlq.orders.acme", `{}`, "ORDERS:x:orders.acme.submit", "origin"},
		"another stream":       {"dlq.orders.acme", `{}`, "EVENTS:1:orders.acme.submit", "says that it came from"},
		"reserved tenant":      {"dlq.orders.unknown", `{}`, "ORDERS:1:orders.unknown.submit", "no tenant"},
		"unusable tenant":      {"dlq.orders.unknown", `{}`, "ORDERS:1:orders._sys.submit", "no tenant"},
		"another tenant":       {"dlq.orders.acme", `{}`, "ORDERS:1:orders.zeta.submit", "came from tenant zeta"},
		"no request":           {"dlq.orders.acme", `{}`, "ORDERS:1:orders.acme.refund", "no request refund"},
		"too many tokens":      {"dlq.orders.acme", `{}`, "ORDERS:1:orders.acme.submit.now", "no tenant"},
		"events":               {"dlq.orders.acme", `{}`, "ORDERS:1:events.gamesdrop.acme.o1.succeeded", "no tenant"},
		"command as a request": {"dlq.commands.gamesdrop", command("acme", "o1"), "ORDERS:1:orders.acme.submit", "says that it came from"},
		"no command":           {"dlq.commands.gamesdrop", `{"v":1}`, "COMMANDS:1:commands.gamesdrop.place.acme.o1", "no command"},
		"another order":        {"dlq.commands.gamesdrop", command("acme", "o2"), "COMMANDS:1:commands.gamesdrop.place.acme.o1", "points at acme/o2"},
		"another provider":     {"dlq.commands.gamesdrop", command("acme", "o1"), "COMMANDS:1:commands.skinsback.place.acme.o1", "came from skinsback"},
		"no verb":              {"dlq.commands.gamesdrop", command("acme", "o1"), "COMMANDS:1:commands.gamesdrop.buy.acme.o1", "no verb buy"},
		"a timer":              {"dlq.commands.gamesdrop", command("acme", "o1"), "COMMANDS:1:schedules.gamesdrop.acme.o1", "no command"},
		"no such order":        {"dlq.hooks.skinsback", `x`, "WEBHOOK:0:hook.skinsback.acme.o1", "holds no order acme/o1"},
		"no callback":          {"dlq.hooks.skinsback", `x`, "WEBHOOK:0:hook.skinsback.acme", "no callback"},
		"callback of another":  {"dlq.hooks.skinsback", `x`, "WEBHOOK:0:hook.exchanger.acme.o1", "came from exchanger"},
	} {
		l := b.bury(c.subject, c.body, c.origin)
		_, err := b.box.Way(t.Context(), l)
		if !errors.Is(err, deadletters.ErrStays) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l := b.bury("dlq.orders.acme", `{`, "ORDERS:9:orders.acme.submit")
	l.CutFrom = 99
	if _, err := b.box.Way(t.Context(), l); !errors.Is(err, deadletters.ErrStays) {
		t.Errorf("a body that was cut goes back: %v", err)
	}
}

// More letters than are asked for at once, and a server that goes in between.
func TestEach_TellsOfAllThatFitOnceThoughTheServerRestarts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const n = 700
	q := queue.New(b.js)
	for i := range n {
		subject := []string{"dlq.orders.acme", "dlq.commands.gamesdrop", "dlq.hooks.skinsback"}[i%3]
		if err := q.Bury(t.Context(), subject, []byte("x"), messages.ReasonUnknownOrder, "", fmt.Sprintf("ORDERS:%d:orders.acme.cancel", i), "o1"); err != nil {
			t.Fatal(err)
		}
	}
	var seen []uint64
	err := b.box.Each(t.Context(), deadletters.Filter{}, func(l deadletters.Letter, _ uint64) bool {
		if seen = append(seen, l.Seq); len(seen) == 520 {
			b.srv.Restart(t) // what waits in memory for its reader is gone
		}
		return true
	})
	if err != nil || len(seen) != n || !slices.IsSorted(seen) || len(slices.Compact(seen)) != n {
		t.Errorf("%d letters of %d, %v", len(seen), n, err)
	}
	some, more, err := b.box.Collect(t.Context(), deadletters.Filter{Kind: deadletters.Hooks}, 10, nil)
	if err != nil || len(some) != 10 || more == 0 || some[0].Subject != "dlq.hooks.skinsback" || some[0].Size != 1 {
		t.Errorf("%d letters, %d more, %v", len(some), more, err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := b.box.Each(stopped, deadletters.Filter{}, func(deadletters.Letter, uint64) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// Whatever a letter holds, nothing of it can speak to the terminal, and JSON
// says the same as before.
func TestEscape_LetsNothingThroughThatIsNotToBeSeen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain text, ünïcödé 中": "plain text, ünïcödé 中",
		"\x1b[2J":               `\x1b[2J`,
		"a\u202eb\u0085c":       `a\u202eb\u0085c`,
		"\xff\xfe":              `\xff\xfe`,
		"a\tb\r\n":              `a\tb\r\n`,
		"\U000e0041":            `\U000e0041`,
	} {
		if got := deadletters.Escape(text); got != want {
			t.Errorf("%q: %s, not %s", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		body, err := json.Marshal(map[string]string{"x": text})
		if err != nil {
			t.Fatal(err)
		}
		shown := deadletters.Plain(body)
		if deadletters.Escape(string(shown)) != string(shown) {
			t.Fatalf("%q has something to hide", shown)
		}
		var back map[string]string
		if err := json.Unmarshal(shown, &back); err != nil || back["x"] != strings.ToValidUTF8(text, "\uFFFD") {
			t.Fatalf("%q became %q, %v", text, back["x"], err)
		}
	})
}
