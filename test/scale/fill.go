package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/test/hold/beside"
)

const (
	// together is how many orders are on their way side by side: their events
	// stand between each other in the stream, as those of a pipeline do.
	together = 64
	// unacknowledged is how many such portions may be without an answer. The
	// server drops what is published into a stream faster than it stores.
	unacknowledged = 16
	// spreadEnded is over how long a time the orders that have ended were made,
	// spreadHeld those on hold, and dueAfter and spreadDue say when their timers are due.
	spreadEnded = 30 * 24 * time.Hour
	spreadHeld  = 12 * time.Hour
	dueAfter    = 24 * time.Hour
	spreadDue   = 7 * 24 * time.Hour
)

// filler writes copies of an order into the streams of a system whose programs
// are stopped. Nobody else writes, so it knows the sequence that each event will
// have without waiting for the server; one that was not as expected is refused
// by the compare-and-set of all that follow it, and found at the next answer.
type filler struct {
	s         *beside.System
	t         *template
	namespace string
	prefix    string
	n         int
	begun     time.Time // of the first order
	step      time.Duration

	seq     uint64 // of the last event
	answers chan *nats.Msg
	waiting []uint64 // the sequences that answers of the ledger are awaited for
	timers  int      // answers of the queue that are awaited
}

// written is what the writing of copies has cost: time, and what the server
// has computed.
type written struct{ took, computed time.Duration }

// fill stops the programs of a system, writes n copies while the server syncs
// as it does by default, and leaves the programs stopped.
func fill(ctx context.Context, s *beside.System, t *template, prefix string, n int, always bool) (written, error) {
	var w written
	for _, p := range append(s.Workers(), s.Dispatcher) {
		if err := p.End(syscall.SIGTERM); err != nil {
			return w, err
		}
	}
	if err := resync(ctx, s, false); err != nil {
		return w, err
	}
	namespace, err := topology.Namespace(ctx, s.JS)
	if err != nil {
		return w, err
	}
	f := &filler{s: s, t: t, namespace: namespace, prefix: prefix, n: n, answers: make(chan *nats.Msg, 2*unacknowledged)}
	over := spreadEnded
	if t.timer != nil {
		over = spreadHeld
	}
	f.begun, f.step = time.Now().Add(-over), over/time.Duration(n+1)
	before, err := s.NATS.CPU()
	if err != nil {
		return w, err
	}
	begun := time.Now()
	if err := f.run(ctx); err != nil {
		return w, fmt.Errorf("fill %s: %w", s.Name, err)
	}
	w.took = time.Since(begun)
	if w.computed, err = s.NATS.CPU(); err != nil {
		return w, err
	}
	w.computed -= before
	if err := f.flush(); err != nil {
		return w, err
	}
	return w, resync(ctx, s, always)
}

// resync starts the server again in a mode of syncing.
func resync(ctx context.Context, s *beside.System, always bool) error {
	if err := errors.Join(s.NATS.End(syscall.SIGTERM), s.Always(always)); err != nil {
		return err
	}
	var err error
	while(s.Name+": the server starts", func() { err = s.Begin(ctx, s.NATS) })
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(beside.Patience); !s.NC.IsConnected(); beside.Pause(ctx, 5*time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("%s: no connection after a restart: %w", s.Name, ctx.Err())
		}
	}
	return nil
}

// run writes all copies and checks that they stand there.
func (f *filler) run(ctx context.Context) error {
	inbox := nats.NewInbox()
	sub, err := f.s.NC.ChanSubscribe(inbox, f.answers)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection ends soon
	before, err := states(ctx, f.s.JS)
	if err != nil {
		return err
	}
	f.seq = before.events.LastSeq
	shown, begun := time.Now(), time.Now()
	for from := 0; from < f.n; from += together {
		if err := f.portion(ctx, inbox, from, min(from+together, f.n)); err != nil {
			return err
		}
		if time.Since(shown) > 5*time.Second {
			shown = time.Now()
			say("  %s: %d of %d orders, %.0f/s", f.s.Name, from, f.n, float64(from)/time.Since(begun).Seconds())
		}
	}
	for len(f.waiting)+f.timers > 0 {
		if err := f.answer(ctx); err != nil {
			return err
		}
	}
	after, err := states(ctx, f.s.JS)
	if err != nil {
		return err
	}
	return f.counted(before, after)
}

// counted finds what was refused without a word.
func (f *filler) counted(before, after both) error {
	if got, want := after.events.Msgs-before.events.Msgs, uint64(f.n*len(f.t.events)); got != want {
		return fmt.Errorf("%d events were stored, not %d", got, want)
	}
	// A timer of a template may have become a command meanwhile, which is as many messages.
	if got := after.commands.Msgs - before.commands.Msgs; f.t.timer != nil && got != uint64(f.n) {
		return fmt.Errorf("%d timers were stored, not %d", got, f.n)
	}
	return nil
}

// portion writes the orders from one number to another.
func (f *filler) portion(ctx context.Context, inbox string, from, to int) error {
	ids, keys, last := make([]string, to-from), make([]string, to-from), make([]uint64, to-from)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%08d", f.prefix, from+i)
		keys[i] = messages.Reference(f.namespace, beside.Tenant, ids[i], 1)
	}
	for e := range f.t.events {
		for i, id := range ids {
			m := f.event(&f.t.events[e], id, keys[i], from+i, last[i])
			f.seq++
			last[i] = f.seq
			if i == len(ids)-1 && e == len(f.t.events)-1 {
				m.Reply, f.waiting = inbox, append(f.waiting, f.seq)
			}
			if err := f.s.NC.PublishMsg(m); err != nil {
				return err
			}
		}
	}
	for i, id := range ids {
		if f.t.timer == nil {
			break
		}
		m, err := f.timer(id, from+i, last[i])
		if err != nil {
			return err
		}
		if i == len(ids)-1 {
			m.Reply = inbox
			f.timers++
		}
		if err := f.s.NC.PublishMsg(m); err != nil {
			return err
		}
	}
	for max(len(f.waiting), f.timers) > unacknowledged {
		if err := f.answer(ctx); err != nil {
			return err
		}
	}
	return nil
}

// event makes a copy of one event, that follows the order's event at a sequence.
func (f *filler) event(c *copied, id, key string, number int, follows uint64) *nats.Msg {
	m := &nats.Msg{Subject: messages.EventSubject(f.t.provider, beside.Tenant, id, c.typ), Header: make(nats.Header, len(c.headers))}
	for k, v := range c.headers {
		m.Header[k] = v
	}
	m.Header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(follows, 10)}
	m.Header[jetstream.ExpectedLastSubjSeqSubjHeader] = []string{messages.OrderEvents(beside.Tenant, id)}
	m.Data = c.write(id, key, f.begun.Add(f.step*time.Duration(number)))
	return m
}

// timer makes the copy of the timer, which points at the order's last event.
func (f *filler) timer(id string, number int, seq uint64) (*nats.Msg, error) {
	command := messages.Command{V: messages.Version, Tenant: beside.Tenant, OrderID: id, Seq: seq, N: f.t.events[len(f.t.events)-1].n}
	m := &nats.Msg{Subject: messages.ScheduleSubject(f.t.provider, beside.Tenant, id), Header: make(nats.Header, len(f.t.timer)), Data: command.Encode()}
	for k, v := range f.t.timer {
		m.Header[k] = v
	}
	if m.Header.Get("Nats-Schedule") == "" || m.Header.Get("Nats-Schedule-Target") == "" {
		return nil, errors.New("the timer of the template is none")
	}
	at := time.Now().Add(dueAfter + spreadDue*time.Duration(number)/time.Duration(f.n)).UTC().Format(time.RFC3339Nano)
	m.Header["Nats-Schedule"] = []string{"@at " + at}
	m.Header["Nats-Schedule-Target"] = []string{messages.CommandSubject(f.t.provider, messages.Check, beside.Tenant, id)}
	m.Header[messages.HeaderDue] = []string{at}
	return m, nil
}

// answer waits for the next answer. Each stream answers in its own order.
func (f *filler) answer(ctx context.Context) error {
	deadline := time.NewTimer(beside.Patience)
	defer deadline.Stop()
	select {
	case m := <-f.answers:
		var ack struct {
			Stream string              `json:"stream"`
			Seq    uint64              `json:"seq"`
			Error  *jetstream.APIError `json:"error"`
		}
		if err := json.Unmarshal(m.Data, &ack); err != nil {
			return fmt.Errorf("unreadable answer: %w", err)
		}
		if ack.Error != nil {
			return ack.Error
		}
		if ack.Stream == messages.StreamCommands {
			f.timers--
			return nil
		}
		if ack.Stream != messages.StreamEvents || len(f.waiting) == 0 || f.waiting[0] != ack.Seq {
			return fmt.Errorf("stream %s has stored sequence %d, and %v were awaited: somebody else writes", ack.Stream, ack.Seq, f.waiting)
		}
		f.waiting = f.waiting[1:]
		return nil
	case <-deadline.C:
		return fmt.Errorf("the server does not answer; it may have dropped what came too fast, of %d portions", len(f.waiting)+f.timers)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flush syncs all files of the server, so that what was written is not written
// to the disk while something is measured.
func (f *filler) flush() error {
	return filepath.WalkDir(f.s.Store(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return ignoreGone(err)
		}
		file, err := os.Open(path)
		if err != nil {
			return ignoreGone(err)
		}
		err = file.Sync()
		return errors.Join(err, file.Close())
	})
}

// ignoreGone: the server removes files while it works.
func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// both are the states of the streams that are written to.
type both struct{ events, commands jetstream.StreamState }

func states(ctx context.Context, js jetstream.JetStream) (b both, err error) {
	for name, state := range map[string]*jetstream.StreamState{messages.StreamEvents: &b.events, messages.StreamCommands: &b.commands} {
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return b, err
		}
		*state = stream.CachedInfo().State
	}
	return b, nil
}
