package topology

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Errors that callers branch on.
var (
	// ErrNotSetUp is returned when a stream, a consumer or the bucket is missing.
	ErrNotSetUp = errors.New("not set up: run `beltline setup`")
	// ErrDiffers is returned when the server holds another value than the
	// program was given. A program that gets it exits with code 2.
	ErrDiffers = errors.New("differs from what was set up")
	// ErrNamespace is returned when the namespace is not one value everywhere.
	ErrNamespace = errors.New("namespace is not to be trusted")
	// ErrServerTooOld is returned for a server without message schedules.
	ErrServerTooOld = errors.New("server is too old")
)

const (
	requestTimeout = 5 * time.Second
	// How long errors that may pass are waited out. A cluster of three needs
	// about two seconds from its start to its first leader.
	settleTime = 15 * time.Second
	firstPause = 50 * time.Millisecond
	longPause  = time.Second

	// How often another program may get in between a read and a write.
	maxRaces = 10
)

// Report says what [Setup] did, by names such as "stream EVENTS".
type Report struct {
	Created, Updated, Left []string
	// Notes say what was wished but not done, because it would have cost data.
	Notes []string
	// Namespace is what all references are made from.
	Namespace string
}

// Setup creates or updates every stream, consumer and bucket. On an error the
// report says how far it came; running it again goes on from there.
func Setup(ctx context.Context, js jetstream.JetStream, s Settings) (Report, error) {
	b := &builder{js: js, until: time.Now().Add(settleTime), progress: s.Progress}
	if err := s.Validate(); err != nil {
		return b.report, fmt.Errorf("topology: %w", err)
	}
	err := b.run(ctx, s)
	if err != nil {
		err = fmt.Errorf("topology: %w", err)
	}
	return b.report, err
}

type builder struct {
	js     jetstream.JetStream
	until  time.Time // when errors that may pass are given up on
	report Report
	// progress is told of long waits; may be nil.
	progress func(string)
}

func (b *builder) run(ctx context.Context, s Settings) error {
	if err := checkVersion(b.js.Conn().ConnectedServerVersion()); err != nil {
		return err
	}
	err := b.try(ctx, func(ctx context.Context) error {
		_, err := b.js.AccountInfo(ctx)
		return err
	})
	if err != nil {
		return explain(err, "")
	}
	for _, c := range s.Streams() {
		if err := b.widen(ctx, c); err != nil {
			return fmt.Errorf("stream %s: %w", c.Name, explain(err, c.Name))
		}
		if err := b.stream(ctx, c); err != nil {
			return fmt.Errorf("stream %s: %w", c.Name, explain(err, c.Name))
		}
	}
	for _, c := range s.Consumers() {
		if err := b.consumer(ctx, c); err != nil {
			return fmt.Errorf("consumer %s of %s: %w", c.Config.Name, c.Stream, explain(err, c.Stream))
		}
	}
	if err := b.bucket(ctx, s.Bucket()); err != nil {
		return fmt.Errorf("bucket %s: %w", messages.Bucket, explain(err, ""))
	}
	err = b.try(ctx, func(ctx context.Context) (err error) {
		b.report.Namespace, err = ensureNamespace(ctx, b.js)
		return err
	})
	if err == nil {
		err = b.try(ctx, func(ctx context.Context) error { return ensureEpoch(ctx, b.js) })
	}
	if err != nil {
		return explain(err, messages.StreamEvents)
	}
	return nil
}

// try repeats op while its error may pass.
func (b *builder) try(ctx context.Context, op func(context.Context) error) error {
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		once, cancel := context.WithTimeout(ctx, requestTimeout)
		err := op(once)
		cancel()
		if err == nil || !transient(err) || time.Now().After(b.until) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

type outcome uint8

const (
	raced outcome = iota // somebody else was faster; look again
	created
	updated
	left
)

// settle repeats a look-and-change until nobody got in between.
func (b *builder) settle(ctx context.Context, name string, step func(context.Context) (outcome, error)) error {
	for range maxRaces {
		var done outcome
		err := b.try(ctx, func(ctx context.Context) (err error) {
			failpoint.HitOf("setup.step.before", name)
			done, err = step(ctx)
			failpoint.HitOf("setup.step.after", name)
			return err
		})
		if err != nil {
			return err
		}
		switch done {
		case created:
			b.report.Created = append(b.report.Created, name)
		case updated:
			b.report.Updated = append(b.report.Updated, name)
		case left:
			b.report.Left = append(b.report.Left, name)
		case raced:
			continue
		}
		return nil
	}
	return errors.New("another program keeps changing it")
}

func (b *builder) stream(ctx context.Context, want jetstream.StreamConfig) error {
	return b.settle(ctx, "stream "+want.Name, func(ctx context.Context) (outcome, error) {
		have, err := b.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			have, err = b.js.CreateStream(ctx, withEpoch(want))
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				return raced, nil
			}
			if err != nil {
				return raced, err
			}
			return created, checkSchedules(have.CachedInfo().Config, want)
		}
		if err != nil {
			return raced, err
		}
		return b.updateStream(ctx, have.CachedInfo().Config, want)
	})
}

func (b *builder) updateStream(ctx context.Context, have, want jetstream.StreamConfig) (outcome, error) {
	merged, notes := mergeStream(have, want)
	if reflect.DeepEqual(have, merged) {
		b.report.Notes = append(b.report.Notes, notes...)
		return left, nil
	}
	after, err := b.js.UpdateStream(ctx, merged)
	if err != nil {
		return raced, err
	}
	b.report.Notes = append(b.report.Notes, notes...)
	return updated, checkSchedules(after.CachedInfo().Config, want)
}

// checkSchedules sees what a server that does not know a setting does with it:
// it leaves it out without a word.
func checkSchedules(have, want jetstream.StreamConfig) error {
	if want.AllowMsgSchedules && !have.AllowMsgSchedules {
		return fmt.Errorf("%w: it created the stream without message schedules; use %d.%d or later on every server",
			ErrServerTooOld, leastMajor, leastMinor)
	}
	return nil
}

func (b *builder) consumer(ctx context.Context, want Consumer) error {
	name := "consumer " + want.Stream + "/" + want.Config.Name
	return b.settle(ctx, name, func(ctx context.Context) (outcome, error) {
		have, err := b.js.Consumer(ctx, want.Stream, want.Config.Name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			_, err = b.js.CreateConsumer(ctx, want.Stream, want.Config)
			if errors.Is(err, jetstream.ErrConsumerExists) {
				return raced, nil
			}
			return created, err
		}
		if err != nil {
			return raced, err
		}
		old := have.CachedInfo().Config
		merged := mergeConsumer(old, want.Config)
		if reflect.DeepEqual(old, merged) {
			return left, nil
		}
		_, err = b.js.UpdateConsumer(ctx, want.Stream, merged)
		if errors.Is(err, jetstream.ErrConsumerDoesNotExist) {
			return raced, nil
		}
		return updated, err
	})
}

// bucketStream returns the bucket's stream with what configuration may change.
func bucketStream(have jetstream.StreamConfig, want jetstream.KeyValueConfig) jetstream.StreamConfig {
	out := have
	out.Description, out.Replicas, out.Metadata = want.Description, want.Replicas, want.Metadata
	out.MaxMsgsPerSubject = int64(want.History)
	out.AllowMsgTTL, out.SubjectDeleteMarkerTTL = true, want.LimitMarkerTTL
	out.MaxAge, out.MaxBytes = 0, unlimited // a namespace that ages out would be a second one
	return out
}

// bucket creates the bucket the way every KV client expects it, and later
// changes only what configuration may change.
func (b *builder) bucket(ctx context.Context, want jetstream.KeyValueConfig) error {
	return b.settle(ctx, "bucket "+want.Bucket, func(ctx context.Context) (outcome, error) {
		have, err := b.js.Stream(ctx, "KV_"+want.Bucket)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			_, err = b.js.CreateKeyValue(ctx, want)
			if errors.Is(err, jetstream.ErrBucketExists) {
				return raced, nil
			}
			return created, err
		}
		if err != nil {
			return raced, err
		}
		config := have.CachedInfo().Config
		wanted := bucketStream(config, want)
		return b.updateStream(ctx, config, wanted)
	})
}
