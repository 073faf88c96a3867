package topology

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/pkg/messages"
)

// LedgerMarkKey is where the bucket keeps what is remembered of EVENTS: which
// stream it is, and how far it has come. Package fence writes it.
const LedgerMarkKey = "fence.ledger"

// withEpoch gives a ledger that is about to be created an epoch of its own.
// Only creation does that: the epoch is what tells this stream from the next.
func withEpoch(want jetstream.StreamConfig) jetstream.StreamConfig {
	if want.Name == messages.StreamEvents {
		want.Metadata = maps.Clone(want.Metadata)
		want.Metadata[MetaEpoch] = newNamespace()
	}
	return want
}

// ensureEpoch restores the epoch of a ledger that was created without one, or
// has lost it to somebody who edited the stream. The one that is remembered of
// this very stream comes first; otherwise it follows from the time of creation,
// so that two programs that start together give it the same.
func ensureEpoch(ctx context.Context, js jetstream.JetStream) error {
	events, err := js.Stream(ctx, messages.StreamEvents)
	if err != nil {
		return fmt.Errorf("epoch: %w", err)
	}
	info := events.CachedInfo()
	if info.Config.Metadata[MetaEpoch] != "" {
		return nil
	}
	epoch, err := rememberedEpoch(ctx, js, info.Created)
	if err != nil {
		return err
	}
	if epoch == "" {
		sum := sha256.Sum256([]byte("epoch " + info.Created.UTC().Format(time.RFC3339Nano)))
		epoch = hex.EncodeToString(sum[:namespaceBytes])
	}
	config := info.Config
	config.Metadata = mergeMetadata(config.Metadata, map[string]string{MetaEpoch: epoch})
	failpoint.Hit("setup.epoch.before")
	_, err = js.UpdateStream(ctx, config)
	failpoint.Hit("setup.epoch.after")
	if err != nil {
		return fmt.Errorf("epoch: %w", err)
	}
	return nil
}

// rememberedEpoch is the epoch of the stream that was created at that time, or
// empty. What cannot be read is as good as none here: package fence says so.
func rememberedEpoch(ctx context.Context, js jetstream.JetStream, created time.Time) (string, error) {
	kv, err := js.KeyValue(ctx, messages.Bucket)
	if err != nil {
		return "", fmt.Errorf("epoch: bucket %s: %w", messages.Bucket, err)
	}
	entry, err := kv.Get(ctx, LedgerMarkKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("epoch: key %s: %w", LedgerMarkKey, err)
	}
	var mark struct {
		Created time.Time `json:"created"`
		Epoch   string    `json:"epoch"`
	}
	if json.Unmarshal(entry.Value(), &mark) != nil || !mark.Created.Equal(created) {
		return "", nil
	}
	return mark.Epoch, nil
}
