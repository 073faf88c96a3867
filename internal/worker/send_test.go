package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// permits grants what it is told to, one after the other, and then fresh ones.
type permits struct {
	n     atomic.Int64
	first []func() ratelimit.Permit
}

func (p *permits) Take(context.Context, ratelimit.Use) (ratelimit.Permit, error) {
	if n := int(p.n.Add(1)); n <= len(p.first) {
		return p.first[n-1](), nil
	}
	return ratelimit.Permit{Granted: time.Now(), MaxAge: time.Minute}, nil
}

// wantNotSent checks that an order was claimed, not sent, and bought by the next attempt.
func wantNotSent(t *testing.T, b *bench, s *shop, id string) {
	t.Helper()
	e := b.until("not sent", func(e *messages.Event) bool { return e.OrderID == id && e.Type == messages.Retrying })
	if e.Error == nil || e.Error.Class != "retryable" || e.Error.Code != providers.CodeNotSent || e.RetryAt == nil {
		t.Errorf("%+v, retry_at %v", e.Error, e.RetryAt)
	}
	if e := b.ends(id); e.State != messages.Succeeded {
		t.Errorf("%s", e.State)
	}
	if got := b.path(id); got != "accepted placing retrying placing succeeded" {
		t.Errorf("path %s", got)
	}
	if sent := s.sent(); len(sent) != 1 || sent[0] != messages.Reference(b.namespace, tenant, id, 1) {
		t.Errorf("sent %v", sent)
	}
}

func TestSend_APermitThatIsTooOldSendsNothing(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	old := func() ratelimit.Permit {
		return ratelimit.Permit{Granted: time.Now().Add(-time.Second), MaxAge: ratelimit.Margin}
	}
	b.workWith(s, b.options(messages.GamesDrop, "w1"), &permits{first: []func() ratelimit.Permit{old}})
	b.submit(offer("o1"))
	wantNotSent(t, b, s, "o1")
}

// The connection may take its time: what counts is how old the permit is when
// the first byte is due.
func TestSend_TheGuardIsAskedAtTheLastMoment(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	const age = 50 * time.Millisecond
	var slow atomic.Int64
	s.onPlace = func(providers.Order) {
		if slow.Add(1) == 1 {
			<-time.After(2 * age) // a slow handshake
		}
	}
	fresh := func() ratelimit.Permit { return ratelimit.Permit{Granted: time.Now(), MaxAge: age} }
	b.workWith(s, b.options(messages.GamesDrop, "w1"), &permits{first: []func() ratelimit.Permit{fresh}})
	b.submit(offer("o1"))
	wantNotSent(t, b, s, "o1")
}

// books is a ledger whose first intent meets with trouble.
type books struct {
	*ledger.Ledger
	intents atomic.Int64
	trouble func(ctx context.Context, append func() (uint64, error)) (uint64, error)
}

func (l *books) Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error) {
	store := func() (uint64, error) { return l.Ledger.Append(ctx, e, expected) }
	if e.Type == messages.Placing && l.intents.Add(1) == 1 {
		return l.trouble(ctx, store)
	}
	return store()
}

func TestSend_TooLittleOfTheLeaseAfterASlowIntentSendsNothing(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	slow := &books{Ledger: b.ledger, trouble: func(_ context.Context, store func() (uint64, error)) (uint64, error) {
		seq, err := store()
		<-time.After(lease - timeout + 10*time.Millisecond) // a slow disk
		return seq, err
	}}
	b.workOn(slow, s, b.options(messages.GamesDrop, "w1"), &permits{})
	b.submit(offer("o1"))
	wantNotSent(t, b, s, "o1")
}

// Whether an intent was stored may stay unknown to its owner. Nothing is sent
// under it, and where it stands nobody but its owner can say so: without that
// the operator would be asked about a purchase that was never tried.
func TestSend_AnIntentOfUnknownFateIsTakenBackByItsOwner(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.keyless = true
	lost := &books{Ledger: b.ledger, trouble: func(_ context.Context, store func() (uint64, error)) (uint64, error) {
		_, err := store()
		return 0, errors.Join(ledger.ErrUnknown, err)
	}}
	b.workOn(lost, s, b.options(messages.BalanceSteam, "w1"), &permits{})
	b.submit(topup("o1"))
	e := b.ends("o1")
	if got := b.path("o1"); e.State != messages.Succeeded || got != "accepted placing retrying placing succeeded" || len(s.sent()) != 1 {
		t.Errorf("%s, %d calls", got, len(s.sent()))
	}
}

func TestSend_AnIntentThatWasNotStoredSendsNothing(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.keyless = true
	lost := &books{Ledger: b.ledger, trouble: func(context.Context, func() (uint64, error)) (uint64, error) {
		return 0, ledger.ErrUnknown
	}}
	b.workOn(lost, s, b.options(messages.BalanceSteam, "w1"), &permits{})
	b.submit(topup("o1"))
	b.ends("o1")
	if got := b.path("o1"); got != "accepted retrying placing succeeded" || len(s.sent()) != 1 {
		t.Errorf("%s, %d calls", got, len(s.sent()))
	}
}

func TestSend_WithTheLedgerNearlyFullNothingIsBoughtAndOutcomesAreStored(t *testing.T) {
	t.Parallel()
	b := benchOn(t, natstest.Start(t), func(s *topology.Settings) { s.EventsMaxBytes = 1 << 20 })
	s := newShop()
	hold, entered := make(chan struct{}), make(chan struct{})
	s.next(step{buy: true, hold: hold, entered: entered})
	stop := b.work(s, b.options(messages.GamesDrop, "w1"))
	b.submit(offer("o1"))
	signal(t, entered)
	e, seq := b.accept(offer("o2"))
	for i, size := range []int{20 << 10, 1} { // until the last fifth begins
		o := offer(fmt.Sprintf("filler%d-0", i))
		for j := 1; b.tryAccept(o); j++ {
			o = offer(fmt.Sprintf("filler%d-%d", i, j))
			o.Raw = json.RawMessage(strings.Replace(string(o.Raw), `"offer_id"`, `"x":"`+strings.Repeat("x", size)+`","offer_id"`, 1))
		}
	}
	refused, err := b.nc.SubscribeSync("$JS.ACK.>")
	if err != nil {
		t.Fatal(err)
	}
	b.send(messages.Place, e, seq)
	putOff := func() bool {
		msg, err := refused.NextMsg(patience)
		if err != nil || string(msg.Data) == "+ACK" {
			t.Fatalf("o2 was not put off: %v", err)
		}
		return strings.HasPrefix(string(msg.Data), "-NAK")
	}
	for !putOff() {
	}
	close(hold)
	if e := b.ends("o1"); e.State != messages.Succeeded {
		t.Errorf("o1: %s", b.path("o1"))
	}
	stop()
	if got := b.path("o2"); got != "accepted" || len(s.sent()) != 1 {
		t.Errorf("o2: %s, %d calls", got, len(s.sent()))
	}
}

// A purchase whose evidence is too long for an event is recorded without it.
func TestSend_AnOutcomeTooLongForAnEventIsStoredWithoutItsEvidence(t *testing.T) {
	t.Parallel()
	b, s := newBench(t), newShop()
	s.next(step{buy: true, answer: &providers.Answer{
		Status: providers.StatusSucceeded, Deliverable: json.RawMessage(`{"key":"k"}`),
		Evidence: map[string]any{"body": strings.Repeat("x", messages.MaxEventBytes)},
	}})
	s.next(step{err: &providers.Error{Op: "shop.create", Class: providers.Rejected, Code: "NO", Message: strings.Repeat("x", messages.MaxEventBytes)}})
	o := b.options(messages.GamesDrop, "w1")
	o.MaxInFlight = 1
	b.work(s, o)
	b.submit(offer("o1"))
	e := b.ends("o1")
	if e.State != messages.Succeeded || string(e.Deliverable) != `{"key":"k"}` || e.Evidence["left_out"] == nil || e.Evidence["body"] != nil {
		t.Errorf("%s %s", b.path("o1"), e.Deliverable)
	}
	b.submit(offer("o2"))
	if e := b.ends("o2"); e.State != messages.Failed || e.Error.Code != "NO" || len(e.Error.Message) > 512 {
		t.Errorf("%s", b.path("o2"))
	}
}
