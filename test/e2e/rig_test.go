package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// Secrets of the rig: they must appear in no log.
const (
	apiKey = "canary-apikey-5c1e07"
	token  = "canary-token-93ab44"
)

// rig is the whole of Beltline in processes of its own.
type rig struct {
	t      *testing.T
	server *natsServer
	steam  *balancesteamtest.Server
	drop   *gamesdroptest.Server
	up     *upstream
	procs  []*process // of Beltline
}

// settings are the variables of contract.md part 6 that every program is given
// alike. The times keep the order of production at a fraction of its length.
func settings(natsURL string) map[string]string {
	return map[string]string{
		"NATS_URL": natsURL, "LOG_LEVEL": "info", "LOG_FORMAT": "json",
		"BALANCESTEAM_RATE_LIMIT": "100000/1s", "GAMESDROP_RATE_LIMIT": "100000/1s",
		"BALANCESTEAM_TIMEOUT": "2s", "GAMESDROP_TIMEOUT": "2s", "LEASE": "3s", "ACK_WAIT": "5s",
		"POLL_FIRST": "100ms", "POLL_MAX": "1s", "ABSENCE_WAIT": "15s", "HOLD_DOWN": "30s", "BLOCKED_MAX": "1m",
		"EVENTS_MAX_BYTES": "256MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
	}
}

// steamSettings are the variables of the worker for BalanceSteam.
func steamSettings(url string) map[string]string {
	return map[string]string{"BALANCESTEAM_URL": url, "BALANCESTEAM_API_KEY": apiKey}
}

// dropSettings are the variables of the worker for GamesDrop.
func dropSettings(url string) map[string]string {
	return map[string]string{
		"GAMESDROP_URL": url, "GAMESDROP_TELEGRAM_URL": url + gamesdroptest.TelegramPath, "GAMESDROP_TOKEN": token,
	}
}

// newRig starts nats-server and the shops, but no program of ours.
func newRig(t *testing.T, seed uint64) *rig {
	t.Helper()
	r := &rig{
		t: t, server: newNATSServer(t),
		steam: balancesteamtest.New(balancesteamtest.WithAPIKey(apiKey), balancesteamtest.WithBalance("1000000000"),
			balancesteamtest.WithFaults(providertest.NewFaults(seed))),
		drop: gamesdroptest.New(gamesdroptest.WithToken(token), gamesdroptest.WithFaults(providertest.NewFaults(seed+1))),
	}
	t.Cleanup(r.steam.Close)
	t.Cleanup(r.drop.Close)
	r.drop.SetBalance("1000000000")
	r.up = newUpstream(t, r.server.url())
	t.Cleanup(r.keepLogs)
	return r
}

// add prepares a replica of a program; it is not started.
func (r *rig) add(name string, own map[string]string) *process {
	r.t.Helper()
	env := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.t.TempDir(), "GOMAXPROCS=1"},
		assignments(settings(r.server.url()), own)...)
	p := &process{
		t: r.t, name: fmt.Sprintf("%s-%d", name, len(r.procs)), path: program(r.t, name), env: env, log: newLines(),
	}
	r.procs = append(r.procs, p)
	return p
}

func assignments(sets ...map[string]string) []string {
	var env []string
	for _, set := range sets {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			env = append(env, name+"="+set[name])
		}
	}
	return env
}

// startAll starts two replicas of everything at once, in any order, and waits
// until all of it does its work.
func (r *rig) startAll() {
	r.t.Helper()
	for range 2 {
		r.add(dispatcherProgram, nil)
		r.add(steamProgram, steamSettings(r.steam.URL()))
		r.add(dropProgram, dropSettings(r.drop.URL()))
	}
	for _, p := range slices.Backward(r.procs) {
		p.start() // the workers first: they wait for the streams
	}
	for _, p := range r.procs {
		p.awaitReady()
	}
	r.up.follow()
}

// stopAll asks everything to end. All are asked first and waited for then.
func (r *rig) stopAll() {
	r.t.Helper()
	for _, p := range r.procs {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range r.procs {
		p.awaitDrained()
	}
}

// faultKinds is what goes wrong at random: lost requests and answers, answers
// that cannot be read, errors of the server, and "too many".
func faultKinds() []providertest.Fault {
	return []providertest.Fault{
		{Kind: providertest.TimeoutBeforeCommit}, {Kind: providertest.TimeoutAfterCommit},
		{Kind: providertest.ResetBeforeCommit}, {Kind: providertest.ResetAfterCommit},
		{Kind: providertest.Truncated}, {Kind: providertest.HTML}, {Kind: providertest.Empty},
		{Kind: providertest.WrongTypes}, {Kind: providertest.DuplicateKeys},
		providertest.Status(502), providertest.Status(503).AfterCommit(), {Kind: providertest.StatusWithBody, Status: 500},
		providertest.Redirect(307), providertest.TooMany(0),
	}
}

// spoil makes that share of all requests go wrong.
func (r *rig) spoil(percent int) {
	for _, f := range []*providertest.Faults{r.steam.Door().Faults, r.drop.Faults()} {
		f.Percent(providertest.Any, percent, faultKinds()...)
	}
}

// keepLogs leaves the logs of a failed test where they can be read.
func (r *rig) keepLogs() {
	if !r.t.Failed() {
		return
	}
	dir, err := os.MkdirTemp("", "beltline-e2e-failed-")
	if err != nil {
		r.t.Log(err)
		return
	}
	for _, p := range append(r.procs, r.server.process) {
		if err := os.WriteFile(filepath.Join(dir, p.name+".log"), []byte(p.log.text()), 0o600); err != nil {
			r.t.Log(err)
		}
	}
	r.t.Logf("the logs of all processes are in %s", dir)
}

// checkLogs holds the logs against what must never be in them.
func (r *rig) checkLogs() {
	r.t.Helper()
	secrets := append(r.drop.Keys(), apiKey, token)
	for _, p := range r.procs {
		text := p.log.text()
		for _, s := range secrets {
			if strings.Contains(text, s) {
				r.t.Errorf("%s logged a secret or a code: %s", p.name, s)
			}
		}
		for _, word := range []string{`"panic`, "DATA RACE"} {
			if strings.Contains(text, word) {
				r.t.Errorf("%s: %s in the log\n%s", p.name, word, tail(text, 20))
			}
		}
	}
}
