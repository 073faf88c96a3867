package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// lookEvery is how often somebody who waits looks whether the server has
// refused what was asked. Answers take a few milliseconds.
const lookEvery = 200 * time.Millisecond

var (
	errNoAnswer = errors.New("no answer came in time")
	// errDeaf: answers are sent to where the account may not listen.
	errDeaf = fmt.Errorf("%w to hear answers (see Options.InboxPrefix)", ErrDenied)
)

// attempt bounds one exchange with the server about what is called name: it ends
// with ctx, after within, when the connection is lost, and when the server
// refuses it. The context's cause says which.
//
// A server tells a refusal to the connection, not to the one who asked, who only
// sees that no answer comes. Without the look, whoever lacks a permission would
// wait to the end of their time and never learn why.
func (c *Client) attempt(ctx context.Context, name string, within time.Duration) (context.Context, context.CancelFunc) {
	before := c.nc.LastError()
	ctx, end := context.WithTimeoutCause(ctx, within, errNoAnswer)
	ctx, cancel := context.WithCancelCause(ctx)
	lost := context.AfterFunc(c.link.here(), func() { cancel(errLost) })
	var timer *time.Timer
	timer = time.AfterFunc(time.Hour, func() {
		if err := c.denied(name, before); err != nil {
			cancel(err)
		} else if ctx.Err() == nil {
			timer.Reset(lookEvery)
		}
	})
	timer.Reset(lookEvery) // only now: it sets itself again
	return ctx, func() {
		timer.Stop()
		lost()
		cancel(nil)
		end()
	}
}

// ended is the error of an exchange: why its context has ended, if it has.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// denied tells whether the server has refused, since before was the
// connection's last error, to let us publish to a subject with name in it; or,
// at any time, to let us hear answers, for which a connection has but one
// subscription.
func (c *Client) denied(name string, before error) error {
	last := c.nc.LastError()
	if !errors.Is(last, nats.ErrPermissionViolation) {
		return nil
	}
	text := strings.ToLower(last.Error())
	prefix, _, _ := strings.Cut(c.nc.NewInbox(), ".")
	switch {
	case strings.Contains(text, `subscription to "`+strings.ToLower(prefix)):
		return fmt.Errorf("%w: %w", errDeaf, last)
	case last != before && strings.Contains(text, strings.ToLower(name)): //nolint:errorlint // the very same error is an old one
		return fmt.Errorf("%w: %w", ErrDenied, last)
	default:
		return nil
	}
}
