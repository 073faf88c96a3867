package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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
		for {
			// On a cluster a consumer may be asked before its node knows it.
			if all[name], err = dumpStream(ctx, js, stream); err == nil {
				break
			}
			if !transient(err) || !pause(ctx, 100*time.Millisecond) {
				return nil, fmt.Errorf("dump %s: %w", name, err)
			}
		}
	}
	return all, names.Err()
}

// transient reports whether a server may answer when it is asked once more.
func transient(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrNoHeartbeat) ||
		errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrConsumerDeleted)
}

// dumpStream reads a stream. A work queue refuses a second consumer and holds
// little in the end, so its messages are fetched one by one.
func dumpStream(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream) ([]check.Message, error) {
	info := stream.CachedInfo()
	if info.Config.Retention != jetstream.WorkQueuePolicy {
		return dumpByConsumer(ctx, js, info)
	}
	var all []check.Message
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; {
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

func dumpByConsumer(ctx context.Context, js jetstream.JetStream, info *jetstream.StreamInfo) ([]check.Message, error) {
	all := make([]check.Message, 0, info.State.Msgs)
	if info.State.Msgs == 0 {
		return all, nil
	}
	c, err := js.OrderedConsumer(ctx, info.Config.Name, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return nil, err
	}
	return readAll(ctx, js, info.Config.Name, c, all)
}

// readAll reads what a consumer has to give.
func readAll(ctx context.Context, js jetstream.JetStream, name string, c jetstream.Consumer, all []check.Message) ([]check.Message, error) {
	for {
		batch, err := c.Fetch(1000, jetstream.FetchMaxWait(2*time.Second))
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
			if meta.NumPending == 0 {
				return all, nil
			}
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(all) == before && nothingLeft(ctx, js, name, all) {
			return all, nil
		}
	}
}

// dumpCopies reads EVENTS from the store of each node. A consumer of one replica
// reads the copy of the node that it was put on, and the server puts it where it
// likes, so consumers are made until each node has had one.
func dumpCopies(ctx context.Context, js jetstream.JetStream, nodes int) (map[string][]check.Message, error) {
	stream, err := js.Stream(ctx, "EVENTS")
	if err != nil {
		return nil, err
	}
	last := stream.CachedInfo().State.LastSeq
	copies := map[string][]check.Message{}
	for len(copies) < nodes {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read the copies of EVENTS: %w, %d nodes have been read", ctx.Err(), len(copies))
		}
		c, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
			AckPolicy: jetstream.AckNonePolicy, Replicas: 1, MemoryStorage: true, InactiveThreshold: time.Minute,
		})
		if err != nil {
			return nil, fmt.Errorf("read the copies of EVENTS: %w", err)
		}
		info := c.CachedInfo()
		if node := info.Cluster.Leader; copies[node] == nil && node != "" {
			read := []check.Message{}
			if last > 0 {
				read, err = readAll(ctx, js, "EVENTS", c, read)
			}
			if err == nil {
				copies[node] = read
			}
		}
		if err = errors.Join(err, stream.DeleteConsumer(ctx, info.Name)); err != nil && !transient(err) {
			return nil, fmt.Errorf("read the copies of EVENTS: %w", err)
		}
	}
	return copies, nil
}

// nothingLeft reports whether a stream holds nothing after what was read:
// permits age out while they are read, and then none of them says that it is
// the last.
func nothingLeft(ctx context.Context, js jetstream.JetStream, name string, read []check.Message) bool {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return false
	}
	state := stream.CachedInfo().State
	return state.Msgs == 0 || len(read) > 0 && state.LastSeq <= read[len(read)-1].Seq
}

// save writes a history into a bundle, as lines of JSON that people and tools
// can read.
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

// sample notes what every process uses, where the system tells it.
func sample(f *fleet) []check.Sample {
	var all []check.Sample
	for _, m := range f.members {
		pid := m.PID()
		statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if pid == 0 || err != nil {
			continue
		}
		var size, resident int64
		if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
			continue
		}
		files, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
		if err != nil {
			continue
		}
		all = append(all, check.Sample{Process: m.Name, RSS: resident * int64(os.Getpagesize()), FDs: len(files)})
	}
	return all
}
