package ratelimit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/groupcommit"
)

// fence is what grants: the permit stream.
type fence interface {
	// publish asks for a permit that bears n. Without an error it was granted
	// under seq, or refused. With an error nobody knows, and it must be taken for
	// burnt.
	publish(ctx context.Context, n note) (seq uint64, granted bool, err error)
	// state looks at the permits that live.
	state(ctx context.Context) (fenceState, error)
	// call tells the other replicas that this one waits.
	call(n note)
	// follow hands over the permits that are granted to any replica, with their
	// sequences, and the calls, with sequence 0, until stop is called. What is
	// lost on the way costs fairness and quiet, and nothing else.
	follow(heard func(n note, seq uint64)) (stop func(), err error)
}

// fenceState is the permit stream at one moment.
type fenceState struct {
	limit   int           // permits that may live at once
	life    time.Duration // of a permit: the window and the margin
	live    int           // permits that live
	lastSeq uint64        // of the last permit granted
	oldest  time.Time     // grant of the oldest one that lives, by the server's clock
	now     time.Time     // the server's clock
}

// freesAt is when the next permit frees, if none is free now.
func (s fenceState) freesAt() time.Time {
	if s.live < s.limit || s.oldest.IsZero() {
		return s.now
	}
	return s.oldest.Add(s.life)
}

// stream is the fence of a provider.
type stream struct {
	js      jetstream.JetStream
	name    string
	subject string
	granted string // where the server repeats the permits that it stored
	log     zerolog.Logger
	commits *groupcommit.Committer
}

func newStream(js jetstream.JetStream, o Options) stream {
	return stream{
		js: js, name: o.Provider.PermitStream(), subject: o.Provider.PermitSubject(), granted: o.Provider.TurnSubject(), log: o.Log,
		commits: groupcommit.New(js.Conn(), nil), // it sends once: a second copy would burn a permit for the first
	}
}

// publish asks for a permit, together with others where that is faster. A batch
// that the limit has no room for is refused as a whole; then each asks for itself.
func (f stream) publish(ctx context.Context, n note) (uint64, bool, error) {
	body, err := json.Marshal(n)
	if err != nil {
		return 0, false, err
	}
	failpoint.Hit("permit.publish.before")
	ack, err := f.commits.Publish(ctx, &nats.Msg{Subject: f.subject, Data: body}, "", askFor)
	failpoint.Hit("permit.publish.after")
	if err == nil {
		return ack.Seq, true, nil
	}
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == codeStoreFailed && strings.Contains(api.Description, "maximum messages") {
		return 0, false, nil
	}
	return 0, false, err
}

// errNoLimit says that the stream takes whatever is published to it.
var errNoLimit = errors.New("does not limit anything")

// codeStoreFailed is what the server answers when it could not store a message.
// Only the text tells the limit from a full disk.
const codeStoreFailed = 10077

func (f stream) state(ctx context.Context) (fenceState, error) {
	s, err := f.js.Stream(ctx, f.name)
	if err != nil {
		return fenceState{}, err
	}
	i := s.CachedInfo()
	if i.Config.MaxMsgs < 1 || i.Config.MaxAge <= 0 || i.Config.Discard != jetstream.DiscardNew {
		return fenceState{}, fmt.Errorf("stream %s %w; run `beltline setup`", f.name, errNoLimit)
	}
	return fenceState{
		limit: int(i.Config.MaxMsgs), life: i.Config.MaxAge, live: int(i.State.Msgs),
		lastSeq: i.State.LastSeq, oldest: i.State.FirstTime, now: i.TimeStamp,
	}, nil
}

func (f stream) call(n note) {
	body, err := json.Marshal(n)
	if err == nil {
		err = f.js.Conn().Publish(f.granted, body)
	}
	if err != nil {
		f.log.Debug().Err(err).Msg("the other replicas could not be told that this one waits for permits")
	}
}

func (f stream) follow(heard func(n note, seq uint64)) (stop func(), err error) {
	sub, err := f.js.Conn().Subscribe(f.granted, func(m *nats.Msg) {
		var n note
		if json.Unmarshal(m.Data, &n) != nil {
			return // not one of ours; the fence holds all the same
		}
		seq, _ := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
		heard(n, seq)
	})
	if err != nil {
		return nil, err
	}
	return func() { _ = sub.Unsubscribe() }, nil
}
