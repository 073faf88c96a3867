package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

func TestAppend_AnOrderFullOfMarkupIsStoredAsItIs(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t)
	createEvents(t, srv.JS(t), 1, 64<<20)
	l := open(t, srv.Conn(t), ledger.Options{})
	order := []byte(`{"note":"` + strings.Repeat("<&>", messages.MaxOrderBytes/3) + `"}`)
	e := &messages.Event{
		N: 1, Type: messages.Rejected, State: messages.Rejected, Time: time.Now(), Tenant: tenant, OrderID: "o1",
		Provider: messages.GamesDrop, Order: order,
	}
	seq, err := l.Append(within(t), e, 0)
	if err != nil {
		t.Fatalf("an order as long as orders may be was not stored: %v", err)
	}
	entry, err := l.At(within(t), seq)
	if err != nil {
		t.Fatal(err)
	}
	if string(entry.Event.Order) != string(order) {
		t.Errorf("the order was stored in other words, %d bytes instead of %d", len(entry.Event.Order), len(order))
	}
}
