package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/beltline-io/beltline/cmd/beltline/internal/fleet"
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/messages"
)

const upHelp = "Run everything in one process against the real providers: NATS, the dispatcher, and a worker for each provider that has credentials. " +
	"All settings of the dispatcher and the workers are taken from the environment, or from the file of BELTLINE_CONFIG: " +
	"SKINSBACK_CLIENT_ID, EXCHANGER_URL, and BALANCESTEAM_API_KEY, GAMESDROP_TOKEN, SKINSBACK_CLIENT_SECRET, EXCHANGER_API_LOGIN, EXCHANGER_API_KEY " +
	"(or with _FILE the files that hold them), and everything that `dispatcher --help` and `worker-gamesdrop --help` list. " +
	"A provider without credentials is not started. SIGTERM drains the workers, then the dispatcher, then the server. " +
	"Exit codes: 0 stopped by a signal, 1 failed, 2 wrong settings, 130 a second signal."

// upCommand is `up`.
type upCommand struct {
	ConfigFile string           `name:"config" env:"BELTLINE_CONFIG" placeholder:"PATH" help:"YAML file with settings of all programs."`
	Version    kong.VersionFlag `name:"version" help:"Show the version and exit."`
	StoreDir   string           `name:"store-dir" default:"./.beltline" help:"Where NATS keeps its streams. They are the orders' only memory: keep it."`
	Listen     string           `name:"listen" default:"127.0.0.1:4222" help:"Where NATS listens: a loopback address, since it asks for no password; port 0 takes a free one."`
	Logging    app.Logging      `embed:""`
}

// Check applies the rules of the command.
func (c *upCommand) Check(f *app.Faults) {
	if err := fleet.CheckAddress(c.Listen); err != nil {
		f.Add("--listen", "%s", err)
	}
	if c.StoreDir == "" {
		f.Add("--store-dir", "must not be empty")
	}
}

// credentials name the setting without which a provider cannot be asked.
var credentials = map[messages.Provider]string{
	messages.BalanceSteam: "BALANCESTEAM_API_KEY", messages.GamesDrop: "GAMESDROP_TOKEN",
	messages.SkinsBack: "SKINSBACK_CLIENT_SECRET", messages.Exchanger: "EXCHANGER_API_KEY",
}

func (c *upCommand) run(ctx context.Context, s *session) int {
	environ := c.environ(s.Environ)
	started, without, faults := choose(environ)
	for _, p := range without {
		s.say("%s is not started: no %s (or %s_FILE)", p.Name, credentials[p.Provider], credentials[p.Provider])
	}
	for _, f := range faults {
		s.say("beltline up: %s", f)
	}
	switch {
	case len(faults) > 0:
		return app.ExitConfig
	case len(started) == 0:
		s.say("beltline up: no provider has credentials; `beltline demo` needs none")
		return app.ExitConfig
	}
	logs := fleet.NewLines(s.Stderr)
	server, err := fleet.StartServer(fleet.ServerOptions{
		StoreDir: c.StoreDir, Address: c.Listen, Log: app.NewLogger(logs, c.Logging, s.Terminal),
	})
	if err != nil {
		return s.failed(err)
	}
	defer server.Stop()
	u := &upRun{session: s, environ: environ, url: server.URL(), logs: logs}
	return u.run(ctx, started)
}

// environ is what the programs are told: what this process was told, without
// what only one program of a process could use.
func (c *upCommand) environ(own map[string]string) map[string]string {
	environ := maps.Clone(own)
	if environ == nil {
		environ = map[string]string{}
	}
	environ["BELTLINE_CONFIG"] = c.ConfigFile
	environ["LOG_LEVEL"], environ["LOG_FORMAT"] = c.Logging.Level, c.Logging.Format
	environ["NATS_URL"], environ["NATS_CREDS"], environ["NATS_CONTEXT"] = "", "", ""
	// Several programs cannot share a port: each takes a free one on the host.
	host, _, err := net.SplitHostPort(environ["HTTP_ADDR"])
	if err != nil {
		host = "127.0.0.1"
	}
	environ["HTTP_ADDR"] = net.JoinHostPort(host, "0")
	return environ
}

// choose finds the workers that can run, and everything that is wrong with the
// settings of those that are to run.
func choose(environ map[string]string) (started []int, without []app.Program, faults []app.Fault) {
	check := func(p app.Program) *app.ConfigError {
		_, err := app.Load(p.Config, app.Input{Name: p.Name, Provider: p.Provider, Environ: environ, Stdout: io.Discard, Stderr: io.Discard})
		var config *app.ConfigError
		if err != nil && !errors.As(err, &config) {
			config = app.Misconfigured("", "%s: %s", p.Name, err)
		}
		return config
	}
	seen := map[app.Fault]bool{}
	add := func(config *app.ConfigError) {
		for _, f := range config.Faults {
			if !seen[f] {
				seen[f] = true
				faults = append(faults, f)
			}
		}
	}
	if config := check(programs.Dispatcher()); config != nil {
		add(config)
	}
	for i, p := range programs.Workers() {
		config := check(p)
		switch {
		case config == nil:
			started = append(started, i)
		case lacks(config, credentials[p.Provider]):
			without = append(without, p)
		default:
			add(config)
		}
	}
	return started, without, faults
}

// lacks reports whether the credentials are simply not there. Credentials that
// are there and cannot be read are a fault.
func lacks(config *app.ConfigError, name string) bool {
	for _, f := range config.Faults {
		if f.Name == name && strings.HasPrefix(f.Text, "is required") {
			return true
		}
	}
	return false
}

// upRun is everything that runs.
type upRun struct {
	*session
	environ map[string]string
	url     string
	logs    io.Writer
}

func (u *upRun) start(ctx context.Context, p app.Program) *fleet.Member {
	return fleet.Start(ctx, p, app.Process{
		// As a flag it wins over every file.
		Args: []string{"--nats-url=" + u.url}, Environ: u.environ, Stderr: u.logs, Terminal: u.Terminal,
	})
}

// run starts dispatcher and workers, waits for a signal or for one of them to
// fail, and stops them in order.
func (u *upRun) run(ctx context.Context, started []int) int {
	dispatcher := u.start(ctx, programs.Dispatcher())
	running := []*fleet.Member{dispatcher}
	err := dispatcher.Ready(ctx)
	for _, i := range started {
		if err == nil {
			running = append(running, u.start(ctx, programs.Workers()[i]))
		}
	}
	for _, m := range running[1:] {
		if err == nil {
			err = m.Ready(ctx)
		}
	}
	if err == nil {
		u.say("beltline is up: NATS at %s", u.url)
		for _, m := range running {
			u.say("  %-22s http://%s/metrics", m.Name(), m.Address())
		}
		err = firstEnd(ctx, running)
	}
	code := app.ExitOK
	for i := len(running) - 1; i >= 0; i-- {
		code = cmp.Or(code, running[i].Stop())
	}
	if err != nil && ctx.Err() == nil {
		u.say("beltline up: %s; everything was stopped", err)
		return cmp.Or(code, app.ExitFailure)
	}
	return code
}

// firstEnd waits for the signal, or for a program that ends by itself.
func firstEnd(ctx context.Context, running []*fleet.Member) error {
	ended := make(chan string, len(running))
	for _, m := range running {
		go func() {
			<-m.Ended()
			ended <- m.Name()
		}()
	}
	select {
	case <-ctx.Done():
		return nil
	case name := <-ended:
		return errors.New(name + " ended by itself")
	}
}
