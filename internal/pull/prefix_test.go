package pull_test

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/pull"
)

// In an account that imports the API of JetStream under another name, no
// program would ever have read a message.
func TestRead_AsksWhereTheAPIOfJetStreamIs(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]struct {
		open func(nc *nats.Conn) (jetstream.JetStream, error)
		want string
	}{
		"its own place":  {func(nc *nats.Conn) (jetstream.JetStream, error) { return jetstream.New(nc) }, "$JS.API."},
		"another prefix": {func(nc *nats.Conn) (jetstream.JetStream, error) { return jetstream.NewWithAPIPrefix(nc, "beltline") }, "beltline."},
		"a domain":       {func(nc *nats.Conn) (jetstream.JetStream, error) { return jetstream.NewWithDomain(nc, "hub") }, "$JS.hub.API."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			asked := make(chan string, 100)
			ear := r.srv.Conn(t)
			_, err := ear.Subscribe("*.>", func(m *nats.Msg) {
				select {
				case asked <- m.Subject:
				default:
				}
			})
			r.must(err)
			r.must(ear.Flush())
			js, err := where.open(r.nc)
			r.must(err)
			c, err := r.js.Consumer(t.Context(), stream, durable)
			r.must(err)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- pull.NewLine(&pull.Hand{}, 1).Read(ctx, js, c, func(jetstream.Msg) {}) }()
			want := where.want + "CONSUMER.MSG.NEXT." + stream + "." + durable
			for subject := wait(t, "it asks", asked); subject != want; subject = wait(t, "it asks at "+want, asked) {
			}
			cancel()
			if err := wait(t, "the end", ended); err != nil {
				t.Error(err)
			}
		})
	}
}
