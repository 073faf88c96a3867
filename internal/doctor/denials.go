package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// denials hears which subjects the server does not let this user publish to.
// Only the connection is told: without it, a question that is not allowed looks
// like one that nobody answers, and takes as long.
type denials struct {
	mu    sync.Mutex
	texts []string
	more  chan struct{} // closed and replaced with each
}

func newDenials(nc *nats.Conn) *denials {
	d := &denials{more: make(chan struct{})}
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			d.hear(err.Error())
		}
	})
	return d
}

func (d *denials) hear(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.texts = append(d.texts, text)
	close(d.more)
	d.more = make(chan struct{})
}

// of reports whether a subject was denied, and what to wait for otherwise.
func (d *denials) of(subject string) (bool, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, text := range d.texts {
		if strings.Contains(text, `"`+subject+`"`) {
			return true, nil
		}
	}
	return false, d.more
}

// expect ends the context that it returns when the subject is denied.
func (d *denials) expect(ctx context.Context, subject string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for {
			denied, more := d.of(subject)
			if denied {
				cancel(fmt.Errorf("this user may not publish to %s", subject))
				return
			}
			select {
			case <-more:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// denial is the error of a context of expect that has ended by a denial, or err.
func denial(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, ctx.Err()) {
		return cause
	}
	return err
}
