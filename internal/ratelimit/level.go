package ratelimit

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// Level is how much of a provider's limit is used, as its permit stream says.
type Level struct {
	Limit   int           // permits that may live at once
	Life    time.Duration // of a permit: the window and the margin
	InUse   int           // permits that live
	FreesIn time.Duration // until a permit is free; 0 where one is
}

// Look asks the permit stream of a provider for its level. It takes no permit.
func Look(ctx context.Context, js jetstream.JetStream, p messages.Provider) (Level, error) {
	s, err := stream{js: js, name: p.PermitStream()}.state(ctx)
	if err != nil {
		return Level{}, fmt.Errorf("ratelimit: level of %s: %w", p, err)
	}
	return Level{
		Limit: s.limit, Life: s.life, InUse: s.live, FreesIn: max(s.freesAt().Sub(s.now), 0),
	}, nil
}
