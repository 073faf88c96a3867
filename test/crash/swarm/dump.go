package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/test/crash/check"
)

// dumpStreams reads every stream there is, in sequence order.
func dumpStreams(ctx context.Context, js jetstream.JetStream) (map[string][]check.Message, error) {
	all := map[string][]check.Message{}
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return nil, err
		}
		if info := stream.CachedInfo(); info.Config.Retention == jetstream.WorkQueuePolicy {
			all[name], err = dumpQueue(ctx, stream)
		} else {
			all[name], err = dumpStream(ctx, js, info)
		}
		if err != nil {
			return nil, fmt.Errorf("dump %s: %w", name, err)
		}
	}
	return all, names.Err()
}

// dumpQueue reads a work queue, which refuses a second consumer and holds little
// in the end, message by message.
func dumpQueue(ctx context.Context, stream jetstream.Stream) ([]check.Message, error) {
	var all []check.Message
	state := stream.CachedInfo().State
	for seq := state.FirstSeq; seq <= state.LastSeq; {
		m, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(">")) // the next one at or after seq
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		all = append(all, check.Message{Seq: m.Sequence, Subject: m.Subject, Time: m.Time, Header: m.Header, Data: string(m.Data)})
		seq = m.Sequence + 1
	}
	return all, nil
}

// dumpStream reads any other stream up to where it ended when it was asked for.
// What ages out while it is read is not missed.
func dumpStream(ctx context.Context, js jetstream.JetStream, info *jetstream.StreamInfo) ([]check.Message, error) {
	all := make([]check.Message, 0, info.State.Msgs)
	if info.State.Msgs == 0 {
		return all, nil
	}
	c, err := js.OrderedConsumer(ctx, info.Config.Name, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return nil, err
	}
	for {
		batch, err := c.Fetch(2000, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			return nil, err
		}
		before := len(all)
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return nil, err
			}
			all = append(all, check.Message{
				Seq: meta.Sequence.Stream, Subject: m.Subject(), Time: meta.Timestamp, Header: m.Headers(), Data: string(m.Data()),
			})
			if meta.Sequence.Stream >= info.State.LastSeq || meta.NumPending == 0 {
				return all, nil
			}
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(all) == before && aged(ctx, js, info.Config.Name, all) {
			return all, nil
		}
	}
}

// aged reports whether a stream holds nothing after what was read.
func aged(ctx context.Context, js jetstream.JetStream, name string, read []check.Message) bool {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return false
	}
	state := stream.CachedInfo().State
	return state.Msgs == 0 || len(read) > 0 && state.LastSeq <= read[len(read)-1].Seq
}

// save writes the evidence into the bundle, as lines of JSON.
func save(dir string, h *check.History, r *check.Report) error {
	var faults []error
	for name, messages := range h.Streams {
		faults = append(faults, saveLines(filepath.Join(dir, "streams", name+".jsonl"), len(messages), func(i int) any { return messages[i] }))
	}
	for name, book := range h.Books {
		faults = append(faults, saveLines(filepath.Join(dir, "books", name+".jsonl"), len(book), func(i int) any { return book[i] }))
	}
	faults = append(faults, saveLines(filepath.Join(dir, "history.json"), 1, func(int) any { return h }))
	report, err := os.Create(filepath.Join(dir, "report.txt"))
	if err != nil {
		return errors.Join(append(faults, err)...)
	}
	r.Write(report)
	return errors.Join(append(faults, report.Close())...)
}

func saveLines(path string, n int, line func(int) any) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(file)
	for i := range n {
		err = errors.Join(err, enc.Encode(line(i)))
	}
	return errors.Join(err, file.Close())
}
