package main_test

import (
	"context"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/beltline-io/beltline/cmd/beltline/internal/upstream"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/queue"
	"github.com/beltline-io/beltline/pkg/messages"
)

// jetStream is that of the server of a script.
func jetStream(ts *testscript.TestScript) jetstream.JetStream {
	c, err := upstream.Connect(app.NATS{URL: app.NewServers(ts.Getenv("NATS_URL"))})
	ts.Check(err)
	ts.Defer(c.Close)
	return c.JS
}

// bury puts a dead letter into the stream, as a worker would: SUBJECT REASON
// ORIGIN ORDER FILE. The file's \e are escapes.
func bury(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	body, err := os.ReadFile(ts.MkAbs(args[4]))
	ts.Check(err)
	body = escaped(body)
	ts.Check(queue.New(jetStream(ts)).Bury(ctx, args[0], body, messages.Reason(args[1]), "it was \u202eturned round", args[2], args[3]))
}

// escaped makes of \e in a script's file what it stands for: a file in the
// repository is not to hold the sign itself.
func escaped(body []byte) []byte {
	var out []byte
	for i := 0; i < len(body); i++ {
		if body[i] == '\\' && i+1 < len(body) && body[i+1] == 'e' {
			out = append(out, 0x1b)
			i++
			continue
		}
		out = append(out, body[i])
	}
	return out
}

// publish publishes a file: SUBJECT FILE.
func publish(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	body, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	m := nats.NewMsg(args[0])
	m.Data = body
	_, err = jetStream(ts).PublishMsg(ctx, m)
	ts.Check(err)
}

// settled waits until no request and no command waits any more, timers excepted.
func settled(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	js := jetStream(ts)
	for _, q := range []struct{ stream, subjects string }{{messages.StreamOrders, "orders.>"}, {messages.StreamCommands, "commands.>"}} {
		stream, err := js.Stream(ctx, q.stream)
		ts.Check(err)
		for {
			info, err := stream.Info(ctx, jetstream.WithSubjectFilter(q.subjects))
			ts.Check(err)
			if len(info.State.Subjects) == 0 {
				break
			}
		}
	}
}
