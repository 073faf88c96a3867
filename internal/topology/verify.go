package topology

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// Verify is what a worker checks before it takes a command: that its streams
// and consumers exist and still promise what it relies on, and that its rate
// limit and time-out are those that were set up. It names all faults at once
// and changes nothing, so a worker needs no right to administer streams.
func Verify(ctx context.Context, js jetstream.JetStream, p messages.Provider, s Settings) error {
	ps, ok := s.Providers[p]
	if !ok {
		return fmt.Errorf("topology: %q is not among the configured providers", p)
	}
	v := verifier{js: js, provider: p, settings: ps}
	var faults []error
	for _, check := range []func(context.Context) error{v.permits, v.events, v.commands, v.deadLetters, v.consumers, v.namespace} {
		if err := check(ctx); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("topology: %s: %w", p, errors.Join(faults...))
	}
	return nil
}

type verifier struct {
	js       jetstream.JetStream
	provider messages.Provider
	settings ProviderSettings
}

func (v verifier) stream(ctx context.Context, name string) (jetstream.StreamConfig, error) {
	s, err := v.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return jetstream.StreamConfig{}, fmt.Errorf("%w (stream %s is missing)", ErrNotSetUp, name)
	}
	if err != nil {
		return jetstream.StreamConfig{}, fmt.Errorf("stream %s: %w", name, explain(err, name))
	}
	return s.CachedInfo().Config, nil
}

func differs(where, what string, ours, theirs any) error {
	return fmt.Errorf("%w: %s is %v here, but %v in %s", ErrDiffers, what, ours, theirs, where)
}

// permits compares what was recorded, and then what the server enforces: the
// record is for people, the limits are the fence.
func (v verifier) permits(ctx context.Context) error {
	name := v.provider.PermitStream()
	c, err := v.stream(ctx, name)
	if err != nil {
		return err
	}
	var faults []error
	if c.MaxMsgs == closedLimit && v.settings.Rate.Requests > closedLimit {
		return fmt.Errorf("%w (the rate limit of %s is being changed; nothing is granted until then)", ErrNotSetUp, v.provider)
	}
	rate, err := providers.ParseRate(c.Metadata[MetaRate])
	if err != nil || rate != v.settings.Rate {
		faults = append(faults, differs(name, "rate limit", v.settings.Rate, orNone(c.Metadata[MetaRate])))
	} else if least := rate.Window + PermitSlack; c.MaxMsgs != int64(rate.Requests) || c.MaxAge < least || c.Discard != jetstream.DiscardNew {
		faults = append(faults, differs(name, "enforced limit",
			fmt.Sprintf("%d in %s, discard new", rate.Requests, least),
			fmt.Sprintf("%d in %s, %s", c.MaxMsgs, c.MaxAge, c.Discard)))
	}
	timeout, err := time.ParseDuration(c.Metadata[MetaTimeout])
	if err != nil || timeout != v.settings.Timeout {
		faults = append(faults, differs(name, "timeout", v.settings.Timeout, orNone(c.Metadata[MetaTimeout])))
	}
	return errors.Join(faults...)
}

func orNone(text string) string {
	if text == "" {
		return "not recorded"
	}
	return text
}

// events refuses a ledger that could forget.
func (v verifier) events(ctx context.Context) error {
	c, err := v.stream(ctx, messages.StreamEvents)
	if err != nil {
		return err
	}
	if c.Retention != jetstream.LimitsPolicy || c.Discard != jetstream.DiscardNew || c.MaxAge != 0 ||
		c.MaxMsgs > 0 || c.MaxMsgsPerSubject > 0 || c.AllowRollup || c.AllowMsgTTL || c.AllowMsgSchedules {
		return differs(c.Name, "ledger", "one that never forgets (limits, discard new, no age, number, rollup, TTL or schedule)",
			"one that may")
	}
	return nil
}

// commands refuses a queue that could drop timers.
func (v verifier) commands(ctx context.Context) error {
	c, err := v.stream(ctx, messages.StreamCommands)
	if err != nil {
		return err
	}
	if c.Retention != jetstream.WorkQueuePolicy || c.MaxAge != 0 || c.MaxMsgs > 0 || c.MaxBytes > 0 || c.MaxMsgsPerSubject > 0 {
		return differs(c.Name, "queue", "one without limits", "one that may drop commands and timers")
	}
	if !c.AllowMsgSchedules {
		return differs(c.Name, "queue", "one with message schedules", "one without")
	}
	return nil
}

func (v verifier) deadLetters(ctx context.Context) error {
	_, err := v.stream(ctx, messages.StreamDLQ)
	return err
}

// consumers also compares the ack wait: a shorter one than the lease would
// give a command to a second worker while the first may still send.
func (v verifier) consumers(ctx context.Context) error {
	var faults []error
	for _, name := range []string{v.provider.PlaceConsumer(), v.provider.FollowConsumer()} {
		c, err := v.js.Consumer(ctx, messages.StreamCommands, name)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
			faults = append(faults, fmt.Errorf("%w (consumer %s is missing)", ErrNotSetUp, name))
		case err != nil:
			faults = append(faults, fmt.Errorf("consumer %s: %w", name, err))
		case c.CachedInfo().Config.AckWait <= v.settings.Lease:
			faults = append(faults, differs("consumer "+name, "lease", v.settings.Lease,
				fmt.Sprintf("not below the ack wait of %s", c.CachedInfo().Config.AckWait)))
		case c.CachedInfo().Config.MaxDeliver > 0:
			faults = append(faults, differs("consumer "+name, "number of deliveries", "unlimited", c.CachedInfo().Config.MaxDeliver))
		}
	}
	return errors.Join(faults...)
}

func (v verifier) namespace(ctx context.Context) error {
	_, err := Namespace(ctx, v.js)
	return err
}
