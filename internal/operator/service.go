package operator

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/order"
	"github.com/beltline-io/beltline/internal/orders"
	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	atOnce       = 32
	answerWithin = 5 * time.Second
)

// Ledger is what deciding needs of the ledger.
type Ledger interface {
	Append(ctx context.Context, e *messages.Event, expected uint64) (uint64, error)
	Last(ctx context.Context, tenant, orderID string) (*ledger.Entry, error)
}

// Options configure the service. All are required unless said otherwise.
type Options struct {
	Log zerolog.Logger
	// Drive puts what an order needs now into the queue.
	Drive func(ctx context.Context, last *ledger.Entry) error
	Times order.Times
	// Now is the clock; nil for the system's.
	Now func() time.Time
}

// desk is one replica of the service.
type desk struct {
	js     jetstream.JetStream
	ledger Ledger
	reader *orders.Reader
	o      Options
	log    zerolog.Logger
}

// Serve begins to answer operators.
func Serve(nc *nats.Conn, js jetstream.JetStream, l Ledger, r *orders.Reader, o Options) (*service.Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &desk{js: js, ledger: l, reader: r, o: o, log: o.Log.With().Str(logkey.Part, "operator").Logger()}
	methods := map[string]func(context.Context, []byte) (service.Answer, error){
		"list": d.list, "get": d.get, "history": d.history, "resolve": d.resolve, "lane": d.lane,
	}
	var endpoints []service.Endpoint
	for _, name := range messages.OperatorMethods() {
		answer := methods[name]
		endpoints = append(endpoints, service.Endpoint{
			Name: name, Subject: messages.OperatorServiceSubject(name), Interface: messages.OperatorInterface(name),
			Answer: func(ctx context.Context, q service.Request) (service.Answer, error) { return answer(ctx, q.Body) },
		})
	}
	return service.Serve(nc, service.Options{
		Name: messages.ServiceOperator, Description: "For operators: the orders of all tenants, decisions, and the lanes of providers.",
		Log: o.Log, AtOnce: atOnce, Within: answerWithin, Explain: r.Explain,
	}, endpoints...)
}

func (d *desk) list(ctx context.Context, body []byte) (service.Answer, error) {
	asked, err := messages.DecodeOperatorList(body)
	if err != nil {
		return service.Answer{}, service.Refused(err)
	}
	return d.reader.List(ctx, asked)
}

func (d *desk) get(ctx context.Context, body []byte) (service.Answer, error) {
	asked, err := messages.DecodeOperatorAsk(body)
	if err != nil {
		return service.Answer{}, service.Refused(err)
	}
	return d.reader.Last(ctx, asked.Tenant, asked.ID)
}

func (d *desk) history(ctx context.Context, body []byte) (service.Answer, error) {
	asked, err := messages.DecodeOperatorAsk(body)
	if err != nil {
		return service.Answer{}, service.Refused(err)
	}
	return d.reader.History(ctx, asked.Tenant, asked.ID)
}
