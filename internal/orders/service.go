package orders

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/pkg/messages"
)

const (
	atOnce       = 64
	answerWithin = 5 * time.Second
)

// Options configure the service.
type Options struct {
	Log zerolog.Logger
}

// Serve begins to answer the tenants' questions about their orders.
func Serve(nc *nats.Conn, r *Reader, o Options) (*service.Service, error) {
	var endpoints []service.Endpoint
	for _, name := range messages.OrdersMethods() {
		endpoints = append(endpoints, service.Endpoint{
			Name: name, Subject: messages.OrdersServiceSubject("*", name), Interface: messages.OrdersInterface(name), Upstream: true,
			Answer: func(ctx context.Context, q service.Request) (service.Answer, error) {
				parts := strings.Split(q.Subject, ".")
				if len(parts) != 4 || !messages.ValidTenant(parts[2]) {
					return service.Answer{}, service.Fail(service.BadRequest, messages.ProblemBadRequest, "the tenant in the subject is unusable or reserved")
				}
				return r.answer(ctx, name, parts[2], q.Body)
			},
		})
	}
	return service.Serve(nc, service.Options{
		Name: messages.ServiceOrders, Description: "The orders of a tenant, read from the ledger.",
		Log: o.Log, AtOnce: atOnce, Within: answerWithin, Explain: r.Explain,
	}, endpoints...)
}

// answer answers a question of a tenant. The tenant is that of the subject: no
// body has a word on it.
func (r *Reader) answer(ctx context.Context, name, tenant string, body []byte) (service.Answer, error) {
	if name == "list" {
		asked, err := messages.DecodeOrdersList(body)
		if err != nil {
			return service.Answer{}, service.Refused(err)
		}
		asked.Tenant = tenant
		return r.List(ctx, asked)
	}
	asked, err := messages.DecodeOrdersAsk(body)
	switch {
	case err != nil:
		return service.Answer{}, service.Refused(err)
	case name == "history":
		return r.History(ctx, tenant, asked.ID)
	default:
		return r.Last(ctx, tenant, asked.ID)
	}
}
