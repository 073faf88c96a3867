package messages_test

import (
	"testing"

	"github.com/beltline-io/beltline/pkg/messages"
)

func BenchmarkDecodeOrder(b *testing.B) {
	body := golden(b, "order.offer.json")
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := messages.DecodeOrder(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSameContent(b *testing.B) {
	body := golden(b, "order.offer.json")
	other := append([]byte(" "), body...)
	for b.Loop() {
		if !messages.SameContent(body, other) {
			b.Fatal("not the same")
		}
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	body := golden(b, "event.succeeded.json")
	for b.Loop() {
		if _, err := messages.DecodeEvent(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeStanding(b *testing.B) {
	body := golden(b, "event.succeeded.json")
	for b.Loop() {
		if _, err := messages.DecodeStanding(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeEvent(b *testing.B) {
	e, err := messages.DecodeEvent(golden(b, "event.succeeded.json"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := e.MarshalJSON(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCommand(b *testing.B) {
	body := golden(b, "command.json")
	for b.Loop() {
		c, err := messages.DecodeCommand(body)
		if err != nil {
			b.Fatal(err)
		}
		c.Encode()
	}
}

func BenchmarkEvent(b *testing.B) {
	body := golden(b, "event.succeeded.json")
	for b.Loop() {
		e, err := messages.DecodeEvent(body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.MarshalJSON(); err != nil {
			b.Fatal(err)
		}
	}
}
