package natstest_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
)

func addStream(t *testing.T, js jetstream.JetStream, replicas int) {
	t.Helper()
	natstest.CreateStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Replicas: replicas})
}

func messages(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	s, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func TestStart_AnInProcessClientOutlivesARestart(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]natstest.Option{
		"in process": nil,
		"listener":   {natstest.WithListener(), natstest.SyncAlways()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Start(t, opts...)
			url := s.URL()
			back := make(chan struct{}, 1)
			nc := s.Conn(t, nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
			js, err := jetstream.New(nc)
			if err != nil {
				t.Fatal(err)
			}
			addStream(t, js, 1)
			if _, err := js.Publish(t.Context(), "s.a", nil); err != nil {
				t.Fatal(err)
			}
			s.Restart(t)
			<-back
			if got := messages(t, js); got != 1 {
				t.Errorf("messages after the restart: %d, want 1", got)
			}
			if s.URL() != url {
				t.Errorf("the URL moved from %s to %s", url, s.URL())
			}
		})
	}
}

func TestStart_RefusesABodyAboveTheContractsLeastPayload(t *testing.T) {
	t.Parallel()
	nc := natstest.Start(t).Conn(t)
	if got := nc.MaxPayload(); got != 256<<10 {
		t.Errorf("max_payload is %d, want %d", got, 256<<10)
	}
}

func TestStop_RefusesNewClients(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	s.Stop()
	s.Stop()
	if _, err := s.InProcessConn(); err == nil {
		t.Error("a stopped server gave out a connection")
	}
}

func TestStartCluster_KeepsItsMessagesThroughStepDownAndRestartOfTheLeader(t *testing.T) {
	t.Parallel()
	c := natstest.StartCluster(t, 3)
	if strings.Count(c.URL(), "nats://") != 3 {
		t.Fatalf("URL %q does not name three nodes", c.URL())
	}
	js := c.JS(t)
	addStream(t, js, 3)
	if _, err := js.Publish(t.Context(), "s.a", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.StepDown("S"); err != nil {
		t.Fatal(err)
	}
	leader, err := c.WaitLeader("S")
	if err != nil {
		t.Fatal(err)
	}
	c.StopNode(leader)
	if now, err := c.WaitLeader("S"); err != nil || now == leader {
		t.Fatalf("leader %d after the leader %d stopped (%v)", now, leader, err)
	}
	if err := c.StartNode(leader); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitCurrent("S"); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, js); got != 1 {
		t.Errorf("messages: %d, want 1", got)
	}
}
