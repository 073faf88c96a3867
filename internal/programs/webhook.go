package programs

import (
	"context"
	"errors"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/ledger"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/webhook"
	"github.com/beltline-io/beltline/internal/worker"
	"github.com/beltline-io/beltline/pkg/messages"
)

// hooks says how a provider calls back.
type hooks struct {
	section *app.Webhooks
	verify  func(body []byte, contentType string) (map[string]string, error)
}

// open makes the door for callbacks; nil where none is configured.
func (h *hooks) open(rt *app.Runtime, l *ledger.Ledger, q *queue.Queue, p messages.Provider) (*webhook.Door, error) {
	if h == nil || h.section.Addr == "" {
		return nil, nil
	}
	return webhook.New(l, q, webhook.Options{
		Provider: p, Addr: h.section.Addr, PublicURL: h.section.PublicURL.String(), Secrets: h.section.Secrets(),
		Verify: h.verify, Log: rt.Log, Registerer: rt.Metrics,
	})
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
