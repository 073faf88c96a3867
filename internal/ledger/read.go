package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/telemetry"
	"github.com/beltline-io/beltline/pkg/messages"
)

// Last returns the order's last event, from the leader of the stream. It
// repeats the question through trouble until ctx ends.
func (l *Ledger) Last(ctx context.Context, tenant, orderID string) (*Entry, error) {
	r, err := l.lastOf(ctx, tenant, orderID)
	if err != nil {
		return nil, fmt.Errorf("ledger: last event of %s/%s: %w", tenant, orderID, err)
	}
	return r.entry()
}

// At returns the event at a sequence. Any replica may answer, since an event
// never changes; one that is behind is not believed when it knows nothing.
func (l *Ledger) At(ctx context.Context, seq uint64) (*Entry, error) {
	r, err := l.direct(ctx, seq)
	if err != nil {
		r, err = l.insist(ctx, getRequest{Seq: seq})
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: event at %d: %w", seq, err)
	}
	return r.entry()
}

// History returns all events of the order, the oldest first, from the leader.
//
// It walks from the last event back along the links. To ask the server for the
// next event of an order would make it search all blocks in between, which in
// a stream of many orders takes tens of milliseconds for each answer and holds
// up writers. Of an order that was erased the tombstone is all there is, though
// the server may still hold what it follows.
func (l *Ledger) History(ctx context.Context, tenant, orderID string) ([]Entry, error) {
	r, err := l.lastOf(ctx, tenant, orderID)
	var all []Entry
	for err == nil {
		var e *Entry
		var prev uint64
		if e, err = r.entry(); err != nil {
			break
		}
		all = append(all, *e)
		if prev, err = r.previous(); err != nil {
			break
		}
		if prev == 0 || r.tombstone() {
			slices.Reverse(all)
			return all, nil
		}
		r, err = l.insist(ctx, getRequest{Seq: prev})
	}
	return nil, fmt.Errorf("ledger: history of %s/%s: %w", tenant, orderID, err)
}

// lastOf asks about an order; nothing from outside gets into a subject before
// it has matched.
func (l *Ledger) lastOf(ctx context.Context, tenant, orderID string) (*raw, error) {
	if !messages.ValidTenant(tenant) || !messages.ValidToken(orderID) {
		return nil, fmt.Errorf("%w: unusable tenant or order_id", ErrNotFound)
	}
	return l.insist(ctx, getRequest{LastFor: messages.OrderEvents(tenant, orderID)})
}

// insist asks the leader until it answers, or ctx ends.
func (l *Ledger) insist(ctx context.Context, q getRequest) (*raw, error) {
	for wait := l.newBackoff(); ; {
		r, err := l.fromLeader(ctx, q, wait.patience)
		if err == nil || errors.Is(err, ErrNotFound) {
			return r, err
		}
		if l.nc.IsClosed() || !wait.pause(ctx) {
			return nil, errors.Join(context.Cause(ctx), err)
		}
		l.opts.Log.Debug().Err(err).Msg("read was repeated")
	}
}

// getRequest is the question of $JS.API.STREAM.MSG.GET.
type getRequest struct {
	Seq     uint64 `json:"seq,omitempty"`
	LastFor string `json:"last_by_subj,omitempty"`
	NextFor string `json:"next_by_subj,omitempty"`
}

// raw is a stored message.
type raw struct {
	seq     uint64
	subject string
	header  []byte // as on the wire; only from the leader
	trace   nats.Header
	body    []byte
	time    time.Time
}

// previous is the sequence of the order's event before this one, 0 before the
// first: the server keeps the header of the compare-and-set, and so links the
// events of an order.
func (r *raw) previous() (uint64, error) {
	h, err := nats.DecodeHeadersMsg(r.header)
	if err != nil {
		return 0, fmt.Errorf("event at %d: %w: not written by compare-and-set: %w", r.seq, ErrInvalid, err)
	}
	prev, err := strconv.ParseUint(h.Get(jetstream.ExpectedLastSubjSeqHeader), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("event at %d: %w: not written by compare-and-set: %w", r.seq, ErrInvalid, err)
	}
	if prev >= r.seq {
		return 0, fmt.Errorf("event at %d: %w: linked to %d, which is not before it", r.seq, ErrInvalid, prev)
	}
	return prev, nil
}

// tombstone reports whether it is all that is left of an order that was erased.
func (r *raw) tombstone() bool { return strings.HasSuffix(r.subject, "."+string(messages.Forgotten)) }

// traced are the headers of its trace.
func (r *raw) traced() nats.Header {
	if r.header == nil {
		return telemetry.Only(r.trace)
	}
	h, err := nats.DecodeHeadersMsg(r.header)
	if err != nil {
		return nil
	}
	return telemetry.Only(h)
}

// is reports whether the stored message is this one. The type stands in the
// body too, so equal bodies have equal subjects.
func (r *raw) is(m *nats.Msg) bool { return r.subject == m.Subject && bytes.Equal(r.body, m.Data) }

// entry decodes the message and checks that it is what its subject says: a
// subject decides who may write and read an event, so a body that disagrees
// with it was not written by this package.
func (r *raw) entry() (*Entry, error) {
	e, err := messages.DecodeEvent(r.body)
	if err != nil {
		return nil, fmt.Errorf("ledger: event at %d: %w: %w", r.seq, ErrInvalid, err)
	}
	if want := messages.EventSubject(e.Provider, e.Tenant, e.OrderID, e.Type); want != r.subject {
		return nil, fmt.Errorf("ledger: event at %d: %w: subject %s, body says %s", r.seq, ErrInvalid, r.subject, want)
	}
	return &Entry{Seq: r.seq, Event: e, Stored: r.time, Trace: r.traced()}, nil
}

// fromLeader asks once. Only the leader of the stream answers this subject.
func (l *Ledger) fromLeader(ctx context.Context, q getRequest, patience time.Duration) (*raw, error) {
	if q.Seq == 0 && q.LastFor == "" {
		return nil, ErrNotFound // the server takes it for a malformed request
	}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	ask := &nats.Msg{Subject: l.api + "STREAM.MSG.GET." + messages.StreamEvents, Data: body}
	answer, err := l.request(ctx, ask, patience)
	if err != nil {
		return nil, err
	}
	var got struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &got); err != nil {
		return nil, fmt.Errorf("unreadable answer: %w", err)
	}
	switch {
	case got.Error != nil && got.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, ErrNotFound
	case got.Error != nil:
		return nil, got.Error
	case got.Message == nil:
		return nil, errors.New("answer without a message")
	}
	m := got.Message
	return &raw{seq: m.Seq, subject: m.Subject, header: m.Header, body: m.Data, time: m.Time}, nil
}

// direct asks whichever replica is nearest for one sequence. Every error means
// no more than "ask the leader".
func (l *Ledger) direct(ctx context.Context, seq uint64) (*raw, error) {
	body, err := json.Marshal(getRequest{Seq: seq})
	if err != nil {
		return nil, err
	}
	ask := &nats.Msg{Subject: l.api + "DIRECT.GET." + messages.StreamEvents, Data: body}
	answer, err := l.request(ctx, ask, l.opts.Timeout/firstPatience) // the leader is there to be asked
	if err != nil {
		return nil, err
	}
	if status := answer.Header.Get("Status"); status != "" {
		return nil, fmt.Errorf("direct get: status %s", status)
	}
	at, err := strconv.ParseUint(answer.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil || at != seq || answer.Header.Get(jetstream.StreamHeader) != messages.StreamEvents {
		return nil, errors.New("direct get: answer for another message")
	}
	when, err := time.Parse(time.RFC3339Nano, answer.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return nil, fmt.Errorf("direct get: %w", err)
	}
	return &raw{seq: seq, subject: answer.Header.Get(jetstream.SubjectHeader), body: answer.Data, time: when, trace: answer.Header}, nil
}
