package app

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Runtime is what the shell gives to a program.
type Runtime struct {
	Name     string // the program
	Instance string // this run of it, for the ledger's owner field
	Version  Version
	Config   *Common
	Log      zerolog.Logger
	Conn     *nats.Conn
	JS       jetstream.JetStream
	Metrics  *prometheus.Registry
	Health   *Health
	HTTPAddr string // where health and metrics are served
	// PermitAge is how old a permit may grow before it is used; 0 is what the
	// provider's limit can bear, and more is for tests that have no such limit.
	PermitAge time.Duration
	// Hard ends when the time for draining is over. Work in flight may use it
	// after the context of Run has ended; nothing new may be begun by then.
	Hard context.Context // it outlives the call on purpose
}
