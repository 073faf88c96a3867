package topology

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
)

// The variables that an operator is told to change.
const (
	envEvents   = "EVENTS_MAX_BYTES"
	envOrders   = "ORDERS_MAX_BYTES"
	envDLQ      = "DLQ_MAX_BYTES"
	envReplicas = "NATS_REPLICAS"
)

// The first server that has message schedules.
const (
	leastMajor = 2
	leastMinor = 12
)

// Errors of the server that nats.go has no name for.
const (
	codeAccountResources jetstream.ErrorCode = 10002
	codeNoPeers          jetstream.ErrorCode = 10005
	codeNotAssigned      jetstream.ErrorCode = 10007
	codeNotAvailable     jetstream.ErrorCode = 10008
	codeNotLeader        jetstream.ErrorCode = 10009
	codeResources        jetstream.ErrorCode = 10023
	codeStorage          jetstream.ErrorCode = 10047
	codeInvalidConfig    jetstream.ErrorCode = 10052
	codeOverlap          jetstream.ErrorCode = 10065
	codeNoReplicas       jetstream.ErrorCode = 10074
	codeOffline          jetstream.ErrorCode = 10118
	codeTooMany          jetstream.ErrorCode = 10167
)

func codeOf(err error) jetstream.ErrorCode {
	var js jetstream.JetStreamError
	if errors.As(err, &js) && js.APIError() != nil {
		return js.APIError().ErrorCode
	}
	return 0
}

// transient reports whether the same request may succeed a moment later. A
// cluster that has just started knows neither its peers nor its leaders.
func transient(err error) bool {
	switch codeOf(err) {
	case codeNoPeers, codeNotAssigned, codeNotAvailable, codeNotLeader, codeOffline, codeTooMany:
		return true
	case 0:
		return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout) ||
			errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, context.DeadlineExceeded) ||
			errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrConnectionReconnecting)
	default:
		return false
	}
}

// explain adds what to do about an error, where there is something to do.
func explain(err error, stream string) error {
	if advice := adviceFor(err, stream); advice != "" {
		return fmt.Errorf("%w: %s", err, advice)
	}
	return err
}

func adviceFor(err error, stream string) string {
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return `start the server with JetStream (nats-server -js, or "jetstream {}" in its configuration)`
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return `enable JetStream for the account ("jetstream: enabled"), or connect with the credentials of the account that has it`
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return "the server did not answer: is there a JetStream leader, and may this user call $JS.API.>?"
	}
	switch codeOf(err) {
	case codeStorage, codeResources, codeAccountResources:
		return storageAdvice(stream)
	case codeNoReplicas:
		return "a single server keeps one copy: set " + envReplicas + "=1, or connect to a cluster"
	case codeNoPeers:
		return "set " + envReplicas + " to at most the number of servers with JetStream; if they are enough, " + storageAdvice(stream)
	case codeOverlap:
		return "another stream of this account listens on the same subjects; delete or change it, or use an account of its own"
	case codeInvalidConfig:
		return "a stream of this name exists and cannot be changed into what Beltline needs; see `nats stream info " + stream + "`"
	default:
		return ""
	}
}

// storageAdvice names the variable to lower. The server reserves max_bytes
// (times the replicas) when a stream is made, however empty it is.
func storageAdvice(stream string) string {
	which := map[string]string{
		messages.StreamEvents: envEvents,
		messages.StreamOrders: envOrders,
		messages.StreamDLQ:    envDLQ,
	}[stream]
	if which == "" {
		which = strings.Join([]string{envEvents, envOrders, envDLQ}, ", ")
	}
	return "the server reserves max_bytes for each replica: lower " + which + ", or raise the server's max_file_store"
}

// checkVersion refuses a server without message schedules. Such a server would
// create COMMANDS without them and keep every timer as a plain message for ever.
func checkVersion(version string) error {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return nil // a version nobody can read; the created stream is looked at instead
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err != nil || err2 != nil {
		return nil
	}
	if major < leastMajor || major == leastMajor && minor < leastMinor {
		return fmt.Errorf("%w: nats-server %s has no message schedules: upgrade it to %d.%d or later",
			ErrServerTooOld, version, leastMajor, leastMinor)
	}
	return nil
}
