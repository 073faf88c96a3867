package fence_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/fence"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/messages"
)

// meddler is a way to the server on which something happens just before a request.
type meddler struct {
	*natstest.Server
	mu     sync.Mutex
	before []byte
	do     func()
}

func (m *meddler) InProcessConn() (net.Conn, error) {
	conn, err := m.Server.InProcessConn()
	return &meddled{conn, m}, err
}

type meddled struct {
	net.Conn
	way *meddler
}

func (m *meddled) Write(b []byte) (int, error) {
	m.way.mu.Lock()
	do := m.way.do
	if do != nil && bytes.Contains(b, m.way.before) {
		m.way.do = nil
	} else {
		do = nil
	}
	m.way.mu.Unlock()
	if do != nil {
		do()
	}
	return m.Conn.Write(b)
}

// Another process doubts the ledger, stops all, and takes its doubt back, while
// this one looks: it has asked whether buying is stopped before, and asks for
// doubts after.
func TestLook_AStopThatComesInTheMiddleOfItIsNotMissed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	way := &meddler{Server: r.srv}
	nc := r.srv.Conn(t, nats.InProcessServer(way))
	f := fence.New(nc, jsOf(t, nc), fence.Options{Instance: "w1", Hearing: time.Nanosecond, Confirm: time.Hour})
	r.look(f)
	kv, err := r.js.KeyValue(r.within(), messages.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(r.within(), "fence.doubt", `{"by":"w2","found":"it ends too early","why":"ledger_older"}`); err != nil {
		t.Fatal(err)
	}
	r.look(f)
	if err := f.Allows(); !errors.Is(err, fence.ErrStopped) {
		t.Fatalf("another's doubt: %v", err)
	}
	state, err := json.Marshal(fence.State{V: 1, N: 1, Tripped: true, Why: fence.Older, Found: "it ends too early", By: "w2", Since: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	way.mu.Lock()
	way.before = []byte("$JS.API.STREAM.INFO." + messages.StreamEvents)
	way.do = func() {
		if _, err := kv.Put(r.within(), fence.StateKey, state); err != nil {
			t.Error(err)
		}
		if err := kv.Delete(r.within(), "fence.doubt"); err != nil {
			t.Error(err)
		}
	}
	way.mu.Unlock()
	r.look(f)
	if err := f.Allows(); !errors.Is(err, fence.ErrStopped) {
		t.Errorf("buying was stopped in the middle of the look: %v", err)
	}
}
