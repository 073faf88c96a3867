package app

import (
	"context"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/beltline-io/beltline/internal/logkey"
	"github.com/beltline-io/beltline/internal/secret"
)

// renewMetrics say how reading the secrets again went.
type renewMetrics struct {
	good prometheus.Gauge // 1, or 0 while what was read last could not be used
	at   prometheus.Gauge // seconds since 1970, of the last that was used
}

func newRenewMetrics(reg prometheus.Registerer) renewMetrics {
	m := renewMetrics{
		good: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "beltline_secrets_reload_successful", Help: "0 when the secrets were read again and could not be used; those from before stay in use.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "beltline_secrets_reload_timestamp_seconds", Help: "When the secrets in use were read.",
		}),
	}
	m.good.Set(1)
	m.at.SetToCurrentTime()
	reg.MustRegister(m.good, m.at)
	return m
}

// renewals reads the secrets again each time that the process is asked to, until
// ctx ends.
func (s *shell) renewals(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-s.proc.Reload:
			if !open {
				return
			}
			s.renew()
		}
	}
}

// renew reads the whole configuration again, as at a start, and takes over the
// secrets, all at one instant. Where anything is wrong with it nothing changes:
// half of two configurations is neither, and one that would not start must not
// come to light only at the next restart. Other settings than secrets belong to
// streams, listeners and connections that exist; that they differ is said.
func (s *shell) renew() {
	log := s.log.With().Str(logkey.Instance, s.name).Logger()
	if s.program.Anew == nil {
		log.Warn().Msg("this program has no secrets to read again")
		return
	}
	fresh, err := s.program.Anew().Load(Input{Args: s.proc.Args, Environ: s.proc.Environ, Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		s.renewed.good.Set(0)
		log.Error().Err(err).Msg("secrets were read again and cannot be used; those from before stay in use")
		return
	}
	var changes []secret.Change
	var changed, others []string
	for _, name := range slices.Sorted(maps.Keys(fresh.Effective)) {
		was, now := s.loaded.Secrets[name], fresh.Secrets[name]
		switch {
		case s.loaded.Effective[name] != fresh.Effective[name]: // also a secret that came or went
			others = append(others, name)
		case !now.Empty() && !now.Equal(was):
			changed = append(changed, name)
			changes = append(changes, secret.Change{Of: was, By: now})
		}
	}
	secret.Replace(time.Now(), changes...)
	s.renewed.good.Set(1)
	s.renewed.at.SetToCurrentTime()
	log.Info().Strs(logkey.Changed, changed).Msg("secrets were read again")
	if len(others) > 0 {
		log.Warn().Strs(logkey.Settings, others).Msg("settings differ from those in use; a restart takes them over")
	}
}
