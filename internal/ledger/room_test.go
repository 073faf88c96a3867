package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	smallStream = 1 << 20
	fillerBytes = 20 << 10
)

// never is an interval that does not come round within a test, so that only
// the ledger's own count is at work.
const never = time.Hour

func TestAppend_KeepsTheLastFifthForOutcomes(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	js := srv.JS(t)
	createEvents(t, js, 1, smallStream)
	l := open(t, srv.Conn(t), ledger.Options{FillInterval: never})

	var last []uint64
	for i := 0; ; i++ {
		seq, err := l.Append(within(t), filler(event(orderID(i), 1, messages.Accepted, ""), fillerBytes), 0)
		if err != nil {
			wantErr(t, err, ledger.ErrNoRoom)
			break
		}
		last = append(last, seq)
	}
	used := l.Fill().Used
	if used < smallStream*70/100 || used > smallStream*80/100 {
		t.Errorf("orders were refused at %s", l.Fill())
	}
	intent := filler(event(orderID(0), 2, messages.Placing, "a"), fillerBytes)
	_, err := l.Append(within(t), intent, last[0])
	wantErr(t, err, ledger.ErrNoRoom)
	_, err = l.Append(within(t), filler(event("bad", 1, messages.Rejected, ""), fillerBytes), 0)
	wantErr(t, err, ledger.ErrNoRoom)
	if got := stored(t, js); got != uint64(len(last)) {
		t.Errorf("%d events are stored, %d were acknowledged", got, len(last))
	}

	// Outcomes go on until the stream itself is full.
	outcomes := 0
	for i := range last {
		_, err = l.Append(within(t), filler(event(orderID(i), 2, messages.Failed, ""), fillerBytes), last[i])
		if err != nil {
			break
		}
		outcomes++
	}
	wantErr(t, err, ledger.ErrNoRoom)
	if l.Fill().Intake() || outcomes < 5 {
		t.Errorf("%d outcomes found room, fill %s", outcomes, l.Fill())
	}
	if got := stored(t, js); got != uint64(len(last)+outcomes) {
		t.Errorf("%d events are stored, %d were acknowledged", got, len(last)+outcomes)
	}
}

func TestAppend_CountsWhatOthersStoredOnceItHasLooked(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	js := srv.JS(t)
	createEvents(t, js, 1, smallStream)
	other := open(t, srv.Conn(t), ledger.Options{FillInterval: never})
	l := open(t, srv.Conn(t), ledger.Options{FillInterval: 2 * time.Millisecond})
	for i := 0; ; i++ {
		if _, err := other.Append(within(t), filler(event(orderID(i), 1, messages.Accepted, ""), fillerBytes), 0); err != nil {
			wantErr(t, err, ledger.ErrNoRoom)
			break
		}
	}
	ctx := within(t)
	for i := 0; ; i++ {
		_, err := l.Append(ctx, filler(event("late", 1, messages.Accepted, ""), fillerBytes), 0)
		if errors.Is(err, ledger.ErrNoRoom) {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("never refused, fill %s", l.Fill())
		}
	}
}

func TestFill_CountsTheBytesTheServerCounts(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	js := srv.JS(t)
	createEvents(t, js, 1, smallStream)
	l := open(t, srv.Conn(t), ledger.Options{FillInterval: never})
	for i := range 50 {
		mustAppend(t, l, event(orderID(i), 1, messages.Accepted, ""), 0)
	}
	s, err := js.Stream(t.Context(), messages.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	real, own := s.CachedInfo().State.Bytes, l.Fill().Used
	if own < real || own > real*11/10 {
		t.Errorf("own count is %d bytes, the server's %d", own, real)
	}
}

func TestFill_WithoutALimitAlwaysTakesOrders(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	createEvents(t, srv.JS(t), 1, -1)
	l := open(t, srv.Conn(t), ledger.Options{})
	mustAppend(t, l, event("ord-1", 1, messages.Accepted, ""), 0)
	if f := l.Fill(); f.Limit != 0 || !f.Intake() || f.String() == "" {
		t.Errorf("fill is %+v", f)
	}
}
