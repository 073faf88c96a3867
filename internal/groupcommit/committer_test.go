package groupcommit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/groupcommit"
	"github.com/beltline-io/beltline/internal/natstest"
)

const patience = 20 * time.Second

func stream(atomic bool) jetstream.StreamConfig {
	return jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, AllowAtomicPublish: atomic, AllowDirect: true}
}

// event is a message that may only be the first of its order.
func event(order int, body string) *nats.Msg {
	m := nats.NewMsg(fmt.Sprintf("s.o%d.x", order))
	m.Data = []byte(body)
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
	m.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, key(order))
	return m
}

func key(order int) string { return fmt.Sprintf("s.o%d.>", order) }

// result of one Publish.
type result struct {
	ack groupcommit.Ack
	err error
}

// burst publishes one message for each order at once.
func burst(ctx context.Context, c *groupcommit.Committer, orders []int) []result {
	all := make([]result, len(orders))
	var group sync.WaitGroup
	for i, o := range orders {
		group.Go(func() {
			ack, err := c.Publish(ctx, event(o, fmt.Sprint("body of ", i)), key(o), patience)
			all[i] = result{ack, err}
		})
	}
	group.Wait()
	return all
}

func numbers(from, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = from + i
	}
	return all
}

// stored reads a message and how it came.
func stored(t *testing.T, js jetstream.JetStream, seq uint64) *jetstream.RawStreamMsg {
	t.Helper()
	s, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), seq)
	if err != nil {
		t.Fatalf("sequence %d: %v", seq, err)
	}
	return m
}

// check judges a burst by the stream: each message stands where its writer was told.
func check(t *testing.T, js jetstream.JetStream, orders []int, all []result) (batches int) {
	t.Helper()
	ids := map[string]bool{}
	for i, r := range all {
		if r.err != nil {
			t.Fatalf("message %d: %v", i, r.err)
		}
		m := stored(t, js, r.ack.Seq)
		if string(m.Data) != fmt.Sprint("body of ", i) || m.Subject != event(orders[i], "").Subject || r.ack.Stream != "S" {
			t.Fatalf("message %d was told %v, where %s with %q stands", i, r.ack, m.Subject, m.Data)
		}
		if id := m.Header.Get(groupcommit.HeaderBatch); id != "" {
			ids[id] = true
		}
	}
	return len(ids)
}

func TestPublish_EachOfManyIsToldWhereItStands(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(t *testing.T) jetstream.JetStream{
		"one node, sync always": func(t *testing.T) jetstream.JetStream { return natstest.Start(t, natstest.SyncAlways()).JS(t) },
		"one node":              func(t *testing.T) jetstream.JetStream { return natstest.Start(t).JS(t) },
		"three nodes":           func(t *testing.T) jetstream.JetStream { return natstest.StartCluster(t, 3).JS(t) },
	}
	for name, start := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := start(t)
			config := stream(true)
			if name == "three nodes" {
				config.Replicas = 3
			}
			natstest.CreateStream(t, js, config)
			// Not all nodes of a cluster know of a stream as soon as it is made.
			if _, err := js.Publish(t.Context(), "s.first.x", nil, jetstream.WithRetryAttempts(100)); err != nil {
				t.Fatal(err)
			}
			c := groupcommit.New(js.Conn(), nil)
			c.Eager()
			batches := 0
			for round := range 4 {
				orders := numbers(1000*round, 200)
				batches += check(t, js, orders, burst(t.Context(), c, orders))
			}
			if batches == 0 {
				t.Error("nothing went together: the test has shown nothing")
			}
			s, err := js.Stream(t.Context(), "S")
			if err != nil {
				t.Fatal(err)
			}
			if n := s.CachedInfo().State.Msgs; n != 801 {
				t.Errorf("%d messages stored, not 801", n)
			}
		})
	}
}

func TestPublish_OnlyWhoLosesItsRaceLoses(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	natstest.CreateStream(t, js, stream(true))
	c := groupcommit.New(js.Conn(), nil)
	c.Eager()
	// Every tenth order has moved on already.
	orders := numbers(0, 300)
	moved := map[int]bool{}
	for i := 0; i < len(orders); i += 10 {
		moved[i] = true
		if _, err := js.PublishMsg(t.Context(), event(i, "another's")); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range burst(t.Context(), c, orders) {
		var api *jetstream.APIError
		switch {
		case moved[i] && (!errors.As(r.err, &api) || api.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence):
			t.Errorf("order %d had moved on, and its writer was told %v", i, r)
		case !moved[i] && r.err != nil:
			t.Errorf("order %d lost a race of others: %v", i, r.err)
		case !moved[i] && string(stored(t, js, r.ack.Seq).Data) != fmt.Sprint("body of ", i):
			t.Errorf("order %d does not stand at %d", i, r.ack.Seq)
		}
	}
}

// held is a committer of which as many messages as go alone are on their way,
// until release: whatever is published meanwhile stands in line.
func held(t *testing.T, js jetstream.JetStream) (c *groupcommit.Committer, release func()) {
	t.Helper()
	const alone = 1
	gate, entered := make(chan struct{}), make(chan struct{}, 1000)
	c = groupcommit.New(js.Conn(), func(ctx context.Context, m *nats.Msg, _ time.Duration) (*nats.Msg, error) {
		entered <- struct{}{}
		<-gate
		return js.Conn().RequestMsgWithContext(ctx, m)
	})
	c.Eager()
	var group sync.WaitGroup
	for i := range alone {
		group.Go(func() {
			if _, err := c.Publish(t.Context(), event(1_000_000+i, "first"), key(1_000_000+i), patience); err != nil {
				t.Error(err)
			}
		})
	}
	for range alone {
		<-entered
	}
	return c, func() { close(gate); group.Wait() }
}

// stand waits until n messages stand in line.
func stand(t *testing.T, c *groupcommit.Committer, n int) {
	t.Helper()
	for groupcommit.Waiting(c) < n {
		select {
		case <-t.Context().Done():
			t.Fatal("they do not stand in line")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestPublish_ThoseThatExcludeEachOtherNeverShareABatch(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	natstest.CreateStream(t, js, stream(true))
	c, release := held(t, js)
	orders := append(numbers(0, 100), numbers(0, 100)...) // two writers for each
	done := make(chan []result)
	go func() { done <- burst(t.Context(), c, orders) }()
	stand(t, c, len(orders))
	release()
	all := <-done
	batches := map[string]int{}
	for i := range 100 {
		a, b := all[i], all[i+100]
		if (a.err == nil) == (b.err == nil) {
			t.Fatalf("order %d: %v and %v, and not one winner", i, a, b)
		}
		if a.err != nil {
			a = b
		}
		batches[stored(t, js, a.ack.Seq).Header.Get(groupcommit.HeaderBatch)]++
	}
	if len(batches) != 1 || batches[""] > 0 {
		t.Errorf("the winners came in batches %v and not in one", batches)
	}
}

func TestPublish_AStreamWithoutBatchesGetsEachByItself(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	natstest.CreateStream(t, js, stream(false))
	c := groupcommit.New(js.Conn(), nil)
	c.Eager()
	orders := numbers(0, 200)
	if n := check(t, js, orders, burst(t.Context(), c, orders)); n != 0 {
		t.Errorf("%d batches in a stream that takes none", n)
	}
}

func TestPublish_AMessageTooLargeSpoilsNoBatch(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	natstest.CreateStream(t, js, stream(true))
	c := groupcommit.New(js.Conn(), nil)
	c.Eager()
	limit := int(js.Conn().MaxPayload())
	var group sync.WaitGroup
	var refused atomic.Int64
	for i := range 120 {
		group.Go(func() {
			m := event(i, "small")
			if i%20 == 0 {
				m.Data = make([]byte, limit+1-i/20*64) // some fit, but not with the headers of a batch
			}
			_, err := c.Publish(t.Context(), m, key(i), patience)
			switch tooLarge := m.Size() > limit; {
			case tooLarge && errors.Is(err, nats.ErrMaxPayload):
				refused.Add(1)
			case tooLarge:
				t.Errorf("%d bytes: %v", m.Size(), err)
			case err != nil:
				t.Errorf("message %d of %d bytes: %v", i, m.Size(), err)
			}
		})
	}
	group.Wait()
	if refused.Load() == 0 {
		t.Error("none was too large: the test has shown nothing")
	}
}

// lossy is a way to the server on which answers to some requests are lost.
type lossy struct {
	nc   *nats.Conn
	lose func(m *nats.Msg) bool
	met  atomic.Int64
}

var errLost = errors.New("the answer was lost")

func (l *lossy) request(ctx context.Context, m *nats.Msg, patience time.Duration) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := l.nc.RequestMsgWithContext(ctx, m)
	if l.lose(m) {
		l.met.Add(1)
		return nil, errLost
	}
	return answer, err
}

func TestPublish_ALostAnswerLeavesAllOfItsBatchInDoubtAndNobodyElse(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	natstest.CreateStream(t, js, stream(true))
	l := &lossy{nc: js.Conn()}
	l.lose = func(m *nats.Msg) bool { return m.Header.Get(groupcommit.HeaderCommit) != "" && l.met.Load() == 0 }
	c := groupcommit.New(js.Conn(), l.request)
	c.Eager()
	doubted := 0
	for i, r := range burst(t.Context(), c, numbers(0, 200)) {
		switch {
		case errors.Is(r.err, errLost):
			doubted++
			if errors.Is(r.err, groupcommit.ErrNotSent) {
				t.Error("what may be stored was called not sent")
			}
		case r.err != nil:
			t.Errorf("message %d: %v", i, r.err)
		}
	}
	if doubted < 2 {
		t.Errorf("%d in doubt: no batch lost its answer", doubted)
	}
	s, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 200 {
		t.Errorf("%d stored of 200, of which %d are in doubt", n, doubted)
	}
}

func TestPublish_WhoGivesUpInTheLineHasSentNothing(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	natstest.CreateStream(t, js, stream(true))
	c, release := held(t, js)
	hurried, giveUp := context.WithCancel(t.Context())
	var second sync.WaitGroup
	for i := range 50 {
		second.Go(func() {
			_, err := c.Publish(hurried, event(100+i, "second"), key(100+i), patience)
			if !errors.Is(err, groupcommit.ErrNotSent) || !errors.Is(err, context.Canceled) {
				t.Errorf("told %v", err)
			}
		})
	}
	stand(t, c, 50)
	giveUp()
	second.Wait()
	release()
	orders := numbers(1000, 100) // and nobody waits for ever behind those who left
	check(t, js, orders, burst(t.Context(), c, orders))
	s, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 101 {
		t.Errorf("%d stored, not 101", n)
	}
}

// Each batch is answered only when enough for the next one stand in line.
func TestPublish_NobodyIsPassedByForEver(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	natstest.CreateStream(t, js, stream(true))
	batches, sent := make(chan chan struct{}), make(chan struct{})
	first, release := make(chan struct{}), make(chan struct{})
	c := groupcommit.New(js.Conn(), func(ctx context.Context, m *nats.Msg, _ time.Duration) (*nats.Msg, error) {
		switch {
		case m.Header.Get(groupcommit.HeaderCommit) != "":
			answer := make(chan struct{})
			batches <- answer
			<-answer
		case len(m.Data) > 1000:
			close(sent)
		case string(m.Data) == "first":
			close(first)
			<-release
		}
		return js.Conn().RequestMsgWithContext(ctx, m)
	})
	c.Eager()
	var group sync.WaitGroup
	publish := func(order int, body string) {
		group.Go(func() {
			if _, err := c.Publish(t.Context(), event(order, body), key(order), patience); err != nil {
				t.Errorf("order %d: %v", order, err)
			}
		})
	}
	publish(0, "first")
	<-first
	publish(1, strings.Repeat("x", int(js.Conn().MaxPayload())-200)) // no room for the headers of a batch
	stand(t, c, 1)
	publish(2, "second")
	publish(3, "second")
	stand(t, c, 3)
	close(release)
	passed := true
	for round := 2; round < 12 && passed; round++ {
		answer := <-batches
		line := groupcommit.Waiting(c)
		publish(2*round, "next")
		publish(2*round+1, "next")
		stand(t, c, line+2)
		close(answer)
		select {
		case <-sent:
			passed = false
		default:
		}
	}
	if passed {
		t.Error("ten batches went, and the one that can only go alone did not")
	}
	go func() { // the rest
		for answer := range batches {
			close(answer)
		}
	}()
	group.Wait()
	close(batches)
}

// A server without replicas looks at its room before each message of a batch
// that it stores. Where the last one has none, it says no, and that is all.
func TestPublish_NobodyIsRefusedWhoseMessageIsStored(t *testing.T) {
	t.Parallel()
	const members, size = 10, 20 << 10
	var options *server.Options
	srv := natstest.Start(t, natstest.Configure(func(o *server.Options) {
		options = o
		o.JetStreamMaxStore = (members-2)*size + size/2 // it stores the one with which it is above that
	}))
	js := srv.JS(t)
	natstest.CreateStream(t, js, stream(true))
	c, release := held(t, js)
	var group sync.WaitGroup
	all := make([]error, members)
	for i := range members {
		group.Go(func() {
			_, all[i] = c.Publish(t.Context(), event(i, strings.Repeat("x", size)), key(i), patience)
		})
	}
	stand(t, c, members)
	release()
	group.Wait()
	check := func(when string) (found int) {
		s, err := srv.JS(t).Stream(t.Context(), "S")
		if err != nil {
			t.Fatal(err)
		}
		for i, told := range all {
			m, err := s.GetLastMsgForSubject(t.Context(), event(i, "").Subject)
			if err != nil {
				continue
			}
			found++
			var api *jetstream.APIError
			if errors.Is(told, groupcommit.ErrNotSent) || errors.As(told, &api) {
				t.Errorf("order %d stands at %d %s, and its writer was told %v", i, m.Sequence, when, told)
			}
		}
		return found
	}
	if n := check("at once"); n != members-1 {
		t.Errorf("%d of %d are stored: the test has not shown what it should", n, members)
	}
	srv.Stop()
	options.JetStreamMaxStore *= 2
	srv.Restart(t)
	check("after a restart with more room")
}

// What the client refuses of one message is told to its writer only, wherever in
// the batch it stands.
func TestPublish_AMessageTheClientRefusesSpoilsNothingForOthers(t *testing.T) {
	t.Parallel()
	for unfit := range 3 {
		js := natstest.Start(t).JS(t)
		natstest.CreateStream(t, js, stream(true))
		c, release := held(t, js)
		var group sync.WaitGroup
		for i := range 3 {
			group.Go(func() {
				m := event(i, "b")
				if i == unfit {
					m.Subject = "s. x"
				}
				_, err := c.Publish(t.Context(), m, key(i), patience)
				if i == unfit && !errors.Is(err, nats.ErrBadSubject) || i != unfit && err != nil {
					t.Errorf("message %d, where %d is unfit, was told %v", i, unfit, err)
				}
			})
			stand(t, c, i+1)
		}
		release()
		group.Wait()
	}
}

func TestPublish_OnAClosedConnectionSaysSoToAll(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JS(t)
	gate, entered := make(chan struct{}), make(chan struct{}, 10)
	c := groupcommit.New(js.Conn(), func(ctx context.Context, m *nats.Msg, _ time.Duration) (*nats.Msg, error) {
		entered <- struct{}{}
		<-gate
		return js.Conn().RequestMsgWithContext(ctx, m)
	})
	c.Eager()
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			if _, err := c.Publish(t.Context(), event(i, "b"), key(i), patience); !errors.Is(err, nats.ErrConnectionClosed) {
				t.Errorf("message %d was told %v", i, err)
			}
		})
	}
	<-entered
	stand(t, c, 9)
	js.Conn().Close()
	close(gate)
	group.Wait()
}

// The server keeps a batch that was not committed for a while and drops it:
// nothing of it may ever be stored, and what was told must be true.
func TestPublish_TheConnectionDiesInTheMiddleOfBatches(t *testing.T) {
	t.Parallel()
	srv := natstest.Start(t, natstest.SyncAlways(), natstest.WithListener())
	natstest.CreateStream(t, srv.JS(t), stream(true))
	told, unsent, doubts := map[int]groupcommit.Ack{}, map[int]bool{}, 0
	for round := range 4 {
		nc, err := nats.Connect(srv.URL(), nats.NoReconnect())
		if err != nil {
			t.Fatal(err)
		}
		commits := 0
		c := groupcommit.New(nc, func(ctx context.Context, m *nats.Msg, _ time.Duration) (*nats.Msg, error) {
			if m.Header.Get(groupcommit.HeaderCommit) == "" {
				return nc.RequestMsgWithContext(ctx, m)
			}
			commits++ // one batch at a time is on its way
			if commits <= round/2 {
				return nc.RequestMsgWithContext(ctx, m)
			}
			if round%2 == 0 { // after the batch and before its commit, or right after that
				nc.Close()
				return nil, nats.ErrConnectionClosed
			}
			answer, err := nc.RequestMsgWithContext(ctx, m)
			nc.Close()
			return answer, err
		})
		c.Eager()
		orders := numbers(10_000*round, 1300)
		for i, r := range burst(t.Context(), c, orders) {
			switch {
			case r.err == nil:
				told[orders[i]] = r.ack
			case errors.Is(r.err, groupcommit.ErrNotSent):
				unsent[orders[i]] = true
			default:
				doubts++
			}
		}
		nc.Close()
	}
	srv.Restart(t)
	s, err := srv.JS(t).Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	for o, ack := range told {
		if m, err := s.GetMsg(t.Context(), ack.Seq); err != nil || m.Subject != event(o, "").Subject {
			t.Errorf("order %d was told %d, where %v stands: %v", o, ack.Seq, m, err)
		}
	}
	for o := range unsent {
		if m, err := s.GetLastMsgForSubject(t.Context(), event(o, "").Subject); err == nil {
			t.Errorf("order %d was never sent, and stands at %d", o, m.Sequence)
		}
	}
	if len(told) == 0 || len(unsent) == 0 || doubts == 0 {
		t.Errorf("%d told, %d not sent, %d in doubt: the test has shown nothing", len(told), len(unsent), doubts)
	}
}

func TestInBatch_LeavesTheMessageAsItIs(t *testing.T) {
	t.Parallel()
	m := event(1, "b")
	before := len(m.Header)
	copied := groupcommit.InBatch(m, "id", 3)
	if len(m.Header) != before || m.Header.Get(groupcommit.HeaderBatch) != "" {
		t.Errorf("the original became %v", m.Header)
	}
	if copied.Header.Get(groupcommit.HeaderBatch) != "id" || !strings.Contains(fmt.Sprint(copied.Header), "Nats-Batch-Sequence:[3]") {
		t.Errorf("the copy is %v", copied.Header)
	}
}
