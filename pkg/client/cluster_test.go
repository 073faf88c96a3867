package client_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
)

// On three nodes the consumer of a watch lives on one of them and is gone with
// it; the events are on all of them.
func TestWatch_OnThreeNodesLosesAndDoublesNothingWhenNodesDie(t *testing.T) {
	t.Parallel()
	cluster := natstest.StartCluster(t, 3)
	js := cluster.JS(t)
	natstest.CreateStream(t, js, jetstream.StreamConfig{Name: messages.StreamEvents, Subjects: []string{"events.>"}, Replicas: 3})
	r := &rig{t: t, js: js}
	c, err := client.Connect(client.Options{URL: cluster.URL(), Tenant: "acme", NATS: []nats.Option{nats.ReconnectWait(10 * time.Millisecond)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	next := watch(t, c, client.Filter{})
	want := r.write(0, 19)
	got := take(t, next, 20)
	for round := range 2 {
		var node int
		if round == 0 {
			node, err = cluster.WaitLeader(messages.StreamEvents)
		} else {
			node, err = watcher(t, cluster, js)
		}
		if err != nil {
			t.Fatal(err)
		}
		first := 20 + 20*round
		want = append(want, r.write(first, first+9)...)
		cluster.StopNode(node)
		want = append(want, r.write(first+10, first+19)...)
		got = append(got, take(t, next, len(want)-len(got))...)
		if err := cluster.StartNode(node); err != nil {
			t.Fatal(err)
		}
		if err := cluster.WaitCurrent(messages.StreamEvents); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(names(got), want) {
		t.Errorf("got  %s\nwant %s", names(got), want)
	}
}

// watcher is the node that the newest consumer of EVENTS lives on.
func watcher(t *testing.T, cluster *natstest.Cluster, js jetstream.JetStream) (int, error) {
	t.Helper()
	s, err := js.Stream(within(t), messages.StreamEvents)
	if err != nil {
		return 0, err
	}
	var newest *jetstream.ConsumerInfo
	for info := range s.ListConsumers(within(t)).Info() {
		if info.Cluster != nil && (newest == nil || info.Created.After(newest.Created)) {
			newest = info
		}
	}
	var node int
	if newest == nil {
		return cluster.WaitLeader(messages.StreamEvents)
	}
	_, err = fmt.Sscanf(newest.Cluster.Leader, "node-%d", &node)
	return node, err
}
