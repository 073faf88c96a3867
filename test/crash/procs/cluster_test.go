package procs_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/test/crash/check"
	"github.com/beltline-io/beltline/test/crash/procs"
)

// three starts a cluster of real servers.
func three(t *testing.T) (*procs.Cluster, *procs.Journal) {
	t.Helper()
	dir, journal := t.TempDir(), &procs.Journal{}
	if err := procs.Build(t.Context(), dir, procs.NATSServer); err != nil {
		t.Fatal(err)
	}
	output := func(name string) (*procs.Output, error) { return procs.NewOutput(filepath.Join(dir, name+".log"), nil) }
	c, err := procs.NewCluster(filepath.Join(dir, "nats-server"), dir, 3, output, journal)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, n := range c.Nodes {
			n.Kill("the test is over")
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	healthy(t, c)
	return c, journal
}

func healthy(t *testing.T, c *procs.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	if err := c.AwaitHealthy(ctx); err != nil {
		t.Fatal(err)
	}
}

func connected(t *testing.T, url string, opts ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, append(opts, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.RetryOnFailedConnect(true))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// leads waits until somebody else than the node named leads the stream.
func leads(t *testing.T, c *procs.Cluster, stream, not string) string {
	t.Helper()
	deadline := time.After(2 * patience)
	for again := time.NewTicker(50 * time.Millisecond); ; {
		for _, n := range c.Nodes {
			if n.Name == not {
				continue
			}
			if all, err := c.LeadersAt(t.Context(), n.Name); err == nil && all[stream] != "" && all[stream] != not {
				return all[stream]
			}
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("nobody but %q leads %s", not, stream)
		}
	}
}

// store publishes until it is acknowledged.
func store(t *testing.T, js jetstream.JetStream, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	for {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := js.Publish(once, "kept.x", []byte(text))
		cancel()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%q was not stored: %v", text, err)
		}
	}
}

// create makes the stream as soon as the cluster has heard of enough nodes.
func create(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	config := jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept.>"}, Replicas: 3}
	deadline := time.After(2 * patience)
	for again := time.NewTicker(50 * time.Millisecond); ; {
		_, err := js.CreateStream(t.Context(), config)
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}

func TestCluster_APartedLeaderIsReplacedAndCannotStoreAndNothingThatWasAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	c, journal := three(t)
	js := connected(t, c.URL())
	create(t, js)
	store(t, js, "before")
	first := leads(t, c, "KEPT", "")
	i := c.Node(first)
	c.Isolate(i, true)
	second := leads(t, c, "KEPT", first)
	store(t, connected(t, c.Nodes[c.Node(second)].URL()), "meanwhile")
	// The clients of the parted node are still connected to it, and get nothing.
	minority := connected(t, c.Nodes[i].URL())
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if ack, err := minority.Publish(ctx, "kept.x", []byte("by the minority")); err == nil {
		t.Errorf("a node without a majority acknowledged %+v", ack)
	}
	c.Rejoin(i)
	healthy(t, c)

	third := leads(t, c, "KEPT", "")
	c.Nodes[c.Node(third)].Kill("leader of KEPT")
	store(t, js, "after")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	healthy(t, c)
	stream, err := js.Stream(t.Context(), "KEPT")
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for seq := uint64(1); ; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kept[string(m.Data)] = true
	}
	for _, text := range []string{"before", "meanwhile", "after"} {
		if !kept[text] {
			t.Errorf("%q was acknowledged and is gone: %v", text, kept)
		}
	}
	if journal.Count(check.Killed) != 1 || journal.Count(check.Troubled) < 8 {
		t.Errorf("the journal has %d kills and %d troubles", journal.Count(check.Killed), journal.Count(check.Troubled))
	}
}

func TestCluster_TheSystemAccountMovesTheMetaLeader(t *testing.T) {
	t.Parallel()
	c, _ := three(t)
	before := leads(t, c, procs.Meta, "")
	js := connected(t, c.URL(), nats.UserInfo(procs.SystemUser, procs.SystemPassword))
	if _, err := js.Conn().RequestWithContext(t.Context(), "$JS.API.META.LEADER.STEPDOWN", nil); err != nil {
		t.Fatal(err)
	}
	if after := leads(t, c, procs.Meta, before); after == before {
		t.Errorf("%s still leads", after)
	}
}
