package bench

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// floorPermits is the stream of the permits.
const floorPermits = "PERMITS"

// How long the events of an order of ours are that is bought at once.
const (
	acceptedSize  = 1100
	placingSize   = 1300
	succeededSize = 2000
)

// floor is a loop that stores the messages of an order of ours, and does
// nothing else: what the pipeline takes more than this is its own computing,
// and what this takes more than the bare loop follows from which messages
// there are. It stores each by itself, so that with many orders in work, and
// every write synced, the pipeline may be ahead of it.
type floor struct{ bare }

func (floor) name() string { return "same messages" }

func (floor) start(ctx context.Context, s *stage) error {
	t := bareTask{Requests: 1}
	if s.o.Kind == messages.Topup {
		t.Requests = 2
	}
	return s.loop(ctx, roleFloorAccept, roleFloorPlace, t, jetstream.StreamConfig{Name: floorPermits, Subjects: []string{"permits.*"}})
}

// accept is the first step: the order is an event, and then a command. The
// events are followed twice, as for lists and by the sweeper.
func (t bareTask) accept() (string, error) {
	nc, js, err := connect(t.NATS)
	if err != nil {
		return "", err
	}
	for _, headers := range []bool{false, true} {
		c, err := js.OrderedConsumer(context.Background(), bareEvents, jetstream.OrderedConsumerConfig{HeadersOnly: headers})
		if err != nil {
			return "", err
		}
		if _, err := c.Consume(func(jetstream.Msg) {}); err != nil {
			return "", err
		}
	}
	return "", t.consume(js, bareOrders, func(ctx context.Context, m jetstream.Msg) error {
		id := strings.TrimPrefix(m.Subject(), "orders.")
		if err := store(ctx, nc, floorEvent(id, "accepted", 0), long(m.Data(), acceptedSize)); err != nil {
			return err
		}
		return store(ctx, nc, nats.NewMsg("commands."+id), m.Data())
	})
}

// place is the second step: it reads the order's event, takes a permit for each
// request, claims the order, calls the shop and stores the result.
func (t bareTask) place() (string, error) {
	nc, js, err := connect(t.NATS)
	if err != nil {
		return "", err
	}
	events, err := js.Stream(context.Background(), bareEvents)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: t.InFlight}, Timeout: patience}
	return "", t.consume(js, bareCommands, func(ctx context.Context, m jetstream.Msg) error {
		id := strings.TrimPrefix(m.Subject(), "commands.")
		last, err := events.GetLastMsgForSubject(ctx, "events."+id+".accepted")
		if err != nil {
			return err
		}
		for range t.Requests - 1 {
			if err := store(ctx, nc, nats.NewMsg("permits.check"), nil); err != nil {
				return err
			}
			if err := buy(ctx, client, t.Shop+barePath, []byte(`{"id":""}`)); err != nil {
				return err
			}
		}
		if err := store(ctx, nc, nats.NewMsg("permits.place"), nil); err != nil {
			return err
		}
		if err := store(ctx, nc, floorEvent(id, "placing", last.Sequence), long(m.Data(), placingSize)); err != nil {
			return err
		}
		if err := buy(ctx, client, t.Shop+barePath, m.Data()); err != nil {
			return err
		}
		return store(ctx, nc, nats.NewMsg("events."+id+".done"), long(m.Data(), succeededSize))
	})
}

// floorEvent is an event that is stored only on top of that one.
func floorEvent(id, typ string, on uint64) *nats.Msg {
	m := nats.NewMsg("events." + id + "." + typ)
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(on, 10))
	m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, "events."+id+".>")
	return m
}

// long is a body at the length of one of ours.
func long(body []byte, size int) []byte {
	return append(bytes.Clone(body), bytes.Repeat([]byte(" "), max(0, size-len(body)))...)
}
