package queue_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/internal/topology"
	"github.com/beltline-io/beltline/pkg/messages"
)

// removal is the length of what the server writes of the removal of a message.
const removal = 30

// The last thing that the stream's file held was the note that a command had been
// removed. Without it the command is back, and its consumer has done with it.
func TestWaiting_ACommandThatItsConsumerHasDoneWithDoesNotCount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := natstest.Start(t, natstest.Configure(func(o *server.Options) { o.StoreDir = dir }))
	js := srv.JS(t)
	_, err := topology.Setup(t.Context(), js, settings())
	must(t, err)
	q := queue.New(js)
	for _, id := range []string{"a", "b", "c", "d"} {
		must(t, q.Send(t.Context(), p, messages.Check, command(id)))
	}
	consumer, err := js.Consumer(t.Context(), messages.StreamCommands, p.FollowConsumer())
	must(t, err)
	batch, err := consumer.Fetch(3, jetstream.FetchMaxWait(30*time.Second))
	must(t, err)
	for m := range batch.Messages() {
		must(t, m.DoubleAck(t.Context()))
	}
	must(t, batch.Error())
	srv.Stop()
	msgs := filepath.Join(dir, "jetstream", server.DEFAULT_GLOBAL_ACCOUNT, "streams", messages.StreamCommands, "msgs")
	block := filepath.Join(msgs, "1.blk")
	info, err := os.Stat(block)
	must(t, err)
	must(t, os.Truncate(block, info.Size()-removal))
	must(t, os.Remove(filepath.Join(msgs, "index.db")))
	srv.Restart(t)

	js = srv.JS(t)
	q = queue.New(js)
	if last(t, js, messages.StreamCommands, messages.CommandSubject(p, messages.Check, "acme", "c")) == nil {
		t.Fatal("the command is not back: this shows nothing")
	}
	for id, want := range map[string]bool{"c": false, "d": true} {
		yes, err := q.Waiting(t.Context(), p, "acme", id, messages.Check)
		must(t, err)
		if yes != want {
			t.Errorf("%s: %t", id, yes)
		}
	}
	must(t, q.Send(t.Context(), p, messages.Check, command("c")))
	if yes, err := q.Waiting(t.Context(), p, "acme", "c", messages.Check); err != nil || !yes {
		t.Errorf("a command that was sent anew: %t, %v", yes, err)
	}
}
