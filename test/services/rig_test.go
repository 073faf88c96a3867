package services_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/programs/programstest"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/exchanger/exchangertest"
	"github.com/beltline-io/beltline/pkg/providers/gamesdrop/gamesdroptest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
	"github.com/beltline-io/beltline/pkg/providers/skinsback/skinsbacktest"
)

// patience is for what must come; never a wait of fixed length.
const patience = 90 * time.Second

// Canaries: they must appear in no error.
const (
	steamKey     = "canary-steam-2f6c1d"
	dropToken    = "canary-drop-77a0be"
	skinsSecret  = "canary-skins-0c94e1"
	siteKey      = "canary-site-51bb20"
	steamBalance = "73519.26"
	dropBalance  = "91827.45"
	siteBalance  = "64738.19"
)

// rig is a dispatcher, workers and the shops, in one process.
type rig struct {
	t     *testing.T
	nc    *nats.Conn
	js    jetstream.JetStream
	steam *balancesteamtest.Server
	drop  *gamesdroptest.Server
	skins *skinsbacktest.Server
	site  *exchangertest.Server

	mu  sync.Mutex
	log bytes.Buffer
}

// newRig starts everything, with the workers named and as many replicas of each.
// change is laid over the settings of all programs.
func newRig(t *testing.T, replicas int, change map[string]string, workers ...func() app.Program) *rig {
	t.Helper()
	server := natstest.Start(t, natstest.WithListener())
	r := &rig{
		t: t, nc: server.Conn(t), js: server.JS(t),
		steam: balancesteamtest.New(balancesteamtest.WithAPIKey(steamKey), balancesteamtest.WithBalance(steamBalance), balancesteamtest.WithFaults(providertest.NewFaults(1))),
		drop:  gamesdroptest.New(gamesdroptest.WithToken(dropToken), gamesdroptest.WithFaults(providertest.NewFaults(2))),
		skins: skinsbacktest.New(skinsbacktest.WithCredentials("77", skinsSecret), skinsbacktest.WithFaults(providertest.NewFaults(3))),
		site:  exchangertest.New(exchangertest.WithCredentials(exchangertest.Login, siteKey), exchangertest.WithFaults(providertest.NewFaults(4))),
	}
	r.drop.SetBalance(dropBalance)
	r.site.SetBalance(siteBalance)
	for _, end := range []func(){r.steam.Close, r.drop.Close, r.skins.Close, r.site.Close} {
		t.Cleanup(end)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("warnings and errors of the programs:\n%s", r.trouble())
		}
	})
	env := map[string]string{
		"NATS_URL": server.URL(), "LOG_FORMAT": "json", "HTTP_ADDR": "127.0.0.1:0",
		"BALANCESTEAM_RATE_LIMIT": "100000/1s", "GAMESDROP_RATE_LIMIT": "100000/1s", "SKINSBACK_RATE_LIMIT": "100000/1s", "EXCHANGER_RATE_LIMIT": "100000/1s",
		"BALANCESTEAM_TIMEOUT": "4s", "GAMESDROP_TIMEOUT": "4s", "SKINSBACK_TIMEOUT": "4s", "EXCHANGER_TIMEOUT": "4s",
		"LEASE": "5s", "ACK_WAIT": "7s", "POLL_FIRST": "100ms", "POLL_MAX": "1s", "ABSENCE_WAIT": "15s", "HOLD_DOWN": "8s", "BLOCKED_MAX": "5m",
		"EVENTS_MAX_BYTES": "256MiB", "ORDERS_MAX_BYTES": "64MiB", "DLQ_MAX_BYTES": "64MiB", "DRAIN_TIMEOUT": "15s",
	}
	maps.Copy(env, change)
	r.run(programs.Dispatcher(), env)
	env = maps.Clone(env)
	maps.Copy(env, map[string]string{
		"BALANCESTEAM_URL": r.steam.URL(), "BALANCESTEAM_API_KEY": steamKey,
		"GAMESDROP_URL": r.drop.URL(), "GAMESDROP_TELEGRAM_URL": r.drop.TelegramURL(), "GAMESDROP_TOKEN": dropToken,
		"SKINSBACK_URL": r.skins.URL(), "SKINSBACK_CLIENT_ID": "77", "SKINSBACK_CLIENT_SECRET": skinsSecret,
		"EXCHANGER_URL": r.site.APIURL(), "EXCHANGER_API_LOGIN": exchangertest.Login, "EXCHANGER_API_KEY": siteKey,
	})
	for _, worker := range workers {
		for range replicas {
			r.run(worker(), env)
		}
	}
	return r
}

// run starts a program and waits until it says that it is ready.
func (r *rig) run(p app.Program, env map[string]string) {
	r.t.Helper()
	programstest.Ready(r.t, p, app.Process{Environ: env, Stdout: r, Stderr: r})
}

// Write takes a line of a program's log.
func (r *rig) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(line)
}

func (r *rig) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *rig) trouble() string {
	lines := slices.DeleteFunc(strings.Split(r.logged(), "\n"), func(line string) bool { return strings.Contains(line, `"level":"info"`) })
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// await asks again and again, for what cannot be waited for otherwise.
func (r *rig) await(what string, is func() bool) {
	r.t.Helper()
	deadline, again := time.NewTimer(patience), time.NewTicker(20*time.Millisecond)
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

// reply is an answer as any NATS client sees it.
type reply struct {
	code, text string
	header     nats.Header
	raw        string
	body       map[string]any
}

// word is the error's own word in the body.
func (a reply) word(path ...string) any {
	var v any = a.body
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// ask asks a service. Whatever is an error must be one in header and body alike.
func (r *rig) ask(subject, body string) reply {
	r.t.Helper()
	a, err := r.request(subject, body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", subject, body, err)
	}
	return a
}

func (r *rig) request(subject, body string) (reply, error) {
	m, err := r.nc.Request(subject, []byte(body), patience)
	if err != nil {
		return reply{}, err
	}
	a := reply{
		code: m.Header.Get("Nats-Service-Error-Code"), text: m.Header.Get("Nats-Service-Error"), header: m.Header, raw: string(m.Data),
	}
	_ = json.Unmarshal(m.Data, &a.body)
	if a.code != "" && (a.word("error", "message") != a.text || a.word("error", "code") == nil) {
		r.t.Errorf("%s: header and body of an error disagree: %q, %s", subject, a.text, a.raw)
	}
	return a, nil
}

// mustAsk wants an answer that its published schema takes.
func (r *rig) mustAsk(service, method, body string) reply {
	r.t.Helper()
	subject := map[string]string{"orders": "svc.orders." + tenant + ".", "operator": "svc.operator."}[service]
	if subject == "" {
		subject = "svc.providers." + service + "."
	}
	a := r.ask(subject+method, body)
	if a.code != "" {
		r.t.Fatalf("%s.%s %s: %s %s", service, method, body, a.code, a.raw)
	}
	if err := validate(schemaOf(r.t, "svc."+service+"."+method+".answer.json"), a.raw); err != nil {
		r.t.Errorf("%s.%s: %v\n%s", service, method, err, a.raw)
	}
	return a
}

func schemaOf(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(filepath.Join("..", "..", "docs", "schemas", name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(s *jsonschema.Schema, body string) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

const tenant = "acme"

// submit publishes an order and waits for an event of one of the types.
func (r *rig) submit(body, id string, types ...string) map[string]any {
	r.t.Helper()
	if _, err := r.js.Publish(r.t.Context(), "orders."+tenant+".submit", []byte(body)); err != nil {
		r.t.Fatal(err)
	}
	return r.reach(id, types...)
}

// reach waits until the order's last event is of one of the types.
func (r *rig) reach(id string, types ...string) map[string]any {
	r.t.Helper()
	var last reply
	r.await("order "+id+" reaches "+strings.Join(types, " or "), func() bool {
		last = r.ask("svc.orders."+tenant+".get", `{"id":"`+id+`"}`)
		typ, _ := last.word("type").(string)
		return slices.Contains(types, typ)
	})
	return last.body
}
