package app

import (
	"io"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/logkey"
)

// NewLogger returns a logger that writes one line for each entry: JSON, or text
// for people where that was asked for or w is a terminal. Times are RFC 3339 in
// UTC.
func NewLogger(w io.Writer, l Logging, terminal bool) zerolog.Logger {
	if l.Format == "console" || (l.Format == "" && terminal) {
		w = zerolog.ConsoleWriter{Out: w, NoColor: !terminal, TimeFormat: time.TimeOnly, TimeLocation: time.UTC}
	}
	level, err := zerolog.ParseLevel(l.Level)
	if err != nil || l.Level == "" {
		level = zerolog.InfoLevel
	}
	return zerolog.New(zerolog.SyncWriter(w)).Level(level).Hook(stamp{})
}

// stamp gives every line its time. zerolog's own timestamp has the format of a
// variable of its package, which two programs in one process would share.
type stamp struct{}

// Run implements zerolog.Hook.
func (stamp) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	e.Str(zerolog.TimestampFieldName, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00"))
}

// logConfig writes the effective configuration, with secrets hidden.
func logConfig(log zerolog.Logger, loaded *Loaded, c *Common) {
	config, sources, times := zerolog.Dict(), zerolog.Dict(), zerolog.Dict()
	for _, name := range slices.Sorted(maps.Keys(loaded.Effective)) {
		config.Str(name, loaded.Effective[name])
		if s := loaded.Sources[name]; s > FromDefault {
			sources.Stringer(name, s)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(c.settings)) {
		s := c.settings[p]
		times.Dict(string(p), zerolog.Dict().
			Stringer("timeout", s.Timeout).Stringer("lease", s.Lease).Stringer("ack_wait", s.AckWait))
	}
	log.Info().Dict(logkey.Config, config).Dict(logkey.Source, sources).Dict(logkey.Deadlines, times).
		Msg("configuration was read")
}
