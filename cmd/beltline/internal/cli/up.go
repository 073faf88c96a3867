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
)

const upHelp = "Run everything in one process against the real providers: NATS, the dispatcher, and a worker for each provider that has credentials.\n\n" +
	"All settings of the dispatcher and the workers are taken from the environment, or from the file of BELTLINE_CONFIG: " +
	"BALANCESTEAM_API_KEY for BalanceSteam; SKINSBACK_CLIENT_ID and SKINSBACK_CLIENT_SECRET for SkinsBack; GAMESDROP_TOKEN for GamesDrop; " +
	"EXCHANGER_URL, EXCHANGER_API_LOGIN and EXCHANGER_API_KEY for an exchanger " +
	"(all but the id and the URL also with _FILE, the files that hold them); and everything that `dispatcher --help` and `worker-gamesdrop --help` list. " +
	"A provider without credentials is not started; one with a part of them is a fault.\n\n" +
	"SkinsBack and the exchanger can call back: WEBHOOK_ADDR, WEBHOOK_PUBLIC_URL and WEBHOOK_SECRET. Two workers of one process cannot share an address: " +
	"where both run, give one its own with SKINSBACK_WEBHOOK_ADDR and SKINSBACK_WEBHOOK_PUBLIC_URL or the same for EXCHANGER_, by flag, environment or file.\n\n" +
	"SIGTERM drains the workers, then the dispatcher, then the server.\n\n" +
	"Exit codes: 0 stopped by a signal, 1 failed, 2 wrong settings, 130 a second signal.\n\n" +
	"Examples:\n\n" +
	"  GAMESDROP_TOKEN_FILE=token beltline up\n" +
	"  BELTLINE_CONFIG=beltline.yaml beltline up --store-dir /var/lib/beltline"

// upCommand is `up`.
type upCommand struct {
	ConfigFile string           `name:"config" env:"BELTLINE_CONFIG" placeholder:"PATH" help:"YAML file with settings of all programs."`
	Version    kong.VersionFlag `name:"version" help:"Show the version and exit."`
	StoreDir   string           `name:"store-dir" default:"./.beltline" help:"Where NATS keeps its streams. They are the orders' only memory: keep it."`
	Listen     string           `name:"listen" default:"127.0.0.1:4222" help:"Where NATS listens: a loopback address, since it asks for no password; port 0 takes a free one."`
	Doors      app.Doors        `embed:""`
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

func (c *upCommand) run(ctx context.Context, s *session) int {
	shared := c.environ(s.Environ)
	environ := func(p app.Program) map[string]string { return ownDoor(c.Doors, p.Provider, shared) }
	chosen := choose(environ)
	for _, p := range chosen.without {
		s.say("%s is not started: no %s", p.Name, strings.Join(credentials[p.Provider], ", "))
	}
	for _, f := range chosen.faults {
		s.say("beltline up: %s", f)
	}
	switch {
	case len(chosen.faults) > 0:
		return app.ExitConfig
	case len(chosen.started) == 0:
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
	return u.run(ctx, chosen.started)
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
	// A server of its own, whatever a file says; where it is, is told when it runs.
	environ["NATS_URL"], environ["NATS_CREDS"], environ["NATS_CONTEXT"] = "nats://127.0.0.1:4222", "", ""
	// Several programs cannot share a port: each takes a free one on the host.
	host, _, err := net.SplitHostPort(environ["HTTP_ADDR"])
	if err != nil {
		host = "127.0.0.1"
	}
	environ["HTTP_ADDR"] = net.JoinHostPort(host, "0")
	return environ
}

// upRun is everything that runs.
type upRun struct {
	*session
	environ func(app.Program) map[string]string
	url     string
	logs    io.Writer
}

func (u *upRun) start(ctx context.Context, p app.Program) *fleet.Member {
	return fleet.Start(ctx, p, app.Process{
		// As a flag it wins over every file.
		Args: []string{"--nats-url=" + u.url}, Environ: u.environ(p), Stderr: u.logs, Terminal: u.Terminal,
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
