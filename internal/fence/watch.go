package fence

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// look compares the ledger once with what this process and the bucket remember.
//
// What is remembered is read before the ledger is: it only grows, and what is
// acknowledged in between must not count against it.
func (f *Fence) look(ctx context.Context) error {
	connection := f.connection()
	heard := f.heard(f.nc.ConnectedServerId())
	kv, mark, revision, bucketErr := f.hear(ctx)
	if bucketErr != nil && !f.seen() {
		return bucketErr // nobody knows yet whether buying was stopped
	}
	before, remembered := f.memory.now(connection), append(f.memory.all(), mark)
	now, err := ledgerNow(ctx, f.js)
	if err != nil {
		return err
	}
	var found *finding
	for _, m := range remembered {
		if found, err = judge(ctx, f.js, m, now); err != nil {
			return err
		}
		if found != nil {
			break
		}
	}
	switch {
	case f.memory.now(connection).age != before.age:
		return nil // forgotten meanwhile
	case found != nil:
		return errors.Join(bucketErr, f.doubt(ctx, kv, *found))
	}
	if bucketErr == nil {
		if found, err = f.rumour(ctx, kv); err != nil {
			return err
		}
		if found != nil {
			f.suspected(*found)
			return nil
		}
		if moved, err := f.moved(ctx, kv); err != nil || moved {
			return err
		}
	}
	if mark != nil && mark.Gone != nil {
		now.Gone = max(now.Gone, *mark.Gone) // an erasure that was announced is still to come
	}
	f.takeBack(ctx, f.pass(connection, now, heard))
	if err := f.learn(ctx, before, now); err != nil {
		return err
	}
	if bucketErr != nil || f.State().Tripped {
		return bucketErr // a ledger that is in doubt is not to be remembered
	}
	return f.raise(ctx, kv, mark, revision, now)
}

// doubtKey is where the bucket says that a process doubts the ledger. It ends by
// itself, since the process may not live to take it back.
const doubtKey = "fence.doubt"

const doubtLasts = 10 * time.Second

// rumour is the value of doubtKey.
type rumour struct {
	By    string `json:"by"`
	Found string `json:"found"`
	Why   Reason `json:"why"`
}

// doubt works on a suspicion. The others are told at its first sight, because
// what one of them is about to buy another may know to be bought.
func (f *Fence) doubt(ctx context.Context, kv jetstream.KeyValue, found finding) error {
	confirmed, tell := f.suspected(found)
	switch {
	case confirmed:
		f.trip(ctx, found)
		return nil
	case !tell || kv == nil:
		return nil
	}
	body, err := json.Marshal(rumour{By: f.o.Instance, Found: found.text, Why: found.why})
	if err != nil {
		return err
	}
	failpoint.Hit("fence.doubt.before")
	revision, err := kv.Create(ctx, doubtKey, body, jetstream.KeyTTL(doubtLasts))
	failpoint.Hit("fence.doubt.after")
	if err != nil {
		if raced(err) {
			return nil // another has said so
		}
		return err
	}
	f.update(func() {
		if f.suspect != nil {
			f.suspect.told = revision
		}
	})
	return nil
}

// takeBack removes our word of a suspicion that was settled; or it ends by itself.
func (f *Fence) takeBack(ctx context.Context, was *suspicion) {
	if was == nil || was.told == 0 {
		return
	}
	if kv, err := f.bucket(ctx); err == nil {
		failpoint.Hit("fence.withdraw.before")
		_ = kv.Delete(ctx, doubtKey, jetstream.LastRevision(was.told))
		failpoint.Hit("fence.withdraw.after")
	}
}

// rumour is what another process doubts just now; nil for nothing.
func (f *Fence) rumour(ctx context.Context, kv jetstream.KeyValue) (*finding, error) {
	var r rumour
	revision, err := load(ctx, kv, doubtKey, &r)
	if err != nil || revision == 0 || r.By == f.o.Instance {
		return nil, err
	}
	return &finding{why: r.Why, text: r.By + " says: " + r.Found, hearsay: true}, nil
}

// moved reads once more whether buying is stopped, and reports whether that has
// changed since this look began. Who stops all takes its doubt back afterwards: a
// look that has read the one before and the other after would see neither, and
// pass.
func (f *Fence) moved(ctx context.Context, kv jetstream.KeyValue) (bool, error) {
	var s State
	if _, err := load(ctx, kv, StateKey, &s); err != nil {
		return false, err
	}
	if s.N <= f.State().N {
		return false, nil
	}
	f.adopt(s)
	f.lookSoon()
	return true, nil
}

// bucket finds the bucket once: one that is made anew has the same subjects.
func (f *Fence) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	f.mu.Lock()
	known := f.kv
	f.mu.Unlock()
	if known != nil {
		return known, nil
	}
	kv, err := f.js.KeyValue(ctx, messages.Bucket)
	if err == nil {
		f.mu.Lock()
		f.kv = kv
		f.mu.Unlock()
	}
	return kv, err
}

// hear reads what the others have found, and what all remember.
func (f *Fence) hear(ctx context.Context) (kv jetstream.KeyValue, mark *Mark, revision uint64, err error) {
	if kv, err = f.bucket(ctx); err != nil {
		return nil, nil, 0, err
	}
	var s State
	at, err := load(ctx, kv, StateKey, &s)
	switch {
	case errors.Is(err, errUnreadable):
		// Somebody wrote it by hand, or a later version did. It may say stop.
		f.log.Error().Err(err).Msg("whether buying is stopped cannot be read")
		return kv, nil, 0, err
	case err != nil:
		return kv, nil, 0, err
	}
	if f.adopt(s) {
		if err := save(ctx, kv, StateKey, f.State(), at); err != nil && !raced(err) {
			return kv, nil, 0, err
		}
	}
	var m Mark
	revision, err = load(ctx, kv, topology.LedgerMarkKey, &m)
	if errors.Is(err, errUnreadable) {
		f.log.Error().Err(err).Msg("what is remembered of the ledger cannot be read; it is written anew")
		return kv, nil, revision, nil
	}
	if err != nil || revision == 0 {
		return kv, nil, 0, err
	}
	return kv, &m, revision, nil
}

// adopt takes over what is newer than what is known, and reports whether the
// bucket is to be told instead: it was lost, or rolled back, or not reached when
// this process stopped.
func (f *Fence) adopt(s State) (tell bool) {
	var news, cleared bool
	f.update(func() {
		switch {
		case s.N > f.state.N:
			cleared = !s.Tripped && s.Cleared != nil
			news = s.Tripped != f.state.Tripped
			f.state = s
			if cleared {
				f.suspect, f.sound, f.end = nil, false, ending{}
			}
		case s.N == f.state.N && f.state.Tripped && !s.Tripped && s.N > 0:
			f.state.N++ // stopped while a clearing of an earlier time was written
			tell = true
		default:
			tell = s.N < f.state.N
		}
	})
	switch {
	case cleared:
		f.memory.forget()
		if news {
			f.log.Warn().Str("by", s.Cleared.By).Str(logkey.Reason, s.Cleared.Reason).Uint64(logkey.StreamSeq, s.Cleared.Seq).
				Msg("an operator took the ledger for right; buying goes on")
		}
	case news:
		f.log.Error().Str(logkey.Reason, string(s.Why)).Str("found", s.Found).Str(logkey.Instance, s.By).
			Msg("buying is stopped for all; see `beltline doctor`, and `beltline fence clear`")
	}
	return tell
}

// publish tells the others that buying is stopped.
func (f *Fence) publish(ctx context.Context) error {
	kv, err := f.bucket(ctx)
	if err != nil {
		return err
	}
	for {
		var s State
		revision, err := load(ctx, kv, StateKey, &s)
		if err != nil && !errors.Is(err, errUnreadable) {
			return err
		}
		if s.Tripped && s.N >= f.State().N {
			f.adopt(s)
			return nil
		}
		f.update(func() { f.state.N = max(f.state.N, s.N+1) })
		if err := save(ctx, kv, StateKey, f.State(), revision); err == nil || !raced(err) {
			return err
		}
	}
}

// learn remembers where the ledger ended at the look before this one, so that a
// process that writes little knows no less than the others. It is not the end of
// now: an event may be seen before it is safe on the disk.
func (f *Fence) learn(ctx context.Context, before moment, now Ledger) error {
	f.mu.Lock()
	last := f.end
	f.end = ending{before.connection, now.LastSeq}
	f.mu.Unlock()
	if last.connection != before.connection || last.seq <= f.memory.top().Seq || last.seq > now.LastSeq {
		return nil
	}
	subject, at, err := eventAt(ctx, f.js, last.seq)
	if errors.Is(err, errNoEvent) {
		return nil
	}
	if err == nil {
		f.memory.saw(before, f.connection(), Mark{Seq: last.seq, Subject: subject, Time: at})
	}
	return err
}

// raise writes down how far the ledger has come, so that a process that starts
// later knows it. Losing a race costs nothing: the next look tries again.
func (f *Fence) raise(ctx context.Context, kv jetstream.KeyValue, mark *Mark, revision uint64, now Ledger) error {
	next := f.memory.top()
	next.V, next.Created, next.Epoch, next.By, next.Gone = messages.Version, now.Created, now.Epoch, f.o.Instance, &now.Gone
	switch {
	case mark == nil:
		if next.Seq == 0 {
			next.Seq = now.LastSeq
		}
		if now.LastSeq > 0 {
			f.log.Warn().Uint64(logkey.StreamSeq, next.Seq).
				Msg("the bucket remembered nothing of the ledger; what is there now is remembered from here on")
		}
	case next.Seq > mark.Seq:
	case mark.Epoch == "" && now.Epoch != "", mark.Gone == nil:
		next.Seq, next.Subject, next.Time = mark.Seq, mark.Subject, mark.Time // only the rest is news
	default:
		return nil
	}
	if err := save(ctx, kv, topology.LedgerMarkKey, next, revision); err != nil && !raced(err) {
		return err
	}
	return nil
}
