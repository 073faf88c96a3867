package worker

import (
	"context"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// recording returns a context whose requests are remembered, so that the event
// that they lead to can bear their records. What was remembered before is
// forgotten: a record of an earlier step would speak of something else.
func (t *task) recording(ctx context.Context) context.Context {
	t.recorder, t.recordedIn = new(providers.Recorder), t.entry.Event.Attempt
	return providers.WithRecorder(ctx, t.recorder)
}

// records are the records of the last step that asked the provider. Nothing of
// what a sealed order brought is in them: its seal would be for nothing.
func (t *task) records() []messages.HTTPRecord {
	list := t.recorder.Records(t.order != nil && t.order.SealTo != "")
	for i := range list {
		list[i].Attempt = t.recordedIn
	}
	return list
}
