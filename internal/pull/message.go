package pull

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// message is a delivery as handlers know it. The client makes one of its own
// only from its own readers.
type message struct {
	nc  *nats.Conn
	msg *nats.Msg
}

var _ jetstream.Msg = (*message)(nil)

// Metadata implements [jetstream.Msg].
func (m *message) Metadata() (*jetstream.MsgMetadata, error) {
	meta, err := m.msg.Metadata()
	if err != nil {
		return nil, err
	}
	return &jetstream.MsgMetadata{
		Sequence:     jetstream.SequencePair{Consumer: meta.Sequence.Consumer, Stream: meta.Sequence.Stream},
		NumDelivered: meta.NumDelivered, NumPending: meta.NumPending, Timestamp: meta.Timestamp,
		Stream: meta.Stream, Consumer: meta.Consumer, Domain: meta.Domain,
	}, nil
}

// Data implements [jetstream.Msg].
func (m *message) Data() []byte { return m.msg.Data }

// Headers implements [jetstream.Msg].
func (m *message) Headers() nats.Header { return m.msg.Header }

// Subject implements [jetstream.Msg].
func (m *message) Subject() string { return m.msg.Subject }

// Reply implements [jetstream.Msg].
func (m *message) Reply() string { return m.msg.Reply }

// Ack implements [jetstream.Msg].
func (m *message) Ack() error { return m.msg.Ack() }

// DoubleAck implements [jetstream.Msg].
func (m *message) DoubleAck(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); !bounded {
		timed, cancel := context.WithTimeout(ctx, heartbeat)
		defer cancel()
		ctx = timed
	}
	return m.msg.AckSync(nats.Context(ctx))
}

// Nak implements [jetstream.Msg].
func (m *message) Nak() error { return m.msg.Nak() }

// NakWithDelay implements [jetstream.Msg].
func (m *message) NakWithDelay(delay time.Duration) error { return m.msg.NakWithDelay(delay) }

// InProgress implements [jetstream.Msg].
func (m *message) InProgress() error { return m.msg.InProgress() }

// Term implements [jetstream.Msg].
func (m *message) Term() error { return m.msg.Term() }

// TermWithReason implements [jetstream.Msg].
func (m *message) TermWithReason(reason string) error {
	return m.nc.Publish(m.msg.Reply, []byte("+TERM "+reason))
}
