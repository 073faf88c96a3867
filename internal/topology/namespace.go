package topology

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/pkg/messages"
)

// NamespaceKey is where the bucket keeps the namespace.
const NamespaceKey = "namespace"

const namespaceBytes = 16

var namespaceForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Namespace reads what our references at the providers are made from. It is
// kept in the bucket and in the metadata of EVENTS; one of the two is enough
// to read it, and two that differ are an error: the references of one of them
// are unknown to the providers, and an order placed under them would be bought
// a second time.
func Namespace(ctx context.Context, js jetstream.JetStream) (string, error) {
	inBucket, err := bucketNamespace(ctx, js)
	if err != nil {
		return "", fmt.Errorf("topology: %w", err)
	}
	inStream, _, err := streamNamespace(ctx, js)
	if err != nil {
		return "", fmt.Errorf("topology: %w", err)
	}
	ns, err := agree(inBucket, inStream)
	if err == nil && ns == "" {
		err = fmt.Errorf("%w (there is no namespace)", ErrNotSetUp)
	}
	if err != nil {
		return "", fmt.Errorf("topology: %w", err)
	}
	return ns, nil
}

// ensureNamespace makes the namespace once, and afterwards restores it where
// it is missing. The bucket decides between programs that start together: the
// key is only ever created, never written over.
func ensureNamespace(ctx context.Context, js jetstream.JetStream) (string, error) {
	kv, err := js.KeyValue(ctx, messages.Bucket)
	if err != nil {
		return "", err
	}
	for range maxRaces {
		inBucket, err := bucketNamespace(ctx, js)
		if err != nil {
			return "", err
		}
		inStream, config, err := streamNamespace(ctx, js)
		if err != nil {
			return "", err
		}
		ns, err := agree(inBucket, inStream)
		if err != nil {
			return "", err
		}
		switch {
		case inBucket == "":
			if ns == "" {
				ns = newNamespace()
			}
			failpoint.Hit("setup.namespace.before")
			_, err = kv.Create(ctx, NamespaceKey, []byte(ns))
			failpoint.Hit("setup.namespace.after")
			if errors.Is(err, jetstream.ErrKeyExists) {
				err = nil // another program's; read it
			}
		case inStream == "":
			config.Metadata = mergeMetadata(config.Metadata, map[string]string{MetaNamespace: ns})
			failpoint.Hit("setup.metadata.before")
			_, err = js.UpdateStream(ctx, config)
			failpoint.Hit("setup.metadata.after")
		default:
			return ns, nil
		}
		if err != nil {
			return "", fmt.Errorf("namespace: %w", err)
		}
	}
	return "", errors.New("namespace: another program keeps changing it")
}

// agree returns the one namespace there is, or "" if there is none yet.
func agree(inBucket, inStream string) (string, error) {
	for _, ns := range []string{inBucket, inStream} {
		if ns != "" && !namespaceForm.MatchString(ns) {
			return "", fmt.Errorf("%w: %q is not 32 hexadecimal digits", ErrNamespace, ns)
		}
	}
	if inBucket != "" && inStream != "" && inBucket != inStream {
		return "", fmt.Errorf("%w: key %q of bucket %s says %s, the metadata of %s says %s; "+
			"find out which one the orders were placed under and put it in both places",
			ErrNamespace, NamespaceKey, messages.Bucket, inBucket, messages.StreamEvents, inStream)
	}
	if inBucket != "" {
		return inBucket, nil
	}
	return inStream, nil
}

func bucketNamespace(ctx context.Context, js jetstream.JetStream) (string, error) {
	kv, err := js.KeyValue(ctx, messages.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return "", fmt.Errorf("%w (bucket %s is missing)", ErrNotSetUp, messages.Bucket)
	}
	if err != nil {
		return "", fmt.Errorf("bucket %s: %w", messages.Bucket, err)
	}
	entry, err := kv.Get(ctx, NamespaceKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("key %s: %w", NamespaceKey, err)
	}
	return string(entry.Value()), nil
}

func streamNamespace(ctx context.Context, js jetstream.JetStream) (string, jetstream.StreamConfig, error) {
	events, err := js.Stream(ctx, messages.StreamEvents)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return "", jetstream.StreamConfig{}, fmt.Errorf("%w (stream %s is missing)", ErrNotSetUp, messages.StreamEvents)
	}
	if err != nil {
		return "", jetstream.StreamConfig{}, fmt.Errorf("stream %s: %w", messages.StreamEvents, err)
	}
	config := events.CachedInfo().Config
	return config.Metadata[MetaNamespace], config, nil
}

func newNamespace() string {
	b := make([]byte, namespaceBytes)
	_, _ = rand.Read(b) // never fails: the program ends instead
	return hex.EncodeToString(b)
}
