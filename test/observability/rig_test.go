package observability_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

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
const patience = 3 * time.Minute

// pipeline is all programs in one process, as they are run, with the shops.
type pipeline struct {
	t     *testing.T
	nc    *nats.Conn
	js    jetstream.JetStream
	steam *balancesteamtest.Server
	// registries are the programs' own, by their names.
	registries map[string]*prometheus.Registry

	mu  sync.Mutex
	log bytes.Buffer
}

func start(t *testing.T) *pipeline {
	t.Helper()
	server := natstest.Start(t, natstest.WithListener())
	p := &pipeline{
		t: t, nc: server.Conn(t), js: server.JS(t), registries: map[string]*prometheus.Registry{},
		steam: balancesteamtest.New(balancesteamtest.WithAPIKey("steam-key"), balancesteamtest.WithFaults(providertest.NewFaults(1))),
	}
	drop, skins := gamesdroptest.New(gamesdroptest.WithToken("drop-token")), skinsbacktest.New(skinsbacktest.WithCredentials("77", "skins-secret"))
	site := exchangertest.New(exchangertest.WithCredentials(exchangertest.Login, "site-key"))
	for _, end := range []func(){p.steam.Close, drop.Close, skins.Close, site.Close} {
		t.Cleanup(end)
	}
	env := map[string]string{"NATS_URL": server.URL(), "LOG_FORMAT": "json", "HTTP_ADDR": "127.0.0.1:0"}
	p.run(programs.Dispatcher(), env)
	worker := func(program app.Program, settings map[string]string) {
		own := maps.Clone(env)
		maps.Copy(own, settings)
		p.run(program, own)
	}
	door := map[string]string{"WEBHOOK_ADDR": "127.0.0.1:0", "WEBHOOK_PUBLIC_URL": "http://127.0.0.1:1", "WEBHOOK_SECRET": "a-key-of-callbacks-of-32-bytes-or-so"}
	worker(programs.BalanceSteam(), map[string]string{"BALANCESTEAM_URL": p.steam.URL(), "BALANCESTEAM_API_KEY": "steam-key"})
	worker(programs.GamesDrop(), map[string]string{
		"GAMESDROP_URL": drop.URL(), "GAMESDROP_TELEGRAM_URL": drop.TelegramURL(), "GAMESDROP_TOKEN": "drop-token",
	})
	hooked := maps.Clone(door)
	maps.Copy(hooked, map[string]string{"SKINSBACK_URL": skins.URL(), "SKINSBACK_CLIENT_ID": "77", "SKINSBACK_CLIENT_SECRET": "skins-secret"})
	worker(programs.SkinsBack(), hooked)
	hooked = maps.Clone(door)
	maps.Copy(hooked, map[string]string{"EXCHANGER_URL": site.APIURL(), "EXCHANGER_API_LOGIN": exchangertest.Login, "EXCHANGER_API_KEY": "site-key"})
	worker(programs.Exchanger(), hooked)
	return p
}

// run starts a program and waits until it says that it is ready.
func (p *pipeline) run(program app.Program, env map[string]string) {
	p.t.Helper()
	running := programstest.Ready(p.t, program, app.Process{Environ: env, Stdout: p, Stderr: p})
	p.registries[program.Name] = running.Metrics
}

// Write takes a line of a program's log.
func (p *pipeline) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(line)
}

func (p *pipeline) trouble() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := slices.DeleteFunc(strings.Split(p.log.String(), "\n"), func(line string) bool { return strings.Contains(line, `"level":"info"`) })
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

func (p *pipeline) await(what string, is func() bool) {
	p.t.Helper()
	deadline, again := time.NewTimer(patience), time.NewTicker(50*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-deadline.C:
			p.t.Fatalf("never came true: %s\n%s", what, p.trouble())
		}
	}
}

// ask asks a service and wants an answer that is no error.
func (p *pipeline) ask(subject, body string) map[string]any {
	p.t.Helper()
	m, err := p.nc.Request(subject, []byte(body), patience)
	if err != nil || m.Header.Get("Nats-Service-Error-Code") != "" {
		p.t.Fatalf("%s: %v %v", subject, err, m)
	}
	var answer map[string]any
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		p.t.Fatal(err)
	}
	return answer
}

func (p *pipeline) submit(body string) {
	p.t.Helper()
	if _, err := p.js.Publish(p.t.Context(), "orders.acme.submit", []byte(body)); err != nil {
		p.t.Fatal(err)
	}
}

// gather reads what all programs tell; of each metric the samples of all of them.
func (p *pipeline) gather() map[string]*family {
	p.t.Helper()
	all := map[string]*family{}
	for _, registry := range p.registries {
		families, err := registry.Gather()
		if err != nil {
			p.t.Fatal(err)
		}
		for _, f := range families {
			if all[f.GetName()] == nil {
				all[f.GetName()] = &family{typ: strings.ToLower(f.GetType().String())}
			}
			for _, m := range f.GetMetric() {
				s := sample{labels: map[string]string{}, value: m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())}
				for _, l := range m.GetLabel() {
					s.labels[l.GetName()] = l.GetValue()
				}
				all[f.GetName()].samples = append(all[f.GetName()].samples, s)
			}
		}
	}
	return all
}

// family is one metric as all programs tell it.
type family struct {
	typ     string
	samples []sample
}

// sample is a value, or the number of observations.
type sample struct {
	labels map[string]string
	value  float64
}

// value finds the greatest value of the samples that have the labels, each as
// name=value; -1 for none.
func (f *family) value(labels ...string) float64 {
	most := -1.0
	if f == nil {
		return most
	}
	for _, s := range f.samples {
		fits := true
		for _, l := range labels {
			name, value, _ := strings.Cut(l, "=")
			fits = fits && s.labels[name] == value
		}
		if fits {
			most = max(most, s.value)
		}
	}
	return most
}

// tells reports whether a sample has a value of the label that fits the pattern.
func (f *family) tells(label, pattern string) bool {
	fits := regexp.MustCompile(`^(?:` + pattern + `)$`)
	return slices.ContainsFunc(f.samples, func(s sample) bool { return fits.MatchString(s.labels[label]) })
}
