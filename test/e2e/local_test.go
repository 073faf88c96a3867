package e2e_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/programs/programstest"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// local is the same pipeline with its programs inside this process: for what
// concerns a few orders and no process's death.
type local struct {
	t      *testing.T
	server *natstest.Server
	steam  *balancesteamtest.Server
	drop   *gamesdroptest.Server
	up     *upstream
	env    map[string]string // overrides of the settings
	log    *lines            // of all programs
	// dropURL is where the worker finds GamesDrop.
	dropURL string
}

// newLocal starts a server and the shops. env overrides the settings.
func newLocal(t *testing.T, env map[string]string, opts ...gamesdroptest.Option) *local {
	t.Helper()
	l := &local{
		t: t, server: natstest.Start(t, natstest.WithListener()), env: env, log: newLines(),
		steam: balancesteamtest.New(balancesteamtest.WithAPIKey(apiKey)),
		drop:  gamesdroptest.New(append(opts, gamesdroptest.WithToken(token))...),
	}
	t.Cleanup(l.steam.Close)
	t.Cleanup(l.drop.Close)
	l.up, l.dropURL = newUpstream(t, l.server.URL()), l.drop.URL()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the programs' log:\n%s", tail(l.log.text(), 40))
		}
	})
	return l
}

// newPipeline is newLocal with everything running.
func newPipeline(t *testing.T, env map[string]string, opts ...gamesdroptest.Option) *local {
	t.Helper()
	l := newLocal(t, env, opts...)
	l.startAll()
	return l
}

func (l *local) startAll() {
	l.t.Helper()
	l.dispatcher()
	l.steamWorker()
	l.dropWorker()
}

// dispatcher starts the dispatcher, which makes the streams, and follows the events.
func (l *local) dispatcher() {
	l.t.Helper()
	l.run(programs.Dispatcher(), nil)
	l.up.follow()
}

func (l *local) steamWorker() func() {
	return l.run(programs.BalanceSteam(), steamSettings(l.steam.URL()))
}
func (l *local) dropWorker() func() { return l.run(programs.GamesDrop(), dropSettings(l.dropURL)) }

// run starts a program and waits until it is ready. stop drains it, and is
// called at the end of the test if not before.
func (l *local) run(p app.Program, own map[string]string) (stop func()) {
	l.t.Helper()
	env := settings(l.server.URL())
	maps.Copy(env, own)
	for name, value := range l.env {
		// What another program is to be told is unknown to this one only in the file.
		if _, here := env[name]; here || !strings.HasPrefix(name, "GAMESDROP_") && !strings.HasPrefix(name, "BALANCESTEAM_") {
			env[name] = value
		}
	}
	return programstest.Ready(l.t, p, app.Process{Environ: env, Stdout: l.log, Stderr: l.log}).Stop
}

// purchases is what a shop executed for an account.
func (l *local) purchases(account string) []providertest.Entry {
	var found []providertest.Entry
	for _, book := range []*providertest.Book{l.steam.Door().Book, l.drop.Book()} {
		for _, e := range book.Purchases() {
			if e.OrderKey == account {
				found = append(found, e)
			}
		}
	}
	return found
}

// mustHaveBought fails unless a shop executed exactly n requests for an account.
func (l *local) mustHaveBought(account string, n int) {
	l.t.Helper()
	if got := l.purchases(account); len(got) != n {
		l.t.Errorf("%s was bought %d times, not %d: %+v", account, len(got), n, got)
	}
}
