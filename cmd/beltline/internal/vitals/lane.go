package vitals

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/lane"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Change pauses or resumes a lane. direct reports that the service which does
// that did not run, and the key was written from here: who must stop all buying
// cannot wait for a dispatcher. A pause is in force when it is returned; after an
// error it may be, and asking again does no harm.
func Change(ctx context.Context, c *upstream.Client, asked messages.LaneAsked) (status *messages.LaneStatus, direct bool, err error) {
	status, err = askLane(ctx, c, asked)
	if !errors.Is(err, upstream.ErrNotAsked) {
		return status, false, err
	}
	status, err = write(ctx, c, asked)
	return status, true, err
}

func write(ctx context.Context, c *upstream.Client, asked messages.LaneAsked) (*messages.LaneStatus, error) {
	kv, err := c.JS.KeyValue(ctx, messages.Bucket)
	if err != nil {
		return nil, fmt.Errorf("the dispatcher does not answer, and bucket %s cannot be reached: %w", messages.Bucket, err)
	}
	var s lane.State
	var changed bool
	switch asked.Action {
	case messages.LanePause:
		s, changed, err = lane.Pause(ctx, kv, asked.Provider, asked.By, asked.Reason, time.Now())
	case messages.LaneResume:
		s, changed, err = lane.Resume(ctx, kv, asked.Provider, asked.By, time.Now())
	case messages.LaneShow:
		s, _, err = lane.Read(ctx, kv, asked.Provider)
	}
	if err != nil {
		return nil, err
	}
	status := &messages.LaneStatus{Provider: asked.Provider, Changed: changed, State: s.State, Paused: s.Paused()}
	for _, f := range []struct {
		text string
		into **string
	}{{s.Reason, &status.Reason}, {s.Message, &status.Message}, {s.By, &status.By}} {
		if f.text != "" {
			*f.into = &f.text
		}
	}
	for _, f := range []struct {
		at   time.Time
		into **time.Time
	}{{s.Since, &status.Since}, {s.Until, &status.Until}} {
		if !f.at.IsZero() {
			*f.into = &f.at
		}
	}
	return status, nil
}
