package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The names of the bare loop's streams, and of the one consumer on two of them.
const (
	bareOrders   = "ORDERS"
	bareCommands = "COMMANDS"
	bareEvents   = "EVENTS"
	bareConsumer = "loop"
)

// bareTask is what a step of the bare loop is told.
type bareTask struct {
	NATS     string `json:"nats"`
	Shop     string `json:"shop"`
	InFlight int    `json:"in_flight"`
	Requests int    `json:"requests,omitempty"` // to the shop for an order, where that differs
}

// bare is the loop that a careful programmer would write in an afternoon:
// order → command → claim by compare-and-set → POST → result. It stores four
// messages and acknowledges two, validates nothing and recovers nothing. Its
// two steps are a process each, as the pipeline's are.
type bare struct{}

func (bare) name() string { return "bare loop" }

func (bare) workers() int { return 1 }

func (bare) order(i int) (subject string, body []byte) {
	return "orders.o" + strconv.Itoa(i), padded(`{"v":1,"id":"`+customer(i)+`","provider":"shop","login":"gabe","amount":"100.00","note":"`, `"}`)
}

func (bare) customer(i int) string { return customer(i) }

func (bare) taker() (stream, consumer string) { return bareOrders, bareConsumer }

func (bare) results() (filter string) { return "events.*.done" }

func (bare) number(subject string) (int, bool) {
	_, rest, _ := strings.Cut(subject, ".o")
	text, _, _ := strings.Cut(rest, ".")
	i, err := strconv.Atoi(text)
	return i, err == nil
}

func (bare) start(ctx context.Context, s *stage) error {
	return s.loop(ctx, roleBareDispatcher, roleBareWorker, bareTask{})
}

// loop makes the streams of a loop, and some more, and starts its two steps.
func (s *stage) loop(ctx context.Context, first, second role, t bareTask, more ...jetstream.StreamConfig) error {
	for _, c := range append([]jetstream.StreamConfig{
		{Name: bareOrders, Subjects: []string{"orders.*"}, Retention: jetstream.WorkQueuePolicy},
		{Name: bareCommands, Subjects: []string{"commands.*"}, Retention: jetstream.WorkQueuePolicy},
		{Name: bareEvents, Subjects: []string{"events.*.*"}, AllowDirect: true},
	}, more...) {
		c.Replicas = s.mode.nodes()
		if _, err := s.js.CreateStream(ctx, c); err != nil {
			return fmt.Errorf("stream %s: %w", c.Name, err)
		}
		if c.Retention != jetstream.WorkQueuePolicy {
			continue
		}
		config := jetstream.ConsumerConfig{Durable: bareConsumer, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 10_000}
		if _, err := s.js.CreateConsumer(ctx, c.Name, config); err != nil {
			return fmt.Errorf("consumer of %s: %w", c.Name, err)
		}
	}
	t.NATS, t.Shop, t.InFlight = addresses(s.nodes), s.shop.url, s.o.InFlight
	for _, r := range []role{first, second} {
		p, err := s.spawn(string(r), task{Role: r, Bare: t})
		if err != nil {
			return err
		}
		s.programs = append(s.programs, p)
		if err := p.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// failures of the bare loop are told by what is missing; it has nothing to tell them to.
func (bare) failure(context.Context, *stage, int) string { return "" }

// dispatch is the first step: every order becomes a command.
func (t bareTask) dispatch() (string, error) {
	nc, js, err := connect(t.NATS)
	if err != nil {
		return "", err
	}
	return "", t.consume(js, bareOrders, func(ctx context.Context, m jetstream.Msg) error {
		return store(ctx, nc, nats.NewMsg("commands."+strings.TrimPrefix(m.Subject(), "orders.")), m.Data())
	})
}

// work is the second step: it claims the order, calls the shop and stores the result.
func (t bareTask) work() (string, error) {
	nc, js, err := connect(t.NATS)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: t.InFlight}, Timeout: patience}
	return "", t.consume(js, bareCommands, func(ctx context.Context, m jetstream.Msg) error {
		id := strings.TrimPrefix(m.Subject(), "commands.")
		claim := nats.NewMsg("events." + id + ".claim")
		claim.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
		claim.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, "events."+id+".>")
		if err := store(ctx, nc, claim, m.Data()); err != nil {
			return err
		}
		if err := buy(ctx, client, t.Shop+barePath, m.Data()); err != nil {
			return err
		}
		return store(ctx, nc, nats.NewMsg("events."+id+".done"), m.Data())
	})
}

// consume handles the messages of a stream for as long as the process lives,
// so many at once.
func (t bareTask) consume(js jetstream.JetStream, stream string, handle func(context.Context, jetstream.Msg) error) error {
	ctx := context.Background()
	c, err := js.Consumer(ctx, stream, bareConsumer)
	if err != nil {
		return err
	}
	slots := make(chan struct{}, t.InFlight)
	_, err = c.Consume(func(m jetstream.Msg) {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			if handle(ctx, m) == nil {
				_ = m.Ack()
			}
		}()
	}, jetstream.PullMaxMessages(t.InFlight))
	return err
}

func buy(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the shop answers %s", resp.Status)
	}
	return nil
}

// connect opens a connection that stays.
func connect(url string) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.Timeout(patience),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	return nc, js, err
}

// storeWithin is how long a message may take until it is stored.
const storeWithin = 30 * time.Second

// store publishes and waits until the stream says that it is stored.
func store(ctx context.Context, nc *nats.Conn, m *nats.Msg, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	m.Data = body
	reply, err := nc.RequestMsgWithContext(ctx, m)
	if err == nil && bytes.Contains(reply.Data, []byte(`"error"`)) {
		err = fmt.Errorf("%.300s", reply.Data)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", m.Subject, err)
	}
	return nil
}

// orderSize is the size of every order that is submitted.
const orderSize = 400

var filler = strings.Repeat("x", orderSize)

// padded makes a body of the size of every order.
func padded(before, after string) []byte {
	return []byte(before + filler[:max(0, orderSize-len(before)-len(after))] + after)
}

// customer is who order i is for: at the shop, each has one of its own.
func customer(i int) string { return "o" + strconv.Itoa(i) }
