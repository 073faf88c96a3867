package providerhttp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
)

// pipe returns an end whose other end reads everything, so that a write that
// should have been refused fails the test instead of hanging it.
func pipe(t *testing.T) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near
}

func yes() error { return nil }

func mustRefuse(t *testing.T, c net.Conn, when string) {
	t.Helper()
	if n, err := c.Write([]byte("GET")); n != 0 || err == nil {
		t.Errorf("wrote %d bytes, %v, %s", n, err, when)
	}
}

func TestExchange_AWriteThatComesLateIsRefused(t *testing.T) {
	t.Parallel()
	x := providerhttp.NewExchange(t.Context(), yes)
	c := x.Attach(pipe(t))
	if sent, _ := x.Conclude(); sent {
		t.Fatal("sent before any write")
	}
	mustRefuse(t, c, "after the caller was told not_sent")
}

func TestExchange_WhatIsLeftOfASentRequestIsRefusedAfterItsEnd(t *testing.T) {
	t.Parallel()
	x := providerhttp.NewExchange(t.Context(), yes)
	c := x.Attach(pipe(t))
	for range 2 {
		if _, err := c.Write([]byte("GET")); err != nil {
			t.Fatal(err)
		}
	}
	if sent, refused := x.Conclude(); !sent || refused != nil {
		t.Errorf("sent %v, refused %v", sent, refused)
	}
	mustRefuse(t, c, "after the end")
}

func TestExchange_ASecondConnectionIsRefused(t *testing.T) {
	t.Parallel()
	x := providerhttp.NewExchange(t.Context(), yes)
	if _, err := x.Attach(pipe(t)).Write([]byte("GET")); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, x.Attach(pipe(t)), "on a second connection")
	if sent, _ := x.Conclude(); !sent {
		t.Error("the first write is forgotten")
	}
}

func TestExchange_ARefusalStays(t *testing.T) {
	t.Parallel()
	asked := 0
	x := providerhttp.NewExchange(t.Context(), func() error {
		if asked++; asked == 1 {
			return errors.New("no")
		}
		return nil
	})
	mustRefuse(t, x.Attach(pipe(t)), "against the guard")
	mustRefuse(t, x.Attach(pipe(t)), "although the guard had refused")
	if sent, refused := x.Conclude(); sent || refused == nil {
		t.Errorf("sent %v, refused %v", sent, refused)
	}
}

func TestExchange_NothingIsBegunAfterTheContextHasEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	x := providerhttp.NewExchange(ctx, yes)
	c := x.Attach(pipe(t))
	cancel()
	mustRefuse(t, c, "after the context had ended")
	if sent, refused := x.Conclude(); sent || !errors.Is(refused, context.Canceled) {
		t.Errorf("sent %v, refused %v", sent, refused)
	}
}

func TestExchange_AConnectionOfNobodyIsSilent(t *testing.T) {
	t.Parallel()
	mustRefuse(t, providerhttp.Unattached(pipe(t)), "for no request")
}
