package operator

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/pkg/messages"
)

// lane shows, pauses or resumes the lane of a provider.
func (d *desk) lane(ctx context.Context, body []byte) (service.Answer, error) {
	asked, err := messages.DecodeLane(body)
	if err != nil {
		return service.Answer{}, service.Refused(err)
	}
	kv, err := d.js.KeyValue(ctx, messages.Bucket)
	if err != nil {
		return service.Answer{}, d.noLane(err)
	}
	s, changed, err := d.change(ctx, kv, asked)
	if err != nil {
		return service.Answer{}, d.noLane(err)
	}
	if changed {
		d.log.Warn().Str(logkey.Provider, string(asked.Provider)).Str(logkey.Lane, s.State).Str("by", asked.By).
			Str(logkey.Reason, asked.Reason).
			Msg("an operator changed a lane")
	}
	return service.Answer{Body: d.status(ctx, asked.Provider, s, changed)}, nil
}

func (d *desk) change(ctx context.Context, kv jetstream.KeyValue, asked messages.LaneAsked) (s lane.State, changed bool, err error) {
	switch asked.Action {
	case messages.LanePause:
		return lane.Pause(ctx, kv, asked.Provider, asked.By, asked.Reason, d.o.Now())
	case messages.LaneResume:
		return lane.Resume(ctx, kv, asked.Provider, asked.By, d.o.Now())
	case messages.LaneShow:
	}
	s, _, err = lane.Read(ctx, kv, asked.Provider)
	return s, false, err
}

// noLane: a lane that cannot be read or written. What was asked may have been
// done: asking again does no harm.
func (d *desk) noLane(err error) *service.Failure {
	d.log.Warn().Err(err).Msg("the bucket did not answer about a lane")
	return service.Fail(service.Unavailable, messages.ProblemUnavailable, "the lane cannot be reached; ask again")
}

func (d *desk) status(ctx context.Context, p messages.Provider, s lane.State, changed bool) messages.LaneStatus {
	out := messages.LaneStatus{
		Provider: p, Changed: changed, State: s.State, Paused: s.Paused(),
		Reason: known(s.Reason), Message: known(s.Message), By: known(s.By), Since: knownTime(s.Since), Until: knownTime(s.Until),
	}
	level, err := ratelimit.Look(ctx, d.js, p)
	if err != nil {
		d.log.Warn().Err(err).Str(logkey.Provider, string(p)).Msg("the rate limit cannot be seen")
		return out
	}
	out.Limit = &messages.LimitInUse{
		Requests: level.Limit, Window: level.Life.String(), InUse: level.InUse, FreesIn: level.FreesIn.Round(time.Millisecond).String(),
	}
	return out
}

func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func knownTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
