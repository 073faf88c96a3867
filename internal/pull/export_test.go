package pull

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Heartbeat is how often the server says that a request stands.
const Heartbeat = heartbeat

// MostRefusals in a row are put up with.
const MostRefusals = mostRefusals

// AskedAfter is what is still expected of asked messages after a silence.
func AskedAfter(asked int, silence time.Duration) int {
	now := time.Now()
	s := &source{asked: asked, heard: now.Add(-silence)}
	s.forgetIfSilent(now)
	return s.asked
}

// Join takes a message in, as what the server delivers is taken.
func (l *Line) Join(open context.Context, msg jetstream.Msg, handle func(jetstream.Msg)) {
	l.join(open, msg, handle)
}
