package query

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/ratelimit"
	"github.com/beltline-io/beltline/internal/service"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// leastWait is the least time after which to ask again.
const leastWait = time.Second

// explain gives what a question met with its number.
func (s *Service) explain(ctx context.Context, kv jetstream.KeyValue, err error, p *ratelimit.Patience) *service.Failure {
	e := providers.AsError(err)
	switch {
	case s.life.Err() != nil:
		return stopping()
	case p.Over():
		return s.noPermit(ctx)
	case errors.Is(err, providers.ErrNotFound):
		f := service.Fail(service.NotFound, messages.ProblemNotFound, "%s", orElse(e.Message, "the provider does not know it"))
		f.Problem.Class, f.Problem.ProviderCode = e.Class.String(), e.Code
		return f
	case e.Class == providers.Invalid:
		return service.Fail(service.BadRequest, messages.ProblemBadRequest, "%s", orElse(e.Message, "the question cannot be put to the provider"))
	case e.HTTPStatus == http.StatusTooManyRequests, e.Class == providers.Retryable && e.RetryAfter > 0:
		return s.tooMany(ctx, kv, e)
	default:
		s.log.Debug().Err(err).Msg("a question met with an error of the provider")
		return s.providerError(e)
	}
}

// providerError tells of an error of the provider. What it says about our
// account is not passed on in its own words: they may tell the balance.
func (s *Service) providerError(e *providers.Error) *service.Failure {
	text := e.Message
	switch e.Class {
	case providers.Blocked:
		text = "the provider refuses our account"
	case providers.Retryable:
		text = orElse(text, "the question did not reach the provider")
	case providers.Ambiguous, providers.Rejected, providers.Invalid:
		text = orElse(text, "the provider did not answer as it should")
	}
	f := service.Fail(service.BadProvider, messages.ProblemProviderError, "%s", text)
	f.Problem.Class, f.Problem.ProviderCode = e.Class.String(), e.Code
	return f
}

// noPermit says how long the rate limit is used up.
func (s *Service) noPermit(ctx context.Context) *service.Failure {
	level, err := ratelimit.Look(ctx, s.js, s.o.Provider)
	if err != nil {
		s.log.Warn().Err(err).Msg("a question got no permit, and the permits cannot be seen")
		return service.Fail(service.Unavailable, messages.ProblemUnavailable, "the rate limit cannot be asked; ask again")
	}
	f := service.Fail(service.TooMany, messages.ProblemNoPermit, "no permit within %s: the rate limit of %d in %s is used up, or others wait for it",
		s.o.PermitWait, level.Limit, s.o.Window)
	f.After = max(level.FreesIn, leastWait)
	return f
}

// tooMany: what the provider counts has to leave its window before anybody asks
// again, orders included.
func (s *Service) tooMany(ctx context.Context, kv jetstream.KeyValue, e *providers.Error) *service.Failure {
	after := e.RetryAfter
	if after <= 0 {
		after = s.o.Window
	}
	now := s.o.Now()
	_, closed, err := lane.Shut(ctx, kv, s.o.Provider, lane.State{
		Reason: e.Code, Message: e.Message, Since: messages.Stamp(now), Until: messages.Stamp(now.Add(after)), By: s.o.Instance, Busy: true,
	}, now)
	switch {
	case err != nil:
		s.log.Error().Err(err).Msg("the provider says that we ask too often, and the lane could not be closed")
	case closed:
		s.log.Error().Str(logkey.Reason, e.Code).Dur("after", after).Msg("lane closed: the provider says that we ask too often")
	}
	f := service.Fail(service.TooMany, messages.ProblemNoPermit, "the provider says that we ask too often")
	f.Problem.Class, f.Problem.ProviderCode = e.Class.String(), e.Code
	f.After = max(after, leastWait)
	return f
}

// rested opens the lane after an answer, where it was closed only because we had
// asked too often.
func (s *Service) rested(ctx context.Context, kv jetstream.KeyValue) {
	_, opened, err := lane.Rested(ctx, kv, s.o.Provider, s.o.Instance, s.o.Now())
	switch {
	case err != nil:
		s.log.Warn().Err(err).Msg("the provider answers again, and the lane could not be opened; the next question tries again")
	case opened:
		s.log.Warn().Msg("lane opened: the provider answers again")
	}
}

// closed says why nothing is asked.
func (s *Service) closed(state lane.State) *service.Failure {
	f := service.Fail(service.Unavailable, messages.ProblemLaneClosed, "the lane of %s is %s: %s", s.o.Provider, state.State, orElse(state.Reason, "no reason given"))
	f.Problem.Reason = state.Reason
	if !state.Until.IsZero() {
		until := state.Until
		f.Problem.Until = &until
		f.After = max(until.Sub(s.o.Now()), leastWait)
	}
	return f
}

// noLane: where it is not known whether the lane is open, nothing is asked.
func (s *Service) noLane(err error) *service.Failure {
	if s.life.Err() != nil {
		return stopping()
	}
	s.log.Warn().Err(err).Msg("the lane cannot be read, so nothing is asked")
	return service.Fail(service.Unavailable, messages.ProblemUnavailable, "the lane cannot be read; ask again")
}

func (s *Service) overdue() *service.Failure {
	if s.life.Err() != nil {
		return stopping()
	}
	f := service.Fail(service.BadProvider, messages.ProblemProviderError, "the provider did not answer in time")
	f.Problem.Class, f.Problem.ProviderCode = providers.Ambiguous.String(), providers.CodeTimeout
	return f
}

func stopping() *service.Failure {
	return service.Fail(service.Unavailable, messages.ProblemUnavailable, "this worker stops; ask again")
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
