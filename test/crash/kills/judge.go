package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// findings are what a store does not hold as its writers were told.
type findings struct {
	gone, doubled, wrong, batched int
	first                         string
}

func (f *findings) add(count *int, format string, args ...any) {
	*count++
	if f.first == "" {
		f.first = fmt.Sprintf(format, args...)
	}
}

// judge reads all that is stored and holds it against what was told. What could
// not be read is an error, and not gone.
func (t *trial) judge(ctx context.Context) (f findings, err error) {
	nc, err := t.connect()
	if err != nil {
		return f, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return f, err
	}
	chains := map[string][]uint64{}
	if err := each(ctx, js, messages.StreamEvents, "events.>", func(m jetstream.Msg, seq uint64) {
		a, err := messages.ParseEventSubject(m.Subject())
		if err != nil {
			f.add(&f.wrong, "sequence %d: %v", seq, err)
			return
		}
		if m.Headers().Get("Nats-Batch-Id") != "" {
			f.batched++
		}
		chains[a.OrderID] = append(chains[a.OrderID], seq)
		if n := len(chains[a.OrderID]); n > len(steps) || a.Type != steps[n-1] {
			f.add(&f.doubled, "order %s: its event %d is %s, at %d", a.OrderID, n, a.Type, seq)
		}
	}); err != nil {
		return f, fmt.Errorf("reading events: %w", err)
	}
	for id, told := range t.events {
		for n, seq := range told {
			switch have := chains[id]; {
			case n >= len(have):
				f.add(&f.gone, "order %s: its event %d was told to stand at %d and is gone", id, n+1, seq)
			case have[n] != seq:
				f.add(&f.wrong, "order %s: its event %d was told to stand at %d and stands at %d", id, n+1, seq, have[n])
			}
		}
	}
	have := map[string]bool{}
	if err := each(ctx, js, messages.StreamCommands, "commands.>", func(m jetstream.Msg, _ uint64) {
		if a, err := messages.ParseCommandSubject(m.Subject()); err == nil {
			have[a.OrderID] = true
		}
	}); err != nil {
		return f, fmt.Errorf("reading commands: %w", err)
	}
	for id := range t.sent {
		if !have[id] {
			f.add(&f.gone, "order %s: its command was told to be stored and is gone", id)
		}
	}
	return f, nil
}

// each reads all messages of a stream. A work queue takes no second consumer
// beside its own, so its messages are read one by one.
func each(ctx context.Context, js jetstream.JetStream, name, filter string, visit func(jetstream.Msg, uint64)) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	stream, c, err := open(ctx, js, name, filter)
	if err != nil {
		return err
	}
	last := stream.CachedInfo().State.LastSeq
	if stream.CachedInfo().State.Msgs == 0 {
		return nil
	}
	all, err := c.Messages()
	if err != nil {
		return err
	}
	defer all.Stop()
	for {
		m, err := all.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		visit(m, meta.Sequence.Stream)
		if name == messages.StreamCommands {
			_ = m.Ack() // there is room for so many at once only
		}
		if meta.Sequence.Stream >= last || meta.NumPending == 0 {
			return nil
		}
	}
}

// reader reads the messages of a consumer.
type reader interface {
	Messages(opts ...jetstream.PullMessagesOpt) (jetstream.MessagesContext, error)
}

// open asks for what is needed to read until it is answered: a cluster without a
// leader drops what it is asked.
func open(ctx context.Context, js jetstream.JetStream, name, filter string) (jetstream.Stream, reader, error) {
	for {
		stream, c, err := openOnce(ctx, js, name, filter)
		if err == nil || ctx.Err() != nil {
			return stream, c, err
		}
	}
}

func openOnce(ctx context.Context, js jetstream.JetStream, name, filter string) (jetstream.Stream, reader, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if name == messages.StreamCommands {
		c, err := js.Consumer(ctx, name, "worker-"+string(messages.GamesDrop)+"-place")
		return stream, c, err
	}
	c, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}})
	return stream, c, err
}
