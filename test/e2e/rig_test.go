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
	"time"

	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// Secrets of the rig: they must appear in no log.
const (
	apiKey      = "canary-apikey-5c1e07"
	token       = "canary-token-93ab44"
	exchangeKey = "canary-exchange-b20c95"
	hookSecret  = "canary-hooks-7f31da5c90"
)

// rig is the whole of Beltline in processes of its own, with all four shops in
// this one.
type rig struct {
	t      *testing.T
	server *natsServer
	steam  *balancesteamtest.Server
	drop   *gamesdroptest.Server
	skins  *skinsbacktest.Server
	site   *exchangertest.Server
	up     *upstream
	procs  []*process // of Beltline
	// skinsFront and siteFront are where the shops call back.
	skinsFront, siteFront *front
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

// skinsSettings are the variables of the worker for SkinsBack.
func skinsSettings(url string) map[string]string {
	return map[string]string{"SKINSBACK_URL": url, "SKINSBACK_CLIENT_ID": "77", "SKINSBACK_CLIENT_SECRET": skinsSecret}
}

// exchangeSettings are the variables of the worker for the exchanger.
func exchangeSettings(url string) map[string]string {
	return map[string]string{
		"EXCHANGER_URL": url, "EXCHANGER_API_LOGIN": exchangertest.Login, "EXCHANGER_API_KEY": exchangeKey, "EXCHANGER_LANG": "en_US",
	}
}

// hooked adds a door for callbacks, on a port of the process's own choice.
func hooked(own map[string]string, f *front) map[string]string {
	own["WEBHOOK_ADDR"], own["WEBHOOK_PUBLIC_URL"], own["WEBHOOK_SECRET"] = "127.0.0.1:0", f.url(), hookSecret
	return own
}

// lease is how long an intent belongs to the worker that wrote it.
const lease = 5 * time.Second

// bidStep is how long the exchanger's bids stay in a status that time ends.
const bidStep = 150 * time.Millisecond

// newRig starts nats-server and the shops, but no program of ours.
func newRig(t *testing.T, seed uint64, opts ...skinsbacktest.Option) *rig {
	t.Helper()
	r := &rig{
		t: t, server: newNATSServer(t),
		skinsFront: newFront(t, seed, skinsLie), siteFront: newFront(t, seed+1, exchangeLie),
		skins: skinsbacktest.New(append(opts, skinsbacktest.WithCredentials("77", skinsSecret), skinsbacktest.WithMultiplier("1.1"),
			skinsbacktest.WithFaults(providertest.NewFaults(seed+2)))...),
		site: exchangertest.New(exchangertest.WithCredentials(exchangertest.Login, exchangeKey), exchangertest.WithStepEvery(bidStep),
			exchangertest.WithFaults(providertest.NewFaults(seed+3))),
		steam: balancesteamtest.New(balancesteamtest.WithAPIKey(apiKey), balancesteamtest.WithBalance("1000000000"),
			balancesteamtest.WithFaults(providertest.NewFaults(seed))),
		drop: gamesdroptest.New(gamesdroptest.WithToken(token), gamesdroptest.WithFaults(providertest.NewFaults(seed+1))),
	}
	t.Cleanup(r.steam.Close)
	t.Cleanup(r.drop.Close)
	t.Cleanup(r.skins.Close)
	t.Cleanup(r.site.Close)
	r.drop.SetBalance("1000000000")
	r.up = newUpstream(t, r.server.url())
	t.Cleanup(r.keepLogs)
	return r
}

// add prepares a replica of a program; it is not started.
func (r *rig) add(name string, own map[string]string) *process {
	r.t.Helper()
	all := settings(r.server.url())
	maps.Copy(all, map[string]string{
		"SKINSBACK_RATE_LIMIT": "100000/1s", "EXCHANGER_RATE_LIMIT": "100000/1s", "SKINSBACK_TIMEOUT": "2s", "EXCHANGER_TIMEOUT": "2s",
		"ABSENCE_WAIT": "6s", // longer than any request takes that was sent before
		// Eight workers share a machine that may be busy: what they have in hand at
		// once must be stored well within a lease.
		"MAX_IN_FLIGHT": "16", "LEASE": lease.String(), "ACK_WAIT": "7s",
	})
	env := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.t.TempDir(), "GOMAXPROCS=1"}, assignments(all, own)...)
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
		r.skinsFront.serve(r.add(skinsProgram, hooked(skinsSettings(r.skins.URL()), r.skinsFront)))
		r.siteFront.serve(r.add(exchangeProgram, hooked(exchangeSettings(r.site.APIURL()), r.siteFront)))
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
		providertest.Redirect(307), providertest.TooMany(0), {Kind: providertest.Slow, Delay: 300 * time.Millisecond},
	}
}

// spoil makes that share of all requests go wrong.
func (r *rig) spoil(percent int) {
	for _, f := range []*providertest.Faults{r.steam.Door().Faults, r.drop.Faults(), r.skins.Faults(), r.site.Faults()} {
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
	secrets := append(r.drop.Keys(), apiKey, token, skinsSecret, exchangeKey, hookSecret,
		"skinsback.com/_/", "exchanger.example/hst_", "/public/hook/") // where customers pay, and where shops call back
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
