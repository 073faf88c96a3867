package natstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What a cluster that is just electing answers: the leader of a moment ago is
// gone, or the new one has not yet heard from the peers it would place on.
const (
	noPeers      jetstream.ErrorCode = 10005
	notAvailable jetstream.ErrorCode = 10008
)

// CreateStream creates a stream, and asks again while a cluster that is just
// electing drops the request or refuses it. To ask twice is one stream.
func CreateStream(t testing.TB, js jetstream.JetStream, cfg jetstream.StreamConfig) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		once, stop := context.WithTimeout(ctx, 3*time.Second)
		_, err := js.CreateStream(once, cfg)
		stop()
		switch {
		case err == nil:
			return
		case ctx.Err() != nil || !electing(err):
			t.Fatalf("natstest: create stream %s: %v", cfg.Name, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func electing(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode == noPeers || api.ErrorCode == notAvailable
	}
	return errors.Is(err, context.DeadlineExceeded)
}
