package pull_test

import (
	"context"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/pull"
)

// deep uses as much stack as a command's way to its provider and back does, and
// waits at the bottom of it, as for an answer.
func deep(n int, answer func()) byte {
	var frame [512]byte
	if n == 0 {
		answer()
		return frame[0]
	}
	frame[n] = deep(n-1, answer)
	return frame[n] + frame[0]
}

// Each message is handled on a stack of some 14 KB, and waits once.
func BenchmarkLine(b *testing.B) {
	const atOnce = 64
	line := pull.NewLine(new(pull.Hand), atOnce)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	answers := make(chan chan struct{}, atOnce)
	go func() {
		for reply := range answers {
			close(reply)
		}
	}()
	room := make(chan struct{}, 2*atOnce)
	var all sync.WaitGroup
	b.ReportAllocs()
	for b.Loop() {
		room <- struct{}{}
		all.Add(1)
		line.Join(ctx, new(delivery), func(jetstream.Msg) {
			deep(25, func() {
				reply := make(chan struct{})
				answers <- reply
				<-reply
			})
			<-room
			all.Done()
		})
	}
	all.Wait()
	close(answers)
}
