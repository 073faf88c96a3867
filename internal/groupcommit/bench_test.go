package groupcommit_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/internal/groupcommit"
	"github.com/beltline-io/beltline/internal/natstest"
)

// What writers store at once, each alone or all together. The table of decision
// 0012 is of this: messages a second are 10⁹ by ns/op.
func BenchmarkPublish(b *testing.B) {
	body := string(make([]byte, 1400))
	for _, sync := range []string{"always", "default"} {
		var options []natstest.Option
		if sync == "always" {
			options = append(options, natstest.SyncAlways())
		}
		for _, way := range []string{"alone", "together"} {
			for _, writers := range []int{1, 4, 16, 32, 64, 128} {
				b.Run(fmt.Sprintf("%s/%s/%d", sync, way, writers), func(b *testing.B) {
					js := natstest.Start(b, append(options, natstest.WithListener())...).JS(b)
					natstest.CreateStream(b, js, stream(true))
					send := func(ctx context.Context, m *nats.Msg, order int) error {
						_, err := js.Conn().RequestMsgWithContext(ctx, m)
						return err
					}
					if way == "together" {
						c := groupcommit.New(js.Conn(), nil)
						c.Eager()
						send = func(ctx context.Context, m *nats.Msg, order int) error {
							_, err := c.Publish(ctx, m, key(order), patience)
							return err
						}
					}
					var next atomic.Int64
					b.SetParallelism(max(writers/runtime.GOMAXPROCS(0), 1)) // it counts for each processor
					b.ResetTimer()
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							order := int(next.Add(1))
							if err := send(b.Context(), event(order, body), order); err != nil {
								b.Error(err)
								return
							}
						}
					})
				})
			}
		}
	}
}
