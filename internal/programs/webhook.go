package programs

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/secret"
	"github.com/beltline-io/beltline/internal/webhook"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/skinsback"
)

// overlap is how long what a provider signed with a secret that was replaced is
// taken for genuine.
const overlap = time.Hour

var errNoSecret = errors.New("no secret to verify with")

// hooks says how a provider calls back.
type hooks struct {
	section *app.Webhooks
	verify  func(body []byte, contentType string) (webhook.Callback, error)
}

// open makes the door for callbacks; nil where none is configured.
func (h *hooks) open(rt *app.Runtime, l *ledger.Ledger, q *queue.Queue, p messages.Provider) (*webhook.Door, error) {
	if h == nil || h.section.Addr == "" {
		return nil, nil
	}
	return webhook.New(l, q, h.options(p, rt.Log, rt.Metrics))
}

func (h *hooks) options(p messages.Provider, log zerolog.Logger, metrics prometheus.Registerer) webhook.Options {
	return webhook.Options{
		Provider: p, Addr: h.section.Addr, PublicURL: h.section.PublicURL.String(), Secrets: h.section.Secrets(), Renewed: h.section.Secrets,
		Verify: h.verify, Log: log, Registerer: metrics,
	}
}

// runBoth runs the worker and, where there is one, the door beside it. What
// ends the one ends the other: half of it would look healthy and not be.
func runBoth(ctx context.Context, rt *app.Runtime, w *worker.Worker, door *webhook.Door) error {
	if door == nil {
		return w.Run(ctx)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go follow(ctx, rt.Health.Component("webhook"), door.Ready)
	ended := make(chan error, 1)
	go func() {
		defer stop()
		ended <- door.Run(ctx)
	}()
	err := w.Run(ctx)
	stop()
	return errors.Join(err, <-ended)
}

// skinsbackCallback reads a callback. What the signature covers is a status and
// not the hour at which it was sent: its date is that of the deposit, which may
// be eight days old when its hold ends. So an old callback that is played again
// cannot be told from one that is late, and only makes a worker ask; one that
// tells of the future is refused.
//
// A callback that was signed with the secret before the present one is genuine
// for as long as overlap: the provider may have sent it before the replacement,
// or not have noticed that yet. It bears the token of its order all the same.
func skinsbackCallback(current func() secret.String) func([]byte, string) (webhook.Callback, error) {
	return func(body []byte, contentType string) (webhook.Callback, error) {
		c, err := skinsback.Callback{}, errNoSecret
		for _, key := range current().Since(time.Now().Add(-overlap)) {
			if c, err = skinsback.VerifyCallback(body, contentType, key); err == nil {
				break
			}
		}
		return webhook.Callback{
			Fields: map[string]string{
				"status": string(c.Status), "order_id": string(c.OrderID), "transaction_id": string(c.TransactionID),
			},
			After: c.Latest(),
		}, err
	}
}
