package accounts_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/programs/programstest"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

const (
	prefix = "beltline" // of the API of JetStream

	steamKey    = "key-of-steam"
	dropToken   = "token-of-gamesdrop"
	skinsSecret = "secret-of-skinsback"
	siteKey     = "key-of-the-site"
)

// rig is a server with the shipped accounts, and everybody who works with it.
type rig struct {
	t   *testing.T
	dir string // of configuration, keys and contexts
	url string
	// replicas are the copies of each stream.
	replicas int
	steam    *balancesteamtest.Server
	drop     *gamesdroptest.Server
	skins    *skinsbacktest.Server
	site     *exchangertest.Server

	mu  sync.Mutex
	log bytes.Buffer // of all programs
}

// newRig opens the shops. url is where the servers are.
func newRig(t *testing.T, dir, url string) *rig {
	t.Helper()
	tell(t, dir, url)
	r := &rig{
		t: t, dir: dir, url: url, replicas: 1,
		steam: balancesteamtest.New(balancesteamtest.WithAPIKey(steamKey), balancesteamtest.WithFaults(providertest.NewFaults(1))),
		drop:  gamesdroptest.New(gamesdroptest.WithToken(dropToken)),
		skins: skinsbacktest.New(skinsbacktest.WithCredentials("77", skinsSecret), skinsbacktest.WithWebhooks(skinsbacktest.Form, "")),
		site:  exchangertest.New(exchangertest.WithCredentials(exchangertest.Login, siteKey)),
	}
	for _, end := range []func(){r.steam.Close, r.drop.Close, r.skins.Close, r.site.Close} {
		t.Cleanup(end)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("warnings and errors of the programs:\n%s", r.trouble())
		}
	})
	return r
}

// shared are the settings that all programs have alike. The times keep the
// order of production at a fraction of its length.
func shared() map[string]string {
	env := map[string]string{
		"LEASE": "9s", "ACK_WAIT": "12s", "POLL_FIRST": "100ms", "POLL_MAX": "1s", "ABSENCE_WAIT": "15s", "HOLD_DOWN": "15s", "BLOCKED_MAX": "5m",
		"EVENTS_MAX_BYTES": "256MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB",
	}
	for _, p := range []string{"BALANCESTEAM", "SKINSBACK", "GAMESDROP", "EXCHANGER"} {
		env[p+"_RATE_LIMIT"], env[p+"_TIMEOUT"] = "100000/1s", "8s"
	}
	return env
}

// context is the file that a role connects by.
func (r *rig) context(role string) string { return filepath.Join(r.dir, role+".json") }

// startPrograms starts the dispatcher and the workers, each with its context.
func (r *rig) startPrograms(more map[string]string) {
	r.t.Helper()
	own := map[string]map[string]string{
		"dispatcher":          {"NO_SETUP": "true"},
		"worker-balancesteam": {"BALANCESTEAM_URL": r.steam.URL(), "BALANCESTEAM_API_KEY": steamKey, "BALANCESTEAM_WITNESS": "record"},
		"worker-gamesdrop":    {"GAMESDROP_URL": r.drop.URL(), "GAMESDROP_TELEGRAM_URL": r.drop.TelegramURL(), "GAMESDROP_TOKEN": dropToken},
		"worker-skinsback":    {"SKINSBACK_URL": r.skins.URL(), "SKINSBACK_CLIENT_ID": "77", "SKINSBACK_CLIENT_SECRET": skinsSecret},
		"worker-exchanger":    {"EXCHANGER_URL": r.site.APIURL(), "EXCHANGER_API_LOGIN": exchangertest.Login, "EXCHANGER_API_KEY": siteKey},
	}
	var all []*programstest.Program
	for _, p := range append(programs.Workers(), programs.Dispatcher()) {
		env := shared()
		maps.Copy(env, own[p.Name])
		for name, value := range more {
			if !strings.HasPrefix(name, "WEBHOOK_") || p.Name == "worker-skinsback" { // only its provider calls back here
				env[name] = value
			}
		}
		env["NATS_CONTEXT"], env["LOG_FORMAT"], env["HTTP_ADDR"], env["DRAIN_TIMEOUT"] = r.context(p.Name), "json", "127.0.0.1:0", "20s"
		all = append(all, r.run(p, env))
	}
	for _, p := range all {
		p.AwaitReady()
	}
}

// run starts a program.
func (r *rig) run(p app.Program, env map[string]string) *programstest.Program {
	r.t.Helper()
	return programstest.Start(r.t, p, app.Process{Environ: env, Stdout: r, Stderr: r})
}

// Write takes a line of a program's log.
func (r *rig) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(line)
}

func (r *rig) trouble() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var bad []string
	for line := range strings.SplitSeq(r.log.String(), "\n") {
		if line != "" && !strings.Contains(line, `"level":"info"`) {
			bad = append(bad, line)
		}
	}
	return strings.Join(bad[max(0, len(bad)-40):], "\n")
}

// denials are what the programs were refused.
func (r *rig) denials() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.SplitSeq(r.log.String(), "\n") {
		if strings.Contains(strings.ToLower(line), "permissions violation") {
			all = append(all, line)
		}
	}
	return all
}

// await asks again and again, for what cannot be waited for otherwise.
func (r *rig) await(what string, is func() bool) {
	r.t.Helper()
	deadline, again := time.NewTimer(patience), time.NewTicker(50*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-deadline.C:
			r.t.Fatalf("never came true: %s", what)
		}
	}
}

// beltline runs the command line as a role, in a process of its own.
func (r *rig) beltline(role string, args ...string) (stdout, stderr string, err error) {
	cmd := exec.CommandContext(r.t.Context(), program(r.t, "beltline"), args...) //nolint:gosec // our own program
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "NATS_CONTEXT=" + r.context(role)}
	if args[0] == "setup" {
		for name, value := range shared() {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		cmd.Env = append(cmd.Env, "NATS_REPLICAS="+strconv.Itoa(r.replicas))
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.String(), said.String(), err
}

// connect opens a connection with a role's key, as any client would.
func (r *rig) connect(role string, opts ...nats.Option) *nats.Conn {
	r.t.Helper()
	nc, err := nats.Connect(r.url, append(r.how(role), opts...)...)
	if err != nil {
		r.t.Fatalf("%s: %v", role, err)
	}
	r.t.Cleanup(nc.Close)
	return nc
}

func (r *rig) how(role string) []nats.Option {
	r.t.Helper()
	body, err := os.ReadFile(r.context(role))
	var c struct {
		NKey   string `json:"nkey"`
		CA     string `json:"ca"`
		Prefix string `json:"inbox_prefix"`
	}
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	key, err := nats.NkeyOptionFromSeed(c.NKey)
	if err != nil {
		r.t.Fatal(err)
	}
	opts := []nats.Option{key, nats.RootCAs(c.CA), nats.Timeout(patience), nats.Name(role), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}
	if c.Prefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(c.Prefix))
	}
	return opts
}

// js is JetStream as a role sees it.
func (r *rig) js(role string) jetstream.JetStream {
	r.t.Helper()
	js, err := jetstream.NewWithAPIPrefix(r.connect(role), prefix)
	if err != nil {
		r.t.Fatal(err)
	}
	return js
}

// upstream is the Go client of a tenant.
func (r *rig) upstream(tenant string) *client.Client {
	r.t.Helper()
	c, err := client.Connect(client.Options{
		Tenant: tenant, URL: r.url, InboxPrefix: "_INBOX_tenant-" + tenant, APIPrefix: prefix, AnswerWithin: patience, Patience: patience,
		NATS: r.how("tenant-" + tenant),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.Close)
	return c
}
