package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/telemetry/export"
)

// lastMoments is what the shell takes, after the work has ended, to flush the
// connection and close the HTTP server.
const lastMoments = 2 * time.Second

var (
	errSignal  = errors.New("asked to stop")
	errDrained = errors.New("time for draining is over")
)

// shell is one run of a program, from its configuration to its exit code.
type shell struct {
	program Program
	proc    Process
	config  *Common
	log     zerolog.Logger
	health  *Health
	loaded  *Loaded
	renewed renewMetrics
	version Version
	reg     *prometheus.Registry
	watcher *watcher
	name    string
}

func newShell(p Program, proc Process, loaded *Loaded) *shell {
	s := &shell{
		program: p, proc: proc, config: p.Config.common(),
		loaded: loaded, health: NewHealth(), version: ReadVersion(), name: newInstance(p.Name),
	}
	s.log = NewLogger(proc.Stderr, s.config.Logging, proc.Terminal).With().
		Str(logkey.Service, p.Name).Str(logkey.Version, s.version.Version).Logger()
	var conn connMetrics
	s.reg, conn = newRegistry(s.version, p, s.health)
	s.renewed = newRenewMetrics(s.reg)
	s.watcher = newWatcher(s.log, conn, s.health.Component("nats"))
	s.health.await()
	logConfig(s.log.With().Str(logkey.Instance, s.name).Logger(), loaded, s.config)
	return s
}

// run starts everything, waits for the end, and returns the exit code.
func (s *shell) run(parent context.Context) int {
	soft, stop := context.WithCancelCause(context.WithoutCancel(parent))
	defer stop(nil)
	hard, cut := context.WithCancelCause(context.WithoutCancel(parent))
	defer cut(nil)

	admin, err := serveAdmin(soft, s.config.HTTP.Addr, s.health, s.reg)
	if err != nil {
		return s.end(err)
	}
	s.log.Info().Str(logkey.Addr, admin.Addr()).Msg("health and metrics were served")
	stopTraces, err := export.Start(soft, export.Options{
		Service: s.program.Name, Version: s.version.Version, Instance: s.name, Environ: s.proc.Environ, Variables: s.loaded.Traces, Log: s.log,
	})
	if err != nil { // no order waits for a trace
		s.log.Error().Err(err).Msg("traces were not turned on; correct the OTEL_ variables")
	}

	go s.renewals(soft)
	finished := make(chan error, 1)
	go func() { finished <- s.work(soft, hard, admin.Addr()) }()

	err, twice := s.wait(parent, finished, stop, cut)
	if twice {
		return ExitSignal
	}
	last, done := context.WithTimeout(context.WithoutCancel(parent), lastMoments)
	defer done()
	stopTraces(last)
	admin.stop(last)
	return s.end(err)
}

// wait follows the work to its end. twice is true when a second signal came:
// then the process is to end now, whatever is still going on.
func (s *shell) wait(parent context.Context, finished <-chan error, stop, cut context.CancelCauseFunc) (err error, twice bool) {
	select {
	case err := <-finished:
		return err, false
	case sig := <-s.proc.Signals:
		s.draining(sig)
	case <-parent.Done():
		s.draining(nil)
	case err := <-s.watcher.lost:
		// The client has closed the connection for good: the work cannot record
		// anything any more, so it gets no time beyond what it needs to notice.
		s.health.drain()
		stop(err)
		cut(err)
		return errors.Join(err, s.abandon(finished)), false
	}
	stop(errSignal)
	deadline := time.NewTimer(s.config.HTTP.DrainTimeout)
	defer deadline.Stop()
	select {
	case err := <-finished:
		return err, false
	case sig := <-s.proc.Signals:
		s.log.Warn().Stringer(logkey.Signal, sig).Msg("second signal, stopped at once")
		return nil, true
	case <-deadline.C:
		cut(errDrained)
		return errors.Join(errDrained, s.abandon(finished)), false
	}
}

// abandon waits a last moment for work that was told to stop at once.
func (s *shell) abandon(finished <-chan error) error {
	last := time.NewTimer(lastMoments)
	defer last.Stop()
	select {
	case err := <-finished:
		return err
	case <-last.C:
		return errors.New("work did not stop")
	}
}

// draining says that the end has begun.
func (s *shell) draining(sig os.Signal) {
	s.health.drain()
	line := s.log.Info().Stringer(logkey.Deadline, s.config.HTTP.DrainTimeout)
	if sig != nil {
		line = line.Stringer(logkey.Signal, sig)
	}
	line.Msg("asked to stop, draining")
}

// work connects, waits for NATS, and runs the program. It returns when the
// connection is flushed and closed.
func (s *shell) work(soft, hard context.Context, addr string) error {
	opts := append(s.watcher.options(), s.proc.NATS...)
	nc, js, err := Connect(s.config.NATS, s.program.Name, opts...)
	if err != nil {
		return err
	}
	defer s.watcher.end(nc)
	select {
	case <-s.watcher.connected:
	case <-soft.Done():
		return nil // asked to stop before there was anything to drain
	}
	err = s.program.Run(soft, &Runtime{
		Name: s.program.Name, Instance: s.name, Version: s.version, Config: s.config,
		Log: s.log.With().Str(logkey.Instance, s.name).Logger(), Conn: nc, JS: js,
		Metrics: s.reg, Health: s.health, HTTPAddr: addr, Hard: hard,
	})
	if errors.Is(err, context.Canceled) && soft.Err() != nil {
		err = nil // the program ended because it was asked to
	}
	return errors.Join(err, flush(nc))
}

// flush makes sure that what was published has left. It is not an error that
// there is no connection to flush: what matters was acknowledged before.
func flush(nc *nats.Conn) error {
	if !nc.IsConnected() {
		return nil
	}
	if err := nc.FlushTimeout(lastMoments); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// end logs how the program ended and returns its code.
func (s *shell) end(err error) int {
	code := exitCode(err)
	if err != nil {
		s.log.Error().Err(err).Int(logkey.Exit, code).Msg("stopped")
		return code
	}
	s.log.Info().Int(logkey.Exit, code).Msg("stopped")
	return code
}
