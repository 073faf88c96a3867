package groupcommit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/failpoint"
)

// Headers of an atomic batch (ADR-50 of NATS). The client has no API for it.
const (
	headerBatch    = "Nats-Batch-Id"
	headerSequence = "Nats-Batch-Sequence"
	headerCommit   = "Nats-Batch-Commit"
)

// Codes of the server that the client has no names for.
const (
	codeDisabled         jetstream.ErrorCode = 10174 // the stream takes no batches
	codeAccountResources jetstream.ErrorCode = 10002
	codeServerResources  jetstream.ErrorCode = 10023
	codeStorageResources jetstream.ErrorCode = 10047
)

// send publishes a batch and waits for the one answer to it. Until its last
// message, which commits it, nothing of it is stored.
func (c *Committer) send(batch []*member) (pubAck, error) {
	switch {
	case c.nc.IsClosed():
		return pubAck{}, fmt.Errorf("%w: %w", ErrNotSent, nats.ErrConnectionClosed)
	case !c.nc.IsConnected():
		return pubAck{}, fmt.Errorf("%w: not connected", ErrNotSent)
	}
	id, last, patience := rand.Text(), len(batch)-1, batch[0].patience
	failpoint.Hit("commit.batch.before")
	for i, p := range batch[:last] {
		patience = min(patience, p.patience)
		if err := c.nc.PublishMsg(inBatch(p.msg, id, i+1)); err != nil {
			return pubAck{}, errApart
		}
	}
	failpoint.Hit("commit.batch.after")
	m := inBatch(batch[last].msg, id, len(batch))
	m.Header.Set(headerCommit, "1")
	failpoint.Hit("commit.last.before")
	answer, err := c.request(context.Background(), m, min(patience, batch[last].patience))
	failpoint.Hit("commit.last.after")
	if errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadSubject) {
		return pubAck{}, errApart // by our own client, before anything was written
	}
	if err != nil {
		return pubAck{}, err
	}
	return readBatch(answer.Data, len(batch))
}

// plain is the Request of a connection that has no needs of its own.
func plain(nc *nats.Conn) Request {
	return func(ctx context.Context, m *nats.Msg, patience time.Duration) (*nats.Msg, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return nc.RequestMsgWithContext(ctx, m)
	}
}

// inBatch is a copy of m that belongs to a batch. The original stays as it is,
// because it may have to be sent again by itself.
func inBatch(m *nats.Msg, id string, n int) *nats.Msg {
	h := make(nats.Header, len(m.Header)+3)
	for k, v := range m.Header {
		h[k] = v
	}
	h.Set(headerBatch, id)
	h.Set(headerSequence, strconv.Itoa(n))
	return &nats.Msg{Subject: m.Subject, Data: m.Data, Header: h}
}

// pubAck is the answer of the server to a publish, or to a batch.
type pubAck struct {
	Stream string              `json:"stream"`
	Seq    uint64              `json:"seq"`
	Count  int                 `json:"count"`
	Error  *jetstream.APIError `json:"error"`
}

var (
	// errApart: the client itself took a message of the batch for unfit, and the
	// batch was not committed. What is wrong with one is not told to all: each is
	// sent alone, and meets with what is its own.
	errApart      = errors.New("not to be sent together")
	errUnreadable = errors.New("unreadable answer")
	errPartly     = errors.New("refused together, when a part may have been stored")
)

func decode(data []byte) (pubAck, error) {
	var a pubAck
	switch err := json.Unmarshal(data, &a); {
	case err != nil:
		return a, fmt.Errorf("%w: %w", errUnreadable, err)
	case a.Error != nil:
		return a, a.Error
	case a.Seq == 0:
		return a, fmt.Errorf("%w: no sequence", errUnreadable)
	}
	return a, nil
}

func read(data []byte) (Ack, error) {
	if a, ok := plainAck(data); ok {
		return a, nil
	}
	a, err := decode(data)
	return Ack{Stream: a.Stream, Seq: a.Seq}, err
}

// plainAck reads the answer of which almost all are: {"stream":"EVENTS","seq":17}.
// Whatever looks another way is left to the decoder, which takes ten times as long.
func plainAck(data []byte) (Ack, bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`))
	name, rest, found := bytes.Cut(rest, []byte(`"`))
	digits, begun := bytes.CutPrefix(rest, []byte(`,"seq":`))
	digits, ended := bytes.CutSuffix(digits, []byte("}"))
	if !ok || !found || !begun || !ended || bytes.IndexByte(name, '\\') >= 0 {
		return Ack{}, false
	}
	seq, err := strconv.ParseUint(string(digits), 10, 64)
	return Ack{Stream: string(name), Seq: seq}, err == nil && seq > 0 && digits[0] != '0' && digits[0] != '+'
}

// readBatch reads the answer to a batch of n. The sequences of its members end
// with the one in the answer, without a gap: the server stores nothing else in
// between.
func readBatch(data []byte, n int) (pubAck, error) {
	a, err := decode(data)
	if err == nil && (a.Count != n || a.Seq < uint64(n)) { //nolint:gosec // n is positive
		err = fmt.Errorf("%w: %d of %d messages up to sequence %d", errUnreadable, a.Count, n, a.Seq)
	}
	return a, err
}

// refusal reports whether all of a batch were said no to.
func refusal(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) || errors.Is(err, errApart)
}

// disabled reports whether the stream takes no batches at all.
func disabled(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeDisabled
}

// partly reports whether the server may have stored a part of a batch that it
// refused. Everything else is checked before the first message is stored; but a
// server without replicas looks at its own room and the account's before each,
// and answers for the last. What is missing it stores when it starts again.
func partly(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeAccountResources, codeServerResources, codeStorageResources:
		return true
	default:
		return false
	}
}
