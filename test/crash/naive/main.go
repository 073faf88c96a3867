// Command naive runs the worker of package hasty, which buys without an intent,
// for the crash rig.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/beltline-io/beltline/test/crash/naive/hasty"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "naive:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	nc, err := nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer nc.Close()
	health, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	go func() { _ = server.Serve(health) }()
	defer func() { _ = server.Close() }()
	fmt.Printf(`{"message":"health and metrics were served","addr":%q}`+"\n", health.Addr())
	return hasty.Run(ctx, nc, os.Getenv("BALANCESTEAM_URL"), os.Getenv("BALANCESTEAM_API_KEY"))
}
