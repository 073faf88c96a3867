package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

// wire is the way between one client and the server, and loses what it is
// told to. It stands in for nats.InProcessServer.
type wire struct {
	srv *natstest.Server
	// loseAcks: so many answers of the stream are read from the server and
	// thrown away, each with the connection. The event itself is stored.
	loseAcks atomic.Int32
	// swallowAcks: the same, but the connection stays, so that nothing but the
	// time-out tells.
	swallowAcks atomic.Int32
	// losePublishes: so many connections break before an event leaves.
	losePublishes atomic.Int32
}

func (w *wire) InProcessConn() (net.Conn, error) {
	c, err := w.srv.InProcessConn()
	if err != nil {
		return nil, err
	}
	return &lossyConn{Conn: c, wire: w}, nil
}

type lossyConn struct {
	net.Conn
	wire *wire
}

var errCut = errors.New("cut")

func take(n *atomic.Int32) bool {
	for {
		have := n.Load()
		if have <= 0 {
			return false
		}
		if n.CompareAndSwap(have, have-1) {
			return true
		}
	}
}

func (c *lossyConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !bytes.Contains(b[:n], []byte(`"stream":"EVENTS"`)) {
			return n, err
		}
		if take(&c.wire.loseAcks) {
			_ = c.Close()
			return 0, errCut
		}
		if !take(&c.wire.swallowAcks) {
			return n, nil
		}
	}
}

func (c *lossyConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("HPUB events.")) && take(&c.wire.losePublishes) {
		_ = c.Close()
		return 0, errCut
	}
	return c.Conn.Write(b)
}

// lossy is a ledger whose answers can be lost.
func lossy(t *testing.T, b bench, o ledger.Options) (*ledger.Ledger, *wire) {
	t.Helper()
	w := &wire{srv: b.srv}
	return open(t, b.srv.Conn(t, nats.InProcessServer(w)), o), w
}

func TestAppend_ALostAcknowledgementIsFoundAndNotRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, w := lossy(t, b, ledger.Options{})
	first := mustAppend(t, l, event("ord-1", 1, messages.Accepted, ""), 0)
	w.loseAcks.Store(3) // each repetition loses its answer too
	second := mustAppend(t, l, event("ord-1", 2, messages.Placing, "a"), first)
	if w.loseAcks.Load() == 3 {
		t.Fatal("no answer was lost")
	}
	mustAppend(t, l, event("ord-1", 3, messages.Succeeded, "a"), second)
	if chain := checkChains(t, b.js)["ord-1"]; len(chain) != 3 || chain[1] != second {
		t.Errorf("stored at %v, the second was said to be at %d", chain, second)
	}
}

func TestAppend_ASilentServerIsAskedAgainAfterTheTimeout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, w := lossy(t, b, ledger.Options{Timeout: 800 * time.Millisecond})
	w.swallowAcks.Store(1)
	seq := mustAppend(t, l, event("ord-1", 1, messages.Accepted, ""), 0)
	if seq != 1 || w.swallowAcks.Load() != 0 || stored(t, b.js) != 1 {
		t.Errorf("sequence %d, %d stored", seq, stored(t, b.js))
	}
}

func TestAppend_APublishThatNeverLeftIsSentAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, w := lossy(t, b, ledger.Options{})
	w.losePublishes.Store(2)
	if seq := mustAppend(t, l, event("ord-1", 1, messages.Accepted, ""), 0); seq != 1 {
		t.Errorf("sequence %d, want 1", seq)
	}
	if w.losePublishes.Load() != 0 {
		t.Error("no publish was lost")
	}
}

func TestAppend_AfterALostAcknowledgementAnotherWritersEventIsAConflict(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, w := lossy(t, b, ledger.Options{})
	mustAppend(t, b.l, event("ord-1", 1, messages.Accepted, "other"), 0)
	w.loseAcks.Store(1) // it is a refusal that is lost
	_, err := l.Append(within(t), event("ord-1", 1, messages.Accepted, "mine"), 0)
	wantErr(t, err, ledger.ErrConflict)
	if w.loseAcks.Load() != 0 {
		t.Error("no answer was lost")
	}
}

func TestAppend_LostAcknowledgementsAmongRacersMakeNoSecondWinner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ledgers := []*ledger.Ledger{b.l}
	for range 3 {
		l, w := lossy(t, b, ledger.Options{})
		w.loseAcks.Store(40)
		ledgers = append(ledgers, l)
	}
	ledger.Together(ledgers[2])
	ledger.Together(ledgers[3])
	winners := race(t, ledgers, 10, upTo(6), nobody)
	checkWinners(t, b.l, winners)
	checkChains(t, b.js)
}

func TestAppend_SaysUnknownWhenItsContextEndsInDoubt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l, w := lossy(t, b, ledger.Options{Timeout: 10 * time.Minute})
	w.swallowAcks.Store(1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := l.Append(ctx, event("ord-1", 1, messages.Accepted, ""), 0)
	wantErr(t, err, ledger.ErrUnknown)
	wantErr(t, err, context.DeadlineExceeded)
	// It was stored all the same, and appending it again finds that out.
	if seq := mustAppend(t, l, event("ord-1", 1, messages.Accepted, ""), 0); seq != 1 {
		t.Errorf("sequence %d, want 1", seq)
	}
}

func TestAppend_WithADeadContextSendsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("draining")
	cancel(why)
	_, err := b.l.Append(ctx, event("ord-1", 1, messages.Accepted, ""), 0)
	wantErr(t, err, ledger.ErrUnknown)
	wantErr(t, err, why)
	if got := stored(t, b.js); got != 0 {
		t.Errorf("%d messages are stored", got)
	}
}

func TestAppend_OnAClosedConnectionDoesNotWaitForTheContext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	nc := b.srv.Conn(t)
	l := open(t, nc, ledger.Options{})
	nc.Close()
	_, err := l.Append(within(t), event("ord-1", 1, messages.Accepted, ""), 0)
	wantErr(t, err, ledger.ErrUnknown)
	if _, err = l.Last(within(t), tenant, "ord-1"); err == nil || errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a read over a closed connection says %v", err)
	}
}

func TestAppend_WaitsForAStreamThatIsNotThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := open(t, b.srv.Conn(t), ledger.Options{Timeout: 160 * time.Millisecond})
	if err := b.js.DeleteStream(within(t), messages.StreamEvents); err != nil {
		t.Fatal(err)
	}
	copies := make(chan *nats.Msg, 1000)
	if _, err := b.srv.Conn(t).ChanSubscribe("events.>", copies); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := l.Append(within(t), event("ord-1", 1, messages.Accepted, ""), 0)
		done <- err
	}()
	for range 3 {
		select {
		case <-copies:
		case err := <-done:
			t.Fatalf("append without a stream ended: %v", err)
		}
	}
	createEvents(t, b.js, 1, 1<<30)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAppend_AServerRestartInTheMiddleLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*ledger.Ledger){"alone": func(*ledger.Ledger) {}, "together": ledger.Together} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, natstest.SyncAlways())
			prepare(b.l)
			restartInTheMiddle(t, b)
		})
	}
}

func restartInTheMiddle(t *testing.T, b bench) {
	t.Helper()
	const orders, steps, restarts = 16, 40, 4
	var appended atomic.Int64
	reached := make([]chan struct{}, restarts)
	for i := range reached {
		reached[i] = make(chan struct{})
	}
	acked := make([][]uint64, orders)
	var wg sync.WaitGroup
	for o := range orders {
		wg.Go(func() {
			last := uint64(0)
			for n := uint64(1); n <= steps; n++ {
				typ := messages.Processing
				if n == 1 {
					typ = messages.Accepted
				}
				seq, err := b.l.Append(within(t), event(orderID(o), n, typ, "w"), last)
				if err != nil {
					t.Errorf("order %d, n %d: %v", o, n, err)
					return
				}
				last = seq
				acked[o] = append(acked[o], seq)
				if done := appended.Add(1); done%(orders*steps/(restarts+1)) == 0 {
					if i := int(done/(orders*steps/(restarts+1))) - 1; i < restarts {
						close(reached[i])
					}
				}
			}
		})
	}
	for i := range restarts {
		select {
		case <-reached[i]:
		case <-within(t).Done():
			t.Fatal("the writers are stuck")
		}
		b.srv.Restart(t)
	}
	wg.Wait()
	chains := checkChains(t, b.srv.JS(t))
	for o := range orders {
		got := chains[orderID(o)]
		if len(got) != len(acked[o]) {
			t.Errorf("order %d: %d stored, %d acknowledged", o, len(got), len(acked[o]))
			continue
		}
		for i := range got {
			if got[i] != acked[o][i] {
				t.Errorf("order %d, n %d: stored at %d, acknowledged at %d", o, i+1, got[i], acked[o][i])
			}
		}
	}
}
